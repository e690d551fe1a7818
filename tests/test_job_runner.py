"""The runner of jobs, in the process of the test: what handlers are given, and what becomes of their jobs."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest

from bhr_api import job_runner
from bhr_api.errors import ForbiddenError
from bhr_api.job_runner import JobRunner
from bhr_api.store import jobs, tenants
from bhr_api.store.database import Database
from bhr_api.store.job_run import Handler, JobLostError, JobRun
from bhr_api.store.jobs import Job, Output
from bhr_api.store.tenants import TenantRow

HOLDER = "ann"
BOUND_SECONDS = 20.0


class Bench:
    """A database, a tenant and a kind of job that no other test has, and runners for it."""

    def __init__(self, database: Database, tenant: TenantRow) -> None:
        self.database = database
        self.tenant = tenant
        self.kind = f"test-{tenant.name}"

    async def add(self, input: object = None) -> str:
        async with self.database.acquire() as connection:
            return await jobs.add(
                connection,
                tenant=self.tenant.tenant,
                tenant_name=self.tenant.name,
                kind=self.kind,
                input=json.dumps(input).encode(),
                now=self.database.now(),
                client_id="test",
                holder=HOLDER,
            )

    async def get(self, id: str) -> Job:
        async with self.database.acquire() as connection:
            job = await jobs.get(connection, self.tenant.tenant, id, HOLDER, self.database.now())
        assert job is not None
        return job

    async def ended(self, id: str) -> tuple[str, list[bytes]]:
        """How the job ends, and with what."""
        while (job := await self.get(id)).state in ("queued", "running"):  # noqa: ASYNC110  it ends in the database
            await asyncio.sleep(0.02)
        async with self.database.acquire() as connection:
            found = await jobs.outputs(connection, self.tenant.tenant, id)
        return job.state, [output.body for output in found]

    async def pass_time(self, id: str) -> None:
        """Let the last heartbeat of the job be half a minute older than it is."""
        async with self.database.acquire() as connection:
            sql = "UPDATE job SET heartbeat_at = heartbeat_at - $3::interval WHERE tenant = $1 AND id = $2"
            await connection.execute(sql, self.tenant.tenant, id, jobs.ABANDONED_AFTER + timedelta(seconds=1))

    @asynccontextmanager
    async def running(self, handler: Handler) -> AsyncIterator[JobRunner]:
        handlers: Mapping[str, Handler] = {self.kind: handler}
        runner = JobRunner(self.database, self.database, handlers)
        runner.start()
        try:
            yield runner
        finally:
            await runner.stop()


def on_bench(dsn: str, work: Callable[[Bench], Awaitable[None]]) -> None:
    """Do `work` on a bench, in bounded time."""

    async def run() -> None:
        database = await Database.open(dsn)
        try:
            async with database.acquire() as connection:
                tenant = await tenants.add(connection, f"b-{uuid4().hex[:16]}", database.now())
            async with asyncio.timeout(BOUND_SECONDS):
                await work(Bench(database, tenant))
        finally:
            await database.close()

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what a handler notes."""
    while not condition():  # noqa: ASYNC110  a list has no event to set
        await asyncio.sleep(0.02)


async def double(run: JobRun) -> Sequence[Output]:
    return [Output("application/json", b"%d" % (run.input * 2))]


def test_a_job_is_carried_out_and_its_result_kept(database_dsn: str) -> None:
    async def work(bench: Bench) -> None:
        id = await bench.add(21)
        async with bench.running(double):
            assert await bench.ended(id) == ("completed", [b"42"])

    on_bench(database_dsn, work)


def test_a_woken_runner_does_not_wait_for_its_next_look(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runner, "POLL_SECONDS", 3600)

    async def work(bench: Bench) -> None:
        async with bench.running(double) as runner:
            await asyncio.sleep(0.2)
            id = await bench.add(4)
            runner.wake()
            assert (await bench.ended(id))[0] == "completed"

    on_bench(database_dsn, work)


def test_no_more_jobs_run_at_once_than_there_are_slots(database_dsn: str) -> None:
    at_once = [0]
    most = [0]

    async def count(run: JobRun) -> Sequence[Output]:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        await asyncio.sleep(0.05)
        at_once[0] -= 1
        return []

    async def work(bench: Bench) -> None:
        ids = [await bench.add() for _ in range(8)]
        async with bench.running(count):
            assert {(await bench.ended(id))[0] for id in ids} == {"completed"}

    on_bench(database_dsn, work)
    assert most[0] == job_runner.SLOTS


