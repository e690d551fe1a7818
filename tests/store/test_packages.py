"""Packages in the database, and what a worker finds of them by canonical."""

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg
import pytest

from bhr_api.errors import OverloadedError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.packages import Package, read_package
from bhr_api.fhir.terminology.library import TerminologySource
from bhr_api.interactions.definitions import Definitions, DefinitionsRegistry
from bhr_api.store import packages
from bhr_api.store.database import Database
from bhr_api.store.migrations import migrate
from tests.fhir.package_archives import URL, archive, definition, manifest, profile
from tests.fixtures.database import TestServer, on_database

Answer = TypeVar("Answer")
NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
NEVER = 3600.0
PATIENT = f"{URL}/StructureDefinition/patient"


@pytest.fixture(scope="module")
def migrated_dsn(postgresql: TestServer) -> Iterator[str]:
    """A database of this file's own, since packages are of the whole server."""
    dsn = postgresql.new_database()
    asyncio.run(migrate(dsn))
    yield dsn
    postgresql.drop(dsn)


@pytest.fixture
def dsn(migrated_dsn: str) -> str:
    """The same without any package."""
    on_database(migrated_dsn, lambda connection: connection.execute("TRUNCATE package, package_resource"))
    return migrated_dsn


def guide(name: str, version: str, *definitions: Resource, **changes: Any) -> Package:
    """A package that was read."""
    return read_package(io.BytesIO(archive(manifest(name, version, **changes), *definitions)))


def add(dsn: str, *given: Package) -> None:
    async def work(connection: asyncpg.Connection) -> None:
        for package in given:
            await packages.add(connection, package, NOW)

    on_database(dsn, work)


def remove(dsn: str, name: str, version: str) -> bool:
    return on_database(dsn, lambda connection: packages.remove(connection, name, version))


def found(dsn: str, *canonicals: str) -> list[list[tuple[str, str]]]:
    """Package version and business version of what each of `canonicals` names."""
    keys = on_database(dsn, lambda connection: packages.find(connection, canonicals))
    return [[(key.package_version, key.version) for key in each] for each in keys]


def generation(dsn: str) -> str:
    return on_database(dsn, packages.generation)


def test_a_stored_package_is_listed_as_it_was_read(dsn: str) -> None:
    package = guide("a", "1.0.0", profile("patient"), profile("other"), dependencies={"@scope/b": "2.0.0"})
    add(dsn, package)
    (row,) = on_database(dsn, packages.all_packages)
    assert row == ("a", "1.0.0", "Guide a", [("@scope/b", "2.0.0")], package.digest, NOW, 2)


def test_packages_are_listed_by_name_and_in_the_order_of_versions(dsn: str) -> None:
    add(dsn, *(guide(name, version) for name, version in [("b", "1.0.0"), ("a", "10.0.0"), ("a", "9.0.0")]))
    rows = on_database(dsn, packages.all_packages)
    assert [(row.name, row.version) for row in rows] == [("a", "9.0.0"), ("a", "10.0.0"), ("b", "1.0.0")]


def test_a_canonical_with_a_version_is_that_version(dsn: str) -> None:
    add(dsn, guide("a", "1", profile("patient", "1.0.0")), guide("a", "2", profile("patient", "2.0.0")))
    assert found(dsn, f"{PATIENT}|1.0.0", f"{PATIENT}|2.0.0") == [[("1", "1.0.0")], [("2", "2.0.0")]]


@pytest.mark.parametrize(
    "canonical", [f"{PATIENT}|3.0.0", f"{PATIENT}|1.0", f"{URL}/none", "#patient", "", f"{PATIENT}/"]
)
def test_what_is_not_loaded_is_not_found(dsn: str, canonical: str) -> None:
    add(dsn, guide("a", "1", profile("patient", "1.0.0")))
    assert found(dsn, canonical) == [[]]


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        pytest.param(["9.0.0", "10.0.0"], "10.0.0", id="not-the-order-of-text"),
        pytest.param(["2.0.0", "2.0.0-ballot"], "2.0.0", id="a-release-after-its-pre-release"),
        pytest.param(["1.0.0", "2.0.0-ballot"], "2.0.0-ballot", id="a-pre-release-after-the-one-before"),
        pytest.param(["", "0.1"], "0.1", id="some-version-after-none"),
    ],
)
def test_a_canonical_without_a_version_is_the_newest(dsn: str, versions: list[str], newest: str) -> None:
    add(dsn, *(guide("a", str(n), profile("patient", version)) for n, version in enumerate(versions)))
    assert [version for ((_, version),) in found(dsn, PATIENT)] == [newest]


