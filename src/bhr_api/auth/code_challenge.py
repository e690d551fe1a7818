"""PKCE (RFC 7636): S256 alone, and for every client (RFC 9700 §2.1.1; SMART App Launch 2.2, app-launch.html)."""

import hashlib
import re
from base64 import urlsafe_b64encode

METHOD = "S256"
# §4.2: BASE64URL of a SHA-256 is always 43 characters long.
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
# §4.1: code-verifier = 43*128unreserved.
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def is_challenge(text: str) -> bool:
    """Whether `text` can be the S256 challenge of some verifier."""
    return _CHALLENGE.fullmatch(text) is not None


def is_verifier(text: str) -> bool:
    """Whether `text` has the form of a verifier."""
    return _VERIFIER.fullmatch(text) is not None


def challenge_of(verifier: str) -> str:
    """The S256 challenge of `verifier`, which is ASCII."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()
