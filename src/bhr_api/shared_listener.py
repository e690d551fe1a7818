"""One listening socket for several workers, each new connection to the worker that has the fewest.

libuv takes whatever waits in one go: of 16 connections opened at once, one of two workers mostly got none. The kernel's own
spreading (SO_REUSEPORT) draws lots, and leaves what it drew for a worker that dies or starts waiting until there is one.
"""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from bhr_api.bounded_protocol import BoundedHttpProtocol
from bhr_api.connection_counts import ConnectionCounts

# For how long a worker that has more connections leaves a new one to the others, who may be busy or have just died.
PATIENCE_SECONDS = 0.01
# How often it looks whether it has no longer more: the shortest that the loop's timers know.
_MOMENT_SECONDS = 0.001


class SharingConfig(uvicorn.Config):
    """uvicorn's configuration of several workers, which count their connections in the file at `counts_path`."""

    def __init__(self, counts_path: Path, **options: Any) -> None:
        super().__init__(**options)
        self._counts_path = counts_path
        ConnectionCounts.make_file(counts_path, self.workers)

    def get_loop_factory(self) -> Callable[[], asyncio.AbstractEventLoop]:
        """Where uvicorn leaves the say on how a socket is listened on: the event loop."""
        return partial(_SharingLoop, self._counts_path)


class _SharingLoop(uvloop.Loop):
    """uvloop, listening by `SharedListener`."""

    def __init__(self, counts_path: Path) -> None:
        super().__init__()
        self._counts_path = counts_path

    async def create_server(self, protocol_factory: Any, *_: Any, **options: Any) -> Any:
        """The listener on the socket `sock`, as uvicorn asks for it."""
        options["sock"].listen(options["backlog"])
        return SharedListener(self, options["sock"], protocol_factory, ConnectionCounts(self._counts_path))


class SharedListener:
    """What uvicorn knows of an asyncio.Server, for a socket that other processes listen on too."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        make_protocol: Callable[[], BoundedHttpProtocol],
        counts: ConnectionCounts,
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._make_protocol = make_protocol
        self._counts = counts
        self._waiting: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[None]] = set()
        listener.setblocking(False)
        counts.join()
        loop.add_reader(listener, self._offered)

    def close(self) -> None:
        """Take no more connections."""
        self._counts.leave()
        self._loop.remove_reader(self._listener)
        if self._waiting is not None:
            self._waiting.cancel()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for: uvicorn itself waits for the connections."""

    def _offered(self) -> None:
        # One at a time, so that the others see the new count before they decide about the next.
        if self._counts.are_fewest_here():
            self._accept()
        else:
            self._wait()

    def _wait(self) -> None:
        self._loop.remove_reader(self._listener)
        self._look_again_in_a_moment(self._loop.time() + PATIENCE_SECONDS)

    def _look_again_in_a_moment(self, end: float) -> None:
        self._waiting = self._loop.call_later(_MOMENT_SECONDS, self._look_again, end)

    def _look_again(self, end: float) -> None:
        if self._counts.are_fewest_here() or self._loop.time() > end:
            self._waiting = None
            self._loop.add_reader(self._listener, self._offered)
            self._accept()
        else:
            self._look_again_in_a_moment(end)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # Another worker was faster, or the client has gone.
        except OSError:
            self._wait()  # No descriptor is free (accept(2), EMFILE): at once it would fail again.
            return
        self._counts.add(1)
        opening = self._loop.create_task(self._open(connection))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._counted_protocol, connection)
        except OSError:
            connection.close()
            self._counts.add(-1)

    def _counted_protocol(self) -> BoundedHttpProtocol:
        protocol = self._make_protocol()
        protocol.on_lost = partial(self._counts.add, -1)
        return protocol
