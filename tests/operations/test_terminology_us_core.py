"""The operations of terminology over loaded packages: every value set of US Core is expanded or refused by name."""

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from bhr_api.app import Application
from bhr_api.fhir.packages import Package, read_package
from bhr_api.settings import Settings
from bhr_api.store import packages
from bhr_api.store.migrations import migrate
from tests.fixtures.database import TestServer, on_database
from tests.fixtures.server import RunningServer, serve
from tests.operations.records import put
from tests.operations.terminologies import answer_of, codes_of, refusal_of, value_set, values_of

PACKAGES = Path(__file__).parents[2] / "../shared/fhir/us-core"
VERSIONS = ("6.1.0", "7.0.0", "8.0.0")
US_CORE = "http://hl7.org/fhir/us/core/ValueSet/"
CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"


@pytest.fixture(scope="module")
def guides() -> list[Package]:
    """US Core's three versions."""
    if not PACKAGES.is_dir():
        pytest.skip("the folder of shared packages is absent")
    guides = []
    for version in VERSIONS:
        with (PACKAGES / f"hl7.fhir.us.core-{version}.tgz").open("rb") as archive:
            guides.append(read_package(archive))
    return guides


@pytest.fixture(scope="module")
def record(postgresql: TestServer, guides: list[Package]) -> Iterator[httpx.Client]:
    """A server of this file's own, since packages are of the whole server."""
    dsn = postgresql.new_database()
    asyncio.run(migrate(dsn))
    on_database(dsn, lambda connection: _load(connection, guides))
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    settings = Settings(_env_file=None, port=port, database_url=SecretStr(dsn), log_format="console")
    running, thread = serve(Application(settings, dsn), listener)
    server = RunningServer(settings.issuer, dsn)
    with server.client(server.token(server.new_tenant())) as http:
        yield http
    running.should_exit = True
    thread.join(timeout=30)
    listener.close()
    postgresql.drop(dsn)


async def _load(connection: asyncpg.Connection, guides: list[Package]) -> None:
    for guide in guides:
        await packages.add(connection, guide, datetime.now(UTC))


def value_sets(guide: Package) -> list[str]:
    """The canonicals of a guide's value sets, with their versions."""
    return [f"{one.url}|{one.version}" for one in guide.definitions if one.resource_type == "ValueSet"]


def test_every_value_set_is_expanded_or_refused_by_what_is_missing(record: httpx.Client, guides: list[Package]) -> None:
    found: Counter[int] = Counter()
    for canonical in [one for guide in guides for one in value_sets(guide)]:
        answer = record.get("/ValueSet/$expand", params={"url": canonical, "includeDesignations": "true"})
        found[answer.status_code] += 1
        if answer.status_code == 200:
            expansion = answer_of(answer)["expansion"]
            assert expansion["total"] == len(expansion["contains"])
            assert f"{answer.json()['url']}|{answer.json()['version']}" == canonical
        else:
            status, code, sentence = refusal_of(answer)
            assert (status, code) == (422, "not-supported"), canonical
            assert "http" in sentence or "urn:" in sentence
    # The others rest on LOINC, SNOMED CT, CPT, NUBC, language codes or VSAC, which no package here holds.
    assert found == {200: 40, 422: 46}


def test_the_newest_version_answers_unless_another_is_named(record: httpx.Client) -> None:
    url = f"{US_CORE}us-core-problem-or-health-concern"
    newest = answer_of(record.get("/ValueSet/$expand", params={"url": url}))
    older = answer_of(record.get("/ValueSet/$expand", params={"url": url, "valueSetVersion": "6.1.0"}))
    assert (newest["version"], older["version"]) == ("8.0.0", "6.1.0")


@pytest.mark.parametrize(("code", "result"), [("problem-list-item", True), ("encounter-diagnosis", False)])
def test_a_code_is_checked_against_a_value_set_of_a_package(record: httpx.Client, code: str, result: bool) -> None:
    query = {"url": f"{US_CORE}us-core-problem-or-health-concern", "system": CATEGORY, "code": code}
    assert values_of(record.get("/ValueSet/$validate-code", params=query))["result"] is result


def test_a_stored_value_set_may_rest_on_one_of_a_package(record: httpx.Client) -> None:
    put(record, value_set({"valueSet": [f"{US_CORE}us-core-problem-or-health-concern"]}))
    assert codes_of(record.get("/ValueSet/moods/$expand")) == ["problem-list-item", "health-concern"]
