"""What a worker does in the background: the clock, the audit's partitions, missing statistics, the gauges of its pool."""

import asyncio

import asyncpg
import structlog

from bhr_api.background import Background
from bhr_api.errors import RefusalError
from bhr_api.store import statistics
from bhr_api.store.audit import ensure_partitions
from bhr_api.store.database import Database
from bhr_api.telemetry import observe_pool

log = structlog.get_logger(__name__)

MEASURE_SECONDS = 5.0
MAINTAIN_EVERY = 12


class Upkeep:
    """Measures the pool every five seconds, and sees to clock, partitions and statistics every minute."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._background = Background()

    def start(self) -> None:
        """Begin in the background."""
        self._background.start(self._run())

    async def stop(self) -> None:
        """Stop the background task."""
        await self._background.stop()

    async def _run(self) -> None:
        round_number = 0
        while True:
            if round_number % MAINTAIN_EVERY == 0:
                await self._maintain()
            pool = self._database.pool
            observe_pool(pool.get_size(), pool.get_idle_size(), self._database.take_busy_seconds())
            round_number += 1
            await asyncio.sleep(MEASURE_SECONDS)

    async def _maintain(self) -> None:
        try:
            async with self._database.acquire() as connection:
                await self._database.set_clock(connection)
                await ensure_partitions(connection, self._database.now())
                analyzed = await statistics.refresh(connection)
            if analyzed:
                log.info("tables_analyzed", tables=analyzed)
        except (RefusalError, asyncpg.PostgresError) as error:
            log.warning("upkeep_delayed", reason=type(error).__name__)
