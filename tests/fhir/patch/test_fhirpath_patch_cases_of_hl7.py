from copy import deepcopy

import pytest

from bhr_api.fhir.patch.fhirpath_patch import apply_patch
from tests.fhir.patch.fhirpath_samples import (
    BORN,
    CONTACT,
    FOUR,
    MARRIED,
    NEW_BORN,
    THREE,
    TWO,
    identifiers,
    insert,
    move,
)
from tests.fhir.patch.patch_samples import Json, operation, patch_of, patient

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
