"""`private_key_jwt`: a client signs a short-lived JWT to say who it is (RFC 7523 §2.2 and §3; SMART App Launch 2.2).

client-confidential-asymmetric.html#authenticating-to-the-token-endpoint.
"""

import json
import math
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc7523.client import ASSERTION_TYPE as ASSERTION_TYPE
from joserfc import jws
from joserfc.errors import JoseError

from bhr_api.auth.jwks import ALGORITHMS, VerificationKey

LEEWAY = timedelta(seconds=30)
# SMART: "exp ... SHALL be no more than five minutes in the future".
LONGEST_LIFETIME = timedelta(minutes=5)
_MOST_CHARACTERS = 16 * 1024
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")
# A key inside the assertion proves nothing; extensions that are not understood must be refused (RFC 7515 §4.1.11).
_REFUSED_HEADERS = frozenset({"jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"})


class _Registry(jws.JWSRegistry):
    # joserfc's own limit of 512 octets is below the headers of some clients, which carry certificate thumbprints.
    max_header_length = 2048


_REGISTRY = _Registry(algorithms=ALGORITHMS, strict_check_header=False)


@dataclass(frozen=True, slots=True)
class ClientAssertion:
    """An assertion as it claims to be; nothing of it is believed before `verify_signature` and `check_claims`."""

    text: str
    client_id: str
    kid: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def parse_client_assertion(text: str) -> ClientAssertion:
    """Take `text` apart, strictly. Raises Authlib's `InvalidClientError`."""
    match = _COMPACT.fullmatch(text) if len(text) <= _MOST_CHARACTERS else None
    if match is None:
        raise InvalidClientError("The client assertion is no JWT in compact form.")
    header, claims = _json_object(match[1]), _json_object(match[2])
    _check_header(header)
    subject = claims.get("sub")
    if not isinstance(subject, str):
        raise InvalidClientError("The client assertion has no sub.")
    return ClientAssertion(text, subject, header["kid"], header, claims)


def _json_object(segment: str) -> dict[str, Any]:
    try:
        value = json.loads(
            urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), object_pairs_hook=_without_duplicates
        )
    except (ValueError, RecursionError) as error:
        raise InvalidClientError("The client assertion does not hold two JSON objects.") from error
    if not isinstance(value, dict):
        raise InvalidClientError("The client assertion does not hold two JSON objects.")
    return value


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 7515 §4: header parameter names must be unique; the same holds for claims (RFC 7519 §4).
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("duplicate member")
    return found


def _check_header(header: Mapping[str, Any]) -> None:
    if header.get("alg") not in ALGORITHMS:
        raise InvalidClientError("The client assertion is not signed with RS384 or ES384.")
    if not isinstance(header.get("kid"), str) or not header["kid"]:
        raise InvalidClientError("The client assertion names no kid.")
    if header.get("typ", "JWT") != "JWT" or header.keys() & _REFUSED_HEADERS:
        raise InvalidClientError("The client assertion's header is not that of a plain JWT.")


def verify_signature(assertion: ClientAssertion, key: VerificationKey, jwks_url: str | None) -> None:
    """Check the signature by the one algorithm of `key`. Raises Authlib's `InvalidClientError`."""
    # SMART: jku, when present, SHALL be the URL that the client registered.
    if "jku" in assertion.header and assertion.header["jku"] != jwks_url:
        raise InvalidClientError("The client assertion's jku is not the registered URL.")
    if assertion.header["alg"] != key.algorithm:
        raise InvalidClientError("The client assertion's alg does not belong to its key.")
    try:
        jws.deserialize_compact(assertion.text, key.key, algorithms=[key.algorithm], registry=_REGISTRY)
    except (JoseError, ValueError) as error:
        raise InvalidClientError("The client assertion's signature does not verify.") from error


def check_claims(claims: Mapping[str, Any], client_id: str, audience: str, now: datetime) -> None:
    """Check who speaks, to whom and when. Raises Authlib's `InvalidClientError`."""
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise InvalidClientError("iss and sub are not both the client id.")
    # RFC 7523bis: a single audience, so that no other server can replay what it received.
    if claims.get("aud") not in (audience, [audience]):
        raise InvalidClientError("aud is not the token endpoint alone.")
    if not isinstance(claims.get("jti"), str) or not claims["jti"]:
        raise InvalidClientError("jti is missing.")
    _check_times(claims, now.timestamp())


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    leeway = LEEWAY.total_seconds()
    expires_at = _numeric_date(claims, "exp", missing=-math.inf)
    if expires_at <= now - leeway:
        raise InvalidClientError("The client assertion has expired.")
    if expires_at > now + leeway + LONGEST_LIFETIME.total_seconds():
        raise InvalidClientError("exp is more than five minutes ahead.")
    if max(_numeric_date(claims, name, missing=now) for name in ("iat", "nbf")) > now + leeway:
        raise InvalidClientError("The client assertion is not valid yet.")


def _numeric_date(claims: Mapping[str, Any], name: str, *, missing: float) -> float:
    value = claims.get(name, missing)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidClientError(f"{name} is no number.")
    try:
        number = float(value)
    except OverflowError:
        return math.inf
    # NaN compares false to everything, which would pass every check above.
    return math.inf if math.isnan(number) else number


def replayable_until(claims: Mapping[str, Any]) -> datetime:
    """When the assertion, whose claims were checked, could no longer be accepted."""
    return datetime.fromtimestamp(claims["exp"], UTC) + LEEWAY
