"""FHIRPath on FHIR JSON: choice elements, primitives with extensions, references, constants (R4 fhirpath.html)."""

from decimal import Decimal
from typing import Any

import pytest

from bhr_api.fhir.definitions import Resource
from bhr_api.fhirpath.compiler import compile_expression
from bhr_api.fhirpath.errors import UnsupportedFHIRPathError
from bhr_api.fhirpath.nodes import Environment, Node, resource_node

PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "p",
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Clinic"}],
    "birthDate": "1987-04-05",
    "_birthDate": {"id": "bd", "extension": [{"url": "http://x/time", "valueDateTime": "1987-04-05T10:00:00Z"}]},
    "_gender": {"extension": [{"url": "http://x/absent", "valueCode": "unknown"}]},
    "name": [{"given": ["Ana", None], "_given": [None, {"extension": [{"url": "http://x/hidden"}]}], "family": "Ruiz"}],
    "managingOrganization": {"reference": "#o"},
    "generalPractitioner": [{"reference": "http://x/fhir/Practitioner/1/_history/2"}, {"type": "Organization"}],
    "multipleBirthInteger": 2,
}
OBSERVATION: Resource = {
    "resourceType": "Observation",
    "id": "o",
    "valueQuantity": {
        "value": Decimal("12.0"),
        "system": "http://unitsofmeasure.org",
        "code": "mg",
        "unit": "milligram",
    },
    "component": [{"valueQuantity": {"value": 1}}, {"valueCodeableConcept": {"text": "x"}}, {"valueBoolean": False}],
    "effectiveDateTime": "2026-01-02T10:00:00+02:00",
}


def found(text: str, resource: Resource) -> list[Any]:
    return [node.value for node in compile_expression(text, resource["resourceType"])(resource)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        pytest.param("value.unit", ["milligram"], id="a-choice-element-goes-by-its-stem"),
        pytest.param("valueQuantity.unit", [], id="and-not-by-its-json-name"),
        pytest.param("value.ofType(Quantity).code", ["mg"], id="ofType"),
        pytest.param("(value as Quantity).code", ["mg"], id="as"),
        pytest.param("(value as string).empty()", [True], id="as-another-type"),
        pytest.param("value is Quantity and value.is(FHIR.Quantity) and (value is Age).not()", [True], id="is"),
        pytest.param("(component.value as Quantity).value", [1], id="as-filters-many"),
        pytest.param("effective is DateTime and effective.is(System.DateTime).not()", [True], id="loose-system-name"),
        pytest.param("effective.as(DateTime)", ["2026-01-02T10:00:00+02:00"], id="loose-as"),
        pytest.param("value > 0.01 'g' and value = 12 'mg'", [True], id="quantities-compare-in-ucum"),
        pytest.param("effective = @2026-01-02T08:00:00Z", [True], id="datetimes-compare-in-utc"),
        pytest.param("component.value.ofType(boolean).not()", [True], id="false-is-a-value"),
        pytest.param("value.value.toString()", ["12.0"], id="decimal-digits-are-kept"),
        pytest.param("DomainResource.id | Resource.id | Patient.id", ["o"], id="a-type-heads-a-path"),
        pytest.param("component[1].value.text", ["x"], id="indexer"),
        pytest.param("value.system = %ucum", [True], id="ucum"),
        pytest.param("%`vs-observation-status`", ["http://hl7.org/fhir/ValueSet/observation-status"], id="vs"),
        pytest.param("%`ext-x`", ["http://hl7.org/fhir/StructureDefinition/x"], id="ext"),
    ],
)
def test_observations(text: str, values: list[Any]) -> None:
    assert found(text, OBSERVATION) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        pytest.param("birthDate.extension('http://x/time').value", ["1987-04-05T10:00:00Z"], id="extension"),
        pytest.param("birthDate.id", ["bd"], id="id-of-a-primitive"),
        pytest.param("birthDate.children().count()", [2], id="children-of-a-primitive"),
        pytest.param("gender.exists() and gender.hasValue().not()", [True], id="a-primitive-without-value-exists"),
        pytest.param("gender = 'male'", [], id="but-compares-as-empty"),
        pytest.param("name.given.count()", [2], id="arrays-pair-values-with-companions"),
        pytest.param("name.given[1].extension.url", ["http://x/hidden"], id="companion-of-an-array-item"),
        pytest.param("multipleBirth + 1", [3], id="integers"),
        pytest.param("birthDate < @1990", [True], id="dates"),
        pytest.param("managingOrganization.resolve().name", ["Clinic"], id="resolve-contained"),
        pytest.param("contained.ofType(Organization).name", ["Clinic"], id="contained-has-its-own-type"),
        pytest.param("generalPractitioner.where(resolve() is Practitioner).count()", [1], id="resolve-by-literal"),
        pytest.param("generalPractitioner.where(resolve() is Organization).count()", [1], id="resolve-by-type"),
        pytest.param("descendants().where($this is Extension).count()", [3], id="descendants-see-companions"),
        pytest.param("name.family.getValue() & '!'", ["Ruiz!"], id="getValue"),
    ],
)
def test_patients(text: str, values: list[Any]) -> None:
    assert found(text, PATIENT) == values


