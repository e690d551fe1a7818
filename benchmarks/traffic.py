"""Load over HTTP: keep-alive sockets in a process of its own, so that it costs the server as little as may be."""

import asyncio
import itertools
import multiprocessing
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import uvloop

# Connections open, statements are prepared and caches fill before anything counts.
WARM_UP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of requests came to; `latencies` in seconds, in order; `refused` are answers of another status than 2xx."""

    seconds: float
    latencies: list[float]
    refused: int

    @property
    def per_second(self) -> float:
        """Answers with a 2xx status a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency that `share` of the answers keep under, in milliseconds."""
        if not self.latencies:
            return 0.0
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))] * 1000


def request(
    method: str, port: int, path: str, token: str, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()
) -> bytes:
    """The bytes of one request."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        *([f"Authorization: Bearer {token}"] if token else []),
        *(f"{name}: {value}" for name, value in headers),
    ]
    if body:
        lines += ["Content-Type: application/fhir+json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def run(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Outcome:
    """Send `requests` over and over on so many connections, and count what is answered within `seconds`."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (port, list(requests), connections, seconds))


def _run(port: int, requests: list[bytes], connections: int, seconds: float) -> Outcome:
    random.shuffle(requests)
    return uvloop.run(_drive(port, requests, connections, seconds))


async def _drive(port: int, requests: list[bytes], connections: int, seconds: float) -> Outcome:
    loop = asyncio.get_running_loop()
    # Each request once in turn, whichever connection is free: bodies of creates differ, and so do ids.
    counted = _Counted(itertools.cycle(requests), time.perf_counter() + WARM_UP_SECONDS, seconds)
    made = [
        (await loop.create_connection(lambda: _Connection(counted), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    async with asyncio.timeout(seconds + 60):
        await asyncio.gather(*(connection.done for connection in made))
    return Outcome(seconds, sorted(counted.latencies), counted.refused)


class _Counted:
    """The requests of all connections, and what came of those that were answered in the time that counts."""

    def __init__(self, turn: Iterator[bytes], start: float, seconds: float) -> None:
        self.turn = turn
        self.end = start + seconds
        self.latencies: list[float] = []
        self.refused = 0
        self._start = start

    def count(self, status: int, sent: float, answered: float) -> None:
        """Take up one answer."""
        if not self._start <= answered <= self.end:
            return
        if status < 300:
            self.latencies.append(answered - sent)
        else:
            self.refused += 1


class _Connection(asyncio.Protocol):
    """Sends a request, waits for the whole answer, sends the next."""

    def __init__(self, counted: _Counted) -> None:
        self._counted = counted
        self._waiting_for = 0
        self._received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports are none by inheritance.
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server closed, or we did."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("the server closed a connection"))

    def data_received(self, data: bytes) -> None:
        """Take up what came, and go on when the answer is whole."""
        self._received += data
        if self._waiting_for == 0:
            end_of_head = self._received.find(b"\r\n\r\n")
            if end_of_head < 0:
                return
            self._waiting_for = end_of_head + 4 + _content_length(self._received[:end_of_head])
        if len(self._received) >= self._waiting_for:
            self._finish(int(self._received[9:12]))

    def _finish(self, status: int) -> None:
        now = time.perf_counter()
        self._counted.count(status, self._sent, now)
        self._received, self._waiting_for = b"", 0
        if now < self._counted.end:
            self._send()
        else:
            self._transport.close()
            self.done.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(next(self._counted.turn))


def _content_length(head: bytes) -> int:
    lower = head.lower()
    place = lower.find(b"content-length:")
    return 0 if place < 0 else int(lower[place + 15 :].partition(b"\r\n")[0])
