"""The embedded PostgreSQL on this machine: as root where the tests run as root, and as an ordinary user then too."""

import asyncio
import getpass
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from bhr_api.store.embedded import (
    DataDirectoryInUseError,
    EmbeddedPostgreSQL,
    EmbeddedPostgreSQLError,
    MissingDatabaseError,
    reachable,
)
from bhr_api.telemetry import configure_logging

AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="needs root to become another user")

OWNER = """
import asyncio, sys, time
from pathlib import Path
import asyncpg
from bhr_api.store.embedded import EmbeddedPostgreSQL

async def write(dsn):
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (number bigint PRIMARY KEY)")
    number = await connection.fetchval("SELECT coalesce(max(number), 0) FROM kept")
    while True:
        number += 1
        await connection.execute("INSERT INTO kept VALUES ($1)", number)
        print(number, flush=True)

server = EmbeddedPostgreSQL(Path(sys.argv[1]))
server.start()
print("started", flush=True)
if sys.argv[2] == "write":
    asyncio.run(write(server.dsn))
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("answers" if server.is_running() else "is gone", flush=True)
server.stop()
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    EmbeddedPostgreSQL(tmp_path / "data").erase()


@pytest.fixture
def nobodys_directory() -> Iterator[Path]:
    """A directory that the ordinary user of these tests may write to: pytest's own are closed to others."""
    directory = Path(tempfile.mkdtemp(prefix="bhr-", dir="/tmp"))
    if AS_ROOT:
        shutil.chown(directory, "nobody")
    yield directory
    shutil.rmtree(directory)


def ask(dsn: str, statement: str) -> object:
    async def answer() -> object:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(answer())


def as_user(name: str, action: Callable[[], str]) -> str:
    """What `action` returns in a child process of user `name`: a fork, for that user may be unable to read Python."""
    account = pwd.getpwnam(name)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            os.setgroups([])
            os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
            os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
            os.write(writer, action().encode())
        except BaseException:
            os.write(writer, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return said


def as_ordinary_user(action: Callable[[], str]) -> str:
    return as_user("nobody", action) if AS_ROOT else action()


def start_owner(data_dir: Path, task: str = "wait") -> subprocess.Popen[str]:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_dir), task], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "started\n"
    return owner


def kill(owner: subprocess.Popen[str]) -> list[str]:
    """Kill the owner by SIGKILL; the lines that it had printed."""
    owner.kill()
    assert owner.stdout is not None
    with owner:
        return owner.stdout.read().splitlines()


def test_a_new_data_directory_becomes_a_database(data_dir: Path) -> None:
    with EmbeddedPostgreSQL(data_dir) as server:
        assert ask(server.dsn, "SELECT current_database()") == "bhr"
        assert ask(server.dsn, "SELECT datlocale FROM pg_database WHERE datname = 'bhr'") == "C.UTF-8"
        assert ask(server.dsn, "SHOW server_encoding") == "UTF8"


def test_the_application_is_no_superuser_and_may_make_tables(data_dir: Path) -> None:
    with EmbeddedPostgreSQL(data_dir) as server:
        assert ask(server.dsn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert ask(server.dsn, "CREATE TABLE public.kept (number int)") is None
        assert ask(server.superuser_dsn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is True


def test_a_restart_keeps_the_rows(data_dir: Path) -> None:
    with EmbeddedPostgreSQL(data_dir) as server:
        ask(server.dsn, "CREATE TABLE kept AS SELECT 42 AS number")
    with EmbeddedPostgreSQL(data_dir) as server:
        assert ask(server.dsn, "SELECT number FROM kept") == 42


def test_two_data_directories_are_two_servers_at_once(tmp_path: Path) -> None:
    one, two = EmbeddedPostgreSQL(tmp_path / "one"), EmbeddedPostgreSQL(tmp_path / "two")
    try:
        with one, two:
            ask(one.dsn, "CREATE TABLE only_here ()")
            assert ask(two.dsn, "SELECT to_regclass('only_here')") is None
            assert one.process_id != two.process_id
    finally:
        one.erase()
        two.erase()


def test_stop_leaves_no_process_and_may_be_called_again(data_dir: Path) -> None:
    server = EmbeddedPostgreSQL(data_dir)
    server.start()
    process_id = server.process_id
    assert process_id is not None
    server.stop()
    server.stop()
    assert not server.is_running()
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("TimeZone", "UTC"),
        ("log_statement", "none"),
    ],
)
def test_settings_that_are_promised(running: EmbeddedPostgreSQL, setting: str, value: str) -> None:
    assert ask(running.dsn, f"SHOW {setting}") == value


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgreSQL]:
    server = EmbeddedPostgreSQL(tmp_path_factory.mktemp("running") / "data")
    server.start()
    yield server
    server.erase()


