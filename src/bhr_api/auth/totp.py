"""One-time codes from an authenticator app (TOTP, RFC 6238): six digits, 30 seconds, a step of tolerance to either side."""

import base64
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

import pyotp

STEP_SECONDS = 30
_SECRET_BYTES = 20
# RFC 6238 §5.2: one step of delay is recommended; one ahead is for clocks that are fast.
_WINDOW: Sequence[int] = (0, -1, 1)


def new_secret() -> bytes:
    """A secret of the length of its hash (RFC 4226 §4, R6)."""
    return secrets.token_bytes(_SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """The secret as authenticator apps take it: Base32."""
    return base64.b32encode(secret).decode()


def enrolment_uri(secret: bytes, username: str, issuer: str) -> str:
    """The otpauth: address that an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret_text(secret)).provisioning_uri(name=username, issuer_name=issuer)


def matching_step(secret: bytes, code: str, now: datetime, last_used: int | None) -> int | None:
    """The time step whose code this is, later than the last that was used, or None.

    RFC 6238 §5.2: a code is accepted once, so `last_used` and all before it are refused. Every step is compared, and all of
    a code, so that time tells nothing.
    """
    generator = pyotp.TOTP(secret_text(secret))
    current = int(now.timestamp()) // STEP_SECONDS
    sent = "".join(code.split()).encode("utf-8", "surrogatepass")
    found: int | None = None
    for step in (current + offset for offset in _WINDOW):
        is_same = hmac.compare_digest(generator.generate_otp(step).encode(), sent)
        if is_same and (last_used is None or step > last_used):
            found = step
    return found
