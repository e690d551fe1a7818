"""Heavy tokens: those in so many of a type's rows that they must not drive a statement (docs/storage.md).

A sample of each type's rows tells how large a share carries a token; by the number of rows of the type that is an estimate of
how many there are. A list of up to `SHORT` rows is a short road wherever it leads.
"""

from bhr_api.store.database import Connection

SHARE = 0.02
SHORT = 2_000
SAMPLE_ROWS = 4_000

# Rows from both ends of the row numbers, so that neither one day nor one import stands for all.
_MEASURE = """
    WITH kinds AS (
        SELECT resource_type, count(*) AS rows FROM resource WHERE tenant = $1 GROUP BY resource_type HAVING count(*) > $3
    ), sample AS (
        SELECT kinds.resource_type, kinds.rows, r.tokens FROM kinds CROSS JOIN LATERAL (
            (SELECT tokens FROM resource WHERE tenant = $1 AND resource_type = kinds.resource_type
             ORDER BY row_id DESC LIMIT $2)
            UNION ALL
            (SELECT tokens FROM resource WHERE tenant = $1 AND resource_type = kinds.resource_type
             ORDER BY row_id LIMIT $2)
        ) AS r
    ), seen AS (
        SELECT resource_type, count(*) AS sampled FROM sample GROUP BY resource_type
    )
    SELECT token FROM sample JOIN seen USING (resource_type) CROSS JOIN unnest(tokens) AS token
    GROUP BY resource_type, rows, sampled, token
    HAVING count(*)::float / sampled > greatest($3::float / rows, $4)
"""


async def read(connection: Connection, tenant: int) -> frozenset[int]:
    """The tenant's heavy tokens as last measured."""
    rows = await connection.fetch("SELECT token FROM heavy_token WHERE tenant = $1", tenant)
    return frozenset(row[0] for row in rows)


async def refresh(connection: Connection, tenant: int) -> frozenset[int]:
    """Measure the tenant's heavy tokens and keep them."""
    rows = await connection.fetch(_MEASURE, tenant, SAMPLE_ROWS, SHORT, SHARE)
    heavy = frozenset(row[0] for row in rows)
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
