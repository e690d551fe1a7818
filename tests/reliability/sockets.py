"""Clients that HTTP libraries are too polite to be: slow, silent, or gone without a word."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.fixtures.server import RunningServer


def head(server: RunningServer, token: str, method: str, path: str, *headers: str) -> bytes:
    """The head of a request."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {server.url.removeprefix('http://')}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/fhir+json",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class Socket:
    """A connection of its own to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, server: RunningServer) -> "Socket":
        """A new connection, with a small buffer for what the server sends."""
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", int(server.url.rpartition(":")[2])))
        return cls(*await asyncio.open_connection(sock=made))

    async def send(self, data: bytes) -> None:
        """Send `data`."""
        self.writer.write(data)
        await self.writer.drain()

    async def trickle(self, data: bytes, seconds: float) -> float:
        """Send one byte a second until the server hangs up, for at most `seconds`; after how many seconds it did."""
        started = time.monotonic()
        closing = asyncio.create_task(self.reader.read())
        for position in range(len(data)):
            done, _ = await asyncio.wait([closing], timeout=1)
            if done or time.monotonic() - started > seconds:
                break
            with suppress(ConnectionError):
                await self.send(data[position : position + 1])
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        return time.monotonic() - started

    async def status(self) -> int:
        """The status of the response that comes next; 0 when the connection ends without one."""
        try:
            line = await self.reader.readline()
        except ConnectionError:
            return 0
        return int(line.split()[1]) if line else 0

    async def is_closed_within(self, seconds: float) -> bool:
        """Whether the server ends the connection within `seconds`, whatever it sends before."""
        try:
            async with asyncio.timeout(seconds):
                while await self.reader.read(65_536):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    def stop_reading(self) -> None:
        """Leave what the server sends in the buffers, until they are full."""
        transport = self.writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()

    def reset(self) -> None:
        """Go without a word (RST)."""
        found = self.writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        """End the connection, whatever is still on its way."""
        self.writer.transport.abort()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@asynccontextmanager
async def sockets(server: RunningServer, number: int = 1) -> AsyncIterator[list[Socket]]:
    """That many connections to `server`."""
    made: list[Socket] = []
    try:
        for _ in range(number):
            made.append(await Socket.connect(server))
        yield made
    finally:
        for each in made:
            await each.close()
