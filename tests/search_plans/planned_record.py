"""A record large enough to plan for: about 60,000 resources in tenants of unequal size, with statistics and heavy tokens."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import asyncpg

from benchmarks.dataset import Share, load
from bhr_api.access import parse_scopes
from bhr_api.errors import NotFoundError
from bhr_api.fhir.definitions import Resource
from bhr_api.interactions.context import Context
from bhr_api.interactions.perform import perform
from bhr_api.interactions.requests import parse_request
from bhr_api.samples import staff
from bhr_api.samples.volume import TEAMS, mixed_resources
from bhr_api.search.visibility import Visibility
from bhr_api.store import heavy_tokens, tenants
from bhr_api.store.database import Connection
from bhr_api.store.statistics import TABLES
from tests.fixtures.database import on_database
from tests.fixtures.record import Record, open_record
from tests.search_plans.plan import Plan

LARGEST, SMALL = "plans-largest", "plans-small-0"
SHARES = [Share(LARGEST, 24_000), Share("plans-large", 12_000), Share("plans-middle", 6_000)]
SHARES += [Share(f"plans-small-{number}", 2_000) for number in range(9)]
CHANGED = 2_500
"""How many resources of the largest tenant have a past."""
LISTED, PLACES, QUESTIONNAIRES = 40, 120, 200
# The sample of every table is then the whole of it, so that the same rows give the same estimates.
_STATISTICS_TARGET = 500


def fill(dsn: str, base_url: str) -> None:
    """Load the record into the migrated database at `dsn`, without statistics."""
    on_database(dsn, _leave_unanalyzed)
    load(dsn, SHARES, 2)
    with open_record(dsn, base_url) as record:
        _add_odds_and_ends(record, record.context(on_database(dsn, _numbers)[LARGEST]))
    on_database(dsn, _find_heavy_tokens)


def settle(dsn: str) -> None:
    """Give the tables the statistics that a server has after a while."""
    on_database(dsn, _analyze)


class PlannedRecord:
    """The filled record in the database at `dsn`."""

    def __init__(self, dsn: str, base_url: str) -> None:
        self.record = Record(dsn, base_url)
        numbers = on_database(dsn, _numbers)
        self.largest = self.record.context(numbers[LARGEST])
        self.small = self.record.context(numbers[SMALL])

    def plans(self, context: Context, path: str, parameters: str = "") -> list[Plan]:
        """What the database does for each statement of an interaction that reads; it sees no rows."""
        database = context.database

        async def take() -> list[Plan]:
            async with database.acquire() as connection:
                taker = PlanTaker(connection)
                held = replace(context, held=cast(Connection, taker))
                # Without its rows a history is one of nothing.
                with suppress(NotFoundError):
                    await perform(held, parse_request("GET", path, parameters))
                return taker.plans

        return self.record.run(take())

    def of_patient(self, patient: str, scope: str = "patient/*.rs") -> Context:
        """A caller of the largest tenant who sees one patient."""
        caller = replace(self.largest.caller, scopes=parse_scopes(scope), patient=patient)
        return replace(self.largest, caller=caller, visibility=Visibility.of(caller, self.largest.hasher))

    def plan(self, sql: str, values: Sequence[Any]) -> Plan:
        """The plan of one statement."""

        async def take() -> Plan:
            async with self.record.database.acquire() as connection:
                taker = PlanTaker(connection)
                await taker.fetch(sql, *values)
                return taker.plans[0]

        return self.record.run(take())

    def close(self) -> None:
        """Close the record."""
        self.record.close()


class PlanTaker:
    """Takes the place of a connection: each query is run by EXPLAIN ANALYZE, and what it would give is nothing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.plans: list[Plan] = []

    async def fetch(self, sql: str, *values: Any) -> Sequence[Any]:
        """No rows."""
        text = await self._connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}", *values)
        self.plans.append(Plan.of(text))
        return []

    async def fetchval(self, sql: str, *values: Any) -> int:
        """Nothing counted."""
        await self.fetch(sql, *values)
        return 0

    async def execute(self, sql: str, *values: Any) -> None:
        """The event of the audit is not kept."""


async def _numbers(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, int]:
    return {row.name: row.tenant for row in await tenants.all_tenants(connection)}


def _add_odds_and_ends(record: Record, context: Context) -> None:
    """What the volume has none of: staff and places, lists, and what was changed."""
    record.store(context, list(staff.shared_resources(TEAMS)))
    record.store(context, [_list(number) for number in range(LISTED)])
    record.store(context, [_place(number) for number in range(PLACES)])
    record.store(context, [_questionnaire(number) for number in range(QUESTIONNAIRES)])
    again = list(mixed_resources(SHARES[0].resources, patients=SHARES[0].patients))[-CHANGED:]
    for start in range(0, CHANGED, 500):
        record.store(context, [one | {"language": "en"} for one in again[start : start + 500]])


def _list(number: int) -> Resource:
    """A ward's list of ten patients."""
    items = [{"item": {"reference": f"Patient/volume-patient-{number * 10 + place:07}"}} for place in range(10)]
    return {"resourceType": "List", "id": f"list-{number}", "status": "current", "mode": "working", "entry": items}


def _place(number: int) -> Resource:
    """A place that is part of the one with a tenth of its number, and at last of the clinic."""
    whole = f"place-{number // 10}" if number else "sample-clinic"
    position = {"longitude": -106.6 + number / 100, "latitude": 35.1}
    return {
        "resourceType": "Location",
        "id": f"place-{number}",
        "name": f"Place {number}",
        "position": position,
        "partOf": {"reference": f"Location/{whole}"},
    }


def _questionnaire(number: int) -> Resource:
    url = f"http://example.org/forms/{number % 7}/Questionnaire/{number}"
    return {"resourceType": "Questionnaire", "id": f"form-{number}", "status": "active", "url": url}


async def _leave_unanalyzed(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for table in TABLES:
        await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")


async def _analyze(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.execute(f"SET default_statistics_target = {_STATISTICS_TARGET}")
    # Two indexes give the rows of a token. Which is smaller would be chance, as the loading left them: tokens are drawn anew.
    await connection.execute("REINDEX TABLE posting")
    await connection.execute("VACUUM (ANALYZE)")


async def _find_heavy_tokens(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for row in await tenants.all_tenants(connection):
        await heavy_tokens.refresh(connection, row.tenant)
