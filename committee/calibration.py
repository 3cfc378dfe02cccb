"""What a measurement on the user's own models says about when a committee is worth asking.

`committee calibrate` measures and writes a `Table`; the deliberation reads it as a gate. A table can only switch
categories off: those where the committee was measurably worse than its best member. Without a table, or with one that
was measured on other models or other prompts, every category is deliberated on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec

from committee import prompts
from committee.errors import CalibrationInvalid

log = logging.getLogger(__name__)

Category: TypeAlias = Literal["reasoning", "code", "tools", "refusal", "other"]
CATEGORIES: tuple[Category, ...] = get_args(Category)

# With fewer items an interval is narrow by accident as easily as by evidence.
MIN_ITEMS = 30

_MAX_TABLE_BYTES = 1 << 20

Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]
Difference: TypeAlias = Annotated[float, msgspec.Meta(ge=-1, le=1)]


class Interval(msgspec.Struct, frozen=True):
    """A mean difference of two shares with its 95 % confidence bounds; positive is in the committee's favour."""

    mean: Difference
    low: Difference
    high: Difference

    def __post_init__(self) -> None:
        if not self.low <= self.mean <= self.high:
            raise ValueError("an interval has its mean between its bounds")


class CategoryRow(msgspec.Struct, frozen=True):
    """What was measured in one category.

    members: each member's share of right answers. difference: the committee less the best member. plan_difference: the
    same for the correctness of tool plans alone, None where no item has one.
    """

    items: Annotated[int, msgspec.Meta(ge=0)]
    members: dict[str, Share]
    committee: Share
    difference: Interval
    plan_difference: Interval | None = None

    @property
    def best_member(self) -> str | None:
        """Who has most right answers; None without a member, or when the first two are level."""
        ranked = sorted(self.members, key=lambda name: self.members[name], reverse=True)
        if not ranked or (len(ranked) > 1 and self.members[ranked[0]] == self.members[ranked[1]]):
            return None
        return ranked[0]

    @property
    def is_off(self) -> bool:
        """Whether one member alone is measurably better, and the committee's tool plans are no better either."""
        plans_improve = self.plan_difference is not None and self.plan_difference.mean > 0
        return self.items >= MIN_ITEMS and self.difference.high < 0 and not plans_improve


