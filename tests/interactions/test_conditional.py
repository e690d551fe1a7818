"""Conditional interactions (FHIR R4, http.html#ccreate, #cond-update, #cread)."""

from typing import Any

import httpx

IDENTIFIER = {"system": "http://example.org/mrn", "value": "A|1,2"}
ASKED = r"http://example.org/mrn|A\|1\,2"
PATIENT: dict[str, Any] = {"resourceType": "Patient", "identifier": [IDENTIFIER]}


def create(client: httpx.Client, criteria: str = f"identifier={ASKED}") -> httpx.Response:
    return client.post("/Patient", json=PATIENT, headers={"If-None-Exist": criteria})


def test_a_conditional_create_without_match_creates(client: httpx.Client) -> None:
    assert create(client).status_code == 201


def test_a_conditional_create_with_a_match_answers_with_it(client: httpx.Client) -> None:
    first, second = create(client), create(client)
    assert second.status_code == 200
    assert second.json() == first.json()


def test_a_conditional_create_with_several_matches_is_refused(client: httpx.Client) -> None:
    client.post("/Patient", json=PATIENT)
    client.post("/Patient", json=PATIENT)
    answer = create(client)
    assert answer.status_code == 412
    assert answer.json()["issue"][0]["code"] == "multiple-matches"


def test_a_condition_without_criteria_is_refused(client: httpx.Client) -> None:
    assert create(client, "").status_code == 400
    assert client.delete("/Patient").status_code == 400


def test_an_unknown_parameter_in_a_condition_is_refused(client: httpx.Client) -> None:
    assert create(client, "identifer=x").status_code == 400


def test_a_conditional_update_updates_its_match(client: httpx.Client) -> None:
    id = create(client).json()["id"]
    answer = client.put("/Patient", params={"identifier": ASKED}, json={**PATIENT, "gender": "male"})
    assert (answer.status_code, answer.json()["id"]) == (200, id)
    assert answer.json()["meta"]["versionId"] == "2"


def test_a_conditional_update_without_match_creates(client: httpx.Client) -> None:
    answer = client.put("/Patient", params={"identifier": ASKED}, json=PATIENT)
    assert answer.status_code == 201


def test_a_conditional_update_whose_body_is_another_resource_is_refused(client: httpx.Client) -> None:
    create(client)
    answer = client.put("/Patient", params={"identifier": ASKED}, json={**PATIENT, "id": "other"})
    assert answer.status_code == 400


def test_a_conditional_delete_deletes_its_match(client: httpx.Client) -> None:
    id = create(client).json()["id"]
    assert client.delete("/Patient", params={"identifier": ASKED}).status_code == 204
    assert client.get(f"/Patient/{id}").status_code == 410
    assert client.delete("/Patient", params={"identifier": ASKED}).status_code == 204


def test_a_conditional_delete_of_several_is_refused(client: httpx.Client) -> None:
    client.post("/Patient", json=PATIENT)
    client.post("/Patient", json=PATIENT)
    assert client.delete("/Patient", params={"identifier": ASKED}).status_code == 412


def test_if_none_match_spares_the_body(client: httpx.Client) -> None:
    id = create(client).json()["id"]
    answer = client.get(f"/Patient/{id}", headers={"If-None-Match": 'W/"1"'})
    assert (answer.status_code, answer.content) == (304, b"")
    assert client.get(f"/Patient/{id}", headers={"If-None-Match": 'W/"2"'}).status_code == 200


def test_if_modified_since_spares_the_body(client: httpx.Client) -> None:
    created = create(client)
    id, modified = created.json()["id"], created.headers["last-modified"]
    assert client.get(f"/Patient/{id}", headers={"If-Modified-Since": modified}).status_code == 304
    earlier = "Tue, 01 Jan 2019 00:00:00 GMT"
    assert client.get(f"/Patient/{id}", headers={"If-Modified-Since": earlier}).status_code == 200


def test_criteria_in_the_address_of_a_create_are_its_condition(client: httpx.Client) -> None:
    first = client.post("/Patient", params={"identifier": ASKED}, json=PATIENT)
    second = client.post("/Patient", params={"identifier": ASKED}, json=PATIENT)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
