"""Intervals of dates, numbers and quantities, as an independent reading of FHIR R4, search.html#prefix.

Dates are counted in microseconds since 1970 (UTC); values without a zone are UTC. Numbers are exact fractions.
"""

import calendar
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

Resource = dict[str, Any]
Point = int | float
Measure = Fraction | float

PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
UCUM = "http://unitsofmeasure.org"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")

# How many of the first unit of its line one unit is: mass, length, time.
UNITS = {
    "mg": ("mg", Fraction(1)), "g": ("mg", Fraction(1000)), "kg": ("mg", Fraction(1_000_000)),
    "cm": ("cm", Fraction(1)), "m": ("cm", Fraction(100)),
    "s": ("s", Fraction(1)), "min": ("s", Fraction(60)), "h": ("s", Fraction(3600)), "d": ("s", Fraction(86400)),
    "a": ("s", Fraction(31_557_600)),
}  # fmt: skip


def without_prefix(text: str) -> tuple[str, str]:
    """The prefix, "eq" where none is written, and the rest."""
    if text[:2] in PREFIXES:
        return text[:2], text[2:]
    return "eq", text


def interval(text: str) -> tuple[Point, Point]:
    """[start, end) of a date or dateTime of any precision, from the year to the microsecond."""
    found = _DATE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no date")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    start = datetime(
        int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0),
        int((fraction or "").ljust(6, "0")), tzinfo=_zone(zone),
    )  # fmt: skip
    begin = (start - _EPOCH) // _MICROSECOND
    return begin, begin + _length(start, found.groups()) // _MICROSECOND


def _zone(text: str | None) -> timezone:
    if text in (None, "Z"):
        return UTC
    assert text is not None
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-offset if text[0] == "-" else offset)


def _length(start: datetime, groups: Sequence[str | None]) -> timedelta:
    _, month, day, hour, _, second, fraction, _ = groups
    if fraction:
        return _MICROSECOND * int(10 ** (6 - len(fraction)))
    if second or hour:
        return timedelta(seconds=1) if second else timedelta(minutes=1)
    if day:
        return timedelta(days=1)
    if month:
        return timedelta(days=calendar.monthrange(start.year, start.month)[1])
    return timedelta(days=366 if calendar.isleap(start.year) else 365)


def period(value: Resource) -> list[tuple[Point, Point]]:
    """The interval of a Period, open ends infinite; none for a Period without start and end."""
    if "start" not in value and "end" not in value:
        return []
    start = interval(value["start"])[0] if "start" in value else -math.inf
    end = interval(value["end"])[1] if "end" in value else math.inf
    return [(start, end)]


def timing(value: Resource) -> list[tuple[Point, Point]]:
    """The outer limits of a Timing: its events and repeat.boundsPeriod."""
    parts = [interval(event) for event in value.get("event", [])]
    parts += period(value.get("repeat", {}).get("boundsPeriod", {}))
    return [(min(start for start, _ in parts), max(end for _, end in parts))] if parts else []


def date_satisfies(stored: tuple[Point, Point], prefix: str, text: str, now: datetime) -> bool:
    """Whether [ds, de) stands to the range of `text` as `prefix` says."""
    (ds, de), (lo, hi) = stored, interval(text)
    within, above, below = ds >= lo and de <= hi, de > hi, ds < lo
    if prefix == "ap":
        margin = 0.1 * _distance(lo, hi, (now - _EPOCH) // _MICROSECOND)
        return ds < hi + margin and de > lo - margin
    return {
        "eq": within, "ne": not within, "gt": above, "lt": below, "ge": above or within, "le": below or within,
        "sa": ds >= hi, "eb": de <= lo,
    }[prefix]  # fmt: skip


def _distance(lo: Point, hi: Point, now: int) -> Point:
    """Between now and the nearer end of the range; nothing while now is in it."""
    return max(lo - now, now - hi, 0)


@dataclass(frozen=True, slots=True)
class Span:
    """A stored number: one exact value, or all values on a side where a Quantity carries a comparator."""

    low: Measure
    high: Measure
    has_low: bool = True
    has_high: bool = True


def span(value: int | float | Decimal | str, comparator: str | None = None) -> Span:
    """The numbers for which a stored value may stand: `<10` is everything under 10, 10 left out."""
    exact = Fraction(Decimal(str(value)))
    if comparator in ("<", "<="):
        return Span(-math.inf, exact, False, comparator == "<=")
    if comparator in (">", ">="):
        return Span(exact, math.inf, comparator == ">=", False)
    return Span(exact, exact)


def number_satisfies(stored: Span, prefix: str, text: str, factor: Fraction = Fraction(1)) -> bool:
    """Whether the stored span stands to the number `text`, times `factor`, as `prefix` says.

    search.html#number: eq and ne take the implicit precision of the text, the others its exact value.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no number")
    exact, half = Fraction(Decimal(text)) * factor, _half_of_last_digit(text) * factor
    within = stored.low >= exact - half and stored.high < exact + half
    if prefix in ("eq", "ne"):
        return within == (prefix == "eq")
    if prefix == "ap":
        margin = abs(exact) / 10
        return _reaches(stored, exact - margin, upwards=True) and _reaches(stored, exact + margin, upwards=False)
    return {
        "gt": stored.high > exact,
        "lt": stored.low < exact,
        "ge": _reaches(stored, exact, upwards=True),
        "le": _reaches(stored, exact, upwards=False),
        "sa": stored.low > exact or (stored.low == exact and not stored.has_low),
        "eb": stored.high < exact or (stored.high == exact and not stored.has_high),
    }[prefix]


def _half_of_last_digit(text: str) -> Fraction:
    exponent = Decimal(text).as_tuple().exponent
    assert isinstance(exponent, int)
    return Fraction(10) ** exponent / 2


def _reaches(stored: Span, limit: Fraction, *, upwards: bool) -> bool:
    if upwards:
        return stored.high > limit or (stored.high == limit and stored.has_high)
    return stored.low < limit or (stored.low == limit and stored.has_low)


def quantity_satisfies(stored: Resource, prefix: str, parts: Sequence[str]) -> bool:
    """Whether a Quantity, or Money with its currency as code, matches `number`, `number|system|code` or `number||code`.

    Only UCUM units of one line of `UNITS` are converted; other units must be the same.
    """
    if "value" not in stored:
        return False
    number, system, code = (*parts, "", "")[:3]
    held = span(stored["value"], stored.get("comparator"))
    if not system and not code:
        return number_satisfies(held, prefix, number)
    if not system:
        return code in (stored.get("code"), stored.get("unit")) and number_satisfies(held, prefix, number)
    held_system, held_code = stored.get("system"), stored.get("code")
    if "currency" in stored:
        held_system, held_code = "urn:iso:std:iso:4217", stored["currency"]
    if held_system != system:
        return False
    if system == UCUM and held_code in UNITS and code in UNITS:
        return _converted(held, held_code, prefix, number, code)
    return held_code == code and number_satisfies(held, prefix, number)


def _converted(held: Span, held_code: str, prefix: str, number: str, code: str) -> bool:
    (kind, size), (asked_kind, asked_size) = UNITS[held_code], UNITS[code]
    return kind == asked_kind and number_satisfies(held, prefix, number, asked_size / size)
