"""Opaque strings that name their tenant before the secret part: `bhr_at_<tenant>_<43 characters>` and its kin.

The prefix lets secret scanners find a leaked one, and the tenant makes every look-up one by primary key.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "at", "client", "secret", "job", "code", "refresh", "launch", "session", "request", "grant", "registration"
]
# What names something and proves nothing is shorter and readable.
_IDS: frozenset[Kind] = frozenset({"client", "job", "grant"})

_FORM = re.compile(rf"bhr_({'|'.join(get_args(Kind))})_([a-z0-9-]{{1,32}})_([A-Za-z0-9_-]{{32,43}})")


@dataclass(frozen=True, slots=True)
class OpaqueString:
    """One such string, taken apart as far as a stranger may: what it is and whose."""

    text: str
    kind: Kind
    tenant_name: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the whole text, under which it is stored."""
        return digest_of(self.text)


def digest_of(text: str) -> bytes:
    """SHA-256 of `text`; lone surrogates, which JSON can spell, are taken as they are."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def mint(kind: Kind, tenant_name: str) -> OpaqueString:
    """A fresh one: 256 random bits for secrets, 128 in lower-case hexadecimal for the ids of clients, jobs and grants."""
    random_part = secrets.token_hex(16) if kind in _IDS else secrets.token_urlsafe(32)
    return OpaqueString(f"bhr_{kind}_{tenant_name}_{random_part}", kind, tenant_name)


def parse_opaque(text: str, kind: Kind) -> OpaqueString | None:
    """`text` as a string of this kind, or None when it is not of the form."""
    match = _FORM.fullmatch(text)
    if match is None or match[1] != kind:
        return None
    return OpaqueString(text, kind, match[2])
