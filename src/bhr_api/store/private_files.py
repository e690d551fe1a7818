"""Files for secrets, outside the database: there as a whole or not at all, readable by their owner alone."""

import os
import tempfile
from pathlib import Path

_EVERYBODY = 0o007


def make_private_file(path: Path, content: bytes) -> None:
    """Make the file and its directory; of several processes that do so at once, one's file stays. Raises `OSError`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = _written_beside(path, content)
    try:
        os.link(written, path)
    except FileExistsError:
        return
    finally:
        written.unlink()


def replace_private_file(path: Path, content: bytes) -> None:
    """Put the file in place of the one that is there, if any. Raises `OSError`."""
    _written_beside(path, content).replace(path)


def is_open_to_everybody(status: os.stat_result) -> bool:
    """Whether others than owner and group may do anything with the file."""
    return bool(status.st_mode & _EVERYBODY)


def _written_beside(path: Path, content: bytes) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)
