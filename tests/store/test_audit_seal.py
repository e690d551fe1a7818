import asyncio
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from bhr_api.store import audit, audit_seal
from bhr_api.store.audit import AuditEvent
from bhr_api.store.audit_seal import LONGEST_LOOKBACK, AuditSealer, seal
from bhr_api.store.database import Connection, Database
from bhr_api.store.row_ids import RowIds
from tests.fixtures.database import TestServer
from tests.store.audit_trail import NOW, Trail, new_trail, own_database


@pytest.fixture(scope="module")
def database_dsn(postgresql: TestServer) -> Iterator[str]:
    yield from own_database(postgresql)


@pytest.fixture
def trail(database_dsn: str) -> Trail:
    """The empty trail of a tenant of its own."""
    return new_trail(database_dsn)


_ANY_LINK = "SELECT 1 FROM audit_seal WHERE tenant = $1"


def instant(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def line(event: AuditEvent) -> str:
    values = [instant(value) if isinstance(value, datetime) else value for value in event]
    return "\n" + json.dumps(values, ensure_ascii=False)


def test_the_hash_is_as_documented(trail: Trail) -> None:
    odd = trail.event(NOW, 'name=Ž"\\\x01\n\u2028😀&_count=1')
    plain = trail.event(NOW + timedelta(milliseconds=123))
    trail.run(lambda connection: audit.append(connection, [plain, odd]))
    trail.seal()
    third = trail.add(NOW + timedelta(seconds=1))[0]
    trail.seal(NOW + timedelta(seconds=2))
    first, second = trail.links()
    header = json.dumps([trail.tenant, 1, instant(NOW)])
    expected = hashlib.sha256(bytes(32) + (header + line(odd) + line(plain)).encode()).digest()
    assert first["hash"] == expected
    header = json.dumps([trail.tenant, 2, instant(NOW + timedelta(seconds=2))])
    assert second["hash"] == hashlib.sha256(expected + (header + line(third)).encode()).digest()


def test_the_hash_does_not_depend_on_the_session(trail: Trail) -> None:
    events = trail.add(NOW)

    async def seal_abroad(connection: Connection) -> None:
        await connection.execute("SET timezone = 'Asia/Kathmandu'")
        await connection.execute("SET datestyle = 'German'")
        await connection.execute("SET bytea_output = 'escape'")
        await seal(connection, trail.tenant, NOW)

    trail.run(seal_abroad)
    header = json.dumps([trail.tenant, 1, instant(NOW)])
    assert trail.links()[0]["hash"] == hashlib.sha256(bytes(32) + (header + line(events[0])).encode()).digest()


def test_each_event_is_sealed_once_in_the_order_of_time(trail: Trail) -> None:
    late, early = trail.add(NOW + timedelta(seconds=2), NOW)
    assert trail.seal(NOW + timedelta(seconds=3)) == 2
    assert trail.seal(NOW + timedelta(seconds=4)) == 0
    newer = trail.add(NOW + timedelta(seconds=5))
    assert trail.seal(NOW + timedelta(seconds=6)) == 1
    assert trail.sealed() == [early.event_id, late.event_id, newer[0].event_id]
    assert [link["sequence"] for link in trail.links()] == [1, 2]


def test_an_event_that_commits_late_is_sealed_by_a_longer_look_back(trail: Trail) -> None:
    trail.add(NOW)
    trail.seal(NOW + timedelta(seconds=1))
    late = trail.add(NOW - timedelta(minutes=2))
    assert trail.seal(NOW + timedelta(seconds=2)) == 0
    assert trail.seal(NOW + timedelta(seconds=2), timedelta(seconds=150)) == 1
    assert trail.sealed()[-1] == late[0].event_id


def test_an_event_of_an_open_transaction_waits_for_its_commit(trail: Trail) -> None:
    pending, done = trail.event(NOW), trail.event(NOW + timedelta(seconds=1))

    async def interleave(connection: Connection) -> tuple[int, int]:
        other = await asyncpg.connect(trail.dsn)
        async with other.transaction():
            await audit.append(other, [pending])
            await audit.append(connection, [done])
            before = await seal(connection, trail.tenant, NOW + timedelta(seconds=1))
        await other.close()
        return before, await seal(connection, trail.tenant, NOW + timedelta(seconds=2))

    assert trail.run(interleave) == (1, 1)
    assert trail.sealed() == [done.event_id, pending.event_id]


def test_what_piled_up_while_no_sealer_ran_is_sealed_in_batches(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_seal, "BATCH", 10)
    monkeypatch.setattr(audit_seal, "_SEAL", audit_seal._SEAL.replace("10000", "10"))
    events = trail.add(*(NOW + timedelta(minutes=n) for n in range(25)))
    assert trail.seal(NOW + timedelta(hours=9)) == 25
    assert [len(link["events"]) for link in trail.links()] == [10, 10, 5]
    assert trail.sealed() == [event.event_id for event in events]


def test_a_sealer_that_stopped_between_batches_is_taken_up(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_seal, "BATCH", 10)
    monkeypatch.setattr(audit_seal, "_SEAL", audit_seal._SEAL.replace("10000", "10"))
    trail.add(*(NOW + timedelta(minutes=n) for n in range(25)))

    async def one_batch(connection: Connection) -> int:
        async with connection.transaction():
            return await audit_seal._seal_batch(connection, trail.tenant, NOW + timedelta(hours=9), audit_seal.LOOKBACK)

    assert trail.run(one_batch) == 10
    assert trail.seal(NOW + timedelta(hours=9)) == 15


def test_tenants_have_chains_of_their_own(trail: Trail, database_dsn: str) -> None:
    other = new_trail(database_dsn)
    mine, theirs = trail.add(NOW), other.add(NOW)
    assert (trail.seal(), other.seal()) == (1, 1)
    assert (trail.sealed(), other.sealed()) == ([mine[0].event_id], [theirs[0].event_id])


def test_one_sealer_at_a_time(trail: Trail) -> None:
    trail.add(NOW)

    async def while_another_seals(connection: Connection) -> int:
        other = await asyncpg.connect(trail.dsn)
        async with other.transaction():
            assert await audit_seal._lock(other, trail.tenant)
            sealed = await asyncio.wait_for(seal(connection, trail.tenant, NOW), 5)
        await other.close()
        return sealed

    # The first use makes the lock's row, and a row that is not yet committed would be waited for.
    trail.run(lambda connection: audit_seal._lock(connection, trail.tenant))
    assert trail.run(while_another_seals) == 0
    assert trail.seal() == 1


def test_many_sealers_make_one_chain(trail: Trail) -> None:
    events = trail.add(*(NOW + timedelta(milliseconds=n) for n in range(200)))

    async def race() -> int:
        connections = [await asyncpg.connect(trail.dsn) for _ in range(8)]
        sealed = await asyncio.gather(*(seal(connection, trail.tenant, NOW) for connection in connections))
        for connection in connections:
            await connection.close()
        return sum(sealed)

    assert asyncio.run(race()) == 200
    assert trail.sealed() == [event.event_id for event in events]


def test_the_background_sealer_seals_within_two_seconds(trail: Trail) -> None:
    async def watch() -> float:
        database = await Database.open(trail.dsn)

        async def known() -> list[int]:
            return [trail.tenant]

        sealer = AuditSealer(database, known)
        sealer.start()
        await asyncio.sleep(1.2)
        numbers = RowIds()
        async with database.acquire() as connection:
            event = trail.event()._replace(recorded=database.now(), event_id=numbers.next())
            await audit.append(connection, [event])
            started = asyncio.get_running_loop().time()
            while not await connection.fetchval(_ANY_LINK, trail.tenant):  # noqa: ASYNC110 - only the table tells
                await asyncio.sleep(0.02)
            waited = asyncio.get_running_loop().time() - started
        await sealer.stop()
        await database.close()
        return waited

    assert asyncio.run(asyncio.wait_for(watch(), 30)) < 2


def test_a_last_round_seals_what_was_left_at_the_stop(trail: Trail) -> None:
    trail.add(NOW)

    async def stop_at_once() -> None:
        database = await Database.open(trail.dsn)

        async def known() -> list[int]:
            return [trail.tenant]

        await AuditSealer(database, known).stop()
        await database.close()

    asyncio.run(stop_at_once())
    assert len(trail.sealed()) == 1


def test_a_round_with_short_reach_passes_over_tenants_without_news(trail: Trail) -> None:
    old = datetime.now(UTC) - LONGEST_LOOKBACK

    async def two_rounds() -> tuple[int, int]:
        database = await Database.open(trail.dsn)

        async def known() -> list[int]:
            return [trail.tenant]

        sealer = AuditSealer(database, known)
        first = await sealer.round()
        async with database.acquire() as connection:
            await audit.append(connection, [trail.event(old)])
        second = await sealer.round()
        await database.close()
        return first, second

    trail.add(old)
    assert asyncio.run(two_rounds())[1] == 0
    assert len(trail.sealed()) == 1


def test_a_tenant_that_cannot_be_sealed_holds_up_no_other(
    trail: Trail, database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = new_trail(database_dsn)
    broken.add(NOW)
    trail.add(NOW)

    async def seal_or_fail(connection: Connection, tenant: int, now: datetime, lookback: timedelta) -> int:
        if tenant == broken.tenant:
            raise asyncpg.QueryCanceledError("canceling statement due to statement timeout")
        return await seal(connection, tenant, now, lookback)

    async def a_round() -> None:
        database = await Database.open(trail.dsn)

        async def known() -> list[int]:
            return [broken.tenant, trail.tenant]

        sealer = AuditSealer(database, known)
        monkeypatch.setattr(audit_seal, "seal", seal_or_fail)
        await sealer.round()
        monkeypatch.setattr(audit_seal, "seal", seal)
        # The one that failed is looked at again, although its events are old.
        await sealer.round()
        await database.close()

    asyncio.run(a_round())
    assert (len(trail.sealed()), len(broken.sealed())) == (1, 1)


def test_a_lost_connection_ends_no_sealer(trail: Trail) -> None:
    async def lose_it() -> bool:
        database = await Database.open(trail.dsn, pool_size=2)

        async def known() -> list[int]:
            return [trail.tenant]

        sealer = AuditSealer(database, known)
        sealer.start()
        await asyncio.sleep(0.2)
        async with database.acquire() as one, database.acquire() as two:
            pids = [one.get_server_pid(), two.get_server_pid()]
        other = await asyncpg.connect(trail.dsn)
        await other.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::integer[]) AS pid", pids)
        event = trail.event()._replace(recorded=database.now(), event_id=RowIds().next())
        await audit.append(other, [event])
        await asyncio.sleep(2.5)
        sealed = await other.fetchval(_ANY_LINK, trail.tenant) is not None
        await other.close()
        await sealer.stop()
        await database.close()
        return sealed

    assert asyncio.run(lose_it())
