"""erase: which versions go, what needs another dry run, and that an erasure happens whole or not at all."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import httpx
import pytest

from tests.cli.erasures import Erase, code_of, erase_on, record_rows, rows_of
from tests.fixtures.database import on_database
from tests.fixtures.server import ClientWith, RunningServer

Resource = dict[str, Any]
PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "Oüdkerk", "given": ["Ada", "Mae"]}],
    "identifier": [{"system": "http://example.org/mrn", "value": "77-1234"}],
}


def observation(id: str, patient: str | None, **more: Any) -> Resource:
    subject = {} if patient is None else {"subject": {"reference": f"Patient/{patient}"}}
    return {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}, **subject, **more}


def put(client: httpx.Client, *resources: Resource) -> None:
    for resource in resources:
        answer = client.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.is_success, answer.text


@pytest.fixture
def stored(client: httpx.Client) -> httpx.Client:
    """A tenant with two patients and an observation of each."""
    put(client, PATIENT, {"resourceType": "Patient", "id": "p10"}, observation("o1", "p1"), observation("o10", "p10"))
    return client


@pytest.fixture
def erase(server: RunningServer, tenant: str) -> Erase:
    return erase_on(server, tenant)


def test_of_what_moved_to_another_record_only_the_versions_of_this_one_go(stored: httpx.Client, erase: Erase) -> None:
    put(stored, observation("m", "p1"), observation("m", "p10"))
    told = erase("p1")
    assert "In another record now; only the versions that were in this one go:\n  Observation/m\n" in told
    before = stored.get("Observation/m").content
    erase("p1", "--confirm", code_of(told))
    assert stored.get("Observation/m").content == before
    assert stored.get("Observation/m/_history/1").status_code == 404


def test_what_came_from_another_record_goes_whole(stored: httpx.Client, erase: Erase) -> None:
    put(stored, observation("m", "p10"), observation("m", "p1"))
    told = erase("p1")
    assert "Erased whole, though older versions were in another record:\n  Observation/m\n" in told
    erase("p1", "--confirm", code_of(told))
    assert stored.get("Observation/m/_history/1").status_code == 404


def test_a_resource_that_was_deleted_is_erased_with_its_tombstone(stored: httpx.Client, erase: Erase) -> None:
    stored.delete("Observation/o1")
    assert stored.get("Observation/o1").status_code == 410
    erase("p1", "--confirm", code_of(erase("p1")))
    assert stored.get("Observation/o1").status_code == 404
    assert [entry["resource"]["id"] for entry in stored.get("Observation/_history").json()["entry"]] == ["o10"]


def test_a_wrong_code_changes_nothing(stored: httpx.Client, erase: Erase, server: RunningServer, tenant: str) -> None:
    before = record_rows(rows_of(server.dsn, tenant))
    assert erase.refusal("p1", "--confirm", "0123456789ab").startswith(
        "'0123456789ab' is not the code of what is stored"
    )
    assert record_rows(rows_of(server.dsn, tenant)) == before


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(observation("o1", "p1", issued="2026-03-01T10:00:00Z"), id="a-new-version"),
        pytest.param(observation("o2", "p1"), id="a-new-resource"),
        pytest.param(observation("x", "p10", note=[{"text": "Patient/p1"}]), id="a-new-mention"),
    ],
)
def test_what_changed_since_the_dry_run_needs_a_new_one(stored: httpx.Client, erase: Erase, resource: Resource) -> None:
    code = code_of(erase("p1"))
    put(stored, resource)
    assert "Nothing was erased; make a new dry run." in erase.refusal("p1", "--confirm", code)
    assert stored.get("Patient/p1").status_code == 200
    assert code_of(erase("p1")) != code


def test_what_did_not_change_keeps_its_code(stored: httpx.Client, erase: Erase) -> None:
    code = code_of(erase("p1"))
    put(stored, observation("o10", "p10", issued="2026-03-01T10:00:00Z"))
    assert code_of(erase("p1")) == code


def test_a_patients_token_ends_with_the_record(stored: httpx.Client, erase: Erase, client_with: ClientWith) -> None:
    bound = client_with("patient/*.rs", patient="p1")
    signed_in = client_with("user/*.rs", user="Patient/p1")
    erase("p1", "--confirm", code_of(erase("p1")))
    # Neither was used before, so that no worker remembers them.
    assert (bound.get("Patient/p10").status_code, signed_in.get("Patient/p10").status_code) == (401, 401)


def test_a_user_of_the_machine_need_not_have_a_name(
    stored: httpx.Client, erase: Erase, monkeypatch: pytest.MonkeyPatch, server: RunningServer, tenant: str
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1000")

    monkeypatch.setattr("getpass.getuser", nameless)
    erase("p1", "--confirm", code_of(erase("p1")))
    (event,) = [row for row in rows_of(server.dsn, tenant)["audit_event"] if row["interaction"] == "erase"]
    assert event["query"].startswith("operator=unknown&resources=2&versions=2&")


def test_an_unknown_tenant_is_refused(server: RunningServer) -> None:
    assert erase_on(server, "none").refusal("p1").startswith("There is no tenant 'none'")


def test_an_id_that_can_be_none_is_refused(erase: Erase) -> None:
    assert "an id is 1 to 64 of" in erase.refusal("Patient/p1")


@pytest.fixture
def unfinished_write(server: RunningServer, tenant: str, stored: httpx.Client) -> Iterator[Callable[[], None]]:
    """A write to the table that has not ended, in another tenant's name; call it to end it."""
    other = server.new_tenant()

    async def begin() -> tuple[asyncpg.Connection, Any]:
        connection = await asyncpg.connect(server.dsn)
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "UPDATE resource SET version = version WHERE tenant = (SELECT tenant FROM tenant WHERE name = $1)", other
        )
        return connection, transaction

    with asyncio.Runner() as runner:
        connection, transaction = runner.run(begin())
        yield lambda: runner.run(transaction.rollback())
        runner.run(connection.close())


def waits_for_writers(dsn: str) -> bool:
    """Whether an erasure stands before its end, with everything deleted and nothing committed."""
    sql = "SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND relation = 'resource'::regclass AND NOT granted"
    return bool(on_database(dsn, lambda connection: connection.fetchval(sql)))


def test_an_erasure_that_is_killed_has_done_nothing(
    server: RunningServer, tenant: str, erase: Erase, unfinished_write: Callable[[], None]
) -> None:
    code = code_of(erase("p1"))
    before = record_rows(rows_of(server.dsn, tenant))
    arguments = ["erase", "--tenant", tenant, "--patient", "p1", "--confirm", code, *erase.bhr_api.options]
    source = "from bhr_api.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", source, *arguments], env={**os.environ, "COLUMNS": "80"})
    try:
        give_up = time.monotonic() + 60
        while not waits_for_writers(server.dsn):
            assert process.poll() is None, "the erasure ended without waiting for the write in flight"
            assert time.monotonic() < give_up
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
        unfinished_write()
    after = rows_of(server.dsn, tenant)
    assert record_rows(after) == before
    assert "erase" not in {row["interaction"] for row in after["audit_event"]}
    assert erase("p1", "--confirm", code).startswith("Erased 2 resources in 2 versions.\n")