def test_of_the_same_version_the_newer_package_s_is_taken(dsn: str) -> None:
    add(dsn, *(guide("a", version, profile("patient", "1.0.0")) for version in ("9.0.0", "10.0.0")))
    assert found(dsn, PATIENT, f"{PATIENT}|1.0.0") == [[("10.0.0", "1.0.0")]] * 2


def test_one_url_may_be_of_two_types(dsn: str) -> None:
    same = f"{URL}/colours"
    add(dsn, guide("a", "1", definition("ValueSet", "c", url=same), definition("CodeSystem", "c", url=same)))
    keys = on_database(dsn, lambda connection: packages.find(connection, [same]))
    assert [key.resource_type for key in keys[0]] == ["CodeSystem", "ValueSet"]


def test_a_body_comes_back_as_it_was_read(dsn: str) -> None:
    package = guide("a", "1", profile("patient"), definition("ValueSet", "v"))
    add(dsn, package)

    async def work(connection: asyncpg.Connection) -> list[bytes]:
        keys = [
            key for each in await packages.find(connection, [each.url for each in package.definitions]) for key in each
        ]
        bodies = await packages.bodies(connection, keys)
        return [bodies[key] for key in keys]

    assert on_database(dsn, work) == [each.body for each in package.definitions]


def test_removing_takes_one_version_of_a_package_away(dsn: str) -> None:
    add(dsn, guide("a", "1", profile("patient", "1.0.0")), guide("a", "2", profile("patient", "2.0.0")))
    assert remove(dsn, "a", "2")
    assert found(dsn, PATIENT, f"{PATIENT}|2.0.0") == [[("1", "1.0.0")], []]
    assert not remove(dsn, "a", "2")


def test_the_generation_is_another_after_each_change_and_the_same_for_the_same_packages(dsn: str) -> None:
    words = [generation(dsn)]
    add(dsn, guide("a", "1", profile("patient")))
    words.append(generation(dsn))
    add(dsn, guide("a", "2", profile("patient")))
    words.append(generation(dsn))
    assert len(set(words)) == 3
    remove(dsn, "a", "2")
    assert generation(dsn) == words[1]
    remove(dsn, "a", "1")
    add(dsn, guide("a", "1", profile("patient", title="other content")))
    assert generation(dsn) not in words


def test_who_loads_waits_for_whoever_loads_now(dsn: str) -> None:
    async def work(connection: asyncpg.Connection) -> list[str]:
        told: list[str] = []

        async def second(other: asyncpg.Connection) -> None:
            async with other.transaction():
                await packages.lock(other)
                told.append(await packages.generation(other))

        other = await asyncpg.connect(dsn)
        async with connection.transaction():
            await packages.lock(connection)
            waiting = asyncio.create_task(second(other))
            await asyncio.wait([waiting], timeout=0.2)
            assert not told
            await packages.add(connection, guide("a", "1", profile("patient")), NOW)
        await waiting
        await other.close()
        return told

    assert on_database(dsn, work) == [generation(dsn)]


# What a worker has at hand


def in_worker(
    dsn: str,
    work: Callable[[DefinitionsRegistry], Awaitable[Answer]],
    *,
    refresh_seconds: float = NEVER,
    **settings: int,
) -> Answer:
    """What `work` answers of a registry on the database."""

    async def run() -> Answer:
        database = await Database.open(dsn, pool_size=1, wait_seconds=0.2)
        try:
            return await work(DefinitionsRegistry(database, refresh_seconds=refresh_seconds, **settings))
        finally:
            await database.close()

    return asyncio.run(run())


def mentions(resource: Resource) -> frozenset[str]:
    return frozenset(resource.get("mentions", ()))


def nothing(_resource: Resource) -> frozenset[str]:
    return frozenset()


def linked(name: str, *mentioned: str, version: str = "1.0.0") -> Resource:
    """A profile that mentions others of these names."""
    return profile(name, version, mentions=[f"{URL}/StructureDefinition/{each}" for each in mentioned])


