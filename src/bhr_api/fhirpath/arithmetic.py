"""FHIRPath arithmetic (N1, http://hl7.org/fhirpath/N1/#math): numbers, strings, quantities, and dates with durations.

None is the empty collection: division by zero, units that do not go together, a result beyond the calendar.
"""

import calendar
from collections.abc import Callable, Mapping
from datetime import date
from decimal import ROUND_DOWN, Decimal, InvalidOperation, Overflow
from types import MappingProxyType

from bhr_api.fhir.ucum import canonical
from bhr_api.fhirpath.errors import FHIRPathEvaluationError
from bhr_api.fhirpath.values import Quantity, SystemValue, Temporal, system_type_of

Number = int | Decimal

_MONTHS = {"year": 12, "month": 1}
_SECONDS: Mapping[str, Decimal] = MappingProxyType(
    {
        "week": Decimal(604800),
        "day": Decimal(86400),
        "hour": Decimal(3600),
        "minute": Decimal(60),
        "second": Decimal(1),
        "s": Decimal(1),
        "millisecond": Decimal("0.001"),
        "ms": Decimal("0.001"),
    }
)
# The seconds in one step of each field of a date: those of a day for years and months are never asked for.
_FIELD_SECONDS = (86400, 86400, 86400, 3600, 60)


def add(left: SystemValue, right: SystemValue) -> SystemValue | None:
    """`left + right` (N1 #addition)."""
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, Temporal) and isinstance(right, Quantity):
        return shifted(left, right, 1)
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        return _sum(left, right, 1)
    return _number(left, "+", right) + _number(right, "+", left)


def subtract(left: SystemValue, right: SystemValue) -> SystemValue | None:
    """`left - right` (N1 #subtraction)."""
    if isinstance(left, Temporal) and isinstance(right, Quantity):
        return shifted(left, right, -1)
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        return _sum(left, right, -1)
    return _number(left, "-", right) - _number(right, "-", left)


def multiply(left: SystemValue, right: SystemValue) -> SystemValue | None:
    """`left * right` (N1 #multiplication); a quantity by a plain number keeps its unit."""
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        ours, theirs = _as_quantity(left, "*", right), _as_quantity(right, "*", left)
        unit = _product_unit(ours.unit, theirs.unit)
        return None if unit is None else Quantity(ours.value * theirs.value, unit)
    return _number(left, "*", right) * _number(right, "*", left)


def divide(left: SystemValue, right: SystemValue) -> SystemValue | None:
    """`left / right` (N1 #division): always a Decimal, or a quantity."""
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        return _quotient(_as_quantity(left, "/", right), _as_quantity(right, "/", left))
    divisor = _number(right, "/", left)
    return None if divisor == 0 else Decimal(_number(left, "/", right)) / Decimal(divisor)


def integer_divide(left: SystemValue, right: SystemValue) -> SystemValue | None:
    """`left div right` (N1 #div): truncated towards zero."""
    dividend, divisor = _number(left, "div", right), _number(right, "div", left)
    return None if divisor == 0 else int((Decimal(dividend) / Decimal(divisor)).to_integral_value(ROUND_DOWN))


def modulo(left: SystemValue, right: SystemValue) -> SystemValue | None:
    """`left mod right` (N1 #mod): the remainder of truncated division."""
    dividend, divisor = _number(left, "mod", right), _number(right, "mod", left)
    if divisor == 0:
        return None
    remainder = Decimal(dividend) % Decimal(divisor)
    return int(remainder) if isinstance(dividend, int) and isinstance(divisor, int) else remainder


_OPERATORS: Mapping[str, Callable[[SystemValue, SystemValue], SystemValue | None]] = MappingProxyType(
    {"+": add, "-": subtract, "*": multiply, "/": divide, "div": integer_divide, "mod": modulo}
)


def calculate(operator: str, left: SystemValue, right: SystemValue) -> SystemValue | None:
    """The result of an arithmetic operator, None where it overflows (N1 #math: empty)."""
    try:
        return _OPERATORS[operator](left, right)
    except (InvalidOperation, Overflow):
        return None


def _number(value: SystemValue, operator: str, other: SystemValue) -> Number:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return value
    raise FHIRPathEvaluationError(f"{operator} does not take {system_type_of(value)} and {system_type_of(other)}")


def _as_quantity(value: SystemValue, operator: str, other: SystemValue) -> Quantity:
    return value if isinstance(value, Quantity) else Quantity(Decimal(_number(value, operator, other)), "1")


def _product_unit(left: str, right: str) -> str | None:
    if "1" in (left, right):
        return right if left == "1" else left
    return f"{left}2" if left == right and left.isalpha() else None


