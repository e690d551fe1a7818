"""The tables that a run prints."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.figures import GROWTH_BAR, Fact, Figures, HttpRow, SqlRow


def show(console: Console, figures: Figures) -> None:
    """Print whatever `figures` holds."""
    if figures.http:
        console.print(_http_table(figures))
    if any(row.other for row in figures.http):
        console.print(_comparison(figures.http))
    console.print(_sql_table(figures))
    if figures.small_sql:
        console.print(_growth_table(figures))
    if figures.sizes:
        console.print(_size_table(figures))
    console.print(_fact_table(figures.facts))


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(first, title=title, title_justify="left")
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def _http_table(figures: Figures) -> Table:
    title = f"Over HTTP with authentication and audit; {figures.cores} cores shared by load, server and database"
    headings = ("clients", "a second", "p50 ms", "p95 ms", "p99 ms", "refused", "raw", "ratio", "bar", "")
    table = _table(title, "work", *headings)
    for row in figures.http:
        latencies = [f"{latency:.1f}" for latency in (row.p50, row.p95, row.p99)]
        compared = [_number(row.raw, ",.0f"), _number(row.ratio, ".3f"), _number(row.bar, ".2f"), row.verdict]
        table.add_row(row.name, str(row.connections), f"{row.per_second:,.0f}", *latencies, str(row.refused), *compared)
    return table


def _comparison(rows: Sequence[HttpRow]) -> Table:
    headings = ("a second", "p95 ms", "refused", "other a second", "p95 ms", "refused", "times")
    table = _table("The same work at the other server", "work", *headings)
    for row in rows:
        if (other := row.other) is not None:
            times = row.per_second / other.per_second if other.per_second else None
            own = (f"{row.per_second:,.0f}", f"{row.p95:.1f}", str(row.refused))
            theirs = (f"{other.per_second:,.0f}", f"{other.p95:.1f}", str(other.refused))
            table.add_row(row.name, *own, *theirs, _number(times, ".2f"))
    return table


def _sql_table(figures: Figures) -> Table:
    title = f"The statements alone, one connection, tenants in turn, {figures.resources:,} resources"
    table = _table(title, "search", "p50 ms", "p95 ms", "bar", "", "planning", "pages", "remarks")
    for row in figures.sql:
        measured = (f"{row.p50:.2f}", f"{row.p95:.2f}", _number(row.bar, "g"), row.verdict)
        table.add_row(row.name, *measured, f"{row.planning:.2f}", f"{row.pages:,}", row.remarks)
    return table


def _growth_table(figures: Figures) -> Table:
    title = f"Growth: the same statements at 10,000 and {figures.resources:,} resources (bar {GROWTH_BAR} of p95)"
    table = _table(title, "search", "small p50", "p95", "large p50", "p95", "times", "")
    for small, large in zip(figures.small_sql, figures.sql, strict=True):
        times = large.p95 / small.p95
        verdict = "ok" if times <= GROWTH_BAR else "MISSED"
        table.add_row(small.name, *_latencies(small), *_latencies(large), f"{times:.1f}", verdict)
    return table


def _latencies(row: SqlRow) -> tuple[str, str]:
    return f"{row.p50:.2f}", f"{row.p95:.2f}"


def _size_table(figures: Figures) -> Table:
    table = _table("Bytes of a resource, by table and index (without history and audit)", "relation", "bytes")
    for name, size in figures.sizes.items():
        table.add_row(name, f"{size:,.0f}")
    return table


def _fact_table(facts: Sequence[Fact]) -> Table:
    table = _table("Load, size, memory, start", "what", "measured", "", "bar", "")
    for fact in facts:
        value = f"{fact.value:,.1f}" if fact.value < 100 else f"{fact.value:,.0f}"
        table.add_row(fact.name, value, fact.unit, _number(fact.bar, ",g"), fact.verdict)
    return table


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
