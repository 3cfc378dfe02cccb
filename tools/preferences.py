"""What a sentence says about the film it asks for.

`parse_preferences("A 3-minute 4K 60fps film about monarch butterflies. Title: Butterflies.")` finds the length, the
size, the rate, the title and the subject, and leaves None for everything that is not stated. No model takes part: the
same sentence always means the same film, and a committee of two models can be checked against it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from fractions import Fraction

NTSC_RATES = (Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001), Fraction(120000, 1001))

# A film's noun; a length or "silent" next to one of these is about the film, elsewhere it may be about its subject.
_FILM_NOUN = (
    r"(?:films?|movies?|videos?|clips?|shorts?|animations?|trailers?|teasers?|ads?|adverts?|advertisements?|commercials?"
    r"|documentary|documentaries|features?|episodes?|memes?|reels?|sequences?|cartoons?|slideshows?)"
)

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_DAY_S = 86_400.0
_LONGER_UNITS = {"day": _DAY_S, "week": 7 * _DAY_S, "month": 30 * _DAY_S, "year": 365 * _DAY_S,
                 "decade": 3650 * _DAY_S, "centur": 36_500 * _DAY_S}  # fmt: skip
_NUMBER_WORDS = {
    "a": 1.0, "an": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0,
    "eight": 8.0, "nine": 9.0, "ten": 10.0, "eleven": 11.0, "twelve": 12.0, "fifteen": 15.0, "twenty": 20.0,
    "thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0, "seventy": 70.0, "eighty": 80.0, "ninety": 90.0,
    "half": 0.5, "couple of": 2.0, "a couple of": 2.0, "dozen": 12.0, "a dozen": 12.0, "hundred": 100.0,
    "thousand": 1000.0, "a thousand": 1000.0,
}  # fmt: skip
_ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
for _tens in ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"):
    for _one in _ONES:
        _NUMBER_WORDS[f"{_tens}-{_one}"] = _NUMBER_WORDS[f"{_tens} {_one}"] = _NUMBER_WORDS[_tens] + _NUMBER_WORDS[_one]
for _hundreds in ("a", *_ONES):
    _NUMBER_WORDS[f"{_hundreds} hundred"] = _NUMBER_WORDS[_hundreds] * 100
_NUMBER = r"\d+(?:\.\d+)?|" + "|".join(sorted((w for w in _NUMBER_WORDS if w != "half"), key=len, reverse=True))
_LONG_UNIT = r"(?:hours?|hrs?|minutes?|mins?|seconds?|secs?)"

_CLOCK = re.compile(r"(?<![\d:])(\d{1,3}):([0-5]\d):([0-5]\d)(?![\d:])")
_HALF_OF = re.compile(rf"\b(half|quarter)(?:\s+of)?[\s-]+(?:an?[\s-]+)?({_LONG_UNIT})\b", re.IGNORECASE)
_AND_A_HALF = re.compile(rf"\b({_NUMBER})[\s-]+and[\s-]+a[\s-]+half[\s-]+({_LONG_UNIT})\b", re.IGNORECASE)
_UNIT_AND_A_HALF = re.compile(rf"\b({_NUMBER})[\s-]+({_LONG_UNIT})[\s-]+and[\s-]+a[\s-]+half\b", re.IGNORECASE)
_SPAN = re.compile(
    rf"(?<![\w.$€£])(?:\d+(?:\.\d+)?(?:[hms](?![a-z])|(?:\s*-?\s*){_LONG_UNIT}\b)|(?:{_NUMBER})[\s-]+{_LONG_UNIT}\b)"
    rf"(?:(?:\s*,?\s*(?:and\s+)?)(?:\d+(?:\.\d+)?(?:[ms](?![a-z])|(?:\s*-?\s*)(?:minutes?|mins?|seconds?|secs?)\b)))*"
    rf"|(?<![\w.$€£])\d+(?:\.\d+)?h\d+(?:\.\d+)?m(?:\d+(?:\.\d+)?s)?(?![a-z])"
    rf"|(?<![\w.$€£])\d+(?:\.\d+)?m\d+(?:\.\d+)?s(?![a-z])",
    re.IGNORECASE,
)
_SPAN_PART = re.compile(rf"({_NUMBER})[\s-]*(h|m|s)(?:ours?|rs?|inutes?|ins?|econds?|ecs?)?(?![a-z])", re.IGNORECASE)
_LONGER = r"(?:days?|weeks?|months?|years?|decades?|century|centuries)"
# Days to centuries are nearly always in the story ("a 10-year-old boy"), so they count only in so many words.
_LONGER_SPAN = re.compile(
    rf"(?<![\w.$€£])(?:{_NUMBER})[\s-]*{_LONGER}(?![\s-]+old\b)\b"
    rf"(?:\s*,?\s*(?:and\s+)?(?:{_NUMBER})[\s-]*(?:{_LONGER}|{_LONG_UNIT})\b)*",
    re.IGNORECASE,
)
_LONGER_PART = re.compile(rf"({_NUMBER})[\s-]*({_LONGER}|{_LONG_UNIT})\b", re.IGNORECASE)
# Read as a sign only where a dash between words cannot stand: "a -5 second film", not "fog - 5 seconds" or "5-10".
_MINUS = re.compile(r"(?:(?:^|(?<=[\s(:=,;]))[-−]|\b(?:minus|negative)[\s-]+)$", re.IGNORECASE)
# What may stand between "10-year" and "film" when the two belong together.
_FILM_ADJECTIVE = (
    r"(?:[\d.]+[pk]|\d+x\d+|[\d./]+[\s-]?fps|u?hd|full|long|short|silent|animated|vertical|square|portrait|feature|music"
    r"|high|low|quality|draft|colou?r|water-?colou?r|noir|cinematic|vintage|anime|new|nice|beautiful)"
)
_LONG_FILM = re.compile(
    rf"[\s-]*(?:{_FILM_ADJECTIVE}[\s,-]+){{0,6}}{_FILM_NOUN}\b"
    r"(?!\s+(?:festival|school|course|shoot|set|diary|marathon|challenge|series|project)\b)",
    re.IGNORECASE,
)
_SAYS_LENGTH = re.compile(
    rf"(?:\b{_FILM_NOUN}\s+(?:of|for|lasting|that\s+(?:lasts|is|runs)|running|with\s+a\s+(?:length|duration|runtime)\s+of)"
    r"|\b(?:duration|length|runtime|run\s+time)\s*(?:of|is|:|=))\s*$",
    re.IGNORECASE,
)
_NOUN = re.compile(rf"\b{_FILM_NOUN}\b", re.IGNORECASE)
_UNSURE_UNIT = rf"(?:{_LONG_UNIT}|{_LONGER}|fortnights?|millenni(?:um|a)|eons?|aeons?|lifetimes?|moments?|frames?)"
_UNSURE_NUMBER = rf"(?:(?:a|the)\s+)?(?:few|several|some|many|dozens\s+of|hundreds\s+of|thousands\s+of)|{_NUMBER}"
# A length by its place in the sentence, in words that give no number of seconds.
_UNSURE = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?<![\w.$€£])(?P<said>(?:{_UNSURE_NUMBER})[\s-]*{_UNSURE_UNIT})\b(?=[\s-]+(?:long\s+)?{_FILM_NOUN}\b)",
        rf"\b{_FILM_NOUN}\s+(?:of|for)\s+(?P<said>(?:{_UNSURE_NUMBER})[\s-]*{_UNSURE_UNIT})\b(?!\s+of\b)",
        rf"\b{_FILM_NOUN}\s+(?P<said>(?:that\s+)?last(?:s|ing)\s+\w+(?:\s\w+){{0,2}}?)(?=\s+about\b|\s*[,.;!?]|\s*$)",
        r"(?:^|(?<=[,.;(\n])\s?)(?P<said>(?:duration|length|runtime)\s?[:=]\s?[^,.;!?\n]{1,40})",
    )
)

RESOLUTIONS: dict[str, tuple[int, int]] = {
    "8k": (7680, 4320), "4320p": (7680, 4320), "4k": (3840, 2160), "uhd": (3840, 2160), "2160p": (3840, 2160),
    "2k": (2560, 1440), "qhd": (2560, 1440), "1440p": (2560, 1440), "1080p": (1920, 1080), "fhd": (1920, 1080),
    "full hd": (1920, 1080), "fullhd": (1920, 1080), "720p": (1280, 720), "hd": (1280, 720), "480p": (854, 480),
    "sd": (854, 480), "360p": (640, 360), "240p": (426, 240), "180p": (320, 180), "144p": (256, 144),
}  # fmt: skip
_SIZE = re.compile(r"(?<![\w.])(\d{2,6})\s*[x×*]\s*(\d{1,6})(?![\w.])", re.IGNORECASE)
_NAMED_SIZE = re.compile(
    r"(?<![\w.$€£])(8\s?k|4320p|4\s?k|uhd|2160p|2\s?k|qhd|1440p|1080p|fhd|full[\s-]?hd|720p|hd|480p|360p|240p|180p|144p)"
    r"(?:\s+(?:uhd|resolution|quality|video))?(?!\w)",
    re.IGNORECASE,
)
_VERTICAL = re.compile(
    rf"(?<![\w:])9\s?:\s?16(?![\w:])|\bvertical(?=\s+(?:(?:{_FILM_ADJECTIVE}\s+)*{_FILM_NOUN}|format|orientation|mode))"
    r"|\bvertical(?=\s*[,.;]|\s*$)"
    rf"|\bportrait[\s-]+(?:mode|orientation|format)|\bportrait(?=\s+{_FILM_NOUN})|\bin\s+(?:portrait|vertical)\b",
    re.IGNORECASE,
)
_SQUARE = re.compile(rf"(?<![\w:])1\s?:\s?1(?![\w:])|\bsquare(?=\s+(?:{_FILM_NOUN}|format))", re.IGNORECASE)
_WIDE = re.compile(r"(?<![\w:])21\s?:\s?9(?![\w:])|\b(?:ultra-?wide|cinemascope)\b", re.IGNORECASE)
_RATE = re.compile(
    r"(?<![\w.])(\d{1,6}(?:\.\d+)?(?:/\d{1,5})?)\s*-?\s*(?:fps|frames?\s+(?:per|a)\s+second|frames?/s(?:ec(?:ond)?)?)\b",
    re.IGNORECASE,
)

_TITLE_COLON = re.compile(
    r"[,;]?\s*\b(?:the\s+)?title\s*(?:is|[:=])\s*(?:[\"“«]([^\"”»\n]{1,200})[\"”»]|([^.;\n!?\"“]{1,200}))[.;!?]?",
    re.IGNORECASE,
)
_TITLE_QUOTED = re.compile(
    r"[,;]?\s*\b(?:titled|entitled|called|named)\s*:?\s*(?:[\"“«]([^\"”»\n]{1,200})[\"”»]|'([^'\n]{1,200})')",
    re.IGNORECASE,
)
_TITLE_CAPITALS = re.compile(
    r"[,;]?\s*\b(?:titled|entitled)\s+([A-Z][\w'’-]*(?:\s+(?:(?:of|the|and|in|a|an|to|for)\s+)*[A-Z0-9][\w'’-]*)*)"
)

LANGUAGES: dict[str, str] = {
    "english": "en", "german": "de", "deutsch": "de", "french": "fr", "français": "fr", "spanish": "es",
    "español": "es", "italian": "it", "italiano": "it", "portuguese": "pt", "dutch": "nl", "swedish": "sv",
    "norwegian": "nb", "danish": "da", "finnish": "fi", "polish": "pl", "czech": "cs", "slovak": "sk",
    "hungarian": "hu", "romanian": "ro", "bulgarian": "bg", "greek": "el", "turkish": "tr", "russian": "ru",
    "ukrainian": "uk", "arabic": "ar", "hebrew": "he", "hindi": "hi", "bengali": "bn", "tamil": "ta",
    "japanese": "ja", "korean": "ko", "chinese": "cmn", "mandarin": "cmn", "vietnamese": "vi", "thai": "th",
    "indonesian": "id", "malay": "ms", "swahili": "sw", "catalan": "ca", "croatian": "hr", "serbian": "sr",
    "icelandic": "is", "irish": "ga", "welsh": "cy", "latin": "la", "esperanto": "eo", "persian": "fa",
}  # fmt: skip
_LANGUAGE_NAMES = "|".join(LANGUAGES)
_LANGUAGE = re.compile(
    rf"\b(?:(?:narrated|spoken|narration|voice-?over|voice|language)\s*(?:in|is|:)\s*({_LANGUAGE_NAMES})\b"
    rf"|in\s+({_LANGUAGE_NAMES})(?=\s*(?:[,.;:!?]|$|  |(?:with|and|about|at|without|language|please)\b))"
    rf"|({_LANGUAGE_NAMES})[\s-]+(?:language|narration|voice-?over|narrator))",
    re.IGNORECASE,
)
_SUBTITLES = r"(?:sub-?titles|captions|untertiteln?|sous-titres|subtítulos)"
_SUBTITLE_LANGUAGE = re.compile(
    rf"\b(?P<noun>{_SUBTITLES})\s*(?:(?:are\s+|is\s+)?in|:)\s*(?P<after>{_LANGUAGE_NAMES})\b"
    rf"|\b(?P<before>{_LANGUAGE_NAMES})[\s-]+{_SUBTITLES}\b",
    re.IGNORECASE,
)

_STYLE_WORDS = (
    r"water-?colou?rs?|film\s+noir|noir|cyberpunk|anime|pixel\s+art|pencil\s+sketch|oil\s+painting|minimalist|vintage"
    r"|monochrome|black[\s-]and[\s-]white|pastel|paper\s+cut-?outs?|ukiyo-e|storybook|comic(?:\s+book)?|cinematic|sepia"
    r"|neon|impressionist|art\s+deco|low[\s-]poly|claymation|photorealistic|painterly"
)
_STYLES = (
    re.compile(
        r"\bin\s+the\s+style\s+of\s+([^,.;:\n]{2,80}?)(?=\s+(?:with|at|in|about|and)\b|  |[,.;:\n]|$)", re.IGNORECASE
    ),
    re.compile(r"(?<!\w)style\s*[:=]\s*([^,.;\n]{2,80})", re.IGNORECASE),
    re.compile(r"\bin\s+an?\s+([\w-]+(?:\s+[\w-]+){0,2})\s+style\b", re.IGNORECASE),
    re.compile(
        rf"\b({_STYLE_WORDS})(?:[\s-]+style)?(?=\s+{_FILM_NOUN}\b|\s*[,.;]|\s*$|\s+(?:look|style))", re.IGNORECASE
    ),
    re.compile(r"\b([\w-]{1,40})[\s-]style\b", re.IGNORECASE),
)

_WITH = r"(?:with|mit|avec|con|add|include|and|plus|use|using)"
_ON, _OFF = r"(?:on|yes|true|enabled|please)", r"(?:off|no|none|false|disabled)"
_NO = r"(?:ohne|sans|sin|without(?:\s+any)?|with\s+no|no|disable|turn\s+off)\s+(?:the\s+)?"
_FLAGS: tuple[tuple[str, bool, re.Pattern[str]], ...] = tuple(
    (name, value, re.compile(pattern, re.IGNORECASE))
    for name, value, pattern in (
        ("audio_enabled", False, rf"\b{_NO}(?:audio|sound)\b(?:\s+track)?"),
        ("audio_enabled", False, rf"\b(?:muted|silent)(?=\s+(?:[\w-]+\s+){{0,2}}?{_FILM_NOUN}\b)"),
        ("audio_enabled", False, r"(?<=[,;.(])\s*(?:silent|muted)(?=\s*[,;.)]|\s*$)|\baudio\s*(?:is\s+)?off\b"),
        ("audio_enabled", True, r"\bwith\s+(?:audio|sound)\b"),
        ("subtitles_enabled", False, rf"\b{_NO}{_SUBTITLES}\b"),
        ("subtitles_enabled", False, rf"\b{_SUBTITLES}\s*(?:[:=]|are\b)?\s*{_OFF}\b"),
        (
            "subtitles_enabled",
            True,
            rf"\b{_WITH}\s+(?:(?:soft|closed|the)\s+)?{_SUBTITLES}\b(?:\s*(?:[:=]|are\b)?\s*{_ON}\b)?",
        ),
        ("subtitles_enabled", True, rf"\b{_SUBTITLES}\s*(?:[:=]|are\b)?\s*{_ON}\b"),
        ("subtitles_enabled", True, r"\bsubtitled\b"),
        ("subtitles_enabled", True, rf"(?:^|(?<=[,;.:!?\n(]))\s*{_SUBTITLES}(?=\s*(?:[,;.:!?)\n]|$|  |about\b|and\b))"),
        ("animation_enabled", False, rf"\b{_NO}(?:animation|movement)\b"),
        ("animation_enabled", False, r"\bstill\s+(?:frames|images|pictures)\b|\bslide\s?show\b"),
        ("narration_enabled", False, rf"\b{_NO}(?:narration|narrator|voice-?over|voice)\b|\bmusic\s+only\b"),
        ("music_enabled", False, rf"\b{_NO}(?:background\s+)?music\b|\bnarration\s+only\b"),
        ("interpolate", False, rf"\b{_NO}(?:frame[\s-]+)?interpolation\b"),
        ("motion_smoothing", False, rf"\b{_NO}motion[\s-]+smoothing\b"),
        ("interpolate", True, rf"\b(?:{_WITH}\s+)?(?:frame[\s-]+)?interpolat(?:ion|ed|e)\b"),
        ("motion_smoothing", True, rf"\b(?:{_WITH}\s+)?(?:motion[\s-]+smoothing|smooth\s+motion)\b"),
    )
)  # fmt: skip
_QUALITY = (
    ("high", re.compile(r"\b(?:in\s+)?(?:high|highest|best|top|maximum|max)[\s-]+quality\b", re.IGNORECASE)),
    ("draft", re.compile(r"\b(?:as\s+an?\s+)?(?:quick\s+|rough\s+)?draft(?:[\s-]+quality)?\b", re.IGNORECASE)),
    ("draft", re.compile(r"\blow[\s-]+quality\b", re.IGNORECASE)),
    ("standard", re.compile(r"\b(?:standard|normal|medium)[\s-]+quality\b", re.IGNORECASE)),
)  # fmt: skip
_VOICE = re.compile(
    r"\b(?:with\s+|and\s+|use\s+)?(?:an?\s+)?(female|male|woman'?s?|man'?s?|deep|whisper(?:ing|ed)?)"
    r"\s+(?:voice|narrator|voice-?over)\b",
    re.IGNORECASE,
)
_VOICES = {"woman": "female", "man": "male", "deep": "male", "whisper": "whisper"}

# Checked in this order: "short film" before the plain nouns, "music video" before "video".
_DEFAULT_LENGTHS: tuple[tuple[re.Pattern[str], float], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), seconds)
    for pattern, seconds in (
        (r"\bmusic[\s-]+video\b", 210.0),
        (r"\b(?:short[\s-]+film|short\s+movie|film\s+short)\b", 300.0),
        (r"\b(?:feature[\s-]+(?:length|film)|full[\s-]length)\b", 5400.0),
        (r"\bdocumentar(?:y|ies)\b", 900.0),
        (r"\bepisode\b", 1500.0),
        (r"\b(?:trailer|teaser)\b", 60.0),
        (r"\b(?:ad|advert|advertisement|commercial)\b", 30.0),
        (r"\b(?:clip|meme|gif|loop)\b", 10.0),
    )
)
_LENGTH_BY_WORDS = ((60, 20.0), (250, 60.0), (1500, 600.0))
_LONGEST_GUESS_S = 3600.0


# A pasted book states its preferences in its first pages; reading on would only cost time.
_MAX_READ = 4_000
# A single field, such as a length, is a few words.
_MAX_FIELD = 200


@dataclass(frozen=True)
class Preferences:
    """What was stated; None means that the sentence says nothing about it. `subject` is what the film is about."""

    subject: str = ""
    title: str | None = None
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    style: str | None = None
    language: str | None = None
    voice: str | None = None
    quality: str | None = None
    audio_enabled: bool | None = None
    subtitles_enabled: bool | None = None
    animation_enabled: bool | None = None
    narration_enabled: bool | None = None
    music_enabled: bool | None = None
    interpolate: bool | None = None
    motion_smoothing: bool | None = None
    not_applied: tuple[str, ...] = ()

    def stated(self) -> dict[str, object]:
        """Only what the sentence says, by field name."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value not in (None, "", ())}


