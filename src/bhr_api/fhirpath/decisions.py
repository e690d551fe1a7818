"""Tests of existence, equality, order and logic as closures over JSON: what most invariants and filters consist of.

FHIRPath N1, http://hl7.org/fhirpath/N1/#boolean-logic: three-valued, None is the empty collection. What is not simple
enough goes to the general compiler through `otherwise`; both give the same answers (tests/fhirpath/test_invariants.py).
"""

import operator
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from bhr_api.fhir.definitions import PRIMITIVE_TYPES, Resource, is_subtype
from bhr_api.fhir.ucum import SYSTEM as UCUM
from bhr_api.fhirpath.logic import CONNECTIVES, Decide, choice, exclusive, negation
from bhr_api.fhirpath.paths import Filter, NotSimpleError, Path, paths_of
from bhr_api.fhirpath.references import type_of_reference
from bhr_api.fhirpath.syntax import (
    Call,
    ExternalConstant,
    Invocation,
    Literal,
    Member,
    Operation,
    Syntax,
    TypeName,
    TypeOperation,
)
from bhr_api.fhirpath.types import SYSTEM_TYPE_OF_PRIMITIVE, Property
from bhr_api.fhirpath.values import Temporal, temporal_order

Otherwise = Callable[[Syntax], Decide]
_Count = Callable[[Any, Resource | None], int]
_Read = Callable[[Any], Any]

_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq}
)


def decision_of(syntax: Syntax, type_name: str, otherwise: Otherwise) -> Decide:
    """The test of an expression on elements of `type_name`; parts that are not simple are made by `otherwise`."""
    try:
        return _simple(syntax, type_name, otherwise)
    except NotSimpleError:
        return otherwise(syntax)


def filter_of(criterion: Syntax, type_name: str) -> Filter:
    """The filter of `where(criterion)` on values of `type_name`. Raises `NotSimpleError`."""
    match criterion:
        case TypeOperation("is", Call("resolve", ()), TypeName(_, target)) if type_name == "Reference":
            return _refers_to(target)
    decide = _simple(criterion, type_name, _refuse)
    return lambda element, resource: decide(element, resource, resource) is True


def _refuse(_syntax: Syntax) -> Decide:
    raise NotSimpleError


def _refers_to(target: str) -> Filter:
    relative, slash = f"{target}/", len(target)

    def refers(reference: Any, resource: Resource | None) -> bool:
        literal = reference.get("reference")
        # Nearly every reference is relative, so that its beginning decides.
        if isinstance(literal, str) and literal.startswith(relative) and literal.rfind("/") == slash:
            return True
        found = type_of_reference(reference, resource)
        return found == target or (found is not None and is_subtype(found, target))

    return refers


def _simple(syntax: Syntax, type_name: str, otherwise: Otherwise) -> Decide:
    if type_name in PRIMITIVE_TYPES:
        raise NotSimpleError
    match syntax:
        case Literal(bool(value)):
            return lambda _element, _resource, _root: value
        case Operation("and" | "or" | "xor" | "implies" as connective, left, right):
            sides = decision_of(left, type_name, otherwise), decision_of(right, type_name, otherwise)
            return CONNECTIVES[connective](*sides)
        case Invocation(source, Call("exists", ())):
            return _exists(_paths(source, type_name))
        case Invocation(source, Call("exists", (criterion,))):
            return _exists(_paths(Invocation(source, Call("where", (criterion,))), type_name))
        case Invocation(source, Call("empty", ())):
            return negation(_exists(_paths(source, type_name)))
        case Invocation(source, Call("not", ())):
            return negation(_simple(source, type_name, otherwise))
        case Invocation(source, Call("hasValue", ())):
            return _has_value(_single(source, type_name))
        case Call("iif", (criterion, then, instead)):
            parts = (_simple(part, type_name, otherwise) for part in (criterion, then, instead))
            return choice(*parts)
        case Operation("in", left, right):
            return _is_among(_read_text(left, type_name), _texts(right))
        case Operation("=" | "!=" | "<" | "<=" | ">" | ">=" as comparison, left, right):
            return _compared(comparison, left, right, type_name)
    raise NotSimpleError


