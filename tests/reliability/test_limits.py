"""DESIGN promise 7: every body, depth, address and head has a limit, and who is over it is told (RFC 9110 §15.5)."""

import asyncio
import time
from collections.abc import Iterator

import httpx
import pytest

from bhr_api.bounded_protocol import HEAD_BYTES
from tests.fixtures.server import RunningServer
from tests.reliability.calls import BOUND_SECONDS
from tests.reliability.samples import entry, new_name, observation, patient, transaction
from tests.reliability.sockets import head, sockets

pytestmark = pytest.mark.xdist_group("reliability")

BODY_LIMIT = 10_000_000
BUNDLE_LIMIT = 50_000_000
ADDRESS_LIMIT = 16_384
PROMPT_SECONDS = 3.0


@pytest.fixture
def server_token(server: RunningServer, tenant: str) -> str:
    """A token for the session's server."""
    return server.token(tenant)


@pytest.fixture
def http(server: RunningServer, server_token: str) -> Iterator[httpx.Client]:
    """A client of the session's server."""
    with server.client(server_token) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "limit"), [pytest.param("Patient", BODY_LIMIT, id="body"), pytest.param("", BUNDLE_LIMIT, id="bundle")]
)
def test_a_body_announced_as_too_long_is_refused_before_it_is_sent(
    server: RunningServer, server_token: str, path: str, limit: int
) -> None:
    async def run() -> None:
        async with asyncio.timeout(PROMPT_SECONDS), sockets(server) as (socket,):
            announced = head(server, server_token, "POST", f"/fhir/{path}", f"Content-Length: {limit + 1}")
            await socket.send(announced + b"{")
            assert await socket.status() == 413

    asyncio.run(run())


def test_a_body_without_a_length_is_not_read_beyond_its_limit(server: RunningServer, server_token: str) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"

    async def run() -> tuple[int, int]:
        async with asyncio.timeout(BOUND_SECONDS), sockets(server) as (socket,):
            await socket.send(head(server, server_token, "POST", "/fhir/Patient", "Transfer-Encoding: chunked"))
            answer = asyncio.create_task(socket.status())
            sent = 0
            try:
                while sent < 20 * BODY_LIMIT:
                    await socket.send(chunk)
                    sent += 65_536
            except ConnectionError:
                pass
            return sent, await answer

    sent, status = asyncio.run(run())
    # Buffers on the way hold a few megabytes that nobody reads.
    assert sent < 2 * BODY_LIMIT
    # Who goes on sending may lose the answer to the reset.
    assert status in (413, 0)


def test_a_body_of_exactly_the_limit_is_read(http: httpx.Client) -> None:
    padded = httpx.Request("POST", "http://localhost", json=patient(new_name())).read()
    answer = http.post("Patient", content=padded + b" " * (BODY_LIMIT - len(padded)))
    assert answer.status_code == 201
    answer = http.post("Patient", content=padded + b" " * (BODY_LIMIT + 1 - len(padded)))
    assert answer.status_code == 413
    assert answer.json()["issue"][0]["code"] == "too-long"


def test_a_bundle_may_be_longer_than_a_resource(http: httpx.Client) -> None:
    note = [{"text": "x" * 500_000}]
    bundle = transaction([entry("POST", "Observation", observation(n, note=note)) for n in range(24)])
    assert http.post("", json=bundle).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 100_000, id="arrays"),
        pytest.param(b'{"a":' * 100_000, id="objects"),
        pytest.param(b'{"resourceType":"Patient","extension":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="closed"),
        pytest.param(
            b'{"resourceType":"Patient","contact":[{"extension":' * 2_000 + b"1" + b"}]}" * 2_000, id="nested"
        ),
    ],
)
@pytest.mark.parametrize("path", ["Patient", ""])
def test_a_body_that_is_nested_too_deep_is_refused_at_once(http: httpx.Client, path: str, body: bytes) -> None:
    started = time.monotonic()
    assert http.post(path, content=body).status_code == 400
    assert time.monotonic() - started < PROMPT_SECONDS


def test_an_address_over_its_limit_is_refused_and_may_come_as_a_form(http: httpx.Client) -> None:
    values = ",".join(f"urn:example|{n}" for n in range(900))
    long = values + "0" * (ADDRESS_LIMIT - len(values))
    refused = http.get(f"Patient?identifier={long}")
    assert refused.status_code == 414
    assert refused.json()["issue"][0]["code"] == "too-long"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert http.post("Patient/_search", content=f"identifier={long}", headers=form).status_code == 200


def test_an_address_just_under_its_limit_is_taken(http: httpx.Client) -> None:
    path = "Patient?identifier="
    assert http.get(path + "x" * (ADDRESS_LIMIT - len(path))).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"X-Long": "x" * HEAD_BYTES}, id="one-long"),
        pytest.param({f"X-{n}": "x" * 100 for n in range(1_000)}, id="many"),
    ],
)
def test_a_head_over_its_limit_is_refused(server: RunningServer, server_token: str, headers: dict[str, str]) -> None:
    lines = [f"{name}: {value}" for name, value in headers.items()]

    async def run() -> None:
        async with asyncio.timeout(2 * PROMPT_SECONDS), sockets(server) as (socket,):
            await socket.send(head(server, server_token, "GET", "/fhir/Patient", *lines))
            assert await socket.status() == 431
            assert await socket.is_closed_within(PROMPT_SECONDS)

    asyncio.run(run())
