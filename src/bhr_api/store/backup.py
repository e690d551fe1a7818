"""Backup and restore of the embedded PostgreSQL: a base backup with its write-ahead log (PostgreSQL 18 §25.3).

The copy is of the whole cluster at the moment at which the backup ended, taken while the server works, with a manifest
of checksums. A cluster elsewhere (BHR_DATABASE_URL) is backed up by the means of those who run it.
"""

import hashlib
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from bhr_api.store.embedded import EmbeddedPostgreSQL, EmbeddedPostgreSQLError, reachable

BASE_BACKUP = "postgresql"


def backup(data_dir: Path, target: Path, *, progress: Callable[[int], None] | None = None) -> None:
    """Copy the database of `data_dir` into `target`/postgresql, which must be absent or empty; the server may run.

    `progress` hears the percentage done. The files are readable by the caller alone. Raises EmbeddedPostgreSQLError.
    """
    target = target.expanduser().resolve()
    _make_empty(target)
    with reachable(data_dir) as server:
        program = server.run_program(
            "pg_basebackup",
            *("-D", str(target / BASE_BACKUP), "--wal-method=stream", "--checkpoint=fast"),
            *("--manifest-checksums=SHA256", "--progress", "--no-password"),
        )
        _watch(program, progress)


def restore(source: Path, data_dir: Path) -> None:
    """Make the database of `data_dir`, which must have none, from a backup; checked before and started once after it.

    Raises EmbeddedPostgreSQLError, with nothing left behind, when a file of the backup is missing or changed.
    """
    base_backup = source.expanduser().resolve() / BASE_BACKUP
    verify(base_backup)
    server = EmbeddedPostgreSQL(data_dir)
    server.start_from(base_backup)
    server.stop()


def verify(base_backup: Path) -> None:
    """Raise EmbeddedPostgreSQLError unless every file of the backup's manifest is there, unchanged.

    Format: PostgreSQL 18, chapter 77 (Backup Manifest Format). The wheel's own pg_verifybackup crashes at once. The
    log files are not in the manifest; PostgreSQL checks them, record by record, when it starts from the backup.
    """
    try:
        text = (base_backup / "backup_manifest").read_bytes()
    except FileNotFoundError:
        raise EmbeddedPostgreSQLError(f"{base_backup} holds no finished backup: there is no backup_manifest.") from None
    head, _, last_line = text.rstrip().rpartition(b"\n")
    # The manifest's own checksum is of everything before the line that holds it.
    if hashlib.sha256(head + b"\n").hexdigest().encode() not in last_line:
        raise EmbeddedPostgreSQLError(f"The backup is damaged: {base_backup}/backup_manifest was changed or cut off.")
    for entry in json.loads(text)["Files"]:
        file = base_backup / entry["Path"]
        if not file.is_file() or file.is_symlink() or _sha256(file) != entry["Checksum"]:
            raise EmbeddedPostgreSQLError(f"The backup is damaged: {file} is missing or changed.")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _make_empty(target: Path) -> None:
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        occupied = any(target.iterdir())
    except OSError as error:
        raise EmbeddedPostgreSQLError(f"The backup cannot be written to {target}: {error.strerror}.") from error
    if occupied:
        raise EmbeddedPostgreSQLError(f"{target} is not empty; a backup goes into a new or empty directory.")


def _watch(program: subprocess.Popen[str], progress: Callable[[int], None] | None) -> None:
    assert program.stderr is not None
    said = ""
    with program:
        for line in program.stderr:
            if found := re.search(r"\((\d+)%\)", line):
                if progress is not None:
                    progress(min(int(found[1]), 100))
            elif line.strip():
                said = line.strip()
    if program.returncode:
        raise EmbeddedPostgreSQLError(f"The backup failed: {said}")
