"""Bulk export and import by the command line, as an operator runs them: every resource validated, audited, versioned."""

import asyncio
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg

from benchmarks.figures import EXPORT_BAR, LOAD_BAR, Fact
from bhr_api.store import tenants

_SECONDS = 900


class _Told(NamedTuple):
    """Resources, and resources a second, as the command told them."""

    resources: int
    rate: float


def measure(dsn: str, tenant: str, processes: int) -> list[Fact]:
    """Export the records of `tenant`, then import them by `processes` at once, each into a tenant of its own."""
    with tempfile.TemporaryDirectory(prefix="bhr-bench-export-") as directory:
        # A rate of a few thousand resources is mostly that of connecting, so that their number is told with it.
        exported = _told(dsn, [("export", directory, tenant)])
        run = secrets.token_hex(3)
        targets = [f"{tenant}-import-{run}-{number}" for number in range(processes)]
        asyncio.run(_make(dsn, targets))
        imported = _told(dsn, [("import", directory, target) for target in targets])
    return [
        Fact(f"bulk export of {exported[0].resources:,}", exported[0].rate, "resources/s", EXPORT_BAR, at_least=True),
        Fact(
            f"bulk import of {imported[0].resources:,} by each of {processes}",
            min(one.rate for one in imported),
            "resources/s a core",
            LOAD_BAR,
            at_least=True,
        ),
    ]


def _told(dsn: str, commands: Sequence[tuple[str, str, str]]) -> list[_Told]:
    """What each of the commands tells (name, directory, tenant), which run at once."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "bhr_api", name, directory, "--tenant", tenant, "--database-url", dsn],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=directory,
        )
        for name, directory, tenant in commands
    ]
    try:
        told = [process.communicate(timeout=_SECONDS)[1] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    return [_parsed(text) for text in told]


def _parsed(told: str) -> _Told:
    found = re.search(r"([\d,]+) resources in .*\(([\d,]+) a second\)", told)
    if found is None:
        raise RuntimeError(f"bhr-api told no rate: {told.strip()[-300:]}")
    resources, rate = (int(number.replace(",", "")) for number in found.groups())
    return _Told(resources, rate)


async def _make(dsn: str, names: Sequence[str]) -> None:
    connection = await asyncpg.connect(dsn)
    for name in names:
        await tenants.add(connection, name, datetime.now(UTC))
    await connection.close()
