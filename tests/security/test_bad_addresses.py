"""Odd paths lead nowhere, and never around authentication (SECURITY.md section 3)."""

import httpx
import pytest

from tests.fixtures.server import RunningServer
from tests.security.answers import require_alive, require_proper

ODD_PATHS = [
    "/Patient/" + "a" * 65,
    "/Patient/..",
    "/Patient/%2e%2e/Observation",
    "/Patient/%2E%2E%2F%2E%2E%2Fetc%2Fpasswd",
    "/Patient/%252e%252e",
    "/Patient/one%2F_history",
    "/Patient/one%00",
    "/Patient/one%ff",
    "/%50atient/one",
    "/Patient//one",
    "/Patient/one/",
    "/Patient/one/_history/",
    "/Patient/one/_history/0",
    "/Patient/one/_history/01",
    "/Patient/one/_history/-1",
    "/Patient/one/_history/1e1",
    "/Patient/one/_history/٣",
    "/Patient/one/_history/99999999999999999999999999",
    "/Patient/one/_history/" + "9" * 5000,
    "/Patient/one/_history/1/_history",
    "/Patient/one/Nothing",
    "/Patient/one/$everything",
    "/Observation/one/Patient",
    "/patient",
    "/Patient;a=b",
    "/Pati%C3%A9nt",
    "/Resource",
    "/DomainResource/one",
    "/$export",
    "/.well-known/nothing",
    "/_search",
    "/Patient/_search/one",
    "/*",
    "/\\Patient",
    "/Patient" + "/" * 1000,
    "/a" * 5000,
]


@pytest.mark.parametrize("path", ODD_PATHS, ids=lambda path: path[:40])
def test_an_odd_address_is_refused_and_never_served_without_a_token(
    filled: httpx.Client, server: RunningServer, path: str
) -> None:
    with server.client(None) as nobody:
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "MOVE"):
            body = b'{"resourceType":"Patient"}' if method in ("POST", "PUT", "PATCH") else None
            require_proper(filled.request(method, path, content=body))
            answer = nobody.request(method, path, content=body)
            assert answer.status_code in (401, 404, 405, 414), answer.text
    require_alive(filled)
