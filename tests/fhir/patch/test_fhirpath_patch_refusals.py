from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bhr_api.fhir.json_text import dumps, parse
from bhr_api.fhir.patch.fhirpath_patch import apply_patch
from bhr_api.fhir.patch.refusals import MAX_OPERATIONS
from tests.fhir.patch.fhirpath_samples import (
    BORN,
    CONTACT,
    NEW_BORN,
    OBSERVATION,
    PLAIN_NAMES,
    TWO,
    identifiers,
    insert,
    move,
)
from tests.fhir.patch.json_samples import refusal
from tests.fhir.patch.patch_samples import Json, operation, patch_of, patient

NO_PATH = "Parameters.parameter[0].part[1]"
WHOLE = "Parameters.parameter[0]"


@pytest.mark.parametrize(
    ("resource", "bad", "place", "code"),
    [
        pytest.param(
            patient(identifier=[{"use": "official", "value": "123"}]),
            operation("add", "Patient.identifier.where(use = 'official').period", name="end", value=NEW_BORN),
            NO_PATH,
            "not-found",
            id="hl7-missing-element",
        ),
        pytest.param(
            CONTACT,
            operation("add", "Patient.contact[1]", name="gender", value={"valueCode": "male"}),
            NO_PATH,
            "not-found",
            id="hl7-consecutive-operations",
        ),
        pytest.param(
            BORN,
            operation("replace", "Patient.gender", value={"valueCode": "male"}),
            NO_PATH,
            "not-found",
            id="replace",
        ),
        pytest.param(BORN, operation("move", "Patient.name", source=0, destination=0), NO_PATH, "not-found", id="move"),
        pytest.param(
            BORN,
            operation("insert", "Patient.identifier", index=0, value={"valueIdentifier": {"value": "1"}}),
            NO_PATH,
            "not-found",
            id="insert",
        ),
        pytest.param(TWO, operation("delete", "Patient.identifier"), NO_PATH, "multiple-matches", id="several"),
        pytest.param(
            TWO,
            operation("replace", "Patient.identifier.value", value={"valueString": "x"}),
            NO_PATH,
            "multiple-matches",
            id="replace-several",
        ),
        pytest.param(
            PLAIN_NAMES,
            operation("move", "Patient.name.given", source=0, destination=1),
            NO_PATH,
            "multiple-matches",
            id="two-lists",
        ),
        pytest.param(
            TWO,
            operation("move", "Patient.identifier[0]", source=0, destination=0),
            NO_PATH,
            "processing",
            id="part-of-a-list",
        ),
        pytest.param(
            BORN, operation("move", "Patient.birthDate", source=0, destination=0), NO_PATH, "processing", id="no-list"
        ),
        pytest.param(
            BORN, operation("add", "Patient", name="birthDate", value=NEW_BORN), WHOLE, "conflict", id="is-there"
        ),
        pytest.param(
            {**OBSERVATION, "valueString": "x"},
            operation("add", "Observation", name="value", value={"valueInteger": 1}),
            WHOLE,
            "conflict",
            id="choice-is-there",
        ),
        pytest.param(
            BORN,
            operation("add", "Patient", name="birthdate", value=NEW_BORN),
            f"{WHOLE}.part[3]",
            "not-found",
            id="no-such-element",
        ),
        pytest.param(
            BORN,
            operation("replace", "Patient.birthDate", value={"valueString": "1930-01-01"}),
            f"{WHOLE}.part[2]",
            "value",
            id="wrong-type",
        ),
        pytest.param(
            OBSERVATION,
            operation("add", "Observation", name="value", value={"valueDate": "2020-01-01"}),
            f"{WHOLE}.part[3]",
            "value",
            id="no-type-of-the-choice",
        ),
        pytest.param(
            OBSERVATION,
            operation(
                "add", "Observation", name="value", value={"part": [{"name": "value", "valueDecimal": Decimal("1.5")}]}
            ),
            f"{WHOLE}.part[3]",
            "value",
            id="parts-of-an-unnamed-choice",
        ),
        pytest.param(
            patient(),
            operation("add", "Patient", name="contact", value={"part": [{"name": "gender", "valueCode": "male"}] * 2}),
            f"{WHOLE}.part[3].part[1]",
            "value",
            id="one-element-twice",
        ),
        pytest.param(TWO, insert(3), f"{WHOLE}.part[2]", "value", id="index"),
        pytest.param(TWO, move(2, 0), f"{WHOLE}.part[2]", "value", id="source"),
        pytest.param(TWO, move(0, 2), f"{WHOLE}.part[3]", "value", id="destination"),
        pytest.param(BORN, operation("delete", "Patient"), NO_PATH, "processing", id="the-resource"),
        pytest.param(BORN, operation("delete", "Patient.birthDate.toString()"), NO_PATH, "processing", id="computed"),
        pytest.param(BORN, operation("delete", "'x'"), NO_PATH, "processing", id="constant"),
        pytest.param(
            patient(managingOrganization={"reference": "Organization/1"}),
            operation("add", "Patient.managingOrganization.resolve()", name="name", value={"valueString": "B"}),
            NO_PATH,
            "processing",
            id="another-resource",
        ),
        pytest.param(
            patient(link=[{"other": {"reference": "#"}}] * 2),
            operation("delete", "Patient.link.other.resolve().birthDate"),
            NO_PATH,
            "processing",
            id="several-references",
        ),
        pytest.param(BORN, operation("delete", "Patient.where(birthDate > 'x')"), NO_PATH, "processing", id="no-order"),
    ],
)
def test_an_operation_that_does_not_apply_is_422(resource: Json, bad: Json, place: str, code: str) -> None:
    error = refusal(lambda: apply_patch(resource, patch_of(bad)))
    assert error.status == 422
    assert [(issue.code, issue.expression) for issue in error.issues] == [(code, place)]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        pytest.param([], None, id="array"),
        pytest.param(patient(), None, id="other-resource"),
        pytest.param({"resourceType": "Parameters", "parameter": {}}, "Parameters.parameter", id="structure"),
        pytest.param(patch_of({"name": "op"}), f"{WHOLE}.name", id="name"),
        pytest.param(patch_of({"name": "operation"}), WHOLE, id="no-parts"),
        pytest.param(patch_of(operation("remove", "Patient.name")), f"{WHOLE}.part[0]", id="type"),
        pytest.param(
            patch_of({"name": "operation", "part": [{"name": "type", "valueCode": "delete"}]}), WHOLE, id="no-path"
        ),
        pytest.param(patch_of(operation("replace", "Patient.name")), WHOLE, id="no-value"),
        pytest.param(patch_of(operation("replace", "Patient.name", value={})), f"{WHOLE}.part[2]", id="empty-value"),
        pytest.param(patch_of(operation("delete", "Patient.name", index=1)), f"{WHOLE}.part[2]", id="surplus"),
        pytest.param(patch_of(move(-1, 0)), f"{WHOLE}.part[2]", id="negative"),
        pytest.param(patch_of(operation("delete", "Patient.name[")), NO_PATH, id="syntax"),
        pytest.param(patch_of(operation("delete", "Patient.name.nothing()")), NO_PATH, id="no-function"),
        pytest.param(patch_of(operation("delete", "Patient.descendants()")), NO_PATH, id="costly"),
        pytest.param(patch_of(operation("delete", "Patient.name.where(%resource.id = 'x')")), NO_PATH, id="whole"),
        pytest.param(
            patch_of(operation("delete", "Patient.link.where(other.resolve() is Patient)")), NO_PATH, id="resolve"
        ),
        pytest.param(patch_of(operation("delete", "a" * 3000)), NO_PATH, id="long"),
        pytest.param(
            patch_of(
                operation("delete", "Patient.name"),
                operation("replace", "Patient.name", value={"valueHumanName": {"x": 1}}),
            ),
            "Parameters.parameter[1].part[2].value.ofType(HumanName).x",
            id="ill-formed-value",
        ),
        pytest.param(
            patch_of(*[operation("delete", "Patient.name")] * (MAX_OPERATIONS + 1)),
            "Parameters.parameter",
            id="too-many",
        ),
    ],
)
def test_what_is_no_fhirpath_patch_is_400(document: Any, place: str | None) -> None:
    error = refusal(lambda: apply_patch(patient(name=[{"text": "x"}]), document))
    assert (error.status, [issue.expression for issue in error.issues]) == (400, [place])


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(operation("delete", "Patient.id"), id="no-id"),
        pytest.param(operation("replace", "Patient.id", value={"valueId": "p2"}), id="id"),
        pytest.param(operation("replace", "Patient.meta.versionId", value={"valueId": "9"}), id="version"),
        pytest.param(operation("delete", "Patient.meta"), id="meta"),
        pytest.param(
            operation("add", "Patient.meta", name="lastUpdated", value={"valueInstant": "2026-01-01T00:00:00Z"}),
            id="time",
        ),
    ],
)
def test_what_is_the_servers_own_stays(bad: Json) -> None:
    resource = patient(id="p1", meta={"versionId": "3"}, gender="male")
    error = refusal(lambda: apply_patch(resource, patch_of(operation("delete", "Patient.gender"), bad)))
    assert error.status == 422
    assert [(each.code, each.expression) for each in error.issues] == [("business-rule", "Parameters.parameter[1]")]


