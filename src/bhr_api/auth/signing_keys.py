"""The keys that sign id_tokens: private RSA keys in a file of its own (RFC 7517; OpenID Connect Core §10).

The file is not in the database, so that a copy of the database can sign nothing. Every worker looks at it before each use,
so a rotation holds at once, everywhere that sees the file. The first key that was not replaced signs; those that were are
published until their last id_token has expired.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from bhr_api.store.private_files import is_open_to_everybody, make_private_file, replace_private_file

ALGORITHM = "RS256"
_BITS = 3072
# Longer than any id_token lives, and than clients may keep the published set.
RETIRED_AFTER = timedelta(days=1)


class SigningKeysError(RuntimeError):
    """The file of keys cannot be used; the message is one line for the operator."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key; `replaced_at` is when another took its place."""

    key: RSAKey
    created_at: datetime
    replaced_at: datetime | None = None

    @property
    def kid(self) -> str:
        """The key's name: its thumbprint (RFC 7638)."""
        return self.key.thumbprint()

    def public(self) -> dict[str, Any]:
        """The public key as clients read it."""
        members: dict[str, Any] = {"kid": self.kid, "use": "sig", "alg": ALGORITHM}
        return dict(self.key.as_dict(private=False)) | members

    def stored(self) -> dict[str, Any]:
        """The key as it stands in the file."""
        times = {"created_at": self.created_at, "replaced_at": self.replaced_at}
        members = {name: time.isoformat() for name, time in times.items() if time is not None}
        return dict(self.key.as_dict(private=True)) | {"kid": self.kid, "use": "sig", "alg": ALGORITHM} | members


class SigningKeys:
    """The keys in the file at `path`, which is made with one key when it is first needed."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._path, self._clock = path.expanduser(), clock
        self._stamp: tuple[int, int, int] | None = None
        self._keys: tuple[SigningKey, ...] = ()

    def all(self) -> Sequence[SigningKey]:
        """Every key of the file, newest first. Raises `SigningKeysError`."""
        try:
            self._reread()
        except FileNotFoundError:
            self._write(make_private_file, [_new_key(self._clock())])
            self._reread()
        return self._keys

    def published(self) -> dict[str, Any]:
        """The key set by which clients verify id_tokens."""
        now = self._clock()
        lasting = [key for key in self.all() if key.replaced_at is None or now < key.replaced_at + RETIRED_AFTER]
        return {"keys": [key.public() for key in lasting]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A JWT of these claims, by the key in force."""
        key = next(key for key in self.all() if key.replaced_at is None)
        header = {"alg": ALGORITHM, "kid": key.kid, "typ": "JWT"}
        return jwt.encode(header, dict(claims), key.key, algorithms=[ALGORITHM])

    def rotate(self, *, forget: bool = False) -> SigningKey:
        """Put a new key in force. The one before still verifies for a day, unless `forget`: then none but the new one does."""
        now = self._clock()
        replaced = [replace(key, replaced_at=key.replaced_at or now) for key in self.all()]
        kept = [key for key in replaced if key.replaced_at is not None and now < key.replaced_at + RETIRED_AFTER]
        new = _new_key(now)
        self._write(replace_private_file, [new] if forget else [new, *kept])
        return new

    def _write(self, write: Callable[[Path, bytes], None], keys: Sequence[SigningKey]) -> None:
        text = json.dumps({"keys": [key.stored() for key in keys]})
        try:
            write(self._path, text.encode("ascii"))
        except OSError as error:
            raise SigningKeysError(f"{self._path} cannot be written: {error.strerror}.") from error

    def _reread(self) -> None:
        """Read the file if it has changed. Raises `FileNotFoundError` and `SigningKeysError`."""
        status = self._path.stat()
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if stamp == self._stamp:
            return
        if is_open_to_everybody(status):
            raise SigningKeysError(
                f"{self._path} can be read by everybody on this machine: chmod 600, and rotate the keys."
            )
        try:
            found = [_stored_key(members) for members in json.loads(self._path.read_text(encoding="ascii"))["keys"]]
        except (OSError, ValueError, KeyError, TypeError, JoseError) as error:
            raise SigningKeysError(f"{self._path} holds no key set of private RSA keys.") from error
        if not any(key.replaced_at is None for key in found):
            raise SigningKeysError(f"{self._path} holds no key that is in force.")
        self._keys, self._stamp = tuple(found), stamp


def _new_key(now: datetime) -> SigningKey:
    return SigningKey(RSAKey.generate_key(_BITS), now)


def _stored_key(members: Mapping[str, Any]) -> SigningKey:
    key = RSAKey.import_key({name: members[name] for name in ("kty", "n", "e", "d", "p", "q", "dp", "dq", "qi")})
    replaced = members.get("replaced_at")
    return SigningKey(key, _instant(members["created_at"]), None if replaced is None else _instant(replaced))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
