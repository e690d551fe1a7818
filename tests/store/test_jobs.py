"""Jobs in the database: claims with one winner, fences, cancelling, expiry; and whose they are (DESIGN section 9)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import uuid4

import asyncpg
import pytest

from bhr_api.store import jobs, tenants
from bhr_api.store.database import Connection
from bhr_api.store.jobs import ABANDONED_AFTER, Job, Output
from tests.fixtures.database import on_database

Answer = TypeVar("Answer")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
KIND = "test"
RACERS = 20
RESULT = Output("application/json", b'{"a":1}')


@dataclass(frozen=True, slots=True)
class Queue:
    """The jobs of a new tenant."""

    dsn: str
    tenant: int
    tenant_name: str

    def run(self, work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        return on_database(self.dsn, work)

    def add(self, *, key: str | None = None, holder: str = "ann") -> str:
        return self.run(lambda connection: self.adding(connection, key, holder))

    async def adding(self, connection: Connection, key: str | None = None, holder: str = "ann") -> str:
        return await jobs.add(
            connection,
            tenant=self.tenant,
            tenant_name=self.tenant_name,
            kind=KIND,
            input=b"{}",
            now=NOW,
            key=key,
            client_id="client",
            holder=holder,
        )

    def claim(self, now: datetime = NOW) -> Job | None:
        return self.run(lambda connection: jobs.claim(connection, self.tenant, [KIND], now))

    def claimed(self, now: datetime = NOW) -> Job:
        job = self.claim(now)
        assert job is not None
        return job

    def get(self, id: str, *, holder: str = "ann", now: datetime = NOW) -> Job | None:
        return self.run(lambda connection: jobs.get(connection, self.tenant, id, holder, now))

    def cancel(self, id: str, *, holder: str = "ann") -> bool:
        return self.run(lambda connection: jobs.cancel(connection, self.tenant, id, holder, NOW))

    def finish(self, job: Job, ending: jobs.Ending = "completed") -> bool:
        until = NOW + timedelta(hours=1)
        return self.run(lambda connection: jobs.finish(connection, job, ending, NOW, until, [RESULT]))

    def outputs(self, id: str) -> list[Output]:
        return self.run(lambda connection: jobs.outputs(connection, self.tenant, id))


def new_queue(dsn: str) -> Queue:
    row = on_database(dsn, lambda connection: tenants.add(connection, f"j-{uuid4().hex[:16]}", NOW))
    return Queue(dsn, row.tenant, row.name)


@pytest.fixture
def queue(database_dsn: str) -> Queue:
    return new_queue(database_dsn)


@pytest.fixture
def other(database_dsn: str) -> Queue:
    """The jobs of another tenant."""
    return new_queue(database_dsn)


def race(dsn: str, work: Callable[[Connection], Awaitable[Answer]]) -> list[Answer]:
    """What twenty connections get that do the same at once."""

    async def run() -> list[Answer]:
        pool = await asyncpg.create_pool(dsn, min_size=RACERS, max_size=RACERS)

        async def one() -> Answer:
            async with pool.acquire() as connection, connection.transaction():
                return await work(connection)

        try:
            return await asyncio.gather(*(one() for _ in range(RACERS)))
        finally:
            await pool.close()

    return asyncio.run(run())


def test_an_id_names_its_tenant(queue: Queue) -> None:
    assert queue.add().startswith(f"bhr_job_{queue.tenant_name}_")


def test_of_twenty_claims_at_once_one_wins(queue: Queue) -> None:
    id = queue.add()
    claims = race(queue.dsn, lambda connection: jobs.claim(connection, queue.tenant, [KIND], NOW))
    assert [job.id for job in claims if job is not None] == [id]


def test_twenty_jobs_are_claimed_once_each(queue: Queue) -> None:
    ids = {queue.add() for _ in range(RACERS)}
    claims = race(queue.dsn, lambda connection: jobs.claim(connection, queue.tenant, [KIND], NOW))
    assert sorted(job.id for job in claims if job is not None) == sorted(ids)


def test_of_twenty_jobs_with_one_key_one_is_added(queue: Queue) -> None:
    ids = race(queue.dsn, lambda connection: queue.adding(connection, "index"))
    assert len(set(ids)) == 1
    assert queue.claim() is not None
    assert queue.claim() is None


def test_a_key_is_free_again_once_its_job_is_done(queue: Queue) -> None:
    first = queue.add(key="index")
    assert queue.finish(queue.claimed())
    assert queue.add(key="index") != first


def test_the_oldest_is_claimed_first_and_only_of_known_kinds(queue: Queue) -> None:
    queue.add()
    assert queue.run(lambda connection: jobs.claim(connection, queue.tenant, ["another"], NOW)) is None
    assert queue.claim() is not None


def test_a_job_with_a_heartbeat_is_left_alone_and_an_abandoned_one_claimed(queue: Queue) -> None:
    queue.add()
    first = queue.claimed()
    assert queue.claim(NOW + ABANDONED_AFTER) is None
    second = queue.claimed(NOW + ABANDONED_AFTER + timedelta(seconds=1))
    assert (first.attempt, second.attempt, second.tries) == (1, 2, 2)


def test_who_lost_a_job_writes_neither_progress_nor_result(queue: Queue) -> None:
    id = queue.add()
    first = queue.claimed()
    second = queue.claimed(NOW + timedelta(minutes=1))
    assert not queue.run(lambda connection: jobs.heartbeat(connection, first, NOW, b'{"done":9}'))
    assert not queue.finish(first)
    queue.run(lambda connection: jobs.release(connection, first))
    found = queue.get(id)
    assert found is not None
    assert (found.state, found.progress, queue.outputs(id)) == ("running", None, [])
    assert queue.finish(second)
    assert queue.outputs(id) == [RESULT]


def test_progress_outlives_the_attempt(queue: Queue) -> None:
    queue.add()
    first = queue.claimed()
    assert queue.run(lambda connection: jobs.heartbeat(connection, first, NOW, b'{"done":9}'))
    assert queue.claimed(NOW + timedelta(minutes=1)).progress == b'{"done":9}'


def test_a_released_job_goes_on_at_once_and_counts_no_failure(queue: Queue) -> None:
    queue.add()
    first = queue.claimed()
    queue.run(lambda connection: jobs.release(connection, first))
    second = queue.claimed()
    assert (second.attempt, second.tries) == (2, 1)


def test_a_cancelled_job_is_gone_and_its_runner_hears_of_it(queue: Queue) -> None:
    id = queue.add()
    job = queue.claimed()
    assert queue.cancel(id)
    assert not queue.cancel(id)
    assert queue.get(id) is None
    assert not queue.run(lambda connection: jobs.heartbeat(connection, job, NOW))
    assert not queue.finish(job)
    assert queue.claim(NOW + timedelta(minutes=1)) is None


def test_a_finished_job_is_kept_until_it_expires_and_then_swept_with_its_results(queue: Queue) -> None:
    id = queue.add()
    assert queue.finish(queue.claimed())
    late = NOW + timedelta(hours=1, seconds=1)
    assert queue.get(id) is not None
    assert queue.get(id, now=late) is None
    queue.run(lambda connection: jobs.sweep(connection, queue.tenant, NOW))
    assert queue.outputs(id) == [RESULT]
    assert queue.tenant in queue.run(lambda connection: jobs.tenants_with_expired(connection, late))
    queue.run(lambda connection: jobs.sweep(connection, queue.tenant, late))
    assert queue.outputs(id) == []


def test_another_client_sees_and_cancels_nothing(queue: Queue) -> None:
    id = queue.add(holder="ann")
    assert queue.get(id, holder="ben") is None
    assert not queue.cancel(id, holder="ben")
    assert queue.get(id, holder="ann") is not None


def test_another_tenant_sees_claims_and_cancels_nothing(queue: Queue, other: Queue) -> None:
    id = queue.add()
    assert other.get(id) is None
    assert not other.cancel(id)
    assert other.claim() is None
    assert queue.finish(queue.claimed())
    assert other.outputs(id) == []


def test_the_unfinished_jobs_of_a_client_are_counted(queue: Queue, other: Queue) -> None:
    other.add()
    for _ in range(3):
        queue.add()
    assert queue.finish(queue.claimed(), "failed")
    queue.claimed()
    assert queue.run(lambda connection: jobs.count_unfinished(connection, queue.tenant, "client")) == 2
