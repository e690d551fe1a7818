import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.searches import SEARCHES
from benchmarks.work import WORK

# The run that they look at takes a minute: one worker does it.
pytestmark = pytest.mark.xdist_group("benchmarks")

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a tiny run wrote; its speed says nothing."""
    file = tmp_path_factory.mktemp("bench") / "figures.json"
    size = ["--resources", "500", "--tenants", "3", "--seconds", "0.3", "--workers", "1"]
    command = [sys.executable, "-m", "benchmarks", *size, "--json", str(file)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "read by id" in done.stdout
    return json.loads(file.read_text())


def test_every_kind_of_request_is_measured_and_none_refused(figures: Any) -> None:
    assert [row["name"] for row in figures["http"]] == [work.name for work in WORK]
    assert [row["name"] for row in figures["http"] if row["refused"] or not row["per_second"]] == []


def test_each_bar_has_its_raw_figure_of_the_same_run(figures: Any) -> None:
    assert [row["name"] for row in figures["http"] if row["bar"] is not None and not row["raw"]] == []


def test_every_search_is_measured_as_a_statement(figures: Any) -> None:
    assert [row["name"] for row in figures["sql"]] == [search.name for search in SEARCHES]
    assert [row["name"] for row in figures["sql"] if not row["pages"]] == []


def test_load_size_memory_and_start_are_measured(figures: Any) -> None:
    units = [fact["unit"] for fact in figures["facts"]]
    assert sorted(set(units)) == ["%", "MB", "bytes", "resources/s", "resources/s a core", "s"]
    assert all(fact["value"] > 0 for fact in figures["facts"])
    assert {"resource", "resource_tokens", "posting"} <= set(figures["sizes"])
