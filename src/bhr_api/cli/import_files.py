"""Files to import: NDJSON line by line and JSON as a whole, plain, gzipped or bzipped."""

import bz2
import gzip
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from bhr_api.cli.failures import CommandError

NDJSON = (".ndjson", ".ndjson.gz", ".ndjson.bz2")
JSON = (".json", ".json.gz", ".json.bz2")


class Piece(NamedTuple):
    """A line of an NDJSON file, or a whole JSON file; `place` is how to find it again."""

    place: str
    body: bytes
    is_whole_file: bool


def files_under(path: Path) -> dict[str, Path]:
    """The file `path`, or the files of a directory at any depth, by their names below it. Raises CommandError."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and file.name.endswith((*NDJSON, *JSON)))
        found = {str(file.relative_to(path)): file for file in files}
        if not found:
            raise CommandError(f"{path} holds no file of {', '.join((*NDJSON, *JSON))}.")
        return found
    if not path.exists():
        raise CommandError(f"There is no {path}.")
    if not path.name.endswith((*NDJSON, *JSON)):
        raise CommandError(f"{path} is none of {', '.join((*NDJSON, *JSON))}.")
    return {path.name: path}


def size_of(files: Iterable[Path]) -> int:
    """Bytes on the disk."""
    return sum(file.stat().st_size for file in files)


def pieces_of(file: Path, shown: str, tell_position: Callable[[int], None]) -> Iterator[Piece]:
    """What `file` holds; `tell_position` hears how many of its bytes on the disk have been read."""
    try:
        with file.open("rb") as raw, _unpacked(file, raw) as stream:
            if file.name.endswith(JSON):
                yield Piece(shown, stream.read(), is_whole_file=True)
                tell_position(raw.tell())
                return
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield Piece(f"{shown}:{number}", line, is_whole_file=False)
                if number % 100 == 0:
                    tell_position(raw.tell())
    except (EOFError, gzip.BadGzipFile) as error:
        raise CommandError(f"{file} is damaged: {error}.") from error


@contextmanager
def _unpacked(file: Path, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    if file.suffix == ".gz":
        with gzip.GzipFile(fileobj=raw) as stream:
            yield stream  # type: ignore[misc]
    elif file.suffix == ".bz2":
        with bz2.BZ2File(raw) as stream:
            yield stream
    else:
        yield raw
