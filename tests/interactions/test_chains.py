"""Chained parameters and `_has` (FHIR R4, search.html#chaining and #has)."""

from typing import Any

import httpx
import pytest

from tests.fixtures.server import RunningServer

PROMIS = "http://example.org/Questionnaire/sleep"


def reference(target: str) -> dict[str, str]:
    return {"reference": target}


RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Organization", "id": "clinic", "name": "Harbour Clinic"},
    {"resourceType": "Organization", "id": "school", "name": "Hill School"},
    {
        "resourceType": "Practitioner",
        "id": "lee",
        "name": [{"family": "Lee"}],
        "identifier": [{"system": "http://example.org/npi", "value": "1"}],
    },
    {
        "resourceType": "Patient",
        "id": "a",
        "name": [{"family": "Amadi"}],
        "gender": "female",
        "managingOrganization": reference("Organization/clinic"),
        "generalPractitioner": [reference("Practitioner/lee")],
    },
    {
        "resourceType": "Patient",
        "id": "b",
        "name": [{"family": "Brun"}],
        "gender": "male",
        "managingOrganization": reference("Organization/school"),
    },
    {"resourceType": "Group", "id": "team", "type": "person", "actual": True, "name": "Amadi family"},
    *(
        {
            "resourceType": "Goal",
            "id": id,
            "lifecycleStatus": status,
            "description": {"text": id},
            "subject": reference(subject),
        }
        for id, status, subject in (
            ("sleep", "active", "Patient/a"),
            ("walk", "completed", "Patient/a"),
            ("read", "active", "Patient/b"),
            ("eat", "active", "Group/team"),
        )
    ),
    {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "subject": reference("Patient/a"),
        "goal": [reference("Goal/sleep"), reference("Goal/walk")],
    },
    {
        "resourceType": "Questionnaire",
        "id": "q",
        "status": "active",
        "url": PROMIS,
        "version": "1.0",
        "title": "Sleep in the last week",
    },
    {
        "resourceType": "QuestionnaireResponse",
        "id": "r",
        "status": "completed",
        "questionnaire": f"{PROMIS}|1.0",
        "subject": reference("Patient/b"),
    },
]


@pytest.fixture
def record(client: httpx.Client) -> httpx.Client:
    """Two patients of two organizations, a group, goals of all three, a plan with goals, a form and its response."""
    entries = [
        {"request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}, "resource": one}
        for one in RESOURCES
    ]
    answer = client.post("/", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text
    return client


def found(client: httpx.Client, query: str) -> list[str]:
    answer = client.get(f"/{query}")
    assert answer.status_code == 200, answer.text
    return sorted(entry["resource"]["id"] for entry in answer.json().get("entry", []))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Goal?subject:Patient.name=amadi", ["sleep", "walk"]),
        ("Goal?patient.name=amadi", ["sleep", "walk"]),
        ("Goal?subject:Group.type=person", ["eat"]),
        ("Goal?subject.identifier=nobody", []),
        ("Goal?patient.name=amadi,brun", ["read", "sleep", "walk"]),
        ("Goal?patient.gender=female&patient.name=brun", []),
        ("Goal?patient.gender:not=female", ["read"]),
        ("Goal?patient.name:exact=Amadi&lifecycle-status=active", ["sleep"]),
        ("Goal?patient.organization.name=harbour", ["sleep", "walk"]),
        ("Goal?patient.organization=Organization/school", ["read"]),
        ("Goal?patient.general-practitioner:Practitioner.identifier=http://example.org/npi|1", ["sleep", "walk"]),
        ("Goal?patient.general-practitioner.name=lee", ["sleep", "walk"]),
        ("Goal?patient.general-practitioner:missing=true", ["read"]),
        ("Goal?patient._id=b", ["read"]),
        ("CarePlan?goal.lifecycle-status=completed", ["plan"]),
        ("CarePlan?goal.patient.name=amadi", ["plan"]),
        ("CarePlan?goal.lifecycle-status=rejected", []),
        ("QuestionnaireResponse?questionnaire.title=sleep", ["r"]),
        ("QuestionnaireResponse?questionnaire:Questionnaire.title=work", []),
        ("Patient?_has:Goal:patient:lifecycle-status=completed", ["a"]),
        ("Patient?_has:Goal:subject:lifecycle-status=active", ["a", "b"]),
        ("Patient?_has:Goal:patient:lifecycle-status=active&_has:Goal:patient:lifecycle-status=completed", ["a"]),
        ("Patient?_has:Goal:patient:lifecycle-status=active&gender=male", ["b"]),
        ("Group?_has:Goal:subject:lifecycle-status=active", ["team"]),
        ("Goal?_has:CarePlan:goal:status=active", ["sleep", "walk"]),
        ("Goal?_has:CarePlan:goal:patient.name=amadi", ["sleep", "walk"]),
        ("Patient?_has:Goal:patient:_has:CarePlan:goal:status=active", ["a"]),
        ("Organization?_has:Patient:organization:_has:Goal:patient:lifecycle-status=completed", ["clinic"]),
        ("Questionnaire?_has:QuestionnaireResponse:questionnaire:status=completed", ["q"]),
        ("Goal?patient._has:QuestionnaireResponse:patient:status=completed", ["read"]),
        ("Goal?patient:missing=true", ["eat"]),
    ],
)
def test_chains_find_what_refers_and_what_is_referred_to(record: httpx.Client, query: str, expected: list[str]) -> None:
    assert found(record, query) == expected


