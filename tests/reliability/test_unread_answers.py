"""Answers that nobody reads, one after another on one connection (RFC 9112 §9.3.2): held for a while, then given up."""

import asyncio
import time
from contextlib import suppress

import pytest

from bhr_api import bounded_protocol
from tests.fixtures.server import RunningServer
from tests.reliability.calls import BOUND_SECONDS
from tests.reliability.samples import entry, observation, transaction
from tests.reliability.sockets import Socket, head, sockets

pytestmark = pytest.mark.xdist_group("reliability")

UNREAD_SECONDS = 1.0
PIPELINED = 40
# Less than the keep-alive of 5 seconds, which begins when everything is answered: here never.
GIVEN_UP_WITHIN = 4.0


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_protocol, "UNREAD_SECONDS", UNREAD_SECONDS)


@pytest.fixture
def pipelined(server: RunningServer, tenant: str) -> bytes:
    """Forty requests, each for a page of half a megabyte."""
    note = [{"text": "x" * 50_000}]
    entries = [entry("POST", "Observation", observation(n, note=note)) for n in range(10)]
    token = server.token(tenant)
    with server.client(token) as client:
        client.post("", json=transaction(entries), headers={"Prefer": "return=minimal"}).raise_for_status()
    return head(server, token, "GET", "/fhir/Observation?_count=10") * PIPELINED


async def seconds_until_cut(socket: Socket, most: float) -> float:
    """When the server cut the connection; a client that does not read sees it only when it writes."""
    started = time.monotonic()
    with suppress(ConnectionError):
        while time.monotonic() - started < most:
            await socket.send(b"\r\n")
            await asyncio.sleep(0.1)
    return time.monotonic() - started


async def read_slowly(socket: Socket, bytes_a_second: int, seconds: float) -> int:
    """Read at that speed for so long; how much there was."""
    started, read = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        part = await socket.reader.read(bytes_a_second // 10)
        if not part:
            break
        read += len(part)
        await asyncio.sleep(0.1)
    return read


def test_pipelined_answers_that_nobody_reads_are_given_up(server: RunningServer, pipelined: bytes) -> None:
    async def run() -> float:
        async with asyncio.timeout(BOUND_SECONDS), sockets(server) as (socket,):
            socket.stop_reading()
            await socket.send(pipelined)
            return await seconds_until_cut(socket, 2 * GIVEN_UP_WITHIN)

    assert asyncio.run(run()) < GIVEN_UP_WITHIN


def test_a_client_that_reads_slowly_but_steadily_is_let_read(server: RunningServer, pipelined: bytes) -> None:
    speed, seconds = 400_000, 6 * UNREAD_SECONDS

    async def run() -> int:
        async with asyncio.timeout(BOUND_SECONDS), sockets(server) as (socket,):
            await socket.send(pipelined)
            return await read_slowly(socket, speed, seconds)

    # It is never cut off: what it read took all the time that there was.
    assert asyncio.run(run()) > speed * seconds / 2


def test_the_rest_of_a_body_that_was_answered_without_has_a_time_limit(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "REST_SECONDS", 2.0)

    async def run() -> float:
        async with asyncio.timeout(BOUND_SECONDS), sockets(server) as (socket,):
            await socket.send(head(server, "", "POST", "/nothing-here", "Content-Length: 1000"))
            assert await socket.status() == 404
            return await socket.trickle(b" " * 60, 15)

    assert asyncio.run(run()) < 5


def test_who_sends_the_rest_of_a_body_may_ask_again_and_is_not_kept_for_ever(server: RunningServer) -> None:
    async def run() -> None:
        async with asyncio.timeout(BOUND_SECONDS), sockets(server) as (socket,):
            await socket.send(head(server, "", "POST", "/nothing-here", "Content-Length: 3"))
            assert await socket.status() == 404
            while (await socket.reader.readline()).strip():
                pass
            await socket.reader.readexactly(len(b'{"detail":"Not Found"}'))
            await socket.send(b"abc" + head(server, "", "GET", "/health/live"))
            assert await socket.status() == 200
            assert await socket.is_closed_within(15)

    asyncio.run(run())
