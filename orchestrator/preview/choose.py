"""From words to a spec: which plates and sprites a text calls for, and an honest list of what they leave out."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.preview import lexicon
from orchestrator.preview.setting import Hit, Setting, setting_of
from orchestrator.preview.spec import FRAMINGS, MOODS, MOVES, SKIES, SPRITES, STYLES, Depiction, ShotArt, Subject

_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*", re.UNICODE)
_MAX_TEXT = 4000
_MAX_SUBJECTS = 5
_NEGATIONS = frozenset({"no", "without", "never"})
_MOVE_CYCLE = ("drift", "push_in", "pan_right", "pull_out", "tilt_up", "pan_left", "push_in", "tilt_down")
_BOARD_SKIES = ("dusk", "dawn", "night", "golden_hour")
_TABLES = (
    ("terrain", lexicon.TERRAINS),
    ("sky", lexicon.SKIES),
    ("atmosphere", lexicon.ATMOSPHERES),
    ("foreground", lexicon.FOREGROUNDS),
)
_FRAMING_CYCLE = ("wide", "medium", "close", "wide", "close", "medium")


@dataclass(frozen=True)
class _Token:
    word: str  # as written, lower case
    lemma: str
    plural: bool
    count: int | None  # a number said before it
    negated: bool


@dataclass
class _Reading:
    """What the tables found in one text."""

    sprites: dict[str, Subject] = field(default_factory=dict)
    terrains: list[str] = field(default_factory=list)
    skies: list[str] = field(default_factory=list)
    stated: list[str] = field(default_factory=list)  # those of the skies that settle the light of every shot
    atmospheres: list[str] = field(default_factory=list)
    foregrounds: list[str] = field(default_factory=list)
    moods: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    drawn: dict[str, list[Hit]] = field(default_factory=dict)  # word -> [(kind, value)] it stands for
    undrawn: list[str] = field(default_factory=list)
    displaced: bool = False  # it names a place that our plate of that name would get wrong
    head: str | None = None  # its first noun, if no plate knows it


def lemma(word: str) -> tuple[str, bool]:
    """(singular, was it a plural) for an English noun; other words come back unchanged."""
    if word in lexicon.IRREGULAR:
        return lexicon.IRREGULAR[word], word in ("people", "men", "women", "children", "geese", "wolves", "leaves")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y", True
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2], True
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1], True
    return word, False


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    count: int | None = None
    negated = 0
    for match in _WORD.finditer(text[:_MAX_TEXT].lower()):
        word = re.sub(r"['’]s$", "", match.group())
        singular, plural = lemma(word)
        if word in lexicon.NUMBERS or word.isdigit():
            count = lexicon.NUMBERS.get(word) or min(40, int(word[:3]))
        negated = 3 if word in _NEGATIONS else max(0, negated - 1)
        if word in ("and", "but", "with"):
            negated = 0
        tokens.append(_Token(word, singular, plural, count, negated > 0))
        if word not in lexicon.NUMBERS and not word.isdigit() and word not in lexicon.ADJECTIVES:
            count = None
    return tokens


def _read(text: str, setting: Setting) -> _Reading:
    reading = _Reading()
    tokens = _tokens(text)
    crowded = any(token.lemma in lexicon.CROWD_WORDS and not token.negated for token in tokens)
    for position, token in enumerate(tokens):
        if token.negated:
            continue
        known = _known(token)
        hits = [hit for hit in known if hit not in setting.banned]
        _collect(token, hits, reading)
        reading.displaced |= any(hit[0] in ("terrain", "sky") and hit in setting.wrong for hit in known)
        if token.word in lexicon.ADJECTIVES:
            continue
        if hits:
            reading.drawn.setdefault(token.word, []).extend(hits)
        elif (known or _noun_like(tokens, position)) and token.word not in reading.undrawn:
            reading.undrawn.append(token.word)
    reading.head = _head(tokens, reading)
    if crowded:
        for name, subject in reading.sprites.items():
            if subject.count == 1 and name in lexicon.CROWDS:
                reading.sprites[name] = Subject(name, lexicon.CROWDS[name], subject.pose)
    return reading


def _known(token: _Token) -> list[Hit]:
    """Look one word up in every table of things: the (kind, value) pairs a viewer should be able to point at."""
    name = token.lemma
    hits: list[Hit] = []
    sprite = lexicon.SPRITES.get(name)
    if sprite and sprite[0] in SPRITES:
        hits.append(("sprite", sprite[0]))
    for kind, table in _TABLES:
        value = table.get(name) or table.get(token.word)
        if value:
            hits.append((kind, value))
    return hits


def _collect(token: _Token, hits: list[Hit], reading: _Reading) -> None:
    """Put what one word stands for on the reading's lists."""
    found = {
        "terrain": reading.terrains,
        "sky": reading.skies,
        "atmosphere": reading.atmospheres,
        "foreground": reading.foregrounds,
    }
    for kind, value in hits:
        if kind == "sprite":
            _add_sprite(reading, token, *lexicon.SPRITES[token.lemma])
        else:
            found[kind].append(value)
            if kind == "sky" and token.word not in lexicon.LOOSE_HOURS:
                reading.stated.append(value)
    for table, words in ((lexicon.MOODS, reading.moods), (lexicon.STYLES, reading.styles)):
        if token.word in table:
            words.append(table[token.word])


