"""Whose records the roles of a person open: caseload, team, own, everybody's, nobody's (docs/accounts.md)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer

MakeClient = Callable[..., httpx.Client]
EVERYTHING = "user/*.cruds patient/*.cruds"
WORKER = "Practitioner/w"


def reference(to: str) -> dict[str, str]:
    return {"reference": to}


def team(id: str = "t", patient: str = "own", member: str = WORKER, status: str = "active", **more: Any) -> Any:
    return {
        "resourceType": "CareTeam",
        "id": id,
        "status": status,
        "subject": reference(f"Patient/{patient}"),
        "participant": [{"member": reference(member), **more.pop("part", {})}],
        **more,
    }


def episode(patient: str = "own", status: str = "active", **more: Any) -> Any:
    return {
        "resourceType": "EpisodeOfCare",
        "id": "e",
        "status": status,
        "patient": reference(f"Patient/{patient}"),
        **more,
    }


@pytest.fixture
def record(client: httpx.Client) -> httpx.Client:
    for id in ("own", "other"):
        put(client, {"resourceType": "Patient", "id": id})
        put(client, {"resourceType": "Flag", "id": f"f-{id}", "status": "active", "code": {"text": id},
                     "subject": reference(f"Patient/{id}")})  # fmt: skip
    return client


def put(client: httpx.Client, resource: Any) -> None:
    answer = client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
    assert answer.status_code in (200, 201), answer.text


def flags(http: httpx.Client) -> set[str]:
    answer = http.get("/Flag")
    assert answer.status_code == 200, answer.text
    found = {entry["resource"]["id"] for entry in answer.json().get("entry", ())}
    for id in ("f-own", "f-other"):
        assert (http.get(f"/Flag/{id}").status_code == 200) == (id in found), id
    return found


@pytest.fixture
def worker(server: RunningServer, tenant: str, client_with: MakeClient) -> httpx.Client:
    username = server.account(tenant, WORKER, "worker", also=["PractitionerRole/r"])
    return client_with(EVERYTHING, username=username)


TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(team(), id="participant"),
        pytest.param(team(member="PractitionerRole/r"), id="by-another-resource-of-the-person"),
        pytest.param(team(period={"start": YESTERDAY, "end": TOMORROW}), id="within-the-period"),
        pytest.param(episode(careManager=reference(WORKER)), id="care-manager"),
    ],
)
def test_a_worker_sees_the_caseload(record: httpx.Client, worker: httpx.Client, source: Any) -> None:
    assert flags(worker) == set()

    put(record, source)

    assert flags(worker) == {"f-own"}
    assert worker.get("/Patient/own").status_code == 200


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(team(status="inactive"), id="inactive-team"),
        pytest.param(team(member="Practitioner/x"), id="somebody-else"),
        pytest.param(team(period={"end": YESTERDAY}), id="team-is-over"),
        pytest.param(team(part={"period": {"start": TOMORROW}}), id="part-begins-later"),
        pytest.param(episode("own", "finished", careManager=reference(WORKER)), id="finished-episode"),
        pytest.param(
            team(managingOrganization=[reference("Organization/o")], member="Practitioner/x"), id="organization"
        ),
    ],
)
def test_what_is_over_or_anothers_gives_no_caseload(record: httpx.Client, worker: httpx.Client, source: Any) -> None:
    put(record, source)

    assert flags(worker) == set()


@pytest.mark.parametrize("end", ["update", "delete", "other-patient"])
def test_a_caseload_ends_with_what_gave_it(record: httpx.Client, worker: httpx.Client, end: str) -> None:
    put(record, team())
    assert flags(worker) == {"f-own"}

    if end == "delete":
        record.delete("/CareTeam/t")
    else:
        put(record, team(status="inactive") if end == "update" else team(patient="other"))

    assert flags(worker) == ({"f-other"} if end == "other-patient" else set())


def test_one_source_may_end_while_another_holds(record: httpx.Client, worker: httpx.Client) -> None:
    put(record, team())
    put(record, episode(careManager=reference(WORKER)))

    record.delete("/CareTeam/t")

    assert flags(worker) == {"f-own"}


def test_a_supervisor_sees_what_the_team_is_responsible_for(
    server: RunningServer, tenant: str, record: httpx.Client, client_with: MakeClient
) -> None:
    username = server.account(tenant, "Practitioner/s", "supervisor", teams=["Organization/o"])
    supervisor = client_with(EVERYTHING, username=username)
    assert flags(supervisor) == set()

    put(record, team(managingOrganization=[reference("Organization/o")]))

    assert flags(supervisor) == {"f-own"}


def test_a_guardian_sees_the_relative_as_long_as_the_relation_is_active(
    server: RunningServer, tenant: str, record: httpx.Client, client_with: MakeClient
) -> None:
    guardian = client_with(EVERYTHING, username=server.account(tenant, "RelatedPerson/m", "guardian"))
    mother = {"resourceType": "RelatedPerson", "id": "m", "active": True, "patient": reference("Patient/own")}
    put(record, mother)
    assert flags(guardian) == {"f-own"}

    put(record, {**mother, "active": False})

    assert flags(guardian) == set()


@pytest.mark.parametrize(
    ("fhir_user", "role", "found"),
    [
        pytest.param("Patient/own", "client", {"f-own"}, id="client"),
        pytest.param("Practitioner/c", "clinician", {"f-own", "f-other"}, id="clinician"),
        pytest.param("Practitioner/c", "nobody-defined-it", None, id="unknown-role"),
        pytest.param("Practitioner/c", "administrator", None, id="administrator"),
    ],
)
def test_a_role_opens_what_its_relation_says(
    server: RunningServer,
    tenant: str,
    record: httpx.Client,
    client_with: MakeClient,
    fhir_user: str,
    role: str,
    found: set[str] | None,
) -> None:
    http = client_with(EVERYTHING, username=server.account(tenant, fhir_user, role))

    if found is None:
        assert http.get("/Flag").status_code == 403
    else:
        assert flags(http) == found


def test_several_roles_add_up(
    server: RunningServer, tenant: str, record: httpx.Client, client_with: MakeClient
) -> None:
    username = server.account(tenant, WORKER, "worker", "privacy-officer", also=["Patient/other"])
    http = client_with(EVERYTHING, username=username)
    put(record, team())

    assert flags(http) == {"f-own"}
    assert http.get("/AuditEvent?_count=1").status_code == 200


def test_roles_change_without_a_new_token(
    server: RunningServer, tenant: str, record: httpx.Client, client_with: MakeClient
) -> None:
    username = server.account(tenant, WORKER, "watcher")
    server.set_role(tenant, "watcher", "user/Flag.rs", "tenant")
    assert flags(client_with(EVERYTHING, username=username)) == {"f-own", "f-other"}

    server.set_role(tenant, "watcher", "user/Flag.rs?status=inactive", "tenant")

    # A token that this worker has not seen yet; one that it knows follows within two seconds.
    assert flags(client_with(EVERYTHING, username=username)) == set()


def test_a_patient_in_context_is_seen_only_while_responsible(
    server: RunningServer, tenant: str, record: httpx.Client, client_with: MakeClient
) -> None:
    username = server.account(tenant, WORKER, "worker")
    put(record, team())
    put(record, team(id="t2", patient="other"))
    http = client_with("patient/*.rs", patient="own", username=username)
    assert flags(http) == {"f-own"}

    record.delete("/CareTeam/t")

    assert flags(http) == set()


def test_a_worker_writes_within_the_caseload_before_and_after(record: httpx.Client, worker: httpx.Client) -> None:
    put(record, team())
    own = worker.get("/Flag/f-own").json()
    note = {key: own[key] for key in ("resourceType", "status", "code", "subject")}

    assert worker.post("/Flag", json=note).status_code == 201
    assert worker.post("/Flag", json={**note, "subject": reference("Patient/other")}).status_code == 403
    assert worker.put("/Flag/f-own", json={**own, "subject": reference("Patient/other")}).status_code == 403
    assert worker.put("/Flag/f-other", json={**own, "id": "f-other"}).status_code == 404
    assert worker.put("/Flag/new", json={**own, "id": "new"}).status_code == 404
    # Who is in the team gives access: that is not a worker's to decide.
    assert worker.put("/CareTeam/t", json=team(member="Practitioner/x")).status_code == 403


def test_relations_are_of_one_tenant(
    server: RunningServer, tenant: str, record: httpx.Client, worker: httpx.Client
) -> None:
    with server.client(server.token(server.new_tenant())) as elsewhere:
        put(elsewhere, {"resourceType": "Patient", "id": "own"})
        put(elsewhere, team())

    assert flags(worker) == set()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("UPDATE account SET disabled_at = now() WHERE username = $1", id="disabled"),
        pytest.param("UPDATE account SET changed_at = now() + interval '1 second' WHERE username = $1", id="changed"),
        pytest.param("DELETE FROM account WHERE username = $1", id="gone"),
    ],
)
def test_an_account_that_changes_ends_its_tokens(server: RunningServer, tenant: str, change: str) -> None:
    username = server.account(tenant, WORKER, "clinician")
    token = server.token(tenant, EVERYTHING, username=username)
    on_database(server.dsn, lambda connection: connection.execute(change, username))

    with server.client(token) as http:
        assert http.get("/Flag").status_code == 401
