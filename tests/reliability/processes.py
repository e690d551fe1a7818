"""`bhr-api serve` as a process that a test may stop, kill and start again on the same port."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg

from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer

_SOURCE = Path(__file__).parents[2] / "src"
_START_SECONDS = 60
_STOP_SECONDS = 40
# A state in /proc/net/tcp (proc_net_tcp(5)).
_ESTABLISHED = "01"
_BUSY = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'bhr-api' AND state <> 'idle'
"""


class ServerProcess:
    """A server of one's own. `options` go to `bhr-api serve`; `settings` become variables, such as pool_size=10."""

    def __init__(self, directory: Path, *options: str, **settings: object) -> None:
        self.log = directory / "server.log"
        self._directory = directory
        self._options = options
        self._settings = {f"BHR_{name.upper()}": str(value) for name, value in settings.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The public URL; of use after the first start."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The port, which stays the same over restarts."""
        return self._port

    @property
    def pid(self) -> int:
        """The process id of the server, with several workers that of their parent."""
        assert self._process is not None
        return self._process.pid

    def workers(self) -> list[int]:
        """The process ids of its worker processes."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]

    def failures(self) -> list[str]:
        """The lines of the log that tell of faults of the server's own or of its libraries, and what is no line of it."""
        lines = self.log.read_text().splitlines()
        return [
            line for line in lines if "internal_error" in line or "library_log" in line or not line.startswith('{"')
        ]

    def start(self) -> None:
        """Start the server and return when it answers."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BHR_")}
        arguments = ["serve", "--port", str(self._port), *self._options]
        greeting = self._directory / "greeting.txt"
        with greeting.open("wb") as output, self.log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", "bhr_api", *arguments],
                stdout=output,
                # A pipe that nobody empties would in time stop the server at a line of its log.
                stderr=errors,
                env={**kept, **self._settings, "PYTHONPATH": str(_SOURCE)},
                cwd=self._directory,
            )
        self._port = self._announced_port(greeting)

    def _announced_port(self, greeting: Path) -> int:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            found = re.search(r"http://127\.0\.0\.1:([0-9]+)/fhir", greeting.read_text())
            if found is not None:
                return int(found[1])
            assert self._process is not None
            assert self._process.poll() is None, f"the server ended: {self.log.read_text()[-2000:]}"
            time.sleep(0.02)
        raise AssertionError("the server did not answer in time")

    def kill(self) -> None:
        """`kill -9`, as the kernel or a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=_STOP_SECONDS)

    def terminate(self) -> None:
        """Tell the server to stop, without waiting for it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def exit_code_within(self, seconds: float) -> int:
        """The exit code of the server, which ends within `seconds`."""
        assert self._process is not None
        return self._process.wait(timeout=seconds)

    def close(self) -> None:
        """Stop the server if it runs, by force in the end."""
        if self._process is None or self._process.poll() is not None:
            return
        self.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_STOP_SECONDS)
            return
        self.kill()


class OwnServer(ServerProcess):
    """A server with a database of its own at `dsn`."""

    def __init__(self, directory: Path, dsn: str, **settings: object) -> None:
        super().__init__(directory, "--database-url", dsn, **settings)
        self.dsn = dsn

    @property
    def running(self) -> RunningServer:
        """The server as the other tests know it: with tenants and tokens."""
        return RunningServer(self.url, self.dsn)

    def open_sockets(self) -> int:
        """How many connections of clients the server has open."""
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        ends = [line.split()[1:4] for line in lines]
        return sum(local.endswith(f":{self.port:04X}") and state == _ESTABLISHED for local, _, state in ends)

    def busy_connections(self) -> int:
        """How many of the server's database connections are in a statement or a transaction now."""

        async def count(connection: asyncpg.Connection) -> int:
            number: int = await connection.fetchval(_BUSY)
            return number

        return on_database(self.dsn, count)

    def busy_connections_become(self, wanted: int, seconds: float) -> bool:
        """Whether that many are busy at some moment within `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.busy_connections() == wanted:
                return True
            time.sleep(0.05)
        return False