def loaded_names(definitions: Definitions, *names: str) -> list[bool]:
    return [definitions.structure(f"{URL}/StructureDefinition/{name}") is not None for name in names]


def test_what_is_mentioned_is_loaded_through_every_step_and_circle(dsn: str) -> None:
    add(dsn, guide("a", "1", linked("a", "b", "none"), linked("b", "c"), linked("c", "a"), linked("apart")))
    definitions = in_worker(dsn, lambda registry: registry.load([f"{URL}/StructureDefinition/a"], mentions))
    assert loaded_names(definitions, "a", "b", "c", "none", "apart") == [True, True, True, False, False]


def test_each_kind_is_found_by_its_own_question(dsn: str) -> None:
    given = [profile("p"), definition("ValueSet", "v"), definition("CodeSystem", "c")]
    add(dsn, guide("a", "1", *given))
    urls = [each["url"] for each in given]
    found = in_worker(dsn, lambda registry: registry.load([f"{url}|1.0.0" for url in urls], nothing))
    # What terminology asks is answered by this, as mypy sees.
    source: TerminologySource = found
    for ask, own in zip((found.structure, source.value_set, source.code_system), given, strict=True):
        assert [ask(f"{url}|1.0.0") for url in urls] == [own if url == own["url"] else None for url in urls]


def test_versions_of_one_url_are_loaded_beside_one_another(dsn: str) -> None:
    add(dsn, guide("a", "1", profile("patient", "1.0.0")), guide("a", "2", profile("patient", "2.0.0")))
    names = [PATIENT, f"{PATIENT}|1.0.0", f"{PATIENT}|2.0.0"]
    definitions = in_worker(dsn, lambda registry: registry.load(names, nothing))
    assert [(definitions.structure(name) or {}).get("version") for name in names] == ["2.0.0", "1.0.0", "2.0.0"]


def test_digits_are_kept_and_the_narrative_is_not(dsn: str) -> None:
    add(dsn, guide("a", "1", profile("patient", text={"status": "generated", "div": "<div>long</div>"}, weight=1.5)))
    structure = in_worker(dsn, lambda registry: registry.load([PATIENT], nothing)).structure(PATIENT)
    assert structure is not None
    assert "text" not in structure
    assert json_text.dumps(structure["weight"]) == b"1.5"


def test_the_newest_search_parameters_are_all_there_unasked(dsn: str) -> None:
    older, newer = (definition("SearchParameter", "race", version) for version in ("9.0.0", "10.0.0"))
    add(dsn, guide("a", "9", older, definition("SearchParameter", "age")), guide("a", "10", newer))
    definitions = in_worker(dsn, lambda registry: registry.load([], nothing))
    assert [(each["id"], each["version"]) for each in definitions.search_parameters()] == [
        ("age", "1.0.0"),
        ("race", "10.0.0"),
    ]


def test_the_supported_profiles_of_a_type_are_those_loaded_in_every_version(dsn: str) -> None:
    extension = profile("e", kind="complex-type", of="Extension")
    add(dsn, guide("a", "9", profile("patient", "9.0.0"), profile("goal", of="Goal"), extension))
    add(dsn, guide("a", "10", profile("patient", "10.0.0"), profile("patient-unversioned", None)))

    async def ask(registry: DefinitionsRegistry) -> list[tuple[str, ...]]:
        return [await registry.supported_profiles(name) for name in ("Patient", "Goal", "Extension", "Task")]

    assert in_worker(dsn, ask) == [
        (f"{PATIENT}|9.0.0", f"{PATIENT}|10.0.0", f"{PATIENT}-unversioned"),
        (f"{URL}/StructureDefinition/goal|1.0.0",),
        (),
        (),
    ]


async def count_connections(registry: DefinitionsRegistry, work: Callable[[], Awaitable[object]]) -> int:
    """How often a connection is acquired during `work`."""
    acquire, count = registry._database.acquire, 0

    def counted() -> Any:
        nonlocal count
        count += 1
        return acquire()

    registry._database.acquire = counted  # type: ignore[method-assign]
    await work()
    return count


def test_what_was_loaded_before_needs_no_database(dsn: str) -> None:
    add(dsn, guide("a", "1", linked("a", "b"), linked("b")))

    async def work(registry: DefinitionsRegistry) -> int:
        async def ask() -> Definitions:
            return await registry.load([f"{URL}/StructureDefinition/a", f"{URL}/none"], mentions)

        await ask()
        return await count_connections(registry, ask)

    assert in_worker(dsn, work) == 0


