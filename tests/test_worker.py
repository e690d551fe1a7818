import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from bhr_api.app import Application
from bhr_api.settings import Settings
from bhr_api.store.database import Database
from bhr_api.telemetry import configure_logging
from tests.fixtures.server import serve

SOURCE = Path(__file__).parents[1] / "src"

NOT_NEEDED_TO_START = ["alembic", "bhr_api.cli", "bhr_api.openapi", "bhr_api.samples", "typer"]


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """The modules that a worker has imported when it starts, the main module of its parent among them."""
    program = "import runpy, sys, bhr_api.app; runpy.run_module('bhr_api', run_name='__mp_main__'); print(*sys.modules)"
    listing = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(listing.stdout.split())


@pytest.mark.parametrize("module", NOT_NEEDED_TO_START)
def test_a_worker_starts_without_what_only_commands_and_documents_need(imported: set[str], module: str) -> None:
    assert "bhr_api.app" in imported
    assert module not in imported


def test_a_worker_waits_for_a_database_that_is_not_up_yet(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("json")
    reach, refusals = Database.open, [ConnectionRefusedError("refused"), asyncpg.CannotConnectNowError("starting up")]

    async def open_at_last(*arguments: Any, **options: Any) -> Database:
        if refusals:
            raise refusals.pop(0)
        return await reach(*arguments, **options)

    monkeypatch.setattr(Database, "open", open_at_last)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = Settings(_env_file=None, port=listener.getsockname()[1])
        running, thread = serve(Application(settings, database_dsn), listener)
        ready = httpx.get(f"{settings.issuer}/health/ready").status_code
        running.should_exit = True
        thread.join(timeout=30)
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    reasons = [line["reason"] for line in told if line["event"] == "database_not_reached"]
    assert (ready, reasons) == (200, ["refused", "starting up"])


UNREACHABLE = """
import sys
from bhr_api import app, worker
from bhr_api.settings import Settings
from bhr_api.telemetry import configure_logging

# Each worker process imports its parent's main module again.
app.REACH_SECONDS = 0
if __name__ == "__main__":
    configure_logging("json")
    worker.run(Settings(_env_file=None, port=int(sys.argv[1]), workers=int(sys.argv[2])), sys.argv[3])
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_never_reaches_its_database_fails_and_says_why(tmp_path: Path, workers: int) -> None:
    program = tmp_path / "program.py"
    program.write_text(UNREACHABLE)
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        port, nothing = free.getsockname()[1], taken.getsockname()[1]
    ended = subprocess.run(
        [sys.executable, program, str(port), str(workers), f"postgresql://nobody@127.0.0.1:{nothing}/x"],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 3
    events = [json.loads(line) for line in ended.stderr.splitlines()]
    assert any(event["event"] == "database_not_reached" and "refused" in event["reason"] for event in events)
