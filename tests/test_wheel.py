"""The wheel holds all that the program needs: it works where there is no repository (CONTRIBUTING.md)."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bhr_api.store.condition import schema_revision, wanted_revision
from tests.fixtures.database import TestServer, on_database

ROOT = Path(__file__).parents[1]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the program alone, installed from a wheel; what it depends on is this interpreter's."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels], cwd=ROOT, check=True)
    (wheel,) = wheels.glob("*.whl")
    options = ["--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check", "--quiet"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, wheel], check=True)
    return target


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Runs an installed script, or Python on the installed program, in a directory that holds nothing else of it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BHR_", "PYTHON"))}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**kept, "PYTHONPATH": str(installed)}
        return subprocess.run(
            arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    return run


@pytest.fixture
def empty_dsn(postgresql: TestServer) -> Iterator[str]:
    dsn = postgresql.new_database()
    yield dsn
    postgresql.drop(dsn)


def test_the_program_is_the_installed_one(installed: Path, run: Run) -> None:
    code = "import bhr_api.store.migrations as m; print(m.__file__); print(m.scripts_directory())"
    program, scripts = run(sys.executable, "-c", code).stdout.splitlines()
    assert Path(program).is_relative_to(installed)
    assert Path(scripts).is_relative_to(installed)


def test_every_file_of_the_program_is_installed(installed: Path) -> None:
    def files(directory: Path) -> set[Path]:
        found = {path.relative_to(directory) for path in directory.rglob("*") if path.is_file()}
        return {path for path in found if "__pycache__" not in path.parts and path.parts[0] != "alembic"}

    assert files(ROOT / "src/bhr_api") == files(installed / "bhr_api")


def test_an_installed_program_migrates_checks_and_keeps_records(
    empty_dsn: str, installed: Path, run: Run, tmp_path: Path
) -> None:
    patient = {"resourceType": "Patient", "id": "p1", "gender": "other", "name": [{"family": "Example"}]}
    (tmp_path / "in.ndjson").write_text(f"{json.dumps(patient)}\n{json.dumps({**patient, 'gender': 'unlikely'})}\n")

    def bhr_api(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run(str(installed / "bin" / "bhr-api"), *arguments, "--database-url", empty_dsn)

    migrated = bhr_api("migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert on_database(empty_dsn, schema_revision) == wanted_revision()
    checked = bhr_api("check")
    assert checked.returncode == 0, checked.stdout
    # The second line is refused by HL7's own tables, so they are there.
    imported = bhr_api("import", "in.ndjson")
    assert "Stored 1 resources" in imported.stderr, imported.stderr
    assert "unlikely" in (tmp_path / "import-errors.ndjson").read_text()
    exported = bhr_api("export", "out")
    assert exported.returncode == 0, exported.stderr
    assert json.loads((tmp_path / "out" / "Patient.ndjson").read_text())["gender"] == "other"


def test_an_installed_program_describes_itself(run: Run, tmp_path: Path) -> None:
    written = run(sys.executable, "-m", "bhr_api", "openapi", "--output", "openapi")
    assert written.returncode == 0, written.stderr
    assert list((tmp_path / "openapi").iterdir())
