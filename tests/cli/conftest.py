"""The command line in this process, on the session's database, and servers as processes of their own."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bhr_api.cli import app
from bhr_api.store.embedded import EmbeddedPostgreSQL
from tests.cli.server_process import Started, started
from tests.fixtures.database import TestServer
from tests.fixtures.server import RunningServer


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command came to."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class CommandLine:
    """`bhr-api` with the same options after every command."""

    options: tuple[str, ...]

    def run(self, *arguments: str, stdin: str | None = None) -> Outcome:
        """What the command comes to, whether it succeeds or not."""
        result = CliRunner().invoke(app, [*arguments, *self.options], input=stdin)
        return Outcome(result.exit_code, result.stdout, result.stderr)

    def output(self, *arguments: str, stdin: str | None = None) -> str:
        """Standard output of a command that must succeed."""
        outcome = self.run(*arguments, stdin=stdin)
        assert outcome.exit_code == 0, outcome.stderr
        return outcome.stdout

    def lines(self, *arguments: str, stdin: str | None = None) -> list[dict[str, Any]]:
        """Lines of JSON that a command prints."""
        return [json.loads(line) for line in self.output(*arguments, stdin=stdin).splitlines()]

    def refusal(self, *arguments: str) -> str:
        """The last line on standard error of a command that must fail, which says why."""
        outcome = self.run(*arguments)
        assert outcome.exit_code == 1
        assert "Traceback" not in outcome.stderr
        (line,) = [line for line in outcome.stderr.splitlines() if line.startswith("bhr-api: ")]
        return line.removeprefix("bhr-api: ")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine's reaches a command, and what it writes where it is stays out of the repository."""
    monkeypatch.delenv("BHR_TEST_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def bhr_api(database_dsn: str) -> CommandLine:
    """The command line on the session's database."""
    return CommandLine(("--database-url", database_dsn))


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A data directory on which the demonstration ran until SIGTERM, and what it printed."""
    data_dir = tmp_path_factory.mktemp("demonstrated") / "data"
    try:
        with started("demo", "--patients", "2", data_dir=data_dir) as demo:
            greeting = demo.greeting
            assert demo.stop() == 0
        yield data_dir, greeting
    finally:
        EmbeddedPostgreSQL(data_dir).erase()


@pytest.fixture
def serving(demonstrated: tuple[Path, str]) -> Iterator[Started]:
    """A server on that data directory."""
    with started("serve", data_dir=demonstrated[0]) as server:
        yield server


@pytest.fixture
def new_database(postgresql: TestServer) -> Iterator[str]:
    """The URL of an empty database."""
    dsn = postgresql.new_database()
    yield dsn
    postgresql.drop(dsn)


@pytest.fixture
def server_base_url(server: RunningServer) -> str:
    """The public URL of the server under test, by which absolute references are local ones."""
    return server.url
