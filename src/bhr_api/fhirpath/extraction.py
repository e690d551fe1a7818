"""Search expressions as straight loops over JSON (FHIR R4, searchparameter.html, SearchParameter.expression).

Nearly all of R4's search expressions are unions of paths with a type or an equality as filter. Those are compiled to
dictionary look-ups without a node object; any other expression runs as FHIRPath. Both give the same values
(tests/fhirpath/test_extraction.py); benchmarks/extraction.py has the times.
"""

from collections.abc import Hashable
from functools import lru_cache
from typing import Any

from bhr_api.fhir.definitions import PRIMITIVE_TYPES, Resource, is_resource_type, is_type
from bhr_api.fhirpath.compiler import Expression, compile_decision, compile_expression
from bhr_api.fhirpath.decisions import filter_of
from bhr_api.fhirpath.errors import FHIRPathError
from bhr_api.fhirpath.logic import CONNECTIVES, Decide
from bhr_api.fhirpath.loops import Extractor, Value, extractor_of
from bhr_api.fhirpath.nodes import Environment, Node, identity_of
from bhr_api.fhirpath.parser import parse
from bhr_api.fhirpath.paths import NotSimpleError, Path, has_union, paths_of
from bhr_api.fhirpath.syntax import Operation
from bhr_api.fhirpath.values import Temporal

# Up to this many values, comparing each with each is faster than making keys.
_FEW = 16


@lru_cache(maxsize=16384)
def compile_extractor(text: str, type_name: str) -> Extractor:
    """The extractor of an expression for elements of `type_name`. Raises `FHIRPathError`."""
    if not is_type(type_name):
        raise FHIRPathError(f"{type_name} is no type of FHIR R4")
    syntax = parse(text)
    try:
        paths = paths_of(syntax, [Path(type_name)], filter_of)
    except NotSimpleError:
        if isinstance(syntax, Operation) and syntax.operator in CONNECTIVES and type_name not in PRIMITIVE_TYPES:
            return _decided(compile_decision(syntax, type_name))
        return _evaluated(compile_expression(text, type_name))
    distinct = _distinct if has_union(syntax) else list[Value]
    return extractor_of(paths, is_resource=is_resource_type(type_name), distinct=distinct)


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
