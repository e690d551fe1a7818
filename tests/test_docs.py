"""The documentation is true: whatever users can set, call or meet has its heading, and links lead somewhere."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import prometheus_client
import pytest
import typer.main

import bhr_api.telemetry
from bhr_api import errors
from bhr_api.cli import app
from bhr_api.search.project_parameters import PROJECT_PARAMETERS
from bhr_api.settings import Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]


def headings(page: str) -> set[str]:
    return set(re.findall(r"^#+ (.+)$", (DOCS / page).read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_its_heading(name: str) -> None:
    assert f"BHR_{name.upper()}" in headings("settings.md")


ERRORS = [
    name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, errors.RefusalError)
]


@pytest.mark.parametrize("name", ERRORS)
def test_every_refusal_has_its_heading_and_status(name: str) -> None:
    text = (DOCS / "errors.md").read_text().partition(f"### {name}\n")[2]
    kind = getattr(errors, name)
    assert text.strip().startswith(f"Status {kind.status}, code `{kind.code}`.")


def test_every_command_has_its_heading() -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert commands <= headings("command-line.md")


def test_every_metric_is_described() -> None:
    operations = (DOCS / "operations.md").read_text()
    kinds = (prometheus_client.Counter, prometheus_client.Gauge, prometheus_client.Histogram)
    for metric in vars(bhr_api.telemetry).values():
        if isinstance(metric, kinds):
            assert next(iter(metric.describe())).name in operations


@pytest.mark.parametrize("code", [code for served in PROJECT_PARAMETERS.values() for code in served])
def test_every_added_search_parameter_is_named(code: str) -> None:
    assert code in (DOCS / "search.md").read_text()


def test_the_table_of_contents_is_complete() -> None:
    listed = re.findall(r"- (?:\w+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_documentation_builds(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