def test_a_stopped_runner_gives_its_job_back_and_the_next_goes_on_from_what_was_saved(database_dsn: str) -> None:
    begun = asyncio.Event()
    starts: list[object] = []

    async def hang_once(run: JobRun) -> Sequence[Output]:
        starts.append(run.saved)
        if run.saved is None:
            await run.report(3, 10, text="three of ten", saved={"after": "c"})
            begun.set()
            await asyncio.sleep(3600)
        return []

    async def work(bench: Bench) -> None:
        id = await bench.add()
        async with bench.running(hang_once):
            await begun.wait()
        job = await bench.get(id)
        assert (job.state, job.tries) == ("queued", 0)
        assert json.loads(job.progress or b"")["text"] == "three of ten"
        async with bench.running(hang_once):
            assert (await bench.ended(id))[0] == "completed"

    on_bench(database_dsn, work)
    assert starts == [None, {"after": "c"}]


def test_the_handler_of_a_cancelled_job_is_cancelled(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runner, "HEARTBEAT_SECONDS", 0.05)
    begun = asyncio.Event()
    ended: list[JobRun] = []

    async def hang(run: JobRun) -> Sequence[Output]:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(run)
        return []

    async def work(bench: Bench) -> None:
        id = await bench.add()
        async with bench.running(hang):
            await begun.wait()
            async with bench.database.acquire() as connection:
                assert await jobs.cancel(connection, bench.tenant.tenant, id, HOLDER, bench.database.now())
            await until(lambda: bool(ended))
        assert ended[0].is_cancelled

    on_bench(database_dsn, work)


def test_a_runner_that_lost_its_job_keeps_nothing_of_the_transaction(database_dsn: str) -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()
    lost: list[str] = []

    async def write(run: JobRun) -> Sequence[Output]:
        if run.job.attempt > 1:
            return [Output("text/plain", b"second")]
        begun.set()
        await goes_on.wait()
        try:
            async with run.database.acquire() as connection, connection.transaction():
                await tenants.add(connection, f"x{run.job.id[-16:]}", run.database.now())
                await run.complete(connection, [Output("text/plain", b"first")])
        except JobLostError:
            lost.append(run.job.id)
            raise
        return []

    async def work(bench: Bench) -> None:
        id = await bench.add()
        async with bench.running(write):
            await begun.wait()
            await bench.pass_time(id)
            async with bench.running(write):
                assert await bench.ended(id) == ("completed", [b"second"])
            goes_on.set()
            await until(lambda: bool(lost))
        async with bench.database.acquire() as connection:
            assert await tenants.find(connection, f"x{id[-16:]}") is None

    on_bench(database_dsn, work)


def test_a_refusal_ends_the_job_with_its_outcome(database_dsn: str) -> None:
    async def refuse(run: JobRun) -> Sequence[Output]:
        raise ForbiddenError("Not so.")

    async def work(bench: Bench) -> None:
        id = await bench.add()
        async with bench.running(refuse):
            state, (body,) = await bench.ended(id)
        assert state == "failed"
        assert json.loads(body)["issue"][0]["code"] == "forbidden"

    on_bench(database_dsn, work)


def test_a_fault_is_tried_three_times_and_then_ends_the_job(database_dsn: str) -> None:
    tries: list[int] = []

    async def break_down(run: JobRun) -> Sequence[Output]:
        tries.append(run.job.tries)
        raise ZeroDivisionError

    async def work(bench: Bench) -> None:
        id = await bench.add()
        async with bench.running(break_down) as runner:
            for number in range(1, job_runner.MOST_TRIES):
                await until(partial(is_long, tries, number))
                assert (await bench.get(id)).state == "running"
                await bench.pass_time(id)
                runner.wake()
            state, (body,) = await bench.ended(id)
        assert state == "failed"
        assert json.loads(body)["issue"][0]["code"] == "exception"

    on_bench(database_dsn, work)
    assert tries == [1, 2, 3]


def is_long(noted: list[int], wanted: int) -> bool:
    return len(noted) >= wanted


def test_a_job_that_kills_its_workers_is_given_up(database_dsn: str) -> None:
    async def never(run: JobRun) -> Sequence[Output]:
        raise AssertionError("it must not be tried a fourth time")

    async def work(bench: Bench) -> None:
        id = await bench.add()
        for _ in range(job_runner.MOST_TRIES):
            async with bench.database.acquire() as connection:
                claimed = await jobs.claim(connection, bench.tenant.tenant, [bench.kind], bench.database.now())
            assert claimed is not None
            await bench.pass_time(id)
        async with bench.running(never):
            assert (await bench.ended(id))[0] == "failed"

    on_bench(database_dsn, work)