def _head(tokens: list[_Token], reading: _Reading) -> str | None:
    """The first noun, if it cannot be drawn: what the text is about, as far as neighbours tell.

    "The journey of a fox" is about the fox, and silence over the sea is the sea.
    """
    for position, token in enumerate(tokens):
        if token.word in reading.drawn:
            return None
        if token.word not in reading.undrawn or token.lemma in lexicon.INTANGIBLE | lexicon.CROWD_WORDS:
            continue
        rest = [later.word for later in tokens[position + 1 : position + 6]]
        if rest[:1] == ["of"]:
            named = next((word for word in rest[1:] if word in reading.drawn or word in reading.undrawn), "")
            if any(kind == "sprite" for kind, _ in reading.drawn.get(named, [])):
                return None
        return token.word
    return None


def _add_sprite(reading: _Reading, token: _Token, sprite: str, pose: str) -> None:
    if token.count and not (token.count == 1 and token.plural):
        count = token.count
    else:
        crowd = token.plural or token.lemma in ("people", "flock", "crowd", "fish")
        count = lexicon.CROWDS.get(sprite, 2) if crowd else 1
    before = reading.sprites.get(sprite)
    if before is not None:
        count, pose = max(count, before.count), pose or before.pose
    reading.sprites[sprite] = Subject(sprite, min(count, 40), pose)


def _noun_like(tokens: list[_Token], position: int) -> bool:
    """A word that names a thing, by its neighbours: after a determiner, preposition or adjective, or a bare plural."""
    token = tokens[position]
    word = token.word
    if len(word) < 3 or word.isdigit() or word in lexicon.FUNCTION_WORDS | lexicon.FILM_WORDS | lexicon.ADJECTIVES:
        return False
    if word in lexicon.REQUEST_WORDS:
        return False
    if word in lexicon.VERBS or word in lexicon.MOODS or word in lexicon.STYLES or token.lemma in lexicon.FILM_WORDS:
        return False
    if word.endswith("ly") or (
        word.endswith(("ing", "ed")) and not _after(tokens, position, lexicon.DETERMINERS | {"of"})
    ):
        return word == "computing"
    if position == 0:
        return True
    if token.plural and (_follows_a_verb(tokens, position) or tokens[position - 1].word == "light"):
        return False  # "golden light spills"
    if _after(tokens, position, lexicon.DETERMINERS | lexicon.PREPOSITIONS | lexicon.ADJECTIVES | {"and"}):
        return True
    # "detective enters": an s-form after a singular noun is its verb, not a plural
    return not token.plural or tokens[position - 1].plural or tokens[position - 1].word in lexicon.VERBS


def _follows_a_verb(tokens: list[_Token], position: int) -> bool:
    """ "She stops and listens": after a pronoun, or joined by "and" to another s-form, it is what someone does."""
    before = tokens[position - 1]
    if before.word in lexicon.PRONOUNS:
        return True
    if before.word != "and" or position < 2:
        return False
    other = tokens[position - 2]
    return other.word in lexicon.VERBS or (
        other.plural and position > 2 and tokens[position - 3].word in lexicon.PRONOUNS
    )


def _after(tokens: list[_Token], position: int, words: Iterable[str]) -> bool:
    return position > 0 and (tokens[position - 1].word in words or tokens[position - 1].word in lexicon.NUMBERS)


def _named(text: str | None, table: dict[str, str], allowed: tuple[str, ...]) -> str | None:
    """The value a caller asked for by name or by one of its words, e.g. "Close-up" or "late evening"."""
    if not text:
        return None
    plain = text.strip().lower().replace("-", "_").replace(" ", "_")
    if plain in allowed:
        return plain
    for word in _WORD.findall(text.lower()):
        for form in (word, lemma(word)[0], *word.split("-")):
            if form in table:
                return table[form]
    return None