def _paths(syntax: Syntax, type_name: str) -> list[Path]:
    return paths_of(syntax, [Path(type_name)], filter_of)


def _single(syntax: Syntax, type_name: str) -> Path:
    paths = _paths(syntax, type_name)
    if len(paths) != 1 or not paths[0].is_single or paths[0].type not in PRIMITIVE_TYPES:
        raise NotSimpleError
    return paths[0]


def _key(path: Path) -> str:
    prop = path.steps[0]
    assert isinstance(prop, Property)
    return prop.key


def _exists(paths: list[Path]) -> Decide:
    properties = [path.steps[0] for path in paths if len(path.steps) == 1]
    if len(properties) == len(paths) and all(isinstance(step, Property) for step in properties):
        return _has_any(frozenset(key for prop in properties if isinstance(prop, Property) for key in _keys(prop)))
    counts = [_count_after(path.steps) for path in paths]
    return lambda element, resource, _root: any(count(element, resource) for count in counts)


def _keys(prop: Property) -> tuple[str, ...]:
    # A primitive that has only extensions exists; JSON keeps them beside it.
    return (prop.key, "_" + prop.key) if prop.is_primitive else (prop.key,)


def _has_any(keys: frozenset[str]) -> Decide:
    if len(keys) not in (1, 2):
        return lambda element, _resource, _root: not keys.isdisjoint(element)
    first, second = (*keys, *keys)[:2]
    return lambda element, _resource, _root: first in element or second in element


def _count_after(steps: tuple[Property | Filter, ...]) -> _Count:
    """How many values the rest of a path finds from a JSON value."""
    if not steps:
        return lambda _value, _resource: 1
    first, rest = steps[0], _count_after(steps[1:])
    if not isinstance(first, Property):
        return lambda value, resource: rest(value, resource) if first(value, resource) else 0
    return _count_of_primitives(first) if first.is_primitive else _count_of_children(first, rest)


def _count_of_primitives(prop: Property) -> _Count:
    key, companion_key = _keys(prop)

    def count(value: Any, _resource: Resource | None) -> int:
        child, beside = value.get(key), value.get(companion_key)
        if prop.is_array:
            return max(len(child or ()), len(beside or ()))
        return 0 if child is None and beside is None else 1

    return count


def _count_of_children(prop: Property, rest: _Count) -> _Count:
    key, is_array = prop.key, prop.is_array

    def count(value: Any, resource: Resource | None) -> int:
        child = value.get(key)
        if child is None:
            return 0
        return sum(rest(item, resource) for item in child) if is_array else rest(child, resource)

    return count


def _has_value(path: Path) -> Decide:
    key = _key(path)
    return lambda element, _resource, _root: element.get(key) is not None


def _compared(comparison: str, left: Syntax, right: Syntax, type_name: str) -> Decide:
    if comparison == "!=":
        return negation(_compared("=", left, right, type_name))
    for attempt in (_counts_compared, _texts_equal, _truths_equal, _moments_compared):
        try:
            return attempt(comparison, left, right, type_name)
        except NotSimpleError:
            continue
    raise NotSimpleError


def _counts_compared(comparison: str, left: Syntax, right: Syntax, type_name: str) -> Decide:
    ours, theirs, decide = _number(left, type_name), _number(right, type_name), _ORDERS[comparison]
    return lambda element, resource, _root: decide(ours(element, resource), theirs(element, resource))


