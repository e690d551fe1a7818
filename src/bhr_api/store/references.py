"""What references lead to, and what refers to a resource: looked up, and locked, within the transaction of a write.

`visible` is a condition on alias `r` as `search/visibility.py` makes it (binder: `$1` is the tenant); docs/references.md tells
why the locks stand as they do. Nothing here commits.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from bhr_api.store.database import Connection
from bhr_api.store.sql import Binder
from bhr_api.store.versions import Key

# Of what refers to a resource, so many rows are looked at; whoever wants to know them all can search.
MOST_REFERRERS = 1_000


async def lock(
    connection: Connection,
    keys: Mapping[Key, bool],
    visible: str,
    binder: Binder,
    *,
    against_each_other: bool,
) -> set[Key]:
    """Those of `keys` that are live and visible.

    They are locked against deletion, and with them those of which the value says that the request changes them, in the order
    of `versions.lock`. `against_each_other` locks them against other changes and other such locks too, for a request that
    deletes: nobody can then hold what it is about to need.
    """
    columns = binder.bind([kind for kind, _ in keys], "smallint[]"), binder.bind([id for _, id in keys], "text[]")
    changed = binder.bind(list(keys.values()), "boolean[]")
    sql = f"""
        WITH keys AS (SELECT * FROM unnest({columns[0]}, {columns[1]}, {changed}) AS keys (resource_type, id, is_changed))
        SELECT r.resource_type, r.id, {visible} FROM resource r JOIN keys USING (resource_type, id)
        WHERE r.tenant = $1 AND (keys.is_changed OR ({visible}))
        ORDER BY r.resource_type, r.id FOR {"UPDATE" if against_each_other else "KEY SHARE"} OF r
    """
    return {(row[0], row[1]) for row in await connection.fetch(sql, *binder.values) if row[2]}


async def existing_versions(
    connection: Connection, wanted: Collection[tuple[Key, int]], visible: str, binder: Binder
) -> set[tuple[Key, int]]:
    """Those of `wanted` that are versions with a body, current or past. Versions stay, so nothing is locked."""
    kinds = binder.bind([kind for (kind, _), _ in wanted], "smallint[]")
    ids = binder.bind([id for (_, id), _ in wanted], "text[]")
    numbers = binder.bind([version for _, version in wanted], "integer[]")
    sql = f"""
        WITH keys AS (SELECT * FROM unnest({kinds}, {ids}, {numbers}) AS keys (resource_type, id, version))
        SELECT r.resource_type, r.id, r.version FROM resource r JOIN keys USING (resource_type, id, version) WHERE {visible}
        UNION ALL
        SELECT r.resource_type, r.id, r.version FROM resource_history r JOIN keys USING (resource_type, id, version)
        WHERE {visible} AND r.body IS NOT NULL
    """
    return {((row[0], row[1]), row[2]) for row in await connection.fetch(sql, *binder.values)}


_REFERRED_TO = f"""
    WITH keys AS (SELECT * FROM unnest($3::smallint[], $4::text[]) AS keys (resource_type, id)), referrers AS (
        SELECT r.tokens FROM resource r WHERE r.tenant = $1 AND r.tokens && $2::bigint[]
        AND NOT EXISTS (SELECT FROM keys WHERE keys.resource_type = r.resource_type AND keys.id = r.id)
        LIMIT {MOST_REFERRERS}
    )
    SELECT tenant.references_indexed, ARRAY(
        SELECT DISTINCT token FROM referrers CROSS JOIN unnest($2::bigint[]) AS token WHERE token = ANY(referrers.tokens)
    )
    FROM tenant WHERE tenant = $1
"""


async def referred_to(
    connection: Connection, tenant: int, tokens: Sequence[int], apart_from: Collection[Key]
) -> tuple[bool, frozenset[int]]:
    """Whether every row of the tenant is known to have its reference tokens, and which of `tokens` some row has.

    Rows of `apart_from` do not count. This reads without the visibility condition, since a reference that the caller may not
    see would be broken as well; nothing of the rows is given back.
    """
    kinds, ids = [kind for kind, _ in apart_from], [id for _, id in apart_from]
    row = await connection.fetchrow(_REFERRED_TO, tenant, tokens, kinds, ids)
    assert row is not None, "the tenant is that of the caller"
    return row[0], frozenset(row[1])


class Referrers(NamedTuple):
    """How many rows of a type have a token."""

    token: int
    resource_type: int
    rows: int


async def visible_referrers(
    connection: Connection, tokens: Sequence[int], apart_from: Collection[Key], visible: str, binder: Binder
) -> list[Referrers]:
    """How many visible rows of each type have each of `tokens`, of the first `MOST_REFERRERS` rows that have any."""
    asked = binder.bind(list(tokens), "bigint[]")
    kinds = binder.bind([kind for kind, _ in apart_from], "smallint[]")
    ids = binder.bind([id for _, id in apart_from], "text[]")
    sql = f"""
        WITH keys AS (SELECT * FROM unnest({kinds}, {ids}) AS keys (resource_type, id)), referrers AS (
            SELECT r.resource_type, r.tokens FROM resource r WHERE {visible} AND r.tokens && {asked}
            AND NOT EXISTS (SELECT FROM keys WHERE keys.resource_type = r.resource_type AND keys.id = r.id)
            LIMIT {MOST_REFERRERS}
        )
        SELECT token, resource_type, count(*) FROM referrers CROSS JOIN unnest({asked}) AS token
        WHERE token = ANY(referrers.tokens) GROUP BY 1, 2 ORDER BY 1, 2
    """
    return [Referrers(*row) for row in await connection.fetch(sql, *binder.values)]


async def note_indexed(connection: Connection, tenant: int, generation: int) -> bool:
    """Whether all rows of the tenant are of `generation` or later, which is then remembered."""
    is_outdated = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM resource WHERE tenant = $1 AND index_generation < $2)", tenant, generation
    )
    if not is_outdated:
        await connection.execute(
            "UPDATE tenant SET references_indexed = true WHERE tenant = $1 AND NOT references_indexed", tenant
        )
    return not is_outdated


async def forget_indexed(connection: Connection) -> None:
    """A process that leaves no reference tokens may write from now on, to whichever tenant."""
    await connection.execute("UPDATE tenant SET references_indexed = false WHERE references_indexed")


async def unindexed_tenants(connection: Connection, generation: int) -> list[str]:
    """The names of the tenants that have rows from before `generation`, which have no reference tokens."""
    rows = await connection.fetch(
        """
        SELECT name FROM tenant WHERE NOT references_indexed
        AND EXISTS (SELECT FROM resource WHERE resource.tenant = tenant.tenant AND index_generation < $1) ORDER BY name
        """,
        generation,
    )
    return [row[0] for row in rows]
