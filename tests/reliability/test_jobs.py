"""A job outlives the worker that carries it out, however that ends, and nothing of it is done twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from bhr_api.store import jobs, tenants
from tests.fixtures.database import on_database

pytestmark = pytest.mark.xdist_group("reliability")

ROOT = Path(__file__).parents[2]
STEPS = 60
BOUND_SECONDS = 40.0


class Counting:
    """A job of many steps, and workers for it."""

    def __init__(self, dsn: str, opened: ExitStack) -> None:
        self.dsn = dsn
        self.kind = f"count-{uuid4().hex[:8]}"
        self._opened = opened
        now = datetime.now(UTC)
        row = on_database(dsn, lambda connection: tenants.add(connection, f"c-{uuid4().hex[:16]}", now))
        self.tenant = row.tenant
        self.id = on_database(
            dsn,
            lambda connection: jobs.add(
                connection,
                tenant=row.tenant,
                tenant_name=row.name,
                kind=self.kind,
                input=b"%d" % STEPS,
                now=now,
            ),
        )

    def new_worker(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.reliability.job_worker", self.dsn, self.kind]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        worker = subprocess.Popen(command, cwd=ROOT, env=environment)
        self._opened.callback(worker.wait)
        self._opened.callback(worker.kill)
        return worker

    def fetch(self, sql: str) -> asyncpg.Record:
        row = on_database(self.dsn, lambda connection: connection.fetchrow(sql, self.tenant))
        assert row is not None
        return row

    def steps(self) -> int:
        found: int = self.fetch("SELECT count(*) FROM heavy_token WHERE tenant = $1")[0]
        return found

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + BOUND_SECONDS
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def state(self) -> tuple[str, int]:
        row = self.fetch("SELECT state, attempts FROM job WHERE tenant = $1")
        return row[0], row[1]

    def pass_time(self) -> None:
        longer = jobs.ABANDONED_AFTER + timedelta(seconds=1)
        sql = "UPDATE job SET heartbeat_at = heartbeat_at - $2::interval WHERE tenant = $1"
        on_database(self.dsn, lambda connection: connection.execute(sql, self.tenant, longer))


@pytest.fixture
def counting(database_dsn: str) -> Iterator[Counting]:
    with ExitStack() as opened:
        yield Counting(database_dsn, opened)


def test_kill_9_of_a_worker_lets_another_go_on_from_what_was_saved(counting: Counting) -> None:
    worker = counting.new_worker()
    counting.wait_for(lambda: counting.steps() > 5)
    worker.kill()
    worker.wait()
    assert counting.state() == ("running", 1)
    before = counting.steps()
    counting.pass_time()
    counting.new_worker()
    counting.wait_for(lambda: counting.state()[0] == "completed")
    assert 5 < before < STEPS
    assert (counting.steps(), counting.state()) == (STEPS, ("completed", 2))


def test_sigterm_of_a_worker_lets_another_go_on_at_once(counting: Counting) -> None:
    worker = counting.new_worker()
    counting.wait_for(lambda: counting.steps() > 5)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=BOUND_SECONDS) == 0
    assert counting.state() == ("queued", 1)
    counting.new_worker()
    counting.wait_for(lambda: counting.state()[0] == "completed")
    assert counting.steps() == STEPS


def test_of_several_workers_one_carries_a_job_out(counting: Counting) -> None:
    for _ in range(3):
        counting.new_worker()
    counting.wait_for(lambda: counting.state()[0] == "completed")
    assert (counting.steps(), counting.state()) == (STEPS, ("completed", 1))