def test_a_chain_tells_nothing_about_another_patient(record: httpx.Client, client_with: Any) -> None:
    of_b = client_with("patient/*.rs", patient="b")
    assert found(of_b, "Organization?_has:Patient:organization:name=amadi") == []
    assert found(of_b, "Organization?_has:Patient:organization:name=brun") == ["school"]
    assert found(of_b, "Practitioner?_has:Patient:general-practitioner:gender=female") == []


def test_a_chain_through_a_type_that_may_not_be_searched_is_refused(record: httpx.Client, client_with: Any) -> None:
    goals = client_with("system/Goal.rs")
    for query in (
        "Goal?patient.name=amadi",
        "Goal?subject:Patient.gender=female",
        "Goal?_has:CarePlan:goal:status=active",
    ):
        hit = goals.get(f"/{query}")
        miss = goals.get(f"/{query}nothing")
        assert (hit.status_code, hit.json()) == (403, miss.json())


def test_an_untyped_chain_goes_only_where_the_caller_may_search(record: httpx.Client, client_with: Any) -> None:
    assert found(client_with("system/Goal.rs system/Group.rs"), "Goal?subject.identifier:missing=true") == ["eat"]
    assert found(record, "Goal?subject.identifier:missing=true") == ["eat", "read", "sleep", "walk"]


def test_a_chain_of_another_tenant_leads_nowhere(record: httpx.Client, server: RunningServer) -> None:
    other_client = server.client(server.token(server.new_tenant()))
    other_client.put(
        "/Goal/theirs",
        json={
            "resourceType": "Goal",
            "id": "theirs",
            "lifecycleStatus": "active",
            "description": {"text": "theirs"},
            "subject": reference("Patient/a"),
        },
    )
    assert found(other_client, "Goal?patient.name=amadi") == []
    assert found(record, "Patient?_has:Goal:patient:description=theirs") == []
    other_client.close()


def test_chains_that_lead_everywhere_are_bounded(record: httpx.Client) -> None:
    answer = record.get("/Provenance?" + "entity.target.agent." * 4 + "target=x")
    assert answer.status_code == 400
    deep = record.get("/Patient?" + "link:Patient." * 11 + "name=a")
    assert (deep.status_code, deep.json()["issue"][0]["code"]) == (400, "too-costly")
    assert record.get("/Patient?" + "link:Patient." * 10 + "name=a").status_code == 200
    assert record.get("/Provenance?target.part-of.part-of.part-of.part-of.part-of=x").json()["issue"][0]["code"] == (
        "too-costly"
    )