class _Reader:
    """A text from which each finding is blanked out, so that the rest is what the film is about."""

    def __init__(self, text: str) -> None:
        self.text = text

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.search(self.text)
        if found:
            self.blank(found.start(), found.end())
        return found

    def blank(self, start: int, end: int) -> None:
        self.text = self.text[:start] + " " * (end - start) + self.text[end:]


def parse_preferences(text: str) -> Preferences:
    """Read every preference that `text` states. Never raises: impossible values are for the request to refuse."""
    # Two blanks in a row mark a finding that was taken out; a text's own would also make every pattern search long.
    reader = _Reader(_anglicized(re.sub(r"\n+", "\n", re.sub(r"[^\S\n]+", " ", text[:_MAX_READ]))))
    title = _take_title(reader)
    duration_s = _take_duration(reader)
    unsure = _take_unsure(reader) if duration_s is None else ()
    width, height = _take_size(reader)
    rate = reader.take(_RATE)
    language = _take_language(reader)
    flags = _take_flags(reader)
    voice = reader.take(_VOICE)
    quality = next((name for name, pattern in _QUALITY if reader.take(pattern)), None)
    return Preferences(
        title=title,
        duration_s=duration_s,
        width=width,
        height=height,
        fps=_rate_or_none(rate.group(1)) if rate else None,
        language=language,
        voice=_voice_name(voice.group(1)) if voice else None,
        quality=quality,
        style=_take_style(reader),
        subject=_subject(reader.text),
        not_applied=unsure,
        **flags,
    )


