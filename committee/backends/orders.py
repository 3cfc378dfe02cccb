"""Whether a sentence orders a film or a picture, by rules.

A wrong yes starts minutes of work that nobody asked for; a wrong no costs the user one clearer sentence. So an order is
a verb where an order begins ("Make …", "Can you draw …", "Mach mir …"), and right behind it, as its object, an
indefinite film or picture: no negation between, no "the film" that exists already, no "film class" that is code.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal, TypeAlias

Thing: TypeAlias = Literal["film", "picture"]

_I = re.IGNORECASE

_FILM = (
    r"\w*films?|movies?|videos?|vídeos?|vidéos?|clips?|trailers?|documentar(?:y|ies)|cartoons?|animations?|películas?|"
    r"cortometrajes?|dessins? animés?|courts?-métrages?"
)
_PICTURE = (
    r"pictures?|images?|photos?|photographs?|illustrations?|posters?|drawings?|paintings?|portraits?|wallpapers?|logos?|"
    r"bild(?:er)?|zeichnung|im[aá]gen(?:es)?|dessins?|dibujos?"
)
_NOUN = re.compile(rf"(?<![\w/.$<@])(?:(?P<film>{_FILM})|(?P<picture>{_PICTURE}))(?![\w/(=<]|\.\w|::)", _I)

_LEAD = (
    r"please|pls|kindly|just|simply|now|next|then|also|first|ok|okay|hey|hi|hello|yes|so|go ahead and|let'?s|let us|"
    r"(?:can|could|would|will) you|(?:i|we)(?:'d like| want| need| would like) (?:you )?to|"
    r"bitte|jetzt|peux-tu|pouvez-vous|pourrais-tu|pourriez-vous|s'il (?:te|vous) pla[iî]t|puedes|podrías|puede|"
    r"por favor|me|m'"
)
_VERB = (
    r"make|create|generate|render|produce|shoot|direct|animate|draw|paint|sketch|design|illustrate|give me|show me|"
    r"(?:i|we)(?: want| need|'d like| would like)|"
    r"mache?n?|macht|erstellen?|erstellt|erzeugen?|dreh(?:e|en|t)?|zeichnen?|male|generiere|"
    r"ich (?:will|möchte|brauche|hätte gerne?)|(?:kannst|könntest|würdest) du|können sie|könnten sie|"
    r"fai[st]|faites|faire|crée[zr]?|créer|génère[zr]?|générer|réalise[zr]?|tourne[zr]?|dessine[zr]?|"
    r"je (?:veux|voudrais)|j'aimerais|"
    r"haz(?:me|nos)?|haga|hacer(?:me|nos)?|crea(?:r|me)?|cree|genera(?:r|me)?|dibuja(?:r|me)?|quiero|quisiera|necesito"
)
_START = re.compile(
    rf"(?:\A|[.!?;:,\n]\s|\b(?:and|then|but|und|dann|aber|sondern|et|puis|mais|y|luego|pero)\s)[\s\"'*>(-]{{0,5}}"
    rf"(?P<lead>(?:(?:{_LEAD})\b[,!]?\s*){{0,4}})(?P<verb>{_VERB})(?=[\s-])",
    _I,
)
_PHRASE = re.compile(r"(?:[^.!?;:\n]|\.(?=\d)|(?<=\d):(?=\d)){0,160}")
_FOR_ME = re.compile(r"\A[\s-](?:(?:for )?(?:me|us|my \w+|moi|nous|mir|uns|bitte|please|doch|mal)[\s,]+)*", _I)
_A = re.compile(
    r"\b(?:an?|one|two|some|another|ein(?:e[nr]?)?|einige|une?|des|un[oa]?s?|otr[oa])\b(?!\s*(?:and|&)\b)", _I
)
_THE = re.compile(r"\b(?:the|der|die|das|den|le|la|les|el|los|las)\b|\bl'", _I)
# Words behind which the noun is no longer what was ordered.
_CLOSES = re.compile(
    r"\b(?:no|not|never|without|nor|nicht|nie|niemals|kein\w*|pas|aucune?|ning[uú]n\w*|sin|nada|than|instead|except|but|"
    r"anything|everything|nothing|sure|use|it|about|of|for|on|in|with|from|to|that|which|who|how|what|why|where|when|if|"
    r"into|using|via|as|at|by|because|so|or|is|are|was|were|over|like|this|these|those|my|your|our|his|her|their|its|"
    r"dies\w*|mein\w*|dein\w*|unser\w*|für|über|von|mit|aus|zu|ce|cet|cette|ces|mon|ma|mes|de|d|pour|avec|sur|dans|"
    r"este|esta|mi|tu|su|para|con|sobre|en)\b|n't\b|(?<!\bblack )(?<!\bshort )\b(?:and|und|et|y)\b|[`(){}<>=$_\\/|]",
    _I,
)
_SUBJECT = re.compile(r"\s*(?::|,? (?:about|of|on|showing|that|where|über|von|sur|sobre|de|d')\b)", _I)
# "Don't …", "never …" anywhere in the sentence before the verb; "No, make a film" is none.
_NEGATION = re.compile(
    r"\b(?:not|never|nicht|niemals|kein\w*|ne|jamais|nunca|avoid|refuse|stop|dont|cannot)\b|n't\b|\bn'|"
    r"\bno\b(?! *,| prob| worr)",
    _I,
)

_CODE = (
    r"class(?:es)?|variables?|functions?|methods?|components?|modules?|interfaces?|structs?|types?|enums?|objects?|"
    r"fields?|columns?|tables?|endpoints?|routes?|routers?|apis?|handlers?|controllers?|models?|schemas?|stores?|"
    r"services?|scripts?|packages?|librar(?:y|ies)|tests?|fixtures?|files?|folders?|director(?:y|ies)|repos?|"
    r"repositor(?:y|ies)|branch(?:es)?|constants?|parameters?|params?|props?|propert(?:y|ies)|hooks?|quer(?:y|ies)|"
    r"migrations?|forms?|widgets?|lists?|arrays?|maps?|dicts?|ids?|players?|apps?|applications?|pages?|"
    r"web ?sites?|sites?|databases?|db|buttons?|modals?|cards?|editors?|parsers?|codecs?|converters?|upload\w*|"
    r"download\w*|process\w*|pipelines?|metadata|captions?|thumbnails?|alt|urls?|uris?|links?|tags?|elements?|icons?|templates?|"
    r"configs?|sections?|entr(?:y|ies)|records?|rows?|galler(?:y|ies)|viewers?|carousels?|sliders?|stream\w*|encod\w*|"
    r"decod\w*|transcod\w*|generators?|wrappers?|plugins?|commands?|cli|sdk|codebase|docker\w*|containers?|backend|frontend|"
    r"server|client|workers?|queues?|jobs?|events?|loaders?|managers?|factor(?:y|ies)|instances?|namespaces?|namen?|names?"
)
# Behind these words the name of the thing has ended.
_ENDS = (
    r"(?:about|of|with|for|in|on|from|to|at|by|and|or|that|which|who|where|when|how|a|an|the|some|my|your|our|titled|"
    r"entitled|(?!upload|process|stream|encod)\w+ing)\b"
)
_CODE_BEHIND = re.compile(
    rf"[\"'`]?[ -]+(?!{_ENDS})(?!(?:called|named)\b)(?:(?!{_ENDS})[\w'-]+ ){{0,2}}(?:{_CODE})\b(?!:)", _I
)
_CODE_BEFORE = re.compile(
    r"\b(?:class|variables?|function|method|component|interface|struct|enum|constant|const|let|var|def|parameter|property|"
    r"prop|import|column|attribute|identifier|react|vue|svelte|angular|django|flask|python|typescript|javascript|html\d?|"
    r"css|sql|api|json|yaml|web|backend|frontend|unit|dummy|mock)\b(?: (?:called|named))?\W*\Z|[\w.]+[`(]\W*\Z",
    _I,
)
# Signs of code in the order's own sentence: paths, file names, identifiers, backticks.
_CODE_MARK = re.compile(
    r"`|(?<![\w:/])(?:\.{0,2}/)?[\w.-]+/[\w./-]*\w\.\w{1,5}\b|\b[\w-]+\.(?:[cm]?[jt]sx?|py|rs|go|java|kt|swift|cs|cpp|cc|h|rb|"
    r"php|html?|css|scss|sql|json|ya?ml|toml|md|vue|svelte|sh|ipynb)\b|\b[a-z]\w*_\w+\b|\b[a-z]{2,}[A-Z]\w*|"
    r"\w\(\)|=>|::|</?\w+[ />]|\b(?-i:const|def|import|npm|git|async|await|useState|TypeScript|JavaScript)\b"
)
_IN_CODE = re.compile(
    r"\b(?:in|to|into|from|inside|using|with|via) (?:the |our |my |your |this |a |an )?(?:new )?"
    r"(?:code ?base|code|repo|repository|database|db|component|function|class|module|react|vue|svelte|css|html|sql|jsx|"
    r"typescript|javascript|python|rust|java|c\+\+|django|flask|ffmpeg|canvas|tailwind|state|schema|backend|frontend)\b",
    _I,
)
# "A film festival", "a movie review": things of their own, and no film.
_OTHER_BEHIND = re.compile(
    rf"[ -]+(?:(?:to (?:watch|see))|(?!{_ENDS})(?:[a-z]+ )?(?:festivals?|reviews?|recommendations?|games?|calls?|"
    r"conferenc\w+|scripts?|ideas?|titles?|studios?|directors?|stars?|crew|theat(?:er|re)s?|nights?|buffs?|quiz|critics?|industry|"
    r"schools?|courses?|budgets?|schedules?|plans?|summar(?:y|ies)|synopsis|outlines?|descriptions?|soundtracks?|tickets?|"
    r"channels?|cameras?|rolls?|projectors?|makers?|frames?|albums?|books?|formats?|compression|analysis|history|rights|credits|"
    r"screenplays?|dialogu?e|quotes?|prompts?|resolution|quality|size|length|transcripts?|subtitles|licen[cs]es?)"
    r"\b(?! about a film))",
    _I,
)
_GERMAN_END = re.compile(r"\b(?:machen|erstellen|erzeugen|drehen|generieren|zeichnen|malen)\b", _I)

_BARE = re.compile(r"(?:\A|(?<=[.!\n])\s*)\s*(?=\S)", _I)
_LENGTH = re.compile(r"\b\d+(?:\.\d+)?[ -]?(?:s|secs?|seconds?|sekunden?|m|min|minutes?|minuten?|hours?|h)\b", _I)
_BEGINS_BARE = re.compile(
    rf"\s*\Z|{_A.pattern}|{_LENGTH.pattern}|(?:short|long|new|quick|animated|little|4k|1080p)\b", _I
)
_TITLE = re.compile(r"(?:\A|[.!;,\n])\s*(?:title|titel|titre|título)\s*:", _I)
_QUESTION = re.compile(
    r"\A\W*(?:what|who|why|when|where|which|how|is|are|was|were|does|do|did|has|have|should|whose|recommend|list|"
    r"translate|summari[sz]e|explain|review|discuss|compare|define|tell)\b",
    _I,
)
_STATEMENT = re.compile(
    r"(?<!\bwho )(?<!\bthat )(?<!\bwhich )(?<!\bhow )(?<!\bwhere )"
    r"\b(?:is|was|were|are|has|had|won|came|will|can|should|would|must|needs?|isn't|wasn't)\b",
    _I,
)
_DRAW = re.compile(r"draw|paint|sketch|illustrate|zeichne|male|dessine[zr]?|dibuja(?:r|me)?", _I)
# "Draw conclusions", "draw on …", "draw a class diagram".
_NOT_DRAWN = re.compile(
    r"\A\W*(?:(?:an?|the|some|any|your|my)\s+)?(?:conclusions?|inspiration|attention|parallels?|comparisons?|"
    r"distinctions?|lessons?|inferences?|lots|lines? between|the line|from|on|up|out|near|upon|blood|breath)\b|"
    r"\A\W*(?:[\w'-]+\s+){0,4}(?:diagrams?|flowcharts?|uml|charts?|graphs?|borders?|rectangles?|pixels?|box(?:es)?|"
    r"class(?:es)?|functions?|components?|methods?|interfaces?|canvas|buttons?|icons?|widgets?|schemas?)\b",
    _I,
)
_CODING_AGENT = re.compile(
    r"\b(?:coding|programming|programmer|software (?:engineer|developer)\w*|codebase|code editor|source code|"
    r"repository|workspace|pull requests?|IDE|terminal|shell commands?|unit tests?|refactor\w*)\b",
    _I,
)


def ordered(text: str, *, wary: bool = False) -> Thing | None:
    """The thing that `text` orders, or None.

    wary: the talk is probably about code, so only a plain order that stands at the beginning counts.
    """
    text = unicodedata.normalize("NFC", text).replace("’", "'")
    if wary:
        return _plainly_ordered(text)
    for start in _START.finditer(text):
        if not _negated(text, start.start("verb")) and (found := _object(text, start)):
            return found
    return _named_only(text)


def talks_of_code(system: str) -> bool:
    """Whether a system prompt makes its assistant a programmer."""
    return _CODING_AGENT.search(system) is not None


def _plainly_ordered(text: str) -> Thing | None:
    start = _START.match(text)
    if start is None or _CODE_MARK.search(text) or re.search(rf"\b(?:{_CODE}|code)\b", text, _I):
        return None
    return _object(text, start) if _A.search(_phrase(text, start)) and not _draws(start) else None


def _object(text: str, start: re.Match[str]) -> Thing | None:
    """The film or picture that the verb's phrase is about."""
    phrase, sentence = _phrase(text, start), _sentence(text, start.end())
    if re.search(r"\b(?:du|sie)\Z", start["verb"], _I) and not _GERMAN_END.search(sentence):
        return None
    for noun in _NOUN.finditer(phrase):
        before, after = phrase[: noun.start()], text[start.end() + len(_lead(text, start)) + noun.end() :][:120]
        if _CLOSES.search(before) or _CODE_BEFORE.search(before) or len(_A.findall(before)) > 1:
            break
        if "," in before and not _A.search(before):
            break
        if _CODE_BEHIND.match(after) or before[-1:] in {'"', "'"}:
            return None
        if _OTHER_BEHIND.match(after) or (_NOUN.match(after.lstrip(" -")) and not after.startswith(",")):
            continue
        if re.match(r"\s*\?", after):
            return None
        if (_THE.search(before) or re.search(r"\bto\s*\Z(?<!you to )", start["lead"], _I)) and not _SUBJECT.match(
            after
        ):
            return None
        if not re.match(r"\s*:", after) and (_CODE_MARK.search(sentence) or _IN_CODE.search(sentence)):
            return None
        return "film" if noun["film"] else "picture"
    return "picture" if _draws(start) and _drawable(sentence) else None


