"""A cache that holds what was used last, up to a total weight, for a worker whose memory is bounded."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedCache(Generic[Key, Value]):
    """Key -> value; the longest unused are dropped while the weights add up to more than `limit`. Threads may share it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._total = 0
        self._held: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        # An expansion runs in a thread beside the searches and validations that use the same terminology.
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """The value, which counts as used now; None if it is not held."""
        with self._lock:
            held = self._held.get(key)
            if held is None:
                return None
            self._held.move_to_end(key)
            return held[0]

    def put(self, key: Key, value: Value, weight: int) -> None:
        """Hold the value; one that weighs more than the limit is not held."""
        if weight > self._limit:
            return
        with self._lock:
            _, former = self._held.pop(key, (None, 0))
            self._held[key] = (value, weight)
            self._total += weight - former
            while self._total > self._limit:
                _, (_, dropped) = self._held.popitem(last=False)
                self._total -= dropped
