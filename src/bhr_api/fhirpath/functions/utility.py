"""Utility and reflection (FHIRPath N1, http://hl7.org/fhirpath/N1/#utility-functions), boundaries of partial values.

lowBoundary() and highBoundary() are of the next FHIRPath release (http://hl7.org/fhirpath/#boundary-functions); views
of SQL on FHIR use them.
"""

import calendar
from decimal import Decimal

from bhr_api.fhirpath.functions.registry import argument, function, on_value, text_of
from bhr_api.fhirpath.nodes import Evaluate, Node, Nodes, Scope, wrap
from bhr_api.fhirpath.types import TYPE_INFO
from bhr_api.fhirpath.values import SystemValue, Temporal

# The extreme offsets from UTC in use: a day begins first in the one and ends last in the other.
_EARLIEST_OFFSET = "+14:00"
_LATEST_OFFSET = "-12:00"


@function("trace", 1, 2)
def _trace(name: Evaluate, projection: Evaluate | None = None) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        report = scope.environment.trace
        if report is not None:
            shown = focus
            if projection is not None:
                shown = [item for index, node in enumerate(focus) for item in projection([node], scope.at(node, index))]
            report(text_of(argument(name, scope)) or "", shown)
        return focus

    return evaluate


@function("type")
def _type() -> Evaluate:
    return lambda focus, _scope: [Node(TYPE_INFO, _type_info(node.type)) for node in focus]


def _type_info(type_name: str) -> dict[str, str]:
    namespace, dot, name = type_name.partition(".")
    if namespace == "System" and dot:
        return {"namespace": namespace, "name": name}
    return {"namespace": "FHIR", "name": type_name}


def _moment(kind: str, text: str) -> Nodes:
    return wrap(Temporal.parse(kind, text))


@function("now")
def _now() -> Evaluate:
    return lambda _focus, scope: _moment("DateTime", scope.environment.moment().isoformat(timespec="milliseconds"))


@function("today")
def _today() -> Evaluate:
    return lambda _focus, scope: _moment("Date", scope.environment.moment().date().isoformat())


@function("timeOfDay")
def _time_of_day() -> Evaluate:
    return lambda _focus, scope: _moment("Time", scope.environment.moment().time().isoformat(timespec="milliseconds"))


def low_boundary(value: SystemValue) -> SystemValue | None:
    """The least value, to the millisecond, that a partial date or time may stand for; half a unit below a decimal."""
    if isinstance(value, Temporal):
        return _filled(value, (1, 1, 0, 0, Decimal("0.000")), _EARLIEST_OFFSET)
    return _half_a_unit(value, -1)


def high_boundary(value: SystemValue) -> SystemValue | None:
    """The greatest value, to the millisecond, that a partial date or time may stand for."""
    if not isinstance(value, Temporal):
        return _half_a_unit(value, 1)
    month = int((*value.fields, 12)[1]) if value.kind != "Time" and len(value.fields) > 1 else 12
    last_day = 31 if value.kind == "Time" else calendar.monthrange(int(value.fields[0]), month)[1]
    return _filled(value, (12, last_day, 23, 59, Decimal("59.999")), _LATEST_OFFSET)


def _half_a_unit(value: SystemValue, sign: int) -> SystemValue | None:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    exponent = Decimal(value).as_tuple().exponent
    return Decimal(value) + sign * Decimal(5).scaleb(exponent - 1) if isinstance(exponent, int) else None


def _filled(value: Temporal, rest: tuple[int | Decimal, ...], offset: str) -> Temporal | None:
    """`value` with what it lacks after the year (or for a time, the hour) taken from `rest`."""
    if value.kind == "Time":
        return Temporal.parse("Time", _clock((*value.fields, *rest[2 + len(value.fields) :])))
    fields = (*value.fields, *rest[len(value.fields) - 1 :])
    day = f"{fields[0]:04}-{fields[1]:02}-{fields[2]:02}"
    if value.kind == "Date":
        return Temporal.parse("Date", day)
    zone = value.text[-6:].partition("Z")[1] or (value.text[-6:] if value.offset_minutes is not None else offset)
    return Temporal.parse("DateTime", f"{day}T{_clock(fields[3:])}{zone}")


def _clock(fields: tuple[int | Decimal, ...]) -> str:
    return f"{fields[0]:02}:{fields[1]:02}:{Decimal(fields[2]):06.3f}"


function("lowBoundary")(on_value(lambda value: wrap(low_boundary(value))))
function("highBoundary")(on_value(lambda value: wrap(high_boundary(value))))
