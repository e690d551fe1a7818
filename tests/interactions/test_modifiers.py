"""Modifiers and special parameters of search (FHIR R4, search.html#modifiers and #all)."""

from typing import Any

import httpx
import pytest

MRN = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">Walks <b>by the river</b> every morning</div>'


def location(id: str, part_of: str | None = None, at: tuple[float, float] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"resourceType": "Location", "id": id, "name": id}
    if part_of:
        found["partOf"] = {"reference": f"Location/{part_of}"}
    if at:
        found["position"] = {"latitude": at[0], "longitude": at[1]}
    return found


def encounter(id: str, code: str, at: str) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": id,
        "status": "finished",
        "class": {"system": ACT, "code": code},
        "subject": {"reference": "Patient/a"},
        "location": [{"location": {"reference": f"Location/{at}"}}],
    }


def questionnaire(id: str, url: str) -> dict[str, Any]:
    return {"resourceType": "Questionnaire", "id": id, "status": "active", "url": url}


RESOURCES: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "a",
        "name": [{"family": "Jiménez", "given": ["José"]}],
        "identifier": [{"type": MRN, "system": "http://example.org/mrn", "value": "12"}],
    },
    {
        "resourceType": "Patient",
        "id": "b",
        "name": [{"family": "Smyth"}],
        "identifier": [{"system": "http://example.org/mrn", "value": "12"}],
        "deceasedBoolean": True,
    },
    {
        "resourceType": "Condition",
        "id": "panic",
        "code": {"text": "Panic attacks", "coding": [{"code": "F41.0", "display": "Panic disorder"}]},
        "subject": {"reference": "Patient/a", "display": "José J."},
        "text": {"status": "generated", "div": DIV},
    },
    {
        "resourceType": "Condition",
        "id": "low",
        "code": {"coding": [{"code": "F32.1", "display": "Épisode dépressif"}]},
        "subject": {"reference": "Patient/a"},
        "note": [{"text": "Sleeps badly since the move; river walks help."}],
    },
    location("house"),
    location("floor", "house"),
    location("room", "floor"),
    location("shed", at=(42.2808, -83.7430)),
    location("far", at=(41.8781, -87.6298)),
    encounter("in-room", "ACUTE", "room"),
    encounter("on-floor", "IMP", "floor"),
    encounter("in-shed", "AMB", "shed"),
    questionnaire("sleep", "http://example.org/forms/sleep"),
    questionnaire("sleep-long", "http://example.org/forms/sleep/long"),
    questionnaire("sleepless", "http://example.org/forms/sleepless"),
    {
        "resourceType": "List",
        "id": "problems",
        "status": "current",
        "mode": "working",
        "entry": [{"item": {"reference": "Condition/panic"}}],
    },
    {
        "resourceType": "ValueSet",
        "id": "stays",
        "url": "http://example.org/ValueSet/stays",
        "status": "active",
        "compose": {"include": [{"system": ACT, "concept": [{"code": "ACUTE"}, {"code": "NONAC"}]}]},
    },
]


@pytest.fixture(scope="module")
def record(server: Any) -> Any:
    """A tenant with all of `RESOURCES`."""
    with server.client(server.token(server.new_tenant())) as http:
        for one in RESOURCES:
            answer = http.put(f"/{one['resourceType']}/{one['id']}", json=one)
            assert answer.status_code == 201, answer.text
        yield http


