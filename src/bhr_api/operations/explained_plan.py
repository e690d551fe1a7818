"""What PostgreSQL did for a statement, without anything that its conditions hold (PostgreSQL, using-explain.html).

The values in a plan's conditions are the tenant's keyed hashes, and a table that is read from end to end holds the rows of all
tenants: neither is told.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import asyncpg

from bhr_api.search.compiler import Statement
from bhr_api.store.database import Connection

TABLES = frozenset({"resource", "posting", "string_index", "number_index", "date_index"})
"""Those that grow with the record."""

_RUN = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON)"
_PLAN_ONLY = "EXPLAIN (COSTS OFF, FORMAT JSON)"
_REMOVED = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
_BUFFERS = ("Shared Hit Blocks", "Shared Read Blocks")

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Visit:
    """A node of a plan that reads a table, or an index for the node above it.

    `rows` are those that it looked at, all its `loops` together; `buffers` its pages of 8 kB. None where the statement did not
    run, or where rows of other tenants would count.
    """

    node: str
    table: str
    index: str | None
    rows: int | None
    loops: int | None
    buffers: int | None

    @property
    def is_of_index_alone(self) -> bool:
        """Whether the rows are looked at by the node above."""
        return self.node == "Bitmap Index Scan"


@dataclass(frozen=True, slots=True)
class Execution:
    """What one statement took; nothing but its `visits` when its time limit cut it.

    `rows_by_way`: of each of several ways to the rows, how many rows were looked at; None of one that was not taken.
    """

    visits: tuple[Visit, ...]
    planning_milliseconds: Decimal | None = None
    milliseconds: Decimal | None = None
    rows_given: int | None = None
    rows_by_way: tuple[int | None, ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether it ran into the time limit."""
        return self.milliseconds is None

    @property
    def rows_visited(self) -> int:
        """How many rows were looked at to give those that were given."""
        return _rows(self.visits)


async def execute(connection: Connection, statement: Statement) -> Execution:
    """Run the statement, which is one that reads, within the time limit of statements; where that cuts it, plan it only."""
    try:
        async with connection.transaction(readonly=True):
            told = await connection.fetchval(f"{_RUN} {statement.sql}", *statement.values)
            return _execution(told, len(statement.roads))
    except asyncpg.QueryCanceledError:
        told = await connection.fetchval(f"{_PLAN_ONLY} {statement.sql}", *statement.values)
        return _execution(told, len(statement.roads))


def _execution(text: str, ways: int) -> Execution:
    told = json.loads(text)[0]
    visits = tuple(_visits(told["Plan"], ""))
    if "Execution Time" not in told:
        return Execution(visits)
    planning, running = (Decimal(str(round(told[name], 3))) for name in ("Planning Time", "Execution Time"))
    by_way = tuple(_rows_of_way(way) for way in _ways(told["Plan"], ways)) if ways > 1 else ()
    return Execution(visits, planning, running, round(told["Plan"]["Actual Rows"]), by_way)


def _ways(node: Node, number: int) -> list[Node]:
    """The nodes of so many ways, which one node puts together; empty where there is none."""
    members = [below for below in node.get("Plans", ()) if below["Parent Relationship"] == "Member"]
    if len(members) == number:
        return members
    return next((found for below in node.get("Plans", ()) if (found := _ways(below, number))), [])


def _rows_of_way(node: Node) -> int | None:
    visits = tuple(_visits(node, ""))
    return _rows(visits) if visits else None


def _rows(visits: Sequence[Visit]) -> int:
    return sum(visit.rows or 0 for visit in visits if not visit.is_of_index_alone)


def _visits(node: Node, table: str) -> Iterator[Visit]:
    """Those of the node and of all below it that were come to; `table` is that of the node above."""
    if node.get("Actual Loops") == 0:
        return
    table = node.get("Relation Name", table)
    if table in TABLES and ("Relation Name" in node or "Index Name" in node):
        yield _visit(node, table)
    for below in node.get("Plans", ()):
        yield from _visits(below, table if node["Node Type"].startswith("Bitmap") else "")


def _visit(node: Node, table: str) -> Visit:
    kind = node["Node Type"]
    place = kind, table, node.get("Index Name")
    if "Actual Loops" not in node:
        return Visit(*place, None, None, None)
    loops = node["Actual Loops"]
    if kind == "Seq Scan":
        return Visit(*place, round(node["Actual Rows"] * loops), loops, None)
    seen = node["Actual Rows"] + sum(node.get(name, 0) for name in _REMOVED)
    return Visit(*place, round(seen * loops), loops, _own_buffers(node))


def _own_buffers(node: Node) -> int:
    """A node's figures hold those of the nodes below it."""
    below: int = sum(one.get(name, 0) for one in node.get("Plans", ()) for name in _BUFFERS)
    with_below: int = sum(node.get(name, 0) for name in _BUFFERS)
    return max(0, with_below - below)