def test_references_are_fetched_where_a_resolver_is_given() -> None:
    practitioner = {"resourceType": "Practitioner", "id": "1", "gender": "female"}
    root = resource_node(PATIENT)
    environment = Environment(root, root, [root], resolve=lambda url: practitioner if "Practitioner" in url else None)
    expression = compile_expression("generalPractitioner.resolve().gender", "Patient")
    assert [node.value for node in expression.evaluate([root], environment)] == ["female"]


def test_terminology_and_profiles_are_asked_where_they_are_given() -> None:
    root = resource_node(PATIENT)
    environment = Environment(
        root, root, [root], member_of=lambda _, url: url == "http://vs", conforms_to=lambda *_: True
    )
    expression = compile_expression("multipleBirth.memberOf('http://vs') and conformsTo('http://p')", "Patient")
    assert [node.value for node in expression.evaluate([root], environment)] == [True]


class CountedConstants(dict[str, list[Node]]):
    """Constants that count how often they are asked for."""

    asked = 0

    def get(self, *key: Any) -> Any:
        self.asked += 1
        return super().get(*key)


@pytest.mark.parametrize(
    "text", ["descendants().where($this in %all.distinct())", "descendants().where($this in (%all.id | %all.code))"]
)
def test_what_does_not_depend_on_the_item_is_evaluated_once_for_all_items(text: str) -> None:
    root, constants = resource_node(OBSERVATION), CountedConstants(all=[Node("string", "mg"), Node("string", "x")])
    compile_expression(text, "Observation").evaluate([root], Environment(root, root, [root], constants))
    # obs-7 and dom-3 would take quadratic time if it were evaluated for each of the ten and more descendants.
    assert constants.asked <= 2


def test_trace_reports_to_whom_it_is_told() -> None:
    root, seen = resource_node(PATIENT), list[tuple[str, list[Node]]]()
    environment = Environment(root, root, [root], trace=lambda name, nodes: seen.append((name, nodes)))
    compile_expression("name.trace('names', family)", "Patient").evaluate([root], environment)
    assert [(name, [node.value for node in nodes]) for name, nodes in seen] == [("names", ["Ruiz"])]


def test_a_modifier_extension_that_is_not_known_ends_the_evaluation() -> None:
    patient = {"resourceType": "Patient", "modifierExtension": [{"url": "http://x/never"}]}
    assert len(found("checkModifiers('http://x/never')", patient)) == 1
    with pytest.raises(UnsupportedFHIRPathError, match="x/never"):
        found("checkModifiers('http://x/other')", patient)
