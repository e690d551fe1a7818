"""How many requests a client and a person may make: the generic cell rate algorithm over memory that all workers share.

ITU-T I.371 annex A: of each key one number is kept, the time at which the next request would be due if all came evenly. A
request is admitted unless that lies further ahead than a burst may take it. Workers of one machine map one file; several
machines count each for itself.
"""

import mmap
import time
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from bhr_api.access import Caller
from bhr_api.errors import RateLimitedError

_SETS, _WAYS = 4096, 8
_CELLS = _SETS * _WAYS
_BYTES = 16 * _CELLS
# A sixth of a minute's requests may come at once, and a page's worth in any case.
_BURST_SHARE, _LEAST_BURST = 6, 10


class RequestRates:
    """The limits of one worker: `client` and `user` are requests a minute, None for no limit."""

    def __init__(
        self,
        client: int | None,
        user: int | None,
        shared: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._user, self._clock = client, user, clock
        memory = memoryview(_mapped(shared))
        self._keys = memory[: 8 * _CELLS].cast("Q")
        # CLOCK_MONOTONIC is one for all processes of a machine.
        self._due = memory[8 * _CELLS :].cast("d")

    @staticmethod
    def make_file(path: Path) -> None:
        """Make the file that workers share."""
        path.write_bytes(bytes(_BYTES))

    def admit(self, caller: Caller) -> None:
        """Count a request of `caller`. Raises RateLimitedError, with the seconds to wait, when there were too many."""
        if self._client is not None:
            self._count(_key(f"client\0{caller.tenant}\0{caller.client_id}"), self._client)
        user = caller.user if caller.person is None else caller.person.username
        if self._user is not None and user is not None:
            self._count(_key(f"user\0{caller.tenant}\0{user}"), self._user)

    def _count(self, key: int, per_minute: int) -> None:
        # Two workers may look at the same moment, and one request go uncounted: no lock is worth that.
        now = self._clock()
        cell = self._cell(key)
        interval = 60 / per_minute
        burst = max(per_minute // _BURST_SHARE, _LEAST_BURST)
        due = max(self._due[cell], now) if self._keys[cell] == key else now
        ahead = due - now - (burst - 1) * interval
        if ahead > 1e-9:
            raise RateLimitedError(per_minute, retry_after_seconds=int(ahead) + 1)
        self._keys[cell], self._due[cell] = key, due + interval

    def _cell(self, key: int) -> int:
        """Where the key is kept; a new one takes the place of the one that has been quiet for longest."""
        first = key % _SETS * _WAYS
        cells = range(first, first + _WAYS)
        found = [cell for cell in cells if self._keys[cell] == key]
        return found[0] if found else min(cells, key=self._due.__getitem__)


def _mapped(shared: Path | None) -> mmap.mmap:
    if shared is None:
        return mmap.mmap(-1, _BYTES)
    with shared.open("r+b") as file:
        return mmap.mmap(file.fileno(), _BYTES)


@lru_cache(maxsize=4096)
def _key(text: str) -> int:
    # 0 is an empty cell.
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") or 1
