"""Bindings by strength (FHIR R4, terminologies.html#strength; elementdefinition-definitions.html#ElementDefinition.binding).

A required binding, and the maximum value set of another, is broken by a concept without a code of the value set. An extensible
one leaves other codes to human judgement: a warning. For a preferred one there is a remark, for an example nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

from bhr_api.fhir.definitions import ElementDefinition, Resource
from bhr_api.fhir.profiles.conformance import Conformance, max_value_set
from bhr_api.fhir.profiles.findings import NOTHING, Finding, Findings, ItemCheck, Level
from bhr_api.fhir.profiles.scope import Scope
from bhr_api.fhir.profiles.snapshot import Element
from bhr_api.fhir.profiles.walk import Walk

BOUND_TYPES = frozenset({"code", "string", "uri", "Coding", "CodeableConcept", "Quantity"})
"""Types that can be bound (terminologies.html#4.1)."""

_LEVELS: dict[str, Level] = {"required": "error", "extensible": "warning", "preferred": "information"}

Codings = Sequence[tuple[str | None, str]]


def codings_of(value: Any, code: str) -> Codings:
    """The (system, code) pairs of an element; the system of a bare code is implied, hence None."""
    if code == "CodeableConcept":
        return [pair for coding in value.get("coding", ()) for pair in _of_coding(coding)]
    if code in ("Coding", "Quantity"):
        return _of_coding(value)
    return [] if value is None else [(None, value)]


def _of_coding(coding: Resource) -> Codings:
    return [(coding.get("system", ""), coding["code"])] if coding.get("code") is not None else []


def has_member(codings: Codings, value_set: str, conformance: Conformance) -> bool | None:
    """Whether one of the codings is in the value set; None if that cannot be known."""
    answer: bool | None = False
    for system, code in codings:
        found = conformance.is_member(value_set, system, code)
        if found:
            return True
        if found is None:
            answer = None
    return answer


def compile_bindings(
    element: Element, code: str, scope: Scope, base: ElementDefinition | None, general: Element | None
) -> list[ItemCheck]:
    """The checks of the element's binding that neither R4 itself nor `general`, the unsliced element, makes already."""
    binding = element.binding
    if code not in BOUND_TYPES or not binding:
        return []
    checks = []
    value_set, strength = binding.get("valueSet"), binding.get("strength")
    if value_set and strength in _LEVELS and not _is_known(value_set, strength, base, general):
        checks.append(_bound(value_set, strength, code, element, scope))
    maximum = max_value_set(binding)
    is_told = general is not None and max_value_set(general.binding) == maximum
    if maximum and strength != "required" and not is_told and not _is_required_by(base, maximum):
        checks.append(_bound(maximum, "maximum", code, element, scope, needs_code=strength == "extensible"))
    return checks


def _is_known(value_set: str, strength: str, base: ElementDefinition | None, general: Element | None) -> bool:
    if general is not None and general.binding.get("strength") == strength:
        return bool(general.binding.get("valueSet") == value_set)
    return strength == "required" and _is_required_by(base, value_set)


def _is_required_by(base: ElementDefinition | None, value_set: str) -> bool:
    return base is not None and base.binding == value_set.partition("|")[0]


def _bound(
    value_set: str, strength: str, code: str, element: Element, scope: Scope, *, needs_code: bool = True
) -> ItemCheck:
    conformance = scope.profiles.conformance
    level = _LEVELS.get(strength, "error")
    end = f"{value_set}, the {strength} value set of {element.name} {scope.label(element)}."
    empty = f"There is no code, but there {'must' if level == 'error' else 'should'} be one of {end}"
    unknown = f"{value_set} cannot be expanded, so {element.name} was not checked against it {scope.label(element)}."

    def check(value: Any, companion: Any, _walk: Walk) -> Findings:
        codings = codings_of(value, code)
        if not codings:
            if not needs_code or level == "information" or _stands_for_value(value, companion):
                return NOTHING
            return [Finding(level, "code-invalid", empty)]
        found = has_member(codings, value_set, conformance)
        if found:
            return NOTHING
        if found is None:
            return NOTHING if level == "information" else [Finding("warning", "not-supported", unknown)]
        return [Finding(level, "code-invalid", f"{shown(codings)} is not in {end}")]

    return check


def _stands_for_value(value: Any, companion: Any) -> bool:
    # extensibility.html: an extension such as data-absent-reason may stand for the value.
    return bool(companion) if not isinstance(value, dict) else "extension" in value


def shown(codings: Codings) -> str:
    """The codings in a sentence, cut where they are long."""
    texts = [f"{system}#{code}" if system else str(code) for system, code in codings[:3]]
    return " / ".join(repr(text[:120]) for text in texts)


def membership_test(value_set: str, conformance: Conformance) -> Callable[[Any, str], bool | None]:
    """Whether an element, given with its type, has a code of the value set; for discriminators."""
    return lambda value, code: has_member(codings_of(value, code), value_set, conformance) if value else False
