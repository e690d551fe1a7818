"""The tenants that this worker knows, with their hashes, cursors and heavy tokens."""

import asyncio

import structlog

from bhr_api.errors import RefusalError, UnauthenticatedError
from bhr_api.interactions.context import TenantWords
from bhr_api.search.cursor import CursorSeal
from bhr_api.search.tokens import TokenHasher
from bhr_api.store import heavy_tokens, tenants
from bhr_api.store.database import Database

log = structlog.get_logger(__name__)

# Statistics, not truth: a token that became heavy a moment ago costs time, never a row.
REFRESH_SECONDS = 30.0


class TenantRegistry:
    """Keeps the words of each tenant from its first request on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, TenantWords] = {}
        self._task: asyncio.Task[None] | None = None

    async def words(self, tenant: int) -> TenantWords:
        """The words of `tenant`. Raises UnauthenticatedError when there is no such tenant any more."""
        known = self._known.get(tenant)
        if known is None:
            known = await self._load(tenant)
            self._known[tenant] = known
        return known

    async def _load(self, tenant: int) -> TenantWords:
        async with self._database.acquire() as connection:
            row = await tenants.get(connection, tenant)
            heavy = await heavy_tokens.read(connection, tenant)
        if row is None:
            raise UnauthenticatedError("The token's tenant is not known here.", error="invalid_token")
        return TenantWords(tenant, row.name, TokenHasher(row.token_key), CursorSeal(row.name, row.token_key), heavy)

    async def numbers(self) -> list[int]:
        """Every tenant there is."""
        async with self._database.acquire() as connection:
            return [row.tenant for row in await tenants.all_tenants(connection)]

    def start(self) -> None:
        """Begin to refresh the heavy tokens in the background."""
        self._task = asyncio.create_task(self._refresh_forever())

    async def stop(self) -> None:
        """Stop the background task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def refresh(self) -> None:
        """Measure the heavy tokens of every known tenant anew."""
        for tenant, words in list(self._known.items()):
            async with self._database.acquire() as connection:
                words.heavy = await heavy_tokens.refresh(connection, tenant)

    async def _refresh_forever(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
            except RefusalError as error:
                log.warning("heavy_tokens_not_refreshed", reason=type(error).__name__)
