"""Heavy tokens are those of many rows of a type, however many rows the tenant's other types have (docs/storage.md)."""

import asyncio
import os
from datetime import UTC, datetime

import asyncpg
import pytest

from bhr_api.store import heavy_tokens, tenants

IN_ALL, IN_FOUR_PERCENT, IN_ONE_PERCENT, IN_ALL_OF_FEW = range(1, 5)
NOTES, FEW = 1, 2

# 60,000 rows of one type and 1,500 of another.
_ROWS = """
    INSERT INTO resource (tenant, resource_type, id, version, encoding, method, index_generation, row_id, self_token,
        last_updated, date_start, date_end, tokens, body)
    SELECT $1, $2, n::text, 1, 0, 0, 0, n, n, now(), '-infinity', '-infinity',
        array_remove(ARRAY[$4::bigint, CASE WHEN n % 25 = 0 THEN $5::bigint END,
            CASE WHEN n % 100 = 0 THEN $6::bigint END], NULL), '{}'
    FROM generate_series(1, $3::integer) AS n
"""


async def measured(dsn: str) -> tuple[frozenset[int], frozenset[int]]:
    connection = await asyncpg.connect(dsn)
    try:
        tenant = (await tenants.add(connection, f"heavy-{os.urandom(6).hex()}", datetime.now(UTC))).tenant
        await connection.execute(_ROWS, tenant, NOTES, 60_000, IN_ALL, IN_FOUR_PERCENT, IN_ONE_PERCENT)
        await connection.execute(_ROWS, tenant, FEW, 1_500, IN_ALL_OF_FEW, IN_ALL_OF_FEW, IN_ALL_OF_FEW)
        found = await heavy_tokens.refresh(connection, tenant)
        return found, await heavy_tokens.read(connection, tenant)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def heavy(database_dsn: str) -> frozenset[int]:
    found, kept = asyncio.run(measured(database_dsn))
    assert found == kept
    return found


def test_what_many_rows_of_its_type_carry_is_heavy(heavy: frozenset[int]) -> None:
    assert {IN_ALL, IN_FOUR_PERCENT} <= heavy


def test_what_few_rows_carry_is_not(heavy: frozenset[int]) -> None:
    assert IN_ONE_PERCENT not in heavy


def test_a_short_list_is_not_heavy_even_when_every_row_of_its_type_carries_it(heavy: frozenset[int]) -> None:
    assert IN_ALL_OF_FEW not in heavy
