"""Search expressions as straight loops over JSON (FHIR R4, searchparameter.html, SearchParameter.expression).

Nearly all of R4's search expressions are unions of paths with a type or an equality as filter. Those are compiled to
dictionary look-ups without a node object; any other expression runs as FHIRPath. Both give the same values
(tests/fhirpath/test_extraction.py); benchmarks/extraction.py has the times.
"""

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, Protocol

from bhr_api.fhir.definitions import PRIMITIVE_TYPES, Resource, is_resource_type, is_type
from bhr_api.fhirpath.compiler import Expression, compile_decision, compile_expression
from bhr_api.fhirpath.decisions import LOGIC, Decide, filter_of
from bhr_api.fhirpath.errors import FHIRPathError
from bhr_api.fhirpath.nodes import Environment, Node, identity_of
from bhr_api.fhirpath.parser import parse
from bhr_api.fhirpath.paths import Filter, NotSimpleError, Path, has_union, paths_of
from bhr_api.fhirpath.syntax import Operation
from bhr_api.fhirpath.types import Property
from bhr_api.fhirpath.values import Temporal

Value = tuple[str, Any]
"""A FHIR type code or backbone path, and the JSON value."""

_Collect = Callable[[Any, Resource | None, list[Value]], None]

# Up to this many values, comparing each with each is faster than making keys.
_FEW = 16


class Extractor(Protocol):
    """Finds the values of an expression in an element; `root` is its resource, when the element is not that itself."""

    def __call__(self, element: Any, root: Resource | None = None) -> list[Value]:
        """Every value found, in no particular order; primitives without a value are left out."""


@lru_cache(maxsize=16384)
def compile_extractor(text: str, type_name: str) -> Extractor:
    """The extractor of an expression for elements of `type_name`. Raises `FHIRPathError`."""
    if not is_type(type_name):
        raise FHIRPathError(f"{type_name} is no type of FHIR R4")
    syntax = parse(text)
    try:
        paths = paths_of(syntax, [Path(type_name)], filter_of)
    except NotSimpleError:
        if isinstance(syntax, Operation) and syntax.operator in LOGIC and type_name not in PRIMITIVE_TYPES:
            return _decided(compile_decision(syntax, type_name))
        return _evaluated(compile_expression(text, type_name))
    return _straight(paths, is_resource=is_resource_type(type_name), is_union=has_union(syntax))


def _straight(paths: list[Path], *, is_resource: bool, is_union: bool) -> Extractor:
    if any(not path.steps or not isinstance(path.steps[0], Property) for path in paths):
        return _from_the_element(paths)
    if len(paths) == 1 and len(paths[0].steps) == 1:
        return _one_property(paths[0])
    roads = [(path.steps[0].key, _collector(path)) for path in paths if isinstance(path.steps[0], Property)]
    if len(roads) == 1:
        return _one_road(*roads[0], is_resource)
    return _many_roads(tuple(roads), is_resource, _distinct if is_union else list)


def _from_the_element(paths: list[Path]) -> Extractor:
    """For `$this` and filters on the element itself, as components of composite parameters have them."""
    collectors = [_collect_after(path.steps, path.type) for path in paths]

    def extract(element: Any, root: Resource | None = None) -> list[Value]:
        found: list[Value] = []
        for collect in collectors:
            collect(element, root, found)
        return found

    return extract


def _one_property(path: Path) -> Extractor:
    prop, code = path.steps[0], path.type
    assert isinstance(prop, Property)
    key = prop.key
    if prop.is_array:

        def extract_all(element: Any, root: Resource | None = None) -> list[Value]:  # noqa: ARG001
            items = element.get(key)
            return [] if items is None else [(code, item) for item in items if item is not None]

        return extract_all

    def extract(element: Any, root: Resource | None = None) -> list[Value]:  # noqa: ARG001
        value = element.get(key)
        return [] if value is None else [(code, value)]

    return extract


def _one_road(key: str, collect: _Collect, is_resource: bool) -> Extractor:
    def extract(element: Any, root: Resource | None = None) -> list[Value]:
        value = element.get(key)
        if value is None:
            return []
        found: list[Value] = []
        collect(value, element if root is None and is_resource else root, found)
        return found

    return extract


def _many_roads(
    roads: tuple[tuple[str, _Collect], ...], is_resource: bool, distinct: Callable[[list[Value]], list[Value]]
) -> Extractor:
    def extract(element: Any, root: Resource | None = None) -> list[Value]:
        found: list[Value] = []
        for key, collect in roads:
            value = element.get(key)
            if value is not None:
                collect(value, element if root is None and is_resource else root, found)
        return found if len(found) < 2 else distinct(found)

    return extract


def _collector(path: Path) -> _Collect:
    """What to do with the value of the path's first property."""
    first = path.steps[0]
    assert isinstance(first, Property)
    collect = _collect_after(path.steps[1:], path.type)
    return _each(collect) if first.is_array else collect


def _collect_after(steps: tuple[Property | Filter, ...], code: str) -> _Collect:
    if not steps:
        return lambda value, _root, found: found.append((code, value))
    first, rest = steps[0], _collect_after(steps[1:], code)
    if not isinstance(first, Property):
        return _filtered(first, rest)
    if len(steps) == 1 and not first.is_array:
        return _last_property(first.key, code)
    return _property(first.key, _each(rest) if first.is_array else rest)


def _each(collect: _Collect) -> _Collect:
    def collect_each(items: Any, root: Resource | None, found: list[Value]) -> None:
        for item in items:
            if item is not None:
                collect(item, root, found)

    return collect_each


def _filtered(keeps: Filter, collect: _Collect) -> _Collect:
    def collect_kept(value: Any, root: Resource | None, found: list[Value]) -> None:
        if keeps(value, root):
            collect(value, root, found)

    return collect_kept


def _property(key: str, collect: _Collect) -> _Collect:
    def collect_property(value: Any, root: Resource | None, found: list[Value]) -> None:
        child = value.get(key)
        if child is not None:
            collect(child, root, found)

    return collect_property


def _last_property(key: str, code: str) -> _Collect:
    def collect_last(value: Any, _root: Resource | None, found: list[Value]) -> None:
        child = value.get(key)
        if child is not None:
            found.append((code, child))

    return collect_last


def _distinct(found: list[Value]) -> list[Value]:
    """N1 #union: a union holds equal values once."""
    if len(found) > _FEW:
        kept: dict[Hashable, Value] = {}
        for code, value in found:
            kept.setdefault(identity_of(Node(code, value)), (code, value))
        return list(kept.values())
    few: list[Value] = []
    for code, value in found:
        if all(value != other for _, other in few):
            few.append((code, value))
    return few


def _decided(decide: Decide) -> Extractor:
    def extract(element: Any, root: Resource | None = None) -> list[Value]:
        holder = element if root is None else root
        answer = decide(element, holder, holder)
        return [] if answer is None else [("boolean", answer)]

    return extract


def _evaluated(expression: Expression) -> Extractor:
    def extract(element: Any, root: Resource | None = None) -> list[Value]:
        declared = element.get("resourceType") if isinstance(element, dict) else None
        focus = Node(declared or expression.type_name, element)
        holder = focus if root is None else Node(root["resourceType"], root)
        nodes = expression.evaluate([focus], Environment(resource=holder, root=holder, context=[focus]))
        return [_value(node) for node in nodes if node.value is not None]

    return extract


def _value(node: Node) -> Value:
    if not node.type.startswith("System."):
        return node.type, node.value
    name = node.type.removeprefix("System.")
    value = node.value.text if isinstance(node.value, Temporal) else node.value
    return name[0].lower() + name[1:], value
