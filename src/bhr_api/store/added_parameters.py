"""Added search parameters: the set of each tenant, the state of each index, and who may still know an older set.

A process knows a tenant's set by a statement that began at a moment of the database's clock, and may extract by it for
`LEASE` from then on: the database itself refuses a version that was extracted by older knowledge (`versions.IN_TIME`).
So whoever waits for the lease, and then for the transactions of that moment, has waited for all who knew less
(docs/decisions/0009-added-search-parameters.md). Constant SQL on asyncpg; nothing here commits.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal, NamedTuple

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.store.database import Connection

State = Literal["building", "complete", "leaving"]
LEASE = timedelta(seconds=5)
"""How long what is known of the sets may be used."""


class AddedRow(NamedTuple):
    """A tenant's parameter of a type (`AddedParameter`)."""

    resource_type: int
    code: str
    origin: str
    state: State
    definition: bytes
    next_definition: bytes | None = None
    after_id: str = ""
    done: int = 0
    total: int = 0

    @property
    def key(self) -> tuple[int, str]:
        """What tells it apart in its tenant."""
        return self.resource_type, self.code

    @property
    def percent(self) -> int:
        """How much of the index is made; the rest is certain only when it answers."""
        return 0 if self.state != "building" or not self.total else min(99, 100 * self.done // self.total)


class Generations(NamedTuple):
    """The generation of each tenant that has a set, as at least at `asked_at`."""

    asked_at: datetime
    of: Mapping[int, int]


_COLUMNS = "resource_type, code, origin, state, definition, next_definition, after_id, done, total"
# Over all tenants: a worker asks for those that it knows at once. The statement's time is that before its snapshot.
_GENERATIONS = """
SELECT statement_timestamp(), s.tenant, s.generation FROM (SELECT 1) AS one LEFT JOIN added_parameter_set s ON TRUE
"""
# Over all tenants as well; one that has no set yet has none for as long as no package is loaded.
_BEHIND = """
SELECT t.tenant FROM tenant t LEFT JOIN added_parameter_set s ON s.tenant = t.tenant
WHERE coalesce(s.packages, $2) <> $1 ORDER BY t.tenant
"""
_NO_PACKAGES = sha256(b"").hexdigest()
_LOCK_SET = "SELECT generation, packages FROM added_parameter_set WHERE tenant = $1 FOR UPDATE"
_RAISE = "UPDATE added_parameter_set SET generation = generation + 1, packages = $2 WHERE tenant = $1"
_ROWS = f"SELECT {_COLUMNS} FROM added_parameter WHERE tenant = $1 ORDER BY resource_type, code"
_PUT = f"""
INSERT INTO added_parameter (tenant, {_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (tenant, resource_type, code) DO UPDATE SET origin = $4, state = $5, definition = $6, next_definition = $7,
    after_id = $8, done = $9, total = $10
"""
_REMOVE = "DELETE FROM added_parameter WHERE tenant = $1 AND resource_type = $2 AND code = $3"
_BUILDING = f"""
SELECT {_COLUMNS} FROM added_parameter WHERE tenant = $1 AND resource_type = $2 AND state = 'building'
ORDER BY code
"""
_STORED = "SELECT id, body FROM resource WHERE tenant = $1 AND resource_type = $2 ORDER BY id"
_COUNT = "SELECT count(*) FROM resource WHERE tenant = $1 AND resource_type = $2"


async def generations(connection: Connection) -> Generations:
    """The generations of all tenants' sets."""
    rows = await connection.fetch(_GENERATIONS)
    return Generations(rows[0][0], {row[1]: row[2] for row in rows if row[1] is not None})


async def tenants_behind(connection: Connection, packages: str) -> list[int]:
    """The tenants whose set was made with other packages than those of the word `packages`."""
    return [row[0] for row in await connection.fetch(_BEHIND, packages, _NO_PACKAGES)]


async def lock_set(connection: Connection, tenant: int) -> tuple[int, str]:
    """(generation, packages) of the tenant's set, made if need be and locked until the transaction ends."""
    await connection.execute(
        "INSERT INTO added_parameter_set (tenant, generation, packages) VALUES ($1, 0, '') ON CONFLICT DO NOTHING",
        tenant,
    )
    row = await connection.fetchrow(_LOCK_SET, tenant)
    assert row is not None
    return row[0], row[1]


async def raise_generation(connection: Connection, tenant: int, packages: str) -> None:
    """Make whoever knows the set read it anew; the caller has locked it."""
    await connection.execute(_RAISE, tenant, packages)


async def rows_of(connection: Connection, tenant: int) -> list[AddedRow]:
    """What the tenant has added."""
    return [AddedRow(*row) for row in await connection.fetch(_ROWS, tenant)]


async def put(connection: Connection, tenant: int, rows: Sequence[AddedRow]) -> None:
    """Keep `rows`, new or changed."""
    await connection.executemany(_PUT, [(tenant, *row) for row in rows])


async def remove(connection: Connection, tenant: int, keys: Collection[tuple[int, str]]) -> None:
    """Take those of these keys away."""
    await connection.executemany(_REMOVE, [(tenant, *key) for key in keys])


async def building(connection: Connection, tenant: int, resource_type: int) -> list[AddedRow]:
    """What is being built for the type."""
    return [AddedRow(*row) for row in await connection.fetch(_BUILDING, tenant, resource_type)]


async def stored_definitions(connection: Connection, tenant: int) -> list[tuple[str, bytes]]:
    """(id, body) of every live SearchParameter: what the server goes by, which is shown to nobody."""
    return [
        (row[0], row[1]) for row in await connection.fetch(_STORED, tenant, RESOURCE_TYPE_NUMBERS["SearchParameter"])
    ]


async def count(connection: Connection, tenant: int, resource_type: int) -> int:
    """How many live resources of the type there are."""
    found: int = await connection.fetchval(_COUNT, tenant, resource_type)
    return found


async def clock(connection: Connection) -> datetime:
    """The database's clock, which leases are measured by."""
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return now


async def last_transaction(connection: Connection) -> int:
    """A number above that of every transaction that writes already: this one's own.

    The end of a snapshot will not do: it is the number after the last transaction that has ended, and may be that of one
    that runs.
    """
    found: int = await connection.fetchval("SELECT pg_current_xact_id()::text::bigint")
    return found


async def have_ended(connection: Connection, before: int) -> bool:
    """Whether all transactions of lower numbers than `before` have ended."""
    oldest: int = await connection.fetchval("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    return oldest >= before
