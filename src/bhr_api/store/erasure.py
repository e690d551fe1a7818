"""Erasing a person's record: what there is of it, and the deletion of it for good (docs/erasure.md).

Nothing here asks what a caller may see: an erasure is the operator's, and has to find all there is. Nothing commits.
`patient` is the self_token of the patient whose record it is.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple

from bhr_api.store.database import Connection
from bhr_api.store.versions import Key

_PREFETCH = 200
# How long the erasure may hold up writers while it waits for those in flight to end.
_LONGEST_WAIT = "10s"


class RecordVersion(NamedTuple):
    """A version of a resource and the record that it is in; `body` is None for a deletion, or where it was not asked for."""

    resource_type: int
    id: str
    version: int
    is_live: bool
    patient: int | None
    body: bytes | None

    @property
    def key(self) -> Key:
        """The key of its resource."""
        return self.resource_type, self.id


def _versions_sql(body: str) -> str:
    """All versions of each resource of which some version is in the record, oldest first, with the column `body`."""
    return f"""
        WITH touched AS (
            SELECT resource_type, id FROM resource WHERE tenant = $1 AND patient = $2
            UNION SELECT resource_type, id FROM resource_history WHERE tenant = $1 AND patient = $2
        )
        SELECT r.resource_type, r.id, r.version, true, r.patient, {body}
        FROM resource r JOIN touched USING (resource_type, id) WHERE r.tenant = $1
        UNION ALL
        SELECT h.resource_type, h.id, h.version, false, h.patient, {body}
        FROM resource_history h JOIN touched USING (resource_type, id) WHERE h.tenant = $1
        ORDER BY 1, 2, 3
    """


_WITH_BODIES = _versions_sql("body")
_WITHOUT_BODIES = _versions_sql("NULL::bytea")
_OUTSIDE = (
    """
    SELECT resource_type, id, version, true, patient, body FROM resource
    WHERE tenant = $1 AND patient IS DISTINCT FROM $2
    """,
    """
    SELECT resource_type, id, version, false, patient, body FROM resource_history
    WHERE tenant = $1 AND patient IS DISTINCT FROM $2 AND body IS NOT NULL
    """,
)


async def record(
    connection: Connection, tenant: int, patient: int, *, with_bodies: bool
) -> AsyncIterator[RecordVersion]:
    """Every version of each resource that is, or in some version was, in the record; by key, oldest version first."""
    sql = _WITH_BODIES if with_bodies else _WITHOUT_BODIES
    async for row in connection.cursor(sql, tenant, patient, prefetch=_PREFETCH):
        yield RecordVersion(*row)


async def outside(connection: Connection, tenant: int, patient: int) -> AsyncIterator[RecordVersion]:
    """Every version that is not in the record, live ones first; deletions say nothing and are left out."""
    for sql in _OUTSIDE:
        async for row in connection.cursor(sql, tenant, patient, prefetch=_PREFETCH):
            yield RecordVersion(*row)


async def size(connection: Connection, tenant: int) -> int:
    """How many versions the tenant holds."""
    found: int = await connection.fetchval(
        """
        SELECT (SELECT count(*) FROM resource WHERE tenant = $1)
            + (SELECT count(*) FROM resource_history WHERE tenant = $1)
        """,
        tenant,
    )
    return found


_INDEX_ROWS = """
    SELECT r.resource_type, sum(
        (SELECT count(*) FROM string_index i WHERE i.tenant = $1 AND i.row_id = r.row_id)
        + (SELECT count(*) FROM number_index i WHERE i.tenant = $1 AND i.row_id = r.row_id)
        + (SELECT count(*) FROM date_index i WHERE i.tenant = $1 AND i.row_id = r.row_id)
        + (SELECT count(*) FROM posting p WHERE p.tenant = $1 AND p.token = ANY(r.tokens) AND p.row_id = r.row_id)
    )::bigint
    FROM resource r WHERE r.tenant = $1 AND r.patient = $2 GROUP BY r.resource_type
