"""Latency of the statements themselves, on one connection: what growth does to a search (DESIGN 12)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.dataset import BASE_URL, Share, context_of
from benchmarks.work import PHQ9
from bhr_api.interactions.context import Context
from bhr_api.search.compiler import Statement, compile_count, compile_page
from bhr_api.search.cursor import Position
from bhr_api.search.query import SearchContext, parse_query
from bhr_api.store import tenants
from bhr_api.store.database import Database
from bhr_api.store.row_ids import RowIds

ROUNDS = 60
START = Position((), 0, (1 << 63) - 1)

_SURVEY = "http://terminology.hl7.org/CodeSystem/observation-category|survey"
# Name, type, parameters, bar of the 95th percentile in milliseconds. {patient} is another one each time.
SEARCHES: tuple[tuple[str, str, Sequence[tuple[str, str]], float | None], ...] = (
    ("patient", "Observation", [("patient", "{patient}"), ("_count", "20")], 1),
    ("patient, newest first", "Observation", [("patient", "{patient}"), ("_sort", "-date"), ("_count", "20")], 1),
    (
        "patient + code",
        "Observation",
        [("patient", "{patient}"), ("code", PHQ9), ("_sort", "-date"), ("_count", "20")],
        1,
    ),
    ("care plans, _include", "CarePlan", [("patient", "{patient}"), ("_include", "CarePlan:subject")], None),
    ("population by code", "Observation", [("code", PHQ9), ("_sort", "-date"), ("_count", "50")], 5),
    ("population by code, deep", "Observation", [("code", PHQ9), ("_sort", "-date"), ("_count", "50")], 5),
    ("population by heavy category", "Observation", [("category", _SURVEY), ("_count", "50")], 5),
    ("identifier", "Patient", [("identifier", "http://example.org/nothing|{patient}")], None),
    ("name prefix", "Patient", [("name", "So"), ("_count", "20")], None),
    ("one day, everybody", "Observation", [("date", "2025-03-03"), ("_count", "20")], None),
    ("score at least 20", "Observation", [("code-value-quantity", f"{PHQ9}$ge20"), ("_count", "20")], None),
    ("count by code", "Observation", [("code", PHQ9), ("_summary", "count")], None),
)


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds that half, and all but one in twenty, of the statements keep under."""

    name: str
    p50: float
    p95: float
    bar: float | None


async def measure(dsn: str, wanted: Sequence[Share]) -> list[Latency]:
    """The latencies of every search, each round in another of the `wanted` tenants."""
    database = await Database.open(dsn, pool_size=1)
    contexts: list[tuple[Context, Share]] = []
    for share in wanted:
        async with database.acquire() as connection:
            row = await tenants.find(connection, share.tenant)
        if row is not None:
            contexts.append((await context_of(database, row.tenant, RowIds(0)), share))
    found = [await _measure(contexts, *search) for search in SEARCHES]
    await database.close()
    return found


async def _measure(
    contexts: list[tuple[Context, Share]],
    name: str,
    kind: str,
    parameters: Sequence[tuple[str, str]],
    bar: float | None,
) -> Latency:
    taken = []
    for number in range(ROUNDS + 5):
        context, share = contexts[number % len(contexts)]
        patient = f"volume-patient-{(number * 7919) % share.patients:07d}"
        asked = [(code, value.format(patient=patient)) for code, value in parameters]
        position = await _deep(context, kind, asked) if name.endswith("deep") else START
        statement = _statement(context, kind, asked, position)
        async with context.database.acquire() as connection:
            started = time.perf_counter()
            await connection.fetch(statement.sql, *statement.values)
            taken.append((time.perf_counter() - started) * 1000)
    # The first rounds prepare the statement.
    ordered = sorted(taken[5:])
    return Latency(name, ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)], bar)


def _statement(context: Context, kind: str, asked: Sequence[tuple[str, str]], position: Position) -> Statement:
    query = parse_query(kind, asked, SearchContext(context.hasher, BASE_URL, context.now()))
    if query.summary == "count":
        return compile_count(query, context.visibility, context.words.heavy, position.bound)
    return compile_page(query, context.visibility, context.hasher, context.words.heavy, position)


async def _deep(context: Context, kind: str, asked: Sequence[tuple[str, str]]) -> Position:
    """A place ten pages on."""
    longer = [(code, "500" if code == "_count" else value) for code, value in asked]
    statement = _statement(context, kind, longer, START)
    async with context.database.acquire() as connection:
        rows = await connection.fetch(statement.sql, *statement.values)
    return Position(tuple(rows[-1]["sort"]), rows[-1]["row_id"], START.bound) if rows else START