# German, French and Spanish: enough to tell the length and the subject of a film.
_FOREIGN_NUMBERS = {
    word: english
    for english, words in (
        ("one", "ein eine einen einer einem un une una"), ("two", "zwei deux dos"), ("three", "drei trois tres"),
        ("four", "vier quatre cuatro"), ("five", "fünf cinq cinco"), ("six", "sechs seis"),
        ("seven", "sieben sept siete"), ("eight", "acht huit ocho"), ("nine", "neun neuf nueve"),
        ("ten", "zehn dix diez"), ("twenty", "zwanzig vingt veinte"), ("thirty", "dreißig trente treinta"),
    )
    for word in words.split()
}  # fmt: skip
_FOREIGN_UNITS = {
    word: english
    for english, words in (
        ("seconds", "sekunde sekunden seconde secondes segundo segundos"),
        ("minutes", "minute minutes minuten minuto minutos"),
        ("hours", "stunde stunden heure heures hora horas"),
        ("days", "tag tage tagen jour jours día días"),
        ("weeks", "woche wochen semaine semaines semana semanas"),
        ("months", "monat monate monaten mois mes meses"),
        ("years", "jahr jahre jahren an ans année années año años"),
    )
    for word in words.split()
}  # fmt: skip
_FOREIGN_FILM = (
    r"(?:court[\s-]métrage|(?:kurz|zeichentrick|animations|dokumentar)film|película|cortometraje|vidéo|vídeo"
    r"|film|video|clip)"
)
_FOREIGN_LENGTH = (
    rf"(?P<number>-?\d+(?:[.,]\d+)?|{'|'.join(sorted(_FOREIGN_NUMBERS, key=len, reverse=True))})[\s-]+"
    rf"(?P<unit>{'|'.join(sorted(_FOREIGN_UNITS, key=len, reverse=True))})\b"
)
_FOREIGN_LENGTHS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?P<lead>\b){_FOREIGN_LENGTH}(?=[\s-]*{_FOREIGN_FILM}\b)",
        rf"(?P<lead>\b{_FOREIGN_FILM}\s+)(?:von\s+|de\s+|d['’]\s?)?{_FOREIGN_LENGTH}",
        rf"(?P<lead>[,.;]\s?){_FOREIGN_LENGTH}(?=\s*(?:[,.;!]|$))",
    )
)
_FOREIGN_ABOUT = re.compile(
    rf"\b{_FOREIGN_FILM}(?P<between>(?:[\s,]|\b(?:of|de|en|in|mit|avec|con|{_NUMBER}|seconds|minutes|hours|days|weeks|months"
    r"|years)\b|\b\d[\w.x]*)*+)\b(?:über|ueber|sur|sobre)\s",
    re.IGNORECASE,
)