"""


async def index_rows(connection: Connection, tenant: int, patient: int) -> dict[int, int]:
    """How many rows of the search index the record has, by resource type."""
    return {row[0]: row[1] for row in await connection.fetch(_INDEX_ROWS, tenant, patient)}


async def audit_events(connection: Connection, tenant: int, patient: int, id: str, users: Sequence[str]) -> int:
    """How many audit events name the patient: by hash, by id, or as one of `users`."""
    found: int = await connection.fetchval(
        """
        SELECT count(*) FROM audit_event e WHERE e.tenant = $1 AND (e.patients @> ARRAY[$2::bigint]
            OR (e.resource_type = 'Patient' AND e.resource_id = $3::text) OR e.fhir_user = ANY($4::text[]))
        """,
        tenant,
        patient,
        id,
        users,
    )
    return found


async def access_tokens(connection: Connection, tenant: int, id: str, users: Sequence[str]) -> int:
    """How many access tokens are bound to the patient of that id, or name one of `users` as who signed in."""
    found: int = await connection.fetchval(
        """
        SELECT count(*) FROM oauth_access_token
        WHERE tenant = $1 AND (patient = $2::text OR fhir_user = ANY($3::text[]))
        """,
        tenant,
        id,
        users,
    )
    return found


async def lock_record(connection: Connection, tenant: int, patient: int) -> None:
    """Lock the live rows of the record, in the order in which writers lock them (`versions.lock`)."""
    await connection.execute(
        "SELECT 1 FROM resource WHERE tenant = $1 AND patient = $2 ORDER BY resource_type, id FOR UPDATE",
        tenant,
        patient,
    )


_ERASE_LIVE = """
    WITH keys AS (SELECT * FROM unnest($2::smallint[], $3::text[]) AS keys (resource_type, id)), gone AS (
        DELETE FROM resource r USING keys
        WHERE r.tenant = $1 AND r.resource_type = keys.resource_type AND r.id = keys.id
        RETURNING r.row_id, r.tokens
    ), strings AS (DELETE FROM string_index i USING gone WHERE i.tenant = $1 AND i.row_id = gone.row_id),
    numbers AS (DELETE FROM number_index i USING gone WHERE i.tenant = $1 AND i.row_id = gone.row_id),
    dates AS (DELETE FROM date_index i USING gone WHERE i.tenant = $1 AND i.row_id = gone.row_id),
    postings AS (
        DELETE FROM posting p USING gone WHERE p.tenant = $1 AND p.token = ANY(gone.tokens) AND p.row_id = gone.row_id
    )
    SELECT count(*) FROM gone
"""
_ERASE_PAST = """
    WITH keys AS (
        SELECT * FROM unnest($2::smallint[], $3::text[], $4::integer[]) AS keys (resource_type, id, version)
    ), gone AS (
        DELETE FROM resource_history h USING keys
        WHERE h.tenant = $1 AND h.resource_type = keys.resource_type AND h.id = keys.id AND h.version = keys.version
        RETURNING 1
    )
    SELECT count(*) FROM gone
