"""Passwords: kept as argon2id hashes (RFC 9106 §4, second recommended option), compared at the same cost for everybody.

NIST SP 800-63B §3.1.1.2: length decides, no rules of composition; the text is normalised by NFKC before it is hashed.
"""

import asyncio
import unicodedata
from dataclasses import dataclass
from functools import cache

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from bhr_api.errors import OverloadedError

SHORTEST, LONGEST = 12, 256
# 64 MiB and three passes: about 0.1 s of one core. More at once than this would let sign-ins starve the rest of a worker.
_AT_ONCE = 2
# Who comes later would wait longer than people do: about five seconds.
_MOST_WAITING = 100
_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)


class PasswordLengthError(ValueError):
    """A password that is too short or too long to be set; the message is for the person."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is right, and if so the hash that should take the place of an outdated one."""

    is_right: bool
    new_hash: str | None = None


def check_length(password: str) -> str:
    """The password as it is hashed. Raises `PasswordLengthError`."""
    normalised = unicodedata.normalize("NFKC", password)
    if len(normalised) < SHORTEST:
        raise PasswordLengthError(
            f"A password has at least {SHORTEST} characters; a few words that do not belong together are easy to keep."
        )
    if len(normalised) > LONGEST:
        raise PasswordLengthError(f"A password has at most {LONGEST} characters.")
    return normalised


def hash_password(password: str) -> str:
    """The argon2id hash of a password that may be set. Raises `PasswordLengthError`."""
    return _HASHER.hash(check_length(password).encode("utf-8", "surrogatepass"))


def verify(stored: str | None, password: str) -> Verdict:
    """Compare; without a stored hash, or one of another kind, the same work is done and the password is wrong."""
    # A text that could never have been set costs as much as any other, so that its length tells nothing.
    sent = unicodedata.normalize("NFKC", password[: 4 * LONGEST])[: LONGEST + 1].encode("utf-8", "surrogatepass")
    try:
        _HASHER.verify(stored or _nobodys_hash(), sent)
    except (VerificationError, InvalidHashError):
        return Verdict(is_right=False)
    if stored is None:
        return Verdict(is_right=False)
    return Verdict(is_right=True, new_hash=_HASHER.hash(sent) if _HASHER.check_needs_rehash(stored) else None)


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash("nobody has this password")


class PasswordChecks:
    """Compares passwords beside the event loop, a few at once; one for each worker."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    def refuse_when_full(self) -> None:
        """Raises `OverloadedError` when so many are waiting that another one would wait too long."""
        if self._waiting >= _MOST_WAITING:
            raise OverloadedError("Too many people are signing in at this moment.")

    async def verify(self, stored: str | None, password: str) -> Verdict:
        """`verify` in a thread."""
        self._waiting += 1
        try:
            async with self._places:
                return await asyncio.to_thread(verify, stored, password)
        finally:
            self._waiting -= 1