def test_authentication_is_by_peer_alone(running: EmbeddedPostgreSQL) -> None:
    rules = "SELECT string_agg(DISTINCT type || ' ' || auth_method, ', ') FROM pg_hba_file_rules"
    assert ask(running.superuser_dsn, rules) == "local peer"
    unused = (running.place.data / "pg_hba.conf").read_text()
    assert "trust" not in [word for line in unused.splitlines() if not line.startswith("#") for word in line.split()]


def test_files_and_socket_are_for_their_owner_alone(running: EmbeddedPostgreSQL) -> None:
    place = running.place
    for directory in (place.data, place.log, place.socket_directory):
        found = directory.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o700, place.account.user_id)
    assert stat.S_IMODE((place.socket_directory / ".s.PGSQL.5432").stat().st_mode) == 0o700


@only_root
def test_another_user_cannot_reach_the_socket(running: EmbeddedPostgreSQL) -> None:
    assert "PermissionError" in as_user("nobody", lambda: str(ask(running.dsn, "SELECT 1")))


@only_root
@pytest.mark.parametrize("url", ["dsn", "superuser_dsn"])
def test_the_account_that_runs_the_server_is_no_role_of_it(running: EmbeddedPostgreSQL, url: str) -> None:
    account, dsn = running.place.account.name, getattr(running, url)
    assert "InvalidAuthorizationSpecification" in as_user(account, lambda: str(ask(dsn, "SELECT 1")))


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's table of TCP sockets")
def test_no_tcp_port_is_open(running: EmbeddedPostgreSQL) -> None:
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    tcp = {line.split()[9] for table in tables if table.exists() for line in table.read_text().splitlines()[1:]}
    links = [os.readlink(link) for link in Path(f"/proc/{running.process_id}/fd").iterdir()]
    assert any(link.startswith("socket:") for link in links)
    assert not {link.removeprefix("socket:[").removesuffix("]") for link in links} & tcp


def test_the_log_holds_no_values(running: EmbeddedPostgreSQL) -> None:
    for statement in ("SELECT 'Rosa Flores'::int", "SELECT 'Rosa Flores' FROM nowhere", "DO $$ RAISE 'Rosa' $$"):
        with pytest.raises(asyncpg.PostgresError):
            ask(running.dsn, statement)
    text = "".join(file.read_text() for file in running.place.log.iterdir())
    assert "database system is ready" in text
    assert "Rosa" not in text


def test_a_data_directory_has_one_owner(data_dir: Path) -> None:
    owner = start_owner(data_dir)
    try:
        with pytest.raises(DataDirectoryInUseError, match=f"in use by process {owner.pid}: stop that server"):
            EmbeddedPostgreSQL(data_dir).start()
    finally:
        kill(owner)


def test_a_command_uses_the_running_server_and_leaves_it_running(data_dir: Path) -> None:
    with EmbeddedPostgreSQL(data_dir) as server:
        with reachable(data_dir) as reached:
            assert ask(reached.dsn, "SELECT 1") == 1
        assert server.is_running()
    with reachable(data_dir) as reached:
        assert reached.is_running()
    assert not server.is_running()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("with spaces, a comma and 'quotes'", id="characters-of-lists-and-literals"),
        pytest.param("записи клиентов ☂ %41?&=\\n", id="unicode-and-url-characters"),
        pytest.param("/".join(["long" * 50] * 3), id="longer-than-a-socket-address"),
    ],
)
def test_any_path_may_hold_the_data(tmp_path: Path, nobodys_directory: Path, name: str) -> None:
    def use(data_dir: Path) -> str:
        server = EmbeddedPostgreSQL(data_dir)
        with server:
            assert len(os.fsencode(server.place.socket_directory / ".s.PGSQL.5432")) < 100
            answer = ask(server.dsn, "SELECT current_user")
        server.erase()
        return str(answer)

    assert use(tmp_path / name) == "bhr"
    assert as_ordinary_user(lambda: use(nobodys_directory / name)) == "bhr"


