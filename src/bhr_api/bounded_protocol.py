"""HTTP/1.1 on a connection: uvicorn, with bounds on how long and how large a request's head may be."""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
HEAD_BYTES = 65_536
# An answer of which nothing was read for so long is given up.
UNREAD_SECONDS = 20.0
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class HeadTooLargeError(Exception):
    """The address and headers of a request take more than `HEAD_BYTES`."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, closing connections whose request head is slow or too large (RFC 6585 §5, RFC 9110 §15.5.9)."""

    # Called when the connection has ended.
    on_lost: Callable[[], None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _unparsed_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """A connection must bring a request soon."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is awaited."""
        self._head_arrived()
        super().connection_lost(exc)
        if self.on_lost is not None:
            self.on_lost()

    def data_received(self, data: bytes) -> None:
        """Refuse a head of which a single line does not end."""
        arriving = self._timer is not None
        super().data_received(data)
        if arriving and self._timer is not None:
            self._unparsed_bytes += len(data)
            if self._unparsed_bytes > HEAD_BYTES and not self.transport.is_closing():
                self._refuse_head()

    def on_message_begin(self) -> None:
        """A further request on the connection has the same time."""
        super().on_message_begin()
        self._head_bytes = 0
        if self._timer is None:
            self._await_head()

    def on_url(self, url: bytes) -> None:
        """The address counts towards the head."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """So does each header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is here; the body has limits of its own (`Limits`)."""
        self._head_arrived()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser could not take; a head that is too large among it."""
        if self._head_bytes > HEAD_BYTES:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more is asked. What was answered may still be read, by who goes on reading."""
        super().timeout_keep_alive_handler()
        self._watch_reading(None)

    def _watch_reading(self, unread_before: int | None) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread == 0:
            return
        if unread == unread_before:
            self.transport.abort()
        else:
            self.loop.call_later(UNREAD_SECONDS, self._watch_reading, unread)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES:
            raise HeadTooLargeError

    def _refuse_head(self) -> None:
        self.transport.write(_TOO_LARGE)
        self.transport.close()

    def _await_head(self) -> None:
        self._unparsed_bytes = 0
        self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _head_arrived(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
