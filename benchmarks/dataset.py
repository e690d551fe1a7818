"""The data set: tenants of unequal size, loaded by the server's own road for writes (validated, audited, versioned)."""

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bhr_api.access import Caller, parse_scopes
from bhr_api.fhir import json_text
from bhr_api.interactions.conditional import in_transaction
from bhr_api.interactions.context import Context, Origin
from bhr_api.interactions.sent_resources import check_resource
from bhr_api.interactions.tenants import TenantRegistry
from bhr_api.interactions.write import Change, apply
from bhr_api.samples import mixed_resources
from bhr_api.search.visibility import Visibility
from bhr_api.store import heavy_tokens, tenants
from bhr_api.store.audit import AuditTrail, ensure_partitions
from bhr_api.store.database import Database
from bhr_api.store.row_ids import RowIds

BATCH = 500
BASE_URL = "http://127.0.0.1/fhir"


@dataclass(frozen=True, slots=True)
class Share:
    """A tenant and how many resources it gets."""

    tenant: str
    resources: int

    @property
    def patients(self) -> int:
        """One patient for fifty resources."""
        return max(1, self.resources // 50)


def shares(resources: int, tenants_wanted: int) -> list[Share]:
    """`resources` over tenants of unequal size: the n-th gets 1/n of the first (Zipf)."""
    weights = [1 / (number + 1) for number in range(tenants_wanted)]
    return [
        Share(f"bench-{number:03d}", max(20, int(resources * weight / sum(weights))))
        for number, weight in enumerate(weights)
    ]


def load(dsn: str, wanted: Sequence[Share], processes: int) -> tuple[int, float]:
    """Load the shares in several processes; (resources, seconds)."""
    started = time.perf_counter()
    # The biggest first, each to the process that has least.
    piles: list[list[Share]] = [[] for _ in range(processes)]
    for share in sorted(wanted, key=lambda share: -share.resources):
        min(piles, key=lambda pile: sum(one.resources for one in pile)).append(share)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        done = sum(pool.starmap(_load_pile, [(dsn, pile) for pile in piles]))
    return done, time.perf_counter() - started


def _load_pile(dsn: str, pile: list[Share]) -> int:
    return asyncio.run(_load(dsn, pile))


async def _load(dsn: str, pile: list[Share]) -> int:
    database = await Database.open(dsn, pool_size=2, statement_timeout_seconds=300)
    row_ids = RowIds()
    done = 0
    async with database.acquire() as connection:
        await ensure_partitions(connection, database.now())
        await row_ids.take_node(connection)
    for share in pile:
        async with database.acquire() as connection:
            tenant = (await tenants.add(connection, share.tenant, datetime.now(UTC))).tenant
        done += await _load_tenant(await context_of(database, tenant, row_ids), share)
    await database.close()
    return done


async def context_of(database: Database, tenant: int, row_ids: RowIds) -> Context:
    """A context that may do everything in `tenant`."""
    words = await TenantRegistry(database).words(tenant)
    caller = Caller(tenant, "bench", parse_scopes("system/*.cruds"))
    visibility = Visibility.of(caller, words.hasher)
    return Context(database, AuditTrail(database), row_ids, BASE_URL, words, caller, visibility, Origin("bench", None))


async def _load_tenant(context: Context, share: Share) -> int:
    batch: list[Change] = []
    done = 0
    for made in mixed_resources(share.resources, patients=share.patients):
        body = json_text.dumps(made)
        resource = json_text.parse(body)
        check_resource(resource, resource["resourceType"])
        batch.append(Change("update", resource["resourceType"], resource["id"], resource, body))
        if len(batch) == BATCH:
            done += await _store(context, batch)
    return done + await _store(context, batch)


async def _store(context: Context, batch: list[Change]) -> int:
    changes, batch[:] = batch[:], []
    if changes:
        await in_transaction(context, lambda connection: apply(context, connection, changes))
    return len(changes)


async def settle(dsn: str, names: Sequence[str]) -> None:
    """Statistics and heavy tokens, as a server that has run for a while has them."""
    database = await Database.open(dsn, pool_size=1, statement_timeout_seconds=600)
    async with database.acquire() as connection:
        await connection.execute("VACUUM ANALYZE")
        for name in names:
            row = await tenants.find(connection, name)
            if row is not None:
                await heavy_tokens.refresh(connection, row.tenant)
    await database.close()


TABLES = ("resource", "posting", "string_index", "number_index", "date_index")
# Bytes of each table's rows (with what PostgreSQL keeps apart and its maps) and of each of its indexes.
_SIZES = """
    SELECT t.relname, pg_table_size(t.oid) FROM pg_class t WHERE t.oid = ANY($1::regclass[]::oid[])
    UNION ALL
    SELECT i.indexrelid::regclass::text, pg_relation_size(i.indexrelid) FROM pg_index i
    WHERE i.indrelid = ANY($1::regclass[]::oid[])
"""


async def sizes(dsn: str) -> tuple[int, dict[str, float]]:
    """How many resources there are, and the bytes of one in each table and index, the largest first."""
    database = await Database.open(dsn, pool_size=1, statement_timeout_seconds=600)
    async with database.acquire() as connection:
        rows = await connection.fetch(_SIZES, TABLES)
        count = int(await connection.fetchval("SELECT count(*) FROM resource"))
    await database.close()
    return count, {name: size / max(1, count) for name, size in sorted(rows, key=lambda row: -row[1])}
