"""A job in the hands of its runner: what a handler of jobs is given (`bhr_api.job_runner` tells how to write one)."""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from bhr_api.store import jobs
from bhr_api.store.database import Connection, Database
from bhr_api.store.jobs import Job, Output

# How long what the server does for itself is remembered.
KEPT = timedelta(days=7)


class JobLostError(Exception):
    """The job was cancelled, or another runner took it over: whatever was done in this transaction must not be kept."""


class JobRun:
    """One attempt at a job. `database` is the pool of the jobs, whose statements may take longer than a request's."""

    def __init__(self, job: Job, database: Database) -> None:
        self.job = job
        self.database = database
        self.is_cancelled = False
        self.is_finished = False
        self._progress: dict[str, Any] = {} if job.progress is None else json.loads(job.progress)

    @property
    def input(self) -> Any:
        """What the job was added with."""
        return json.loads(self.job.input)

    @property
    def saved(self) -> Any:
        """What the last attempt saved with `report`, from which this one goes on; None at the beginning."""
        return self._progress.get("saved")

    async def report(
        self, done: int, total: int | None, *, text: str = "", saved: Any = None, connection: Connection | None = None
    ) -> None:
        """Store how far the job is, and `saved` (JSON) as the point to go on from, unless it is None.

        On `connection` it becomes part of its transaction, so that work and point are kept together or not at all.
        Raises JobLostError when the job is this runner's no longer.
        """
        self._progress = {"done": done, "total": total, "text": text, "saved": self.saved if saved is None else saved}
        if connection is not None:
            await self._beat(connection)
            return
        async with self.database.acquire() as own:
            await self._beat(own)

    async def _beat(self, connection: Connection) -> None:
        progress = json.dumps(self._progress).encode()
        if not await jobs.heartbeat(connection, self.job, self.database.now(), progress):
            self.is_cancelled = True
            raise JobLostError(self.job.id)

    async def complete(
        self, connection: Connection, outputs: Sequence[Output] = (), *, expires_at: datetime | None = None
    ) -> None:
        """End the job in the transaction of `connection`, with what it came to. Raises JobLostError.

        Only what is committed together happens exactly once: a handler that writes should end so in its last transaction.
        """
        await self._finish(connection, "completed", outputs, expires_at)

    async def fail(self, connection: Connection, outputs: Sequence[Output], *, expires_at: datetime) -> None:
        """End the job as failed, with what there is to say about it. Raises JobLostError."""
        await self._finish(connection, "failed", outputs, expires_at)

    async def _finish(
        self, connection: Connection, ending: jobs.Ending, outputs: Sequence[Output], expires_at: datetime | None
    ) -> None:
        now = self.database.now()
        if not await jobs.finish(connection, self.job, ending, now, expires_at or now + KEPT, outputs):
            self.is_cancelled = True
            raise JobLostError(self.job.id)
        self.is_finished = True


# A handler carries out jobs of one kind; what it gives back is what the job came to.
Handler = Callable[[JobRun], Awaitable[Sequence[Output]]]
