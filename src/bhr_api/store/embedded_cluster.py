"""One cluster from the inside: made by initdb or from a base backup, asked by psql, given its role and database."""

import os
import shutil
import subprocess
from pathlib import Path

from bhr_api.store.embedded_files import (
    POSTGRESQL_MAJOR,
    EmbeddedPostgreSQLError,
    Place,
    installation,
    make_private,
)
from bhr_api.store.embedded_postmaster import clean_environment
from bhr_api.store.embedded_settings import DATABASE, PORT, ROLE, SUPERUSER


def initialise(place: Place, programs: Path) -> None:
    """Make an empty cluster: UTF-8, code point order, checksums; no password and no trust."""
    unfinished = _unfinished(place)
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
        raise EmbeddedPostgreSQLError(f"initdb failed: {' '.join(initdb.stderr.split())}")
    _finish(place, unfinished)


def copy_base_backup(place: Place, base_backup: Path) -> None:
    """Make the cluster from the files of `base_backup`, which the next start brings to a consistent state."""
    refuse_other_major(base_backup)
    unfinished = _unfinished(place)
    shutil.copytree(base_backup, unfinished, copy_function=shutil.copyfile, dirs_exist_ok=True)
    for path in (unfinished, *unfinished.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.chown(path, place.account.user_id, place.account.group_id)
    os.sync()
    _finish(place, unfinished)


def _unfinished(place: Place) -> Path:
    directory = place.home / "data.new"  # What a killed initdb or copy left behind never looks like a database.
    shutil.rmtree(directory, ignore_errors=True)
    make_private(directory, place.account)
    return directory


def _finish(place: Place, unfinished: Path) -> None:
    unfinished.rename(place.data)
    _sync_directory(place.home)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refuse_other_major(data: Path) -> None:
    """Raise when the files in `data` are those of another PostgreSQL than ours; its minor releases share a format."""
    found = (data / "PG_VERSION").read_text().strip()
    if found != str(POSTGRESQL_MAJOR):
        raise EmbeddedPostgreSQLError(
            f"{data} was made by PostgreSQL {found}, and this is {POSTGRESQL_MAJOR}: export the data with the "
            "release that made it and import them here."
        )


def ask(place: Place, statement: str, *, database: str = "postgres") -> str | None:
    """What psql prints for `statement` over a real connection; None when it cannot connect or fails."""
    psql = run_client(place, "psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement)
    try:
        output, _ = psql.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        psql.kill()
        psql.communicate()
        return None
    return output.strip() if psql.returncode == 0 else None


def run_client(place: Place, name: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a client program of PostgreSQL that connects to `place` as the superuser; its output comes in pipes."""
    return subprocess.Popen(  # noqa: S603  our own program
        [str(installation(place.account) / "bin" / name), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        umask=0o077,
        env=clean_environment(
            PGHOST=str(place.socket_directory), PGPORT=str(PORT), PGUSER=SUPERUSER, PGCONNECT_TIMEOUT="5"
        ),
    )


def make_database(place: Place) -> None:
    """Make the application's role, no superuser, and its database where they are absent."""
    role = f"SELECT count(*) FROM pg_roles WHERE rolname = '{ROLE}'"
    database = f"SELECT count(*) FROM pg_database WHERE datname = '{DATABASE}'"
    if ask(place, f"SELECT ({role}) + ({database})") == "2":
        return
    # CREATEDB: tests and benchmarks make databases of their own; superuser rights it does not need.
    if ask(place, role) != "1":
        ask(place, f"CREATE ROLE {ROLE} LOGIN CREATEDB")
    if ask(place, database) != "1":
        ask(place, f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
    if ask(place, database) != "1":
        raise EmbeddedPostgreSQLError(f"The database {DATABASE} could not be made; see {place.log}.")
