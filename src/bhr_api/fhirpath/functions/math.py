"""Math (FHIRPath N1, http://hl7.org/fhirpath/N1/#math-1)."""

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation

from bhr_api.fhirpath.errors import FHIRPathEvaluationError
from bhr_api.fhirpath.functions.registry import argument, function, integer_of
from bhr_api.fhirpath.nodes import EMPTY, Evaluate, Nodes, Scope, value_of, wrap
from bhr_api.fhirpath.values import Quantity, SystemValue


def _number(value: SystemValue | None) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return Decimal(value)
    raise FHIRPathEvaluationError("A mathematical function was given what is no number")


def _on_numbers(name: str, arity: int, compute: Callable[..., SystemValue | None]) -> None:
    def build(*arguments: Evaluate) -> Evaluate:
        def evaluate(focus: Nodes, scope: Scope) -> Nodes:
            given = [_number(value_of(focus)), *(_number(value_of(argument(each, scope))) for each in arguments)]
            if None in given:
                return EMPTY
            try:
                return wrap(compute(*given))
            except InvalidOperation:
                # N1: a root or logarithm that is no real number is empty.
                return EMPTY

        return evaluate

    function(name, arity)(build)


def _power(base: Decimal, exponent: Decimal) -> SystemValue:
    result = base**exponent
    return int(result) if result == result.to_integral_value() and exponent >= 0 and _is_whole(base) else result


def _is_whole(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= 0


_on_numbers("ceiling", 0, lambda number: int(number.to_integral_value(ROUND_CEILING)))
_on_numbers("floor", 0, lambda number: int(number.to_integral_value(ROUND_FLOOR)))
_on_numbers("truncate", 0, lambda number: int(number.to_integral_value(ROUND_DOWN)))
_on_numbers("sqrt", 0, lambda number: number.sqrt())
_on_numbers("exp", 0, lambda number: number.exp())
_on_numbers("ln", 0, lambda number: number.ln() if number > 0 else None)
_on_numbers("log", 1, lambda number, base: number.ln() / base.ln() if number > 0 and base > 0 and base != 1 else None)
_on_numbers("power", 1, _power)


@function("abs")
def _abs() -> Evaluate:
    def evaluate(focus: Nodes, _scope: Scope) -> Nodes:
        value = value_of(focus)
        if isinstance(value, Quantity):
            return wrap(Quantity(abs(value.value), value.unit))
        if isinstance(value, int) and not isinstance(value, bool):
            return wrap(abs(value))
        number = _number(value)
        return EMPTY if number is None else wrap(abs(number))

    return evaluate


@function("round", 0, 1)
def _round(precision: Evaluate | None = None) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        number = _number(value_of(focus))
        places = 0 if precision is None else integer_of(argument(precision, scope)) or 0
        if places < 0:
            raise FHIRPathEvaluationError("round() takes a precision of at least 0")
        return EMPTY if number is None else wrap(number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))

    return evaluate