class Table(msgspec.Struct, frozen=True):
    """A measurement, with what it was measured on.

    models: the model behind each member's name. prompts: the version of our prompts. stand_ins: true when members were
    rules instead of language models, which says nothing about models.
    """

    models: dict[str, str]
    prompts: str
    rows: dict[Category, CategoryRow]
    stand_ins: bool = False
    measured_at: str = ""
    version: Literal[1] = 1

    @classmethod
    def empty(cls) -> Table:
        """The table that switches nothing off."""
        return cls(models={}, prompts=prompts.VERSION, rows={})

    @classmethod
    def load(cls, path: Path) -> Table:
        """Read a table. Raises CalibrationInvalid, which names the file and what is wrong with it."""
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_TABLE_BYTES + 1)
        except OSError as error:
            raise CalibrationInvalid(f"{path}: {error.strerror or error}") from error
        if len(data) > _MAX_TABLE_BYTES:
            raise CalibrationInvalid(f"{path}: a table is far smaller than this file.")
        try:
            return msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CalibrationInvalid(f"{path}: {error}") from error

    def save(self, path: Path) -> None:
        """Write the table so that a reader never sees half of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(path.name + ".tmp")
        half.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
        half.replace(path)

    def solo_member(self, category: Category) -> str | None:
        """The member that answers alone because the category is switched off; None to ask the committee."""
        row = self.rows.get(category)
        return row.best_member if row is not None and row.is_off else None

    def stronger(self, category: Category) -> str | None:
        """The member with the better score in the category; None when they are level or too little was measured."""
        row = self.rows.get(category)
        return row.best_member if row is not None and row.items >= MIN_ITEMS else None

    def unfit(self, models: Mapping[str, str]) -> str:
        """Why the table says nothing about these members (name to model); empty when it fits them."""
        if self.stand_ins:
            return "it was measured on stand-ins, not on language models"
        if self.prompts != prompts.VERSION:
            return f"it was measured with prompts {self.prompts}, and {prompts.VERSION} are in use"
        if dict(models) != self.models:
            return f"it was measured on {_listed(self.models)}, and {_listed(models)} answer now"
        return ""


class Gate:
    """The table as far as it fits the members that answer now.

    Members may find their model servers long after the start, so whether the table fits is looked at for every turn,
    and said in the log once per change.
    """

    def __init__(self, table: Table | None) -> None:
        self._table = table if table is not None and table.rows else None
        self._said: str | None = None

    def table(self, models: Mapping[str, str]) -> Table:
        """The table to go by when these members (name to model) deliberate; empty when there is none that fits."""
        if self._table is None:
            return Table.empty()
        why = self._table.unfit(models)
        if why != self._said:
            self._said = why
            log.info("calibration %s", f"ignored: {why}" if why else "in use")
        return Table.empty() if why else self._table


# -- categories -----------------------------------------------------------------------------------------------------

_I = re.IGNORECASE
_LOOKED_AT = 4000

# What only a tool can do: media, and jobs that are already there. Stems, so that cases and plurals match as well.
_MEDIA = re.compile(
    r"\b(?:films?|filmpjes?|filmato|documentar\w+|footage|\w+-métrages?|movies?|videos?|vídeos?|vidéos?|clips?|trailers?|cartoons?|animations?|animación|película|cortometraje|"
    r"pictures?|images?|imágenes|imagen|photos?|illustrations?|posters?|drawings?|paintings?|portraits?|wallpapers?|"
    r"logos?|bild(?:er|es)?|zeichnung|kurzfilm\w*|trickfilm\w*|dessins?|dibujos?|immagine|filmato|filme|imagem|"
    r"фильм\w*|видео|картин\w*)\b|影片|视频|視頻|电影|图片|圖片|动画|映画|動画|画像|イラスト|영화|영상|그림",
    _I,
)
_MAKE = re.compile(
    r"\b(?:make|create|generate|render|produce|shoot|animate|draw|paint|sketch|design|illustrate|need|want|like|"
    r"turn|mach\w*|erstell\w*|erzeug\w*|dreh\w*|zeichn\w*|mal(?:e|en)?|brauche|möchte|hätte|"
    r"fai[st]|faites|faire|crée\w*|créer|génère\w*|génér\w*|réalise\w*|dessine\w*|voudrais|"
    r"haz|hazme|hacer|crea\w*|genera\w*|dibuja\w*|quiero|necesito|crie|gere|faça|desenhe|quero|disegna\w*|fammi|voglio|"
    r"сними\w*|сдела\w*|созда\w*|нарису\w*)\b|做|制作|製作|生成|画|畫|拍|作っ|作成|描い|만들|그려",
    _I,
)
_DRAW = re.compile(
    r"\A\W*(?:please |bitte )?(?:draw|paint|sketch|zeichne|male|dessine|dibuja|disegna|desenhe|нарисуй)\b", _I
)
_JOB_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", _I)
_CODE = re.compile(
    r"```|`[^`\n]+`|\b(?:def|fn|func|class|const|SELECT|import|return|public static|#include)\s+\w|\w\(\)|=>|"
    r"\b(?:python|javascript|typescript|rust|golang|java|kotlin|c\+\+|c#|sql|bash|regex|regular expression|"
    r"function|funktion|fonction|función|method|algorithm|unit tests?|traceback|stack trace|exception|compile\w*|"
    r"refactor\w*|debug\w*|api|endpoint|docker\w*|git|npm|pytest|programm?|script|code)\b",
    _I,
)
# Where the right answer may be a refusal, and a wrong one does harm.
_SENSITIVE = re.compile(
    r"\b(?:bomb\w*|explosiv\w*|weapons?|nerve agent|poison\w*|malware|ransomware|keylogger|phishing|"
    r"hack (?:into|my|the)|steal|counterfeit|launder\w*|suicide|self-harm|overdose|undress\w*|"
    r"nude\w*|naked|deepfakes?|sexual|stalk\w*|"
    r"track (?:my|someone)|bioweapon\w*|meth|without (?:his|her|their) (?:knowledge|consent))\b",
    _I,
)
_ABILITY = re.compile(r"\b(?:can|could|are) you (?:able|even|really|actually|capable)\b|\bkannst du überhaupt\b", _I)
_REASON = re.compile(
    r"\b(?:at what time|in base \d|neighbours|in a row)\b|\bhow (?:many|much|long|far|old|fast|often)\b|\bwhat is \d|"
    r"\b(?:calculate|compute|solve|prove|"
    r"probability|percent\w*|average|sum|product|remainder|divisible|equation|integer|prime|puzzle|riddle|logic\w*|deduce|therefore|"
    r"which (?:day|option|number|of the following)|largest|smallest|sequence|true or false|"
    r"wie ?viele?|berechne\w*|combien|calcule\w*|cuánt\w*|calcula\w*)\b|\d\s*[-+*/×÷^%=]\s*\d|"
    r"^[^\S\n]{0,20}\(?[a-d][).]\s",
    _I | re.MULTILINE,
)


def categorise(user_text: str, *, tools: bool) -> Category:
    """What kind of question the user's last message is, by its words; microseconds, no model.

    tools: whether tools may be used in this turn. What only a tool can do is a "refusal" without them: the right answer
    then says that it cannot be done here.
    """
    text = user_text[:_LOOKED_AT]
    if _SENSITIVE.search(text):
        return "refusal"
    if _CODE.search(text):
        return "code"
    if _JOB_ID.search(text) or _DRAW.search(text) or (_MEDIA.search(text) and _MAKE.search(text)):
        return "tools" if tools else "refusal"
    if _ABILITY.search(text):
        return "refusal"
    return "reasoning" if _REASON.search(text) else "other"


def _listed(models: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {model}" for name, model in sorted(models.items())) or "no members"