def test_an_ordinary_user_keeps_everything_in_the_data_directory(nobodys_directory: Path) -> None:
    data_dir = nobodys_directory / "data"

    def use() -> str:
        with EmbeddedPostgreSQL(data_dir) as server:
            ask(server.dsn, "CREATE TABLE kept AS SELECT 7 AS number")
        with EmbeddedPostgreSQL(data_dir) as server:
            return f"{server.place.account.name} {ask(server.dsn, 'SELECT number FROM kept')}"

    assert as_ordinary_user(use) == f"{'nobody' if AS_ROOT else getpass.getuser()} 7"
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert sorted(path.name for path in (data_dir / "postgresql").iterdir()) == ["data", "log", "run", "settings"]


@only_root
def test_root_does_not_take_an_ordinary_users_database(nobodys_directory: Path) -> None:
    def use() -> str:
        with EmbeddedPostgreSQL(nobodys_directory) as server:
            return str(ask(server.dsn, "SELECT 1"))

    assert as_user("nobody", use) == "1"
    with pytest.raises(MissingDatabaseError, match="Start as that user"):
        EmbeddedPostgreSQL(nobodys_directory).start()


@only_root
def test_as_root_the_data_directory_says_where_its_database_is(data_dir: Path) -> None:
    with EmbeddedPostgreSQL(data_dir) as server:
        assert (data_dir / "database-location.txt").read_text().endswith(f"\n{server.place.home}\n")


@only_root
def test_a_copied_data_directory_does_not_share_the_originals_database(data_dir: Path, tmp_path: Path) -> None:
    with EmbeddedPostgreSQL(data_dir):
        shutil.copytree(data_dir, tmp_path / "copy")
        with pytest.raises(MissingDatabaseError, match="moved or copied"):
            EmbeddedPostgreSQL(tmp_path / "copy").start()


@only_root
def test_a_database_that_vanished_is_not_replaced_by_an_empty_one(data_dir: Path) -> None:
    with EmbeddedPostgreSQL(data_dir) as server:
        home = server.place.home
    elsewhere = home.rename(home.with_name(f"elsewhere-{home.name}"))
    try:
        with pytest.raises(MissingDatabaseError):
            server.start()
    finally:
        elsewhere.rename(home)


def test_a_removed_data_directory_starts_empty(data_dir: Path) -> None:
    with EmbeddedPostgreSQL(data_dir) as server:
        ask(server.dsn, "CREATE TABLE old ()")
        left = server.place
    shutil.rmtree(data_dir)
    with EmbeddedPostgreSQL(data_dir) as server:
        assert ask(server.dsn, "SELECT to_regclass('old')") is None
    shutil.rmtree(left.home, ignore_errors=True)
    shutil.rmtree(left.socket_directory, ignore_errors=True)


def test_an_interrupted_initdb_is_done_again(data_dir: Path) -> None:
    with EmbeddedPostgreSQL(data_dir) as server:
        place = server.place
    place.data.rename(place.home / "data.new")
    (place.home / "data.new" / "base").rename(place.home / "data.new" / "half")
    (data_dir / "database-location.txt").unlink(missing_ok=True)
    with server:
        assert ask(server.dsn, "SELECT 1") == 1
    assert not (place.home / "data.new").exists()


def test_a_server_that_outlived_its_owner_is_taken_over(data_dir: Path) -> None:
    owner = start_owner(data_dir)
    server = EmbeddedPostgreSQL(data_dir)
    process_id = server.process_id
    kill(owner)
    with server:
        assert server.process_id == process_id
        assert ask(server.dsn, "SELECT 1") == 1
    assert server.process_id is None


