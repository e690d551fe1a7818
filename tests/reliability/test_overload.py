"""DESIGN promise 7: too many clients are answered or shed, never left hanging, and nothing of them stays behind."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.fixtures.server import RunningServer
from tests.reliability.calls import BOUND_SECONDS, caller
from tests.reliability.conftest import OwnServerWith
from tests.reliability.locked_table import locked
from tests.reliability.processes import OwnServer
from tests.reliability.samples import SYSTEM, Resource, entry, new_name, observation, patient, transaction

pytestmark = pytest.mark.xdist_group("reliability")

CLIENTS = 200
POOL = 10
LOAD_SECONDS = 5.0
RECOVERY_SECONDS = 5.0
RECORD = "reliability-patient"
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
AMENDED = [{"op": "replace", "path": "/status", "value": "amended"}]


def record() -> Resource:
    """A transaction that makes a patient with observations, or makes them again."""
    subject = {"reference": f"Patient/{RECORD}"}
    observations = [{**observation(n, subject=subject), "id": f"{RECORD}-{n}"} for n in range(20)]
    puts = [entry("PUT", f"Observation/{body['id']}", body) for body in observations]
    return transaction([entry("PUT", f"Patient/{RECORD}", {**patient(RECORD), "id": RECORD}), *puts])


Ask = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]
# What the clients ask, with the statuses that are proper besides 503.
MIXED: list[tuple[Ask, set[int]]] = [
    (lambda http: http.get(f"Patient/{RECORD}"), {200}),
    (lambda http: http.get(f"Observation?subject=Patient/{RECORD}&_include=Observation:subject&_count=50"), {200}),
    (lambda http: http.get(f"Patient?_id={RECORD}&_revinclude=Observation:subject"), {200}),
    (lambda http: http.post("Observation", json=observation(1, subject={"reference": f"Patient/{RECORD}"})), {201}),
    (lambda http: http.post("", json=record()), {200, 409}),
    (lambda http: http.post("", json=transaction([entry("POST", "Patient", patient(new_name()))] * 1)), {200}),
    (lambda http: http.get(f"Observation?subject:Patient.identifier={SYSTEM}|{RECORD}&_sort=-_lastUpdated"), {200}),
    (lambda http: http.get(f"Patient?_has:Observation:subject:status=final&_id={RECORD}"), {200}),
    (lambda http: http.get(f"Patient/{RECORD}/$everything?_count=50"), {200}),
    (lambda http: http.patch(f"Observation/{RECORD}-{random.randrange(20)}", json=AMENDED, headers=JSON_PATCH), {200}),
]


@pytest.fixture(scope="module")
def busy_server(shared_server: OwnServerWith) -> OwnServer:
    """A server with a pool of ten connections, which is the default as well."""
    return shared_server(pool_size=POOL)


def is_shed(answer: httpx.Response) -> bool:
    """Whether the request was refused as DESIGN promise 7 says."""
    if answer.status_code != 503:
        return False
    assert int(answer.headers["retry-after"]) > 0
    assert [issue["code"] for issue in answer.json()["issue"]] == ["throttled"]
    return True


def test_two_hundred_clients_on_ten_connections_finish_or_are_shed(busy_server: OwnServer) -> None:
    running = busy_server.running
    token = running.token(running.new_tenant())
    answered: Counter[int] = Counter()
    wrong: list[str] = []

    async def ask_until(http: httpx.AsyncClient, end: float) -> None:
        while time.monotonic() < end:
            ask, proper = random.choice(MIXED)
            answer = await ask(http)
            answered[answer.status_code] += 1
            if not is_shed(answer) and answer.status_code not in proper:
                wrong.append(
                    f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:200]}"
                )

    async def run() -> None:
        async with asyncio.timeout(BOUND_SECONDS), caller(running, token) as http:
            assert (await http.post("", json=record())).status_code == 200
            end = time.monotonic() + LOAD_SECONDS
            await asyncio.gather(*(ask_until(http, end) for _ in range(CLIENTS)))

    asyncio.run(run())
    assert wrong == []
    assert answered.total() > CLIENTS
    assert busy_server.failures() == []
    asyncio.run(has_recovered(busy_server, running, token))


def test_what_finds_no_connection_is_shed_in_time_and_the_rest_finishes(busy_server: OwnServer) -> None:
    running = busy_server.running
    token = running.token(running.new_tenant())

    async def run() -> list[httpx.Response]:
        async with asyncio.timeout(BOUND_SECONDS), caller(running, token) as http:
            await http.post("", json=record())
            async with locked(running.dsn) as lock:
                asking = [asyncio.create_task(http.get(f"Patient/{RECORD}")) for _ in range(CLIENTS)]
                started = time.monotonic()
                shed, _ = await asyncio.wait(asking, timeout=6)
                assert {is_shed(answer.result()) for answer in shed} == {True}
                assert len(shed) == CLIENTS - POOL
                assert time.monotonic() - started >= 2
                lock.release()
                return list(await asyncio.gather(*asking))

    answers = asyncio.run(run())
    assert sum(answer.status_code == 200 for answer in answers) == POOL
    asyncio.run(has_recovered(busy_server, running, token))


async def has_recovered(server: OwnServer, running: RunningServer, token: str) -> None:
    """Assert that a read is answered soon, and that every connection of the pool is there to be used."""
    async with asyncio.timeout(BOUND_SECONDS), caller(running, token) as http:
        started = time.monotonic()
        answer = await http.get("Patient?_count=1")
        assert answer.status_code == 200
        assert time.monotonic() - started < RECOVERY_SECONDS
        assert await asyncio.to_thread(server.busy_connections_become, 0, RECOVERY_SECONDS)
        await http.get("Patient?_count=1")
        async with locked(running.dsn):
            # A connection that was not given back could not be waiting for the lock.
            asking = [asyncio.create_task(http.get("Patient?_count=1")) for _ in range(POOL)]
            assert await asyncio.to_thread(server.busy_connections_become, POOL, RECOVERY_SECONDS)
        await asyncio.gather(*asking)
