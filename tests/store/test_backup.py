"""Backup and restore of the embedded PostgreSQL, on real clusters."""

import asyncio
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from bhr_api.store.backup import backup, restore
from bhr_api.store.embedded import EmbeddedPostgreSQL, EmbeddedPostgreSQLError


def ask(dsn: str, statement: str) -> object:
    async def answer() -> object:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(answer())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgreSQL]:
    """A running server with a thousand rows."""
    server = EmbeddedPostgreSQL(tmp_path_factory.mktemp("original") / "data")
    server.start()
    ask(server.dsn, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    yield server
    server.erase()


@pytest.fixture(scope="module")
def made_backup(server: EmbeddedPostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("backups") / "monday"
    backup(server.data_dir, target)
    return target


@pytest.fixture
def restored(tmp_path: Path) -> Iterator[EmbeddedPostgreSQL]:
    """Another data directory, without a database."""
    server = EmbeddedPostgreSQL(tmp_path / "restored")
    yield server
    server.erase()


def test_a_backup_is_restored_elsewhere_while_the_original_runs(
    server: EmbeddedPostgreSQL, made_backup: Path, restored: EmbeddedPostgreSQL
) -> None:
    restore(made_backup, restored.data_dir)
    with restored:
        assert ask(restored.dsn, "SELECT count(*) FROM kept") == 1000
        ask(restored.dsn, "DELETE FROM kept")
    assert ask(server.dsn, "SELECT count(*) FROM kept") == 1000


def test_a_backup_holds_what_was_committed_before_it_and_survives_the_original(
    tmp_path: Path, restored: EmbeddedPostgreSQL
) -> None:
    with EmbeddedPostgreSQL(tmp_path / "lost") as lost:
        ask(lost.dsn, "CREATE TABLE kept AS SELECT 'last words' AS said")
        backup(lost.data_dir, tmp_path / "backup")
    lost.erase()
    restore(tmp_path / "backup", restored.data_dir)
    with restored:
        assert ask(restored.dsn, "SELECT said FROM kept") == "last words"


def test_a_stopped_server_is_started_for_its_backup(tmp_path: Path) -> None:
    with EmbeddedPostgreSQL(tmp_path / "data") as server:
        pass
    backup(tmp_path / "data", tmp_path / "backup")
    assert (tmp_path / "backup" / "postgresql" / "backup_manifest").exists()
    assert not server.is_running()
    server.erase()


def test_progress_ends_at_a_hundred_percent(server: EmbeddedPostgreSQL, tmp_path: Path) -> None:
    heard: list[int] = []
    backup(server.data_dir, tmp_path / "backup", progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 100


def test_a_backup_is_readable_by_its_owner_alone(made_backup: Path) -> None:
    files = [made_backup, *made_backup.rglob("*")]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files if file.is_file()} == {0o600}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files if file.is_dir()} == {0o700}


def test_a_directory_with_files_is_no_target(server: EmbeddedPostgreSQL, made_backup: Path) -> None:
    with pytest.raises(EmbeddedPostgreSQLError, match="is not empty"):
        backup(server.data_dir, made_backup)


def test_a_data_directory_with_a_database_is_not_overwritten(server: EmbeddedPostgreSQL, made_backup: Path) -> None:
    with pytest.raises(EmbeddedPostgreSQLError, match="has a database already"):
        restore(made_backup, server.data_dir)
    assert ask(server.dsn, "SELECT count(*) FROM kept") == 1000


@pytest.mark.parametrize("damage", ["changed", "missing", "manifest cut off", "manifest missing", "log missing"])
def test_a_damaged_backup_is_refused_and_leaves_nothing_behind(
    made_backup: Path, restored: EmbeddedPostgreSQL, tmp_path: Path, damage: str
) -> None:
    copy = tmp_path / "damaged"
    shutil.copytree(made_backup, copy)
    files = copy / "postgresql"
    if damage == "changed":
        with (files / "global" / "pg_control").open("r+b") as file:
            file.seek(100)
            file.write(b"!")
    elif damage == "missing":
        (files / "PG_VERSION").unlink()
    elif damage == "manifest cut off":
        text = (files / "backup_manifest").read_bytes()
        (files / "backup_manifest").write_bytes(text[: len(text) // 2])
    elif damage == "manifest missing":
        (files / "backup_manifest").unlink()
    else:
        for segment in (files / "pg_wal").glob("0*"):
            segment.unlink()
    with pytest.raises(EmbeddedPostgreSQLError, match=r"damaged|no finished backup|did not start"):
        restore(copy, restored.data_dir)
    assert not restored.is_running()
    assert {path.name for path in restored.data_dir.rglob("*")} <= {"owner.lock"}
