"""`make bench`: loads a data set, runs each row of DESIGN 12, prints what came of it beside raw PostgreSQL."""

import argparse
import asyncio
import json
import os
import shutil
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import asyncpg
from rich.console import Console

from benchmarks import (
    authorization,
    dataset,
    extraction,
    latency,
    other_server,
    raw,
    report,
    traffic,
    transfer,
    validation,
    wrk,
)
from benchmarks.dataset import Share
from benchmarks.figures import BYTES_BAR, LOAD_BAR, MEMORY_BAR, START_BAR, Fact, Figures, HttpRow
from benchmarks.processes import Server, end_tidily_on_sigterm, postgresql, serving
from benchmarks.work import WORK, Client, Work
from bhr_api.cli.tokens import minted
from bhr_api.store import tenants
from bhr_api.store.embedded import EmbeddedPostgreSQL
from bhr_api.store.migrations import migrate

CORES = os.cpu_count() or 1
SMALL = 10_000
# Those that a statement is measured in, in turn: the largest.
MEASURED_TENANTS = 20


def main() -> None:
    """Run the benchmarks that the arguments ask for."""
    end_tidily_on_sigterm()
    arguments = _arguments()
    console = Console(width=max(140, shutil.get_terminal_size().columns))
    figures = Figures(CORES)
    if arguments.growth:
        with postgresql(_below(arguments.data_dir, "small")) as server:
            small = _load(console, server, dataset.shares(SMALL, arguments.tenants), Figures(CORES))
            figures.small_sql = asyncio.run(latency.measure(server.dsn, small[:MEASURED_TENANTS]))
    with postgresql(_below(arguments.data_dir, "large") if arguments.growth else arguments.data_dir) as server:
        _measure(console, server, arguments, figures)
    report.show(console, figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(figures), indent=1) + "\n")
    if arguments.parts:
        validation.main()
        extraction.main()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--resources", type=int, default=20_000, help="size of the data set (20000)")
    parser.add_argument("--tenants", type=int, default=200, help="tenants of unequal size (200)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each HTTP and raw run (4)")
    parser.add_argument("--workers", type=int, default=CORES, help="worker processes (one for each core)")
    parser.add_argument("--data-dir", type=Path, help="keep the data here, and use what is there")
    parser.add_argument("--sql-only", action="store_true", help="only load and measure the statements")
    parser.add_argument("--growth", action="store_true", help=f"measure the statements at {SMALL:,} resources too")
    parser.add_argument("--wrk", action="store_true", help="let wrk make the load over HTTP")
    parser.add_argument("--compare", metavar="FHIR_BASE", help="run the same work against another FHIR server too")
    parser.add_argument("--compare-token", default="", help="a bearer token for it")
    parser.add_argument("--parts", action="store_true", help="measure validation and extraction of a resource too")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    if arguments.wrk and shutil.which("wrk") is None:
        parser.error("wrk is not installed")
    return arguments


def _below(data_dir: Path | None, name: str) -> Path | None:
    return None if data_dir is None else data_dir / name


def _measure(console: Console, server: EmbeddedPostgreSQL, arguments: argparse.Namespace, figures: Figures) -> None:
    shares = _load(console, server, dataset.shares(arguments.resources, arguments.tenants), figures)
    console.print("Measuring the statements ...")
    figures.sql = asyncio.run(latency.measure(server.dsn, shares[:MEASURED_TENANTS]))
    if arguments.sql_only:
        return
    share = shares[0]
    run = _Run(server, share, asyncio.run(_raw_works(server.dsn, share)), arguments.seconds, arguments.wrk)
    token = asyncio.run(minted(server.dsn, share.tenant, "system/*.cruds", timedelta(hours=6)))
    if arguments.workers > 1:
        with serving(server.dsn, 1) as one:
            figures.facts.append(Fact("start of one worker to the first answer", one.start_seconds, "s", START_BAR))
    with serving(server.dsn, arguments.workers) as running:
        name = f"start to the first answer, workers: {arguments.workers}"
        figures.facts.append(Fact(name, running.start_seconds, "s", START_BAR))
        client = Client(running.port, token, share)
        figures.facts += _measure_http(console, running, run, client, figures)
        console.print("Measuring: what authorization costs ...")
        figures.facts += authorization.measure(server.dsn, client, run.http)
    console.print("Exporting and importing ...")
    figures.facts += transfer.measure(server.dsn, share.tenant, CORES)
    if arguments.compare:
        other = other_server.client_of(arguments.compare, arguments.compare_token, share)
        works = {work.name: work for work in WORK}
        other_server.compare(other, lambda client, row: run.http(client, works[row.name]), figures.http)


