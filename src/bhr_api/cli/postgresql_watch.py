"""Keeps the embedded PostgreSQL running while the server serves: a postmaster that died is started again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from bhr_api.store.embedded import EmbeddedPostgreSQL, EmbeddedPostgreSQLError

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS = 0.5


@contextmanager
def kept_running(server: EmbeddedPostgreSQL) -> Iterator[None]:
    """Watch `server`, which runs, from a thread; nobody else may use it meanwhile."""
    stopping = threading.Event()
    watch = threading.Thread(target=_watch, args=(server, stopping), name="postgresql-watch")
    watch.start()
    try:
        yield
    finally:
        stopping.set()
        watch.join()


def _watch(server: EmbeddedPostgreSQL, stopping: threading.Event) -> None:
    while not stopping.wait(LOOK_EVERY_SECONDS):
        if server.process_id is not None:
            continue
        log.warning("postgresql_ended")
        try:
            server.start()
        except EmbeddedPostgreSQLError as error:
            log.error("postgresql_not_started", reason=str(error))
        else:
            log.warning("postgresql_started_again")
