"""packages add: search parameters of a package are indexed in every tenant (docs/packages.md)."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bhr_api.cli.databases import prepare
from bhr_api.errors import UnsupportedParameterError
from bhr_api.fhir import json_text
from bhr_api.interactions.context import Context
from bhr_api.interactions.parameter_keeping import ParameterKeeper
from bhr_api.interactions.requests import parse_request
from bhr_api.interactions.search import search
from bhr_api.store.database import Database
from tests.cli.conftest import CommandLine
from tests.fhir.package_archives import archive, manifest
from tests.fixtures.database import TestServer, on_database
from tests.fixtures.record import Record, open_record
from tests.interactions.added_parameters import Resource, search_parameter

US_CORE = Path(__file__).parents[2] / "../shared/fhir/us-core/hl7.fhir.us.core-7.0.0.tgz"
BASE_URL = "http://here.example/fhir"
COLOUR = search_parameter("colour", "Basic", "token", "Basic.code.text", id="colour", version="1.0.0")
GENDER = search_parameter("gender", "Patient", "token", "Patient.gender", id="gender", version="1.0.0")
NONSENSE = {"resourceType": "SearchParameter", "id": "n", "url": "http://example.org/n", "status": "active", "base": 3}
UNSERVED = search_parameter("y", "Basic", "special", "Basic.code", id="y")
BASICS: list[Resource] = [{"resourceType": "Basic", "id": c, "code": {"text": c}} for c in ("red", "blue")]


@pytest.fixture
def dsn(postgresql: TestServer) -> Iterator[str]:
    """A database of the test's own, since packages are of the whole server."""
    found = postgresql.new_database()
    asyncio.run(prepare(found))
    yield found
    postgresql.drop(found)


@pytest.fixture
def record(dsn: str) -> Iterator[Record]:
    with open_record(dsn, BASE_URL) as opened:
        yield opened


@pytest.fixture
def bhr_api(dsn: str) -> CommandLine:
    return CommandLine(("--database-url", dsn))


def package(*parameters: Resource) -> str:
    path = Path("guide.tgz").resolve()
    path.write_bytes(archive(manifest("a.guide"), *parameters))
    return str(path)


def colours(record: Record, context: Context, colour: str) -> list[str]:
    async def ids() -> list[str]:
        await context.words.refresh(0.0)
        result = await search(context, parse_request("GET", "Basic", f"colour={colour}"))
        assert result.body is not None
        return [entry["resource"]["id"] for entry in json_text.parse(result.body).get("entry", ())]

    return record.run(ids())


def test_parameters_of_a_package_answer_in_every_tenant(record: Record, bhr_api: CommandLine) -> None:
    tenants = [record.new_tenant() for _ in range(3)]
    for context in tenants:
        record.store(context, BASICS)
    bhr_api.output("packages", "add", package(COLOUR, GENDER, NONSENSE, UNSERVED))
    for context in tenants:
        assert colours(record, context, "red") == ["red"]
        assert set(context.words.served.indexed.of("Basic")) - set(context.words.served.of("Basic")) == set()
    rows = record.fetch("SELECT code, state, origin FROM added_parameter WHERE tenant = $1", [tenants[0].tenant])
    assert [tuple(row) for row in rows] == [("colour", "complete", "")]


def test_a_removed_packages_parameters_are_unknown(record: Record, bhr_api: CommandLine) -> None:
    context = record.new_tenant()
    record.store(context, BASICS)
    bhr_api.output("packages", "add", package(COLOUR))
    assert colours(record, context, "red") == ["red"]
    bhr_api.output("packages", "remove", "a.guide@1.0.0")
    with pytest.raises(UnsupportedParameterError):
        colours(record, context, "red")
    assert not record.fetch("SELECT 1 FROM added_parameter WHERE tenant = $1", [context.tenant])


def test_a_tenants_own_definition_stands_before_a_packages(record: Record, bhr_api: CommandLine) -> None:
    context = record.new_tenant()
    record.store(context, [*BASICS, COLOUR | {"expression": "Basic.id", "id": "own"}])
    bhr_api.output("packages", "add", package(COLOUR | {"expression": "Basic.code.coding.code"}))
    assert colours(record, context, "blue") == ["blue"]


def test_reindex_builds_what_is_unfinished(record: Record, bhr_api: CommandLine) -> None:
    context = record.new_tenant()
    record.store(context, [*BASICS, COLOUR])
    bhr_api.output("reindex", "--tenant", context.words.name)
    assert colours(record, context, "red") == ["red"]


def test_a_later_tenant_gets_them_from_a_running_server(record: Record, bhr_api: CommandLine) -> None:
    bhr_api.output("packages", "add", package(COLOUR))
    context = record.new_tenant()

    async def context_of(_database: Database, tenant: int) -> Context:
        return record.context(tenant) if tenant != context.tenant else context

    record.run(ParameterKeeper(record.database, context_of).look())
    (row,) = record.fetch("SELECT code, state FROM added_parameter WHERE tenant = $1", [context.tenant])
    assert tuple(row) == ("colour", "building")
    assert record.fetch("SELECT 1 FROM job WHERE tenant = $1 AND kind = 'index-search-parameters'", [context.tenant])


@pytest.mark.skipif(not US_CORE.exists(), reason="needs the US Core packages of the shared folder")
def test_us_core_adds_what_r4_and_the_project_lack(dsn: str, bhr_api: CommandLine) -> None:
    bhr_api.output("packages", "add", str(US_CORE))
    found = on_database(dsn, lambda connection: connection.fetch("SELECT code, state FROM added_parameter"))
    assert [tuple(row) for row in found] == [("gender-identity", "complete")]
