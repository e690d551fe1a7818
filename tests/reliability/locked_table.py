"""Statements made slow at will: someone else holds the table that they need."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg


class Lock:
    """A lock that can be let go before its time."""

    def __init__(self) -> None:
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let the statements go on."""
        self._released.set()

    async def hold(self, dsn: str, table: str, taken: asyncio.Event) -> None:
        """Hold `table` against all readers and writers until released."""
        connection = await asyncpg.connect(dsn)
        try:
            async with connection.transaction():
                await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                taken.set()
                await self._released.wait()
        finally:
            await connection.close()


@asynccontextmanager
async def locked(dsn: str, table: str = "resource") -> AsyncIterator[Lock]:
    """`table`, locked until the end or until `release` is called."""
    lock, taken = Lock(), asyncio.Event()
    holding = asyncio.create_task(lock.hold(dsn, table, taken))
    await taken.wait()
    try:
        yield lock
    finally:
        lock.release()
        await holding
