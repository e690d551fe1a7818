"""Scopes restricted by search parameters (SMART App Launch 2.2, finer-grained resource constraints)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bhr_api.opaque_strings import digest_of
from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer

MakeClient = Callable[..., httpx.Client]
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
SURVEY = f"category={CATEGORY}|survey"


def observation(id: str, category: str, patient: str = "p", **more: Any) -> Any:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "code": {"text": id},
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


@pytest.fixture
def record(client: httpx.Client) -> httpx.Client:
    for id in ("p", "q"):
        client.put(f"/Patient/{id}", json={"resourceType": "Patient", "id": id})
    client.put("/Observation/survey", json=observation("survey", "survey"))
    client.put("/Observation/survey-q", json=observation("survey-q", "survey", "q"))
    client.put(
        "/Observation/lab", json=observation("lab", "laboratory", derivedFrom=[{"reference": "Observation/survey"}])
    )
    client.put("/Observation/vital", json=observation("vital", "vital-signs"))
    # What was a survey once is one in its first version only.
    client.put("/Observation/was-survey", json=observation("was-survey", "survey"))
    client.put("/Observation/was-survey", json=observation("was-survey", "laboratory"))
    return client


def ids(http: httpx.Client, query: str = "") -> set[str]:
    answer = http.get(f"/Observation{query}")
    assert answer.status_code == 200, answer.text
    return {entry["resource"]["id"] for entry in answer.json().get("entry", ())}


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        pytest.param(f"system/Observation.rs?{SURVEY}", {"survey", "survey-q"}, id="system-and-code"),
        pytest.param("system/Observation.rs?category=survey", {"survey", "survey-q"}, id="code"),
        pytest.param("system/Observation.rs?category=survey,vital-signs", {"survey", "survey-q", "vital"}, id="or"),
        pytest.param("system/Observation.rs?category=survey&status=final", {"survey", "survey-q"}, id="and"),
        pytest.param("system/Observation.rs?category=survey&status=amended", set(), id="and-nothing"),
        pytest.param("system/Observation.rs?category=survey system/Observation.rs?category=vital-signs",
                     {"survey", "survey-q", "vital"}, id="several-scopes"),
        pytest.param(f"patient/Observation.rs?{SURVEY}", {"survey"}, id="of-one-patient"),
        pytest.param(f"patient/Observation.rs?{SURVEY} system/Observation.rs?category=laboratory",
                     {"survey", "lab", "was-survey"}, id="of-one-patient-or-of-all"),
    ],
)  # fmt: skip
def test_exactly_what_the_scope_says_is_seen(
    record: httpx.Client, client_with: MakeClient, scope: str, found: set[str]
) -> None:
    http = client_with(scope, patient="p")

    assert ids(http) == found
    for id in ("survey", "survey-q", "lab", "vital", "was-survey"):
        assert (http.get(f"/Observation/{id}").status_code == 200) == (id in found), id
    assert http.get("/Observation?_summary=count").json()["total"] == len(found)


@pytest.fixture
def restricted(record: httpx.Client, client_with: MakeClient) -> httpx.Client:
    return client_with("system/Observation.cruds?category=survey system/Patient.rs")


def test_a_version_is_judged_by_what_it_was(restricted: httpx.Client) -> None:
    assert restricted.get("/Observation/was-survey/_history/1").status_code == 200
    assert restricted.get("/Observation/was-survey/_history/2").status_code == 404
    history = restricted.get("/Observation/was-survey/_history").json()
    assert [entry["resource"]["meta"]["versionId"] for entry in history["entry"]] == ["1"]


def test_includes_and_chains_show_no_more(restricted: httpx.Client) -> None:
    assert ids(restricted, "?_id=survey&_revinclude=Observation:derived-from") == {"survey"}
    assert ids(restricted, "?_has:Observation:derived-from:code:missing=false") == set()
    assert restricted.get("/Patient?_has:Observation:patient:category=laboratory").json().get("entry") is None
    assert len(restricted.get("/Patient?_has:Observation:patient:category=survey").json()["entry"]) == 2
    everything = restricted.get("/Patient/p/$everything").json()["entry"]
    assert {entry["resource"]["id"] for entry in everything} == {"p", "survey"}


def test_a_write_lies_within_the_scope_before_and_after(record: httpx.Client, restricted: httpx.Client) -> None:
    assert restricted.post("/Observation", json=observation("new", "survey")).status_code == 201
    assert restricted.post("/Observation", json=observation("new", "laboratory")).status_code == 403
    assert restricted.put("/Observation/lab", json=observation("lab", "survey")).status_code == 404
    assert restricted.put("/Observation/survey", json=observation("survey", "laboratory")).status_code == 403
    patch = [{"op": "replace", "path": "/category/0/coding/0/code", "value": "laboratory"}]
    patched = restricted.patch(
        "/Observation/survey", json=patch, headers={"Content-Type": "application/json-patch+json"}
    )
    assert patched.status_code == 403
    assert restricted.delete("/Observation/lab").status_code == 204
    assert record.get("/Observation/lab").status_code == 200
    assert restricted.delete("/Observation/survey").status_code == 204
    assert record.get("/Observation/survey").status_code == 410


def test_conditional_writes_meet_no_more(restricted: httpx.Client) -> None:
    created = restricted.post(
        "/Observation", json=observation("x", "survey"), headers={"If-None-Exist": "category=laboratory"}
    )
    assert created.status_code == 201
    assert restricted.delete("/Observation?category=vital-signs").status_code == 204


@pytest.mark.parametrize("scope", ["system/Observation.rs?date=2026", "system/Observation.rs?nonsense=x"])
def test_what_cannot_be_enforced_allows_nothing(
    server: RunningServer, record: httpx.Client, client_with: MakeClient, scope: str
) -> None:
    """No such token is granted; one that is there all the same opens nothing."""
    http = client_with("system/Observation.rs?code=to-be-replaced")
    digest = digest_of(http.headers["Authorization"].removeprefix("Bearer "))
    sql = "UPDATE oauth_access_token SET scope = $2 WHERE token_hash = $1"
    on_database(server.dsn, lambda connection: connection.execute(sql, digest, scope))

    assert ids(http) == set()
