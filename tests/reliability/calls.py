"""Many requests at one moment over real connections, and what a patient client does with a 503."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import httpx

from tests.fixtures.server import RunningServer
from tests.reliability.samples import SYSTEM, Resource

Call = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]

# Whatever a test waits for, it waits no longer than this: a server that hangs fails the test.
BOUND_SECONDS = 60.0


@asynccontextmanager
async def caller(server: RunningServer, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client at the FHIR base that opens as many connections as it has requests in flight."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(
        base_url=server.base_url, headers=headers, limits=limits, timeout=BOUND_SECONDS, verify=False
    ) as client:
        yield client


def together(server: RunningServer, token: str, calls: Sequence[Call]) -> list[httpx.Response]:
    """The answers to `calls`, all sent at one moment on connections that are open by then."""

    async def run() -> list[httpx.Response]:
        async with asyncio.timeout(BOUND_SECONDS), caller(server, token) as client:
            await asyncio.gather(*(client.get(f"{server.url}/health/live") for _ in calls))
            return list(await asyncio.gather(*(call(client) for call in calls)))

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