def _quotient(left: Quantity, right: Quantity) -> Quantity | None:
    if right.value == 0:
        return None
    if right.unit == "1":
        return Quantity(left.value / right.value, left.unit)
    our_unit, ours = canonical(left.unit, left.value)
    their_unit, theirs = canonical(right.unit, right.value)
    if our_unit == their_unit:
        return Quantity(ours / theirs, "1")
    return Quantity(left.value / right.value, f"{left.unit}/{right.unit}") if left.unit != "1" else None


def _sum(left: Quantity, right: Quantity, sign: int) -> Quantity | None:
    if left.unit == right.unit:
        return Quantity(left.value + sign * right.value, left.unit)
    our_unit, ours = canonical(left.unit, left.value)
    their_unit, theirs = canonical(right.unit, right.value)
    return Quantity(ours + sign * theirs, our_unit) if our_unit == their_unit else None


def shifted(moment: Temporal, duration: Quantity, sign: int) -> Temporal | None:
    """The moment plus (`sign` 1) or minus (-1) a duration, at the moment's own precision (N1 #datetime-arithmetic)."""
    if duration.unit in _MONTHS and moment.kind != "Time":
        return _in_months(moment, sign * int(duration.value) * _MONTHS[duration.unit])
    if duration.unit not in _SECONDS:
        raise FHIRPathEvaluationError(f"A {moment.kind} is not moved by the unit {duration.unit!r}")
    seconds = sign * duration.value * _SECONDS[duration.unit]
    if moment.kind == "Time":
        return _time_of_day(moment, seconds)
    if len(moment.fields) < 3:
        # N1: the duration is first brought down to the precision of the date, so 30 days are a month, 365 a year.
        days = int(seconds / 86400)
        return _in_months(moment, int(days / 30) if len(moment.fields) == 2 else int(days / 365) * 12)
    return _in_seconds(moment, seconds)


def _in_months(moment: Temporal, months: int) -> Temporal | None:
    year, month, *rest = (*moment.fields, 1)[: max(2, len(moment.fields))]
    if len(moment.fields) == 1:
        months = int(months / 12) * 12
    total = int(year) * 12 + int(month) - 1 + months
    year, month = divmod(total, 12)[0], total % 12 + 1
    if not 1 <= year <= 9999:
        return None
    if rest:
        # N1: a day that the month lacks becomes the month's last day.
        rest[0] = min(int(rest[0]), calendar.monthrange(int(year), int(month))[1])
    return _dated((year, month, *rest)[: len(moment.fields)], moment)


def _in_seconds(moment: Temporal, seconds: Decimal) -> Temporal | None:
    year, month, day, hour, minute, second = (*moment.fields, 0, 0, 0)[:6]
    # What is finer than the moment's own precision is cut off before it is added.
    if len(moment.fields) < 6:
        step = _FIELD_SECONDS[len(moment.fields) - 1]
        seconds = Decimal(int(seconds / step) * step)
    total = Decimal(int(hour) * 3600 + int(minute) * 60) + second + seconds
    days, within = total // 86400, total % 86400
    if within < 0:
        days, within = days - 1, within + 86400
    ordinal = date(int(year), int(month), int(day)).toordinal() + int(days)
    if not 1 <= ordinal <= date.max.toordinal():
        return None
    then = date.fromordinal(ordinal)
    fields = (then.year, then.month, then.day, int(within // 3600), int(within % 3600 // 60), _seconds(within, second))
    return _dated(fields[: len(moment.fields)], moment)


def _time_of_day(moment: Temporal, seconds: Decimal) -> Temporal:
    hour, minute, second = (*moment.fields, 0, 0)[:3]
    within = (Decimal(int(hour) * 3600 + int(minute) * 60) + second + seconds) % 86400
    within = within + 86400 if within < 0 else within
    fields = (int(within // 3600), int(within % 3600 // 60), _seconds(within, second))[: len(moment.fields)]
    return Temporal("Time", fields, None, _clock_text(fields))


def _seconds(within: Decimal, given: Number) -> Number:
    seconds = within % 60
    return seconds if isinstance(given, Decimal) or seconds != int(seconds) else int(seconds)


def _dated(fields: tuple[Number, ...], like: Temporal) -> Temporal:
    text = "-".join(f"{int(field):0{4 if place == 0 else 2}}" for place, field in enumerate(fields[:3]))
    if len(fields) > 3:
        text += "T" + _clock_text(fields[3:]) + _offset_text(like.offset_minutes)
    return Temporal(like.kind, fields, like.offset_minutes, text)


def _clock_text(fields: tuple[Number, ...]) -> str:
    return ":".join(f"{field:02}" if isinstance(field, int) else _fraction_text(field) for field in fields)


def _fraction_text(seconds: Decimal) -> str:
    whole, _, fraction = f"{seconds:f}".partition(".")
    return f"{int(whole):02}.{fraction}" if fraction else f"{int(whole):02}"


def _offset_text(minutes: int | None) -> str:
    if minutes is None:
        return ""
    sign = "-" if minutes < 0 else "+"
    return "Z" if minutes == 0 else f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
