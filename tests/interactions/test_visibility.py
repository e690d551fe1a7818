"""What a token may not see does not exist: other patients, other tenants, other types (DESIGN promise 2)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.fixtures.server import RunningServer

MakeClient = Callable[..., httpx.Client]


@pytest.fixture
def record(client: httpx.Client) -> httpx.Client:
    for id in ("own", "other"):
        client.put(f"/Patient/{id}", json={"resourceType": "Patient", "id": id})
        observation = observation_of(id)
        client.put(f"/Observation/{observation['id']}", json=observation)
    client.put("/Organization/o", json={"resourceType": "Organization", "id": "o", "name": "Open"})
    return client


def observation_of(patient: str, id: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id or f"obs-{patient}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]},
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


@pytest.fixture
def patient_client(record: httpx.Client, client_with: MakeClient) -> httpx.Client:
    return client_with("patient/*.cruds", patient="own")


ROADS = [
    "/Observation/obs-other",
    "/Observation/obs-other/_history",
    "/Observation/obs-other/_history/1",
    "/Patient/other",
]


@pytest.mark.parametrize("road", ROADS)
def test_another_patients_row_and_no_row_answer_alike(patient_client: httpx.Client, road: str) -> None:
    hidden = patient_client.get(road)
    absent = patient_client.get(road.replace("other", "none"))
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace("other", "none") == absent.text


@pytest.mark.parametrize(
    "search",
    [
        "/Observation",
        "/Observation?code=44261-6",
        "/Observation?patient=other",
        "/Observation?subject=Patient/other",
        "/Observation?_id=obs-other",
        "/Observation/_history",
        "/_history",
        "/Patient?_revinclude=Observation:subject",
        "/Patient/other/Observation",
    ],
)
def test_another_patients_rows_are_in_no_answer(patient_client: httpx.Client, search: str) -> None:
    answer = patient_client.get(search)
    assert answer.status_code == 200
    assert "obs-other" not in answer.text.partition('"entry"')[2]
    assert "Patient/other" not in answer.text.partition('"entry"')[2]


def test_shared_types_are_read_only_to_a_patient(patient_client: httpx.Client) -> None:
    organization = {"resourceType": "Organization", "id": "o", "name": "Mine"}
    assert patient_client.get("/Organization/o").status_code == 200
    assert patient_client.put("/Organization/o", json=organization).status_code in (403, 404)
    assert patient_client.post("/Organization", json=organization).status_code == 403


def test_a_patient_cannot_write_into_another_record(patient_client: httpx.Client, record: httpx.Client) -> None:
    assert patient_client.post("/Observation", json=observation_of("other")).status_code == 403
    assert patient_client.put("/Observation/obs-other", json=observation_of("other")).status_code == 404
    moved = observation_of("other", id="obs-own")
    assert patient_client.put("/Observation/obs-own", json=moved).status_code == 403
    assert patient_client.delete("/Observation/obs-other").status_code == 204
    assert record.get("/Observation/obs-other").headers["etag"] == 'W/"1"'
    assert record.get("/Observation/obs-own").headers["etag"] == 'W/"1"'


def test_a_patient_cannot_take_a_free_id_by_put(patient_client: httpx.Client) -> None:
    assert patient_client.put("/Observation/free", json=observation_of("own", id="free")).status_code == 404


def test_a_condition_does_not_tell_of_other_records(patient_client: httpx.Client, record: httpx.Client) -> None:
    record.put("/Observation/obs-other", json=observation_of("other", identifier=[{"value": "secret"}]))
    own = observation_of("own", identifier=[{"value": "secret"}])
    answer = patient_client.post("/Observation", json=own, headers={"If-None-Exist": "identifier=secret"})
    assert answer.status_code == 201


def test_a_patient_scope_without_a_patient_grants_nothing(record: httpx.Client, client_with: MakeClient) -> None:
    assert client_with("patient/*.cruds").get("/Observation").status_code == 403


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        ("system/Observation.r", "GET", "/Observation/obs-own", 200),
        ("system/Observation.r", "GET", "/Observation", 403),
        ("system/Observation.s", "GET", "/Observation/obs-own", 403),
        ("system/Observation.s", "GET", "/Observation", 200),
        ("system/Observation.rs", "DELETE", "/Observation/obs-own", 403),
        ("system/Observation.read", "GET", "/Observation", 200),
        ("system/Observation.write", "GET", "/Observation", 403),
        ("system/Patient.cruds", "GET", "/Observation", 403),
        ("system/Observation.r", "GET", "/Observation/obs-own/_history", 200),
        ("system/Observation.r", "GET", "/Observation/_history", 403),
    ],
)
def test_each_interaction_needs_its_letter(
    record: httpx.Client, client_with: MakeClient, scope: str, method: str, path: str, status: int
) -> None:
    answer = client_with(scope).request(method, path)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["issue"][0]["code"] == "forbidden"


def test_tenants_do_not_meet(server: RunningServer, record: httpx.Client) -> None:
    with server.client(server.token(server.new_tenant())) as stranger:
        assert stranger.get("/Patient/own").status_code == 404
        assert stranger.get("/Patient").json().get("entry") is None
        assert stranger.get("/_history").json().get("entry") is None
        assert stranger.put("/Patient/own", json={"resourceType": "Patient", "id": "own"}).status_code == 201
    assert record.get("/Patient/own").headers["etag"] == 'W/"1"'


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Bearer bhr_at_default_" + "A" * 43, "Basic eDp5"])
def test_without_a_live_token_nothing_is_answered(server: RunningServer, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.get(f"{server.base_url}/Patient", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_a_provenance_is_in_the_record_of_its_targets(record: httpx.Client, patient_client: httpx.Client) -> None:
    agent = [{"who": {"reference": "Organization/o"}}]
    for id in ("own", "other"):
        provenance = {
            "resourceType": "Provenance",
            "id": f"prov-{id}",
            "target": [{"reference": f"Observation/obs-{id}"}],
            "recorded": "2026-01-01T00:00:00Z",
            "agent": agent,
        }
        assert record.put(f"/Provenance/prov-{id}", json=provenance).status_code == 201
    assert patient_client.get("/Provenance/prov-own").status_code == 200
    assert patient_client.get("/Provenance/prov-other").status_code == 404
