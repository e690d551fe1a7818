"""The System values of FHIRPath: partial dates, times and quantities beside Python's own bool, int, Decimal and str.

FHIRPath N1, http://hl7.org/fhirpath/N1/#literals and #equality: comparisons are three-valued, None is "unknown".
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Literal, TypeAlias

from bhr_api.fhir.ucum import canonical

TemporalKind: TypeAlias = Literal["Date", "DateTime", "Time"]

# N1 #time-valued-quantities: the calendar words, singular and plural, to their singular.
CALENDAR_UNITS = {
    word: singular
    for singular in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for word in (singular, singular + "s")
}

# Weeks and shorter equal their UCUM units; calendar months and years only resemble them.
_DEFINITE = {"week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms"}
_ALIKE = {**_DEFINITE, "year": "a", "month": "mo"}

_CLOCK = r"(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?"
_TIME = re.compile(_CLOCK, re.ASCII)
_DATE_TIME = re.compile(rf"(\d{{4}})(?:-(\d\d)(?:-(\d\d)(?:T{_CLOCK}(Z|[+-]\d\d:\d\d)?)?)?)?T?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Temporal:
    """A Date, DateTime or Time of any precision: as many `fields` as were given, the seconds with their fraction.

    Dates count year, month, day, hour, minute, second; times start at the hour. `offset_minutes` is None if not given.
    """

    kind: TemporalKind
    fields: tuple[int | Decimal, ...]
    offset_minutes: int | None
    text: str

    @staticmethod
    @lru_cache(maxsize=16384)
    def parse(kind: str, text: str) -> "Temporal | None":
        """The value that `text` spells (without `@` and `T` prefix of a time), or None when it spells none."""
        if kind == "Time":
            match = _TIME.fullmatch(text)
            fields = _fields(match.groups()) if match else None
            return Temporal("Time", fields, None, text) if fields and _is_clock(fields) else None
        match = _DATE_TIME.fullmatch(text)
        if match is None or (kind == "Date" and "T" in text):
            return None
        *parts, zone = match.groups()
        fields = _fields(tuple(parts))
        if not _is_calendar(fields[:3]) or not _is_clock(fields[3:]):
            return None
        return Temporal("Date" if kind == "Date" else "DateTime", fields, _offset(zone), text)

    def __str__(self) -> str:
        return self.text


def _fields(parts: tuple[str | None, ...]) -> tuple[int | Decimal, ...]:
    return tuple(Decimal(part) if "." in part else int(part) for part in parts if part is not None)


def _is_calendar(fields: tuple[int | Decimal, ...]) -> bool:
    year, month, day = (*(int(field) for field in fields), 1, 1)[:3]
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _is_clock(fields: tuple[int | Decimal, ...]) -> bool:
    # FHIR R4 datatypes.html#dateTime lets the seconds be 60 for leap seconds.
    return all(field < limit for field, limit in zip(fields, (24, 60, 61), strict=False))


def _offset(zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return -minutes if zone[0] == "-" else minutes


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit: a UCUM code, a calendar word in the singular, or "1"."""

    value: Decimal
    unit: str

    def __str__(self) -> str:
        return f"{self.value} {self.unit}" if self.unit in CALENDAR_UNITS else f"{self.value} '{self.unit}'"


SystemValue: TypeAlias = bool | int | Decimal | str | Temporal | Quantity


def system_type_of(value: SystemValue) -> str:
    """The name of the value's System type, such as "Integer"."""
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int):
        return "Integer"
    if isinstance(value, Decimal):
        return "Decimal"
    if isinstance(value, str):
        return "String"
    return value.kind if isinstance(value, Temporal) else "Quantity"


def _is_number(value: SystemValue) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def equal(left: SystemValue, right: SystemValue) -> bool | None:
    """`left = right` (N1 #equals); None where precisions or units leave it open."""
    if isinstance(left, Temporal) and isinstance(right, Temporal):
        order = temporal_order(left, right)
        return None if order is None else order == 0
    left, right = _as_quantities(left, right)
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        difference = _quantity_difference(left, right)
        return None if difference is None else difference == 0
    if _is_number(left) and _is_number(right):
        return left == right
    return type(left) is type(right) and left == right