def found(client: httpx.Client, query: str) -> list[str]:
    answer = client.get(f"/{query}")
    assert answer.status_code == 200, answer.text
    return sorted(entry["resource"]["id"] for entry in answer.json().get("entry", []))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|12", ["a"]),
        ("Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|13", []),
        ("Condition?code:text=panic", ["panic"]),
        ("Condition?code:text=panic%20dis", ["panic"]),
        ("Condition?code:text=EPISODE%20DEP", ["low"]),
        ("Condition?code:text=attacks", []),
        ("Condition?code:text=panic,episode", ["low", "panic"]),
        ("Patient?phonetic=gimenes", ["a"]),
        ("Patient?phonetic=jose%20gimenez", ["a"]),
        ("Patient?phonetic=smith", ["b"]),
        ("Patient?phonetic=miller", []),
        ("Patient?deceased=false", ["a"]),
        ("Patient?deceased=true", ["b"]),
        ("Encounter?class:below=" + ACT + "|_ActEncounterCode", ["in-room", "in-shed", "on-floor"]),
        ("Encounter?class:below=" + ACT + "|IMP", ["in-room", "on-floor"]),
        ("Encounter?class:above=" + ACT + "|ACUTE", ["in-room", "on-floor"]),
        ("Encounter?class:in=http://example.org/ValueSet/stays", ["in-room"]),
        ("Encounter?class:in=ValueSet/stays", ["in-room"]),
        ("Encounter?class:not-in=http://example.org/ValueSet/stays", ["in-shed", "on-floor"]),
        ("Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender", []),
        ("Encounter?status:in=http://hl7.org/fhir/ValueSet/encounter-status", ["in-room", "in-shed", "on-floor"]),
        ("Encounter?status=http://hl7.org/fhir/encounter-status|", ["in-room", "in-shed", "on-floor"]),
        ("Encounter?status=http://hl7.org/fhir/goal-status|", []),
        ("Encounter?location:below=Location/house", ["in-room", "on-floor"]),
        ("Encounter?location:below=floor", ["in-room", "on-floor"]),
        ("Encounter?location:above=room", ["in-room", "on-floor"]),
        ("Encounter?location:above=house", []),
        ("Location?partof:below=house", ["floor", "room"]),
        ("Questionnaire?url:below=http://example.org/forms/sleep", ["sleep", "sleep-long"]),
        ("Questionnaire?url:below=http://example.org/forms/", ["sleep", "sleep-long", "sleepless"]),
        ("Questionnaire?url:above=http://example.org/forms/sleep/long/very", ["sleep", "sleep-long"]),
        ("Condition?_list=problems", ["panic"]),
        ("Condition?_list=List/problems&code=F32.1", []),
        ("Condition?_list=other", []),
        ("Condition?_text=river", ["panic"]),
        ("Condition?_text=river%20-morning", []),
        ("Condition?_content=river", ["low", "panic"]),
        ("Condition?_content=badly", ["low"]),
        ("Location?near=42.25|-83.69|11.2|km", ["shed"]),
        ("Location?near=42.25|-83.69|500|km", ["far", "shed"]),
        ("Location?near=42.25|-83.69", ["shed"]),
        ("Condition?subject:Patient.phonetic=gimenez", ["low", "panic"]),
        ("Condition?_contained=false&code=F32.1", ["low"]),
    ],
)
def test_modifiers_and_special_parameters(record: httpx.Client, query: str, expected: list[str]) -> None:
    assert found(record, query) == expected


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("Condition?_list=$current-problems", 400),
        ("Condition?_query=mine", 400),
        ("Condition?_contained=both", 400),
        ("Condition?_text:exact=river", 400),
        ("Patient?identifier:of-type=MR|12", 400),
        ("Patient?phonetic:exact=smith", 400),
        ("Encounter?class:below=IMP", 400),
        ("Encounter?class:in=http://example.org/ValueSet/nothing", 400),
        ("Condition?code:below=http://snomed.info/sct|73211009", 422),
        ("Encounter?subject:below=a", 400),
        ("Location?near=1000|0", 400),
        ("Patient?near=1|0", 400),
    ],
)
def test_what_cannot_be_answered_is_refused(record: httpx.Client, query: str, status: int) -> None:
    answer = record.get(f"/{query}")
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome"), answer.text


def test_a_value_set_of_another_tenant_is_not_known(record: httpx.Client, server: Any) -> None:
    with server.client(server.token(server.new_tenant())) as other:
        assert other.get("/Encounter?class:in=http://example.org/ValueSet/stays").status_code == 400
        assert other.get("/Encounter?class:in=ValueSet/stays").status_code == 400


def test_a_conditional_write_may_ask_by_value_set(record: httpx.Client) -> None:
    sent = {name: value for name, value in encounter("", "ACUTE", "room").items() if name != "id"}
    answer = record.post("/Encounter", json=sent, headers={"If-None-Exist": "class:in=ValueSet/stays"})
    assert (answer.status_code, answer.json()["id"]) == (200, "in-room")
