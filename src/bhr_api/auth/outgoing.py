"""Requests to other people's servers: five seconds and 256 KiB at most, no redirects, no proxies from the environment."""

import ssl
from functools import cache

import httpx

ANSWER_SECONDS = 5.0
MOST_BYTES = 256 * 1024


class TooLongAnswerError(ValueError):
    """Somebody answers more than is taken."""


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def outgoing_http() -> httpx.AsyncClient:
    """A client that goes where it was told and nowhere else; the caller bounds the whole by `ANSWER_SECONDS`."""
    return httpx.AsyncClient(verify=_tls(), follow_redirects=False, trust_env=False, timeout=ANSWER_SECONDS)


async def bounded_body(response: httpx.Response) -> bytes:
    """The body as it was sent. Raises `TooLongAnswerError`."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MOST_BYTES:
            raise TooLongAnswerError(f"The answer is larger than {MOST_BYTES} bytes.")
    return bytes(body)
