"""Conversion (FHIRPath N1, http://hl7.org/fhirpath/N1/#conversion): toX() and convertsToX()."""

import re
from collections.abc import Callable
from decimal import Decimal

from bhr_api.fhirpath.functions.registry import argument, function, on_value, text_of
from bhr_api.fhirpath.nodes import EMPTY, Evaluate, Nodes, Scope, boolean, value_of, wrap
from bhr_api.fhirpath.values import CALENDAR_UNITS, Quantity, SystemValue, Temporal, equal

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_QUANTITY = re.compile(r"(?P<value>[+-]?\d+(?:\.\d+)?)\s*(?:'(?P<unit>[^']+)'|(?P<word>[a-z]+))?", re.ASCII)
# N1 #boolean-conversion-functions.
_TRUE_WORDS = {"true", "t", "yes", "y", "1", "1.0"}
_FALSE_WORDS = {"false", "f", "no", "n", "0", "0.0"}


def to_boolean(value: SystemValue) -> bool | None:
    """The value as a Boolean, None where N1 gives none."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.lower()
        return True if word in _TRUE_WORDS else False if word in _FALSE_WORDS else None
    if isinstance(value, (int, Decimal)):
        return True if value == 1 else False if value == 0 else None
    return None


def to_integer(value: SystemValue) -> int | None:
    """The value as an Integer, None where N1 gives none."""
    if isinstance(value, (bool, int)):
        return int(value)
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else None


def to_decimal(value: SystemValue) -> Decimal | None:
    """The value as a Decimal, None where N1 gives none."""
    if isinstance(value, (bool, int, Decimal)):
        return Decimal(value)
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def to_text(value: SystemValue) -> str:
    """The value as a String."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def to_temporal(kind: str) -> Callable[[SystemValue], Temporal | None]:
    """The conversion to Date, DateTime or Time; a DateTime loses its time to become a Date."""

    def convert(value: SystemValue) -> Temporal | None:
        if isinstance(value, str):
            return Temporal.parse(kind, value)
        if not isinstance(value, Temporal) or (value.kind == "Time") != (kind == "Time"):
            return None
        return Temporal.parse(kind, value.text.partition("T")[0] if kind == "Date" else value.text)

    return convert


def to_quantity(value: SystemValue) -> Quantity | None:
    """The value as a Quantity, None where N1 gives none."""
    if isinstance(value, Quantity):
        return value
    if isinstance(value, (bool, int, Decimal)):
        return Quantity(Decimal(value), "1")
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None or (match["word"] and match["word"] not in CALENDAR_UNITS):
        return None
    return Quantity(Decimal(match["value"]), match["unit"] or CALENDAR_UNITS.get(match["word"] or "", "1"))


def _enter(name: str, convert: Callable[[SystemValue], SystemValue | None]) -> None:
    function(f"to{name}")(on_value(lambda value: wrap(convert(value))))
    function(f"convertsTo{name}")(on_value(lambda value: boolean(convert(value) is not None)))


for _name, _convert in (
    ("Boolean", to_boolean),
    ("Integer", to_integer),
    ("Decimal", to_decimal),
    ("String", to_text),
    ("Date", to_temporal("Date")),
    ("DateTime", to_temporal("DateTime")),
    ("Time", to_temporal("Time")),
):
    _enter(_name, _convert)


def _in_unit(quantity: Quantity | None, unit: str | None) -> Quantity | None:
    """The quantity if it has the unit or one of the same size; N1 lets an implementation convert no further."""
    if quantity is None or unit is None:
        return quantity
    unit = CALENDAR_UNITS.get(unit, unit)
    return Quantity(quantity.value, unit) if equal(quantity, Quantity(quantity.value, unit)) else None


def _quantity(focus: Nodes, unit: Evaluate | None, scope: Scope) -> Quantity | None:
    value = value_of(focus)
    wanted = None if unit is None else text_of(argument(unit, scope))
    return None if value is None else _in_unit(to_quantity(value), wanted)


@function("toQuantity", 0, 1)
def _to_quantity(unit: Evaluate | None = None) -> Evaluate:
    return lambda focus, scope: wrap(_quantity(focus, unit, scope))


@function("convertsToQuantity", 0, 1)
def _converts_to_quantity(unit: Evaluate | None = None) -> Evaluate:
    return lambda focus, scope: boolean(_quantity(focus, unit, scope) is not None) if focus else EMPTY
