from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bhr_api.fhir.json_text import dumps, parse
from bhr_api.fhir.patch.fhirpath_patch import apply_patch
from bhr_api.fhir.patch.refusals import MAX_OPERATIONS
from tests.fhir.patch.json_samples import refusal
from tests.fhir.patch.patch_samples import Json, operation, patch_of, patient


def identifiers(*numbers: int) -> list[Json]:
    return [{"system": "http://example.org", "value": f"value {number}"} for number in numbers]


def move(source: int, destination: int) -> Json:
    return operation("move", "Patient.identifier", source=source, destination=destination)


def insert(index: int) -> Json:
    return operation("insert", "Patient.identifier", index=index, value={"valueIdentifier": identifiers(3)[0]})


BORN = patient(birthDate="1920-01-01")
CONTACT = patient(contact=[{"name": {"text": "a name"}, "gender": "male"}])
TWO = patient(identifier=identifiers(1, 2))
THREE = patient(identifier=identifiers(1, 2, 3))
FOUR = patient(identifier=identifiers(1, 2, 3, 4))
MARRIED = patient(maritalStatus={"id": "1", "text": "married"})
NEW_BORN = {"valueDate": "1930-01-01"}

# The cases of HL7's fhir-test-cases, r4/patch/fhir-path-tests.xml, by their names.
HL7_CASES = [
    pytest.param(BORN, [], BORN, id="no-difference"),
    pytest.param(
        BORN,
        [operation("replace", "Patient.birthDate", value=NEW_BORN)],
        patient(birthDate="1930-01-01"),
        id="replace-primitive",
    ),
    pytest.param(BORN, [operation("delete", "Patient.birthDate")], patient(), id="delete-primitive"),
    pytest.param(
        patient(),
        [operation("add", "Patient", name="birthDate", value=NEW_BORN)],
        patient(birthDate="1930-01-01"),
        id="add-primitive",
    ),
    pytest.param(
        CONTACT,
        [operation("replace", "Patient.contact[0].gender", value={"valueCode": "female"})],
        patient(contact=[{"name": {"text": "a name"}, "gender": "female"}]),
        id="replace-nested-1",
    ),
    pytest.param(
        CONTACT,
        [operation("replace", "Patient.contact[0].name.text", value={"valueString": "the name"})],
        patient(contact=[{"name": {"text": "the name"}, "gender": "male"}]),
        id="replace-nested-2",
    ),
    pytest.param(
        CONTACT,
        [operation("delete", "Patient.contact[0].gender")],
        patient(contact=[{"name": {"text": "a name"}}]),
        id="delete-nested-1",
    ),
    pytest.param(
        CONTACT,
        [operation("delete", "Patient.contact[0].name.text")],
        patient(contact=[{"gender": "male"}]),
        id="delete-nested-2",
    ),
    pytest.param(
        patient(contact=[{"name": {"text": "a name"}}]),
        [operation("add", "Patient.contact[0]", name="gender", value={"valueCode": "male"})],
        CONTACT,
        id="add-nested",
    ),
    pytest.param(
        patient(),
        [operation("add", "Patient", name="maritalStatus", value={"valueCodeableConcept": {"text": "married"}})],
        patient(maritalStatus={"text": "married"}),
        id="add-complex",
    ),
    pytest.param(
        MARRIED,
        [
            operation(
                "replace",
                "Patient.maritalStatus",
                value={"valueCodeableConcept": {"id": "2", "text": "not married"}},
            )
        ],
        patient(maritalStatus={"id": "2", "text": "not married"}),
        id="replace-complex",
    ),
    pytest.param(MARRIED, [operation("delete", "Patient.maritalStatus")], patient(), id="delete-complex"),
    pytest.param(
        patient(),
        [
            operation(
                "add",
                "Patient",
                name="contact",
                value={"part": [{"name": "name", "valueHumanName": {"text": "a name"}}]},
            )
        ],
        patient(contact=[{"name": {"text": "a name"}}]),
        id="add-anonymous",
    ),
    pytest.param(CONTACT, [operation("delete", "Patient.contact[0]")], patient(), id="delete-anonymous"),
    pytest.param(TWO, [], TWO, id="list-unchanged"),
    pytest.param(
        TWO,
        [
            operation("replace", "Patient.identifier[0].value", value={"valueString": "value 2"}),
            operation("replace", "Patient.identifier[1].value", value={"valueString": "value 1"}),
        ],
        patient(identifier=identifiers(2, 1)),
        id="list-contents-changed",
    ),
    pytest.param(TWO, [insert(2)], patient(identifier=identifiers(1, 2, 3)), id="add-to-list"),
    pytest.param(TWO, [insert(1)], patient(identifier=identifiers(1, 3, 2)), id="insert-1"),
    pytest.param(TWO, [insert(0)], patient(identifier=identifiers(3, 1, 2)), id="insert-2"),
    pytest.param(
        THREE, [operation("delete", "Patient.identifier[0]")], patient(identifier=identifiers(2, 3)), id="delete-1"
    ),
    pytest.param(
        THREE, [operation("delete", "Patient.identifier[1]")], patient(identifier=identifiers(1, 3)), id="delete-2"
    ),
    pytest.param(
        THREE, [operation("delete", "Patient.identifier[2]")], patient(identifier=identifiers(1, 2)), id="delete-3"
    ),
    pytest.param(FOUR, [move(3, 1)], patient(identifier=identifiers(1, 4, 2, 3)), id="reorder-1"),
    pytest.param(FOUR, [move(3, 0)], patient(identifier=identifiers(4, 1, 2, 3)), id="reorder-2"),
    pytest.param(FOUR, [move(3, 2)], patient(identifier=identifiers(1, 2, 4, 3)), id="reorder-3"),
    pytest.param(FOUR, [move(0, 3)], patient(identifier=identifiers(2, 3, 4, 1)), id="reorder-4"),
    pytest.param(FOUR, [move(1, 0), move(2, 1)], patient(identifier=identifiers(2, 3, 1, 4)), id="reorder-5"),
    pytest.param(
        FOUR, [move(3, 0), move(3, 1), move(3, 2)], patient(identifier=identifiers(4, 3, 2, 1)), id="reorder-6"
    ),
    pytest.param(
        patient(),
        [operation("add", "Patient", name="identifier", value={"valueIdentifier": identifiers(3)[0]})],
        patient(identifier=identifiers(3)),
        id="missing-element-2",
    ),
    pytest.param(
        patient(text={"status": "generated", "div": "<div>a</div>"}, name=[{"family": "Chalmers"}, {"given": ["Jim"]}]),
        [
            operation("replace", "Patient.text.div", value={"valueString": "<div>b</div>"}),
            operation("replace", "Patient.name[0].family", value={"valueString": "Chalmers1"}),
        ],
        patient(
            text={"status": "generated", "div": "<div>b</div>"}, name=[{"family": "Chalmers1"}, {"given": ["Jim"]}]
        ),
        id="full-resource",
    ),
]


