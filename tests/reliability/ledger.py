"""What clients were told while a server was killed, held against what it kept (DESIGN promise 1)."""

import asyncio
import itertools
import re
from collections import Counter
from dataclasses import dataclass, field

import asyncpg
import httpx

from bhr_api.store import tenants
from bhr_api.store.audit_verification import Fault, verify
from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer
from tests.reliability.calls import caller
from tests.reliability.samples import Resource, entry, new_name, observation, transaction

ENTRIES = 5
_LOCATION = re.compile(r"(Observation/[^/]+)/_history/([0-9]+)$")
_AUDITED = """
    SELECT resource_type || '/' || resource_id, version FROM audit_event
    WHERE tenant = (SELECT tenant FROM tenant WHERE name = $1) AND resource_type = 'Observation'
        AND interaction IN ('create', 'update') AND status < 300
"""

# A version of a resource: its reference and number.
Version = tuple[str, int]


@dataclass(slots=True)
class Ledger:
    """Writes by what their sender was told: acknowledged, or nothing certain."""

    writes: int = 0
    versions: set[Version] = field(default_factory=set)
    transactions: set[str] = field(default_factory=set)
    unanswered: int = 0
    unavailable: int = 0
    unexpected: list[str] = field(default_factory=list)

    def acknowledge(self, answer: httpx.Response, name: str) -> None:
        """Note what `answer` says was stored."""
        self.writes += 1
        if not answer.request.url.path.endswith("/fhir/"):
            self._note(answer.headers["location"])
            return
        self.transactions.add(name)
        for made in answer.json()["entry"]:
            self._note(made["response"]["location"])

    def _note(self, location: str) -> None:
        found = _LOCATION.search(location)
        assert found is not None
        self.versions.add((found[1], int(found[2])))


async def write_until(ledger: Ledger, server: RunningServer, token: str, wanted: int, writers: int = 8) -> None:
    """Write from many clients, which go on whatever happens to the server, until `wanted` writes are acknowledged."""
    async with caller(server, token) as client:
        await asyncio.gather(*(_write(ledger, client, f"Observation/{new_name()}", wanted) for _ in range(writers)))


async def _write(ledger: Ledger, client: httpx.AsyncClient, own: str, wanted: int) -> None:
    """Create, update one's own resource, and do both in a transaction, in turn."""
    for number in itertools.count():
        if ledger.writes >= wanted:
            return
        name = new_name()
        method, path, body = _request(number, own, name)
        try:
            answer = await client.request(method, path, json=body)
        except httpx.TransportError:
            ledger.unanswered += 1
            await asyncio.sleep(0.05)
            continue
        if answer.status_code in (200, 201):
            ledger.acknowledge(answer, name)
        elif answer.status_code == 503 and "retry-after" in answer.headers:
            ledger.unavailable += 1
            await asyncio.sleep(0.05)
        else:
            ledger.unexpected.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")


def _request(number: int, own: str, name: str) -> tuple[str, str, Resource]:
    mine = {**observation(number), "id": own.partition("/")[2]}
    match number % 3:
        case 0:
            return "POST", "Observation", observation(number, name=name)
        case 1:
            return "PUT", own, mine
    created = [entry("POST", "Observation", observation(n, name=name)) for n in range(ENTRIES)]
    return "POST", "", transaction([entry("PUT", own, mine), *created])


@dataclass(slots=True)
class Kept:
    """What a server answers after it was killed: versions of Observations, and how many carry each name."""

    versions: list[Version] = field(default_factory=list)
    named: Counter[str] = field(default_factory=Counter)

    def gaps(self) -> list[str]:
        """The resources whose versions are not 1, 2, 3, ..."""
        numbers: dict[str, list[int]] = {}
        for reference, version in self.versions:
            numbers.setdefault(reference, []).append(version)
        return [name for name, found in numbers.items() if sorted(found) != list(range(1, len(found) + 1))]


def kept_by(server: RunningServer, token: str) -> Kept:
    """Everything in the history of the type, over all its pages."""
    kept = Kept()
    with server.client(token) as client:
        address = "Observation/_history?_count=1000"
        while address:
            page = client.get(address)
            page.raise_for_status()
            for made in page.json()["entry"]:
                resource = made["resource"]
                kept.versions.append((f"Observation/{resource['id']}", int(resource["meta"]["versionId"])))
                kept.named.update(identifier["value"] for identifier in resource.get("identifier", []))
            address = next((link["url"] for link in page.json()["link"] if link["relation"] == "next"), "")
    return kept


def audited(dsn: str, tenant_name: str) -> list[Version]:
    """The versions that the audit trail says were written."""

    async def read(connection: asyncpg.Connection) -> list[Version]:
        return [(row[0], row[1]) for row in await connection.fetch(_AUDITED, tenant_name)]

    return on_database(dsn, read)


def audit_faults(dsn: str, tenant_name: str) -> list[Fault]:
    """What is not as the audit trail's seal says."""

    async def check(connection: asyncpg.Connection) -> list[Fault]:
        tenant = await tenants.find(connection, tenant_name)
        assert tenant is not None
        return (await verify(connection, tenant.tenant)).faults

    return on_database(dsn, check)
