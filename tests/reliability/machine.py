"""A server and its embedded PostgreSQL as processes that can be killed and frozen."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from bhr_api.store.embedded import EmbeddedPostgreSQL
from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer
from tests.reliability.processes import ServerProcess


class Machine:
    """A server with its embedded PostgreSQL, whose processes can be killed."""

    def __init__(self, directory: Path, **settings: object) -> None:
        self.server = ServerProcess(directory, "--data-dir", str(directory / "data"), **settings)
        self.postgresql = EmbeddedPostgreSQL(directory / "data")
        self.server.start()

    @property
    def running(self) -> RunningServer:
        """The server as the other tests know it: with tenants and tokens."""
        return RunningServer(self.server.url, self.postgresql.dsn)

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
        os.kill(self._backends()[0], signal.SIGKILL)

    @asynccontextmanager
    async def frozen_backends(self) -> AsyncIterator[None]:
        """PostgreSQL neither answers nor hangs up, as when its disk stands still."""
        backends = await asyncio.to_thread(self._backends)
        for process_id in backends:
            os.kill(process_id, signal.SIGSTOP)
        try:
            yield
        finally:
            for process_id in backends:
                os.kill(process_id, signal.SIGCONT)

    def _backends(self) -> list[int]:
        """The process ids of the server's connections, the busiest first."""
        return on_database(self.postgresql.superuser_dsn, _backends_of_the_server)

    def kill_worker(self) -> None:
        """One of several worker processes dies; their parent has to see to it."""
        workers = self.server.workers()
        os.kill(workers[0], signal.SIGKILL)

    def kill_both(self) -> None:
        """Everything dies, as in a power cut, and is started again."""
        self.server.kill()
        self.kill_postmaster()
        self.server.start()

    def close(self) -> None:
        """Stop what still runs and delete the database."""
        self.server.close()
        self.postgresql.erase()


async def _backends_of_the_server(connection: asyncpg.Connection) -> list[int]:
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'bhr-api' ORDER BY state_change DESC"
    )
    return [row[0] for row in rows]
