"""migrate, check, reindex, backup and restore."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bhr_api.store.embedded import EmbeddedPostgreSQL
from tests.cli.conftest import CommandLine
from tests.fixtures.database import on_database


def test_migrate_makes_a_database_that_check_finds_right(new_database: str) -> None:
    bhr_api = CommandLine(("--database-url", new_database))
    bhr_api.output("migrate")
    bhr_api.output("migrate")
    lines = bhr_api.output("check").splitlines()
    assert len(lines) == 7
    assert all(line.startswith("ok ") for line in lines)
    assert [row["name"] for row in bhr_api.lines("tenants", "list")] == ["default"]


def test_check_tells_each_problem_and_fails(new_database: str) -> None:
    bhr_api = CommandLine(("--database-url", new_database))
    name = new_database.rpartition("?")[0].rpartition("/")[2] or new_database.rpartition("/")[2]
    on_database(new_database, lambda connection: connection.execute(f"ALTER DATABASE {name} SET jit = on"))
    outcome = bhr_api.run("check")
    assert outcome.exit_code == 1
    assert "PROBLEM  Schema" in outcome.stdout
    assert "run `bhr-api migrate`" in outcome.stdout
    assert outcome.stderr == "bhr-api: 1 of 5 are not right: Schema.\n"


def test_check_finds_a_misspelt_setting(bhr_api: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BHR_WORKRES", "4")
    assert "PROBLEM  Settings    BHR_WORKRES: there is no such setting" in bhr_api.run("check").stdout


def test_check_finds_a_misspelt_setting_of_the_file(bhr_api: CommandLine, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BHR_WORKERS=2\nBHR_BODYLIMIT=5\nexport BHR_PROT=8000\nOTHER=1\n")
    assert "PROBLEM  Settings    BHR_BODYLIMIT, BHR_PROT: there is no such setting" in bhr_api.run("check").stdout


def test_a_public_url_with_a_path_is_refused_by_every_command(bhr_api: CommandLine, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BHR_PUBLIC_URL=https://example.org/records\n")
    assert "public_url: Value error, must be scheme and host" in bhr_api.refusal("check")


def test_check_finds_a_missing_month_of_the_audit(new_database: str) -> None:
    bhr_api = CommandLine(("--database-url", new_database))
    bhr_api.output("migrate")

    async def lose_the_partitions(connection: object) -> None:
        rows = await connection.fetch(  # type: ignore[attr-defined]
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'audit_event'::regclass"
        )
        for row in rows:
            await connection.execute(f"DROP TABLE {row['name']}")  # type: ignore[attr-defined]

    on_database(new_database, lose_the_partitions)
    assert bhr_api.refusal("check") == "1 of 7 are not right: Audit."


@pytest.fixture
def stored(client: httpx.Client) -> httpx.Client:
    """A tenant with a patient, a goal and a provenance of it."""
    client.put("/Patient/p1", json={"resourceType": "Patient", "id": "p1", "name": [{"family": "Example"}]})
    goal = {
        "resourceType": "Goal",
        "id": "g1",
        "lifecycleStatus": "active",
        "description": {"text": "Sleep"},
        "subject": {"reference": "Patient/p1"},
        "startDate": "2026-03-01",
    }
    client.put("/Goal/g1", json=goal).raise_for_status()
    provenance = {
        "resourceType": "Provenance",
        "id": "v1",
        "target": [{"reference": "Goal/g1"}],
        "recorded": "2026-03-01T10:00:00Z",
        "agent": [{"who": {"reference": "Patient/p1"}}],
    }
    client.put("/Provenance/v1", json=provenance).raise_for_status()
    return client


def index_of(dsn: str, tenant: str) -> list[tuple[object, ...]]:
    """Everything that search knows of a tenant's rows."""
    rows = on_database(
        dsn,
        lambda connection: connection.fetch(
            """
            SELECT r.resource_type, r.id, r.version, r.last_updated, r.body, r.patient, r.date_start, r.tokens,
                (SELECT array_agg(s.value ORDER BY s.parameter, s.ordinal) FROM string_index s
                  WHERE s.tenant = r.tenant AND s.row_id = r.row_id),
                (SELECT array_agg(d.date_start ORDER BY d.parameter, d.ordinal) FROM date_index d
                  WHERE d.tenant = r.tenant AND d.row_id = r.row_id),
                (SELECT array_agg(p.token ORDER BY p.token) FROM posting p
                  WHERE p.tenant = r.tenant AND p.row_id = r.row_id)
            FROM resource r JOIN tenant t USING (tenant) WHERE t.name = $1 ORDER BY r.resource_type, r.id
            """,
            tenant,
        ),
    )
    return [tuple(row) for row in rows]