def _anglicized(text: str) -> str:
    for pattern in _FOREIGN_LENGTHS:
        text = pattern.sub(_english_length, text, count=1)
    return _FOREIGN_ABOUT.sub(r"film\g<between> about ", text, count=1)


def _english_length(found: re.Match[str]) -> str:
    number, unit = found["number"].lower(), found["unit"].lower()
    lead = re.sub(_FOREIGN_FILM, "film", found["lead"], flags=re.IGNORECASE)
    of = "of " if lead.strip() == "film" else ""
    return f"{lead}{of}{_FOREIGN_NUMBERS.get(number, number.replace(',', '.'))} {_FOREIGN_UNITS[unit]}"


def parse_duration(value: object) -> float:
    """Seconds from 90, "90", "90 seconds", "1m30s", "00:01:30", "1:30" or "half a minute".

    Raises ValueError with a sentence that says what would be understood.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number of seconds or a text such as '90 seconds', '1m30s' or '00:01:30'")
    if isinstance(value, str):
        return _duration_from_text(value)
    try:
        seconds = float(value)
    except OverflowError:
        raise ValueError("is far too long") from None
    if not math.isfinite(seconds):
        raise ValueError("must be a finite number of seconds")
    return seconds


def _duration_from_text(text: str) -> float:
    stripped = _field(text)
    if re.fullmatch(r"[+-]?\d{1,12}(?:\.\d+)?", stripped):
        return float(stripped)
    if clock := re.fullmatch(r"(?:(\d{1,3}):)?(\d{1,3}):([0-5]\d(?:\.\d+)?)", stripped):
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
    # In running text "30 s" may be anything; in a field for a length it is one.
    if plain := re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s{0,3}s", stripped):
        return float(plain[1])
    stripped = re.sub(r"(?<=\d)\s{1,3}(?=[hms]\b)", "", stripped)
    spans = _longer(stripped) or _durations(stripped)
    if not spans:
        raise ValueError(f"{text[:40]!r} is not a length; use e.g. 90, '90 seconds', '1m30s' or '00:01:30'")
    return spans[0][2]


def parse_resolution(value: object) -> tuple[int, int]:
    """(width, height) from "4K", "1080p", "1280x720", [1280, 720] or {"width": ..., "height": ...}."""
    if isinstance(value, dict):
        value = [value.get("width"), value.get("height")]
    if isinstance(value, list | tuple) and len(value) == 2 and all(type(side) is int for side in value):
        return int(value[0]), int(value[1])
    if isinstance(value, str):
        text = _field(value).lower()
        if size := _SIZE.fullmatch(text):
            return int(size.group(1)), int(size.group(2))
        if (key := re.sub(r"[\s-]+", " ", text)) in RESOLUTIONS or (key := text.replace(" ", "")) in RESOLUTIONS:
            return RESOLUTIONS[key]
        width, height = _take_size(_Reader(text))
        if width and height:
            return width, height
    raise ValueError(f"{str(value)[:40]!r} is not a resolution; use e.g. '4K', '1080p' or '1280x720'")


def _field(text: str) -> str:
    if len(text) > _MAX_FIELD:
        raise ValueError(f"{text[:40]!r}… is too long")
    return text.strip()


def parse_rate(value: object) -> float:
    """Frames per second from 24, 29.97, "60fps" or "30000/1001"; near-NTSC figures become the exact rate.

    Raises ValueError for anything that is not a whole or an NTSC rate.
    """
    if isinstance(value, str):
        match = re.fullmatch(
            r"\s*(\d{1,6}(?:\.\d+)?)(?:\s*/\s*([1-9]\d{0,4}))?\s*(?:fps|hz)?\s*", _field(value), re.IGNORECASE
        )
        if not match:
            raise ValueError(f"{value[:40]!r} is not a frame rate; use e.g. 24, 60 or 29.97")
        number = float(match.group(1)) / int(match.group(2) or 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value) if abs(value) < 1e9 else math.inf
    else:
        raise ValueError("must be a number of frames per second")
    if not math.isfinite(number):
        raise ValueError("must be a finite number of frames per second")
    for ntsc in NTSC_RATES:
        if abs(number - float(ntsc)) < 0.005:
            return round(float(ntsc), 6)
    if number != int(number):
        raise ValueError(f"{number:g} is neither a whole rate nor an NTSC one (23.976, 29.97, 59.94, 119.88)")
    return number


def exact_rate(fps: float) -> Fraction:
    """The exact frame rate behind a float: 29.97003 is 30000/1001."""
    for ntsc in NTSC_RATES:
        if abs(fps - float(ntsc)) < 0.005:
            return ntsc
    return Fraction(fps).limit_denominator(1000)


def default_duration(text: str) -> float:
    """The length of a film whose request states none: by its kind (an ad, a trailer, …), else by how much is told."""
    for pattern, seconds in _DEFAULT_LENGTHS:
        if pattern.search(text):
            return seconds
    words = len(text.split())
    return next((seconds for limit, seconds in _LENGTH_BY_WORDS if words <= limit), _LONGEST_GUESS_S)


def _take_language(reader: _Reader) -> str | None:
    """The language of the narration, else of the subtitles. The word "subtitles" stays, as it says more than that."""
    subtitles = _SUBTITLE_LANGUAGE.search(reader.text)
    if subtitles:
        after = subtitles.group("after")
        reader.blank(*((subtitles.end("noun"), subtitles.end()) if after else subtitles.span("before")))
    if spoken := reader.take(_LANGUAGE):
        return LANGUAGES[next(filter(None, spoken.groups())).lower()]
    return LANGUAGES[(subtitles["after"] or subtitles["before"]).lower()] if subtitles else None


def _take_title(reader: _Reader) -> str | None:
    for pattern in (_TITLE_COLON, _TITLE_QUOTED, _TITLE_CAPITALS):
        found = pattern.search(reader.text)
        if found:
            title = next(filter(None, found.groups()), "").strip(" \t\"'“”«».,")
            # The clause ends a sentence; keep that boundary for the subject.
            reader.blank(found.start(), found.end())
            reader.text = reader.text[: found.start()] + ". " + reader.text[found.start() + 2 :]
            return title or None
    return None


def _take_duration(reader: _Reader) -> float | None:
    """The length of the film, not one that its subject mentions ("about the last five minutes of a match")."""
    if longer := _longer_film(reader.text):
        reader.blank(longer[0], longer[1])
        return longer[2]
    spans = _durations(reader.text)
    about = re.search(r"\babout\b", reader.text, re.IGNORECASE)
    chosen = next((span for span in spans if _is_about_the_film(reader.text, span)), None)
    if chosen is None and spans and (about is None or spans[0][0] < about.start()):
        chosen = spans[0]
    if chosen is None:
        return None
    start, end, seconds = chosen
    trailing = re.match(r"[\s-]*(?:long|in\s+length)\b", reader.text[end:], re.IGNORECASE)
    leading = re.search(
        r"(?:\b(?:lasting|for|duration(?:\s+of)?|length(?:\s+of)?|runtime(?:\s+of)?|is|:|=)\s*)+$",
        reader.text[:start],
        re.I,
    )
    reader.blank(leading.start() if leading else start, end + (trailing.end() if trailing else 0))
    return seconds


def _longer_film(text: str) -> tuple[int, int, float] | None:
    """A length of days or more that can only be the film's: beside its noun, or in a clause of its own at the end."""
    for start, end, seconds in _longer(text):
        before, after = text[:start], text[end:]
        told = re.search(r"\babout\b", before, re.IGNORECASE)
        says = _SAYS_LENGTH.search(before)
        trailing = re.match(r"[\s-]*(?:long|in\s+length)\b", after, re.IGNORECASE)
        if (
            (not told and _LONG_FILM.match(after))
            or (says and not re.match(r"\s+(?:of|ago|later|old|in)\b", after, re.IGNORECASE))
            or (
                re.search(r"[,;]\s*$", before) and re.fullmatch(r"(?:\s+long)?[\s.!?]*", after) and _NOUN.search(before)
            )
        ):
            lead = re.search(r"(?:\b(?:of|for|lasting|duration|length|runtime|is)\b|[\s:=])+$", before, re.IGNORECASE)
            return lead.start() + 1 if lead else start, end + (trailing.end() if trailing else 0), seconds
    return None


