"""Heavy tokens: those in more than 2 % of a tenant's rows, which must not drive a statement (docs/storage.md).

They are found in a sample of the tenant's rows; below `SMALL` rows every road is short and none is heavy.
"""

from bhr_api.store.database import Connection

SHARE = 0.02
SAMPLE_ROWS = 4_000
SMALL = 2_000

# Rows of a tenant from a few places of its row numbers, so that neither one day nor one import stands for all.
_MEASURE = """
    WITH kinds AS (
        SELECT DISTINCT resource_type FROM resource WHERE tenant = $1
    ), sample AS (
        SELECT r.tokens FROM kinds CROSS JOIN LATERAL (
            (SELECT tokens FROM resource WHERE tenant = $1 AND resource_type = kinds.resource_type
             ORDER BY row_id DESC LIMIT $2)
            UNION ALL
            (SELECT tokens FROM resource WHERE tenant = $1 AND resource_type = kinds.resource_type
             ORDER BY row_id LIMIT $2)
        ) AS r
    )
    SELECT (SELECT count(*) FROM sample), token, count(*)
    FROM sample, unnest(tokens) AS token GROUP BY token HAVING count(*) > $3
"""


async def read(connection: Connection, tenant: int) -> frozenset[int]:
    """The tenant's heavy tokens as last measured."""
    rows = await connection.fetch("SELECT token FROM heavy_token WHERE tenant = $1", tenant)
    return frozenset(row[0] for row in rows)


async def refresh(connection: Connection, tenant: int) -> frozenset[int]:
    """Measure the tenant's heavy tokens and keep them."""
    rows = await connection.fetch(_MEASURE, tenant, SAMPLE_ROWS, SMALL * SHARE)
    heavy = frozenset(token for rows_seen, token, count in rows if rows_seen >= SMALL and count > rows_seen * SHARE)
    async with connection.transaction():
        await connection.execute(
            "DELETE FROM heavy_token WHERE tenant = $1 AND token <> ALL($2::bigint[])", tenant, list(heavy)
        )
        await connection.execute(
            "INSERT INTO heavy_token (tenant, token) SELECT $1, unnest($2::bigint[]) ON CONFLICT DO NOTHING",
            tenant,
            list(heavy),
        )
    return heavy
