"""The smallest valid instance of each type with a subject path, made from R4's definitions."""

from typing import Any

from bhr_api.fhir.compartments import SUBJECT_PATHS
from bhr_api.fhir.definitions import PRIMITIVE_TYPES, ElementDefinition, Resource, elements_of, value_set_codes
from tests.fhir.full_resources import SAMPLES

# Provenance has no path of its own: it is in the record of its targets.
PERSONAL_TYPES = ("Patient", *SUBJECT_PATHS, "Provenance")

# What some invariants ask for besides the mandatory elements.
_ALSO: dict[str, Resource] = {
    "AllergyIntolerance": {
        "clinicalStatus": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
            ]
        }
    },
    "Appointment": {"status": "proposed"},
    "Consent": {"policy": [{"uri": "http://example.org/policy"}]},
    "MolecularSequence": {"coordinateSystem": 0},
}


def minimal_resource(resource_type: str, id: str, patient: str, words: str) -> Resource:
    """A valid resource in the record of `patient`, identified by its `id`, with `words` in its concepts and tags.

    A Patient is that `patient` if its id says so; a Provenance is about the patient itself.
    """
    resource: Resource = {
        "resourceType": resource_type,
        "id": id,
        "meta": {"tag": [{"system": "http://example.org/tags", "code": "a-tag", "display": words}]},
        **_mandatory(resource_type, words),
        **_ALSO.get(resource_type, {}),
    }
    if resource_type == "ImmunizationRecommendation":
        resource["recommendation"][0]["targetDisease"] = {"text": words}
    if "identifier" in elements_of(resource_type):
        one = {"system": "http://example.org/ids", "value": id}
        resource["identifier"] = one if elements_of(resource_type)["identifier"].max == 1 else [one]
    about = {"reference": f"Patient/{patient}"}
    if resource_type == "Provenance":
        resource["target"] = [about]
    elif resource_type != "Patient":
        _set_subject(resource, about)
    return resource


def _set_subject(resource: Resource, about: Resource) -> None:
    resource_type = resource["resourceType"]
    first, *rest = SUBJECT_PATHS[resource_type]
    is_list = elements_of(resource_type)[first].max != 1
    value = {**(resource.get(first) or [{}])[0], rest[0]: about} if rest else about
    resource[first] = [value] if is_list else value


def _mandatory(type_name: str, words: str) -> Resource:
    found: Resource = {}
    for element in elements_of(type_name).values():
        if element.min:
            code = element.types[0]
            name = element.name + (code[0].upper() + code[1:] if element.is_choice else "")
            one = _value(element, code, words)
            found[name] = one if element.max == 1 else [one]
    return found


def _value(element: ElementDefinition, code: str, words: str) -> Any:
    if code in PRIMITIVE_TYPES:
        codes = sorted(value_set_codes(element.binding or "") or ())
        return codes[0][1] if codes else SAMPLES[code]
    coded = sorted(value_set_codes(element.binding or "") or [("http://example.org/codes", "a-code")])[0]
    coding = {"system": coded[0], "code": coded[1], "display": words}
    complete: dict[str, Any] = {
        "CodeableConcept": {"coding": [coding], "text": words},
        "Coding": coding,
        "Attachment": {"title": words, "url": "http://example.org/attachment"},
        "Period": {"start": "2026-01-01"},
        "Quantity": {"value": 1},
        "Reference": {"reference": f"{next(iter(element.targets), 'Organization')}/shared"},
    }
    return complete.get(code) or _mandatory(code, words)