def _named_only(text: str) -> Thing | None:
    """An order without a verb: "film about the sea", "a 20-second clip of rain", "… Title: Butterflies"."""
    if "?" in text or _QUESTION.match(text) or _NEGATION.search(text[:400]):
        return None
    titled = _TITLE.search(text) is not None
    for bare in _BARE.finditer(text) if titled else [re.match(r"\s*", text)]:
        if bare is None:
            continue
        phrase, sentence = _PHRASE.match(text, bare.end()), _sentence(text, bare.end())
        noun = _NOUN.search(phrase[0]) if phrase else None
        if phrase is None or noun is None or noun.start() > 60:
            continue
        before, after = phrase[0][: noun.start()], text[bare.end() + noun.end() :][:120]
        doubtful = _CLOSES.search(before) or _CODE_BEFORE.search(before) or _THE.search(before)
        if doubtful or _CODE_BEHIND.match(after) or _OTHER_BEHIND.match(after) or _STATEMENT.search(sentence):
            continue
        if (
            not (titled or _BEGINS_BARE.match(before))
            or len(before.split()) > 6
            or _CODE_MARK.search(sentence)
            or _IN_CODE.search(sentence)
        ):
            continue
        short = len(before.split()) <= 3 and re.match(r"\s*:|\s+(?:about|of|über|sur|sobre)\b", after, _I)
        if titled or _LENGTH.search(before) or short:
            return "film" if noun["film"] else "picture"
    return None


def _phrase(text: str, start: re.Match[str]) -> str:
    skipped = start.end() + len(_lead(text, start))
    found = _PHRASE.match(text, skipped)
    return found[0] if found else ""


def _lead(text: str, start: re.Match[str]) -> str:
    """ "me", "for us": for whom it is."""
    found = _FOR_ME.match(text[start.end() : start.end() + 80])
    return found[0] if found else ""


def _sentence(text: str, at: int) -> str:
    found = re.compile(r"(?:[^.!?\n]|[.!?](?=\S)){0,400}").match(text, at)
    return found[0] if found else ""


def _negated(text: str, verb: int) -> bool:
    before = re.split(r"[.!?;\n](?=\s)|\bbut\b|\bsondern\b|\bmais\b|\bsino\b", text[max(0, verb - 200) : verb])[-1]
    return _NEGATION.search(before) is not None


def _draws(start: re.Match[str]) -> bool:
    return _DRAW.fullmatch(start["verb"]) is not None


def _drawable(sentence: str) -> bool:
    code = _CODE_MARK.search(sentence) or _IN_CODE.search(sentence)
    return (
        bool(sentence.strip())
        and not code
        and not _NOT_DRAWN.search(sentence)
        and not _NEGATION.match(sentence.strip())
    )