@pytest.mark.parametrize(("resource", "operations", "expected"), HL7_CASES)
def test_the_cases_of_hl7_apply(resource: Json, operations: list[Json], expected: Json) -> None:
    before = deepcopy(resource)
    assert apply_patch(resource, patch_of(*operations)) == expected
    assert resource == before


PLAIN_NAMES = patient(name=[{"given": ["Ann", "Ann"]}, {"given": ["Ann"]}], gender="male")
NOTED: Json = {"extension": [{"url": "http://example.org/note", "valueString": "x"}]}
NOTED_NAME = patient(name=[{"given": ["Ann", "Bo", "Cy"], "_given": [None, NOTED, None]}])
OBSERVATION: Json = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


@pytest.mark.parametrize(
    ("resource", "operations", "expected"),
    [
        pytest.param(
            PLAIN_NAMES,
            [operation("replace", "Patient.name[0].given[1]", value={"valueString": "Bo"})],
            patient(name=[{"given": ["Ann", "Bo"]}, {"given": ["Ann"]}], gender="male"),
            id="the-second-of-equal-texts",
        ),
        pytest.param(
            PLAIN_NAMES,
            [operation("delete", "Patient.name.last().given.where($this = 'Ann')")],
            patient(name=[{"given": ["Ann", "Ann"]}], gender="male"),
            id="an-equal-text-elsewhere",
        ),
        pytest.param(
            {**OBSERVATION, "component": [{"valueInteger": 1}, {"valueInteger": 1}]},
            [operation("replace", "Observation.component[1].value", value={"valueInteger": 2})],
            {**OBSERVATION, "component": [{"valueInteger": 1}, {"valueInteger": 2}]},
            id="equal-numbers",
        ),
        pytest.param(
            NOTED_NAME,
            [operation("delete", "Patient.name.given[0]")],
            patient(name=[{"given": ["Bo", "Cy"], "_given": [NOTED, None]}]),
            id="delete-keeps-companions-aligned",
        ),
        pytest.param(
            NOTED_NAME,
            [operation("delete", "Patient.name.given[1]")],
            patient(name=[{"given": ["Ann", "Cy"]}]),
            id="delete-takes-the-companion",
        ),
        pytest.param(
            NOTED_NAME,
            [operation("move", "Patient.name.given", source=1, destination=2)],
            patient(name=[{"given": ["Ann", "Cy", "Bo"], "_given": [None, None, NOTED]}]),
            id="move-takes-the-companion",
        ),
        pytest.param(
            NOTED_NAME,
            [operation("insert", "Patient.name.given", index=0, value={"valueString": "Di"})],
            patient(name=[{"given": ["Di", "Ann", "Bo", "Cy"], "_given": [None, None, NOTED, None]}]),
            id="insert-keeps-companions-aligned",
        ),
        pytest.param(
            NOTED_NAME,
            [operation("replace", "Patient.name.given[1]", value={"valueString": "Di"})],
            patient(name=[{"given": ["Ann", "Di", "Cy"], "_given": [None, NOTED, None]}]),
            id="replace-keeps-the-extension",
        ),
        pytest.param(
            NOTED_NAME,
            [operation("replace", "Patient.name.given[1]", value={"valueString": "Di", "_valueString": {"id": "n"}})],
            patient(name=[{"given": ["Ann", "Di", "Cy"], "_given": [None, {"id": "n"}, None]}]),
            id="replace-by-a-value-with-its-own",
        ),
        pytest.param(
            patient(birthDate="1920-01-01", _birthDate=NOTED),
            [operation("replace", "Patient.birthDate", value=NEW_BORN)],
            patient(birthDate="1930-01-01", _birthDate=NOTED),
            id="replace-keeps-the-extension-of-one",
        ),
        pytest.param(
            patient(birthDate="1920-01-01", _birthDate=NOTED),
            [operation("delete", "Patient.birthDate.extension[0]")],
            patient(birthDate="1920-01-01"),
            id="delete-the-last-extension",
        ),
        pytest.param(
            patient(name=[{"given": ["Ann", None], "_given": [None, NOTED]}]),
            [operation("delete", "Patient.name.given[1].extension")],
            patient(name=[{"given": ["Ann"]}]),
            id="delete-the-extension-that-was-all",
        ),
        pytest.param(
            patient(_birthDate=NOTED),
            [operation("replace", "Patient.birthDate", value=NEW_BORN)],
            patient(birthDate="1930-01-01", _birthDate=NOTED),
            id="replace-what-had-no-value",
        ),
        pytest.param(
            BORN,
            [
                operation(
                    "add",
                    "Patient.birthDate",
                    name="extension",
                    value={
                        "part": [
                            {"name": "url", "valueUri": "http://example.org/note"},
                            {"name": "value", "valueString": "x"},
                        ]
                    },
                )
            ],
            patient(birthDate="1920-01-01", _birthDate=NOTED),
            id="add-an-extension-to-a-primitive",
        ),
        pytest.param(
            OBSERVATION,
            [operation("add", "Observation", name="value", value={"valueQuantity": {"value": Decimal("1.10")}})],
            {**OBSERVATION, "valueQuantity": {"value": Decimal("1.10")}},
            id="add-a-choice",
        ),
        pytest.param(
            OBSERVATION,
            [operation("add", "Observation", name="valueInteger", value={"valueInteger": 3})],
            {**OBSERVATION, "valueInteger": 3},
            id="add-a-choice-by-its-json-name",
        ),
        pytest.param(
            {**OBSERVATION, "valueString": "x", "_valueString": NOTED},
            [operation("replace", "Observation.value", value={"valueBoolean": True})],
            {**OBSERVATION, "valueBoolean": True, "_valueBoolean": NOTED},
            id="replace-a-choice-by-another-type",
        ),
        pytest.param(
            {**OBSERVATION, "valueString": "x", "_valueString": NOTED},
            [operation("replace", "Observation.value", value={"valueQuantity": {"value": 1}})],
            {**OBSERVATION, "valueQuantity": {"value": 1}},
            id="replace-a-primitive-choice-by-a-complex-one",
        ),
        pytest.param(
            {**OBSERVATION, "valueQuantity": {"value": 1}},
            [operation("replace", "Observation.value.ofType(Quantity)", value={"valueString": "x"})],
            {**OBSERVATION, "valueString": "x"},
            id="replace-a-complex-choice-by-a-primitive-one",
        ),
        pytest.param(
            patient(
                contained=[{"resourceType": "Organization", "id": "o", "name": "A"}],
                managingOrganization={"reference": "#o"},
            ),
            [operation("replace", "Patient.managingOrganization.resolve().name", value={"valueString": "B"})],
            patient(
                contained=[{"resourceType": "Organization", "id": "o", "name": "B"}],
                managingOrganization={"reference": "#o"},
            ),
            id="resolve-a-contained-resource",
        ),
        pytest.param(
            patient(),
            [
                operation(
                    "add",
                    "Patient",
                    name="contained",
                    value={"resource": {"resourceType": "Organization", "id": "o", "name": "A"}},
                ),
                operation(
                    "add",
                    "Patient",
                    name="managingOrganization",
                    value={"valueReference": {"reference": "#o"}},
                ),
            ],
            patient(
                contained=[{"resourceType": "Organization", "id": "o", "name": "A"}],
                managingOrganization={"reference": "#o"},
            ),
            id="add-a-contained-resource-and-refer-to-it",
        ),
        pytest.param(
            patient(),
            [
                operation(
                    "add",
                    "Patient",
                    name="contact",
                    value={
                        "part": [
                            {"name": "relationship", "valueCodeableConcept": {"text": "a"}},
                            {"name": "relationship", "valueCodeableConcept": {"text": "b"}},
                            {
                                "name": "name",
                                "part": [
                                    {"name": "given", "valueString": "A"},
                                    {"name": "given", "valueString": "B", "_valueString": {"id": "n"}},
                                ],
                            },
                        ]
                    },
                )
            ],
            patient(
                contact=[
                    {
                        "relationship": [{"text": "a"}, {"text": "b"}],
                        "name": {"given": ["A", "B"], "_given": [None, {"id": "n"}]},
                    }
                ]
            ),
            id="parts-within-parts",
        ),
        pytest.param(BORN, [operation("delete", "Patient.name.given")], BORN, id="delete-of-nothing"),
        pytest.param(
            patient(meta={"versionId": "3", "tag": [{"code": "x"}]}),
            [operation("delete", "Patient.meta.tag")],
            patient(meta={"versionId": "3"}),
            id="the-rest-of-meta",
        ),
        pytest.param(
            TWO,
            [operation("delete", "Patient.identifier[0]"), operation("delete", "Patient.identifier[0]")],
            patient(),
            id="each-on-the-outcome-of-the-last",
        ),
        pytest.param(
            patient(gender="male"),
            [operation("replace", "gender", value={"valueString": "female"})],
            patient(gender="female"),
            id="a-string-for-a-code",
        ),
    ],
)
def test_an_operation_changes_what_it_names_and_nothing_else(
    resource: Json, operations: list[Json], expected: Json
) -> None:
    before = deepcopy(resource)
    assert apply_patch(resource, patch_of(*operations)) == expected
    assert resource == before


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