def _longer(text: str) -> list[tuple[int, int, float]]:
    found = []
    for match in _LONGER_SPAN.finditer(text):
        seconds = sum(_number(number) * _unit(unit) for number, unit in _LONGER_PART.findall(match.group()))
        found.append(_signed(text, match.start(), match.end(), seconds))
    return found


def _signed(text: str, start: int, end: int, seconds: float) -> tuple[int, int, float]:
    minus = _MINUS.search(text, max(0, start - 12), start)
    return (minus.start(), end, -seconds) if minus else (start, end, seconds)


def _take_unsure(reader: _Reader) -> tuple[str, ...]:
    """Words in the place of a length that give none: said back rather than dropped."""
    for pattern in _UNSURE:
        for found in pattern.finditer(reader.text):
            if not re.search(r"\babout\b", reader.text[: found.start("said")], re.IGNORECASE) or pattern is _UNSURE[-1]:
                reader.blank(found.start("said"), found.end("said"))
                return (f'length "{" ".join(found.group("said").split())}"',)
    return ()


def _is_about_the_film(text: str, span: tuple[int, int, float]) -> bool:
    before, after = text[max(0, span[0] - 24) : span[0]].lower(), text[span[1] : span[1] + 60]
    if re.match(
        rf"[\s-]*(?:long\b|in\s+length|(?:[\w.-]+\s+){{0,5}}?{_FILM_NOUN}\b)", after.lstrip("-"), re.IGNORECASE
    ):
        return True
    return bool(
        re.search(
            r"(?:duration|length|lasting|lasts|runtime|run\s+time)[\s:=]*(?:of|is)?\s*$|[,.;(\n]\s*(?:for\s+)?$|\s[-–—]\s$",
            before,
        )
    )


