"""One sentence always means the same film. C029, C046-C055."""

import math
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.preferences import (
    default_duration,
    exact_rate,
    parse_duration,
    parse_preferences,
    parse_rate,
    parse_resolution,
)

README = (
    "Make a 3-minute 4K 60fps film about monarch butterflies with interpolation and motion smoothing."
    " Title: Butterflies."
)


def test_the_readme_sentence_says_it_all() -> None:  # C029
    assert parse_preferences(README).stated() == {
        "subject": "monarch butterflies",
        "title": "Butterflies",
        "duration_s": 180.0,
        "width": 3840,
        "height": 2160,
        "fps": 60.0,
        "interpolate": True,
        "motion_smoothing": True,
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("a film lasting 1m30s about rain", 90),
        ("90 seconds of rain as a film", 90),
        ("half a minute film about rain", 30),
        ("a two and a half minute film about rain", 150),
        ("a minute and a half long film about rain", 90),
        ("a film about rain, 00:02:00", 120),
        ("a three-minute film", 180),
        ("a 180s video", 180),
        ("an hour long documentary", 3600),
        ("1 hour and 5 minutes film", 3900),
        ("a film about the last five minutes of a match", None),
        ("a 10 second film about the last five minutes of a match", 10),
        ("a film about the 90s", None),
        ("a film about a 3m wall", None),
        ("a film", None),
    ],
)
def test_lengths(text: str, seconds: float | None) -> None:  # C046
    assert parse_preferences(text).duration_s == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("a 4K film", (3840, 2160)),
        ("in 8k please, a film", (7680, 4320)),
        ("a 720p clip", (1280, 720)),
        ("full HD film", (1920, 1080)),
        ("a 1280x720 film", (1280, 720)),
        ("a 640 × 360 film", (640, 360)),
        ("a vertical video", (1080, 1920)),
        ("a 4k film in 9:16", (2160, 3840)),
        ("a portrait film in 720p", (720, 1280)),
        ("a square video", (1080, 1080)),
        ("a film about a portrait of a woman", (None, None)),
        ("a film about a $4k debt", (None, None)),
    ],
)
def test_sizes(text: str, size: tuple[int | None, int | None]) -> None:  # C047
    found = parse_preferences(text)
    assert (found.width, found.height) == size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a silent film about rain", {"audio_enabled": False}),
        ("a film about silent monks", {}),
        ("a film about rain without sound", {"audio_enabled": False}),
        ("a film about rain with subtitles", {"subtitles_enabled": True}),
        ("a film about rain, no subtitles", {"subtitles_enabled": False}),
        ("a film about rain with German subtitles", {"subtitles_enabled": True, "language": "de"}),
        ("a film about rain in French", {"language": "fr"}),
        ("a film about the English countryside", {}),
        ("a film about rain with a female voice", {"voice": "female"}),
        ("a film about rain at 24 fps", {"fps": 24.0}),
        ("a film about rain in the style of Hokusai", {"style": "Hokusai"}),
        ("a watercolour film about rain", {"style": "watercolour"}),
        ("a film about rain, black and white", {"style": "black and white"}),
        ("a high quality film about rain", {"quality": "high"}),
        ("a slideshow about rain", {"animation_enabled": False}),
        ("a film about rain without narration", {"narration_enabled": False}),
    ],
)
def test_other_preferences(text: str, expected: dict[str, object]) -> None:  # C048-C055
    stated = parse_preferences(text).stated()
    stated.pop("subject", None)
    assert stated == expected


@pytest.mark.parametrize(
    ("text", "title", "subject"),
    [
        ('a film called "The Long. Road" about a lighthouse', "The Long. Road", "a lighthouse"),
        ("a film about rain. Title: After the Storm", "After the Storm", "rain"),
        ("a film titled Winter of the Wolf about wolves", "Winter of the Wolf", "wolves"),
        ("a detective enters a diner at night", None, "a detective enters a diner at night"),
        ("Could you make me a 10s clip of a whale breaching, please?", None, "a whale breaching"),
    ],
)
def test_title_and_subject(text: str, title: str | None, subject: str) -> None:
    found = parse_preferences(text)
    assert (found.title, found.subject) == (title, subject)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("a clip of rain", 10), ("an ad for soap", 30), ("a trailer", 60), ("a music video", 210), ("a short film", 300),
     ("a documentary", 900), ("an episode", 1500), ("a feature film", 5400), ("a film about rain", 20)],
)  # fmt: skip
def test_an_unstated_length_follows_the_kind(text: str, seconds: float) -> None:
    assert default_duration(text) == seconds


