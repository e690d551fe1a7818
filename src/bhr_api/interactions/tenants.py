"""The tenants that this worker knows, with their hashes, cursors, heavy tokens and search parameters."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import asyncpg
import structlog

from bhr_api.background import Background
from bhr_api.errors import RefusalError, UnauthenticatedError
from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.interactions.context import STALE_SECONDS, KnownParameters, TenantWords
from bhr_api.search.added_parameters import unpacked
from bhr_api.search.cursor import CursorSeal
from bhr_api.search.served_parameters import BUILT_IN
from bhr_api.search.tenant_parameters import Added, progress_of, served_with
from bhr_api.search.tokens import TokenHasher
from bhr_api.store import added_parameters, heavy_tokens, tenants
from bhr_api.store.added_parameters import LEASE, AddedRow, Generations
from bhr_api.store.database import Connection, Database

log = structlog.get_logger(__name__)

# Statistics, not truth: a token that became heavy a moment ago costs time, never a row.
REFRESH_SECONDS = 30.0
# Several times within the lease, so that hardly ever a request has to wait for what it may not do without.
PARAMETERS_SECONDS = 1.5


class TenantRegistry:
    """Keeps the words of each tenant from its first request on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, TenantWords] = {}
        self._background = Background()
        self._parameters_at = float("-inf")
        self._reading = asyncio.Lock()

    async def words(self, tenant: int) -> TenantWords:
        """The words of `tenant`, whose parameters are known within their lease.

        Raises UnauthenticatedError when there is no such tenant any more.
        """
        known = self._known.get(tenant)
        if known is None:
            # Of several who load it at once all go on with the same words: others would never be refreshed.
            known = self._known.setdefault(tenant, await self._load(tenant))
        else:
            await self.refresh_parameters(STALE_SECONDS)
        return known

    async def _load(self, tenant: int) -> TenantWords:
        async with self._database.acquire() as connection:
            row = await tenants.get(connection, tenant)
            heavy = await heavy_tokens.read(connection, tenant)
            generations = await added_parameters.generations(connection)
            known = await _known(connection, tenant, generations, _NOTHING)
        if row is None:
            raise UnauthenticatedError("The token's tenant is not known here.", error="invalid_token")
        hasher, seal = TokenHasher(row.token_key), CursorSeal(row.name, row.token_key)
        return TenantWords(tenant, row.name, hasher, seal, heavy, known, self.refresh_parameters)

    async def numbers(self) -> list[int]:
        """Every tenant there is."""
        async with self._database.acquire() as connection:
            return [row.tenant for row in await tenants.all_tenants(connection)]

    def start(self) -> None:
        """Begin to refresh the heavy tokens and the search parameters in the background."""
        self._background.start(
            _repeat(self.refresh, REFRESH_SECONDS, "heavy_tokens_not_refreshed"),
            _repeat(self.refresh_parameters, PARAMETERS_SECONDS, "parameters_not_refreshed"),
        )

    async def stop(self) -> None:
        """Stop the background tasks."""
        await self._background.stop()

    async def refresh(self) -> None:
        """Measure the heavy tokens of every known tenant anew."""
        for tenant, words in list(self._known.items()):
            async with self._database.acquire() as connection:
                words.heavy = await heavy_tokens.refresh(connection, tenant)

    async def refresh_parameters(self, older_than_seconds: float = 0.0) -> None:
        """Read the search parameters of every known tenant anew, if what is known is older than so many seconds."""
        asked = time.monotonic()
        if asked - self._parameters_at <= older_than_seconds:
            return
        async with self._reading:
            # Whoever had the lock before may have read them.
            if self._parameters_at >= asked:
                return
            began = time.monotonic()
            async with self._database.acquire() as connection:
                generations = await added_parameters.generations(connection)
                for tenant, words in list(self._known.items()):
                    words.known = await _known(connection, tenant, generations, words.known)
            self._parameters_at = began


_NOTHING = KnownParameters(BUILT_IN)


async def _known(
    connection: Connection, tenant: int, generations: Generations, before: KnownParameters
) -> KnownParameters:
    """What the tenant's parameters are now; the same sets as before where only their progress changed."""
    generation, until = generations.of.get(tenant, 0), generations.asked_at + LEASE
    if generation == before.generation and not before.served.building:
        return replace(before, until=until)
    rows = await added_parameters.rows_of(connection, tenant)
    state = tuple((row.key, row.state, row.definition, row.next_definition) for row in rows)
    added = [_added(row) for row in rows]
    served = before.served.with_progress(progress_of(added)) if state == before.state else served_with(added)
    return KnownParameters(served, until, generation, state)


def _added(row: AddedRow) -> Added:
    definition = unpacked(RESOURCE_TYPES[row.resource_type - 1], row.code, row.definition)
    percent = None if row.state == "complete" else row.percent
    return Added(definition, percent, is_to_answer=row.state != "leaving" or row.next_definition is not None)


async def _repeat(work: Callable[[], Awaitable[None]], seconds: float, complaint: str) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except (RefusalError, asyncpg.PostgresError) as error:
            log.warning(complaint, reason=type(error).__name__)
