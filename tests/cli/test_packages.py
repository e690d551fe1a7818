"""packages add, list and remove."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bhr_api.cli.databases import prepare
from bhr_api.store.embedded import EmbeddedPostgreSQL
from tests.cli.conftest import CommandLine
from tests.fhir.package_archives import CORE, URL, archive, definition, manifest, profile
from tests.fixtures.database import TestServer, on_database

US_CORE = Path(__file__).parents[2] / "../shared/fhir/us-core"


@pytest.fixture(scope="module")
def own_dsn(postgresql: TestServer) -> Iterator[str]:
    """A database of this file's own, since packages are of the whole server."""
    dsn = postgresql.new_database()
    asyncio.run(prepare(dsn))
    yield dsn
    postgresql.drop(dsn)


@pytest.fixture
def bhr_api(own_dsn: str) -> CommandLine:
    """The command line on that database, in which no package is loaded."""
    on_database(own_dsn, lambda connection: connection.execute("TRUNCATE package, package_resource, audit_event"))
    return CommandLine(("--database-url", own_dsn))


def file(name: str = "example.guide", version: str = "1.0.0", *definitions: Any, **changes: Any) -> str:
    """The path of a package with that manifest and these definitions, or one."""
    path = Path(f"{name}-{version}-{len(list(Path.cwd().iterdir()))}.tgz").resolve()
    path.write_bytes(archive(manifest(name, version, **changes), *(definitions or [profile("patient", version)])))
    return str(path)


def labels(bhr_api: CommandLine) -> list[str]:
    return [f"{row['name']}@{row['version']}" for row in bhr_api.lines("packages", "list")]


def test_an_added_package_is_listed(bhr_api: CommandLine) -> None:
    (added,) = bhr_api.lines("packages", "add", file("a.guide", "1.0.0", profile("p"), definition("ValueSet", "v")))
    listed = {"name": "a.guide", "version": "1.0.0", "title": "Guide a.guide", "definitions": 2, "missing": []}
    assert added == listed | {"added": True}
    assert bhr_api.lines("packages", "list") == [listed]


def test_several_versions_of_a_guide_are_loaded(bhr_api: CommandLine) -> None:
    bhr_api.output("packages", "add", file("a.guide", "10.0.0"), file("a.guide", "9.0.0"))
    bhr_api.output("packages", "add", file("a.guide", "9.1.0"))
    assert labels(bhr_api) == ["a.guide@9.0.0", "a.guide@9.1.0", "a.guide@10.0.0"]


def test_what_is_there_already_is_said_and_left(bhr_api: CommandLine) -> None:
    path = file("a.guide")
    bhr_api.output("packages", "add", path)
    outcome = bhr_api.run("packages", "add", path, file("b.guide"))
    assert outcome.exit_code == 0
    assert [json.loads(line)["added"] for line in outcome.stdout.splitlines()] == [False, True]
    assert "a.guide@1.0.0 is there already." in outcome.stderr


def test_one_version_is_never_two_things(bhr_api: CommandLine) -> None:
    bhr_api.output("packages", "add", file("a.guide"))
    other = file("a.guide", "1.0.0", profile("another"))
    assert bhr_api.refusal("packages", "add", file("b.guide"), other) == (
        "a.guide@1.0.0 is loaded with other contents, and one version is never two things. If this archive is the right "
        "one, `bhr-api packages remove a.guide@1.0.0` and add it again."
    )
    assert labels(bhr_api) == ["a.guide@1.0.0"]
    assert "was given twice, with different contents" in bhr_api.refusal("packages", "add", file("a.guide"), other)


def test_a_missing_dependency_is_named(bhr_api: CommandLine) -> None:
    needing = file("a.guide", dependencies=CORE | {"hl7.terminology.r4": "5.5.0"})
    outcome = bhr_api.run("packages", "add", needing)
    assert json.loads(outcome.stdout)["missing"] == ["hl7.terminology.r4@5.5.0"]
    assert (
        "a.guide@1.0.0 needs hl7.terminology.r4 5.5.0: not loaded; what refers to it cannot be expanded."
        in outcome.stderr
    )


def test_another_version_of_a_dependency_is_told_of(bhr_api: CommandLine) -> None:
    needing = file("a.guide", dependencies={"b.guide": "5.5.0"})
    outcome = bhr_api.run("packages", "add", needing, file("b.guide", "6.4.0"))
    assert (
        "needs b.guide 5.5.0: not loaded; 6.4.0 is, and serves where no version is named; what refers" in outcome.stderr
    )


@pytest.mark.parametrize("order", [1, -1], ids=["needing-first", "needed-first"])
def test_a_dependency_may_be_given_in_the_same_call(bhr_api: CommandLine, order: int) -> None:
    files = [file("a.guide", dependencies={"b.guide": "5.5.x"}), file("b.guide", "5.5.1")]
    outcome = bhr_api.run("packages", "add", *files[::order])
    assert [json.loads(line)["missing"] for line in outcome.stdout.splitlines()] == [[], []]
    assert "not loaded" not in outcome.stderr


