"""Work that goes on beside the requests until it is stopped."""

import asyncio
from collections.abc import Coroutine


class Background:
    """Holds the tasks of one owner; one that is stopped ends at its next wait."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, *works: Coroutine[object, object, None]) -> None:
        """Begin with each of `works`."""
        self._tasks += [asyncio.create_task(work) for work in works]

    async def stop(self) -> None:
        """End what was begun, and wait until it has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
