"""The key that seals secrets which the server must read again, such as those of TOTP: a file outside the database.

Whoever copies the database alone learns none of them. AES-256-GCM (NIST SP 800-38D), the owner as associated data.
"""

import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bhr_api.store.private_files import is_open_to_everybody, make_private_file

_KEY_BYTES, _NONCE_BYTES = 32, 12


class SecretKeyError(RuntimeError):
    """The file of the key, or what was sealed by it, cannot be used; the message is one line for the operator."""


class SecretKey:
    """The key in the file at `path`, which is made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path.expanduser()
        self._key: bytes | None = None

    def seal(self, secret: bytes, owner: str) -> bytes:
        """`secret` so that only this key and the name of its `owner` open it. Raises `SecretKeyError`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._read()).encrypt(nonce, secret, owner.encode())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """What `seal` was given. Raises `SecretKeyError`, also where another key or owner sealed it."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return AESGCM(self._read()).decrypt(nonce, text, owner.encode())
        except (InvalidTag, ValueError) as error:
            raise SecretKeyError(f"{self._path} is not the key by which this was sealed.") from error

    def _read(self) -> bytes:
        if self._key is None:
            try:
                self._key = self._stored()
            except FileNotFoundError:
                make_private_file(self._path, secrets.token_bytes(_KEY_BYTES))
                self._key = self._stored()
        return self._key

    def _stored(self) -> bytes:
        if is_open_to_everybody(self._path.stat()):
            raise SecretKeyError(f"{self._path} can be read by everybody on this machine: chmod 600.")
        key = self._path.read_bytes()
        if len(key) != _KEY_BYTES:
            raise SecretKeyError(f"{self._path} holds no key: it has {_KEY_BYTES} random bytes.")
        return key
