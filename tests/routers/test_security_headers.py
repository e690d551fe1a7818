"""Headers of every answer, and the address of a client behind proxies."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from uvicorn import Config

from bhr_api.routers.security_headers import SecurityHeaders
from bhr_api.settings import Settings
from bhr_api.worker import _options
from tests.fixtures.server import RunningServer


@pytest.mark.parametrize("path", ["/fhir/metadata", "/fhir/Goal", "/oauth/token", "/health/live", "/nothing", "/docs"])
def test_every_answer_says_what_browsers_must_not_do(server: RunningServer, path: str) -> None:
    answer = httpx.get(f"{server.url}{path}")

    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert len(answer.headers.get_list("Content-Security-Policy")) == 1
    # Over http a browser would be told to stay where nobody answers.
    assert "Strict-Transport-Security" not in answer.headers


def test_https_is_to_last() -> None:
    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(SecurityHeaders(application, is_https=True)({"type": "http"}, None, send))  # type: ignore[arg-type]

    assert (b"strict-transport-security", b"max-age=31536000") in sent[0]["headers"]


async def seen_address(settings: Settings, peer: str, forwarded: str) -> str:
    """Whom an application sees behind what uvicorn makes of these settings."""
    found: list[str] = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        found.append(scope["client"][0])

    config = Config(**{**_options(settings), "app": application, "factory": False, "workers": 1})
    config.load()
    headers = [(b"x-forwarded-for", forwarded.encode())]
    await config.loaded_app({"type": "http", "scheme": "http", "client": (peer, 1), "headers": headers}, None, None)
    return found[0]


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "seen"),
    [
        pytest.param("", "10.0.0.5", "203.0.113.9", "10.0.0.5", id="nobody-is-believed"),
        pytest.param("10.0.0.5", "10.0.0.5", "203.0.113.9", "203.0.113.9", id="the-proxy-is"),
        pytest.param("10.0.0.5", "203.0.113.7", "203.0.113.9", "203.0.113.7", id="a-stranger-is-not"),
        pytest.param("10.0.0.0/24", "10.0.0.5", "1.1.1.1, 203.0.113.9, 10.0.0.7", "203.0.113.9", id="chain"),
    ],
)
def test_only_trusted_proxies_tell_the_address(trusted: str, peer: str, forwarded: str, seen: str) -> None:
    settings = Settings(_env_file=None, trusted_proxies=trusted)

    assert asyncio.run(seen_address(settings, peer, forwarded)) == seen


def test_a_proxy_is_an_address() -> None:
    with pytest.raises(ValidationError, match="write addresses or networks"):
        Settings(_env_file=None, trusted_proxies="proxy.example")
