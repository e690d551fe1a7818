"""A temporary directory for what the workers of one server share: their metrics and the counts of their connections."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "bhr-workers-"
# The file of the workers' common request rates.
RATES = "rates"
# A directory is locked right after it is made; one that is younger may be about to be.
_YOUNG_SECONDS = 60.0


@contextmanager
def shared_directory() -> Iterator[Path]:
    """A directory that is removed at the end, as are by now those of servers that were killed before theirs."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _remove_leftover(path)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, _locked(Path(name)):
        yield Path(name)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock a directory; raises BlockingIOError when another process has. The lock ends with the process (flock(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove_leftover(path: Path) -> None:
    # In use, another user's, or removed meanwhile by another start.
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _YOUNG_SECONDS:
            with _locked(path):
                shutil.rmtree(path)


def shared_rates() -> Path | None:
    """The file of the request rates; None for a single worker, which has no directory to share."""
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    path = None if directory is None else Path(directory, RATES)
    return path if path is not None and path.exists() else None
