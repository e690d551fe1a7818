"""JWTs taken apart strictly, before anything of them is believed (RFC 7519; RFC 8725)."""

import json
import math
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

LEEWAY = timedelta(seconds=30)
_MOST_CHARACTERS = 16 * 1024
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")
# A key inside the token proves nothing; extensions that are not understood must be refused (RFC 7515 §4.1.11).
REFUSED_HEADERS = frozenset({"jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"})


class JwtError(ValueError):
    """The text is no JWT that can be believed; the message is for logs and audit, not for strangers."""


@dataclass(frozen=True, slots=True)
class ClaimedJwt:
    """A JWT as it claims to be; its signature is not looked at yet."""

    kid: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def parse_jwt(text: str) -> ClaimedJwt:
    """Take `text` apart. Raises JwtError for what is not two JSON objects, names no key or brings its own."""
    match = _COMPACT.fullmatch(text) if len(text) <= _MOST_CHARACTERS else None
    if match is None:
        raise JwtError("It is no JWT in compact form.")
    header, claims = json_object(match[1]), json_object(match[2])
    if not isinstance(header.get("kid"), str) or not header["kid"]:
        raise JwtError("It names no kid.")
    if header.keys() & REFUSED_HEADERS:
        raise JwtError("Its header is not that of a plain JWT.")
    return ClaimedJwt(header["kid"], header, claims)


def json_object(segment: str) -> dict[str, Any]:
    """The JSON object of one base64url segment, without duplicate members. Raises JwtError."""
    try:
        value = json.loads(
            urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), object_pairs_hook=_without_duplicates
        )
    except (ValueError, RecursionError) as error:
        raise JwtError("It does not hold two JSON objects.") from error
    if not isinstance(value, dict):
        raise JwtError("It does not hold two JSON objects.")
    return value


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 7515 §4: header parameter names must be unique; the same holds for claims (RFC 7519 §4).
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("duplicate member")
    return found


def check_times(claims: Mapping[str, Any], now: datetime) -> float:
    """When it expires, in seconds of the epoch. Raises JwtError for one that has expired or does not hold yet."""
    leeway, moment = LEEWAY.total_seconds(), now.timestamp()
    expires_at = numeric_date(claims, "exp", missing=-math.inf)
    if expires_at <= moment - leeway:
        raise JwtError("It has expired.")
    if max(numeric_date(claims, name, missing=moment) for name in ("iat", "nbf")) > moment + leeway:
        raise JwtError("It is not valid yet.")
    # A date beyond what a clock can show is as good as never.
    return min(expires_at, moment + timedelta(days=366).total_seconds())


def numeric_date(claims: Mapping[str, Any], name: str, *, missing: float) -> float:
    """The NumericDate of a claim (RFC 7519 §2), infinite for NaN, so that no comparison passes by it. Raises JwtError."""
    value = claims.get(name, missing)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise JwtError(f"{name} is no number.")
    try:
        number = float(value)
    except OverflowError:
        return math.inf
    return math.inf if math.isnan(number) else number
