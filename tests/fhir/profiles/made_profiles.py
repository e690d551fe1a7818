"""Small StructureDefinitions made for one rule each."""

from collections.abc import Iterable
from typing import Any

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.profiles.profile import compile_profile
from bhr_api.fhir.validation import validate
from tests.fhir.profiles.definitions_at_hand import Definitions

CORE = "http://hl7.org/fhir/StructureDefinition/"
MADE = "http://example.org/StructureDefinition/"


def element(path: str, **facets: Any) -> Resource:
    """An ElementDefinition; `types` are codes, and a slice's id gets its name."""
    types = facets.pop("types", None)
    name = facets.get("sliceName")
    found = {"id": f"{path}:{name}" if name else path, "path": path, **facets}
    return found if types is None else {**found, "type": [{"code": code} for code in types]}


def structure(type_name: str, *elements: Resource, name: str = "made", **more: Any) -> Resource:
    """A StructureDefinition with this snapshot."""
    root = element(type_name, min=0, max="*")
    return {
        "resourceType": "StructureDefinition",
        "url": MADE + name,
        "version": "1",
        "name": name,
        "type": type_name,
        "snapshot": {"element": [root, *elements]},
        **more,
    }


def slicing(*discriminators: tuple[str, str], rules: str = "open", ordered: bool = False) -> Resource:
    """ElementDefinition.slicing; discriminators are (type, path)."""
    found: Resource = {"rules": rules, "ordered": ordered}
    if discriminators:
        found["discriminator"] = [{"type": kind, "path": path} for kind, path in discriminators]
    return found


Told = list[tuple[str, str, str | None]]


def told(resource: Resource, profile: Resource, others: Iterable[Resource] = ()) -> Told:
    """(severity, code, expression) of what the profile says of a resource that is valid R4."""
    assert validate(resource) == []
    issues = compile_profile(profile, Definitions([profile, *others])).check(resource)
    return [(issue.severity, issue.code, issue.expression) for issue in issues]


def errors(resource: Resource, profile: Resource, others: Iterable[Resource] = ()) -> list[tuple[str, str | None]]:
    """(code, expression) of the errors."""
    return [(code, place) for severity, code, place in told(resource, profile, others) if severity == "error"]


def observation(**elements: Any) -> Resource:
    return {"resourceType": "Observation", "status": "final", "code": concept("1"), **elements}


def patient(**elements: Any) -> Resource:
    return {"resourceType": "Patient", **elements}


def concept(*codes: str, system: str = "http://example.org/codes") -> Resource:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def value_set(name: str, *codes: str, system: str = "http://example.org/codes") -> Resource:
    include = {"system": system, "concept": [{"code": code} for code in codes]}
    return {"resourceType": "ValueSet", "url": f"http://example.org/ValueSet/{name}", "compose": {"include": [include]}}