def _number(syntax: Syntax, type_name: str) -> _Count:
    match syntax:
        case Literal(int(value)) if not isinstance(value, bool):
            return lambda _element, _resource: value
        case Invocation(source, Call("count", ())):
            counts = [_count_after(path.steps) for path in _paths(source, type_name)]
            return lambda element, resource: sum(count(element, resource) for count in counts)
        case Operation("+", left, right):
            ours, theirs = _number(left, type_name), _number(right, type_name)
            return lambda element, resource: ours(element, resource) + theirs(element, resource)
    raise NotSimpleError


def _texts_equal(comparison: str, left: Syntax, right: Syntax, type_name: str) -> Decide:
    texts, read = _texts(right), _read_text(left, type_name)
    if comparison != "=" or len(texts) != 1:
        raise NotSimpleError
    (wanted,) = texts

    def decide(element: Any, _resource: Resource | None, _root: Resource | None) -> bool | None:
        value = read(element)
        return None if value is None else value == wanted

    return decide


def _texts(syntax: Syntax) -> frozenset[str]:
    match syntax:
        case Literal(str(text)):
            return frozenset({text})
        case ExternalConstant("ucum"):
            return frozenset({UCUM})
        case Operation("|", left, right):
            return _texts(left) | _texts(right)
    raise NotSimpleError


def _read_text(syntax: Syntax, type_name: str) -> _Read:
    path = _single(syntax, type_name)
    if path.type in SYSTEM_TYPE_OF_PRIMITIVE:
        raise NotSimpleError
    return operator.methodcaller("get", _key(path))


def _is_among(read: _Read, wanted: frozenset[str]) -> Decide:
    def decide(element: Any, _resource: Resource | None, _root: Resource | None) -> bool | None:
        value = read(element)
        return None if value is None else value in wanted

    return decide


def _truths_equal(comparison: str, left: Syntax, right: Syntax, type_name: str) -> Decide:
    if comparison != "=":
        raise NotSimpleError
    if isinstance(right, Literal) and isinstance(right.value, bool):
        with suppress(NotSimpleError):
            return _choice_is(right.value, _paths(left, type_name))
    return negation(exclusive(_truth(left, type_name), _truth(right, type_name)))


def _choice_is(wanted: bool, paths: list[Path]) -> Decide:
    """`value = true` where the value may be of other types, which are no truth at all: Patient.deceased."""
    if not all(path.is_single and path.type in PRIMITIVE_TYPES for path in paths):
        raise NotSimpleError
    choices = tuple((_key(path), path.type == "boolean") for path in paths)

    def decide(element: Any, _resource: Resource | None, _root: Resource | None) -> bool | None:
        for key, is_boolean in choices:
            value = element.get(key)
            if value is not None:
                return is_boolean and value is wanted
        return None

    return decide


def _truth(syntax: Syntax, type_name: str) -> Decide:
    if not isinstance(syntax, Member):
        return _simple(syntax, type_name, _refuse)
    path = _single(syntax, type_name)
    if path.type != "boolean":
        raise NotSimpleError
    key = _key(path)
    return lambda element, _resource, _root: element.get(key)


def _moments_compared(comparison: str, left: Syntax, right: Syntax, type_name: str) -> Decide:
    ours, theirs, decide = _moment(left, type_name), _moment(right, type_name), _ORDERS[comparison]

    def compared(element: Any, _resource: Resource | None, _root: Resource | None) -> bool | None:
        earlier, later = ours(element), theirs(element)
        order = None if earlier is None or later is None else temporal_order(earlier, later)
        return None if order is None else decide(order, 0)

    return compared


def _moment(syntax: Syntax, type_name: str) -> Callable[[Any], Temporal | None]:
    path = _single(syntax, type_name)
    kind = SYSTEM_TYPE_OF_PRIMITIVE.get(path.type, "")
    if kind not in ("Date", "DateTime", "Time"):
        raise NotSimpleError
    key = _key(path)

    def read(element: Any) -> Temporal | None:
        text = element.get(key)
        return Temporal.parse(kind, text) if isinstance(text, str) else None

    return read
