"""targetProfile: what the elements of a profile may refer to (FHIR R4, references.html, elementdefinition.html).

A target that is at hand, contained or in the same Bundle, must conform to one of the profiles; of any other only the
type is known.
"""

from collections.abc import Sequence, Set
from typing import Any

from bhr_api.fhir.definitions import ElementDefinition, Resource, is_subtype
from bhr_api.fhir.profiles.conformance import core_type
from bhr_api.fhir.profiles.findings import NOTHING, Finding, Findings, ItemCheck
from bhr_api.fhir.profiles.scope import CompiledProfile, Scope
from bhr_api.fhir.profiles.snapshot import Element
from bhr_api.fhir.profiles.walk import Walk
from bhr_api.fhirpath.references import type_of_reference


def compile_targets(
    element: Element, scope: Scope, base: ElementDefinition | None, general: Element | None
) -> list[ItemCheck]:
    """The check of a Reference's target, if the profile wants more than R4 and `general`, the unsliced element."""
    targets = element.targets_of("Reference")
    if not targets or (general is not None and general.targets_of("Reference") == targets):
        return []
    types = types_of(targets, scope)
    is_narrower = types is not None and (base is None or not base.targets or not types >= set(base.targets))
    profiles = [target for target in targets if core_type(target) is None]
    if not is_narrower and not profiles:
        return []
    return [_targeted(targets, types if is_narrower else None, profiles, element, scope)]


def types_of(targets: Sequence[str], scope: Scope) -> Set[str] | None:
    """The resource types of the target profiles; None if they are any, or not all known."""
    found: set[str] = set()
    for target in targets:
        resource_type = core_type(target) or _type_of_profile(target, scope)
        if resource_type is None or resource_type == "Resource":
            return None
        found.add(resource_type)
    return found


def _type_of_profile(canonical: str, scope: Scope) -> str | None:
    structure = scope.profiles.conformance.structure(canonical)
    return None if structure is None else str(structure["type"])


def _targeted(
    targets: Sequence[str], types: Set[str] | None, profiles: Sequence[str], element: Element, scope: Scope
) -> ItemCheck:
    label = scope.label(element)

    def check(value: Any, _companion: Any, walk: Walk) -> Findings:
        if value is None:
            return NOTHING
        target = walk.resolve(value["reference"]) if "reference" in value else None
        resource_type = target.get("resourceType") if target else type_of_reference(value, walk.root)
        if types is not None and resource_type is not None and resource_type not in types:
            wanted = ", ".join(sorted(types))
            return [Finding("error", "value", f"The reference is to {resource_type}, but must be to {wanted} {label}.")]
        if not target or not profiles:
            return NOTHING
        return _target_findings(target, value["reference"], walk)

    def _target_findings(target: Resource, reference: str, walk: Walk) -> Findings:
        if any(is_subtype(target["resourceType"], core_type(one) or "") for one in targets):
            return NOTHING
        known = [profile for profile in map(scope.profiles.get, profiles) if profile is not None]
        inner = walk.at_target(reference, target)
        faults = [fault_of(target, profile, inner) for profile in known]
        if len(known) < len(profiles) or None in faults:
            return NOTHING
        shown = f"The target {reference[:80]} conforms to none of {', '.join(targets)} {label}"
        return [Finding("error", "value", f"{shown}: {faults[0]}")]

    return check


MAX_DEPTH = 16
"""How many references are followed from one resource to the next; what lies further on is taken to conform."""


def fault_of(resource: Resource, profile: CompiledProfile, walk: Walk) -> str | None:
    """The first error of a resource against the profile, in a sentence; None if it conforms. `walk` is in the resource."""
    key = (profile.key, id(resource))
    verdicts = walk.run.verdicts
    if key not in verdicts:
        if len(walk.run.running) >= MAX_DEPTH:
            return None
        verdicts[key] = _first_error(profile.findings(resource, None, walk))
    return verdicts[key]


def _first_error(findings: Findings) -> str | None:
    first = next((finding for finding in findings if finding.severity == "error"), None)
    return None if first is None else f"at {first.path or 'its root'}: {first.sentence}"
