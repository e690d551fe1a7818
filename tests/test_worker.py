import subprocess
import sys

import pytest

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
