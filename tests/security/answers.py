"""What every answer owes the client, whatever was sent: no fault of ours, and an outcome that says what was wrong."""

import socket
from typing import Any
from urllib.parse import urlsplit

import httpx

from bhr_api.errors import Issue
from tests.fixtures.server import RunningServer

# SECURITY.md section 3: no payload may keep the server busy longer than this.
CEILING_SECONDS = 5.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_INSIDE = ("Traceback (most", "asyncpg", "site-packages", "bhr_api/", 'relation "')


def require_proper(answer: httpx.Response, *statuses: int) -> None:
    """The answer is one of `statuses` (any 2xx or 4xx by default), in time, and a refusal is an OperationOutcome."""
    shown = f"{answer.status_code} {answer.text[:500]}"
    assert answer.status_code in statuses if statuses else 200 <= answer.status_code < 500, shown
    assert answer.elapsed.total_seconds() < CEILING_SECONDS, f"{answer.elapsed} for {answer.request.url!s:.200}"
    assert answer.headers.get("x-request-id"), shown
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        require_outcome(answer.json(), located=answer.status_code == 422)


def require_outcome(outcome: Any, *, located: bool) -> None:
    """`outcome` is an OperationOutcome that names its issues, where each is, and nothing of the inside."""
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"]
    for issue in outcome["issue"]:
        assert set(issue) <= {"severity", "code", "diagnostics", "expression"}
        Issue(issue["severity"], issue["code"], issue["diagnostics"])
        assert not [word for word in _INSIDE if word in issue["diagnostics"]], issue
        if located and issue["code"] not in ("too-costly", "too-long"):
            assert "expression" in issue, issue


def require_alive(http: httpx.Client) -> None:
    """The server answers the next request."""
    answer = http.get("/Patient?_count=1")
    assert answer.status_code == 200, answer.text


def send_raw(server: RunningServer, request: bytes) -> bytes:
    """What the server answers to these very bytes; the request must end its connection."""
    address = urlsplit(server.url)
    assert address.port is not None
    with socket.create_connection((address.hostname, address.port), timeout=CEILING_SECONDS) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    return received
