"""Cursors: where the next or previous page goes on, sealed so that nobody can read or change what is in them.

A cursor holds the sort values of a row, which are clinical data, so it is encrypted, not only signed. It belongs to
one query of one caller: elsewhere it does not open.
"""

import base64
import json
import secrets
import zlib
from collections.abc import Iterable
from hashlib import blake2b
from itertools import accumulate, pairwise
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bhr_api.errors import InvalidParameterError

_NONCE_BYTES = 12


class Rest(NamedTuple):
    """Where the included resources of a page go on: after the row id `last`, without rows made after `bound`.

    Past versions, which a reference may name, follow the current one of their row; `pinned` is that of the last, or 0.

    `steps` are the row ids of the page's matches in ascending order, each as its distance from the one before: a thousand
    of them fit into an address.
    """

    steps: tuple[int, ...]
    last: int
    pinned: int
    bound: int

    @classmethod
    def of(cls, matches: Iterable[int], last: int, pinned: int, bound: int) -> "Rest":
        """The rest of the page with these matches."""
        return cls(tuple(after - before for before, after in pairwise([0, *sorted(matches)])), last, pinned, bound)

    @property
    def matches(self) -> list[int]:
        """The row ids of the page's matches."""
        return list(accumulate(self.steps))


class Position(NamedTuple):
    """The row next to a page: its sort values as text and its row id (0: none, the walk begins).

    `bound` keeps rows made later out of the walk; `backward` when the page is the one before the row, not the one after.
    With `rest` it is not the page itself, but more of what its matches include.
    """

    values: tuple[str, ...]
    row_id: int
    bound: int
    backward: bool = False
    rest: Rest | None = None


class CursorSeal:
    """Seals and opens the cursors of one tenant."""

    def __init__(self, tenant_name: str, token_key: bytes) -> None:
        self._tenant_name = tenant_name
        self._cipher = AESGCM(blake2b(b"cursor", key=token_key, digest_size=32).digest())

    def seal(self, position: Position, query: str, holder: str) -> str:
        """An opaque text for `position` in the walk of `query` (its parameters) by `holder`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        text = zlib.compress(json.dumps(position, separators=(",", ":")).encode())
        sealed = nonce + self._cipher.encrypt(nonce, text, _context(query, holder))
        return f"{self._tenant_name}.{base64.urlsafe_b64encode(sealed).rstrip(b'=').decode()}"

    def open(self, cursor: str, query: str, holder: str) -> Position:
        """The position in `cursor`. Raises InvalidParameterError when it was not sealed for this query and holder."""
        tenant_name, _, text = cursor.partition(".")
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            opened = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _context(query, holder))
        except (ValueError, InvalidTag):
            tenant_name = ""
        if tenant_name != self._tenant_name:
            raise InvalidParameterError(
                "_cursor", cursor, "this is no cursor of this query; follow the links of the first page"
            )
        values, row_id, bound, backward, rest = json.loads(zlib.decompress(opened))
        return Position(tuple(values), row_id, bound, backward, rest and Rest(tuple(rest[0]), *rest[1:]))


def _context(query: str, holder: str) -> bytes:
    return f"{query}\0{holder}".encode()
