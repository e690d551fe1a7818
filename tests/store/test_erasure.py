"""Erasure beside writers: what is written meanwhile makes it end with nothing erased, or waits for its end."""

import asyncio
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from bhr_api.errors import ConflictError, PreconditionFailedError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource
from bhr_api.interactions import erasing, erasure_survey
from bhr_api.interactions.context import Context
from bhr_api.interactions.erasing import Certificate
from bhr_api.interactions.erasure_survey import Survey
from bhr_api.interactions.write import Change, apply
from bhr_api.store import erasure
from tests.fixtures.database import TestServer
from tests.fixtures.record import Record, open_record
from tests.store.audit_trail import own_database

BASE = "http://erasure.example/fhir"
GROUP_SIZE = 30


def silent(_percent: float, _text: str) -> None:
    """Nobody watches."""


def observation(id: str, patient: str, **more: Any) -> Resource:
    subject = {"reference": f"Patient/{patient}"}
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": "x"},
        "subject": subject,
        **more,
    }


def change(resource: Resource) -> Change:
    body = json_text.dumps(resource)
    return Change("update", resource["resourceType"], resource["id"], json_text.parse(body), body)


@pytest.fixture(scope="module")
def dsn(postgresql: TestServer) -> Iterator[str]:
    """A database of their own, since an erasure holds up the writers of all tenants."""
    yield from own_database(postgresql)


@pytest.fixture(scope="module")
def record(dsn: str) -> Iterator[Record]:
    with open_record(dsn, BASE) as opened:
        yield opened


@pytest.fixture
def context(record: Record) -> Context:
    """A tenant with two patients and 30 observations of each."""
    context = record.new_tenant()
    patients = [{"resourceType": "Patient", "id": id, "name": [{"family": id}]} for id in ("p1", "p2")]
    observations = [observation(f"{id}-{n}", id) for id in ("p1", "p2") for n in range(GROUP_SIZE)]
    record.store(context, [*patients, *observations])
    return context


async def erase(context: Context, found: Survey) -> Certificate:
    return await erasing.erase(context, "p1", found, found.code, "tester", silent)


def surveyed(record: Record, context: Context) -> Survey:
    return record.run(erasure_survey.survey(context, "p1", silent))


def ids_of(record: Record, context: Context, table: str = "resource") -> set[str]:
    sql = f"SELECT id FROM {table} WHERE tenant = $1"
    return {row[0] for row in record.fetch(sql, [context.tenant])}


async def waiting(connection: asyncpg.Connection) -> None:
    """Until another connection waits for a lock that this one holds."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    async with asyncio.timeout(30):
        while not await connection.fetchval(sql):  # noqa: ASYNC110 - PostgreSQL tells nobody that somebody waits.
            await asyncio.sleep(0.02)


async def write_meanwhile(dsn: str, context: Context, found: Survey, changes: list[Change]) -> Certificate:
    """An erasure that begins while a transaction with `changes` is open, which then commits."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await apply(context, connection, changes)
            erasing_now = asyncio.create_task(erase(context, found))
            await waiting(connection)
        return await erasing_now
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(observation("p1-0", "p1", issued="2026-03-01T10:00:00Z"), id="a-version-of-the-record"),
        pytest.param(observation("p1-0", "p2"), id="out-of-the-record"),
        pytest.param(observation("p2-0", "p1"), id="into-the-record"),
        pytest.param(observation("new", "p1"), id="a-new-resource"),
    ],
)
def test_what_is_written_meanwhile_is_not_passed_over(
    dsn: str, record: Record, context: Context, written: Resource
) -> None:
    found, before = surveyed(record, context), ids_of(record, context)
    with pytest.raises(PreconditionFailedError, match="Nothing was erased; make a new dry run"):
        record.run(write_meanwhile(dsn, context, found, [change(written)]))
    assert ids_of(record, context) == before | {written["id"]}
    record.run(erase(context, surveyed(record, context)))
    assert not {id for id in ids_of(record, context) if id.startswith("p1")} - {"p1-0"}


def test_what_went_in_and_out_meanwhile_is_found(dsn: str, record: Record, context: Context) -> None:
    """The only trace of the record is then a superseded version."""

    async def work() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            # A writer in another tenant's rows keeps the erasure from its end.
            async with connection.transaction():
                await connection.execute("UPDATE resource SET version = version WHERE tenant = 0")
                erasing_now = asyncio.create_task(erase(context, found))
                await waiting(connection)
                for patient in ("p1", "p2"):
                    await apply(context, connection, [change(observation("p2-0", patient))])
            await erasing_now
        finally:
            await connection.close()

    found = surveyed(record, context)
    with pytest.raises(PreconditionFailedError, match="Somebody writes to the record"):
        record.run(work())
    assert surveyed(record, context).moved_out == ["Observation/p2-0"]


