"""The processes that a run starts and ends: PostgreSQL in a scratch directory, the server, what they take of memory."""

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bhr_api.store.embedded import EmbeddedPostgreSQL

_START_SECONDS = 60
_STOP_SECONDS = 40


@dataclass(frozen=True, slots=True)
class Server:
    """A running server and how long it took to its first answer."""

    process_id: int
    port: int
    start_seconds: float

    def worker_megabytes(self) -> float:
        """Resident megabytes of the largest worker (Linux; 0 elsewhere)."""
        return max((_resident_megabytes(process_id) for process_id in self._workers()), default=0.0)

    def _workers(self) -> list[int]:
        children = [
            int(file.parent.name) for file in Path("/proc").glob("[0-9]*/stat") if _parent(file) == self.process_id
        ]
        # Python's own tracker of shared resources is a child too. A single worker is the server itself.
        return [child for child in children if b"resource_tracker" not in _command(child)] or [self.process_id]


@contextmanager
def postgresql(data_dir: Path | None) -> Iterator[EmbeddedPostgreSQL]:
    """The embedded PostgreSQL of `data_dir`, which is kept; without one, of a scratch directory that is erased."""
    if data_dir is not None:
        with EmbeddedPostgreSQL(data_dir) as server:
            yield server
        return
    with tempfile.TemporaryDirectory(prefix="bhr-bench-") as scratch:
        server = EmbeddedPostgreSQL(Path(scratch) / "data")
        try:
            server.start()
            yield server
        finally:
            server.erase()


@contextmanager
def serving(dsn: str, workers: int) -> Iterator[Server]:
    """A server on a free port of this machine, from its start to its first answer and until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "bhr_api", "serve", "--database-url", dsn]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - started > _START_SECONDS:
                raise RuntimeError("The server did not start.")
            time.sleep(0.02)
        seconds = time.perf_counter() - started
        # The other workers come up a moment later.
        time.sleep(1 if workers > 1 else 0)
        yield Server(process.pid, port, seconds)
    finally:
        _end(process)


def end_tidily_on_sigterm() -> None:
    """SIGTERM (from `timeout`, or a shell that ends) leaves the blocks above as Ctrl-C does: nothing stays behind."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/fhir/metadata", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # Its workers end by themselves when their parent is gone.
        process.kill()
        process.wait()


def _parent(stat: Path) -> int:
    try:
        # proc(5): the name stands in parentheses and may hold anything; state and parent follow it.
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _command(process_id: int) -> bytes:
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes()
    except OSError:
        return b""


def _resident_megabytes(process_id: int) -> float:
    try:
        lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)
