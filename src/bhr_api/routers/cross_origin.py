"""Which browser origins may call: CORS, decided before authentication (Fetch Standard §3.3; DESIGN section 2).

Discovery and documents are open to any origin. The record and OAuth are open to the origins that enabled clients have
registered and to those of the settings. Credentials are never allowed: a token travels in a header that scripts set.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import asyncpg
import structlog

from bhr_api.background import Background
from bhr_api.errors import RefusalError
from bhr_api.routers.requests import Receive, Scope, Send
from bhr_api.store import origins
from bhr_api.store.database import Database

log = structlog.get_logger(__name__)

RELOAD_SECONDS = 30.0
# A browser may keep a preflight's answer this long.
_PREFLIGHT_SECONDS = b"3600"

_OPEN = frozenset({"/fhir/metadata", "/openapi.json", "/oauth/jwks"})
_OPEN_UNDER = ("/.well-known/", "/fhir/.well-known/")
_REGISTERED_UNDER = ("/fhir/", "/oauth/")

ALLOWED_HEADERS = (
    b"Authorization, Content-Type, Accept, Prefer, If-Match, If-None-Match, If-None-Exist, If-Modified-Since,"
    b" X-Request-Id"
)
EXPOSED_HEADERS = b"ETag, Location, Content-Location, Last-Modified, X-Request-Id, Retry-After, X-Progress, Link"
_ALLOWED_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_READING_METHODS = b"GET, HEAD"

RawHeaders = list[tuple[bytes, bytes]]
ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]


class RegisteredOrigins:
    """The origins of the settings and of enabled clients, read again every half minute."""

    def __init__(self, always: Iterable[str] = ()) -> None:
        self._always = frozenset(map(normalised, always))
        self._known = self._always
        self._background = Background()

    def __contains__(self, origin: str) -> bool:
        return origin in self._known

    async def reload(self, database: Database) -> None:
        """Read what clients have registered by now."""
        async with database.acquire() as connection:
            registered = await origins.of_enabled_clients(connection)
        self._known = self._always | frozenset(map(normalised, registered))

    def start(self, database: Database) -> None:
        """Begin to reload in the background."""
        self._background.start(self._reload_forever(database))

    async def stop(self) -> None:
        """Stop the background task."""
        await self._background.stop()

    async def _reload_forever(self, database: Database) -> None:
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            try:
                await self.reload(database)
            except (RefusalError, OSError, asyncpg.PostgresError) as error:
                # What was known stays in force until the database answers again.
                log.warning("origins_not_reloaded", reason=type(error).__name__)


def normalised(origin: str) -> str:
    """An origin as browsers send it: lower case, no slash at the end (RFC 6454 §6.2)."""
    return origin.strip().rstrip("/").lower()


class CrossOrigin:
    """Answers preflights, and adds to other answers what lets a browser hand them to the page that asked."""

    def __init__(self, application: ASGIApplication, registered: RegisteredOrigins) -> None:
        self._application = application
        self._registered = registered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; one without Origin costs a look at its headers and no more."""
        origin = _header(scope, b"origin") if scope["type"] == "http" else None
        if origin is None:
            await self._application(scope, receive, send)
            return
        is_open = _is_open(scope["path"])
        if not is_open and not _is_for_registered(scope["path"]):
            await self._application(scope, receive, send)
            return
        granted = self._granted(origin, is_open=is_open)
        if scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method") is not None:
            await _answer_preflight(send, granted, _READING_METHODS if is_open else _ALLOWED_METHODS)
        else:
            await self._application(scope, receive, _adding(send, granted))

    def _granted(self, origin: bytes, *, is_open: bool) -> RawHeaders:
        if is_open:
            return [(b"access-control-allow-origin", b"*")]
        # The answer differs by origin also where it grants nothing, which caches must know.
        varies = (b"vary", b"Origin")
        if origin.decode("latin-1") not in self._registered:
            return [varies]
        return [(b"access-control-allow-origin", origin), varies]


def _header(scope: Scope, name: bytes) -> bytes | None:
    for header, value in scope["headers"]:
        if header == name:
            return bytes(value)
    return None


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith(_OPEN_UNDER)


def _is_for_registered(path: str) -> bool:
    return path == "/fhir" or path.startswith(_REGISTERED_UNDER)


def _is_grant(headers: RawHeaders) -> bool:
    return headers[0][0] == b"access-control-allow-origin"


async def _answer_preflight(send: Send, granted: RawHeaders, methods: bytes) -> None:
    """Fetch §4.8: without Access-Control-Allow-Origin the browser does not send the request."""
    headers = list(granted)
    if _is_grant(granted):
        headers += [
            (b"access-control-allow-methods", methods),
            (b"access-control-allow-headers", ALLOWED_HEADERS),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
        ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _adding(send: Send, granted: RawHeaders) -> Send:
    added = list(granted)
    if _is_grant(granted):
        added.append((b"access-control-expose-headers", EXPOSED_HEADERS))

    async def send_with_grant(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            # A route may have said the same of itself; twice is an error to browsers.
            own = [pair for pair in message.get("headers", ()) if not pair[0].startswith(b"access-control-")]
            message = {**message, "headers": [*own, *added]}
        await send(message)

    return send_with_grant
