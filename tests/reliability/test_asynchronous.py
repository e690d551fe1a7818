"""Asynchronous requests happen exactly once, whoever is killed meanwhile, and only while they are still allowed."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from bhr_api.job_runner import SLOTS
from bhr_api.store import jobs
from tests.fixtures.database import on_database
from tests.reliability.conftest import OwnServerWith
from tests.reliability.locked_table import locked
from tests.reliability.processes import OwnServer
from tests.reliability.samples import SYSTEM, Resource, batch, entry, new_name, patient, transaction

pytestmark = pytest.mark.xdist_group("reliability")

ASYNC = {"Prefer": "respond-async"}
BOUND_SECONDS = 90.0
ENTRIES = 40
KILLINGS = 4


def put_off(client: httpx.Client, method: str, url: str, sent: Resource | None = None) -> str:
    answer = client.request(method, url, json=sent, headers=ASYNC)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["Content-Location"])


def ended(client: httpx.Client, place: str) -> Resource:
    deadline = time.monotonic() + BOUND_SECONDS
    while (answer := client.get(place)).status_code == 202:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert answer.status_code == 200, answer.text
    found: Resource = answer.json()["entry"][0]
    return found


def execute(dsn: str, sql: str, *values: Any) -> None:
    on_database(dsn, lambda connection: connection.execute(sql, *values))


def pass_time(dsn: str) -> None:
    """Let the jobs of a worker that was killed be seen as abandoned now."""
    longer = jobs.ABANDONED_AFTER + timedelta(seconds=1)
    execute(dsn, "UPDATE job SET heartbeat_at = heartbeat_at - $1::interval WHERE state = 'running'", longer)


def attempts(dsn: str) -> list[int]:
    rows = on_database(dsn, lambda connection: connection.fetch("SELECT attempts FROM job"))
    return [row[0] for row in rows]


def waiting(dsn: str) -> bool:
    sql = "SELECT EXISTS (SELECT 1 FROM job WHERE state IN ('queued', 'running'))"
    found: bool = on_database(dsn, lambda connection: connection.fetchval(sql))
    return found


async def put_off_and_kill(server: OwnServer, client: httpx.Client, bundles: Sequence[Resource]) -> list[str]:
    """Put the bundles off, and kill the server while the first of them are in their transactions."""
    async with locked(server.dsn):
        places = [await asyncio.to_thread(put_off, client, "POST", "", bundle) for bundle in bundles]
        assert await asyncio.to_thread(server.busy_connections_become, SLOTS, 20)
        server.kill()
    await asyncio.to_thread(start_again, server)
    return places


def start_again(server: OwnServer) -> None:
    """Start the server that was killed, long enough afterwards."""
    server.start()
    # The attempts that were killed are to count as none, or the jobs would be given up.
    execute(server.dsn, "UPDATE job SET releases = attempts WHERE state = 'running'")
    pass_time(server.dsn)


def kill_often(server: OwnServer) -> None:
    """Kill the server while it is at work, again and again."""
    for number in range(KILLINGS):
        if not waiting(server.dsn):
            return
        time.sleep(0.03 + 0.05 * number)
        server.kill()
        start_again(server)


def names_found(client: httpx.Client, names: Sequence[str]) -> list[int]:
    return [client.get(f"Patient?identifier={SYSTEM}|{name}&_summary=count").json()["total"] for name in names]


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_kill_9_neither_loses_nor_repeats_what_was_put_off(own_server: OwnServerWith, kind: str) -> None:
    server = own_server()
    names = [new_name() for _ in range(6)]
    make = transaction if kind == "transaction" else batch
    with server.running.client(server.running.token(server.running.new_tenant())) as client:
        bundles = [make([entry("POST", "Patient", patient(name)) for _ in range(ENTRIES)]) for name in names]
        places = asyncio.run(put_off_and_kill(server, client, bundles))
        kill_often(server)
        answers = [ended(client, place) for place in places]
        assert [answer["response"]["status"] for answer in answers] == ["200"] * len(names)
        made = [one["resource"]["id"] for answer in answers for one in answer["resource"]["entry"]]
        assert len(set(made)) == len(made) == ENTRIES * len(names)
        assert names_found(client, names) == [ENTRIES] * len(names)
    assert max(attempts(server.dsn)) > 1, "nobody noticed the killing"


def test_a_stopped_server_takes_its_work_up_again_at_once(own_server: OwnServerWith) -> None:
    server = own_server()
    with server.running.client(server.running.token(server.running.new_tenant())) as client:
        place = asyncio.run(stop_in_the_middle(server, client))
        server.start()
        assert ended(client, place)["response"]["status"] == "200"
    assert attempts(server.dsn) == [2]


async def stop_in_the_middle(server: OwnServer, client: httpx.Client) -> str:
    """Put a search off, and stop the server while the search waits for a lock."""
    async with locked(server.dsn):
        place = await asyncio.to_thread(put_off, client, "GET", "Patient")
        assert await asyncio.to_thread(server.busy_connections_become, 1, 10)
        server.terminate()
        assert await asyncio.to_thread(server.exit_code_within, 20) == 0
    return place


@pytest.mark.parametrize(
    ("change", "status"),
    [
        pytest.param("UPDATE oauth_access_token SET revoked_at = now()", "403", id="revoked"),
        pytest.param(
            "INSERT INTO oauth_client (tenant, client_id, name, scope, redirect_uris, origins, created_at, disabled_at)"
            " SELECT tenant, 'test', 'x', '', '{}', '{}', now(), now() FROM tenant",
            "403",
            id="disabled",
        ),
        pytest.param("UPDATE oauth_access_token SET expires_at = now()", "200", id="expired"),
    ],
)
def test_work_ends_when_it_is_no_longer_allowed(own_server: OwnServerWith, change: str, status: str) -> None:
    server = own_server()
    tenant = server.running.new_tenant()

    async def work() -> str:
        with server.running.client(await asyncio.to_thread(server.running.token, tenant)) as client:
            async with locked(server.dsn) as lock:
                place = await asyncio.to_thread(put_off, client, "GET", "Patient")
                assert await asyncio.to_thread(server.busy_connections_become, 1, 10)
                await asyncio.to_thread(execute, server.dsn, change)
                # Long enough for the next look at the token.
                await asyncio.sleep(7 if status == "403" else 0)
                lock.release()
        return place

    place = asyncio.run(work())
    execute(server.dsn, "UPDATE oauth_client SET disabled_at = NULL")
    with server.running.client(server.running.token(tenant)) as client:
        assert ended(client, place)["response"]["status"] == status


def test_what_takes_too_long_at_once_is_answered_later(own_server: OwnServerWith) -> None:
    server = own_server(statement_timeout_seconds=1)

    async def work(client: httpx.Client) -> str:
        async with locked(server.dsn):
            place = await asyncio.to_thread(put_off, client, "GET", "Patient")
            refused = await asyncio.to_thread(client.get, "Patient")
            assert refused.status_code == 422
            assert refused.json()["issue"][0]["code"] == "too-costly"
        return place

    with server.running.client(server.running.token(server.running.new_tenant())) as client:
        place = asyncio.run(work(client))
        assert ended(client, place)["response"]["status"] == "200"


def test_what_takes_too_long_even_then_is_refused_as_too_costly(own_server: OwnServerWith) -> None:
    server = own_server(async_statement_timeout_seconds=1)

    async def work(client: httpx.Client) -> Resource:
        async with locked(server.dsn):
            place = await asyncio.to_thread(put_off, client, "GET", "Patient")
            return await asyncio.to_thread(ended, client, place)

    with server.running.client(server.running.token(server.running.new_tenant())) as client:
        response = asyncio.run(work(client))["response"]
    assert (response["status"], response["outcome"]["issue"][0]["code"]) == ("422", "too-costly")


def test_answers_are_swept_when_their_time_is_over(own_server: OwnServerWith) -> None:
    server = own_server(async_result_hours=0.001)

    async def outputs(connection: asyncpg.Connection) -> int:
        number: int = await connection.fetchval("SELECT count(*) FROM job_output")
        return number

    with server.running.client(server.running.token(server.running.new_tenant())) as client:
        place = put_off(client, "GET", "Patient")
        ended(client, place)
        assert on_database(server.dsn, outputs) == 1
        time.sleep(4)
        assert client.get(place).status_code == 404
    server.close()
    # A starting server sweeps first of all.
    server.start()
    deadline = time.monotonic() + BOUND_SECONDS
    while on_database(server.dsn, outputs):
        assert time.monotonic() < deadline
        time.sleep(0.1)
