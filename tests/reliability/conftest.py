"""Servers to race against, and servers of a test's own to overload and to stop."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.fixtures.database import TestServer
from tests.fixtures.server import RunningServer
from tests.reliability.calls import RacingServer
from tests.reliability.machine import Machine
from tests.reliability.processes import OwnServer

OwnServerWith = Callable[..., OwnServer]
MachineWith = Callable[..., Machine]


@pytest.fixture(scope="session")
def two_workers(database_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RacingServer]:
    """A server of two processes, which share nothing but the session's database."""
    server = OwnServer(tmp_path_factory.mktemp("two_workers"), database_dsn, workers=2)
    server.start()
    yield RacingServer(server.url, server.dsn, processes=2)
    server.close()


@pytest.fixture(params=["one worker", "two workers"])
def racing(request: pytest.FixtureRequest) -> RacingServer:
    """The server to race against: one process, then two."""
    if request.param == "one worker":
        server: RunningServer = request.getfixturevalue("server")
        return RacingServer(server.url, server.dsn, processes=1)
    workers: RacingServer = request.getfixturevalue("two_workers")
    return workers


@pytest.fixture
def token(racing: RacingServer) -> str:
    """A token for a tenant of the test's own."""
    return racing.token(racing.new_tenant())


@pytest.fixture
def client(racing: RacingServer, token: str) -> Iterator[httpx.Client]:
    """A client that looks at the record before and after the race."""
    with racing.client(token) as http:
        yield http


@pytest.fixture
def own_server(postgresql: TestServer, tmp_path: Path) -> Iterator[OwnServerWith]:
    """Starts servers with a database of their own: `own_server(pool_size=10)`."""
    with servers(postgresql, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def shared_server(postgresql: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServerWith]:
    """The same for the length of a module whose tests leave their server running."""
    with servers(postgresql, tmp_path_factory.mktemp("shared")) as start:
        yield start


@contextmanager
def servers(postgresql: TestServer, parent: Path) -> Iterator[OwnServerWith]:
    """Starts servers, and stops them in the end."""
    made: list[OwnServer] = []

    def start(**settings: object) -> OwnServer:
        directory = parent / str(len(made))
        directory.mkdir()
        server = OwnServer(directory, postgresql.new_database(), **settings)
        made.append(server)
        server.start()
        return server

    try:
        yield start
    finally:
        for server in made:
            server.close()
            postgresql.drop(server.dsn)


@pytest.fixture
def machine_with(tmp_path: Path) -> Iterator[MachineWith]:
    """Starts servers with a PostgreSQL of their own: `machine_with(pool_size=10)`."""
    made: list[Machine] = []

    def start(**settings: object) -> Machine:
        directory = tmp_path / f"machine-{len(made)}"
        directory.mkdir()
        made.append(Machine(directory, **settings))
        return made[-1]

    yield start
    for machine in made:
        machine.close()


@pytest.fixture
def machine(machine_with: MachineWith) -> Machine:
    """A server with a PostgreSQL of its own."""
    return machine_with()
