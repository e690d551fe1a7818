"""Migrations: brings a database to this program's schema, one starter at a time.

Alembic's scripts stand in `alembic/` of the repository and travel inside the package.
"""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.pool import NullPool

from alembic import command
from bhr_api.store.database import engine_for

# Any number will do, so long as nothing else on the server takes the same advisory lock.
MIGRATION_LOCK = 0x62687261


class SchemaTooNewError(RuntimeError):
    """The database was migrated by a later version of the program."""


class UnsupportedServerError(RuntimeError):
    """The PostgreSQL server is older than 15."""


def scripts_directory() -> Path:
    """Where Alembic's scripts are: inside an installed package, or in the clone."""
    packaged = Path(__file__).parents[1] / "alembic"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "alembic"


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, to run on `connection`."""
    config = Config()
    config.set_main_option("script_location", str(scripts_directory()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _refuse_newer_schema(connection: Connection, config: Config) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    found = set(MigrationContext.configure(connection).get_current_heads())
    if found - known:
        raise SchemaTooNewError(
            f"The database is at schema {', '.join(sorted(found - known))}, which this program does not know. "
            "It was migrated by a later version: start that one, or restore a backup made before the upgrade."
        )


def _upgrade(connection: Connection) -> None:
    version = connection.execute(text("SELECT current_setting('server_version_num')::int")).scalar_one()
    if version < 150000:
        raise UnsupportedServerError(f"PostgreSQL 15 or later is needed; this server is {version // 10000}.")
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    config = alembic_config(connection)
    _refuse_newer_schema(connection, config)
    command.upgrade(config, "head")


async def migrate(dsn: str) -> None:
    """Upgrade the database at `dsn` to head, under a lock so that several starters wait for the first.

    Raises SchemaTooNewError and UnsupportedServerError; both leave the database as it was.
    """
    engine = engine_for(dsn, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()