def test_a_taken_over_server_with_other_settings_is_restarted(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("json")
    owner = start_owner(data_dir)
    server = EmbeddedPostgreSQL(data_dir)
    process_id = server.process_id
    kill(owner)
    with (server.place.settings / "postgresql.conf").open("a") as settings:
        settings.write("work_mem = 1MB\n")
    with server:
        assert server.process_id != process_id
        assert ask(server.dsn, "SHOW work_mem") != "1MB"
    assert "postgresql_has_other_settings" in capsys.readouterr().err


@pytest.mark.soak
def test_a_taken_over_server_that_hangs_is_restarted(data_dir: Path) -> None:
    owner = start_owner(data_dir)
    server = EmbeddedPostgreSQL(data_dir)
    process_id = server.process_id
    assert process_id is not None
    kill(owner)
    os.kill(process_id, signal.SIGSTOP)
    with server:
        assert server.process_id != process_id
        assert ask(server.dsn, "SELECT 1") == 1


def test_a_lock_file_whose_process_id_went_to_a_stranger_is_no_obstacle(data_dir: Path) -> None:
    server = EmbeddedPostgreSQL(data_dir)
    server.start()
    process_id = server.process_id
    assert process_id is not None
    stranger = subprocess.Popen(["/bin/sleep", "60"], cwd="/", **server.place.account.process_options)
    try:
        os.kill(process_id, signal.SIGKILL)
        lock = server.place.data / "postmaster.pid"
        lock.write_text(lock.read_text().replace(str(process_id), str(stranger.pid), 1))
        server.start()
        assert ask(server.dsn, "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        server.stop()
        stranger.kill()
        stranger.wait()


def test_start_revives_a_server_that_died_under_its_owner(data_dir: Path) -> None:
    with EmbeddedPostgreSQL(data_dir) as server:
        for _ in range(5):
            process_id = server.process_id
            assert process_id is not None
            os.kill(process_id, signal.SIGKILL)
            server.start()
            assert ask(server.dsn, "SELECT 1") == 1


def test_nothing_acknowledged_is_lost_in_twenty_kills_in_a_row(data_dir: Path) -> None:
    acknowledged = 0
    for round_number in range(20):
        owner = start_owner(data_dir, "write")
        postmaster = EmbeddedPostgreSQL(data_dir).process_id
        assert postmaster is not None
        time.sleep(0.02 * (round_number % 5 + 1))
        # In turn: our process alone, PostgreSQL alone, both.
        if round_number % 3:
            os.kill(postmaster, signal.SIGKILL)
        if round_number % 3 == 1:
            time.sleep(0.05)
        acknowledged = max([acknowledged, *(int(line) for line in kill(owner))])
        # The next owner finds what the former left, with no clean-up between.
    with EmbeddedPostgreSQL(data_dir) as server:
        assert acknowledged > 20
        assert ask(server.dsn, f"SELECT count(*) FROM kept WHERE number <= {acknowledged}") == acknowledged


def test_control_c_reaches_the_owner_and_not_postgresql(data_dir: Path) -> None:
    owner = start_owner(data_dir)
    time.sleep(0.1)
    os.killpg(owner.pid, signal.SIGINT)
    said, _ = owner.communicate(timeout=30)
    assert said == "answers\n"
    assert EmbeddedPostgreSQL(data_dir).process_id is None


def test_a_failed_start_says_why_and_gives_the_directory_up(data_dir: Path) -> None:
    with EmbeddedPostgreSQL(data_dir) as server:
        ask(server.superuser_dsn, "ALTER SYSTEM SET shared_preload_libraries = 'no_such_library'")
    with pytest.raises(EmbeddedPostgreSQLError, match=r"PostgreSQL did not start: .*no_such_library"):
        server.start()
    (server.place.data / "postgresql.auto.conf").write_text("")
    with EmbeddedPostgreSQL(data_dir) as again:
        assert again.is_running()


def test_a_database_of_another_major_version_is_refused(data_dir: Path) -> None:
    with EmbeddedPostgreSQL(data_dir) as server:
        version = server.place.data / "PG_VERSION"
    version.write_text("16\n")
    with pytest.raises(EmbeddedPostgreSQLError, match="was made by PostgreSQL 16"):
        server.start()


def test_before_its_first_start_a_directory_has_no_database(tmp_path: Path) -> None:
    server = EmbeddedPostgreSQL(tmp_path / "new")
    assert not server.is_running()
    with pytest.raises(EmbeddedPostgreSQLError, match="start the server once"):
        _ = server.dsn
    assert not (tmp_path / "new").exists()
