from collections.abc import Iterator
from typing import Any

import pytest

from bhr_api.fhir.definitions import SEARCH_PARAMETERS, Resource
from bhr_api.fhirpath.compiler import compile_expression
from bhr_api.fhirpath.extraction import compile_extractor
from tests.fhirpath.examples import official_examples

EXPRESSIONS = sorted(
    (resource_type, parameter.expression)
    for resource_type, parameters in SEARCH_PARAMETERS.items()
    for parameter in parameters.values()
    if parameter.expression
)


def by_evaluation(expression: str, type_name: str, resource: Resource) -> list[tuple[str, Any]]:
    nodes = compile_expression(expression, type_name)(resource)
    return [(node.type.replace("System.Boolean", "boolean"), node.value) for node in nodes if node.value is not None]


def sorted_values(values: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return sorted(values, key=repr)


def test_every_search_expression_of_r4_compiles_to_an_extractor() -> None:
    assert len(EXPRESSIONS) > 1300
    for resource_type, expression in EXPRESSIONS:
        compile_extractor(expression, resource_type)


def test_extraction_equals_evaluation_on_every_official_example() -> None:
    values = 0
    for resource in official_examples():
        name = resource["resourceType"]
        for parameter in SEARCH_PARAMETERS[name].values():
            if parameter.expression:
                extracted = compile_extractor(parameter.expression, name)(resource)
                assert sorted_values(extracted) == sorted_values(by_evaluation(parameter.expression, name, resource))
                values += len(extracted)
    assert values > 4000


def composite_bases() -> Iterator[tuple[Resource, str, Any, str]]:
    """(resource, type of an element that carries a composite parameter, the element, a component's expression)."""
    for resource in official_examples():
        for parameter in SEARCH_PARAMETERS[resource["resourceType"]].values():
            if parameter.components:
                found = compile_extractor(parameter.expression, resource["resourceType"])(resource)
                for type_name, element in found:
                    yield from ((resource, type_name, element, each) for _, each in parameter.components)


def test_components_of_composite_parameters_are_found_relative_to_their_base() -> None:
    found = 0
    for resource, type_name, element, expression in composite_bases():
        type_name = element.get("resourceType", type_name)
        values = compile_extractor(expression, type_name)(element, resource)
        assert all(value is not None for _, value in values)
        found += len(values)
    assert found > 100


OBSERVATION: Resource = {
    "resourceType": "Observation",
    "contained": [{"resourceType": "Patient", "id": "p1"}],
    "status": "final",
    "_status": {"id": "s"},
    "_issued": {"extension": [{"url": "http://x", "valueCode": "unknown"}]},
    "code": {"text": "c"},
    "subject": {"reference": "#p1"},
    "performer": [
        {"reference": "Practitioner/1"},
        {"reference": "http://x/fhir/Patient/2"},
        {"reference": "Patient/3/_history/1"},
        {"type": "Patient", "identifier": {"value": "9"}},
        {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
        {"display": "nobody"},
    ],
    "valueDateTime": "2026-01-02",
    "component": [{"code": {"text": "c"}, "valueQuantity": {"value": 1}}, {"code": {"text": "d"}, "valueString": "x"}],
}


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        pytest.param("Observation.status", [("code", "final")], id="a-primitive"),
        pytest.param("Observation.issued", [], id="a-primitive-without-value-is-left-out"),
        pytest.param("(Observation.value as dateTime)", [("dateTime", "2026-01-02")], id="a-choice"),
        pytest.param("Observation.value", [("dateTime", "2026-01-02")], id="any-choice"),
        pytest.param("Observation.value as Quantity", [], id="another-choice"),
        pytest.param(
            "Observation.code | Observation.component.code",
            [("CodeableConcept", {"text": "c"}), ("CodeableConcept", {"text": "d"})],
            id="a-union-holds-equal-values-once",
        ),
        pytest.param(
            "Observation.component.value.ofType(Quantity)", [("Quantity", {"value": 1})], id="a-choice-in-a-backbone"
        ),
        pytest.param("Patient.name | Observation.status", [("code", "final")], id="other-types-fall-away"),
        pytest.param(
            "Observation.subject.where(resolve() is Patient)", [("Reference", {"reference": "#p1"})], id="contained"
        ),
        pytest.param(
            "Observation.component.where(value is Quantity).code",
            [("CodeableConcept", {"text": "c"})],
            id="a-filter-beyond-the-simple-ones-is-evaluated",
        ),
        pytest.param("status = 'final'", [("boolean", True)], id="a-computed-value-gets-a-fhir-code"),
        pytest.param("component.count()", [("integer", 2)], id="a-computed-integer"),
    ],
)
def test_values_come_with_their_type_codes(expression: str, values: list[tuple[str, Any]]) -> None:
    assert compile_extractor(expression, "Observation")(OBSERVATION) == values


def test_the_type_of_a_reference_is_read_without_fetching() -> None:
    extract = compile_extractor("Observation.performer.where(resolve() is Patient)", "Observation")
    literals = [value.get("reference") for _, value in extract(OBSERVATION)]
    assert literals == ["http://x/fhir/Patient/2", "Patient/3/_history/1", None]


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        pytest.param("code", [("CodeableConcept", {"text": "c"})], id="relative"),
        pytest.param("value.as(Quantity)", [("Quantity", {"value": 1})], id="relative-choice"),
        pytest.param("$this.code.text", [("string", "c")], id="from-this"),
        pytest.param("%resource.status", [("code", "final")], id="from-the-resource"),
    ],
)
def test_a_component_is_extracted_from_a_backbone_element(expression: str, values: list[tuple[str, Any]]) -> None:
    extract = compile_extractor(expression, "Observation.component")
    assert extract(OBSERVATION["component"][0], root=OBSERVATION) == values


def test_a_long_union_is_made_distinct_as_a_short_one() -> None:
    codings = [{"text": str(number % 20)} for number in range(60)]
    observation = {"resourceType": "Observation", "component": [{"code": coding} for coding in codings]}
    extract = compile_extractor("Observation.code | Observation.component.code", "Observation")
    assert [value["text"] for _, value in extract(observation)] == [str(number) for number in range(20)]
