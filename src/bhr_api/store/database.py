"""The worker's one connection pool, bounded in size and in waiting.

An interaction acquires one connection, never a second while it holds one: that is how other servers came to hang.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bhr_api.errors import OverloadedError, TooCostlyError

if TYPE_CHECKING:
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]
else:
    # The classes take a parameter in their stubs only.
    Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

# A cached generic plan does not know which token it gets; the wrong road costs up to 700 times as much
# (docs/decisions/0003-storage.md), so every execution is planned with its values.
SESSION_SETTINGS = {
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    "timezone": "UTC",
    "synchronous_commit": "on",
    "application_name": "bhr-api",
}


# How long a statement may take to be cancelled before its connection is given up.
RELEASE_SECONDS = 5.0
_CONNECTION_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
)


# Cancelled by its time limit, or too large for PostgreSQL to plan.
_TOO_COSTLY = (asyncpg.QueryCanceledError, asyncpg.ProgramLimitExceededError, TimeoutError)


def engine_for(dsn: str, **options: Any) -> AsyncEngine:
    """SQLAlchemy's engine for a `postgresql://` URL, which asyncpg reads as it does for the pool, parameters and all.

    `options` are those of `create_async_engine`.
    """
    # SQLAlchemy would take the URL apart itself, and hand on sslmode and the like as arguments that asyncpg does not know.
    return create_async_engine("postgresql+asyncpg://", async_creator=partial(asyncpg.connect, dsn), **options)


def _session_settings(dsn: str, statement_timeout_seconds: float) -> dict[str, str]:
    """What every session of the pool is set to; under which name the database lists it, the URL may say."""
    settings = SESSION_SETTINGS | {"statement_timeout": str(round(statement_timeout_seconds * 1000))}
    named = parse_qs(urlsplit(dsn).query).get("application_name")
    return settings | {"application_name": named[-1]} if named else settings


async def _leave_as_it_is(_connection: Connection) -> None:
    """asyncpg has ended any open transaction by now; nothing here changes a session otherwise, so a reset is saved."""


def _is_loss(error: BaseException, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> bool:
    """Whether the error comes of a connection that is gone.

    asyncpg tells of wrong arguments by the same class: those are our own fault.
    """
    if not isinstance(error, asyncpg.InterfaceError):
        return True
    # While the socket is being closed, statements are refused by these words, and the connection does not count as closed yet.
    if "connection is closed" in str(error):
        return True
    # The end of a transaction is refused by other words, after what told that the connection is gone.
    if error.__context__ is not None and isinstance(error.__context__, _CONNECTION_LOST):
        return _is_loss(error.__context__, connection)
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # The pool has taken it back, as it does with one that is closed.
        return True


class Database:
    """The pool and the clock of the database.

    `acquire` waits at most `wait_seconds` for a connection and then sheds the request with OverloadedError (503).
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", wait_seconds: float) -> None:
        self.pool = pool
        self._wait_seconds = wait_seconds
        self._offset = timedelta()
        self._busy_seconds = 0.0

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        pool_size: int = 10,
        least: int = 2,
        wait_seconds: float = 2.0,
        statement_timeout_seconds: float = 30.0,
    ) -> "Database":
        """Connect to `dsn` (a postgresql:// URL) and learn the database's clock; `least` connections stay open when idle."""
        pool = await asyncpg.create_pool(
            dsn,
            min_size=min(least, pool_size),
            max_size=pool_size,
            server_settings=_session_settings(dsn, statement_timeout_seconds),
            max_cached_statement_lifetime=0,
            statement_cache_size=1024,
            command_timeout=statement_timeout_seconds + 5,
            reset=_leave_as_it_is,
        )
        database = cls(pool, wait_seconds)
        async with database.acquire() as connection:
            await database.set_clock(connection)
        return database

    async def close(self) -> None:
        """Close the pool, waiting for what is in flight."""
        await self.pool.close()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """One connection for one interaction.

        Raises OverloadedError when none comes free in time, and TooCostlyError when a statement runs into its limit.
        """
        try:
            # With a connection at hand there is no wait to bound, and the timer would cost more than the hand-over.
            is_waiting = self.pool.get_idle_size() == 0
            connection = await self.pool.acquire(timeout=self._wait_seconds if is_waiting else None)
        except (TimeoutError, OSError, asyncpg.TooManyConnectionsError, *_CONNECTION_LOST) as error:
            raise OverloadedError("The server is busy; try again shortly.") from error
        started = time.perf_counter()
        try:
            yield connection
        except _TOO_COSTLY as error:
            raise TooCostlyError(
                "The request needs more work than one request may take. Narrow it, for example by patient or date."
            ) from error
        except _CONNECTION_LOST as error:
            if not _is_loss(error, connection):
                raise
            # What is lost cannot be reset for the next one; asyncpg would try, and complain of the open transaction.
            with suppress(asyncpg.InterfaceError):
                connection.terminate()
            raise OverloadedError("The connection to the database was lost; try again shortly.") from error
        finally:
            self._busy_seconds += time.perf_counter() - started
            await self._release(connection)

    async def _release(self, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> None:
        # asyncpg has ended a connection that cannot be reset and opens another one next time; whatever the transaction
        # came to, it came to before.
        with suppress(*_CONNECTION_LOST, TimeoutError):
            await self.pool.release(connection, timeout=RELEASE_SECONDS)

    def take_busy_seconds(self) -> float:
        """For how long connections were held since this was last asked."""
        seconds, self._busy_seconds = self._busy_seconds, 0.0
        return seconds

    async def set_clock(self, connection: Connection) -> None:
        """Measure how far the database's clock is from ours; `now` is corrected by it."""
        before = datetime.now(UTC)
        theirs: datetime = await connection.fetchval("SELECT clock_timestamp()")
        ours = before + (datetime.now(UTC) - before) / 2
        self._offset = theirs - ours

    def now(self) -> datetime:
        """The database's time in UTC, cut to milliseconds as meta.lastUpdated shows it."""
        instant = datetime.now(UTC) + self._offset
        return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
