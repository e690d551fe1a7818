"""The audit trail of reads on its way to the table."""

import asyncio

import pytest

from bhr_api.store.audit import AuditTrail
from bhr_api.store.database import Database
from tests.store.audit_trail import Trail, new_trail


@pytest.fixture
def trail(database_dsn: str) -> Trail:
    """A trail of a new tenant."""
    return new_trail(database_dsn)


@pytest.mark.parametrize("odd", ["a\0b", "a\ud800b"], ids=["NUL", "lone-surrogate"])
@pytest.mark.parametrize("others", [0, 2])
def test_an_event_that_cannot_be_stored_as_it_is_keeps_no_other_waiting(trail: Trail, odd: str, others: int) -> None:
    async def flush() -> None:
        database = await Database.open(trail.dsn)
        audit = AuditTrail(database)
        for query in [odd, *(f"other-{number}" for number in range(others))]:
            await audit.record(trail.event(query=query))
        await audit.flush()
        await database.close()

    asyncio.run(flush())

    found = trail.run(lambda connection: connection.fetch(
        "SELECT query FROM audit_event WHERE tenant = $1 ORDER BY event_id", trail.tenant))  # fmt: skip
    assert [row[0] for row in found] == ["a\ufffdb", *(f"other-{number}" for number in range(others))]
