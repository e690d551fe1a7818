"""Row ids: 63-bit numbers that grow with time, made without asking the database.

41 bits of milliseconds since 2024, 12 bits that tell this process from others, 10 bits of counter. A process that makes
more than 1,024 in a millisecond borrows from the next one. The database numbers the processes; one that has not asked it
yet has drawn a number, and a clash is caught by the unique index on the row id: the write is then repeated.
"""

import secrets
import time

from bhr_api.store.database import Connection

EPOCH_MILLISECONDS = 1_704_067_200_000
_NODE_BITS = 12
_COUNTER_BITS = 10


class RowIds:
    """Makes row ids, each greater than the one before."""

    def __init__(self, node: int | None = None) -> None:
        self._node = secrets.randbits(_NODE_BITS) if node is None else node
        self._last = 0

    async def take_node(self, connection: Connection) -> None:
        """Let the database say which 12 bits are this process's own."""
        self._node = await connection.fetchval("SELECT nextval('row_id_node')::int")

    def next(self) -> int:
        """A new row id."""
        floor = first_row_id_at(time.time()) | self._node << _COUNTER_BITS
        following = self._last + 1
        if following >> _COUNTER_BITS != self._last >> _COUNTER_BITS:
            # The counter ran over: go to this process's numbers of the next millisecond.
            following = ((self._last >> (_COUNTER_BITS + _NODE_BITS)) + 1) << (_COUNTER_BITS + _NODE_BITS)
            following |= self._node << _COUNTER_BITS
        self._last = max(floor, following)
        return self._last


def first_row_id_at(timestamp: float) -> int:
    """The smallest row id of the millisecond of `timestamp` (seconds since 1970): a bound between older and newer rows."""
    return (int(timestamp * 1000) - EPOCH_MILLISECONDS) << (_NODE_BITS + _COUNTER_BITS)
