"""type.profile: values that must conform to a profile of their own (FHIR R4, elementdefinition.html)."""

from collections.abc import Sequence
from typing import Any

from bhr_api.fhir.definitions import ElementDefinition, is_subtype
from bhr_api.fhir.profiles.conformance import SIMPLE_QUANTITY, core_type
from bhr_api.fhir.profiles.findings import NOTHING, Finding, Findings, ItemCheck, has_error
from bhr_api.fhir.profiles.scope import CompiledProfile, Scope
from bhr_api.fhir.profiles.snapshot import Element
from bhr_api.fhir.profiles.walk import Walk


def compile_profiles(
    element: Element, code: str, scope: Scope, base: ElementDefinition | None, general: Element | None
) -> list[ItemCheck]:
    """The check against ElementDefinition.type.profile; extensions are checked wherever they stand (extensions.py)."""
    profiles = [profile for each in _codes_for(element, code) for profile in element.profiles_of(each)]
    if not profiles or any(core_type(profile) for profile in profiles):
        return []
    if general is not None and general.profiles_of(code) == profiles:
        return []
    if profiles == [SIMPLE_QUANTITY] and base and any(one.key == "sqty-1" for one in base.constraints):
        return []
    if code == "Extension" and all(_is_found_by_url(profile, scope) for profile in profiles):
        return []
    return [_profiled(profiles, element, scope)]


def _codes_for(element: Element, code: str) -> list[str]:
    return [each for each in element.type_codes if each == code or is_subtype(code, each)]


def _is_found_by_url(canonical: str, scope: Scope) -> bool:
    structure = scope.profiles.conformance.structure
    found = structure(canonical)
    return found is None or structure(canonical.partition("|")[0]) is found


def _profiled(canonicals: Sequence[str], element: Element, scope: Scope) -> ItemCheck:
    label = scope.label(element)
    listed = ", ".join(canonicals)

    def check(value: Any, companion: Any, walk: Walk) -> Findings:
        profiles = [profile for canonical in canonicals if (profile := scope.profiles.get(canonical))]
        if len(profiles) < len(canonicals):
            if any(not has_error(profile.findings(value, companion, walk)) for profile in profiles):
                return NOTHING
            sentence = f"{listed} is not loaded, so {element.name} was not checked against it {label}."
            return [Finding("warning", "not-found", sentence)]
        if len(profiles) == 1:
            return profiles[0].findings(value, companion, walk)
        return _one_of(profiles, value, companion, walk)

    def _one_of(profiles: Sequence[CompiledProfile], value: Any, companion: Any, walk: Walk) -> Findings:
        outcomes = [profile.findings(value, companion, walk) for profile in profiles]
        for outcome in outcomes:
            if not has_error(outcome):
                return outcome
        first = next(finding for finding in outcomes[0] if finding.severity == "error")
        return [Finding("error", "structure", f"{element.name} conforms to none of {listed} {label}: {first.sentence}")]

    return check
