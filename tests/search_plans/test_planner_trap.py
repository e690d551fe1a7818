"""The planner's trap (docs/decisions/0003-storage.md), and that what guards against it is needed.

A tenant's keyed tokens occur in that tenant alone, which the planner's estimates do not know: it takes a condition for rarer
than it is by the number of tenants, and begins with what it should filter by. So filters are written as it cannot use them.
And a generic plan does not know which token it gets: so every execution is planned with its values.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from bhr_api.interactions.requests import parse_parameters
from bhr_api.search.compiler import Statement, compile_page
from bhr_api.search.cursor import Position
from bhr_api.search.meaning import SearchContext
from bhr_api.search.query import parse_query
from tests.search_plans.kinds import MARCH, PATIENT, PHQ9, RARE, SURVEY
from tests.search_plans.plan import Plan
from tests.search_plans.planned_record import PlannedRecord

pytestmark = pytest.mark.xdist_group("planned record")

EXECUTIONS = 12
"""More than the five after which PostgreSQL would choose between custom and generic plans."""


def statement(planned: PlannedRecord, resource_type: str, parameters: str) -> Statement:
    context = planned.largest
    search = SearchContext(context.hasher, context.base_url, context.now(), context.visibility)
    query = parse_query(resource_type, parse_parameters(f"{parameters}&_count=20"), search)
    everything = Position((), 0, (1 << 63) - 1)
    return compile_page(query, context.visibility, context.hasher, context.words.heavy, everything)


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param(f"patient={PATIENT}&code={PHQ9}&_sort=-date", id="record-and-code"),
        pytest.param(f"patient={PATIENT}&category={SURVEY}&status=final&_sort=-date", id="record"),
        pytest.param(f"code={PHQ9}&status=final&category={SURVEY}&_sort=-date", id="postings"),
        pytest.param(f"category={SURVEY}&status=final&value-quantity:missing=false&{MARCH}", id="month"),
    ],
)
def test_without_its_guard_a_search_reads_ten_times_as_much(planned: PlannedRecord, parameters: str) -> None:
    guarded = statement(planned, "Observation", parameters)
    bare = guarded.sql.replace(") IS TRUE", ")")
    assert bare != guarded.sql
    rows = planned.plan(guarded.sql, guarded.values).rows_read
    assert planned.plan(bare, guarded.values).rows_read > 10 * rows > 0


@pytest.mark.parametrize(
    ("resource_type", "parameters"),
    [
        pytest.param("Observation", "identifier=obs-000000123", id="identifier"),
        pytest.param("Patient", f"_has:Observation:patient:code={RARE}", id="has-a-rare-one"),
    ],
)
def test_by_tokens_there_is_one_road_whatever_the_planner_knows(
    planned: PlannedRecord, resource_type: str, parameters: str
) -> None:
    asked = statement(planned, resource_type, parameters)
    rows = planned.plan(asked.sql, asked.values).rows_read
    assert generic_plan(planned, asked).rows_read == rows > 0


def test_of_a_range_a_generic_plan_reads_five_times_as_much(planned: PlannedRecord) -> None:
    asked = statement(planned, "Observation", "value-quantity=ge25")
    rows = planned.plan(asked.sql, asked.values).rows_read
    assert generic_plan(planned, asked).rows_read > 5 * rows > 0


def test_every_execution_on_a_connection_of_the_pool_is_planned_with_its_values(planned: PlannedRecord) -> None:
    asked = statement(planned, "Observation", "identifier=obs-000000123")

    async def execute() -> Sequence[Any]:
        async with planned.record.database.acquire() as connection:
            for _ in range(EXECUTIONS):
                await connection.fetch(asked.sql, *asked.values)
            return await connection.fetch(
                "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = $1", asked.sql
            )

    (row,) = planned.record.run(execute())
    assert row["generic_plans"] == 0
    assert row["custom_plans"] >= EXECUTIONS


def generic_plan(planned: PlannedRecord, asked: Statement) -> Plan:
    """The plan that PostgreSQL would keep for any values, run with these."""
    values = ", ".join(literal(value) for value in asked.values)

    async def take() -> str:
        async with planned.record.database.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            await connection.execute(f"PREPARE any_values AS {asked.sql}")
            told = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE any_values({values})")
            await connection.execute("DEALLOCATE any_values")
            return str(told)

    return Plan.of(planned.record.run(take()))


def literal(value: object) -> str:
    """SQL for a bound value: EXECUTE takes no parameters."""
    match value:
        case int():
            return str(value)
        case list():
            return "'{" + ",".join(str(one) for one in value) + "}'"
        case datetime():
            return f"'{value.isoformat()}'"
    return "'" + str(value).replace("'", "''") + "'"