@given(st.integers(1, 7199))
def test_every_length_is_read_back(seconds: int) -> None:
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    assert parse_duration(seconds) == seconds
    assert parse_duration(f"{seconds}") == seconds
    assert parse_duration(f"{seconds} seconds") == seconds
    assert parse_duration(f"{seconds} s") == seconds
    assert parse_duration(f"{hours:02}:{minutes:02}:{rest:02}") == seconds
    assert parse_preferences(f"a {seconds}-second film about rain").duration_s == seconds


@given(st.integers(32, 3840), st.integers(32, 2160))
def test_every_size_is_read_back(half_width: int, half_height: int) -> None:
    text = f"{2 * half_width}x{2 * half_height}"
    assert parse_resolution(text) == (2 * half_width, 2 * half_height)
    found = parse_preferences(f"a {text} film about rain")
    assert (found.width, found.height) == (2 * half_width, 2 * half_height)


@given(st.integers(1, 120))
def test_every_rate_is_read_back(fps: int) -> None:
    assert parse_rate(f"{fps}fps") == fps
    assert exact_rate(parse_rate(fps)) == fps


def test_ntsc_rates_are_exact() -> None:
    assert exact_rate(parse_rate("29.97")).as_integer_ratio() == (30000, 1001)
    assert exact_rate(parse_rate("24000/1001")).as_integer_ratio() == (24000, 1001)
    with pytest.raises(ValueError, match="NTSC"):
        parse_rate(12.7)


@pytest.mark.parametrize("value", [True, None, [], "soon", math.nan, math.inf, 10**400, "1e9"])
def test_a_length_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_duration(value)


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert parse_preferences(text) == parse_preferences(text)


@pytest.mark.parametrize("rate", ["30/0", "30/00", "12.7/1", "1.5/3"])
def test_an_odd_rate_does_not_break_the_reader(rate: str) -> None:
    assert parse_preferences(f"a {rate} fps film about rain").subject == "rain"


@pytest.mark.parametrize(
    "piece",
    [
        " ",
        "\n",
        "and ",
        "2 years ",
        "film of ",
        "with subtitles ",
        "-",
        " \u2003",
        "a-",
        "a ",
        "1 ",
        "3 minute ",
        ", ",
        "film ",
        "title ",
        "no ",
    ],
)
@pytest.mark.parametrize("head", ["", "a film", "a film ", "1", "title"])
def test_long_texts_are_read_quickly(head: str, piece: str) -> None:
    started = time.process_time()
    parse_preferences(head + piece * 10_000 + "x")
    assert time.process_time() - started < 0.15


@pytest.mark.parametrize("read", [parse_duration, parse_rate, parse_resolution])
def test_a_field_as_long_as_a_book_is_refused_quickly(read: Callable[[object], object]) -> None:
    started = time.process_time()
    for text in ("1" + " " * 100_000 + "x", "one hour " * 10_000 + "x"):
        with pytest.raises(ValueError, match="too long"):
            read(text)
    assert time.process_time() - started < 0.15


