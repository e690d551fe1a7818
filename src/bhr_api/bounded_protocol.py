"""HTTP/1.1 on a connection: uvicorn, with bounds on how long a request may arrive and an answer lie unread."""

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
HEAD_BYTES = 65_536
# The rest of a body, after its request was answered without it.
REST_SECONDS = 10.0
# An answer of which nothing was read for so long is given up.
UNREAD_SECONDS = 20.0
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class HeadTooLargeError(Exception):
    """The address and headers of a request take more than `HEAD_BYTES`."""


class _Connection:
    """uvloop's transport as uvicorn takes it to be: what is done to it after its end does nothing, and raises nothing.

    A client may leave at any moment of its answer; uvicorn learns of it later, for pipelined requests never.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.is_closing = transport.is_closing
        self.close = transport.close
        self.abort = transport.abort
        self.get_extra_info = transport.get_extra_info
        self.get_write_buffer_size = transport.get_write_buffer_size

    def write(self, data: bytes) -> None:
        if not self.is_closing():
            self._transport.write(data)

    def pause_reading(self) -> None:
        if not self.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self.is_closing():
            self._transport.resume_reading()

    def unread_bytes(self) -> int:
        """How much of what was written the client has not taken; 0 when the rest is the kernel's business alone."""
        waiting = self.get_write_buffer_size()
        if waiting == 0:
            return 0
        try:
            # tcp(7), SIOCOUTQ: with much in the kernel, a slow reader may long not be seen in our own buffer.
            sent = fcntl.ioctl(self.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:
            return waiting
        return waiting + int.from_bytes(sent, sys.byteorder)


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, closing connections of slow or too large requests, and of answers that nobody reads.

    RFC 6585 §5 for the head, RFC 9110 §15.5.9 for the time.
    """

    # Called when the connection has ended.
    on_lost: Callable[[], None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _rest_timer: asyncio.TimerHandle | None = None
    _reading_watch: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _unparsed_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """A connection must bring a request soon."""
        self._connection = _Connection(transport)
        super().connection_made(self._connection)  # type: ignore[arg-type]  # all of one that uvicorn uses
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is awaited."""
        self._head_arrived()
        self._rest_arrived()
        self._stop_watching()
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

    def on_response_complete(self) -> None:
        """Who was answered before the body was complete has a little time for the rest of it."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
            self._rest_timer = self.loop.call_later(REST_SECONDS, self._give_up)

    def on_message_complete(self) -> None:
        """The whole request is here."""
        super().on_message_complete()
        if self._rest_timer is not None:
            self._rest_arrived()
            # uvicorn stopped its own timer when the rest began to arrive.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def pause_writing(self) -> None:
        """More is waiting for the client than one answer should have to; it may be one that reads nothing."""
        super().pause_writing()
        self._watch_reading()

    def resume_writing(self) -> None:
        """The client reads. What is left when the connection is closing is watched on."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_watching()

    def send_400_response(self, msg: str) -> None:
        """What the parser could not take; a head that is too large among it."""
        if self._head_bytes > HEAD_BYTES:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more is asked. What was answered may still be read, by who goes on reading."""
        super().timeout_keep_alive_handler()
        if self._reading_watch is None:
            self._watch_reading()

    def _watch_reading(self, unread_before: int = 0) -> None:
        self._stop_watching()
        unread = self._connection.unread_bytes()
        if unread == 0:
            return
        if unread == unread_before:
            self.transport.abort()
        else:
            # Nothing is written meanwhile: it only becomes less.
            self._reading_watch = self.loop.call_later(UNREAD_SECONDS, self._watch_reading, unread)

    def _stop_watching(self) -> None:
        if self._reading_watch is not None:
            self._reading_watch.cancel()
            self._reading_watch = None

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

    def _rest_arrived(self) -> None:
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None

    def _give_up(self) -> None:
        self._timer = self._rest_timer = None
        if not self.transport.is_closing():
            self.transport.close()