def _durations(text: str) -> list[tuple[int, int, float]]:
    """All lengths in the text as (start, end, seconds), in reading order."""
    found: list[tuple[int, int, float]] = []

    def add(match: re.Match[str], seconds: float) -> None:
        if all(match.end() <= start or match.start() >= end for start, end, _ in found):
            found.append(_signed(text, match.start(), match.end(), seconds))

    for match in _CLOCK.finditer(text):
        hours, minutes, seconds = (int(part) for part in match.groups())
        add(match, hours * 3600.0 + minutes * 60 + seconds)
    for match in _AND_A_HALF.finditer(text):
        add(match, (_number(match.group(1)) + 0.5) * _unit(match.group(2)))
    for match in _UNIT_AND_A_HALF.finditer(text):
        add(match, (_number(match.group(1)) + 0.5) * _unit(match.group(2)))
    for match in _HALF_OF.finditer(text):
        add(match, (0.5 if match.group(1).lower() == "half" else 0.25) * _unit(match.group(2)))
    for match in _SPAN.finditer(text):
        if not _is_decade(text, match):
            add(match, sum(_number(number) * _unit(unit) for number, unit in _SPAN_PART.findall(match.group())))
    return sorted(found)


def _is_decade(text: str, match: re.Match[str]) -> bool:
    """ "the 90s" and "1980s" are times, not lengths."""
    if not re.fullmatch(r"(?:\d0|[12]\d\d0)s", match.group(), re.IGNORECASE):
        return False
    return len(match.group()) == 5 or bool(
        re.search(r"(?:\bthe|early|mid|late)[\s-]+$|['’]$", text[: match.start()], re.I)
    )


