"""fixed[x], pattern[x], maxLength, minValue[x] and maxValue[x] (FHIR R4, elementdefinition.html)."""

from typing import Any

from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import PRIMITIVE_TYPES, Resource
from bhr_api.fhir.profiles.findings import NOTHING, Finding, Findings, ItemCheck
from bhr_api.fhir.profiles.matching import containing, exactly
from bhr_api.fhir.profiles.scope import Scope
from bhr_api.fhir.profiles.snapshot import Element, exact
from bhr_api.fhir.profiles.walk import Walk
from bhr_api.fhirpath.nodes import Node, system_value
from bhr_api.fhirpath.values import less


def compile_values(element: Element, code: str, scope: Scope, general: Element | None) -> list[ItemCheck]:
    """The checks of the value that `general`, the unsliced element, does not make already."""
    checks = []
    if element.fixed and (general is None or general.fixed != element.fixed):
        checks.append(_fixed(element.fixed, element, scope))
    if element.pattern and (general is None or general.pattern != element.pattern):
        checks.append(_pattern(element.pattern, element, scope))
    if "maxLength" in element.definition and code in PRIMITIVE_TYPES:
        checks.append(_max_length(element, scope))
    for bound in ("minValue", "maxValue"):
        if check := _bound(bound, element, code, scope):
            checks.append(check)
    return checks


def _fixed(fixed: tuple[Any, Any], element: Element, scope: Scope) -> ItemCheck:
    sentence = f"{element.name} must be exactly {_json(fixed)} {scope.label(element)}."

    is_right = exactly(fixed)

    def check(value: Any, companion: Any, _walk: Walk) -> Findings:
        return NOTHING if is_right(value, companion) else [Finding("error", "value", sentence)]

    return check


def _pattern(pattern: tuple[Any, Any], element: Element, scope: Scope) -> ItemCheck:
    sentence = f"{element.name} must contain {_json(pattern)} {scope.label(element)}."

    is_right = containing(pattern)

    def check(value: Any, companion: Any, _walk: Walk) -> Findings:
        return NOTHING if is_right(value, companion) else [Finding("error", "value", sentence)]

    return check


def _json(wanted: tuple[Any, Any]) -> str:
    text = json_text.dumps(wanted[0] if wanted[0] is not None else wanted[1]).decode()
    return text if len(text) <= 300 else text[:297] + "..."


def _max_length(element: Element, scope: Scope) -> ItemCheck:
    most = int(element.definition["maxLength"])
    label = scope.label(element)

    def check(value: Any, _companion: Any, _walk: Walk) -> Findings:
        if not isinstance(value, str) or len(value) <= most:
            return NOTHING
        return [
            Finding("error", "too-long", f"{element.name} has {len(value)} characters; {most} are allowed {label}.")
        ]

    return check


def _bound(kind: str, element: Element, code: str, scope: Scope) -> ItemCheck | None:
    """The check of minValue[x] or maxValue[x]; a value that cannot be compared with it (other units) breaks nothing."""
    limit = _limit(element.definition, kind, code)
    if limit is None or (bound := system_value(limit)) is None:
        return None
    is_least = kind == "minValue"
    words = "must not be less than" if is_least else "must not be more than"
    sentence = f"{element.name} {words} {_json((limit.value, None))} {scope.label(element)}."

    def check(value: Any, companion: Any, _walk: Walk) -> Findings:
        ours = system_value(Node(code, value, companion))
        if ours is None:
            return NOTHING
        is_beyond = less(ours, bound) if is_least else less(bound, ours)
        return [Finding("error", "value", sentence)] if is_beyond else NOTHING

    return check


def _limit(definition: Resource, kind: str, code: str) -> Node | None:
    key = kind + code[0].upper() + code[1:]
    return Node(code, exact(definition[key])) if key in definition else None
