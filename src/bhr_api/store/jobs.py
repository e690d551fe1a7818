"""Durable jobs: work that outlives the request that asked for it, and the server that began it (DESIGN section 9).

A job is claimed under its tenant with FOR UPDATE SKIP LOCKED, so that of any number of runners one gets it. The claim's
number (`Job.attempt`) fences what is written later: whoever lost the job to another runner, or to who cancelled it, writes
nothing more. Nothing here commits.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from bhr_api.opaque_strings import mint
from bhr_api.store.database import Connection
from bhr_api.store.job_tables import UNFINISHED

State = Literal["queued", "running", "completed", "failed", "cancelled"]
Ending = Literal["completed", "failed"]

# A job without a heartbeat for this long is abandoned: its runner is dead, or cut off and fenced.
ABANDONED_AFTER = timedelta(seconds=30)
_SWEPT_AT_ONCE = 200


class Job(NamedTuple):
    """A job as it is stored; `attempt` is the number of its last claim, `tries` how many of the claims count as failures.

    `holder` tells the client's user and patient apart (null: the server's own work); `progress` is JSON.
    """

    tenant: int
    id: str
    kind: str
    state: State
    client_id: str | None
    holder: str | None
    input: bytes
    progress: bytes | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    attempt: int
    tries: int


class Output(NamedTuple):
    """A part of what a job came to."""

    media_type: str
    body: bytes


_COLUMNS = (
    "tenant, id, kind, state, client_id, holder, input, progress, created_at, finished_at, expires_at, attempts,"
    " attempts - releases"
)
_WAITING = "(state = 'queued' OR state = 'running' AND heartbeat_at < $3)"
_ADD = f"""
    INSERT INTO job (tenant, id, kind, state, key, client_id, holder, input, created_at, attempts, releases)
    VALUES ($1, $2, $3, 'queued', $4, $5, $6, $7, $8, 0, 0)
    ON CONFLICT (tenant, key) WHERE {UNFINISHED} DO NOTHING RETURNING id