YEAR_S = 365 * 86_400.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Make a 10-year 1080p film about snails", 10 * YEAR_S),
        ("Make a film of 10 years about snails", 10 * YEAR_S),
        ("make a two-week long film about snails", 14 * 86_400),
        ("a decade-long film about snails", 10 * YEAR_S),
        ("a 3 month silent video", 90 * 86_400),
        ("a film about snails, 10 years", 10 * YEAR_S),
        ("a film about snails. Duration: 2 days.", 2 * 86_400),
        ("a film lasting 3 days and 2 hours about snails", 3 * 86_400 + 7200),
        ("make a -5 second film about fog", -5),
        ("make a minus five second film about fog", -5),
        ("a film about fog, −5 seconds", -5),
        ("a film of -2 years about fog", -2 * YEAR_S),
        ("a twenty-five second film", 25),
        ("a two hundred second film", 200),
        ("a film about the year 1969", None),
        ("a film about a 10-year-old boy", None),
        ("a 10-year-old boy finds a film", None),
        ("a film about 100 years of solitude", None),
        ("a film of 100 years of solitude", None),
        ("a film about the last 10 years", None),
        ("a film about a war lasting 10 years", None),
        ("a film about a 5-day film festival", None),
        ("10 years later, he returns", None),
        ("a year in the life of a fox", None),
        ("a film about a day at the beach", None),
        ("a 10-year anniversary film for my parents", None),
        ("a one-year time-lapse video of a garden", None),
        ("a 5 to 10 second film about fog", 10),
        ("a 5-10 second film about fog", 10),
        ("a film about fog - 5 seconds", 5),
    ],
)
def test_a_length_is_told_from_a_time_in_the_story(text: str, seconds: float | None) -> None:
    assert parse_preferences(text).duration_s == seconds


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("a film of a few minutes about fog", "a few minutes"),
        ("a 3-fortnight film about fog", "3-fortnight"),
        ("a film about fog. Length: forever.", "Length: forever"),
        ("a 300-frame film about fog", "300-frame"),
        ("a film lasting ages about fog", "lasting ages"),
    ],
)
def test_a_length_that_is_not_understood_is_said_so(text: str, phrase: str) -> None:
    found = parse_preferences(text)
    assert found.duration_s is None
    assert found.not_applied == (f'length "{phrase}"',)
    assert found.subject == "fog"


@pytest.mark.parametrize("text", ["a film about the last few minutes of a match", "a film about a long walk", "a film"])
def test_an_unstated_length_is_not_complained_about(text: str) -> None:
    assert parse_preferences(text).not_applied == ()


@pytest.mark.parametrize(
    ("text", "seconds"), [("10 years", 10 * YEAR_S), ("-5 seconds", -5), ("1 day 2 hours", 93_600)]
)
def test_a_lengths_field_knows_them_too(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a fox paints a door. 12 seconds, 480p. Title: The Last Varnish. Subtitles.",
            {"subject": "a fox paints a door", "title": "The Last Varnish", "subtitles_enabled": True,
             "duration_s": 12.0, "width": 854, "height": 480},
        ),
        (
            "A 15-second 1080p film, with subtitles: two chess players in a park",
            {"subject": "two chess players in a park", "subtitles_enabled": True, "duration_s": 15.0,
             "width": 1920, "height": 1080},
        ),
        (
            "film with subtitles in French about the fall of Rome",
            {"subject": "the fall of Rome", "subtitles_enabled": True, "language": "fr"},
        ),
        ("a film about a cat; subtitles on", {"subject": "a cat", "subtitles_enabled": True}),
        ("a film about a cat; subtitles: yes.", {"subject": "a cat", "subtitles_enabled": True}),
        ("a film about a cat. Captions off", {"subject": "a cat", "subtitles_enabled": False}),
        ("a film about a cat. Subtitles: no.", {"subject": "a cat", "subtitles_enabled": False}),
        ("a film about a cat. Subtitles in German.", {"subject": "a cat", "subtitles_enabled": True, "language": "de"}),
        ("Captions. A film about a cat", {"subject": "a cat", "subtitles_enabled": True}),
        ("a film about a cat with music and with subtitles, and in 4K",
         {"subject": "a cat with music", "subtitles_enabled": True, "width": 3840, "height": 2160}),
        ("a film in French about a cat", {"subject": "a cat", "language": "fr"}),
        ("film about: a cat", {"subject": "a cat"}),
        ("a vertical anime clip of a fox", {"subject": "a fox", "style": "anime", "width": 1080, "height": 1920}),
        ("a vertical farm in a film", {"subject": "a vertical farm in a film"}),
        ("Ein Film über Wale mit Untertiteln", {"subject": "Wale", "subtitles_enabled": True}),
        ("un film sur les baleines, sans sous-titres", {"subject": "les baleines", "subtitles_enabled": False}),
        ("a film about a caption contest", {"subject": "a caption contest"}),
        ("a film about the captions of old photographs", {"subject": "the captions of old photographs"}),
        ("a film about a man who reads with subtitles on",
         {"subject": "a man who reads", "subtitles_enabled": True}),
    ],
)  # fmt: skip
def test_preferences_leave_no_residue(text: str, expected: dict[str, object]) -> None:
    assert parse_preferences(text).stated() == expected