class _Run:
    """How the work is measured: by which generator, for how long, beside which raw figures."""

    def __init__(
        self, server: EmbeddedPostgreSQL, share: Share, works: dict[str, raw.Raw], seconds: float, by_wrk: bool
    ) -> None:
        self.share = share
        self._server, self._works, self._seconds = server, works, seconds
        self._generate = wrk.run if by_wrk else traffic.run

    def http(self, client: Client, work: Work) -> HttpRow:
        """One row, without its raw figure."""
        outcome = self._generate(client.port, work.requests(client), work.connections, self._seconds)
        p50, p95, p99 = (outcome.percentile(share) for share in (0.5, 0.95, 0.99))
        per_second = outcome.per_second * work.unit
        return HttpRow(work.name, work.connections, per_second, p50, p95, p99, outcome.refused)

    def beside_raw(self, client: Client, work: Work) -> HttpRow:
        """One row between two halves of its raw figure, since machines are faster at one moment than at another."""
        before = self._raw(work)
        row = self.http(client, work)
        row.bar, row.least_per_second = work.bar, work.least_per_second
        if before is not None:
            row.raw = (before + (self._raw(work) or 0.0)) / 2
        return row

    def _raw(self, work: Work) -> float | None:
        return None if work.raw is None else raw.measure(self._server, self._works[work.raw], self._seconds / 2)


def _measure_http(console: Console, running: Server, run: _Run, client: Client, figures: Figures) -> list[Fact]:
    before = running.worker_megabytes()
    for work in WORK:
        console.print(f"Measuring: {work.name} ...")
        figures.http.append(run.beside_raw(client, work))
    return [
        Fact("memory of a worker before the load", before, "MB", MEMORY_BAR),
        Fact("memory of a worker after the load", running.worker_megabytes(), "MB", MEMORY_BAR),
    ]


def _load(console: Console, server: EmbeddedPostgreSQL, shares: list[Share], figures: Figures) -> list[Share]:
    """The data set, loaded unless it is there already, and what the load and its result measure."""
    asyncio.run(migrate(server.dsn))
    if asyncio.run(_number_of(server.dsn, shares[0].tenant)) is None:
        console.print(f"Loading {sum(share.resources for share in shares):,} resources into {len(shares)} tenants ...")
        done, seconds = dataset.load(server.dsn, shares, CORES)
        rate = done / seconds / CORES
        figures.facts.append(
            Fact("load through the road of writes", rate, "resources/s a core", LOAD_BAR, at_least=True)
        )
    asyncio.run(dataset.settle(server.dsn, [share.tenant for share in shares[:MEASURED_TENANTS]]))
    figures.resources, figures.sizes = asyncio.run(dataset.sizes(server.dsn))
    figures.facts.append(Fact("a resource without history and audit", sum(figures.sizes.values()), "bytes", BYTES_BAR))
    return shares


async def _number_of(dsn: str, name: str) -> int | None:
    connection = await asyncpg.connect(dsn)
    row = await tenants.find(connection, name)
    await connection.close()
    return None if row is None else row.tenant


async def _raw_works(dsn: str, share: Share) -> dict[str, raw.Raw]:
    """The raw figures' scripts, and the tables that they write to."""
    tenant = await _number_of(dsn, share.tenant)
    assert tenant is not None
    connection = await asyncpg.connect(dsn)
    await connection.execute(raw.TABLES)
    tokens = [row[0] for row in await connection.fetch(raw.patients_asked(tenant))]
    await connection.close()
    return raw.works(tenant, share.patients, tokens)


if __name__ == "__main__":
    main()
