"""patch, conditional patch, and patches in bundles (FHIR R4, http.html#patch and fhirpatch.html)."""

import json
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

JSON_PATCH = {"Content-Type": "application/json-patch+json"}
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
COMPLETE = [{"op": "replace", "path": "/lifecycleStatus", "value": "completed"}]


def fhirpath_patch(*operations: dict[str, Any]) -> dict[str, Any]:
    names = {"value": "valueCode"}
    return {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": name, names.get(name, "valueCode" if name == "type" else "valueString"): value}
                    for name, value in operation.items()
                ],
            }
            for operation in operations
        ],
    }


COMPLETE_BY_PATH = fhirpath_patch({"type": "replace", "path": "Goal.lifecycleStatus", "value": "completed"})


@pytest.fixture
def goal(client: httpx.Client) -> httpx.Client:
    """A goal with a decimal whose digits must stay."""
    body = (
        '{"resourceType":"Goal","id":"g","lifecycleStatus":"active","description":{"text":"Sleep"},'
        '"subject":{"reference":"Patient/a"},"target":[{"measure":{"text":"Sleep"},"detailQuantity":{"value":7.50,"unit":"h"}}]}'
    )
    assert client.put("/Goal/g", content=body).status_code == 201
    return client


def test_json_patch_changes_what_it_names_and_nothing_else(goal: httpx.Client) -> None:
    answer = goal.patch("/Goal/g", json=COMPLETE, headers=JSON_PATCH)
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == 'W/"2"'
    assert answer.json()["lifecycleStatus"] == "completed"
    assert '"value":7.50,' in answer.text
    assert goal.get("/Goal/g").text == answer.text


def test_fhirpath_patch(goal: httpx.Client) -> None:
    answer = goal.patch("/Goal/g", json=COMPLETE_BY_PATH)
    assert (answer.status_code, answer.json()["lifecycleStatus"]) == (200, "completed")


def test_merge_patch(goal: httpx.Client) -> None:
    sent = {"lifecycleStatus": "completed", "target": None}
    answer = goal.patch("/Goal/g", json=sent, headers=MERGE_PATCH)
    assert (answer.status_code, answer.json()["lifecycleStatus"]) == (200, "completed")
    assert "target" not in answer.json()


@pytest.mark.parametrize("document", [COMPLETE, COMPLETE_BY_PATH, {"lifecycleStatus": "completed"}])
def test_of_plain_json_the_document_tells_the_kind(goal: httpx.Client, document: Any) -> None:
    answer = goal.patch("/Goal/g", json=document, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["lifecycleStatus"]) == (200, "completed")


def test_a_patch_is_found_and_told_as_one(goal: httpx.Client) -> None:
    goal.patch("/Goal/g", json=COMPLETE, headers=JSON_PATCH)
    assert goal.get("/Goal?lifecycle-status=completed").json()["entry"][0]["resource"]["id"] == "g"
    history = goal.get("/Goal/g/_history").json()["entry"]
    assert [entry["request"]["method"] for entry in history] == ["PATCH", "PUT"]


def test_if_match_is_kept(goal: httpx.Client) -> None:
    stale = goal.patch("/Goal/g", json=COMPLETE, headers={**JSON_PATCH, "If-Match": 'W/"7"'})
    assert stale.status_code == 412
    assert goal.patch("/Goal/g", json=COMPLETE, headers={**JSON_PATCH, "If-Match": 'W/"1"'}).status_code == 200


def test_of_simultaneous_patches_none_is_lost(goal: httpx.Client) -> None:
    def add(number: int) -> int:
        note = [{"op": "add", "path": "/note/-", "value": {"text": f"note {number}"}}]
        return goal.patch("/Goal/g", json=note, headers=JSON_PATCH).status_code

    goal.patch("/Goal/g", json=[{"op": "add", "path": "/note", "value": [{"text": "first"}]}], headers=JSON_PATCH)
    with ThreadPoolExecutor(12) as threads:
        assert set(threads.map(add, range(24))) == {200}
    kept = goal.get("/Goal/g").json()
    assert (len(kept["note"]), kept["meta"]["versionId"]) == (25, "26")


def test_what_a_patch_makes_must_be_valid(goal: httpx.Client) -> None:
    sent = [{"op": "replace", "path": "/lifecycleStatus", "value": "finished"}]
    answer = goal.patch("/Goal/g", json=sent, headers=JSON_PATCH)
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Goal.lifecycleStatus"]
    assert goal.get("/Goal/g").json()["meta"]["versionId"] == "1"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        pytest.param({"Content-Type": "text/plain"}, "[]", 415, id="another-type"),
        pytest.param(JSON_PATCH, "{", 400, id="no-json"),
        pytest.param(JSON_PATCH, '{"op":"add"}', 400, id="no-array"),
        pytest.param({}, '{"resourceType":"Goal"}', 400, id="a-resource-that-is-no-patch"),
        pytest.param(JSON_PATCH, '[{"op":"test","path":"/lifecycleStatus","value":"on-hold"}]', 422, id="failed-test"),
        pytest.param(JSON_PATCH, '[{"op":"replace","path":"/id","value":"h"}]', 422, id="another-id"),
    ],
)
def test_refusals(goal: httpx.Client, headers: dict[str, str], body: str, status: int) -> None:
    answer = goal.patch("/Goal/g", content=body, headers=headers)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert goal.get("/Goal/g").json()["meta"]["versionId"] == "1"


