"""What a command says when it cannot be carried out, and how it is helped out."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bhr_api import __version__
from bhr_api.cli import app
from tests.cli.conftest import CommandLine

COMMANDS = [
    "serve",
    "demo",
    "migrate",
    "check",
    "reindex",
    "backup",
    "restore",
    "token",
    "import",
    "export",
    "openapi",
    "tenants add",
    "tenants list",
    "clients add",
    "clients list",
    "clients disable",
    "clients rotate",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "100"})
    assert result.exit_code == 0
    assert f"Example: bhr-api {command}" in result.stdout


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"{__version__}\n"


def test_an_unknown_command_is_a_failure() -> None:
    assert CliRunner().invoke(app, ["surprise"]).exit_code == 2


def test_a_database_that_cannot_be_reached_is_told_without_its_password() -> None:
    nowhere = CommandLine(("--database-url", "postgresql://bhr:hush@127.0.0.1:1/bhr"))
    line = nowhere.refusal("tenants", "list")
    assert line.startswith("The database cannot be used:")
    assert "hush" not in line


def test_a_directory_without_a_database_stays_without_one(tmp_path: Path) -> None:
    line = CommandLine(("--data-dir", str(tmp_path / "mistyped"))).refusal("tenants", "list")
    assert "holds no database yet" in line
    assert not (tmp_path / "mistyped").exists()


def test_a_database_that_was_never_migrated_names_the_command(new_database: str) -> None:
    line = CommandLine(("--database-url", new_database)).refusal("tenants", "list")
    assert line.startswith("The database is at schema none")
    assert "bhr-api migrate" in line


def test_wrong_settings_are_told_without_their_values(bhr_api: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BHR_POOL_SIZE", "plenty")
    line = bhr_api.refusal("tenants", "list")
    assert line.startswith("The settings are wrong: pool_size")
    assert "plenty" not in line


def test_a_traceback_is_shown_to_who_asks(bhr_api: CommandLine) -> None:
    arguments = ["--traceback", "export", "somewhere", "--tenant", "nobody", *bhr_api.options]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert re.search("no tenant 'nobody'", str(result.exception))
