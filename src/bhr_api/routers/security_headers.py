"""Headers that every answer carries: what browsers must not do with it (OWASP Secure Headers; RFC 6797).

Routes that have a stricter or wider word of their own keep it.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bhr_api.routers.requests import Receive, Scope, Send

ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

# A year, which browsers take for lasting. Subdomains are the operator's to decide.
_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
# Data, not a page: nothing in it runs or loads anything, and nobody frames it.
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class SecurityHeaders:
    """Adds them to what `application` answers; over https, browsers are told to stay there."""

    def __init__(self, application: ASGIApplication, *, is_https: bool) -> None:
        self._application = application
        self._added = (*_ALWAYS, _STRICT_TRANSPORT) if is_https else _ALWAYS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                said = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in self._added if pair[0] not in said)]
            await send(message)

        await self._application(scope, receive, send_with_headers)
