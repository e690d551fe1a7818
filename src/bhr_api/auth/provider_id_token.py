"""id_tokens of identity providers, checked whole before anybody is let in by them (OpenID Connect Core §3.1.3.7)."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bhr_api.auth.foreign_keys import PublicKey, check_signature
from bhr_api.auth.identity_providers import IdentityProvider
from bhr_api.auth.jwks_url import PublishedKeySets
from bhr_api.auth.strict_jwt import JwtError, check_times, numeric_date, parse_jwt

# §2: `sub` has at most 255 ASCII characters.
_LONGEST_SUBJECT = 255


@dataclass(frozen=True, slots=True)
class ProvenIdentity:
    """Who signed in at the provider, and when they last gave proof there, if it says so."""

    issuer: str
    subject: str
    authenticated_at: datetime | None


async def read_id_token(
    provider: IdentityProvider,
    key_sets: PublishedKeySets[PublicKey],
    text: str,
    *,
    nonce: str,
    access_token: str,
    now: datetime,
) -> ProvenIdentity:
    """Whom the token is about. Raises `JwtError` for anything but a live id_token of this provider for this request."""
    token = parse_jwt(text)
    if str(token.header.get("typ", "JWT")).lower() != "jwt" or "jku" in token.header:
        raise JwtError("The token's header is not that of an id_token.")
    await check_signature(text, token, key_sets, provider.jwks_uri, provider.algorithms)
    _check_addressee(provider, token.claims, nonce)
    _check_hash(token.claims, token.header["alg"], access_token)
    if "iat" not in token.claims:
        raise JwtError("It does not say when it was issued.")
    check_times(token.claims, now)
    return ProvenIdentity(provider.issuer, _subject(token.claims), _authenticated_at(token.claims))


def _check_addressee(provider: IdentityProvider, claims: Mapping[str, Any], nonce: str) -> None:
    if claims.get("iss") != provider.issuer:
        raise JwtError("Another issuer made it.")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if provider.client_id not in audiences:
        raise JwtError("It is for another client.")
    # §3.1.3.7: of several audiences one must be told to be the party that it was issued to.
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != provider.client_id:
        raise JwtError("It was issued to another client.")
    sent = claims.get("nonce")
    if not isinstance(sent, str) or not hmac.compare_digest(sent.encode("utf-8", "surrogatepass"), nonce.encode()):
        raise JwtError("It answers another request.")


def _check_hash(claims: Mapping[str, Any], algorithm: str, access_token: str) -> None:
    """§3.1.3.6: left half of the hash that the algorithm has; of EdDSA with Ed25519 that is SHA-512."""
    if "at_hash" not in claims:
        return
    digest = hashlib.new(f"sha{algorithm[2:]}" if algorithm[2:].isdigit() else "sha512", access_token.encode()).digest()
    if claims["at_hash"] != urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode():
        raise JwtError("It came with another access token.")


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise JwtError("It has no subject.")
    return subject


def _authenticated_at(claims: Mapping[str, Any]) -> datetime | None:
    if "auth_time" not in claims:
        return None
    try:
        return datetime.fromtimestamp(numeric_date(claims, "auth_time", missing=0), UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise JwtError("auth_time is no time.") from error