def test_r4_itself_is_built_in(bhr_api: CommandLine) -> None:
    outcome = bhr_api.run("packages", "add", file("hl7.fhir.r4.core", "4.0.1"), file("a.guide"))
    assert "hl7.fhir.r4.core@4.0.1 is built in." in outcome.stderr
    assert labels(bhr_api) == ["a.guide@1.0.0"]


def test_one_bad_package_keeps_all_of_them_out(bhr_api: CommandLine) -> None:
    wrong = file("b.guide", fhirVersions=["5.0.0"])
    refusal = bhr_api.refusal("packages", "add", file("a.guide"), wrong)
    assert refusal == f"{wrong}: it is for FHIR 5.0.0; this server is FHIR 4.0.1 (R4)."
    assert labels(bhr_api) == []


def test_a_file_that_is_not_there_is_refused(bhr_api: CommandLine, tmp_path: Path) -> None:
    assert bhr_api.refusal("packages", "add", "none.tgz") == "none.tgz is no file."
    assert bhr_api.refusal("packages", "add", str(tmp_path)) == f"{tmp_path} is no file."


def test_a_removed_package_is_gone_with_all_that_it_brought(bhr_api: CommandLine, own_dsn: str) -> None:
    bhr_api.output("packages", "add", file("a.guide"), file("a.guide", "2.0.0"))
    bhr_api.output("packages", "remove", "a.guide@1.0.0")
    assert labels(bhr_api) == ["a.guide@2.0.0"]
    left = on_database(own_dsn, lambda connection: connection.fetch("SELECT url, version FROM package_resource"))
    assert [tuple(row) for row in left] == [(f"{URL}/StructureDefinition/patient", "2.0.0")]


@pytest.mark.parametrize("label", ["a.guide@2.0.0", "b.guide@1.0.0", "a.guide"])
def test_only_what_is_loaded_is_removed(bhr_api: CommandLine, label: str) -> None:
    bhr_api.output("packages", "add", file("a.guide"))
    refusal = bhr_api.refusal("packages", "remove", label)
    assert refusal == "No such package is loaded; those that are: a.guide@1.0.0."


def test_removing_what_another_needs_says_so(bhr_api: CommandLine) -> None:
    bhr_api.output("packages", "add", file("a.guide", dependencies={"b.guide": "1.0.0"}), file("b.guide"))
    assert "a.guide@1.0.0 needs b.guide 1.0.0: not loaded" in bhr_api.run("packages", "remove", "b.guide@1.0.0").stderr


def test_adding_and_removing_is_in_the_trail_of_every_tenant(bhr_api: CommandLine, own_dsn: str) -> None:
    name = f"t-{len(bhr_api.lines('tenants', 'list'))}"
    bhr_api.output("tenants", "add", name)
    tenants = [row["tenant"] for row in bhr_api.lines("tenants", "list")]
    bhr_api.output("packages", "add", file("a.guide"))
    bhr_api.output("packages", "add", file("a.guide", "2.0.0"))
    bhr_api.output("packages", "remove", "a.guide@1.0.0")
    sql = (
        "SELECT tenant, interaction, query FROM audit_event WHERE interaction LIKE 'package-%' ORDER BY 1, recorded, 3"
    )
    rows = [tuple(row) for row in on_database(own_dsn, lambda connection: connection.fetch(sql))]
    acts = [("add", "1.0.0"), ("add", "2.0.0"), ("remove", "1.0.0")]
    assert rows == [
        (tenant, f"package-{act}", f"package=a.guide@{version}") for tenant in tenants for act, version in acts
    ]


def test_the_us_core_packages_are_loaded_together(bhr_api: CommandLine) -> None:
    files = sorted(map(str, US_CORE.glob("*.tgz")))
    if not files:
        pytest.skip("the US Core packages are not at hand")
    rows = bhr_api.lines("packages", "add", *reversed(files))
    assert [(row["version"], row["definitions"]) for row in rows] == [("6.1.0", 210), ("7.0.0", 211), ("8.0.0", 205)]


def test_a_backup_holds_the_packages(tmp_path: Path) -> None:
    directories = tmp_path / "data", tmp_path / "restored"
    first, restored = (CommandLine(("--data-dir", str(directory))) for directory in directories)
    try:
        first.output("migrate")
        first.output("packages", "add", file("a.guide"))
        first.output("backup", str(tmp_path / "monday"))
        restored.output("restore", str(tmp_path / "monday"))
        assert labels(restored) == ["a.guide@1.0.0"]
        assert "PROBLEM" not in restored.output("check")
    finally:
        for directory in directories:
            EmbeddedPostgreSQL(directory).erase()
