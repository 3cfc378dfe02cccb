"""Short answers in one comparable form: numbers with units, yes/no, option letters, dates, lists, names.

Where it is not certain that two spellings mean the same, they stay different: a needless second look costs seconds,
two different answers taken for one cost the truth.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from fractions import Fraction
from typing import TypeAlias

Key: TypeAlias = tuple[str, object]

_LONGEST = 400
_MOST_ITEMS = 32

_YES = frozenset({"yes", "true", "correct", "right", "ja", "oui", "si", "sí"})
_NO = frozenset({"no", "false", "incorrect", "wrong", "nein", "non"})
_ARTICLE = re.compile(r"\A(?:the|a|an)\s+")
_LABEL = re.compile(r"\A(?:the )?(?:(?:final )?answer|result|solution|key)\s*(?:is|:|=)\s*")
_OPTION = re.compile(r"\A(?:option|answer|choice)?\s*[(\[]?([a-h])[)\].:]?\Z")
_NUMBER = re.compile(
    r"(?P<sign>[-+])?(?P<whole>\d{1,3}(?:[,' \u202f]\d{3})+(?![\d])|\d+)?(?P<part>\.\d+)?(?P<power>e[-+]?\d{1,3})?"
)
_FRACTION = re.compile(r"([-+]?\d{1,15})\s*/\s*(\d{1,15})(?![\d./])")
_MIXED = re.compile(r"([-+]?)(\d{1,9})\s+(\d{1,6})\s*/\s*(\d{1,6})(?![\d./])")
_ASSIGNMENT = re.compile(r"\A[a-z]\w{0,7}\s*=\s*(?=[-+.\d])")
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})\Z")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
_MONTH += r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_DATES = (
    re.compile(rf"{_DAY}\.?\s+(?:of\s+)?{_MONTH},?\s+(?P<year>\d{{4}})\Z"),
    re.compile(rf"{_MONTH}\s+{_DAY},?\s+(?P<year>\d{{4}})\Z"),
)
_CALL = re.compile(r"\A[a-z_][\w.]*\(\)\Z")
# Factor to a base unit per quantity; two keys are the same if quantity and value are.
_UNITS: dict[str, tuple[str, Fraction]] = {
    unit: (quantity, Fraction(factor))
    for quantity, units in {
        "s": {"ns": "1e-9", "us": "1e-6", "µs": "1e-6", "ms": "1e-3", "s": "1", "sec": "1", "second": "1",
              "min": "60", "minute": "60", "h": "3600", "hr": "3600", "hour": "3600", "day": "86400", "week": "604800"},
        "m": {"mm": "1e-3", "cm": "1e-2", "m": "1", "meter": "1", "metre": "1", "km": "1000", "kilometer": "1000",
              "kilometre": "1000", "centimeter": "1e-2", "centimetre": "1e-2", "millimeter": "1e-3"},
        "g": {"mg": "1e-3", "g": "1", "gram": "1", "kg": "1000", "kilogram": "1000"},
        "l": {"ml": "1e-3", "l": "1", "liter": "1", "litre": "1"},
        "byte": {"b": "1", "byte": "1", "kb": "1000", "mb": "1e6", "gb": "1e9", "tb": "1e12",
                 "kib": str(2**10), "mib": str(2**20), "gib": str(2**30), "tib": str(2**40)},
        "": {"%": "1e-2", "percent": "1e-2", "per cent": "1e-2"},
    }.items()
    for unit, factor in units.items()
}  # fmt: skip
_CURRENCIES = {"$": "usd", "usd": "usd", "dollar": "usd", "€": "eur", "eur": "eur", "euro": "eur", "£": "gbp"}


def same_key(left: str, right: str) -> bool:
    """Whether two short answers mean the same."""
    return normal(left) == normal(right)


def normal(text: str) -> Key:
    """A short answer in a comparable, hashable form: ("yes", True), ("option", "b"), ("s", 180.0), ("date", ...),
    ("list", ...) or ("text", ...)."""
    text = _plain(text[:_LONGEST])
    if text in _YES | _NO:
        return "yes", text in _YES
    if option := _OPTION.match(text):
        return "option", option[1]
    for form in (_date, _quantity, _list):
        if (key := form(text)) is not None:
            return key
    return "text", _words(text)


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold().replace("\u2212", "-").replace("\u2044", "/")
    text = text.strip().strip("\"'`* ").rstrip(".!").strip()
    if len(text) > 2 and text[0] == text[-1] == "$":
        text = text.strip("$").strip()
    text = _LABEL.sub("", text).strip("\"'`* ")
    text = text.removeprefix("=").removeprefix("≈").removeprefix("~").strip()
    return _ASSIGNMENT.sub("", text)


def _words(text: str) -> str:
    if _CALL.match(text):
        text = text.removesuffix("()")
    return re.sub(r"[^\w+#]+", " ", _ARTICLE.sub("", text)).strip() or text


def _date(text: str) -> Key | None:
    """Dates with a four-digit year and an unmistakable month; "3/4/2025" is none, because nobody knows which it is."""
    if iso := _ISO.match(text):
        return _day(int(iso[1]), int(iso[2]), int(iso[3]))
    for form in _DATES:
        if found := form.match(text):
            return _day(int(found["year"]), _MONTHS.index(found["month"][:3]) + 1, int(found["day"]))
    return None


def _day(year: int, month: int, day: int) -> Key | None:
    try:
        return "date", date(year, month, day).isoformat()
    except ValueError:
        return None


def _quantity(text: str) -> Key | None:
    """A number with what it counts; None when the text is not one number with at most a unit behind it."""
    text, currency = _currency_in_front(text)
    found = _mixed(text) or _ratio(text) or _decimal(text)
    if found is None:
        return None
    value, end = found
    unit = text[end:].strip(" -")
    if unit[:1] in tuple(".,/*x^(") or any(char.isdigit() for char in unit):
        # "2.1.3", "1/2/3", "3 x 4", "1, 2": more than one number, and not ours to calculate.
        return None
    quantity, factor = _unit(unit)
    try:
        # Nine digits: more than a model computes, less than binary fractions disturb.
        return currency or quantity, float(f"{float(value * factor):.9g}")
    except OverflowError:
        return None


def _currency_in_front(text: str) -> tuple[str, str]:
    currency = _CURRENCIES.get(text[:1], "")
    return (text[1:].strip(), currency) if currency else (text, "")


def _mixed(text: str) -> tuple[Fraction, int] | None:
    """ "1 1/2", and where it ends."""
    if (found := _MIXED.match(text)) is None or not int(found[4]):
        return None
    value = int(found[2]) + Fraction(int(found[3]), int(found[4]))
    return (-value if found[1] == "-" else value), found.end()


def _ratio(text: str) -> tuple[Fraction, int] | None:
    if (found := _FRACTION.match(text)) is None or not int(found[2]):
        return None
    return Fraction(int(found[1]), int(found[2])), found.end()


def _decimal(text: str) -> tuple[Fraction, int] | None:
    found = _NUMBER.match(text)
    if found is None or not (found["whole"] or found["part"]):
        return None
    digits = re.sub(r"[,' \u202f]", "", found["whole"] or "0")
    return Fraction(f"{found['sign'] or ''}{digits}{found['part'] or ''}{found['power'] or ''}"), found.end()


def _unit(unit: str) -> tuple[str, Fraction]:
    for spelling in (unit, unit.removesuffix("s")):
        if spelling in _UNITS:
            return _UNITS[spelling]
        if spelling in _CURRENCIES:
            return _CURRENCIES[spelling], Fraction(1)
    return _words(unit).removesuffix("s"), Fraction(1)


def _list(text: str) -> Key | None:
    """ "1, 2 and 3" or "[1, 2, 3]", in this order; "{3, 1}" in any order."""
    unordered = text.startswith("{") and text.endswith("}")
    if unordered or (text[:1], text[-1:]) in {("[", "]"), ("(", ")")}:
        text = text[1:-1]
    items = [item.strip() for item in re.split(r"[,;]\s*(?:and\s+)?|\s+and\s+", text)]
    if not 2 <= len(items) <= _MOST_ITEMS or not all(items):
        return None
    keys = [_item(item) for item in items]
    return "list", tuple(sorted(keys, key=repr)) if unordered else tuple(keys)


def _item(text: str) -> Key:
    return _date(text) or _quantity(text) or ("text", _words(text))
