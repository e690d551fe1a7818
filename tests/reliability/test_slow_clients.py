"""Clients that are slow, or go without a word, take nothing from the others (DESIGN promise 7)."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from bhr_api.bounded_protocol import HEAD_SECONDS
from tests.fixtures.server import RunningServer
from tests.reliability.calls import BOUND_SECONDS, caller
from tests.reliability.conftest import OwnServerWith
from tests.reliability.locked_table import locked
from tests.reliability.processes import OwnServer
from tests.reliability.samples import entry, observation, transaction
from tests.reliability.sockets import Socket, head, sockets

pytestmark = pytest.mark.xdist_group("reliability")

POOL = 10
ARRIVAL_SECONDS = 3.0
GONE = 150
SLOW = 100
PROMPT_SECONDS = 1.0


@pytest.fixture(scope="module")
def server(shared_server: OwnServerWith) -> OwnServer:
    """A server that waits three seconds for a body."""
    return shared_server(pool_size=POOL, request_timeout_seconds=ARRIVAL_SECONDS)


@asynccontextmanager
async def answering_others(server: RunningServer, token: str) -> AsyncIterator[None]:
    """Assert that another client is answered promptly all the while."""
    ending = asyncio.Event()

    async def ask(http: httpx.AsyncClient) -> float:
        slowest = 0.0
        while not ending.is_set():
            started = time.monotonic()
            assert (await http.get("Patient")).status_code == 200
            slowest = max(slowest, time.monotonic() - started)
            await asyncio.sleep(0.05)
        return slowest

    async with caller(server, token) as http:
        asking = asyncio.create_task(ask(http))
        try:
            yield
        finally:
            ending.set()
            slowest = await asking
        assert slowest < PROMPT_SECONDS


def test_slow_clients_are_let_go_and_disturb_nobody(server: OwnServer) -> None:
    running = server.running
    token = running.token(running.new_tenant())
    slow_head = head(running, token, "GET", "/fhir/Patient")

    async def run() -> None:
        async with asyncio.timeout(BOUND_SECONDS), answering_others(running, token), sockets(running, SLOW) as slow:
            lasted = await asyncio.gather(*(each.trickle(slow_head, HEAD_SECONDS + 5) for each in slow))
        assert max(lasted) < HEAD_SECONDS + 3

    asyncio.run(run())


def test_a_slow_body_is_refused_when_its_time_is_up(server: OwnServer) -> None:
    running = server.running
    token = running.token(running.new_tenant())

    async def run() -> None:
        async with asyncio.timeout(BOUND_SECONDS), answering_others(running, token), sockets(running, 20) as slow:
            for each in slow:
                await each.send(head(running, token, "POST", "/fhir/Patient", "Content-Length: 1000") + b'{"resour')
            started = time.monotonic()
            assert set(await asyncio.gather(*(each.status() for each in slow))) <= {408, 503}
            assert time.monotonic() - started < ARRIVAL_SECONDS + 2
            # The rest of the body may come for ever; the connection is of no use to anybody.
            lasted = await asyncio.gather(*(each.trickle(b" " * 30, 12) for each in slow))
            assert max(lasted) < 10

    asyncio.run(run())


FORM = b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
HALF_A_FORM = FORM + b"Content-Length: 1000\r\n\r\ngrant_type=client_credentials&client_secret=hidden"


def test_a_slow_token_request_is_refused_when_its_time_is_up(server: OwnServer) -> None:
    async def run() -> None:
        async with asyncio.timeout(BOUND_SECONDS), sockets(server.running, 20) as slow:
            for each in slow:
                await each.send(HALF_A_FORM)
            started = time.monotonic()
            assert set(await asyncio.gather(*(each.status() for each in slow))) == {408}
            assert ARRIVAL_SECONDS - 1 < time.monotonic() - started < ARRIVAL_SECONDS + 2
            assert all(await asyncio.gather(*(each.is_closed_within(2) for each in slow)))

    asyncio.run(run())


def test_a_client_that_leaves_in_its_token_request_is_logged_in_one_line(server: OwnServer) -> None:
    before = len(server.log.read_text())

    async def run() -> None:
        async with sockets(server.running) as (leaving,):
            await leaving.send(HALF_A_FORM)
            await asyncio.sleep(0.5)
            leaving.reset()
            await asyncio.sleep(0.5)

    asyncio.run(run())
    (line,) = server.log.read_text()[before:].splitlines()
    assert json.loads(line).items() >= {"event": "client_left", "level": "info", "endpoint": "token"}.items()
    assert "hidden" not in line


def test_clients_that_go_without_a_word_leave_no_connection_behind(server: OwnServer) -> None:
    running = server.running
    token = running.token(running.new_tenant())
    in_the_body = head(running, token, "POST", "/fhir/Patient", "Content-Length: 100000") + b'{"resourceType": "Pat'
    in_the_work = head(running, token, "GET", "/fhir/Patient?identifier=urn:example|1")

    async def run() -> None:
        async with asyncio.timeout(BOUND_SECONDS), caller(running, token) as http:
            await http.get("Patient")
            async with locked(running.dsn), sockets(running, GONE) as going:
                for n, each in enumerate(going):
                    await each.send(in_the_work if n % 2 else in_the_body)
                assert await asyncio.to_thread(server.busy_connections_become, POOL, 5)
                for each in going:
                    each.reset()
            assert await asyncio.to_thread(server.busy_connections_become, 0, 10)
            assert (await http.get("Patient")).status_code == 200
            async with locked(running.dsn):
                asking = [asyncio.create_task(http.get("Patient")) for _ in range(POOL)]
                assert await asyncio.to_thread(server.busy_connections_become, POOL, 5)
            await asyncio.gather(*asking)

    asyncio.run(run())
    assert server.failures() == []


@pytest.fixture
def long_page(server: OwnServer) -> tuple[str, bytes]:
    """A token, and the head of a request whose answer is 10 MB long: no buffer of a socket takes as much."""
    running = server.running
    token = running.token(running.new_tenant())
    note = [{"text": "x" * 100_000}]
    with running.client(token) as client:
        entries = [entry("POST", "Observation", observation(n, note=note)) for n in range(100)]
        client.post("", json=transaction(entries), headers={"Prefer": "return=minimal"}).raise_for_status()
    return token, head(running, token, "GET", "/fhir/Observation?_count=100")


async def ask_and_not_read(silent: list[Socket], request: bytes) -> None:
    """Send `request` on every one, and leave the answers lying."""
    for each in silent:
        each.stop_reading()
        await each.send(request)


def test_clients_that_do_not_read_hold_no_database_connection(server: OwnServer, long_page: tuple[str, bytes]) -> None:
    token, request = long_page

    async def run() -> None:
        running = server.running
        async with asyncio.timeout(BOUND_SECONDS), caller(running, token) as http, sockets(running, POOL * 2) as silent:
            await ask_and_not_read(silent, request)
            started = time.monotonic()
            assert (await http.get("Patient")).status_code == 200
            assert time.monotonic() - started < 5
            assert await asyncio.to_thread(server.busy_connections_become, 0, 5)
            assert server.open_sockets() >= POOL * 2

    asyncio.run(run())
    assert server.failures() == []


def test_clients_that_leave_while_they_are_answered_are_no_fault_of_the_server(
    server: OwnServer, long_page: tuple[str, bytes]
) -> None:
    _, request = long_page

    async def run() -> None:
        for n in range(40):
            async with sockets(server.running, 2) as leaving:
                for each in leaving:
                    await each.send(request * 3)
                # At some moment of the work, or of the answer.
                await asyncio.sleep(n / 200)
                for each in leaving:
                    each.reset()
        await asyncio.sleep(1)

    asyncio.run(run())
    assert server.failures() == []


@pytest.mark.soak
def test_clients_that_do_not_read_are_let_go_in_the_end(server: OwnServer, long_page: tuple[str, bytes]) -> None:
    _, request = long_page

    async def run() -> None:
        async with asyncio.timeout(2 * BOUND_SECONDS), sockets(server.running, POOL) as silent:
            await ask_and_not_read(silent, request)
            deadline = time.monotonic() + BOUND_SECONDS
            while server.open_sockets() > 0:
                assert time.monotonic() < deadline
                await asyncio.sleep(1)

    asyncio.run(run())