def test_nothing_is_patched_into_being(client: httpx.Client) -> None:
    assert client.patch("/Goal/none", json=COMPLETE, headers=JSON_PATCH).status_code == 404
    assert client.patch("/Goal?identifier=none", json=COMPLETE, headers=JSON_PATCH).status_code == 404


def test_a_conditional_patch_takes_the_one_that_matches(goal: httpx.Client) -> None:
    answer = goal.patch("/Goal?lifecycle-status=active", json=COMPLETE, headers=JSON_PATCH)
    assert (answer.status_code, answer.json()["id"]) == (200, "g")
    other = goal.get("/Goal/g").json() | {"id": "h"}
    goal.put("/Goal/h", json=other)
    assert goal.patch("/Goal?lifecycle-status=completed", json=COMPLETE, headers=JSON_PATCH).status_code == 412


def test_a_narrative_made_from_the_data_goes_with_what_it_said(client: httpx.Client) -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml">Active</div>'
    body = {
        "resourceType": "Goal",
        "id": "g",
        "lifecycleStatus": "active",
        "description": {"text": "Sleep"},
        "subject": {"reference": "Patient/a"},
    }
    client.put("/Goal/g", json=body | {"text": {"status": "generated", "div": div}})
    assert "text" not in client.patch("/Goal/g", json=COMPLETE, headers=JSON_PATCH).json()
    client.put("/Goal/g", json=body | {"text": {"status": "additional", "div": div}})
    assert client.patch("/Goal/g", json=COMPLETE, headers=JSON_PATCH).status_code == 422
    tag = [{"op": "add", "path": "/meta/tag", "value": [{"code": "seen"}]}]
    kept = client.patch("/Goal/g", json=tag, headers=JSON_PATCH)
    assert (kept.status_code, kept.json()["text"]["div"]) == (200, div)
    both = [*COMPLETE, {"op": "replace", "path": "/text/div", "value": div.replace("Active", "Done")}]
    assert client.patch("/Goal/g", json=both, headers=JSON_PATCH).status_code == 200


def entry(url: str, resource: dict[str, Any], method: str = "PATCH") -> dict[str, Any]:
    return {"request": {"method": method, "url": url}, "resource": resource}


def binary(patch: list[dict[str, Any]]) -> dict[str, Any]:
    data = b64encode(json.dumps(patch).encode()).decode()
    return {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.parametrize("patch", [binary(COMPLETE), COMPLETE_BY_PATH], ids=["binary", "parameters"])
@pytest.mark.parametrize("url", ["Goal/g", "Goal?lifecycle-status=active"])
def test_patches_in_bundles(goal: httpx.Client, kind: str, patch: dict[str, Any], url: str) -> None:
    answer = goal.post("/", json={"resourceType": "Bundle", "type": kind, "entry": [entry(url, patch)]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["entry"][0]["response"]["status"] == "200"
    assert goal.get("/Goal/g").json()["lifecycleStatus"] == "completed"


def test_a_transaction_with_a_patch_that_fails_does_nothing(goal: httpx.Client) -> None:
    patient = {"resourceType": "Patient", "id": "p"}
    failing = binary([{"op": "test", "path": "/lifecycleStatus", "value": "on-hold"}])
    entries = [entry("Patient/p", patient, "PUT"), entry("Goal/g", failing)]
    answer = goal.post("/", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 422
    assert "Bundle.entry[1]" in answer.json()["issue"][0]["diagnostics"]
    assert goal.get("/Patient/p").status_code == 404


def test_a_patch_may_refer_to_what_its_transaction_creates(goal: httpx.Client) -> None:
    uuid = "urn:uuid:0c8b5a1c-6d07-4a2f-9a5e-3f4b8c1d2e3f"
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/a"}}
    addresses = binary([{"op": "add", "path": "/addresses", "value": [{"reference": uuid}]}])
    entries = [{"fullUrl": uuid, **entry("Condition", condition, "POST")}, entry("Goal/g", addresses)]
    answer = goal.post("/", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text
    (address,) = goal.get("/Goal/g").json()["addresses"]
    assert goal.get(f"/{address['reference']}").status_code == 200


def test_who_sees_another_patient_patches_nothing(goal: httpx.Client, client_with: Any) -> None:
    other = client_with("patient/*.cruds", patient="b")
    hit = other.patch("/Goal/g", json=COMPLETE, headers=JSON_PATCH)
    miss = other.patch("/Goal/none", json=COMPLETE, headers=JSON_PATCH)
    assert (hit.status_code, miss.status_code) == (404, 404)
    assert (
        hit.json()["issue"][0]["diagnostics"].replace("Goal/g", "Goal/none") == miss.json()["issue"][0]["diagnostics"]
    )


def test_a_patch_cannot_move_a_record_to_another_patient(goal: httpx.Client, client_with: Any) -> None:
    own = client_with("patient/*.cruds", patient="a")
    move = [{"op": "replace", "path": "/subject/reference", "value": "Patient/b"}]
    assert own.patch("/Goal/g", json=move, headers=JSON_PATCH).status_code == 403
    assert own.patch("/Goal/g", json=COMPLETE, headers=JSON_PATCH).status_code == 200


@pytest.mark.parametrize("scope", ["system/Goal.r", "system/Goal.u", "system/Goal.rs"])
def test_a_patch_needs_to_read_and_to_update(goal: httpx.Client, client_with: Any, scope: str) -> None:
    assert client_with(scope).patch("/Goal/g", json=COMPLETE, headers=JSON_PATCH).status_code == 403