def equivalent(left: SystemValue, right: SystemValue) -> bool:
    """`left ~ right` (N1 #equivalent): strings without case and spacing, decimals to the lesser precision."""
    if isinstance(left, str) and isinstance(right, str):
        return " ".join(left.casefold().split()) == " ".join(right.casefold().split())
    if _is_number(left) and _is_number(right):
        return _rounded_alike(Decimal(left), Decimal(right))  # type: ignore[arg-type]
    left, right = _as_quantities(left, right)
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        return _quantities_alike(left, right)
    return equal(left, right) is True


def less(left: SystemValue, right: SystemValue) -> bool | None:
    """`left < right` (N1 #comparison), None where it is open. Raises TypeError for what has no order."""
    if isinstance(left, Temporal) and isinstance(right, Temporal) and (left.kind == "Time") == (right.kind == "Time"):
        order = temporal_order(left, right)
        return None if order is None else order < 0
    left, right = _as_quantities(left, right)
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        difference = _quantity_difference(left, right)
        return None if difference is None else difference < 0
    if _is_number(left) and _is_number(right):
        return left < right  # type: ignore[operator]
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    raise TypeError(f"{system_type_of(left)} and {system_type_of(right)} have no order")


def temporal_order(left: Temporal, right: Temporal) -> int | None:
    """Negative, zero or positive as `left` is before, at or after `right`; None when the precisions leave it open."""
    if (left.kind == "Time") != (right.kind == "Time"):
        return -1
    # A time of day without offset may be that of any place, so it stays open against one with an offset.
    ours, theirs = left.fields, right.fields
    if left.offset_minutes is not None and right.offset_minutes is not None:
        ours, theirs = in_utc(left), in_utc(right)
    elif (left.offset_minutes is None) != (right.offset_minutes is None):
        return _order_of_days(ours, theirs)
    for mine, other in zip(ours, theirs, strict=False):
        if mine != other:
            return -1 if mine < other else 1
    return 0 if len(ours) == len(theirs) else None


def _order_of_days(ours: tuple[int | Decimal, ...], theirs: tuple[int | Decimal, ...]) -> int | None:
    for mine, other in zip(ours[:3], theirs[:3], strict=False):
        if mine != other:
            return -1 if mine < other else 1
    return None


def in_utc(moment: Temporal) -> tuple[int | Decimal, ...]:
    """The fields of a DateTime with offset, counted from the hours since the first of January of year 1 in UTC."""
    year, month, day, hour, *rest = (*moment.fields,)
    minutes = date(int(year), int(month), int(day)).toordinal() * 1440 + int(hour) * 60 - (moment.offset_minutes or 0)
    minutes += int(rest[0]) if rest else 0
    return (minutes // 60, minutes % 60, *rest[1:])[: len(moment.fields) - 3]


def _as_quantities(left: SystemValue, right: SystemValue) -> tuple[SystemValue, SystemValue]:
    # N1 #conversion: a number is implicitly a quantity of unit '1' beside a quantity.
    if isinstance(left, Quantity) and _is_number(right):
        return left, Quantity(Decimal(right), "1")  # type: ignore[arg-type]
    if isinstance(right, Quantity) and _is_number(left):
        return Quantity(Decimal(left), "1"), right  # type: ignore[arg-type]
    return left, right


def canonical_quantity(quantity: Quantity) -> tuple[str, Decimal]:
    """(canonical unit, value in it): the same for quantities that are equal."""
    if quantity.unit == "year":
        return "month", quantity.value * 12
    return canonical(_DEFINITE.get(quantity.unit, quantity.unit), quantity.value)


def _quantity_difference(left: Quantity, right: Quantity) -> Decimal | None:
    our_unit, ours = canonical_quantity(left)
    their_unit, theirs = canonical_quantity(right)
    return ours - theirs if our_unit == their_unit else None


def _quantities_alike(left: Quantity, right: Quantity) -> bool:
    # N1 #equivalent: for `~` a calendar year is the UCUM year, and so on.
    our_unit, ours = canonical(_ALIKE.get(left.unit, left.unit), left.value)
    their_unit, theirs = canonical(_ALIKE.get(right.unit, right.unit), right.value)
    return our_unit == their_unit and _rounded_alike(ours, theirs)


def _rounded_alike(left: Decimal, right: Decimal) -> bool:
    places = min(_places(left), _places(right))
    return round(left, places) == round(right, places)


def _places(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
