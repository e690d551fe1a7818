"""The lock that makes one process the owner of a data directory; the kernel drops it with the process (flock(2))."""

import fcntl
import os
from pathlib import Path

from bhr_api.store.embedded_files import DataDirectoryInUseError, EmbeddedPostgreSQLError


def own(data_dir: Path) -> int:
    """Lock `data_dir`, made when absent, and return the descriptor to give to `disown`.

    Raises DataDirectoryInUseError when another process, or another part of this one, owns it.
    """
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


def disown(lock: int) -> None:
    """Give the data directory up."""
    # Explicitly, because a forked child may still hold a copy of the descriptor.
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)
