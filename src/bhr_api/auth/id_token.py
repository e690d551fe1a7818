"""The id_token: who signed in, signed by us (OpenID Connect Core §2, §3.1.3.6; SMART App Launch 2.2, "openid fhirUser")."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from bhr_api.store.grants import OAuthGrant
from bhr_api.store.people import Account


def id_token_claims(
    *,
    issuer: str,
    base_url: str,
    grant: OAuthGrant,
    account: Account,
    scope: Collection[str],
    access_token: str,
    now: datetime,
    lifetime: timedelta,
    nonce: str | None,
) -> dict[str, Any]:
    """The claims of an id_token that comes with `access_token`."""
    claims = {
        "iss": issuer,
        "aud": grant.client_id,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
        "auth_time": int(grant.signed_in_at.timestamp()),
        "amr": list(grant.methods),
        "nonce": nonce,
        "at_hash": _half_hash(access_token),
        **identity_claims(account, scope, base_url),
    }
    return {name: value for name, value in claims.items() if value is not None}


def identity_claims(account: Account, scope: Collection[str], base_url: str) -> dict[str, Any]:
    """Who the user is, as far as `scope` allows to tell; what userinfo answers too."""
    claims: dict[str, Any] = {"sub": account.subject}
    # SMART: apps of the first version ask for profile in place of fhirUser.
    if "fhirUser" in scope or "profile" in scope:
        claims["fhirUser"] = f"{base_url}/{account.fhir_user}"
    if "profile" in scope:
        claims |= {"profile": claims["fhirUser"], "preferred_username": account.username}
    return claims


def _half_hash(access_token: str) -> str:
    """OpenID Connect Core §3.1.3.6: the left half of the SHA-256 that RS256 uses, in base64url."""
    digest = hashlib.sha256(access_token.encode("ascii")).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
