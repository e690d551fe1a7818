"""number parameters, with prefixes and implied precision (FHIR R4, search.html#number)."""

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from bhr_api.errors import InvalidParameterError
from bhr_api.search.criteria import Criterion, InIndex, either
from bhr_api.search.entry import IndexEntry
from bhr_api.search.escapes import unescape
from bhr_api.search.parameters import Parameter
from bhr_api.search.types.token import TypedValue
from bhr_api.store.sql import Binder, all_of

PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
MODIFIERS: frozenset[str] = frozenset()

# Open ends. PostgreSQL's numeric holds them in eight bytes; a clinical value is never near.
HIGHEST = Decimal("1e1000")
LOWEST = -HIGHEST
BARE = 0

# SQL about the stored range [low, high] and the asked value: search.html#prefix. `l` and `h` are the asked value's
# implied range, half-open; `v` is the value itself.
_CONDITIONS = {
    "eq": "i.low >= {l} AND i.high < {h}",
    "gt": "i.high > {v}",
    "lt": "i.low < {v}",
    "ge": "i.high >= {v}",
    "le": "i.low <= {v}",
    "sa": "i.low > {v}",
    "eb": "i.high < {v}",
    "ap": "i.high >= {l} AND i.low <= {h}",
}


class AskedNumber(NamedTuple):
    """A number of a query: its prefix, value and implied (or, for `ap`, widened) range."""

    prefix: str
    value: Decimal
    low: Decimal
    high: Decimal


def split_prefix(text: str) -> tuple[str, str]:
    """(prefix, rest); without a prefix it is `eq` (search.html#prefix)."""
    if text[:2] in PREFIXES and len(text) > 2:
        return text[:2], text[2:]
    return "eq", text


def bounded(value: Decimal) -> Decimal:
    """`value` within what the index holds; beyond 10^900 it is as good as infinite, below 10^-900 it is 0."""
    if value and not -900 < value.adjusted() < 900:
        return Decimal(0) if value.adjusted() < 0 else HIGHEST.copy_sign(value)
    return value


def parse_number(parameter: str, text: str) -> AskedNumber:
    """The number that a query value asks for.

    search.html#number: 100 means [99.5, 100.5), 100.00 means [99.995, 100.005), 1e2 has one significant digit.
    """
    prefix, digits = split_prefix(text)
    try:
        value = Decimal(digits)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or "_" in digits or digits != digits.strip():
        raise InvalidParameterError(parameter, text, "a number is like 5, 5.40 or 5.4e-3, after a prefix if any")
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    value = bounded(value)
    half = abs(value) / 10 if prefix == "ap" else Decimal(5).scaleb(max(min(exponent, 900), -900) - 1)
    return AskedNumber(prefix, value, value - half, value + half)


def index(parameter: Parameter, values: list[TypedValue], entry: IndexEntry) -> None:
    """Leave each number as the range of itself; a Range as its own, open where a side is absent."""
    for type_code, value in values:
        if type_code == "Range":
            low, high = ((value.get(side) or {}).get("value") for side in ("low", "high"))
            entry.numbers.append(
                (
                    parameter.number,
                    BARE,
                    LOWEST if low is None else bounded(Decimal(low)),
                    HIGHEST if high is None else bounded(Decimal(high)),
                    None,
                )
            )
        elif isinstance(value, int | Decimal):
            number = bounded(Decimal(value))
            entry.numbers.append((parameter.number, BARE, number, number, None))


def match(parameter: Parameter, values: list[str]) -> Criterion:
    """Rows that have a number as one of `values` asks."""
    return either(
        [in_index(parameter, BARE, parse_number(parameter.code, unescape(value)), element=None) for value in values]
    )


def in_index(parameter: Parameter, unit: int, asked: AskedNumber, *, element: int | None) -> Criterion:
    """Rows with a number of `unit` in the parameter as `asked`; `element`: in one element with that code token."""

    def where(binder: Binder) -> str:
        conditions = [f"i.unit = {binder.bind(unit, 'bigint')}", _number_condition(asked, binder)]
        if element is not None:
            conditions.append(_in_element(element, binder))
        return all_of(conditions)

    return InIndex("number_index", parameter.resource_type_number, parameter.number, (where,))


def in_index_ends(parameter: Parameter, start: AskedNumber, end: AskedNumber, *, element: int) -> Criterion:
    """Rows with a range whose low end is as `start` asks and whose high end is as `end` asks, in one element."""

    def where(binder: Binder) -> str:
        starts = _number_condition(start, binder).replace("i.high", "i.low")
        ends = _number_condition(end, binder).replace("i.low", "i.high")
        return all_of([starts, ends, _in_element(element, binder)])

    return InIndex("number_index", parameter.resource_type_number, parameter.number, (where,))


def _in_element(token: int, binder: Binder) -> str:
    return f"i.element @> {binder.bind([token], 'bigint[]')}"


def _number_condition(asked: AskedNumber, binder: Binder) -> str:
    names = {"v": asked.value, "l": asked.low, "h": asked.high}
    # ne: search.html#prefix, "the value for the parameter in the resource is not equal to the provided value".
    template = f"NOT ({_CONDITIONS['eq']})" if asked.prefix == "ne" else _CONDITIONS[asked.prefix]
    used = {name: binder.bind(value, "numeric") for name, value in names.items() if f"{{{name}}}" in template}
    return template.format(**used)