def _number(text: str) -> float:
    return _NUMBER_WORDS[text.lower()] if text.lower() in _NUMBER_WORDS else float(text)


def _unit(text: str) -> float:
    longer = (seconds for name, seconds in _LONGER_UNITS.items() if text.lower().startswith(name))
    return next(longer, 0) or _UNITS[text[0].lower()]


def _take_size(reader: _Reader) -> tuple[int | None, int | None]:
    size: tuple[int, int] | None = None
    if explicit := reader.take(_SIZE):
        size = int(explicit.group(1)), int(explicit.group(2))
        reader.take(_NAMED_SIZE)
    elif named := reader.take(_NAMED_SIZE):
        key = re.sub(r"[\s-]+", " ", named.group(1).lower())
        size = RESOLUTIONS.get(key) or RESOLUTIONS[key.replace(" ", "")]
    long_side, short_side = (max(size), min(size)) if size else (1920, 1080)
    if reader.take(_VERTICAL):
        size = short_side, long_side
    elif reader.take(_SQUARE):
        size = short_side, short_side
    elif reader.take(_WIDE):
        size = long_side, 2 * round(long_side * 9 / 21 / 2)
    return size if size else (None, None)


def _rate_or_none(text: str) -> float | None:
    try:
        return parse_rate(text)
    except ValueError:
        # "12.7 fps" is stated all the same; the request refuses it with a precise message.
        number, _, divisor = text.partition("/")
        return float(number) / int(divisor or 1) if int(divisor or 1) else None


