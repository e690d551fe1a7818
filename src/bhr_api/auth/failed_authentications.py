"""Slowing down who guesses: 429 after too many failed client authentications from one address for one client.

Never by client id alone, or a stranger could lock a client out. Counted in each worker by itself.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

FAILURES_ALLOWED = 300
WINDOW = timedelta(minutes=1)
_MOST_PAIRS = 10_000

# The source address and the client id that was claimed.
Pair = tuple[str, str]


class FailedAuthentications:
    """Failures in the running minute of each pair; the least recently failing pairs are forgotten first."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._windows: OrderedDict[Pair, tuple[datetime, int]] = OrderedDict()

    def seconds_to_wait(self, pair: Pair) -> int:
        """0 if the pair may try, else the seconds until it may again."""
        started_at, failures = self._windows.get(pair, (None, 0))
        if started_at is None or failures < FAILURES_ALLOWED:
            return 0
        remaining = (started_at + WINDOW - self._clock()).total_seconds()
        return int(remaining) + 1 if remaining > 0 else 0

    def count(self, pair: Pair) -> None:
        """Note one failure."""
        now = self._clock()
        started_at, failures = self._windows.pop(pair, (now, 0))
        if now >= started_at + WINDOW:
            started_at, failures = now, 0
        self._windows[pair] = (started_at, failures + 1)
        if len(self._windows) > _MOST_PAIRS:
            self._windows.popitem(last=False)