def test_numbers_keep_their_digits_and_members_their_order() -> None:
    resource = parse(
        b'{"resourceType":"Observation","valueQuantity":{"value":1e3,"unit":"g"},"status":"final","code":{"text":"x"}}'
    )
    value = parse(b'{"valueDecimal":2.50}')
    patch = patch_of(operation("replace", "Observation.value.value", value=value))
    assert dumps(apply_patch(resource, patch_of())) == dumps(resource)
    assert dumps(apply_patch(resource, patch)) == dumps(resource).replace(b"1e3", b"2.50")


def test_more_work_than_one_request_may_take_is_refused() -> None:
    resource = patient(identifier=identifiers(*range(2000)))
    patch = patch_of(*[operation("delete", f"Patient.identifier.where(value = '{'x' * 60}')")] * MAX_OPERATIONS)
    error = refusal(lambda: apply_patch(resource, patch))
    assert (error.status, error.issues[0].code) == (422, "too-costly")


def test_nesting_without_end_is_refused() -> None:
    nested: Json = {"linkId": "x", "type": "group"}
    for _ in range(20):
        nested = {"linkId": "x", "type": "group", "item": [nested]}
    questionnaire: Json = {"resourceType": "Questionnaire", "status": "draft", "item": [nested]}

    def deeper(path: str) -> Json:
        parts = [{"name": "linkId", "valueString": "x"}, {"name": "type", "valueCode": "group"}]
        return operation("add", path, name="item", value={"part": parts})

    operations = [deeper("Questionnaire" + ".item" * depth) for depth in range(21, 60)]
    error = refusal(lambda: apply_patch(questionnaire, patch_of(*operations)))
    assert (error.status, error.issues[0].code) == (422, "too-costly")


def test_the_functions_that_a_path_may_have_are_documented() -> None:
    error = refusal(lambda: apply_patch(patient(), patch_of(operation("delete", "Patient.descendants()"))))
    listed = error.issues[0].diagnostics.partition("these are: ")[2].rstrip(".").split(", ")
    page = (Path(__file__).parents[3] / "docs" / "patch.md").read_text().partition("A path may have the functions `")[2]
    assert page.partition("`")[0].split() == listed