def test_many_requests_at_once_read_a_definition_once(dsn: str) -> None:
    add(dsn, guide("a", "1", profile("patient")))

    async def work(registry: DefinitionsRegistry) -> int:
        await registry.load([], nothing)

        async def ask() -> None:
            answers = await asyncio.gather(*(registry.load([PATIENT], nothing) for _ in range(20)))
            assert all(answer.structure(PATIENT) for answer in answers)

        return await count_connections(registry, ask)

    assert in_worker(dsn, work) == 1


def test_a_cache_that_holds_nothing_loses_nothing(dsn: str) -> None:
    names = [f"p{n}" for n in range(20)]
    add(dsn, guide("a", "1", linked("all", *names), *(linked(name) for name in names)))

    async def work(registry: DefinitionsRegistry) -> list[Definitions]:
        loads = (registry.load([f"{URL}/StructureDefinition/all"], mentions) for _ in range(5))
        return list(await asyncio.gather(*loads))

    for cache_bytes in (0, 1_000, 3_000):
        for definitions in in_worker(dsn, work, cache_bytes=cache_bytes):
            assert loaded_names(definitions, *names) == [True] * 20


def test_two_ways_to_mention_do_not_mix(dsn: str) -> None:
    add(dsn, guide("a", "1", linked("a", "b"), linked("b")))

    async def work(registry: DefinitionsRegistry) -> list[bool]:
        ways = (mentions, nothing, mentions, nothing)
        answers = await asyncio.gather(*(registry.load([f"{URL}/StructureDefinition/a"], way) for way in ways))
        return [loaded_names(answer, "b") == [True] for answer in answers]

    assert in_worker(dsn, work) == [True, False, True, False]


@pytest.mark.parametrize(
    ("refresh_seconds", "newest"),
    [pytest.param(0.0, "2.0.0", id="after-the-refresh-time"), pytest.param(NEVER, "1.0.0", id="not-before")],
)
def test_a_change_is_noticed(dsn: str, refresh_seconds: float, newest: str) -> None:
    add(dsn, guide("a", "1", profile("patient", "1.0.0")))

    async def ask(registry: DefinitionsRegistry) -> tuple[Any, str]:
        definitions = await registry.load([PATIENT], nothing)
        profiles = await registry.supported_profiles("Patient")
        return (definitions.structure(PATIENT) or {}).get("version"), profiles[-1].partition("|")[2]

    async def work(registry: DefinitionsRegistry) -> list[tuple[Any, str]]:
        before = await ask(registry)
        async with registry._database.acquire() as connection:
            await packages.add(connection, guide("a", "2", profile("patient", "2.0.0")), NOW)
        return [before, await ask(registry)]

    assert in_worker(dsn, work, refresh_seconds=refresh_seconds) == [("1.0.0", "1.0.0"), (newest, newest)]


def test_a_snapshot_stays_as_it_was_when_its_package_goes(dsn: str) -> None:
    add(dsn, guide("a", "1", profile("patient", "1.0.0")))

    async def work(registry: DefinitionsRegistry) -> None:
        before = await registry.load([PATIENT], nothing)
        async with registry._database.acquire() as connection:
            await packages.remove(connection, "a", "1")
        after = await registry.load([PATIENT], nothing)
        assert before.structure(PATIENT) is not None
        assert after.structure(PATIENT) is None
        assert before.generation != after.generation == await registry.generation()

    in_worker(dsn, work, refresh_seconds=0)


def test_a_busy_database_leaves_a_worker_with_what_it_knows(dsn: str) -> None:
    add(dsn, guide("a", "1", profile("patient")))

    async def work(registry: DefinitionsRegistry) -> None:
        await registry.load([PATIENT], nothing)
        async with registry._database.acquire():
            assert (await registry.load([PATIENT], nothing)).structure(PATIENT) is not None
            with pytest.raises(OverloadedError):
                await registry.load([f"{PATIENT}|1.0.0"], nothing)
        assert (await registry.load([f"{PATIENT}|1.0.0"], nothing)).structure(f"{PATIENT}|1.0.0") is not None

    in_worker(dsn, work, refresh_seconds=0)