"""


async def erase_live(connection: Connection, tenant: int, keys: Sequence[tuple[int, str, int]]) -> int:
    """Erase the live rows of (type, id, version), which the caller has locked, with their index rows; says how many."""
    found: int = await connection.fetchval(
        _ERASE_LIVE, tenant, [kind for kind, _, _ in keys], [id for _, id, _ in keys]
    )
    return found


async def erase_past(connection: Connection, tenant: int, keys: Sequence[tuple[int, str, int]]) -> int:
    """Erase superseded versions and tombstones of (type, id, version); says how many."""
    kinds, ids, versions = ([key[place] for key in keys] for place in range(3))
    found: int = await connection.fetchval(_ERASE_PAST, tenant, kinds, ids, versions)
    return found


async def erase_access_tokens(connection: Connection, tenant: int, id: str, users: Sequence[str]) -> None:
    """Delete the access tokens that `access_tokens` counts; workers remember a token for two seconds at most."""
    await connection.execute(
        "DELETE FROM oauth_access_token WHERE tenant = $1 AND (patient = $2::text OR fhir_user = ANY($3::text[]))",
        tenant,
        id,
        users,
    )


# What apps were allowed about the patient, and by the patient. A launch that names the patient only beside others is kept by
# nobody for longer than a day, and goes too.
_ERASE_GRANTS = """
    WITH grants AS (
        DELETE FROM oauth_grant WHERE tenant = $1
        AND (patient = $2::text OR position('"Patient/' || $2 || '"' in context) > 0 OR username = ANY($3::text[]))
        RETURNING grant_id
    ), codes AS (DELETE FROM oauth_code c USING grants WHERE c.tenant = $1 AND c.grant_id = grants.grant_id),
    refresh AS (DELETE FROM oauth_refresh_token r USING grants WHERE r.tenant = $1 AND r.grant_id = grants.grant_id),
    launches AS (
        DELETE FROM oauth_launch WHERE tenant = $1
        AND (patient = $2::text OR fhir_user = 'Patient/' || $2 OR position('"Patient/' || $2 || '"' in context) > 0)
    )
    DELETE FROM oauth_authorization WHERE tenant = $1
    AND (patient = $2::text OR parameters::jsonb #>> '{context,patient}' = $2 OR position('Patient/' || $2 in parameters) > 0)
"""
_ERASE_ACCOUNTS = """
    WITH accounts AS (DELETE FROM account WHERE tenant = $1 AND username = ANY($2::text[])),
    sessions AS (DELETE FROM browser_session WHERE tenant = $1 AND username = ANY($2::text[])),
    failures AS (DELETE FROM sign_in_failure WHERE tenant = $1 AND username = ANY($2::text[])),
    identities AS (DELETE FROM external_identity WHERE tenant = $1 AND username = ANY($2::text[]))
    DELETE FROM remembered_consent WHERE tenant = $1 AND username = ANY($2::text[])
"""


async def erase_sign_ins(connection: Connection, tenant: int, id: str, users: Sequence[str]) -> None:
    """Delete the accounts of `users`, the references to the patient, and all that apps were allowed about or by the patient."""
    rows = await connection.fetch(
        "SELECT username FROM account WHERE tenant = $1 AND fhir_user = ANY($2::text[])", tenant, users
    )
    names = [row["username"] for row in rows]
    await connection.execute(_ERASE_GRANTS, tenant, id, names)
    await connection.execute(_ERASE_ACCOUNTS, tenant, names)


async def erase_relations(connection: Connection, tenant: int, patient: int) -> None:
    """Forget who was responsible for the patient."""
    await connection.execute("DELETE FROM relation WHERE tenant = $1 AND patient = $2", tenant, patient)


async def hold_writers(connection: Connection) -> None:
    """Wait until every write in flight has ended, and let no other one begin before this transaction has ended.

    A new resource locks no row that an erasure could hold, so nothing less than the table keeps one from slipping in
    between the last look and the commit. Raises asyncpg.LockNotAvailableError when a write takes too long.
    """
    await connection.execute(f"SET LOCAL lock_timeout = '{_LONGEST_WAIT}'")
    await connection.execute("LOCK TABLE resource IN SHARE MODE")


_IS_THERE = """
    SELECT EXISTS (SELECT 1 FROM resource WHERE tenant = $1 AND patient = $2)
        OR EXISTS (SELECT 1 FROM resource_history WHERE tenant = $1 AND last_updated >= $3 AND patient = $2)
"""


async def is_there(connection: Connection, tenant: int, patient: int, since: datetime) -> bool:
    """Whether the record has a live row, or a superseded version that was written from `since` on."""
    found: bool = await connection.fetchval(_IS_THERE, tenant, patient, since)
    return found
