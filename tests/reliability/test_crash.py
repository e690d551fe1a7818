"""DESIGN promise 1: a 2xx means stored, whoever is killed at whatever moment.

SIGKILL leaves no process the time to tidy up. It is what the kernel does when memory runs out; a power cut does the same to
every process at once. (That the disk keeps what it was told to keep is PostgreSQL's `fsync`, which the embedded server has on.)
"""

import asyncio
from collections.abc import Callable

import pytest

from tests.fixtures.server import RunningServer
from tests.reliability.ledger import ENTRIES, Ledger, audited, kept_by, write_until
from tests.reliability.machine import Machine

pytestmark = pytest.mark.xdist_group("reliability")

WRITES = 2_000
KILLED_AT = (400, 800, 1_200, 1_600)
BOUND_SECONDS = 120.0


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
    running = machine.running
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