def test_writes_of_other_records_do_not_disturb(dsn: str, record: Record, context: Context) -> None:
    found = surveyed(record, context)
    record.run(write_meanwhile(dsn, context, found, [change(observation("p2-0", "p2"))]))
    assert {id[:2] for id in ids_of(record, context)} == {"p2"}


def test_a_write_to_the_record_waits_and_finds_it_gone(dsn: str, record: Record, context: Context) -> None:
    async def work() -> tuple[Certificate, int | None]:
        holder, writer = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
        try:
            async with holder.transaction():
                await holder.execute("UPDATE resource SET version = version WHERE tenant = 0")
                erasing_now = asyncio.create_task(erase(context, found))
                await waiting(holder)
                writing = asyncio.create_task(apply(context, writer, [change(observation("p1-0", "p1"))]))
                await asyncio.sleep(0.3)
                assert not writing.done()
            return await erasing_now, (await writing)[0].version
        finally:
            await holder.close()
            await writer.close()

    found = surveyed(record, context)
    certificate, version = record.run(work())
    assert certificate.resources == GROUP_SIZE + 1
    # It is the first version of a new resource, not the next one of what was there.
    assert version == 1


def test_a_write_that_does_not_end_leaves_the_record_as_it_is(
    dsn: str, record: Record, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        holder = await asyncpg.connect(dsn)
        try:
            async with holder.transaction():
                await holder.execute("UPDATE resource SET version = version WHERE tenant = 0")
                await erase(context, found)
        finally:
            await holder.close()

    monkeypatch.setattr(erasure, "_LONGEST_WAIT", "200ms")
    found, before = surveyed(record, context), ids_of(record, context)
    with pytest.raises(ConflictError, match="do not come to an end"):
        record.run(work())
    assert ids_of(record, context) == before


def test_writers_of_all_records_and_an_erasure_come_to_an_end(record: Record, context: Context) -> None:
    """Both lock in one order, so that they never block each other for ever."""

    async def write(turn: int) -> None:
        changes = [change(observation(f"{id}-{n}", id)) for n in range(turn % 7, GROUP_SIZE, 7) for id in ("p2", "p1")]
        async with record.database.acquire() as connection, connection.transaction():
            await apply(context, connection, changes)

    async def work() -> bool:
        writes = [asyncio.create_task(write(turn)) for turn in range(5)]
        try:
            found = await erasure_survey.survey(context, "p1", silent)
            await erase(context, found)
        except PreconditionFailedError:
            return False
        finally:
            await asyncio.gather(*writes)
        return True

    async def twenty_times() -> list[bool]:
        async with asyncio.timeout(120):
            return [await work() for _ in range(20)]

    record.run(twenty_times())
    # Of each resource there is one live row, and none of its index rows belongs to another one.
    sql = """
        SELECT count(*) FROM date_index i WHERE i.tenant = $1
            AND NOT EXISTS (SELECT 1 FROM resource r WHERE r.tenant = $1 AND r.row_id = i.row_id)
    """
    assert record.fetch(sql, [context.tenant])[0][0] == 0
    record.run(erase(context, surveyed(record, context)))
    assert {id[:2] for id in ids_of(record, context)} == {"p2"}


def test_versions_come_by_resource_and_the_oldest_first(record: Record, context: Context) -> None:
    record.store(context, [observation("p1-0", "p2")])
    record.store(context, [observation("p1-0", "p1")])

    async def read(*, with_bodies: bool) -> list[erasure.RecordVersion]:
        token = context.hasher.resource("Patient", "p1")
        async with record.database.acquire() as connection, connection.transaction():
            found = erasure.record(connection, context.tenant, token, with_bodies=with_bodies)
            return [version async for version in found]

    versions = record.run(read(with_bodies=True))
    assert len(versions) == GROUP_SIZE + 3
    assert [(v.key, v.version) for v in versions] == sorted((v.key, v.version) for v in versions)
    key = (RESOURCE_TYPE_NUMBERS["Observation"], "p1-0")
    tokens = [context.hasher.resource("Patient", id) for id in ("p1", "p2", "p1")]
    assert [(v.is_live, v.patient) for v in versions if v.key == key] == list(
        zip((False, False, True), tokens, strict=True)
    )
    assert all(version.body for version in versions)
    assert record.run(read(with_bodies=False)) == [version._replace(body=None) for version in versions]
