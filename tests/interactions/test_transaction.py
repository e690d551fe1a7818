"""batch and transaction (FHIR R4, http.html#transaction)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

Entry = dict[str, Any]
UUID = "urn:uuid:0b7a2a1c-5b1f-4d5c-8f1b-0c6f5a1f6a01"


def post(client: httpx.Client, *entries: Entry, type: str = "transaction") -> httpx.Response:
    return client.post("/", json={"resourceType": "Bundle", "type": type, "entry": list(entries)})


def entry(method: str, url: str, resource: dict[str, Any] | None = None, **more: Any) -> Entry:
    full_url = more.pop("full_url", None)
    made: Entry = {"request": {"method": method, "url": url, **more}}
    if resource is not None:
        made["resource"] = resource
    if full_url:
        made["fullUrl"] = full_url
    return made


def patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **more}


def goal(subject: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "Sleep"},
        "subject": {"reference": subject},
        **more,
    }


def test_temporary_identities_become_real_ones(client: httpx.Client) -> None:
    answer = post(client, entry("POST", "Goal", goal(UUID)), entry("POST", "Patient", patient(), full_url=UUID))
    locations = [made["response"]["location"] for made in answer.json()["entry"]]
    found = client.get(locations[0]).json()
    assert answer.json()["type"] == "transaction-response"
    assert "/Goal/" in locations[0]
    assert locations[1].split("/_history")[0].endswith(found["subject"]["reference"])


def test_a_transaction_is_done_whole_or_not_at_all(client: httpx.Client) -> None:
    answer = post(
        client,
        entry("PUT", "Patient/p1", patient(id="p1")),
        entry("PUT", "Patient/p2", patient(id="p2"), ifMatch='W/"9"'),
    )
    assert answer.status_code == 412
    assert client.get("/Patient/p1").status_code == 404


def test_the_issues_of_invalid_entries_are_located(client: httpx.Client) -> None:
    answer = post(client, entry("POST", "Patient", patient()), entry("POST", "Patient", patient(gender="x")))
    assert answer.status_code == 422
    assert "entry[1]" in answer.json()["issue"][0]["expression"][0]


def test_deletes_come_before_creates_and_reads_after_writes(client: httpx.Client) -> None:
    client.put("/Patient/p1", json=patient(id="p1"))
    answer = post(
        client,
        entry("GET", "Patient?gender=male"),
        entry("PUT", "Patient/p2", patient(id="p2", gender="male")),
        entry("DELETE", "Patient/p1"),
    )
    read, put, deleted = answer.json()["entry"]
    assert [found["resource"]["id"] for found in read["resource"]["entry"]] == ["p2"]
    assert (put["response"]["status"], deleted["response"]["status"]) == ("201", "204")


def test_one_resource_may_be_named_once(client: httpx.Client) -> None:
    answer = post(client, entry("PUT", "Patient/p1", patient(id="p1")), entry("DELETE", "Patient/p1"))
    assert answer.status_code == 400


def test_conditional_creates_of_one_identity_meet(client: httpx.Client) -> None:
    resource = patient(identifier=[{"system": "urn:s", "value": "1"}])
    create = entry("POST", "Patient", resource, ifNoneExist="identifier=urn:s|1", full_url=UUID)
    first = post(client, create, entry("POST", "Goal", goal(UUID))).json()["entry"]
    second = post(client, create, entry("POST", "Goal", goal(UUID))).json()["entry"]
    assert [made["response"]["status"] for made in (first[0], second[0])] == ["201", "200"]
    assert second[0]["resource"]["id"] == first[0]["resource"]["id"]
    assert second[1]["resource"]["subject"] == first[1]["resource"]["subject"]


def test_a_conditional_reference_meets_exactly_one(client: httpx.Client) -> None:
    client.put("/Patient/p1", json=patient(id="p1", identifier=[{"system": "urn:s", "value": "1"}]))
    met = post(client, entry("POST", "Goal", goal("Patient?identifier=urn:s|1")))
    missed = post(client, entry("POST", "Goal", goal("Patient?identifier=urn:s|2")))
    assert met.json()["entry"][0]["resource"]["subject"] == {"reference": "Patient/p1"}
    assert missed.status_code in (400, 412)


def test_a_batch_carries_out_each_entry_for_itself(client: httpx.Client) -> None:
    answer = post(
        client,
        entry("PUT", "Patient/p1", patient(id="p1")),
        entry("PUT", "Patient/p2", patient(id="p2", gender="x")),
        entry("GET", "Patient/nobody"),
        entry("GET", "Patient/p1"),
        type="batch",
    )
    statuses = [made["response"]["status"] for made in answer.json()["entry"]]
    assert statuses == ["201", "422", "404", "200"]
    assert answer.json()["entry"][1]["response"]["outcome"]["issue"][0]["expression"] == ["Patient.gender"]


def test_an_empty_transaction_is_answered(client: httpx.Client) -> None:
    answer = client.post("/", json={"resourceType": "Bundle", "type": "transaction"})
    assert answer.json() == {"resourceType": "Bundle", "type": "transaction-response"}


def test_a_bundle_of_another_type_is_refused(client: httpx.Client) -> None:
    assert post(client, type="collection").status_code == 400


def test_a_bundle_answers_without_resources_on_request(client: httpx.Client) -> None:
    for type in ("transaction", "batch"):
        bundle = {"resourceType": "Bundle", "type": type, "entry": [entry("POST", "Patient", patient())]}
        answer = client.post("/", json=bundle, headers={"Prefer": "return=minimal"}).json()["entry"][0]
        assert answer["response"]["status"] == "201"
        assert "resource" not in answer


def test_who_may_not_read_is_shown_nothing(client: httpx.Client, client_with: Callable[..., httpx.Client]) -> None:
    resource = patient(identifier=[{"system": "urn:s", "value": "1"}])
    writer = client_with("system/Patient.cus")
    create = entry("POST", "Patient", resource, ifNoneExist="identifier=urn:s|1")
    first = post(writer, create).json()["entry"][0]
    second = post(writer, create).json()["entry"][0]
    alone = writer.post("/Patient", json=resource, headers={"If-None-Exist": "identifier=urn:s|1"})
    assert "resource" not in first
    assert "resource" not in second
    assert first["response"]["location"].startswith(second["response"]["location"])
    assert (alone.status_code, alone.content) == (200, b"")


TAG = {"system": "http://example.org/tags", "code": "lost"}
ADDED = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [TAG]}}]}


@pytest.mark.parametrize("type", ["batch", "transaction"])
def test_entries_may_ask_for_operations(client: httpx.Client, type: str) -> None:
    client.put("/Patient/p", json=patient(id="p"))
    answer = post(
        client,
        entry("POST", "Patient/p/$meta-add", ADDED),
        entry("POST", "Goal/$validate", goal("Patient/p")),
        entry("POST", "Patient/p/$meta"),
        entry("GET", "Patient/p/$meta"),
        type=type,
    )
    assert answer.status_code == 200, answer.text
    added, validated, posted, read = answer.json()["entry"]
    assert [made["response"]["status"] for made in (added, validated, posted, read)] == ["200"] * 4
    assert client.get("/Patient/p").json()["meta"]["tag"] == [TAG]
    assert added["resource"]["parameter"][0]["valueMeta"]["versionId"] == "2"
    assert validated["resource"]["resourceType"] == "OperationOutcome"
    assert posted["resource"] == read["resource"] == added["resource"]


def test_an_operation_of_a_transaction_that_fails_changes_nothing(client: httpx.Client) -> None:
    client.put("/Patient/p", json=patient(id="p"))
    answer = post(client, entry("POST", "Patient/p/$meta-add", ADDED), entry("GET", "Patient/nobody"))
    assert answer.status_code == 404
    assert client.get("/Patient/p").json()["meta"]["versionId"] == "1"


def test_an_operation_changes_no_resource_that_another_entry_changes(client: httpx.Client) -> None:
    client.put("/Patient/p", json=patient(id="p"))
    changes = entry("PUT", "Patient/p", patient(id="p", gender="female"))
    answer = post(client, entry("POST", "Patient/p/$meta-add", ADDED), changes)
    assert (answer.status_code, client.get("/Patient/p").json()["meta"]["versionId"]) == (400, "1")


@pytest.mark.parametrize("type", ["batch", "transaction"])
def test_a_head_is_answered_without_the_resource(client: httpx.Client, type: str) -> None:
    client.put("/Patient/p", json=patient(id="p"))
    (answered,) = post(client, entry("HEAD", "Patient/p"), type=type).json()["entry"]
    assert (answered["response"]["status"], answered["response"]["etag"]) == ("200", 'W/"1"')
    assert "resource" not in answered
