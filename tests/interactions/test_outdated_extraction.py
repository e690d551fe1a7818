"""What was extracted by search parameters that others have gone beyond is never stored (store/added_parameters.py)."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from bhr_api.errors import OverloadedError
from bhr_api.fhir import json_text
from bhr_api.interactions.context import Context, KnownParameters, TenantWords
from bhr_api.interactions.create import create
from bhr_api.interactions.parameter_indexing import index_parameters
from bhr_api.interactions.requests import parse_request
from bhr_api.interactions.search import search
from bhr_api.interactions.tenants import TenantRegistry
from bhr_api.store import added_parameters, versions
from tests.fixtures.record import Record, open_record
from tests.interactions.added_parameters import Resource, search_parameter

COLOUR = search_parameter("colour", "Basic", "token", "Basic.code.text") | {"id": "colour"}


@pytest.fixture(scope="module")
def record(database_dsn: str) -> Iterator[Record]:
    with open_record(database_dsn, "http://here.example/fhir") as opened:
        yield opened


@pytest.fixture
def context(record: Record) -> Context:
    """A tenant with an added parameter, whose index is complete."""
    found = record.new_tenant()
    record.store(found, [COLOUR])

    async def build() -> None:
        async for _ in index_parameters(found):
            pass
        await found.words.refresh(0.0)

    record.run(build())
    return found


def basic(id: str) -> Resource:
    return {"resourceType": "Basic", "id": id, "code": {"text": "red"}}


def forget(record: Record, context: Context, *, for_seconds: float) -> None:
    """Know no more than before the parameter was added, by a lease that ends in so many seconds."""
    until = record.database.now() + timedelta(seconds=for_seconds)
    context.words.known = replace(KnownParameters(record.new_tenant().words.served), until=until)


def found(record: Record, context: Context) -> list[str]:
    async def ids() -> list[str]:
        result = await search(context, parse_request("GET", "Basic", "colour=red"))
        assert result.body is not None
        return [entry["resource"]["id"] for entry in json_text.parse(result.body).get("entry", ())]

    return sorted(record.run(ids()))


@pytest.mark.parametrize("together", [1, 3])
def test_a_write_by_old_knowledge_is_extracted_anew(record: Record, context: Context, together: int) -> None:
    ids = [f"b{n}" for n in range(together)]
    for _ in range(2):
        forget(record, context, for_seconds=-1)
        record.store(context, [basic(id) for id in ids])
        assert found(record, context) == ids


def test_a_single_creation_is_too(record: Record, context: Context) -> None:
    request = parse_request("POST", "Basic", "")
    request.body = json_text.dumps({"resourceType": "Basic", "code": {"text": "red"}})
    forget(record, context, for_seconds=-1)
    record.run(create(context, request))
    assert len(found(record, context)) == 1


def test_who_cannot_learn_more_stores_nothing(record: Record, context: Context) -> None:
    async def learns_nothing(_seconds: float) -> None:
        """Another one's clock has stopped."""

    context.words.refresh = learns_nothing
    forget(record, context, for_seconds=-1)
    with pytest.raises(OverloadedError):
        record.store(context, [basic("b")])
    assert record.fetch("SELECT 1 FROM resource WHERE tenant = $1 AND id = 'b'", [context.tenant]) == []


def test_who_meet_a_tenant_at_once_learn_together(record: Record, context: Context) -> None:
    registry = TenantRegistry(record.database)

    async def both() -> Sequence[TenantWords]:
        return await asyncio.gather(*(registry.words(context.tenant) for _ in range(2)))

    first, second = record.run(both())
    assert first is second


def test_whoever_waits_for_the_lease_waits_for_every_write_within_it(record: Record, context: Context) -> None:
    """A transaction that was promised in time is seen by the indexer until it ends."""

    async def race() -> tuple[bool, bool]:
        async with record.database.acquire() as writer, record.database.acquire() as indexer:
            transaction = writer.transaction()
            await transaction.start()
            await versions.promise(writer, record.database.now() + timedelta(seconds=1))
            await asyncio.sleep(1.1)
            last = await added_parameters.last_transaction(indexer)
            during = await added_parameters.have_ended(indexer, last)
            await transaction.rollback()
            # Transactions of other tests end within seconds.
            for _ in range(100):
                after = await added_parameters.have_ended(indexer, last)
                if after:
                    break
                await asyncio.sleep(0.1)
            return during, after

    assert record.run(race()) == (False, True)
