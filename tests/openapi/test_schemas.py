"""The generated schemas: they take what R4 takes and refuse what JSON Schema can refuse."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import PRIMITIVE_TYPES
from bhr_api.fhir.primitives import TESTS
from bhr_api.fhir.validation import validate
from bhr_api.openapi import document
from bhr_api.openapi.documented_types import DOCUMENTED_TYPES
from bhr_api.samples.generator import generate
from bhr_api.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "../shared/fhir/r4/examples-behavioral-health.ndjson.gz"
Resource = dict[str, Any]


@cache
def components() -> dict[str, Any]:
    found: dict[str, Any] = document(Settings(_env_file=None))["components"]
    return found


@cache
def schema(name: str) -> jsonschema_rs.Draft202012Validator:
    root = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": components()["schemas"]}}
    return jsonschema_rs.Draft202012Validator(root)


def parsed(resource: Resource) -> Resource:
    found: Resource = json_text.parse(json.dumps(resource).encode())
    return found


def examples_of_components() -> list[Any]:
    """(schema, example) for every example of the document."""
    special = {
        "History": "HistoryBundle",
        "Transaction": "RequestBundle",
        "TransactionResponse": "ResponseBundle",
    }
    return [
        pytest.param(special.get(name, name.removesuffix("Stored")), example["value"], id=name)
        for name, example in components()["examples"].items()
    ]


@pytest.mark.parametrize(("name", "example"), examples_of_components())
def test_every_example_obeys_its_schema_and_r4(name: str, example: Resource) -> None:
    schema(name).validate(example)

    assert validate(parsed(example)) == []


def test_every_documented_type_has_an_example() -> None:
    examples = components()["examples"]

    assert all(examples[f"{name}Stored"]["value"]["resourceType"] == name for name in DOCUMENTED_TYPES)


def test_the_examples_of_refusals_are_valid_outcomes() -> None:
    for response in components()["responses"].values():
        example = response["content"]["application/fhir+json"]["example"]
        schema("OperationOutcome").validate(example)
        assert validate(parsed(example)) == []


def test_sample_records_obey_the_schemas() -> None:
    resources = [entry["resource"] for bundle in generate(4) for entry in bundle["entry"]]
    documented = [resource for resource in resources if resource["resourceType"] in DOCUMENTED_TYPES]

    assert len(documented) > 500
    for resource in documented:
        schema(resource["resourceType"]).validate(resource)


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the published R4 examples are not here (../shared/fhir/r4)")
def test_the_published_examples_obey_the_schemas() -> None:
    lines = gzip.decompress(EXAMPLES.read_bytes()).splitlines()
    resources = [resource for resource in map(json.loads, lines) if resource["resourceType"] in DOCUMENTED_TYPES]

    assert len(resources) > 200
    for resource in resources:
        schema(resource["resourceType"]).validate(resource)


PATIENT = {"reference": "Patient/p1"}
GOAL: Resource = {
    "resourceType": "Goal",
    "lifecycleStatus": "active",
    "description": {"text": "Sleep seven hours"},
    "subject": PATIENT,
}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"lifecycleStatus": None}, id="a-required-element-is-missing"),
        pytest.param({"lifecycleStatus": "begun"}, id="a-code-outside-its-value-set"),
        pytest.param({"colour": "red"}, id="an-unknown-property"),
        pytest.param({"note": {"text": "once"}}, id="no-array-where-an-element-repeats"),
        pytest.param({"note": []}, id="an-empty-array"),
        pytest.param({"startDate": "2026-13-01"}, id="no-such-month"),
        pytest.param({"startDate": 2026}, id="a-number-for-a-date"),
        pytest.param({"target": [{"detailInteger": "5"}]}, id="text-for-an-integer"),
        pytest.param({"target": [{"dueDate": "2026-11-01", "dueDay": 1}]}, id="a-choice-without-such-a-type"),
        pytest.param({"id": "with space"}, id="no-id"),
        pytest.param({"resourceType": "CarePlan"}, id="another-type"),
        pytest.param({"_startDate": "2026"}, id="a-primitive-extension-that-is-no-object"),
    ],
)
def test_what_breaks_r4_breaks_the_schema(change: Resource) -> None:
    broken = {name: value for name, value in (GOAL | change).items() if value is not None}

    assert schema("Goal").is_valid(GOAL)
    assert not schema("Goal").is_valid(broken)


def test_a_required_choice_is_given_exactly_once() -> None:
    medication = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": PATIENT}
    one = medication | {"medicationReference": {"reference": "Medication/m1"}}

    assert schema("MedicationRequest").is_valid(one)
    assert not schema("MedicationRequest").is_valid(medication)
    assert not schema("MedicationRequest").is_valid(one | {"medicationCodeableConcept": {"text": "Sertraline"}})


def test_a_primitive_may_be_given_with_extensions() -> None:
    unknown = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    goal = GOAL | {"_startDate": {"extension": [unknown]}}

    schema("Goal").validate(goal)
    assert validate(parsed(goal)) == []


VALUES = {
    "base64Binary": "aGVsbG8=",
    "boolean": True,
    "canonical": "http://example.org/q|1",
    "code": "in-progress",
    "date": "2026-02",
    "dateTime": "2026-02-03T04:05:06.7-07:00",
    "decimal": 1.5,
    "id": "a.b-1",
    "instant": "2026-02-03T04:05:06.789Z",
    "integer": -5,
    "markdown": "*text*\nmore",
    "oid": "urn:oid:1.2.3",
    "positiveInt": 1,
    "string": "Ünïcode\ttext",
    "time": "14:35:00",
    "unsignedInt": 0,
    "uri": "urn:x",
    "url": "https://example.org",
    "uuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "xhtml": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>',
}
NO_VALUES: list[Any] = ["", "\u0000", None, [], {}]
# NUL is not among these: the server refuses it before it looks at types (json_text).
WRONG: list[Any] = [
    "",
    " ",
    "a\u0007b",
    "2026-13",
    "2026-02-03T04:05:06",
    "aGV!",
    2**31,
    -(2**31) - 1,
    None,
    [],
    {},
]


@pytest.mark.parametrize("name", sorted(PRIMITIVE_TYPES))
def test_a_primitive_schema_refuses_nothing_that_the_server_takes(name: str) -> None:
    assert schema(name).is_valid(VALUES[name])
    for value in [*VALUES.values(), *WRONG]:
        # The server is the stricter of the two: it also knows the calendar and base64's groups of four.
        if not isinstance(value, float) and TESTS[name](value):
            assert schema(name).is_valid(value), value


@pytest.mark.parametrize("name", sorted(PRIMITIVE_TYPES))
def test_a_primitive_schema_refuses_wrong_json_types(name: str) -> None:
    of_number = isinstance(VALUES[name], int | float) and VALUES[name] is not True

    assert not schema(name).is_valid("text with space " if of_number else 5)
    assert not any(schema(name).is_valid(value) for value in NO_VALUES)
