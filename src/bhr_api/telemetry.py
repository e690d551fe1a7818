"""Metrics and logs: counts, kinds and durations, never names, codes, tokens or query values (docs/operations.md)."""

import logging
import multiprocessing
import os
import sys
from functools import cache
from typing import Any

import asyncpg
import structlog

# The library looks for the variable when it is imported. It is ours to tell our workers of their directory: one that comes
# from elsewhere may be missing, or hold the numbers of other programs.
if multiprocessing.parent_process() is None:
    for _name in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"):
        os.environ.pop(_name, None)

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from bhr_api.routers.error_handler import place_of

REQUESTS = Counter(
    "bhr_requests_total",
    "FHIR requests by interaction, resource type and status class.",
    ["interaction", "type", "status"],
)
DURATIONS = Histogram(
    "bhr_request_seconds",
    "Duration of FHIR requests by interaction.",
    ["interaction"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
DATABASE_SECONDS = Counter("bhr_database_seconds_total", "Time that connections were held for requests.")
POOL_SIZE = Gauge("bhr_pool_connections", "Open database connections.", multiprocess_mode="livesum")
POOL_IDLE = Gauge("bhr_pool_idle_connections", "Open database connections that are free.", multiprocess_mode="livesum")


class _LibraryLog(logging.Handler):
    """Says which library logged at which level. Its message may quote values, so that it stays out."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log that there was something, and of which class and from where the exception was that it tells of."""
        error = record.exc_info[1] if record.exc_info else None
        if record.name == "asyncio" and isinstance(error, asyncpg.PostgresConnectionError):
            # A statement was on its way when the database went, and its request had been answered with 503 by then.
            structlog.get_logger(record.name).warning("statement_lost", error=type(error).__qualname__)
            return
        facts: dict[str, Any] = {
            "library": record.name,
            "level_name": record.levelname,
            "place": f"{record.module}:{record.lineno}",
        }
        if error is not None:
            facts |= {"error": type(error).__qualname__, "raised_at": place_of(error)}
        structlog.get_logger(record.name).error("library_log", **facts)


class _StandardError:
    """Writes lines on standard error, whichever stream that is at the moment."""

    def msg(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    info = warning = error = msg


def observe_request(interaction: str, resource_type: str, status: int, seconds: float) -> None:
    """Count one FHIR request."""
    requests, durations = _observed(interaction, resource_type, status // 100)
    requests.inc()
    durations.observe(seconds)


# To look up what has labels takes the library a lock and longer than to count. There are as many as the metrics have lines.
@cache
def _observed(interaction: str, resource_type: str, status_class: int) -> tuple[Counter, Histogram]:
    name = interaction or "refused"
    return REQUESTS.labels(name, resource_type, f"{status_class}xx"), DURATIONS.labels(name)


def observe_pool(connections: int, idle: int, busy_seconds: float) -> None:
    """Note the state of this worker's pool, and for how long its connections were held since the last note."""
    POOL_SIZE.set(connections)
    POOL_IDLE.set(idle)
    DATABASE_SECONDS.inc(busy_seconds)


def metrics() -> tuple[bytes, str]:
    """The metrics of all workers together, and their media type."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(), CONTENT_TYPE_LATEST
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST


def forget_worker(process_id: int) -> None:
    """A worker has ended: what it had counted stays, the connections that it had open do not."""
    mark_process_dead(process_id)  # type: ignore[no-untyped-call]


def configure_logging(format: str) -> None:
    """Structured logs on standard error, as JSON lines or for a console; libraries' own from errors on, without traces."""
    logging.basicConfig(level=logging.ERROR, handlers=[_LibraryLog(logging.ERROR)], force=True)
    # Its pool retries by itself and logs each try; what it comes to is told by the requests.
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)
    renderer = structlog.processors.JSONRenderer() if format == "json" else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _StandardError(),
        cache_logger_on_first_use=True,
    )
