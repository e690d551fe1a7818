"""The runner of durable jobs: claims them, carries them out beside the requests, and goes on where a dead worker stopped.

How to write a kind of job (DESIGN section 9). Add it from an interaction, in the transaction of what makes it necessary,
and call the context's `wake_jobs` once that has committed:

    await jobs.add(connection, tenant=..., tenant_name=..., kind="count-goals", input=b"{}", now=..., key="count-goals")

Its handler takes a `JobRun` and gives back what the job came to; the application hands it over by its kind:

    async def count_goals(run: JobRun) -> list[Output]:
        done, after = run.saved or (0, "")
        while rows := await next_rows(run.database, run.job.tenant, after):
            done, after = done + len(rows), rows[-1].id
            await run.report(done, None, saved=(done, after))
        return [Output("application/json", b"%d" % done)]

* A killed worker's job is claimed by another 30 s after the last heartbeat, which the runner sends every 5 s; one that is
  stopped with SIGTERM gives its jobs back at once. The next attempt begins with what the last one saved.
* So a handler may be run again at any point after its last `report`. What must happen once is committed together: pass the
  connection of the transaction to `report`, or to `complete` at the end. Both raise JobLostError for a runner that has lost the
  job, which ends the transaction.
* The handler is cancelled (asyncio.CancelledError) when the job is; long work in a thread looks at `is_cancelled`.
* A RefusalError of a status below 500 ends the job as failed, with its outcome; any other exception is tried again, after
  half a minute, `MOST_TRIES` times in all.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import asyncpg
import structlog

from bhr_api.errors import InternalError, RefusalError
from bhr_api.fhir import json_text
from bhr_api.routers.error_handler import place_of
from bhr_api.store import jobs
from bhr_api.store.database import Database
from bhr_api.store.job_run import KEPT, Handler, JobLostError, JobRun
from bhr_api.store.jobs import Job, Output

log = structlog.get_logger(__name__)

SLOTS = 2
POLL_SECONDS = 2.0
HEARTBEAT_SECONDS = 5.0
SWEEP_SECONDS = 60.0
MOST_TRIES = 3
_NOT_NOW = (RefusalError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


class JobRunner:
    """One worker's runner, with `SLOTS` jobs at a time.

    It looks for jobs on `database`, the pool of the requests; the jobs have a pool of their own, with a connection for each
    slot and one for the heartbeats, so that neither waits for the other.
    """

    def __init__(self, database: Database, jobs_database: Database, handlers: Mapping[str, Handler]) -> None:
        self._database = database
        self._jobs_database = jobs_database
        self._handlers = handlers
        self._running: dict[asyncio.Task[None], asyncio.Task[Sequence[Output]]] = {}
        self._woken = asyncio.Event()
        self._is_stopping = False
        self._swept_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the background."""
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Look for jobs now: one was added."""
        self._woken.set()

    async def stop(self) -> None:
        """Claim nothing more, and give back what is being worked on."""
        self._is_stopping = True
        self.wake()
        if self._task is not None:
            await self._task
        for work in self._running.values():
            work.cancel()
        await asyncio.gather(*self._running)

    async def _run(self) -> None:
        while not self._is_stopping:
            self._woken.clear()
            try:
                await self._fill()
                await self._sweep()
            except _NOT_NOW as error:
                log.warning("jobs_delayed", reason=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), POLL_SECONDS)

    async def _fill(self) -> None:
        """Claim jobs for the free slots, of each tenant in turn."""
        if len(self._running) >= SLOTS:
            return
        async with self._database.acquire() as connection:
            now = self._database.now()
            waiting = await jobs.tenants_with_work(connection, self._handlers, now)
            random.shuffle(waiting)
            while waiting and len(self._running) < SLOTS and not self._is_stopping:
                tenant = waiting.pop(0)
                job = await jobs.claim(connection, tenant, self._handlers, now)
                if job is not None:
                    self._begin(job)
                    waiting.append(tenant)

    async def _sweep(self) -> None:
        if time.monotonic() < self._swept_at + SWEEP_SECONDS:
            return
        self._swept_at = time.monotonic()
        async with self._database.acquire() as connection:
            now = self._database.now()
            for tenant in await jobs.tenants_with_expired(connection, now):
                await jobs.sweep(connection, tenant, now)

    def _begin(self, job: Job) -> None:
        run = JobRun(job, self._jobs_database)
        work = asyncio.ensure_future(self._work(run))
        task = asyncio.create_task(self._see_through(run, work))
        self._running[task] = work
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self.wake()

    async def _work(self, run: JobRun) -> Sequence[Output]:
        if run.job.tries > MOST_TRIES:
            # The attempts before ended with their workers, so none of them could say so.
            raise _GaveUpError
        async with self._jobs_database.acquire() as connection:
            await self._jobs_database.set_clock(connection)
        return await self._handlers[run.job.kind](run)

    async def _see_through(self, run: JobRun, work: asyncio.Task[Sequence[Output]]) -> None:
        """Wait for the work, with heartbeats, and store what it came to."""
        beating = asyncio.create_task(self._beat(run, work))
        try:
            await asyncio.wait([work])
            await self._conclude(run, work)
        except JobLostError:
            log.info("job_lost", kind=run.job.kind, attempt=run.job.attempt)
        except _NOT_NOW as error:
            # It is found abandoned later, and what was not committed is done again.
            log.warning("jobs_delayed", reason=type(error).__name__)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _beat(self, run: JobRun, work: asyncio.Task[Sequence[Output]]) -> None:
        while not work.done():
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                async with self._jobs_database.acquire() as connection:
                    is_ours = await jobs.heartbeat(connection, run.job, self._jobs_database.now())
            except _NOT_NOW as error:
                log.warning("jobs_delayed", reason=type(error).__name__)
                continue
            if not is_ours and not run.is_finished:
                run.is_cancelled = True
                work.cancel()

    async def _conclude(self, run: JobRun, work: asyncio.Task[Sequence[Output]]) -> None:
        if work.cancelled():
            if not run.is_cancelled:
                async with self._jobs_database.acquire() as connection:
                    await jobs.release(connection, run.job)
            return
        error = work.exception()
        if error is None:
            if not run.is_finished:
                async with self._jobs_database.acquire() as connection, connection.transaction():
                    await run.complete(connection, work.result())
        elif isinstance(error, JobLostError):
            raise error
        else:
            await self._conclude_failure(run, error)

    async def _conclude_failure(self, run: JobRun, error: BaseException) -> None:
        is_final = isinstance(error, RefusalError) and error.status < 500
        if not is_final:
            place, attempt = place_of(error), run.job.attempt
            log.error("job_attempt_failed", kind=run.job.kind, attempt=attempt, error=type(error).__name__, place=place)
            if run.job.tries < MOST_TRIES:
                return
        refusal = error if isinstance(error, RefusalError) else InternalError("The work failed again and again.")
        outcome = Output("application/fhir+json", json_text.dumps(refusal.outcome))
        async with self._jobs_database.acquire() as connection, connection.transaction():
            await run.fail(connection, [outcome], expires_at=self._jobs_database.now() + KEPT)


class _GaveUpError(Exception):
    """No attempt lived to tell what went wrong."""
