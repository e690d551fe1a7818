"""DESIGN promise 1: a 2xx means stored, whoever is killed at whatever moment.

SIGKILL leaves no process the time to tidy up. It is what the kernel does when memory runs out; a power cut does the same to
every process at once. (That the disk keeps what it was told to keep is PostgreSQL's `fsync`, which the embedded server has on.)
"""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from tests.fixtures.server import RunningServer
from tests.reliability.conftest import MachineWith
from tests.reliability.ledger import ENTRIES, Ledger, audit_faults, audited, kept_by, write_until
from tests.reliability.machine import Machine

pytestmark = pytest.mark.xdist_group("reliability")

WRITES = 2_000
KILLINGS = 4
BOUND_SECONDS = 120.0


@pytest.mark.parametrize(
    "kill",
    [
        pytest.param(Machine.kill_server, id="the-server"),
        pytest.param(Machine.kill_postmaster, id="the-postmaster"),
        pytest.param(Machine.kill_both, id="server-and-postmaster"),
    ],
)
def test_kill_9_loses_nothing_acknowledged(machine: Machine, kill: Callable[[Machine], None]) -> None:
    check_nothing_is_lost(machine, lambda: kill(machine), WRITES, KILLINGS)


@pytest.mark.soak
def test_twenty_power_cuts_lose_nothing_acknowledged(machine: Machine) -> None:
    check_nothing_is_lost(machine, machine.kill_both, 20_000, 20)


def test_a_worker_or_a_backend_that_is_killed_is_replaced_and_nothing_is_lost(machine_with: MachineWith) -> None:
    machine = machine_with(workers=2)
    # One of several workers or connections may have been idle when it was killed: then nobody notices, as it should be.
    check_nothing_is_lost(machine, machine.kill_worker, WRITES // 4, 1, must_be_noticed=False)
    check_nothing_is_lost(machine, machine.kill_backend, WRITES // 4, 1, must_be_noticed=False)


def check_nothing_is_lost(
    machine: Machine, kill: Callable[[], None], writes: int, killings: int, *, must_be_noticed: bool = True
) -> None:
    """Write from many clients, kill at even distances, and hold what is there against what was acknowledged."""
    running = machine.running
    tenant = running.new_tenant()
    token = running.token(tenant)
    ledger = Ledger()
    moments = [writes * n // (killings + 1) for n in range(1, killings + 1)]
    asyncio.run(_write_and_kill(ledger, running, token, writes, moments, kill))
    assert ledger.unexpected == [], machine.server.failures()
    assert ledger.unanswered + ledger.unavailable > 0 or not must_be_noticed, "nobody noticed the killing"
    kept = kept_by(running, token)
    assert ledger.versions - set(kept.versions) == set()
    assert kept.gaps() == []
    assert all(kept.named[name] == ENTRIES for name in ledger.transactions)
    assert set(kept.named.values()) <= {1, ENTRIES}, "a transaction is half there"
    assert sorted(audited(running.dsn, tenant)) == sorted(kept.versions)
    assert audit_faults(running.dsn, tenant) == []
    assert machine.server.failures() == []


async def _write_and_kill(
    ledger: Ledger,
    server: RunningServer,
    token: str,
    writes: int,
    moments: Sequence[int],
    kill: Callable[[], None],
) -> None:
    async with asyncio.timeout(BOUND_SECONDS + writes / 50):
        writing = asyncio.create_task(write_until(ledger, server, token, writes))
        for moment in moments:
            while ledger.writes < moment and not writing.done():  # noqa: ASYNC110  the writers have no event to set
                await asyncio.sleep(0.005)
            await asyncio.to_thread(kill)
        await writing
