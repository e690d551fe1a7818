"""Latency of the statements themselves, on one connection, and what PostgreSQL does for them (DESIGN 12)."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.dataset import BASE_URL, Share, context_of
from benchmarks.figures import SqlRow
from benchmarks.searches import SEARCHES, Search
from bhr_api.interactions.context import Context
from bhr_api.search.compiler import Statement, compile_count, compile_page
from bhr_api.search.cursor import Position
from bhr_api.search.meaning import SearchContext
from bhr_api.search.query import parse_query
from bhr_api.store import tenants
from bhr_api.store.database import Database
from bhr_api.store.row_ids import RowIds

ROUNDS = 200
WARM_UP_ROUNDS = 10
# How long the rounds of one search may take: a slow one is measured by fewer.
SECONDS = 5.0
# Of the largest tenants, as many have their statements explained.
EXPLAINED = 4
MANY_ROWS = 1_000
DEEP = 500
START = Position((), 0, (1 << 63) - 1)


@dataclass(frozen=True, slots=True)
class _Tenant:
    context: Context
    share: Share
    loaded: str


async def measure(dsn: str, wanted: Sequence[Share]) -> list[SqlRow]:
    """Every search, each round in another of the `wanted` tenants."""
    database = await Database.open(dsn, pool_size=1, statement_timeout_seconds=60)
    found = [one for share in wanted if (one := await _tenant(database, share)) is not None]
    rows = [await _measure(found, search) for search in SEARCHES]
    await database.close()
    return rows


async def _tenant(database: Database, share: Share) -> _Tenant | None:
    async with database.acquire() as connection:
        row = await tenants.find(connection, share.tenant)
        if row is None:
            return None
        loaded = await connection.fetchval("SELECT max(last_updated) FROM resource WHERE tenant = $1", row.tenant)
    return _Tenant(await context_of(database, row.tenant, RowIds(0)), share, f"{loaded:%Y-%m-%dT%H:%M:%SZ}")


async def _measure(found: Sequence[_Tenant], search: Search) -> SqlRow:
    taken: list[float] = []
    began = time.perf_counter()
    for number in range(ROUNDS + WARM_UP_ROUNDS):
        statement = await _asked(found[number % len(found)], search, number)
        async with found[0].context.database.acquire() as connection:
            started = time.perf_counter()
            await connection.fetch(statement.sql, *statement.values)
            taken.append((time.perf_counter() - started) * 1000)
        if number > len(found) + WARM_UP_ROUNDS and time.perf_counter() - began > SECONDS:
            break
    # The first rounds prepare the statement.
    ordered = sorted(taken[WARM_UP_ROUNDS:])
    row = SqlRow(search.name, ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)], search.bar)
    await _explain(found[:EXPLAINED], search, row)
    return row


async def _asked(tenant: _Tenant, search: Search, number: int) -> Statement:
    patient = f"volume-patient-{(number * 7919) % tenant.share.patients:07d}"
    asked = [(name, value.format(patient=patient, loaded=tenant.loaded)) for name, value in search.parameters]
    position = await _deep(tenant.context, search.resource_type, asked) if search.is_deep else START
    return _statement(tenant.context, search.resource_type, asked, position)


def _statement(context: Context, kind: str, asked: Sequence[tuple[str, str]], position: Position) -> Statement:
    query = parse_query(kind, asked, SearchContext(context.hasher, BASE_URL, context.now(), context.visibility))
    if query.summary == "count":
        return compile_count(query, context.visibility, context.words.heavy, position)
    return compile_page(query, context.visibility, context.hasher, context.words.heavy, position)


async def _deep(context: Context, kind: str, asked: Sequence[tuple[str, str]]) -> Position:
    """A place ten pages on, or in the middle of a shorter list: a page past its end would cost nothing."""
    longer = [(name, str(DEEP) if name == "_count" else value) for name, value in asked]
    statement = _statement(context, kind, longer, START)
    async with context.database.acquire() as connection:
        rows = await connection.fetch(statement.sql, *statement.values)
    if not rows:
        return START
    last = rows[-1] if len(rows) > DEEP else rows[len(rows) // 2]
    return Position(tuple(last["sort"]), last["row_id"], START.bound)


async def _explain(found: Sequence[_Tenant], search: Search, row: SqlRow) -> None:
    """Fill in what planning takes, how many pages are read, and what no search should do."""
    planning: list[float] = []
    remarks: set[str] = set()
    for number, tenant in enumerate(found):
        statement = await _asked(tenant, search, number)
        async with tenant.context.database.acquire() as connection:
            sql = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.sql}"
            told = json.loads(await connection.fetchval(sql, *statement.values))[0]
        planning.append(told["Planning Time"])
        row.pages = max(row.pages, told["Plan"]["Shared Hit Blocks"] + told["Plan"]["Shared Read Blocks"])
        remarks.update(remark for node in _nodes(told["Plan"]) if (remark := _remark(node)))
    row.planning = sorted(planning)[len(planning) // 2] if planning else 0.0
    row.remarks = ", ".join(sorted(remarks))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _remark(node: dict[str, Any]) -> str:
    if node["Node Type"] == "Seq Scan":
        return f"scans {node['Relation Name']}"
    if node["Node Type"] == "Sort" and node["Plans"][0]["Actual Rows"] > MANY_ROWS:
        return "sorts many rows"
    if node.get("Rows Removed by Filter", 0) > MANY_ROWS:
        return "passes over many rows"
    return ""
