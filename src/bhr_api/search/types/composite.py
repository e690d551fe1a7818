"""composite parameters: parts that hold together in one element (FHIR R4, search.html#composite).

A composite over the resource itself (Observation.code-value-quantity) asks for both parts of the same resource, which the
parts' own index values answer. A composite over an inner element (component-code-value-quantity) leaves values that bind
its parts together.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import product
from typing import Any

from bhr_api.errors import InvalidParameterError
from bhr_api.fhir.definitions import Resource
from bhr_api.search.criteria import AnyToken, Both, Criterion, either
from bhr_api.search.entry import IndexEntry
from bhr_api.search.escapes import split_composite, split_pipes, unescape
from bhr_api.search.parameters import Component, Parameter
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types import date, number, quantity, reference, string, token, uri
from bhr_api.search.types.number import BARE, bounded, parse_number
from bhr_api.search.types.token import TypedValue

_NUMERIC = ("number", "quantity")


def index(parameter: Parameter, elements: list[TypedValue], resource: Resource, entry: IndexEntry) -> None:
    """Leave the values that bind the parts of each inner element of `resource` together."""
    for _, element in elements:
        if isinstance(element, dict) and "resourceType" not in element:
            _index_element(parameter, element, resource, entry)


def _index_element(parameter: Parameter, element: dict[str, Any], resource: Resource, entry: IndexEntry) -> None:
    first, *others = parameter.components
    if all(part.extract(element, resource) for part in parameter.components):
        entry.tokens.add(entry.hasher.present(parameter.resource_type, parameter.code))
    forms = list(_forms(first, first.extract(element, resource), entry.hasher, entry.base_url))
    if others[0].type not in _NUMERIC:
        values = others[0].extract(element, resource)
        pairs = product(forms, _forms(others[0], values, entry.hasher, entry.base_url))
        entry.tokens.update(_token(parameter, entry.hasher, f"{one}\0{other}") for one, other in pairs)
        return
    codes = [_token(parameter, entry.hasher, form) for form in forms]
    if len(others) == 1:
        for row in dict.fromkeys(quantity.ranges(others[0].extract(element, resource), entry.hasher)):
            entry.numbers.append((parameter.number, *row, codes))
        return
    # Of three parts the two numbers are the ends of one range: variant-start and variant-end, window-start and -end.
    start, end = (next(iter(part.extract(element, resource)), (None, None))[1] for part in others)
    if start is not None and end is not None:
        entry.numbers.append((parameter.number, BARE, bounded(Decimal(start)), bounded(Decimal(end)), codes))


def _token(parameter: Parameter, hasher: TokenHasher, form: str) -> int:
    return hasher.code(parameter.resource_type, parameter.code, form)


def _forms(component: Component, values: list[TypedValue], hasher: TokenHasher, base_url: str) -> Iterator[str]:
    """Every way in which a query may name the part."""
    if component.type == "reference":
        for _, value in values:
            literal = value.get("reference") if isinstance(value, dict) else value
            if isinstance(literal, str):
                yield from (f"r{target}" for target in reference.targets(literal, hasher, base_url))
        return
    for system, code in token.codings(values):
        yield f"c{code}"
        yield f"s{system or ''}|{code}"
        if system is not None:
            yield f"y{system}"


def _asked_form(
    component: Component, value: str, parameter: Parameter, hasher: TokenHasher, base_url: str
) -> list[str]:
    if component.type == "reference":
        own = Parameter(component.code, "reference", parameter.resource_type, "", (), "", component.extract)
        return [f"r{found}" for _, found in reference.asked_targets(own, None, value, hasher, base_url)]
    parts = split_pipes(value)
    if len(parts) == 1:
        return [f"c{parts[0]}"]
    if len(parts) != 2 or not (parts[0] or parts[1]):
        raise InvalidParameterError(parameter.code, value, "a token is code, system|code, |code or system|")
    return [f"s{parts[0]}|{parts[1]}" if parts[1] else f"y{parts[0]}"]


def match(
    parameter: Parameter,
    served: Mapping[str, Parameter],
    values: list[str],
    hasher: TokenHasher,
    base_url: str,
    now: datetime,
) -> Criterion:
    """Rows with an element whose parts are as one of `values` asks; `served` are the parameters of the type."""
    return either([_match_one(parameter, served, value, hasher, base_url, now) for value in values])


def _match_one(
    parameter: Parameter, served: Mapping[str, Parameter], value: str, hasher: TokenHasher, base_url: str, now: datetime
) -> Criterion:
    parts = split_composite(parameter.code, value, len(parameter.components))
    if not parameter.is_composite_of_resource:
        return _match_element(parameter, parts, hasher, base_url)
    pairs = zip(parameter.components, parts, strict=True)
    return Both([match_plain(served[component.code], part, hasher, base_url, now) for component, part in pairs])


def _match_element(parameter: Parameter, parts: list[str], hasher: TokenHasher, base_url: str) -> Criterion:
    first, second, *third = parameter.components
    firsts = _asked_form(first, parts[0], parameter, hasher, base_url)
    if third:
        start, end = (parse_number(parameter.code, unescape(part)) for part in parts[1:])
        return either(
            [number.in_index_ends(parameter, start, end, element=_token(parameter, hasher, one)) for one in firsts]
        )
    if second.type in _NUMERIC:
        unit, asked = quantity.asked_range(parameter.code, parts[1], hasher)
        return either(
            [number.in_index(parameter, unit, asked, element=_token(parameter, hasher, form)) for form in firsts]
        )
    seconds = _asked_form(second, parts[1], parameter, hasher, base_url)
    return AnyToken(tuple(_token(parameter, hasher, f"{one}\0{other}") for one, other in product(firsts, seconds)))


def match_plain(parameter: Parameter, value: str, hasher: TokenHasher, base_url: str, now: datetime) -> Criterion:
    """One value of a parameter that is no composite, without modifier."""
    match parameter.type:
        case "token":
            return token.match(parameter, [value], hasher)
        case "reference":
            return reference.match(parameter, None, [value], hasher, base_url)
        case "string":
            return string.match(parameter, None, [value], hasher)
        case "date":
            return date.match(parameter, [value], now)
        case "number":
            return number.match(parameter, [value])
        case "quantity":
            return quantity.match(parameter, [value], hasher)
        case _:
            return uri.match(parameter, None, [value], hasher)
