"""The record that `_filter` is asked of, and how it is asked."""

from typing import Any
from urllib.parse import urlencode

import httpx

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
LOINC = "http://loinc.org"
LOCAL = "http://example.org/codes"
MRN = "http://example.org/mrn"
UCUM = "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">Walks by the river</div>'


def refer(target: str) -> dict[str, str]:
    return {"reference": target}


def patient(id: str, names: list[dict[str, Any]], gender: str | None, born: str | None, **more: Any) -> dict[str, Any]:
    found = {"resourceType": "Patient", "id": id, "name": names, **more}
    return found | ({"gender": gender} if gender else {}) | ({"birthDate": born} if born else {})


def observation(
    id: str, subject: str, codings: list[tuple[str, str]], when: str | None = None, **more: Any
) -> dict[str, Any]:
    found = {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": system, "code": code} for system, code in codings]},
        "subject": refer(subject),
        **more,
    }
    return found | ({"effectiveDateTime": when} if when else {})


def milligrams(value: float, unit: str = "mg") -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def encounter(id: str, code: str, start: str, end: str, practitioners: list[str]) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": id,
        "status": "finished",
        "class": {"system": ACT, "code": code},
        "subject": refer("Patient/peter"),
        "period": {"start": start, "end": end},
        "participant": [{"individual": refer(f"Practitioner/{name}")} for name in practitioners],
    }


RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Organization", "id": "clinic", "name": "Harbour Clinic"},
    {"resourceType": "Practitioner", "id": "lee", "name": [{"family": "Lee"}]},
    {"resourceType": "Practitioner", "id": "ono", "name": [{"family": "Ono"}]},
    patient(
        "peter",
        [{"family": "Jiménez", "given": ["Peter", "Ray"]}],
        "male",
        "2014-10-12",
        identifier=[{"system": MRN, "value": "12"}, {"system": MRN, "value": "AB-9"}],
        managingOrganization=refer("Organization/clinic"),
        generalPractitioner=[refer("Practitioner/lee")],
        active=True,
    ),
    patient(
        "petra",
        [{"family": "Carpet", "given": ["Petra"]}],
        "female",
        "1990-05-01",
        identifier=[{"system": MRN, "value": "12"}],
        telecom=[{"system": "phone", "use": "home", "value": "555"}],
        address=[{"use": "home", "city": "Ann Arbor"}, {"use": "work", "city": "Detroit"}],
        meta={"profile": ["http://example.org/p/a", "http://example.org/p/b"]},
    ),
    patient("noah", [{"family": "Smyth", "given": ["No\\ah, Jr"]}], None, "1990"),
    patient("anon", [{"text": "(unknown) [x]"}], "unknown", None),
    observation("phq", "Patient/peter", [(LOINC, "44261-6"), (LOCAL, "phq")], "2024-03-05", valueQuantity=milligrams(15)),
    observation("dose", "Patient/petra", [(LOCAL, "dose")], "2024-03", valueQuantity=milligrams(5.4, "g")),
    observation("plain", "Patient/petra", [(LOINC, "1234-5")], category=[
        {"coding": [{"system": CATEGORY, "code": "survey"}]},
        {"coding": [{"system": CATEGORY, "code": "exam"}]},
    ]),
    observation("survey", "Patient/noah", [(LOINC, "1234-5")], "2023", category=[
        {"coding": [{"system": CATEGORY, "code": "survey"}]},
    ]),
    encounter("acute", "ACUTE", "2024-01-10", "2024-01-20", ["lee", "ono"]),
    encounter("inpatient", "IMP", "2024-02-01", "2024-02-03", ["lee"]),
    encounter("ambulatory", "AMB", "2024-03-01", "2024-03-01", ["ono"]),
    {"resourceType": "Questionnaire", "id": "sleep", "status": "active", "url": "http://example.org/forms/Sleep"},
    {"resourceType": "Questionnaire", "id": "walk", "status": "draft", "url": "http://example.org/forms/walk"},
    {
        "resourceType": "RiskAssessment",
        "id": "low",
        "status": "final",
        "subject": refer("Patient/peter"),
        "prediction": [{"probabilityDecimal": 0.2}],
    },
    {
        "resourceType": "RiskAssessment",
        "id": "high",
        "status": "final",
        "subject": refer("Patient/peter"),
        "prediction": [{"probabilityDecimal": 0.8}, {"probabilityDecimal": 0.2}],
    },
    {
        "resourceType": "Condition",
        "id": "panic",
        "code": {"coding": [{"code": "F41.0"}]},
        "subject": refer("Patient/peter"),
        "text": {"status": "generated", "div": DIV},
    },
    {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "subject": refer("Patient/peter"),
        "instantiatesCanonical": ["http://example.org/plans/sleep|2", "http://example.org/plans/walk"],
        "activity": [
            {"reference": refer("Task/one/_history/2")},
            {"reference": refer("https://elsewhere.example/fhir/Task/two")},
        ],
    },
    {
        "resourceType": "CarePlan",
        "id": "short",
        "status": "active",
        "intent": "plan",
        "subject": refer("Patient/peter"),
        "instantiatesCanonical": ["http://example.org/plans/sleep|2"],
        "activity": [{"reference": refer("Task/one/_history/2")}],
    },
    {
        "resourceType": "ValueSet",
        "id": "stays",
        "url": "http://example.org/ValueSet/stays",
        "status": "active",
        "compose": {"include": [{"system": ACT, "concept": [{"code": "ACUTE"}, {"code": "NONAC"}]}]},
    },
]  # fmt: skip


def put(http: httpx.Client, resources: list[dict[str, Any]]) -> None:
    for one in resources:
        answer = http.put(f"/{one['resourceType']}/{one['id']}", json=one)
        assert answer.status_code == 201, answer.text


def ask(client: httpx.Client, resource_type: str, text: str) -> httpx.Response:
    return client.get(f"/{resource_type}", params={"_filter": text})


def posted(client: httpx.Client, text: str) -> httpx.Response:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return client.post("/Patient/_search", content=urlencode({"_filter": text}), headers=form)


def found(client: httpx.Client, resource_type: str, parameters: list[tuple[str, str]]) -> list[str]:
    answer = client.get(f"/{resource_type}", params=httpx.QueryParams(urlencode(parameters)))
    assert answer.status_code == 200, answer.text
    return sorted(entry["resource"]["id"] for entry in answer.json().get("entry", []))
