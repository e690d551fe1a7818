"""quantity parameters: a number with or without a unit (FHIR R4, search.html#quantity).

A quantity leaves one row for its bare number, one by code, one by unit text, and one under its system; UCUM units go to
the canonical unit of their dimension there, on both sides, so that `5.4 g` finds `5400 mg`.
"""

from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Any

from bhr_api.errors import InvalidParameterError
from bhr_api.fhir import ucum
from bhr_api.search.criteria import AnyToken, Both, Criterion, Either, either
from bhr_api.search.entry import IndexEntry
from bhr_api.search.escapes import split_pipes
from bhr_api.search.parameters import Parameter
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types.number import BARE, HIGHEST, LOWEST, AskedNumber, bounded, in_index, parse_number
from bhr_api.search.types.token import TypedValue

MODIFIERS: frozenset[str] = frozenset()

# datatypes.html#Money: the currency is a code of ISO 4217.
_CURRENCIES = "urn:iso:std:iso:4217"

_EXACT = Context(prec=3000)

Ranged = tuple[int, Decimal, Decimal]


def index(parameter: Parameter, values: list[TypedValue], entry: IndexEntry) -> None:
    """Leave the rows of each quantity.

    Where there is one only, as nearly always, its unit is a token beside the bare number: that takes a tenth of the room
    of a row for every way of naming the unit.
    """
    is_single = len(values) == 1
    key = entry.hasher.parameter(parameter.resource_type, parameter.code)
    for unit, low, high in dict.fromkeys(ranges(values, entry.hasher)):
        if is_single and unit != BARE and not entry.hasher.is_canonical_unit(unit):
            entry.tokens.add(unit ^ key)
        else:
            entry.numbers.append((parameter.number, unit, low, high, None))


def ranges(values: list[TypedValue], hasher: TokenHasher) -> Iterator[Ranged]:
    """(unit hash, low, high) for every way of asking for each quantity."""
    for type_code, value in values:
        if not isinstance(value, dict):
            continue
        if type_code == "Money":
            value = {"value": value.get("value"), "code": value.get("currency"), "system": _CURRENCIES}
        low, high, unit = _range(value, type_code)
        if low is None or high is None:
            continue
        comparator = value.get("comparator", "")
        yield BARE, *_bounds(low, high, comparator)
        for name in dict.fromkeys((unit.get("code"), unit.get("unit"))):
            if name:
                yield hasher.unit(None, name), *_bounds(low, high, comparator)
        if unit.get("system") and unit.get("code"):
            token, low = _in_system(hasher, unit["system"], unit["code"], low)
            high = _in_system(hasher, unit["system"], unit["code"], high)[1]
            yield token, *_bounds(low, high, comparator)


def _range(value: dict[str, Any], type_code: str) -> tuple[Decimal | None, Decimal | None, dict[str, Any]]:
    if type_code == "Range":
        low, high = value.get("low") or {}, value.get("high") or {}
        return _number(low, LOWEST), _number(high, HIGHEST), low or high
    number = _number(value, None)
    return number, number, value


def _bounds(low: Decimal, high: Decimal, comparator: str) -> tuple[Decimal, Decimal]:
    """The ends as the index holds them. datatypes.html#Quantity: with a comparator the true value lies beyond the number."""
    low, high = bounded(low), bounded(high)
    match comparator:
        case "<" | "<=":
            return LOWEST, _EXACT.subtract(high, _hair(high)) if comparator == "<" else high
        case ">" | ">=":
            return _EXACT.add(low, _hair(low)) if comparator == ">" else low, HIGHEST
    return low, high


def _hair(number: Decimal) -> Decimal:
    """So little that no number that anybody writes lies between `number` and what is that much beyond it."""
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return Decimal(1).scaleb(max(min(exponent, 0), -900) - 30)


def _number(quantity: dict[str, Any], otherwise: Decimal | None) -> Decimal | None:
    value = quantity.get("value")
    return otherwise if value is None else Decimal(value)


def _in_system(hasher: TokenHasher, system: str, code: str, value: Decimal) -> tuple[int, Decimal]:
    if system == ucum.SYSTEM:
        code, value = ucum.canonical(code, bounded(value))
    return hasher.unit(system, code), value


def asked_range(parameter: str, text: str, hasher: TokenHasher) -> tuple[int, AskedNumber]:
    """(unit hash, number) that a query value asks for: `[prefix]number`, `...|system|code` or `...||code`."""
    parts = split_pipes(text)
    if len(parts) not in (1, 3):
        raise InvalidParameterError(parameter, text, "a quantity is number, number|system|code or number||code")
    asked = parse_number(parameter, parts[0])
    if len(parts) == 1 or not (parts[1] or parts[2]):
        return BARE, asked
    _, system, code = parts
    if not code:
        raise InvalidParameterError(parameter, text, "a quantity with a system needs a code: number|system|code")
    if not system:
        return hasher.unit(None, code), asked
    prefix, *numbers = asked
    scaled = [_in_system(hasher, system, code, number) for number in numbers]
    return scaled[0][0], AskedNumber(prefix, *(number for _, number in scaled))


def match(parameter: Parameter, values: list[str], hasher: TokenHasher) -> Criterion:
    """Rows that have a quantity as one of `values` asks."""
    return either([_match_one(parameter, value, hasher) for value in values])


def _match_one(parameter: Parameter, value: str, hasher: TokenHasher) -> Criterion:
    unit, asked = asked_range(parameter.code, value, hasher)
    in_unit = in_index(parameter, unit, asked, element=None)
    if unit == BARE or hasher.is_canonical_unit(unit):
        return in_unit
    key = hasher.parameter(parameter.resource_type, parameter.code)
    alone = Both([in_index(parameter, BARE, asked, element=None), AnyToken((unit ^ key,))])
    return Either([alone, in_unit])
