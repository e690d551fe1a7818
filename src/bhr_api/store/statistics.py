"""The planner's statistics of the tables of the record (PostgreSQL, routine-vacuuming.html#VACUUM-FOR-STATISTICS).

Autovacuum keeps them. Right after a bulk load, or on a server whose autovacuum is off or behind, a table may have none, or
those of a time when it was empty; then it is analyzed from here, if the tables are our own.
"""

import asyncpg

from bhr_api.store.database import Connection

ANALYZE_SECONDS = 600
"""How long one table may take."""
# A size is asked for under a lock; whoever holds a table for itself is not waited for, with a connection that requests need.
_LONGEST_WAIT = "100ms"
# The least number of changed rows that is worth it.
_CHANGED_ROWS = 1_000
TABLES = ["resource", "resource_history", "posting", "string_index", "number_index", "date_index"]

# Autovacuum comes after a tenth of the rows has changed: of a table that has grown to twice its size it is late.
_LACKING = """
    SELECT c.relname FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
    WHERE c.oid = ANY(SELECT to_regclass(name) FROM unnest($1::text[]) AS name) AND pg_has_role(c.relowner, 'USAGE')
        AND pg_relation_size(c.oid) > 0
        AND (s.n_mod_since_analyze > greatest(c.reltuples, $2::float8)
            OR NOT EXISTS (
                SELECT FROM pg_stats n WHERE n.schemaname = c.relnamespace::regnamespace::text AND n.tablename = c.relname
            ))
"""


async def refresh(connection: Connection) -> list[str]:
    """The names of the tables that lacked statistics and have them now; what another process holds is left to it."""
    lacking = await _lacking(connection)
    for table in lacking:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL statement_timeout = '{ANALYZE_SECONDS}s'")
            await connection.execute(f"ANALYZE (SKIP_LOCKED) {table}", timeout=ANALYZE_SECONDS)
    return lacking


async def _lacking(connection: Connection) -> list[str]:
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{_LONGEST_WAIT}'")
            return [row[0] for row in await connection.fetch(_LACKING, TABLES, _CHANGED_ROWS)]
    except asyncpg.LockNotAvailableError:
        return []
