"""`private_key_jwt`: a client signs a short-lived JWT to say who it is (RFC 7523 §2.2 and §3; SMART App Launch 2.2).

client-confidential-asymmetric.html#authenticating-to-the-token-endpoint.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc7523.client import ASSERTION_TYPE as ASSERTION_TYPE
from joserfc import jws
from joserfc.errors import JoseError

from bhr_api.auth.jwks import ALGORITHMS, VerificationKey
from bhr_api.auth.strict_jwt import LEEWAY, JwtError, check_times, numeric_date, parse_jwt

# SMART: "exp ... SHALL be no more than five minutes in the future".
LONGEST_LIFETIME = timedelta(minutes=5)


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
    try:
        token = parse_jwt(text)
    except JwtError as error:
        raise InvalidClientError(f"The client assertion: {error}") from error
    _check_header(token.header)
    subject = token.claims.get("sub")
    if not isinstance(subject, str):
        raise InvalidClientError("The client assertion has no sub.")
    return ClientAssertion(text, subject, token.kid, token.header, token.claims)


def _check_header(header: Mapping[str, Any]) -> None:
    if header.get("alg") not in ALGORITHMS:
        raise InvalidClientError("The client assertion is not signed with RS384 or ES384.")
    if header.get("typ", "JWT") != "JWT":
        raise InvalidClientError("The client assertion's header is not that of a plain JWT.")


def verify_signature(assertion: ClientAssertion, key: VerificationKey, jwks_url: str | None) -> None:
    """Check the signature by the one algorithm of `key`. Raises Authlib's `InvalidClientError`."""
    # SMART: jku, when present, SHALL be the URL that the client registered.
    if "jku" in assertion.header and assertion.header["jku"] != jwks_url:
        raise InvalidClientError("The client assertion's jku is not the registered URL.")
    if assertion.header.get("alg") != key.algorithm:
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
    _check_times(claims, now)


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    try:
        check_times(claims, now)
        expires_at = numeric_date(claims, "exp", missing=0)
    except JwtError as error:
        raise InvalidClientError(f"The client assertion: {error}") from error
    if expires_at > (now + LEEWAY + LONGEST_LIFETIME).timestamp():
        raise InvalidClientError("exp is more than five minutes ahead.")


def replayable_until(claims: Mapping[str, Any]) -> datetime:
    """When the assertion, whose claims were checked, could no longer be accepted."""
    return datetime.fromtimestamp(claims["exp"], UTC) + LEEWAY
