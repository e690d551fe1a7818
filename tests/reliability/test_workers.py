"""Several workers on one port: each has its share of the connections, also after one of them was replaced."""

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.reliability.conftest import OwnServerWith
from tests.reliability.processes import OwnServer

pytestmark = pytest.mark.xdist_group("reliability")

CONNECTIONS = 16
SLACK = 3
POOL_SIZE = 2
REPLACED_SECONDS = 20.0
_SOCKET = re.compile(r"socket:\[([0-9]+)\]")
# Columns and a state of /proc/net/tcp (proc_net_tcp(5)).
LOCAL, STATE, INODE = 1, 3, 9
ESTABLISHED = "01"


@pytest.fixture
def two_workers(own_server: OwnServerWith) -> OwnServer:
    server = own_server(workers=2, pool_size=POOL_SIZE)
    assert both_serve(server)
    return server


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as stack:
        yield stack


def connect(server: OwnServer, opened: ExitStack, number: int) -> None:
    """Open so many connections at once, ask something on each and wait for the answers."""
    made = [opened.enter_context(socket.create_connection(("127.0.0.1", server.port), 10)) for _ in range(number)]
    for connection in made:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for connection in made:
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def connections_of(server: OwnServer) -> dict[int, int]:
    """How many connections of clients each worker has."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    clients = {row[INODE] for row in rows if row[LOCAL].endswith(f":{server.port:04X}") and row[STATE] == ESTABLISHED}
    return {worker: len(clients & sockets_of(worker)) for worker in server.workers()}


def sockets_of(process_id: int) -> set[str]:
    """The inodes of the sockets that a process has open."""
    inodes = set()
    # A descriptor may be closed while it is looked at, a process end.
    with suppress(FileNotFoundError):
        for path in Path(f"/proc/{process_id}/fd").iterdir():
            found = _SOCKET.fullmatch(os.readlink(path))
            if found is not None:
                inodes.add(found[1])
    return inodes


def both_serve(server: OwnServer, gone: int | None = None) -> bool:
    """Whether two workers come to share connections in time, none of which is the one that is `gone`."""
    deadline = time.monotonic() + REPLACED_SECONDS
    while time.monotonic() < deadline:
        with ExitStack() as opened:
            connect(server, opened, 2)
            found = connections_of(server)
        if len(found) == 2 and all(found.values()) and gone not in found:
            return True
        time.sleep(0.1)
    return False


def becomes(condition: Callable[[], bool]) -> bool:
    """Whether `condition` is met within the time that a worker's replacement may take."""
    deadline = time.monotonic() + REPLACED_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def pool_connections(server: OwnServer) -> float:
    """How many database connections the metrics tell of."""
    line = re.search(r"^bhr_pool_connections (.+)$", httpx.get(f"{server.url}/metrics").text, re.MULTILINE)
    assert line is not None
    return float(line[1])


def test_connections_opened_at_once_are_shared_evenly(two_workers: OwnServer, opened: ExitStack) -> None:
    connect(two_workers, opened, CONNECTIONS)
    counts = sorted(connections_of(two_workers).values())
    assert sum(counts) == CONNECTIONS
    # Half, but for a worker that the machine's other tests kept from running meanwhile.
    assert counts[0] >= CONNECTIONS // 2 - SLACK


def test_a_replaced_worker_gets_the_next_connections(two_workers: OwnServer, opened: ExitStack) -> None:
    connect(two_workers, opened, CONNECTIONS)
    killed, survivor = two_workers.workers()
    os.kill(killed, signal.SIGKILL)
    # Meanwhile the other answers: no connection waits for a worker that is not there.
    connect(two_workers, opened, 2)
    assert both_serve(two_workers, killed)
    connect(two_workers, opened, CONNECTIONS)
    counts = connections_of(two_workers)
    successor = next(worker for worker in counts if worker != survivor)
    assert abs(counts[survivor] - counts[successor]) <= SLACK


def test_a_worker_that_is_replaced_is_logged(two_workers: OwnServer) -> None:
    killed, _ = two_workers.workers()
    os.kill(killed, signal.SIGKILL)
    assert both_serve(two_workers, killed)
    lines = [json.loads(line) for line in two_workers.log.read_text().splitlines()]
    (replaced,) = [line for line in lines if line["event"] == "worker_replaced"]
    assert (replaced["level"], replaced["pid"], replaced["signal"]) == ("warning", killed, "SIGKILL")
    assert replaced["successor"] in two_workers.workers()


def test_the_metrics_forget_a_worker_that_a_signal_took_away(two_workers: OwnServer) -> None:
    assert becomes(lambda: pool_connections(two_workers) > POOL_SIZE)
    os.kill(two_workers.pid, signal.SIGTTOU)
    assert becomes(lambda: len(two_workers.workers()) == 1)
    assert becomes(lambda: 0 < pool_connections(two_workers) <= POOL_SIZE)


def test_the_metrics_forget_the_connections_of_a_worker_that_was_killed(two_workers: OwnServer) -> None:
    killed = two_workers.workers()[0]
    os.kill(killed, signal.SIGKILL)
    assert both_serve(two_workers, killed)
    assert 0 < pool_connections(two_workers) <= 2 * POOL_SIZE
