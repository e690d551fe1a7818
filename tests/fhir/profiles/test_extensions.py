from typing import Any

import pytest

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.profiles.profile import LoadedProfiles, check_extensions
from tests.fhir.profiles.definitions_at_hand import Definitions
from tests.fhir.profiles.made_profiles import MADE, concept, element, observation, patient, structure

KNOWN = MADE + "known"
VALUE = {"url": KNOWN, "valueString": "x"}
OTHER = {"url": "http://example.org/e"}
WITHIN = patient(extension=[OTHER | {"extension": [VALUE]}])
DEEP = patient(extension=[OTHER | {"extension": [{"url": "in", "extension": [VALUE]}]}])


def extension(*elements: Resource, contexts: list[tuple[str, str]] | None = None, **more: Any) -> Resource:
    """The definition of an extension with a string for its value."""
    value = element("Extension.value[x]", min=1, max="1", types=["string"])
    found = structure("Extension", *(elements or (value,)), name="known", **more)
    if contexts:
        found["context"] = [{"type": kind, "expression": expression} for kind, expression in contexts]
    return found


def told(resource: Resource, *definitions: Resource) -> list[tuple[str, str, str | None]]:
    issues = check_extensions(resource, LoadedProfiles(Definitions(definitions)))
    return [(issue.severity, issue.code, issue.expression) for issue in issues]


def test_an_unknown_extension_is_a_remark() -> None:
    assert told(patient(extension=[VALUE])) == [("information", "extension", "Patient.extension[0]")]


def test_an_unknown_modifier_extension_is_an_error() -> None:
    assert told(patient(modifierExtension=[VALUE])) == [("error", "extension", "Patient.modifierExtension[0]")]


def test_a_known_extension_obeys_its_definition() -> None:
    assert told(patient(extension=[VALUE]), extension()) == []
    assert told(patient(extension=[{"url": KNOWN, "valueCode": "x"}]), extension()) == [
        ("error", "structure", "Patient.extension[0].value.ofType(code)")
    ]


@pytest.mark.parametrize(
    ("resource", "place"),
    [
        (patient(name=[{"given": ["A", "B"], "_given": [None, {"extension": [VALUE]}]}]), "Patient.name[0].given[1]"),
        (patient(birthDate="2000", _birthDate={"extension": [VALUE]}), "Patient.birthDate"),
        (observation(valueQuantity={"value": 1, "extension": [VALUE]}), "Observation.value.ofType(Quantity)"),
        (observation(_valueString={"extension": [VALUE]}), "Observation.value.ofType(string)"),
        (observation(contained=[patient(id="p", extension=[VALUE])]), "Observation.contained[0]"),
        (
            {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient(extension=[VALUE])}]},
            "Bundle.entry[0].resource",
        ),
        (patient(extension=[OTHER | {"valueCoding": {"extension": [VALUE]}}]), "Patient.extension[0].value.ofType(Coding)"),
        (WITHIN, "Patient.extension[0]"),
    ],
)  # fmt: skip
def test_an_extension_is_found_wherever_it_stands(resource: Resource, place: str) -> None:
    other = structure("Extension", name="e") | OTHER

    assert told(resource, other) == [("information", "extension", f"{place}.extension[0]")]


