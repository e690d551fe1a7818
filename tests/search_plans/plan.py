"""A plan of PostgreSQL as what a snapshot keeps of it: which nodes on which tables by which indexes, and rows looked at.

What a small difference of estimates changes is left out: whether an index is read by bitmap or in order, backwards or with
its table; nodes that only hand rows on; the order of what is joined.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Node = dict[str, Any]

LARGE_TABLES = frozenset(
    {"resource", "resource_history", "posting", "string_index", "number_index", "date_index", "audit_event"}
)
_MONTH = re.compile(r"_(\d{4}_?\d{2}|rest)(?=_|$)")
_INDEX_SCANS = frozenset({"Index Scan", "Index Only Scan", "Bitmap Index Scan"})
# They hand on what they get.
_PASSING = frozenset(
    {"Limit", "Result", "Materialize", "Memoize", "Subquery Scan", "Append", "Merge Append", "Gather", "Gather Merge"}
    | {"ProjectSet", "Bitmap Heap Scan", "BitmapAnd", "BitmapOr", "Unique", "Hash"}
)
_JOINS = frozenset({"Nested Loop", "Hash Join", "Merge Join"})
_REMOVED = ("Rows Removed by Filter", "Rows Removed by Index Recheck")


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a statement that was run."""

    root: Node

    @classmethod
    def of(cls, text: str) -> "Plan":
        """The plan in what EXPLAIN (ANALYZE, FORMAT JSON) tells."""
        return cls(json.loads(text)[0]["Plan"])

    def nodes(self) -> Iterator[Node]:
        """Every node, the ones above before the ones below."""
        return _nodes(self.root)

    @property
    def rows_read(self) -> int:
        """Rows of tables that were looked at, given on or not, and entries of indexes that bitmaps were made of."""
        return sum(
            _looked_at(node)
            for node in self.nodes()
            if "Relation Name" in node or node["Node Type"] == "Bitmap Index Scan"
        )

    def sequential_scans(self) -> list[str]:
        """The large tables that are read from end to end; an audit partition without rows is not large."""
        scanned = [_table(node) for node in self.nodes() if node["Node Type"] == "Seq Scan" and _looked_at(node)]
        return [table for table in scanned if table in LARGE_TABLES]

    def shape(self) -> list[str]:
        """A line for each node that matters, indented by its depth."""
        return list(_shape(self.root, 0))


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _looked_at(node: Node) -> int:
    rows: float = node["Actual Rows"] + sum(node.get(name, 0) for name in _REMOVED)
    loops: int = node["Actual Loops"]
    return round(rows * loops)


def _table(node: Node) -> str:
    return _MONTH.sub("", node["Relation Name"])


def _shape(node: Node, depth: int) -> Iterator[str]:
    line = _line(node)
    below = [list(_shape(one, depth + (line is not None))) for one in node.get("Plans", ())]
    if line is not None:
        yield "  " * depth + line
    if node["Node Type"] in _JOINS or line is None:
        below.sort()
    seen = []
    for lines in below:
        # What is done alike for each of several alternatives is told once.
        if lines not in seen:
            seen.append(lines)
            yield from lines


def _line(node: Node) -> str | None:
    kind = node["Node Type"]
    if kind in _INDEX_SCANS:
        return f"index {_MONTH.sub('', node['Index Name'])}"
    if kind in _PASSING:
        return None
    if kind in _JOINS:
        return f"join{_kind_of_join(node)}"
    if kind in ("Sort", "Incremental Sort"):
        return "sort"
    if "Relation Name" in node:
        return f"{kind.lower()} {_table(node)}"
    named = node.get("CTE Name") or node.get("Function Name") or ""
    return f"{kind.lower()} {named}".strip()


def _kind_of_join(node: Node) -> str:
    kind = node.get("Join Type", "Inner")
    return "" if kind in ("Inner", "Left") else f" {kind.lower()}"
