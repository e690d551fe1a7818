"""Invariants that a profile adds to R4's (FHIR R4, conformance-rules.html#constraints, fhirpath.html#variables)."""

import re
from collections.abc import Callable
from typing import Any

from bhr_api.fhir.definitions import PRIMITIVE_TYPES, ElementDefinition, Resource, constraints_of, is_type
from bhr_api.fhir.profiles.bindings import codings_of, has_member
from bhr_api.fhir.profiles.findings import NOTHING, Finding, Findings, ItemCheck, Level, has_error
from bhr_api.fhir.profiles.scope import Scope
from bhr_api.fhir.profiles.snapshot import Element
from bhr_api.fhir.profiles.walk import Walk
from bhr_api.fhirpath.compiler import compile_expression, compile_invariant
from bhr_api.fhirpath.errors import FHIRPathError, UnsupportedFHIRPathError
from bhr_api.fhirpath.nodes import Environment, Node, truth

Holds = Callable[[Any, Any, Walk], bool]
"""(value, companion, walk) -> whether the constraint holds. Raises one of `_CANNOT_BE_EVALUATED` where that is unknown."""

BEST_PRACTICE = "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice"

_SERVICES = re.compile(r"\b(?:memberOf|conformsTo|resolve)\(")
_CANNOT_BE_EVALUATED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, FHIRPathError)


def compile_constraints(
    element: Element, code: str, scope: Scope, base: ElementDefinition | None, general: Element | None
) -> list[ItemCheck]:
    """The checks of the constraints that are added to R4's and to those of `general`."""
    return [_constraint(one, code, element, scope) for one in added_constraints(element, code, base, general)]


def added_constraints(
    element: Element, code: str, base: ElementDefinition | None, general: Element | None
) -> list[Resource]:
    """The constraints that neither R4 nor `general`, the unsliced element, has under the same key."""
    known = {constraint.key for constraint in (constraints_of(code) if is_type(code) else ())}
    known |= {constraint.key for constraint in (base.constraints if base else ())}
    known |= {constraint["key"] for constraint in (general.definition.get("constraint", ()) if general else ())}
    return [one for one in element.definition.get("constraint", ()) if one["key"] not in known and "expression" in one]


def _constraint(constraint: Resource, code: str, element: Element, scope: Scope) -> ItemCheck:
    key, level = constraint["key"], _level(constraint)
    text = str(constraint.get("human") or constraint["expression"]).rstrip(". ")
    broken = f"{key} does not hold: {text} {scope.label(element)}."
    try:
        holds = _compiled(constraint["expression"], code, scope)
    except FHIRPathError as error:
        return _always(_cannot_tell(key, error, scope.label(element)))

    def check(value: Any, companion: Any, walk: Walk) -> Findings:
        try:
            return NOTHING if holds(value, companion, walk) else [Finding(level, "invariant", broken)]
        except _CANNOT_BE_EVALUATED as error:
            return [_cannot_tell(key, error, scope.label(element))]

    return check


def _level(constraint: Resource) -> Level:
    # The extension bestpractice marks what "implementers may choose to enforce at error level": here it is advice.
    is_advice = any(
        extension.get("url") == BEST_PRACTICE and extension.get("valueBoolean") is True
        for extension in constraint.get("extension", ())
    )
    return "warning" if is_advice or constraint.get("severity") == "warning" else "error"


def _cannot_tell(key: str, error: Exception, label: str) -> Finding:
    return Finding("warning", "not-supported", f"{key} could not be evaluated: {str(error)[:200]} {label}.")


def _always(finding: Finding) -> ItemCheck:
    return lambda _value, _companion, _walk: [Finding(finding.severity, finding.code, finding.sentence)]


def _compiled(expression: str, code: str, scope: Scope) -> Holds:
    if _SERVICES.search(expression):
        return _with_services(expression, code, scope)
    invariant = compile_invariant(expression, code)
    return lambda value, companion, walk: invariant(walk.root, value, walk.resource, companion)


def _with_services(expression: str, code: str, scope: Scope) -> Holds:
    """An expression that asks for members of value sets, conformance to profiles or the targets of references."""
    compiled = compile_expression(expression, code)

    def holds(value: Any, companion: Any, walk: Walk) -> bool:
        focus = Node(code, value, companion)
        environment = Environment(
            resource=Node(walk.holder["resourceType"], walk.holder),
            root=Node(walk.root["resourceType"], walk.root),
            context=[focus],
            member_of=lambda node, value_set: _is_member(node, value_set, scope),
            conforms_to=lambda node, canonical: _conforms(node, canonical, scope, walk),
            resolve=walk.resolve if walk.standing.entries else None,
        )
        return truth(compiled.evaluate([focus], environment)) is True

    return holds


def _is_member(node: Node, value_set: str, scope: Scope) -> bool:
    code = "code" if node.type in PRIMITIVE_TYPES or node.type.startswith("System.") else node.type
    found = has_member(codings_of(node.value, code), value_set, scope.profiles.conformance)
    if found is None:
        raise UnsupportedFHIRPathError(f"{value_set} cannot be expanded")
    return found


def _conforms(node: Node, canonical: str, scope: Scope, walk: Walk) -> bool:
    profile = scope.profiles.get(canonical)
    if profile is None:
        raise UnsupportedFHIRPathError(f"the profile {canonical} is not loaded")
    return not has_error(profile.findings(node.value, node.companion, walk))