@pytest.mark.parametrize(
    ("context", "resource", "is_right"),
    [
        (("element", "Patient"), patient(extension=[VALUE]), True),
        (("element", "Patient"), observation(extension=[VALUE]), False),
        (("element", "DomainResource"), observation(extension=[VALUE]), True),
        (("element", "Element"), observation(extension=[VALUE]), True),
        (("element", "Element"), observation(code={"text": "x", "extension": [VALUE]}), True),
        (("element", "Observation.code"), observation(code={"text": "x", "extension": [VALUE]}), True),
        (("element", "CodeableConcept"), observation(code={"text": "x", "extension": [VALUE]}), True),
        (("element", "Observation.bodySite"), observation(code={"text": "x", "extension": [VALUE]}), False),
        (("element", "HumanName.family"), patient(name=[{"_family": {"extension": [VALUE]}}]), True),
        (("element", "Patient.name.family"), patient(name=[{"_family": {"extension": [VALUE]}}]), True),
        (("element", "string"), patient(name=[{"_family": {"extension": [VALUE]}}]), True),
        (("element", "date"), patient(name=[{"_family": {"extension": [VALUE]}}]), False),
        (("element", "Observation.value[x]"), observation(valueQuantity={"value": 1, "extension": [VALUE]}), True),
        (("element", "Observation.valueQuantity"), observation(valueQuantity={"value": 1, "extension": [VALUE]}), True),
        (("element", "Observation.component"), observation(component=[{"code": concept("a"), "extension": [VALUE]}]), True),
        (("element", "Patient.contact"), observation(contained=[patient(id="p", contact=[{"extension": [VALUE]}])]), True),
        (("element", MADE + "x#Patient.contact"), patient(contact=[{"extension": [VALUE]}]), True),
        (("fhirpath", "Observation.component"), observation(component=[{"code": concept("a"), "extension": [VALUE]}]), True),
        (("fhirpath", "Observation.component"), observation(extension=[VALUE]), False),
        (("fhirpath", "Patient.birthDate"), patient(birthDate="2000", _birthDate={"extension": [VALUE]}), True),
        (("extension", "http://example.org/e"), WITHIN, True),
        (("extension", "http://example.org/f"), WITHIN, False),
        (("extension", "http://example.org/e#in"), DEEP, True),
    ],
)  # fmt: skip
def test_an_extension_stands_where_its_context_says(
    context: tuple[str, str], resource: Resource, is_right: bool
) -> None:
    found = [code for severity, code, _ in told(resource, extension(contexts=[context])) if severity == "error"]

    assert found == ([] if is_right else ["extension"])


def test_one_of_several_contexts_is_enough() -> None:
    definition = extension(contexts=[("element", "Goal"), ("element", "Patient")])

    assert told(patient(extension=[VALUE]), definition) == []


def test_a_modifier_stands_among_the_modifiers() -> None:
    definition = extension()
    definition["snapshot"]["element"][0]["isModifier"] = True

    assert told(patient(modifierExtension=[VALUE]), definition) == []
    assert told(patient(extension=[VALUE]), definition) == [("error", "extension", "Patient.extension[0]")]
    assert told(patient(modifierExtension=[VALUE]), extension()) == [
        ("error", "extension", "Patient.modifierExtension[0]")
    ]


def test_the_parts_of_a_complex_extension_are_those_of_its_definition() -> None:
    parts = element("Extension.extension", min=1, max="*", slicing={"rules": "closed"})
    part = element("Extension.extension", sliceName="a", min=1, max="1", types=["Extension"])
    url = {"id": "Extension.extension:a.url", "path": "Extension.extension.url", "min": 1, "fixedUri": "a"}
    value = {
        "id": "Extension.extension:a.value[x]",
        "path": "Extension.extension.value[x]",
        "min": 1,
        "max": "1",
        "type": [{"code": "code"}],
    }
    definition = extension(parts, part, url, value)

    def of(*inner: Resource) -> Resource:
        return patient(extension=[{"url": KNOWN, "extension": list(inner)}])

    assert told(of({"url": "a", "valueCode": "x"}), definition) == []
    assert (
        told(of({"url": "a", "valueString": "x"}), definition)
        == [
            ("error", "structure", "Patient.extension[0].extension[0].value.ofType(string)"),
            ("error", "required", "Patient.extension[0].extension[0].value"),
        ][:1]
    )
    assert told(of({"url": "a", "valueCode": "x"}, {"url": "b", "valueCode": "x"}), definition) == [
        ("error", "structure", "Patient.extension[0].extension[1]"),
        ("error", "extension", "Patient.extension[0].extension[1]"),
    ]


def test_a_part_that_an_open_definition_does_not_have_is_none() -> None:
    part = element("Extension.extension", sliceName="a", min=0, max="1", types=["Extension"])
    url = {"id": "Extension.extension:a.url", "path": "Extension.extension.url", "min": 1, "fixedUri": "a"}
    definition = extension(element("Extension.extension", min=0, max="*"), part, url)

    def of(part_url: str) -> Resource:
        return patient(extension=[{"url": KNOWN, "extension": [{"url": part_url, "valueCode": "x"}]}])

    assert told(of("a"), definition) == []
    assert told(of("b"), definition) == [("error", "extension", "Patient.extension[0].extension[0]")]
    assert told(of("http://example.org/e"), definition)[0][0] == "information"


def test_the_url_of_an_extension_that_is_no_part_is_absolute() -> None:
    assert told(patient(extension=[{"url": "known", "valueCode": "x"}])) == [
        ("error", "extension", "Patient.extension[0]")
    ]
