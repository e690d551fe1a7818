"""What authorization costs: the same requests by software that sees all of a tenant and by a worker of 1,000 clients."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import mean

import asyncpg

from benchmarks.figures import AUTHORIZATION_BAR, Fact, HttpRow
from benchmarks.work import WORK, Client, Work
from bhr_api.cli.tokens import minted
from bhr_api.fhir.dates import BEGINNING, FOREVER
from bhr_api.search.tokens import TokenHasher
from bhr_api.store import people, relations, tenants
from bhr_api.store.relations import Relation

CASELOAD = 1000
_MEASURED = ("read by id", "patient search of 20")
# Turn by turn, since machines are faster at one moment than at another.
_TURNS = 3
_WORKER = "Practitioner/bench-worker"
_USERNAME = "bench-worker"
_SCOPE = "user/*.rs"


def measure(dsn: str, client: Client, run: Callable[[Client, Work], HttpRow]) -> list[Fact]:
    """The throughput of a worker in percent of that of a system client, for each of the measured kinds of request."""
    token = asyncio.run(_worker_token(dsn, client))
    worker = Client(client.port, token, client.share, client.base_path)
    facts = []
    for work in (one for one in WORK if one.name in _MEASURED):
        by_system, by_worker = [], []
        for _ in range(_TURNS):
            by_system.append(run(client, work).per_second)
            by_worker.append(run(worker, work).per_second)
        percent = 100 * mean(by_worker) / mean(by_system)
        name = f"{work.name} by a worker of {CASELOAD:,} clients, of that by a system"
        facts.append(Fact(name, percent, "%", AUTHORIZATION_BAR, at_least=True))
    return facts


async def _worker_token(dsn: str, client: Client) -> str:
    """The token of a person who is responsible for all patients of the tenant, and for others up to a thousand."""
    connection = await asyncpg.connect(dsn)
    row = await tenants.find(connection, client.share.tenant)
    assert row is not None
    now = datetime.now(UTC)
    hasher = TokenHasher(row.token_key)
    await people.put_role(connection, row.tenant, "bench", _SCOPE, "caseload", now)
    await connection.execute(
        """
        INSERT INTO account (tenant, username, subject, fhir_user, also, roles, teams, created_at, changed_at)
        VALUES ($1, $2, $2, $3, '{}', '{bench}', '{}', $4, $4) ON CONFLICT DO NOTHING
        """,
        row.tenant,
        _USERNAME,
        _WORKER,
        now,
    )
    person, source = hasher.resource("Practitioner", "bench-worker"), hasher.resource("CareTeam", "bench-team")
    patients = [f"volume-patient-{number:07d}" for number in range(max(CASELOAD, client.share.patients))]
    found = [Relation(person, hasher.resource("Patient", id), source, BEGINNING, FOREVER) for id in patients]
    await relations.put(connection, row.tenant, [source], found)
    await connection.execute("ANALYZE relation")
    await connection.close()
    return await minted(dsn, client.share.tenant, _SCOPE, timedelta(hours=6), username=_USERNAME)
