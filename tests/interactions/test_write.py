"""create, update, delete and their headers (FHIR R4, http.html#create, #update, #delete, #concurrency)."""

from typing import Any

import httpx
import pytest

PATIENT: dict[str, Any] = {"resourceType": "Patient", "name": [{"family": "Okafor"}]}


def put(client: httpx.Client, id: str = "p1", **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    return client.put(f"/Patient/{id}", json={**PATIENT, "id": id, **more}, headers=headers)


def test_a_created_resource_has_a_version_a_time_and_a_location(client: httpx.Client) -> None:
    answer = client.post("/Patient", json=PATIENT)
    created = answer.json()
    assert answer.status_code == 201
    assert created["meta"]["versionId"] == "1"
    assert answer.headers["location"].endswith(f"/fhir/Patient/{created['id']}/_history/1")
    assert answer.headers["etag"] == 'W/"1"'
    assert "last-modified" in answer.headers


def test_the_id_of_a_created_resource_is_the_servers_choice(client: httpx.Client) -> None:
    answer = client.post("/Patient", json={**PATIENT, "id": "mine", "meta": {"versionId": "7"}})
    assert answer.json()["id"] != "mine"
    assert answer.json()["meta"]["versionId"] == "1"


def test_what_was_sent_is_what_is_kept(client: httpx.Client) -> None:
    sent = (
        '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.10,"unit":"mg"},'
        '"effectiveDateTime":"2026-03-01T10:00:00+02:00","extension":[{"url":"http://example.org/e","valueDecimal":0.500}]}'
    )
    id = client.post("/Observation", content=sent).json()["id"]
    text = client.get(f"/Observation/{id}").text
    assert '"value":1.10,' in text
    assert '"valueDecimal":0.500}' in text
    assert '"2026-03-01T10:00:00+02:00"' in text
    assert text.index('"status"') < text.index('"code"') < text.index('"valueQuantity"') < text.index('"extension"')


def test_an_update_is_the_next_version(client: httpx.Client) -> None:
    put(client)
    answer = put(client, gender="female")
    assert answer.status_code == 200
    assert answer.json()["meta"]["versionId"] == "2"
    assert client.get("/Patient/p1").json() == answer.json()


def test_an_update_of_an_unknown_id_creates(client: httpx.Client) -> None:
    answer = put(client)
    assert answer.status_code == 201
    assert answer.json()["id"] == "p1"


def test_an_update_whose_body_names_another_id_is_refused(client: httpx.Client) -> None:
    answer = client.put("/Patient/p1", json={**PATIENT, "id": "p2"})
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["id"]


def test_if_match_lets_the_current_version_pass(client: httpx.Client) -> None:
    put(client)
    assert put(client, headers={"If-Match": 'W/"1"'}).status_code == 200


def test_if_match_refuses_another_version(client: httpx.Client) -> None:
    put(client)
    put(client)
    answer = put(client, headers={"If-Match": 'W/"1"'})
    assert answer.status_code == 412
    assert client.get("/Patient/p1").headers["etag"] == 'W/"2"'


def test_if_match_on_what_does_not_exist_is_refused(client: httpx.Client) -> None:
    assert put(client, headers={"If-Match": 'W/"1"'}).status_code == 412


def test_last_updated_always_grows(client: httpx.Client) -> None:
    times = [put(client).json()["meta"]["lastUpdated"] for _ in range(5)]
    assert times == sorted(set(times))


def test_a_deleted_resource_is_gone(client: httpx.Client) -> None:
    put(client)
    assert client.delete("/Patient/p1").status_code == 204
    assert client.get("/Patient/p1").status_code == 410
    assert client.get("/Patient?_id=p1").json().get("entry") is None


def test_deleting_what_does_not_exist_changes_nothing(client: httpx.Client) -> None:
    assert client.delete("/Patient/nobody").status_code == 204
    assert client.get("/Patient/nobody").status_code == 404


def test_a_recreated_resource_goes_on_counting(client: httpx.Client) -> None:
    put(client)
    client.delete("/Patient/p1")
    answer = put(client)
    assert answer.status_code == 201
    assert answer.json()["meta"]["versionId"] == "3"


def test_an_invalid_resource_names_every_broken_rule(client: httpx.Client) -> None:
    answer = client.post(
        "/Patient", json={"resourceType": "Patient", "gender": "x", "birthDate": "2026-13-01", "foo": 1}
    )
    expressions = {issue["expression"][0] for issue in answer.json()["issue"]}
    assert answer.status_code == 422
    assert {"Patient.gender", "Patient.birthDate", "Patient.foo"} <= expressions


def test_a_body_of_another_type_is_refused(client: httpx.Client) -> None:
    answer = client.post("/Patient", json={"resourceType": "Goal"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("preference", "expected"),
    [("minimal", None), ("representation", "Patient"), ("OperationOutcome", "OperationOutcome")],
)
def test_prefer_return_shapes_the_answer(client: httpx.Client, preference: str, expected: str | None) -> None:
    answer = client.post("/Patient", json=PATIENT, headers={"Prefer": f"return={preference}"})
    assert answer.status_code == 201
    assert (answer.json()["resourceType"] if answer.content else None) == expected


def test_audit_events_cannot_be_written(client: httpx.Client) -> None:
    assert client.put("/AuditEvent/a", json={"resourceType": "AuditEvent", "id": "a"}).status_code in (403, 405, 422)
    assert client.delete("/AuditEvent/a").status_code in (403, 405)