_SUBJECTS = ("two chess players in a park", "the fall of Rome", "whales", "a boy who finds a key", "Ada's old violin")
_BEFORE: dict[str, dict[str, object]] = {
    "15-second": {"duration_s": 15.0},
    "1080p": {"width": 1920, "height": 1080},
    "24 fps": {"fps": 24.0},
    "high quality": {"quality": "high"},
}
_AFTER: tuple[tuple[tuple[str, ...], dict[str, object]], ...] = (
    (("with subtitles", "subtitles on", "captions"), {"subtitles_enabled": True}),
    (("without subtitles", "no captions", "subtitles off"), {"subtitles_enabled": False}),
    (("with subtitles in French", "subtitles in French"), {"subtitles_enabled": True, "language": "fr"}),
    (("without music", "no music"), {"music_enabled": False}),
    (("with a female voice",), {"voice": "female"}),
    (("with interpolation", "with frame interpolation"), {"interpolate": True}),
    (("in 4K", "at 4K"), {"width": 3840, "height": 2160}),
    (("at 60 fps",), {"fps": 60.0}),
    (("narrated in German",), {"language": "de"}),
    (("in the style of Hokusai",), {"style": "Hokusai"}),
    (("duration: 40 seconds", "40 seconds long"), {"duration_s": 40.0}),
    (("title: The Last Varnish",), {"title": "The Last Varnish"}),
)


@st.composite
def _asked(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    """A subject in the midst of preferences, each stated once."""
    subject = draw(st.sampled_from(_SUBJECTS))
    expected: dict[str, object] = {"subject": subject}

    def new(found: dict[str, object]) -> bool:
        return not set(found) & set(expected)

    before = []
    for words in draw(st.lists(st.sampled_from(sorted(_BEFORE)), unique=True)):
        if new(dict(_BEFORE[words])):
            expected |= _BEFORE[words]
            before.append(words)
    head, tail = [], []
    for wordings, found in draw(st.lists(st.sampled_from(_AFTER), unique_by=id, max_size=5)):
        if not new(found):
            continue
        expected |= found
        words = draw(st.sampled_from(wordings))
        if words.startswith("title") or draw(st.booleans()):
            tail.append(words)
        else:
            head.append(words)
    text = " ".join(["Make a", *before, "film"])
    text += "".join(draw(st.sampled_from([", ", ", and "] if i else [", "])) + one for i, one in enumerate(head))
    text += draw(st.sampled_from([" about ", ": "])) + subject
    for words in tail:
        mark = draw(st.sampled_from([", ", "; ", ". "]))
        text += mark + (words[:1].upper() + words[1:] if mark == ". " else words)
        if words.startswith("title"):
            text += "."
    return text + draw(st.sampled_from(["", "."])), expected


@given(_asked())
@settings(max_examples=300, deadline=None)
def test_preferences_in_any_order_leave_the_subject_clean(asked: tuple[str, dict[str, object]]) -> None:
    text, expected = asked
    assert parse_preferences(text).stated() == expected, text


@pytest.mark.parametrize(
    ("text", "seconds", "subject"),
    [
        ("Mache einen 30-Sekunden-Film über Wale", 30, "Wale"),
        ("Erstelle ein Video von zwei Minuten über den Mond", 120, "den Mond"),
        ("Ein Kurzfilm über Nebel, 1 Stunde", 3600, "Nebel"),
        ("Ein Film über die letzten fünf Minuten", None, "die letzten fünf Minuten"),
        ("Fais un film de 30 secondes sur les baleines", 30, "les baleines"),
        ("Crée une vidéo d'une minute sur la mer", 60, "la mer"),
        ("un court métrage de 2 heures sur Rome", 7200, "Rome"),
        ("Haz una película de 30 segundos sobre ballenas", 30, "ballenas"),
        ("Crea un vídeo de dos minutos sobre el mar", 120, "el mar"),
        ("un cortometraje de 1 hora sobre Roma en 1080p", 3600, "Roma"),
        ("Ein Film von 10 Jahren über Schnecken", 10 * YEAR_S, "Schnecken"),
        ("un film de 10 ans sur les escargots", 10 * YEAR_S, "les escargots"),
    ],
)
def test_german_french_and_spanish_sentences(text: str, seconds: float | None, subject: str) -> None:
    found = parse_preferences(text)
    assert (found.duration_s, found.subject) == (seconds, subject)