"""
_UNFINISHED_BY_KEY = f"SELECT id FROM job WHERE tenant = $1 AND key = $2 AND {UNFINISHED}"
_CLAIM = f"""
    UPDATE job SET state = 'running', attempts = attempts + 1, claimed_at = $4, heartbeat_at = $4
    WHERE tenant = $1 AND id = (
        SELECT id FROM job WHERE tenant = $1 AND kind = ANY($2::text[]) AND {_WAITING}
        ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING {_COLUMNS}
"""
_HEARTBEAT = """
    UPDATE job SET heartbeat_at = $4, progress = coalesce($5, progress)
    WHERE tenant = $1 AND id = $2 AND attempts = $3 AND state = 'running' RETURNING id
"""
_FINISH = """
    UPDATE job SET state = $4, finished_at = $5, expires_at = $6
    WHERE tenant = $1 AND id = $2 AND attempts = $3 AND state = 'running' RETURNING id
"""
_PUT_OUTPUTS = """
    INSERT INTO job_output (tenant, job, ordinal, media_type, body)
    SELECT $1, $2, o.ordinal, o.media_type, o.body
    FROM unnest($3::text[], $4::bytea[]) WITH ORDINALITY AS o (media_type, body, ordinal)
"""
_DROP_OUTPUTS = "DELETE FROM job_output WHERE tenant = $1 AND job = $2"
_KEEP_OUTPUT = """
    INSERT INTO job_output (tenant, job, ordinal, media_type, body)
    SELECT $1, $2, $4, $5, $6 FROM job WHERE tenant = $1 AND id = $2 AND attempts = $3 AND state = 'running'
    ON CONFLICT (tenant, job, ordinal) DO NOTHING
"""
_RELEASE = """
    UPDATE job SET state = 'queued', releases = releases + 1
    WHERE tenant = $1 AND id = $2 AND attempts = $3 AND state = 'running'
"""
_CANCEL = """
    UPDATE job SET state = 'cancelled', finished_at = $4, expires_at = $4
    WHERE tenant = $1 AND id = $2 AND holder = $3 AND state <> 'cancelled' RETURNING id
"""
# Who asks how far it is does not need what was sent, which may be long.
_GET = f"""
    SELECT {_COLUMNS.replace("input", "''::bytea")} FROM job WHERE tenant = $1 AND id = $2 AND holder = $3
"""
_KEPT = "SELECT ordinal, body FROM job_output WHERE tenant = $1 AND job = $2"
_ERASE = "DELETE FROM job WHERE tenant = $1 AND client_id IS NOT NULL"
_OUTPUTS = "SELECT media_type, body FROM job_output WHERE tenant = $1 AND job = $2 ORDER BY ordinal"
_COUNT_UNFINISHED = f"SELECT count(*) FROM job WHERE tenant = $1 AND client_id = $2 AND {UNFINISHED}"
# Over all tenants: the runner has to learn whose jobs are waiting. Both read a narrow index.
_TENANTS_WITH_WORK = f"""
    SELECT DISTINCT j.tenant FROM job j
    WHERE j.kind = ANY($1::text[]) AND {UNFINISHED} AND (j.state = 'queued' OR j.heartbeat_at < $2)
"""
_TENANTS_WITH_EXPIRED = "SELECT DISTINCT j.tenant FROM job j WHERE j.expires_at < $1"
_SWEEP = """
    WITH expired AS (
        SELECT id FROM job WHERE tenant = $1 AND expires_at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    DELETE FROM job USING expired WHERE job.tenant = $1 AND job.id = expired.id
"""


async def add(
    connection: Connection,
    *,
    tenant: int,
    tenant_name: str,
    kind: str,
    input: bytes,
    now: datetime,
    key: str | None = None,
    client_id: str | None = None,
    holder: str | None = None,
) -> str:
    """Put a job in the queue and give its id; with a `key`, the id of the unfinished job of that key if there is one.

    An unfinished job may be running already: what it must not miss belongs into its record, not into `input`.
    """
    while True:
        id = mint("job", tenant_name).text
        values = (tenant, id, kind, key, client_id, holder, input, now)
        added: str | None = await connection.fetchval(_ADD, *values)
        if added is None:
            # The one that stood in the way may have finished in between; then there is room now.
            added = await connection.fetchval(_UNFINISHED_BY_KEY, tenant, key)
        if added is not None:
            return added


async def claim(connection: Connection, tenant: int, kinds: Collection[str], now: datetime) -> Job | None:
    """The tenant's oldest job of `kinds` that is queued or abandoned, now running and the caller's; None without any."""
    row = await connection.fetchrow(_CLAIM, tenant, list(kinds), now - ABANDONED_AFTER, now)
    return None if row is None else Job(*row)


async def heartbeat(connection: Connection, job: Job, now: datetime, progress: bytes | None = None) -> bool:
    """Say that `job` is being worked on, and how far it is. False when it was cancelled or has another runner."""
    return await connection.fetchval(_HEARTBEAT, job.tenant, job.id, job.attempt, now, progress) is not None


async def finish(
    connection: Connection, job: Job, ending: Ending, now: datetime, expires_at: datetime, outputs: Sequence[Output]
) -> bool:
    """End `job` with what it came to, in place of what was kept meanwhile, until `expires_at`; in the caller's transaction.

    False, with nothing written, when it was cancelled or has another runner.
    """
    done = await connection.fetchval(_FINISH, job.tenant, job.id, job.attempt, ending, now, expires_at)
    if done is not None:
        await connection.execute(_DROP_OUTPUTS, job.tenant, job.id)
        media_types, bodies = [one.media_type for one in outputs], [one.body for one in outputs]
        await connection.execute(_PUT_OUTPUTS, job.tenant, job.id, media_types, bodies)
    return done is not None


async def keep_output(connection: Connection, job: Job, ordinal: int, output: Output) -> None:
    """Keep a part of what a running job comes to, unless it is kept already. Who has lost the job keeps nothing.

    Whether it is lost `heartbeat` tells, in the same transaction.
    """
    await connection.execute(_KEEP_OUTPUT, job.tenant, job.id, job.attempt, ordinal, *output)


async def release(connection: Connection, job: Job) -> None:
    """Give `job` back so that another runner goes on at once; the attempt does not count as a failed one."""
    await connection.execute(_RELEASE, job.tenant, job.id, job.attempt)


async def cancel(connection: Connection, tenant: int, id: str, holder: str, now: datetime) -> bool:
    """Cancel the holder's job, and throw away what it came to with the next sweep. False when there is none to cancel."""
    return await connection.fetchval(_CANCEL, tenant, id, holder, now) is not None


async def get(connection: Connection, tenant: int, id: str, holder: str, now: datetime) -> Job | None:
    """The job of that id if `holder` asked for it; a cancelled or expired one is gone."""
    row = await connection.fetchrow(_GET, tenant, id, holder)
    job = None if row is None else Job(*row)
    if job is None or job.state == "cancelled" or (job.expires_at is not None and job.expires_at <= now):
        return None
    return job


async def outputs(connection: Connection, tenant: int, id: str) -> list[Output]:
    """What the job came to, in its order; the caller has looked at whose it is."""
    return [Output(*row) for row in await connection.fetch(_OUTPUTS, tenant, id)]


async def kept_outputs(connection: Connection, tenant: int, id: str) -> dict[int, bytes]:
    """What was kept of a running job, by its ordinal."""
    return {row[0]: row[1] for row in await connection.fetch(_KEPT, tenant, id)}


async def erase(connection: Connection, tenant: int) -> None:
    """Delete every job that a client asked for, done or not: what was sent and found may be of anybody's record."""
    await connection.execute(_ERASE, tenant)


async def count_unfinished(connection: Connection, tenant: int, client_id: str) -> int:
    """How many jobs of the client are queued or running."""
    found: int = await connection.fetchval(_COUNT_UNFINISHED, tenant, client_id)
    return found


async def tenants_with_work(connection: Connection, kinds: Collection[str], now: datetime) -> list[int]:
    """The tenants that have a queued or abandoned job of `kinds`."""
    rows = await connection.fetch(_TENANTS_WITH_WORK, list(kinds), now - ABANDONED_AFTER)
    return [row[0] for row in rows]


async def tenants_with_expired(connection: Connection, now: datetime) -> list[int]:
    """The tenants that have jobs to sweep."""
    return [row[0] for row in await connection.fetch(_TENANTS_WITH_EXPIRED, now)]


async def sweep(connection: Connection, tenant: int, now: datetime) -> None:
    """Delete expired jobs and what they came to, some hundreds at a time."""
    await connection.execute(_SWEEP, tenant, now, _SWEPT_AT_ONCE)
