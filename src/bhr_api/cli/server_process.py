"""The server as a process: its port, its signals, its database, and the word that it is up."""

import asyncio
import http.client
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import typer

from bhr_api import worker
from bhr_api.auth.signing_keys import SigningKeys
from bhr_api.cli.databases import prepare
from bhr_api.cli.failures import CommandError
from bhr_api.cli.postgresql_watch import kept_running
from bhr_api.settings import Settings
from bhr_api.store.embedded import EmbeddedPostgreSQL

_POLL_SECONDS = 0.05
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  looked up, not listened on

# Given the migrated database, does what is to be done before serving and gives what to say once the server answers.
Preparation = Callable[[Settings, str], str]


def run_server(settings: Settings, preparation: Preparation) -> None:
    """Serve until SIGTERM or SIGINT, both KeyboardInterrupt here, on a migrated database.

    The embedded one is started before and stopped after it.
    """
    settings = _with_free_port(settings)
    try:
        with _database(settings) as dsn:
            asyncio.run(prepare(dsn))
            # Asked for its refusal, in one line, before any worker would start and fail.
            SigningKeys(settings.signing_keys_file, lambda: datetime.now(UTC)).all()
            greeting = preparation(settings, dsn)
            with _announced(settings, greeting):
                worker.run(settings, dsn)
    except KeyboardInterrupt:
        return


def _with_free_port(settings: Settings) -> Settings:
    """The settings with a port that is free now: another one for port 0. Raises CommandError for one in use."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.create_server((settings.host, settings.port), family=family) as listener:
            port = listener.getsockname()[1]
    except OSError as error:
        raise CommandError(
            f"Cannot listen on {settings.host} port {settings.port} ({(error.strerror or str(error)).partition(' (')[0]}): "
            "stop what is there, or choose another with --port."
        ) from error
    return settings.model_copy(update={"port": port})


@contextmanager
def _database(settings: Settings) -> Iterator[str]:
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    server = EmbeddedPostgreSQL(settings.data_dir)
    server.start()
    try:
        with kept_running(server):
            yield server.dsn
    finally:
        # A second Ctrl-C must not leave PostgreSQL behind.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        server.stop()


@contextmanager
def _announced(settings: Settings, greeting: str) -> Iterator[None]:
    """Say `greeting` on standard output as soon as the server answers."""
    stopping = threading.Event()
    announcer = threading.Thread(target=_announce, args=(settings, greeting, stopping), name="announcer")
    announcer.start()
    try:
        yield
    finally:
        stopping.set()
        announcer.join()


def _announce(settings: Settings, greeting: str, stopping: threading.Event) -> None:
    while not stopping.wait(_POLL_SECONDS):
        if _answers(settings):
            typer.echo(greeting)
            return


def _answers(settings: Settings) -> bool:
    host = _ANY_ADDRESS.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=5)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
