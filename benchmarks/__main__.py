"""`make bench`: loads a data set, runs each row of DESIGN 12, prints what came of it beside raw PostgreSQL."""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from rich.console import Console
from rich.table import Table

from benchmarks import dataset, latency, other_server, raw, traffic
from benchmarks.work import WORK, Client
from bhr_api.cli.tokens import minted
from bhr_api.store import tenants
from bhr_api.store.embedded import EmbeddedPostgreSQL
from bhr_api.store.migrations import migrate

CORES = os.cpu_count() or 1


@dataclass(slots=True)
class Figures:
    """All that a run measured."""

    resources: int = 0
    load_per_second: float = 0.0
    bytes_per_resource: float = 0.0
    start_seconds: float = 0.0
    worker_megabytes: list[float] = field(default_factory=list)
    raw: dict[str, float] = field(default_factory=dict)
    http: list[dict[str, Any]] = field(default_factory=list)
    sql: list[dict[str, Any]] = field(default_factory=list)


def main() -> None:
    """Run the benchmarks that the arguments ask for."""
    arguments = _arguments()
    console = Console(width=140)
    figures = Figures()
    with _postgresql(arguments.data_dir) as server:
        asyncio.run(migrate(server.dsn))
        wanted = dataset.shares(arguments.resources, arguments.tenants)
        if not asyncio.run(_is_loaded(server.dsn, wanted[0].tenant)):
            console.print(f"Loading {arguments.resources:,} resources into {len(wanted)} tenants ...")
            figures.resources, seconds = dataset.load(server.dsn, wanted, CORES)
            figures.load_per_second = figures.resources / seconds
        asyncio.run(dataset.settle(server.dsn, [share.tenant for share in wanted[:20]]))
        figures.bytes_per_resource = asyncio.run(_bytes_per_resource(server.dsn))
        figures.sql = [asdict(one) for one in asyncio.run(latency.measure(server.dsn, wanted[:20]))]
        if not arguments.sql_only:
            tenant = asyncio.run(_tenant(server.dsn, wanted[0].tenant))
            asyncio.run(_execute(server.dsn, raw.TABLES))
            for name, (clients, script) in raw.scripts(tenant, wanted[0].patients).items():
                figures.raw[name] = raw.measure(server, script, clients, arguments.seconds)
            _measure_http(server.dsn, wanted[0], arguments, figures)
        if arguments.compare and figures.http:
            other = other_server.measure(arguments.compare, arguments.compare_token, wanted[0], arguments.seconds)
            for row in figures.http:
                row["other"] = other[row["name"]]
    _print(console, figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(figures), indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--resources", type=int, default=20_000, help="size of the data set (20000)")
    parser.add_argument("--tenants", type=int, default=200, help="tenants of unequal size (200)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each HTTP and raw run (4)")
    parser.add_argument("--workers", type=int, default=CORES, help="worker processes (one for each core)")
    parser.add_argument("--data-dir", type=Path, help="keep the data here, and use what is there")
    parser.add_argument("--sql-only", action="store_true", help="only load and measure the statements")
    parser.add_argument("--compare", metavar="FHIR_BASE", help="run the same work against another FHIR server too")
    parser.add_argument("--compare-token", default="", help="a bearer token for it")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    return parser.parse_args()


@contextmanager
def _postgresql(data_dir: Path | None) -> Iterator[EmbeddedPostgreSQL]:
    if data_dir is not None:
        with EmbeddedPostgreSQL(data_dir) as server:
            yield server
        return
    with tempfile.TemporaryDirectory(prefix="bhr-bench-") as scratch:
        server = EmbeddedPostgreSQL(Path(scratch) / "data")
        try:
            server.start()
            yield server
        finally:
            server.erase()


async def _tenant(dsn: str, name: str) -> int:
    connection = await asyncpg.connect(dsn)
    row = await tenants.find(connection, name)
    await connection.close()
    assert row is not None
    return int(row.tenant)


async def _is_loaded(dsn: str, name: str) -> bool:
    connection = await asyncpg.connect(dsn)
    row = await tenants.find(connection, name)
    await connection.close()
    return row is not None


async def _execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(sql)
    await connection.close()


async def _bytes_per_resource(dsn: str) -> float:
    """Tables and indexes without history and audit, for one live resource."""
    connection = await asyncpg.connect(dsn)
    size = await connection.fetchval(
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE oid = ANY($1::regclass[]::oid[])",
        ["resource", "posting", "string_index", "number_index", "date_index"],
    )
    count = await connection.fetchval("SELECT count(*) FROM resource")
    await connection.close()
    return float(size) / max(1, int(count))


def _measure_http(dsn: str, share: dataset.Share, arguments: argparse.Namespace, figures: Figures) -> None:
    token = asyncio.run(minted(dsn, share.tenant, "system/*.cruds", timedelta(hours=6)))
    with _server(dsn, arguments.workers, figures) as (process, port):
        client = Client(port, token, share)
        for work in WORK:
            outcome = traffic.run(port, work.requests(client), work.connections, arguments.seconds)
            figures.http.append(
                {
                    "name": work.name,
                    "per_second": outcome.per_second * work.unit,
                    "p50": outcome.percentile(0.5),
                    "p95": outcome.percentile(0.95),
                    "p99": outcome.percentile(0.99),
                    "refused": outcome.refused,
                    "raw": work.raw,
                    "ratio": _ratio(outcome.per_second * work.unit, work.raw, figures),
                    "bar": work.bar,
                }
            )
        figures.worker_megabytes = _memory(process.pid)


def _ratio(per_second: float, name: str | None, figures: Figures) -> float | None:
    if name is None:
        return None
    # A raw transaction has a hundred rows.
    return per_second / (figures.raw[name] * (100 if name.startswith("100") else 1))


@contextmanager
def _server(dsn: str, workers: int, figures: Figures) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "bhr_api", "serve", "--database-url", dsn]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - started > 60:
                raise RuntimeError("The server did not start.")
            time.sleep(0.02)
        figures.start_seconds = time.perf_counter() - started
        time.sleep(1)
        yield process, port
    finally:
        process.terminate()
        process.wait(timeout=60)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/fhir/metadata", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _memory(pid: int) -> list[float]:
    """Resident megabytes of the server's processes, where the system tells."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if pid in (int(lines["Pid"]), int(lines["PPid"])) and "VmRSS" in lines:
            found.append(int(lines["VmRSS"].split()[0]) / 1024)
    return sorted(found, reverse=True)


def _print(console: Console, figures: Figures) -> None:
    if figures.http:
        table = Table(
            "over HTTP, with authentication and audit", title=f"{CORES} cores, shared by load, server and database"
        )
        for heading in ("a second", "p50 ms", "p95 ms", "p99 ms", "refused", "raw a second", "ratio", "bar", ""):
            table.add_column(heading, justify="right")
        for row in figures.http:
            table.add_row(row["name"], *_cells(row, figures))
        console.print(table)
        for row in figures.http:
            if "other" in row:
                times = f"{row['per_second'] / row['other']:.1f}" if row["other"] else "-"
                console.print(
                    f"{row['name']}: other server {row['other']:,.0f} a second, this one {times} times as many"
                )
    table = Table("statement, 20 tenants in turn", title="SQL alone, one connection")
    for heading in ("p50 ms", "p95 ms", "bar", ""):
        table.add_column(heading, justify="right")
    for row in figures.sql:
        bar = "" if row["bar"] is None else f"{row['bar']:g}"
        verdict = "" if row["bar"] is None else "ok" if row["p95"] < row["bar"] else "MISSED"
        table.add_row(row["name"], f"{row['p50']:.2f}", f"{row['p95']:.2f}", bar, verdict)
    console.print(table)
    if figures.load_per_second:
        console.print(
            f"load      {figures.load_per_second:,.0f} resources/s by {CORES} processes, validated, audited, versioned"
        )
    console.print(f"size      {figures.bytes_per_resource:,.0f} bytes a resource without history and audit (bar 3,000)")
    if figures.worker_megabytes:
        console.print(
            f"memory    {', '.join(f'{size:.0f}' for size in figures.worker_megabytes)} MB (bar 200 a worker)"
        )
        console.print(f"start     {figures.start_seconds:.1f} s to the first answer (bar 3)")


def _cells(row: dict[str, Any], figures: Figures) -> list[str]:
    share = "" if row["raw"] is None else f"{figures.raw[row['raw']]:,.0f}"
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f}"
    bar = "" if row["bar"] is None else f"{row['bar']:.2f}"
    verdict = "" if row["ratio"] is None else "ok" if row["ratio"] >= row["bar"] else "MISSED"
    figures_of = [f"{row[name]:,.1f}" for name in ("p50", "p95", "p99")]
    return [f"{row['per_second']:,.0f}", *figures_of, str(row["refused"]), share, ratio, bar, verdict]


if __name__ == "__main__":
    main()
