"""The database of a command: the one named, the running server's, or the embedded one started for the command's time."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.pool import NullPool

from bhr_api.cli.failures import CommandError
from bhr_api.settings import Settings
from bhr_api.store import tenants
from bhr_api.store.audit import ensure_partitions
from bhr_api.store.condition import schema_revision, wanted_revision
from bhr_api.store.database import Connection, Database, engine_for
from bhr_api.store.embedded import EmbeddedPostgreSQL, reachable
from bhr_api.store.migrations import migrate
from bhr_api.store.tenants import TenantRow

# Maintenance touches many rows in one statement.
_STATEMENT_SECONDS = 600.0


@contextmanager
def database_of(settings: Settings, *, create: bool = False) -> Iterator[str]:
    """The URL of the database, while it can be reached; only `create` makes an embedded one that is not there yet."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    if not create:
        # Asked for its refusal: a misspelt directory must not become a new, empty database.
        _ = EmbeddedPostgreSQL(settings.data_dir).place
    with reachable(settings.data_dir) as server:
        yield server.dsn


async def prepare(dsn: str) -> None:
    """Migrate the database and give it what a server needs: the default tenant and places for the audit."""
    await migrate(dsn)
    async with opened(dsn) as database, database.acquire() as connection:
        await ensure_partitions(connection, database.now())
        if await tenants.find(connection, tenants.DEFAULT) is None:
            await tenants.add(connection, tenants.DEFAULT, database.now())


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Database]:
    """The database for one command. Raises CommandError when its schema is not this program's."""
    database = await Database.open(dsn, pool_size=2, wait_seconds=30, statement_timeout_seconds=_STATEMENT_SECONDS)
    try:
        async with database.acquire() as connection:
            await _require_schema(connection)
        yield database
    finally:
        await database.close()


async def _require_schema(connection: Connection) -> None:
    found = await schema_revision(connection)
    if found != wanted_revision():
        raise CommandError(
            f"The database is at schema {found or 'none'}, this program needs {wanted_revision()}: run `bhr-api migrate`,"
            " or the program's newer version."
        )


@asynccontextmanager
async def session_of(dsn: str) -> AsyncIterator[AsyncSession]:
    """A session in one transaction, committed at the end."""
    engine = engine_for(dsn, poolclass=NullPool)
    try:
        async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
            yield session
    finally:
        await engine.dispose()


async def tenant_called(connection: Connection, name: str) -> TenantRow:
    """The tenant of that name. Raises CommandError."""
    row = await tenants.find(connection, name)
    if row is None:
        raise CommandError(f"There is no tenant {name!r}; `bhr-api tenants list` shows those that there are.")
    return row
