"""`bhr-api serve` and `demo` as processes of their own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bhr_api.store.embedded import EmbeddedPostgreSQL

SOURCE = Path(__file__).parents[2] / "src"


def environment() -> dict[str, str]:
    """This process's environment without settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BHR_")}
    return {**kept, "PYTHONPATH": str(SOURCE)}


@dataclass(slots=True)
class Started:
    """A server that answers; `greeting` is what it printed."""

    process: subprocess.Popen[str]
    data_dir: Path
    greeting: str

    @property
    def base_url(self) -> str:
        """The FHIR base."""
        found = re.search(r"http://\S+/fhir", self.greeting)
        assert found is not None
        return found[0]

    def count(self, path: str, token: str) -> int:
        """How many resources a search finds."""
        answer = httpx.get(f"{self.base_url}/{path}", headers={"Authorization": f"Bearer {token}"}, timeout=10)
        answer.raise_for_status()
        total: int = answer.json()["total"]
        return total

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and give the exit code of the process once it is gone."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@contextmanager
def started(command: str, *options: str, data_dir: Path) -> Iterator[Started]:
    """The server once it answers, on a port of its own choosing; it is stopped in the end, if it still runs."""
    arguments = [command, "--port", "0", "--data-dir", str(data_dir), *options]
    with subprocess.Popen(
        [sys.executable, "-m", "bhr_api", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=data_dir.parent,
    ) as process:
        try:
            yield Started(process, data_dir, _greeting(process))
        finally:
            if process.poll() is None:
                process.terminate()


def _greeting(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            return "".join(lines)
    raise AssertionError(f"the server ended: {process.stderr.read()}")


def postmaster_of(data_dir: Path) -> int | None:
    """The process id of the data directory's PostgreSQL, if it runs."""
    return EmbeddedPostgreSQL(data_dir).process_id