def move_named(text: str | None) -> str | None:
    """The camera move in words such as "Slow dolly in" or "PUSH IN + PAN RIGHT" (the first one counts)."""
    if not text:
        return None
    plain = re.sub(r"[^a-z]+", " ", text.lower())
    found = []
    for move, pattern in (
        ("push_in", r"(push|dolly|zoom|track|move)(es|s|ing)? (slowly )?(in|forward|toward)|closer"),
        ("pull_out", r"(pull|dolly|zoom|track|move)(es|s|ing)? (slowly )?(out|back|away)"),
        ("pan_left", r"(pan|truck|slide|track|drift)(s|ning|ing)? (to the )?left"),
        ("pan_right", r"(pan|truck|slide|track|drift)(s|ning|ing)? (to the )?right|\bpan\b(?! (to the )?left)"),
        ("tilt_up", r"(tilt|crane|pedestal|boom)(s|ing)? up|\brise\b"),
        ("tilt_down", r"(tilt|crane|pedestal|boom)(s|ing)? down|\bdescend\b"),
        ("drift", r"drift|float|handheld|orbit"),
        ("hold", r"\b(hold|static|still|locked|fixed)\b"),
    ):
        match = re.search(pattern, plain)
        if match:
            found.append((match.start(), move))
    return min(found)[1] if found else None


def choose_art(
    text: str,
    *,
    seed: int,
    style: str = "",
    shot_index: int = 0,
    framing: str | None = None,
    move: str | None = None,
    time_of_day: str | None = None,
    mood: str | None = None,
    title: str = "",
    caption: str = "",
    duration_s: float = 4.0,
    context: str = "",
) -> tuple[ShotArt, Depiction]:
    """Choose plates and sprites for a text, and say which of its nouns they show.

    `context` (the whole film's idea) fills in place, hour and subject where the shot's own text names none. Free
    wording is fine for style, framing, move, time_of_day and mood. Text that no plate fits, or whose period ours
    contradict, gives a board: a card with the text, rather than a wrong picture.
    A picture that shows only the setting of its text carries the note as well.
    """
    setting = setting_of(text, context)
    reading = _read(text, setting)
    around = _read(context, Setting(setting.wrong, setting_of(context).misread))
    rng = random.Random(f"{seed}:choose")
    own = bool(reading.sprites or reading.terrains or reading.foregrounds)
    homeless = (reading.displaced or around.displaced) and not (reading.terrains or around.terrains)
    board = homeless or (not own and not (around.sprites or around.terrains))
    sprites = reading.sprites or ({} if reading.terrains and reading.undrawn else around.sprites)
    subjects = tuple(list(sprites.values())[:_MAX_SUBJECTS])
    terrain = "horizon" if board else _terrain(reading, around, subjects, setting)
    sky = _sky(reading, around, terrain, time_of_day)
    if board and not (reading.skies or around.skies or time_of_day):
        sky = random.Random(f"{context or text}:hour").choice(_BOARD_SKIES)  # one hour for the whole film
    terrain = _fit_terrain(terrain, sky, subjects)
    if terrain == "mountains" and "snow" in reading.atmospheres:
        terrain = "snow"  # its plates show mountains too
    chosen_mood = _named(mood, lexicon.MOODS, MOODS) or _first(reading.moods, around.moods) or "neutral"
    chosen_style = _named(style, lexicon.STYLES, STYLES) or _first(reading.styles, around.styles) or "illustration"
    art = ShotArt(
        seed=seed,
        duration_s=duration_s,
        sky=sky,
        terrain=terrain,
        foreground=_foreground(reading, around, terrain, rng, chosen_style),
        subjects=subjects,
        atmosphere=_atmosphere(reading, around, terrain, sky, chosen_style),
        mood=chosen_mood,
        style=chosen_style,
        framing=_named(framing, lexicon.FRAMINGS, FRAMINGS) or _FRAMING_CYCLE[shot_index % len(_FRAMING_CYCLE)],
        move=move_named(move) or (move if move in MOVES else _MOVE_CYCLE[(shot_index + seed) % len(_MOVE_CYCLE)]),
        title=title,
        caption=caption,
        part=shot_index,
        board=board,
        note=" ".join(text.split())[:240] if board or _only_setting(reading, subjects) else "",
    )
    return art, _depiction(art, reading)


def _only_setting(reading: _Reading, subjects: tuple[Subject, ...]) -> bool:
    """What the text is about cannot be drawn, and nothing that lives or moves stands in its place."""
    return reading.head is not None and all(subject.sprite in lexicon.FIXTURES for subject in subjects)


def _first(*lists: list[str]) -> str | None:
    return next((items[0] for items in lists if items), None)


