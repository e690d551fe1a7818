"""How many connections each worker process has: a small file that all workers map into their memory.

Each has a place in it, which it locks. The kernel ends the lock with the process (fcntl(2), advisory record locking), however
that ends, and the next worker finds the place free: nobody has to tidy up after one that was killed.
"""

import fcntl
import mmap
import os
from array import array
from pathlib import Path

# More than any worker can have, so that an empty place is never the one with the fewest.
_NOBODY = 2**31 - 1
# Room for workers that a signal adds or replaces (uvicorn's TTIN and HUP).
_SPARE_PLACES = 64


class ConnectionCounts:
    """The counts as one worker sees them, which takes a place among them for as long as it lives."""

    def __init__(self, path: Path) -> None:
        # Open to the end of the process, for closing it would end the lock.
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._counts = memoryview(mmap.mmap(self._file, 0)).cast("i")
        self._place = self._take_place()

    @staticmethod
    def make_file(path: Path, workers: int) -> None:
        """Make the file for so many workers, of which none is there yet."""
        path.write_bytes(array("i", [_NOBODY] * (workers + _SPARE_PLACES)).tobytes())

    def join(self) -> None:
        """This worker takes connections from now on."""
        self._counts[self._place] = 0

    def leave(self) -> None:
        """This worker takes no more connections."""
        self._counts[self._place] = _NOBODY

    def add(self, change: int) -> None:
        """This worker has so many connections more."""
        self._counts[self._place] += change

    def are_fewest_here(self) -> bool:
        """Whether no other worker has fewer connections than this one."""
        return self._counts[self._place] == min(self._counts)

    def _take_place(self) -> int:
        # One worker after the other: who looks holds all places that are free for a moment.
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, len(self._counts))
        free = [place for place in range(len(self._counts)) if self._lock(place)]
        for place in free:
            # What a dead worker left would make the others wait for it.
            self._counts[place] = _NOBODY
        for place in free[1:]:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, len(self._counts))
        return free[0]

    def _lock(self, place: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except BlockingIOError:
            return False
        return True