def spoil_index(dsn: str, tenant: str, generation: int) -> None:
    """Let the tenant's rows look as if an older program had indexed them, badly."""

    async def spoil(connection: object) -> None:
        number = await connection.fetchval("SELECT tenant FROM tenant WHERE name = $1", tenant)  # type: ignore[attr-defined]
        await connection.execute(  # type: ignore[attr-defined]
            "UPDATE resource SET tokens = '{}', patient = 1, date_start = '-infinity', index_generation = $2"
            " WHERE tenant = $1",
            number,
            generation,
        )
        await connection.execute("DELETE FROM string_index WHERE tenant = $1", number)  # type: ignore[attr-defined]

    on_database(dsn, spoil)


def test_reindex_restores_what_search_knows_and_touches_nothing_else(
    bhr_api: CommandLine, stored: httpx.Client, server_base_url: str, tenant: str, database_dsn: str
) -> None:
    before = index_of(database_dsn, tenant)
    spoil_index(database_dsn, tenant, generation=0)
    assert index_of(database_dsn, tenant) != before
    outcome = bhr_api.run("reindex", "--tenant", tenant, "--public-url", server_base_url)
    assert outcome.stderr.strip().endswith("Indexed 3 resources anew.")
    assert index_of(database_dsn, tenant) == before
    assert len(before) == 3
    assert "total" in stored.get("/Goal?patient=p1&_summary=count").json()


def test_what_is_indexed_already_is_left_unless_all_is_asked_for(
    bhr_api: CommandLine, stored: httpx.Client, tenant: str
) -> None:
    assert "Indexed 0 resources" in bhr_api.run("reindex", "--tenant", tenant).stderr
    assert "Indexed 1 resources" in bhr_api.run("reindex", "--tenant", tenant, "--all", "--type", "Goal").stderr


@pytest.fixture(scope="module")
def small_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """The command line on a data directory of its own, with a tenant."""
    data_dir = tmp_path_factory.mktemp("small") / "data"
    bhr_api = CommandLine(("--data-dir", str(data_dir)))
    try:
        bhr_api.output("migrate")
        bhr_api.output("tenants", "add", "kept")
        yield bhr_api
    finally:
        EmbeddedPostgreSQL(data_dir).erase()


def test_a_backup_restores_into_an_empty_directory(small_cluster: CommandLine, tmp_path: Path) -> None:
    small_cluster.output("backup", str(tmp_path / "monday"))
    restored = CommandLine(("--data-dir", str(tmp_path / "restored")))
    try:
        restored.output("restore", str(tmp_path / "monday"))
        assert [row["name"] for row in restored.lines("tenants", "list")] == ["default", "kept"]
    finally:
        EmbeddedPostgreSQL(tmp_path / "restored").erase()


def test_restore_overwrites_no_database(small_cluster: CommandLine, tmp_path: Path) -> None:
    small_cluster.output("backup", str(tmp_path / "monday"))
    assert "has a database already" in small_cluster.refusal("restore", str(tmp_path / "monday"))


def test_only_the_embedded_database_is_backed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_dsn: str
) -> None:
    monkeypatch.setenv("BHR_DATABASE_URL", database_dsn)
    line = CommandLine(("--data-dir", str(tmp_path))).refusal("backup", str(tmp_path / "monday"))
    assert line.startswith("Only the embedded PostgreSQL is backed up so")


def test_the_openapi_document_is_written(tmp_path: Path) -> None:
    CommandLine(()).output("openapi", "--output", str(tmp_path / "documents"))
    assert json.loads((tmp_path / "documents" / "openapi.json").read_text())["openapi"].startswith("3.")
