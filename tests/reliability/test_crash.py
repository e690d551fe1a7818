"""DESIGN promise 1: a 2xx means stored, whoever is killed at whatever moment.

SIGKILL leaves no process the time to tidy up. It is what the kernel does when memory runs out; a power cut does the same to
every process at once. (That the disk keeps what it was told to keep is PostgreSQL's `fsync`, which the embedded server has on.)
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from bhr_api.store.embedded import EmbeddedPostgreSQL
from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer
from tests.reliability.ledger import ENTRIES, Ledger, audited, kept_by, write_until
from tests.reliability.processes import ServerProcess

pytestmark = pytest.mark.xdist_group("reliability")

WRITES = 2_000
KILLED_AT = (400, 800, 1_200, 1_600)
BOUND_SECONDS = 120.0


class Machine:
    """A server with its embedded PostgreSQL, whose processes can be killed."""

    def __init__(self, directory: Path) -> None:
        self.server = ServerProcess(directory, "--data-dir", str(directory / "data"))
        self.postgresql = EmbeddedPostgreSQL(directory / "data")
        self.server.start()

    def kill_server(self) -> None:
        """The server dies and is started again; PostgreSQL never stopped."""
        self.server.kill()
        self.server.start()

    def kill_postmaster(self) -> None:
        """PostgreSQL dies; the server has to see to it."""
        process_id = self.postgresql.process_id
        assert process_id is not None
        os.kill(process_id, signal.SIGKILL)

    def kill_backend(self) -> None:
        """One connection's process dies, whereupon PostgreSQL ends all others and recovers."""
        backend = on_database(self.postgresql.superuser_dsn, _a_backend_of_the_server)
        os.kill(backend, signal.SIGKILL)

    def kill_both(self) -> None:
        """Everything dies, as in a power cut, and is started again."""
        self.server.kill()
        self.kill_postmaster()
        self.server.start()

    def close(self) -> None:
        """Stop what still runs and delete the database."""
        self.server.close()
        self.postgresql.erase()


async def _a_backend_of_the_server(connection: asyncpg.Connection) -> int:
    found: int = await connection.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'bhr-api' ORDER BY state_change DESC LIMIT 1"
    )
    return found


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine of the test's own."""
    made = Machine(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    "kill",
    [
        pytest.param(Machine.kill_server, id="the-server"),
        pytest.param(Machine.kill_postmaster, id="the-postmaster"),
        pytest.param(Machine.kill_backend, id="a-backend-of-postgresql"),
        pytest.param(Machine.kill_both, id="server-and-postmaster"),
    ],
)
def test_kill_9_loses_nothing_acknowledged(machine: Machine, kill: Callable[[Machine], None]) -> None:
    running = RunningServer(machine.server.url, machine.postgresql.dsn)
    token = running.token(running.new_tenant())
    ledger = Ledger()
    asyncio.run(_write_and_kill(ledger, running, token, lambda: kill(machine)))
    assert ledger.unexpected == [], machine.server.failures()
    assert ledger.unanswered + ledger.unavailable > 0, "nobody noticed the killing"
    kept = kept_by(running, token)
    assert ledger.versions - set(kept.versions) == set()
    assert kept.gaps() == []
    assert all(kept.named[name] == ENTRIES for name in ledger.transactions)
    assert set(kept.named.values()) <= {1, ENTRIES}, "a transaction is half there"
    assert sorted(audited(running.dsn)) == sorted(kept.versions)
    assert machine.server.failures() == []


async def _write_and_kill(ledger: Ledger, server: RunningServer, token: str, kill: Callable[[], None]) -> None:
    async with asyncio.timeout(BOUND_SECONDS):
        writing = asyncio.create_task(write_until(ledger, server, token, WRITES))
        for moment in KILLED_AT:
            while ledger.writes < moment and not writing.done():  # noqa: ASYNC110  the writers have no event to set
                await asyncio.sleep(0.005)
            await asyncio.to_thread(kill)
        await writing