def _terrain(reading: _Reading, around: _Reading, subjects: tuple[Subject, ...], setting: Setting) -> str:
    for found in (reading.terrains, around.terrains):
        if found:
            return min(found, key=lexicon.STRONG_TERRAINS.index)
    homes = [lexicon.SPRITE_TERRAIN.get(subject.sprite, "") for subject in subjects]
    return next(
        (home for home in homes if home and ("terrain", home) not in setting.banned),
        "meadow" if {"grass", "flowers"} & set(reading.foregrounds) else "horizon",
    )


def _sky(reading: _Reading, around: _Reading, terrain: str, time_of_day: str | None) -> str:
    """What the shot states, else what the film states, else the hour asked for."""
    natural = lexicon.TERRAIN_SKY[terrain]
    if natural in ("underwater", "space"):
        return natural
    asked = _named(time_of_day, lexicon.SKIES, SKIES)
    for found in (_stated(reading, asked), _stated(around, asked)):
        if found:
            return found
    snows = "snow" in (reading.atmospheres or around.atmospheres)
    if asked:
        return "overcast" if snows and asked in ("dawn", "golden_hour", "dusk") else asked
    for skies in (reading.skies, around.skies):
        if sky := next((sky for sky in skies if sky != "underwater"), ""):
            return sky
    return "day" if snows and terrain in ("village", "forest", "meadow") else natural


def _stated(reading: _Reading, asked: str | None) -> str | None:
    """The sky a text names. The hour matters more than the weather, except for storms; a dark night may be wet."""
    skies = [sky for sky in reading.stated if sky != "underwater"]
    hours = [sky for sky in skies if sky not in ("overcast", "storm")]
    if "storm" in skies or not skies:
        return "storm" if skies else None
    if asked in hours or (asked == "night" and not hours):
        return asked  # "from dawn to dusk": the passing hours are part of it
    return hours[0] if hours else "overcast"


def _fit_terrain(terrain: str, sky: str, subjects: tuple[Subject, ...]) -> str:
    """Nobody stands on open water, and a sky full of galaxies with no place named is an orbit."""
    if terrain == "sea" and any(subject.sprite in lexicon.STANDING for subject in subjects):
        return "coast"
    return "orbit" if sky == "space" and terrain == "horizon" else terrain


def _foreground(reading: _Reading, around: _Reading, terrain: str, rng: random.Random, style: str) -> str:
    allowed = lexicon.TERRAIN_FOREGROUND[terrain]
    if "snow" in reading.atmospheres and terrain in ("village", "mountains", "forest", "lake", "horizon"):
        return "snow"
    asked = _first(reading.foregrounds, around.foregrounds if not reading.terrains else [])
    if asked:
        return asked
    if style == "minimal" or allowed == ("none",):
        return "none"
    return allowed[0] if rng.random() < 0.6 else rng.choice(allowed)


def _atmosphere(reading: _Reading, around: _Reading, terrain: str, sky: str, style: str) -> tuple[str, ...]:
    found = list(dict.fromkeys(reading.atmospheres or around.atmospheres))
    if terrain in ("seabed",):
        return ("bubbles",)
    if terrain in ("room", "diner", "orbit"):
        return tuple(item for item in found if item in ("rain", "snow", "dust"))
    if terrain == "snow" and "rain" in found:
        found = [item for item in found if item != "rain"]
    if not found and style != "minimal":
        found = {
            "meadow": ["fireflies" if sky == "night" else "pollen"],
            "forest": ["fireflies" if sky == "night" else "pollen"],
            "village": ["pollen"],
            "snow": ["snow"],
            "desert": ["dust"],
            "lake": ["fog"] if sky in ("dawn", "overcast") else [],
            "horizon": ["dust"],
        }.get(terrain, [])
        if sky == "storm":
            found = ["rain"]
    return tuple(found[:3])


def _depiction(art: ShotArt, reading: _Reading) -> Depiction:
    """A word counts as drawn only if what it stands for is in the final spec."""
    present = {
        *(("terrain", shown) for shown in (art.terrain, *lexicon.ALSO_SHOWS.get(art.terrain, ()))),
        ("sky", art.sky),
        ("foreground", art.foreground),
        *(("atmosphere", item) for item in art.atmosphere),
        *(("sprite", subject.sprite) for subject in art.subjects),
    }
    depicted: list[str] = []
    missing: list[str] = []
    for word, hits in reading.drawn.items():
        if ("sky", "storm") in hits:
            hits = [("sky", "storm")]  # rain alone is no storm
        (depicted if any(hit in present for hit in hits) else missing).append(word)
    return Depiction(depicted, missing + [word for word in reading.undrawn if word not in depicted])
