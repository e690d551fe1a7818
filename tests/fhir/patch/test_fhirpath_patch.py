from copy import deepcopy
from decimal import Decimal

import pytest

from bhr_api.fhir.patch.fhirpath_patch import apply_patch
from tests.fhir.patch.fhirpath_samples import (
    BORN,
    NEW_BORN,
    NOTED,
    NOTED_NAME,
    OBSERVATION,
    PLAIN_NAMES,
    TWO,
)
from tests.fhir.patch.patch_samples import Json, operation, patch_of, patient


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
