"""Many requests at one moment over real connections, and what a patient client does with a 503."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from tests.fixtures.server import RunningServer
from tests.reliability.samples import SYSTEM, Resource

Call = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]

# Whatever a test waits for, it waits no longer than this: a server that hangs fails the test.
BOUND_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RacingServer(RunningServer):
    """A server to race against; `processes` are its workers."""

    processes: int


@asynccontextmanager
async def caller(server: RunningServer, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client at the FHIR base that opens as many connections as it has requests in flight."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(
        base_url=server.base_url, headers=headers, limits=limits, timeout=BOUND_SECONDS, verify=False
    ) as client:
        yield client


@asynccontextmanager
async def spread(server: RacingServer, token: str, number: int) -> AsyncIterator[list[httpx.AsyncClient]]:
    """That many clients with one open connection each, spread evenly over the server's processes.

    The kernel gives a connection to whichever process asks first, so those that a process has too many of are left idle.
    """
    share = -(-number // server.processes)
    found: dict[str, list[httpx.AsyncClient]] = {}
    async with asyncio.timeout(BOUND_SECONDS), AsyncExitStack() as stack:
        while sum(len(clients[:share]) for clients in found.values()) < number:
            client = await stack.enter_async_context(caller(server, token))
            answer = await sending("GET", "Patient?_summary=count")(client)
            found.setdefault(process_of(answer), []).append(client)
        yield [client for clients in found.values() for client in clients[:share]][:number]


def process_of(answer: httpx.Response) -> str:
    """Which worker process answered: the request ids that it makes up begin with a word of its own."""
    word: str = answer.headers["x-request-id"].partition("-")[0]
    return word


def together(server: RacingServer, token: str, calls: Sequence[Call]) -> list[httpx.Response]:
    """The answers to `calls`, all sent at one moment on connections that are open by then."""

    async def run() -> list[httpx.Response]:
        async with spread(server, token, len(calls)) as clients:
            random.shuffle(clients)
            return list(await asyncio.gather(*(call(client) for call, client in zip(calls, clients, strict=True))))

    return asyncio.run(run())


def sending(method: str, path: str, body: Resource | None = None, **headers: str) -> Call:
    """A call that comes back after 503, as Retry-After asks: shedding load is not what a race is about."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def call(client: httpx.AsyncClient) -> httpx.Response:
        while True:
            answer = await client.request(method, path, json=body, headers=named)
            if answer.status_code != 503:
                return answer
            await asyncio.sleep(float(answer.headers["retry-after"]) * random.random())

    return call


def statuses(answers: Sequence[httpx.Response]) -> dict[int, int]:
    """How many answers have each status."""
    counts: dict[int, int] = {}
    for answer in answers:
        counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
    return counts


def resource_id(answer: httpx.Response) -> str:
    """The id of the resource that `answer` carries."""
    found: str = answer.json()["id"]
    return found


def found_ids(client: httpx.Client, resource_type: str, name: str) -> list[str]:
    """The ids of the resources with the identifier `name`."""
    found = client.get(resource_type, params={"identifier": f"{SYSTEM}|{name}"})
    assert found.status_code == 200
    return [made["resource"]["id"] for made in found.json().get("entry", [])]


def history_versions(client: httpx.Client, reference: str) -> list[int]:
    """The versions in the history of `reference`, oldest first."""
    history = client.get(f"{reference}/_history?_count=1000")
    assert history.status_code == 200
    return sorted(_version_of(entry) for entry in history.json()["entry"])


def _version_of(entry: Resource) -> int:
    return int(entry["response"]["etag"].removeprefix('W/"').removesuffix('"'))
