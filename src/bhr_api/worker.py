"""Worker processes: uvicorn in as many as are wanted, on one port.

The parent starts PostgreSQL and migrates; workers share the database, and the counts of their connections.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from bhr_api.bounded_protocol import BoundedHttpProtocol
from bhr_api.routers.request_rates import RequestRates
from bhr_api.settings import Settings
from bhr_api.shared_directory import RATES, shared_directory
from bhr_api.shared_listener import SharingConfig
from bhr_api.telemetry import configure_logging, forget_worker

if TYPE_CHECKING:
    from bhr_api.app import Application


log = structlog.get_logger(__name__)


def create_application() -> "Application":
    """The application of one worker process; settings, with the database's URL, come by the environment."""
    # The parent of several workers starts them before it would have imported what only they need.
    from bhr_api.app import Application

    settings = Settings()
    configure_logging(settings.log_format)
    _end_with_parent()
    assert settings.database_url is not None
    return Application(settings, settings.database_url.get_secret_value())


def _end_with_parent() -> None:
    """A worker whose parent was killed would hold the port for ever; it ends as if it had been told to."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()


def run(settings: Settings, dsn: str) -> None:
    """Serve until SIGTERM or SIGINT, in `settings.workers` processes, on the migrated database at `dsn`."""
    for name, value in {**_environment(settings), "BHR_DATABASE_URL": dsn}.items():
        os.environ[name] = value
    with suppress(KeyboardInterrupt):
        if settings.workers > 1:
            _serve_in_workers(_options(settings))
        else:
            _serve_here(_options(settings))


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "app": "bhr_api.worker:create_application",
        "factory": True,
        "host": settings.host,
        "port": settings.port,
        "workers": settings.workers,
        "loop": "uvloop",
        "http": BoundedHttpProtocol,
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "log_level": "warning",
        # What uvicorn has to tell goes the way of other libraries' errors (telemetry).
        "log_config": None,
        "server_header": False,
        "date_header": True,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": list(settings.trusted_proxies),
        "timeout_graceful_shutdown": settings.shutdown_seconds,
        "backlog": 2048,
    }


def _serve_here(options: dict[str, Any]) -> None:
    server = uvicorn.Server(uvicorn.Config(**options))
    server.run()
    if not server.started:
        raise SystemExit(1)


def _serve_in_workers(options: dict[str, Any]) -> None:
    with shared_directory() as directory:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
        RequestRates.make_file(directory / RATES)
        config = SharingConfig(directory / "connections", **options)
        workers = _Workers(config, sockets=[config.bind_socket()])
        workers.run()
    # uvicorn gives up when a worker cannot start, but does not say so in the end.
    if any(process.exitcode == STARTUP_FAILURE for process in workers.processes):
        raise SystemExit(STARTUP_FAILURE)


class _Workers(Multiprocess):
    """Worker processes whose parent stops listening at once when they are to end, so that nobody waits for an answer."""

    def keep_subprocess_alive(self) -> None:
        """Replace those that have died, and say so."""
        before = list(self.processes)
        with self._forgetting():
            super().keep_subprocess_alive()
        for dead, successor in zip(before, self.processes, strict=True):
            if dead is not successor:
                log.warning("worker_replaced", pid=dead.pid, successor=successor.pid, **_end(dead.exitcode))

    def handle_signals(self) -> None:
        """Do what signals ask for, which may take workers away."""
        with self._forgetting():
            super().handle_signals()

    @contextmanager
    def _forgetting(self) -> Iterator[None]:
        """Workers that are gone afterwards are so in the metrics too."""
        before = self._process_ids()
        yield
        for process_id in before - self._process_ids():
            forget_worker(process_id)

    def _process_ids(self) -> set[int]:
        return {process.pid for process in self.processes if process.pid is not None}

    def terminate_all(self) -> None:
        """Close the parent's end of the listening sockets, then tell the workers."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


def _end(exit_code: int | None) -> dict[str, Any]:
    """By which signal a process ended, or else with which code (multiprocessing.Process.exitcode)."""
    if exit_code is None or exit_code >= 0:
        return {"exit_code": exit_code}
    return {"signal": signal.Signals(-exit_code).name}


def _environment(settings: Settings) -> dict[str, str]:
    """The settings as the variables that worker processes read."""
    values = settings.model_dump(exclude={"database_url"}, exclude_none=True)
    return {
        f"BHR_{name.upper()}": ",".join(value) if isinstance(value, tuple) else str(value)
        for name, value in values.items()
    }