def _take_flags(reader: _Reader) -> dict[str, bool | None]:
    flags: dict[str, bool | None] = {}
    for name, value, pattern in _FLAGS:
        if reader.take(pattern):
            flags.setdefault(name, value)
    return flags


def _voice_name(word: str) -> str:
    lowered = word.lower()
    return next((name for prefix, name in _VOICES.items() if lowered.startswith(prefix)), lowered)


def _take_style(reader: _Reader) -> str | None:
    for pattern in _STYLES:
        if found := reader.take(pattern):
            return " ".join(found.group(1).split())
    return None


# Stands for what was taken out of the text: a boundary for words that now dangle, and gone in the end.
_GAP = "\ue000"
_ABOUT = re.compile(
    rf"\b{_FILM_NOUN}\b[\s,{_GAP}]*(?:,|[:—-])?\s*(?:that\s+(?:shows?|follows?)|which\s+shows?|about|of|on"
    r"|featuring|showing|depicting|following|where|in\s+which|with)\s*(?::\s*|\s)(.+)",
    re.IGNORECASE | re.DOTALL,
)
_PLAIN_ABOUT = re.compile(r"\babout(?:\s*:\s*|\s+)(.+)", re.IGNORECASE | re.DOTALL)
_ASKING = re.compile(
    r"^\W*(?:(?:please|kindly|hi|hello|hey)[\s,]+)*(?:(?:can|could|would|will)\s+you\s+(?:please\s+)?)?"
    r"(?:i\s+(?:want|need|would\s+like)|i'd\s+like|let'?s|make|create|generate|produce|render|shoot|film|give|show|build)\b\s*"
    r"(?:you\s+)?(?:to\s+)?(?:make\s+|create\s+|see\s+)?(?:me\s+|us\s+)?",
    re.IGNORECASE,
)
_LOOSE_FILM = re.compile(rf"^\W*+(?:an?|the)?\s*(?:[\w-]+\s+){{0,3}}?{_FILM_NOUN}\b\s*[:,—-]?\s*", re.IGNORECASE)
_FILLER = (
    r"(?:with|and|in|at|for|plus|using|use|add|include|of|a|an|the|as|is|also|please|but|to|lasting|by|without"
    r"|narrated|en|mit|avec|con|auf)"
)
_DANGLING = re.compile(rf"(?:^|(?<=[\s{_GAP}])){_FILLER}(?=\s*(?:[,.;!?{_GAP}]|$))", re.IGNORECASE)
# "film with ␟ : …", "film, ␟, and ␟ about …": what stands between the noun and the story says nothing any more.
_JOINING = r"\b(?:with|and|in|at|for|plus|using|also|lasting)\b"
_EMPTY_BETWEEN = re.compile(
    rf"(\b{_FILM_NOUN}\b)(?:[\s,;{_GAP}]|{_JOINING}(?=(?:[\s,;]|{_JOINING})*{_GAP}))*{_GAP}[\s,;{_GAP}]*",
    re.IGNORECASE,
)
# What separates clauses: kept once, the strongest first.
_MARKS = re.compile(r"[,.;:!?](?:\s*[,.;:!?])+")


# Each round removes one dangling word ("… with and ." takes two); nobody leaves more than a handful.
_CLEANING_ROUNDS = 6


def _subject(rest: str) -> str:
    """What remains when every preference is blanked out: "monarch butterflies"."""
    text = re.sub(r"[ \t]{2,}", f" {_GAP} ", rest.replace(_GAP, " ").strip())
    text = re.sub(rf"\b(an?|the)(?:\s*{_GAP}[\s,]*)+(?=[\w])", r"\1 ", _EMPTY_BETWEEN.sub(r"\1 ", text), flags=re.I)
    found = _ABOUT.search(text) or _PLAIN_ABOUT.search(text)
    subject = found.group(1) if found else _LOOSE_FILM.sub("", _ASKING.sub("", text), count=1)
    for _ in range(_CLEANING_ROUNDS):
        subject = _DANGLING.sub("", subject)
        subject = re.sub(rf"(?:\s*[,;:])+\s*(?={_GAP}|$)", " ", subject)
        subject = re.sub(rf"(?:{_GAP}\s*)+(?=[,;.:!?]|$)", "", subject)
        subject = re.sub(r"\s+", " ", subject)
        subject = re.sub(r"\s+([,.;:!?])", r"\1", subject)
        subject = _MARKS.sub(_strongest, subject).strip(f" ,;:.?-—\n\t{_GAP}")
    subject = re.sub(rf"\s*{_GAP}\s*", " ", subject)
    # A gap that a preference left inside a phrase must not become a comma inside it.
    return re.sub(r"^(?:please|with|and|about)\s+", "", subject, flags=re.IGNORECASE)


def _strongest(marks: re.Match[str]) -> str:
    return next(mark for mark in "!?.;:," if mark in marks.group())
