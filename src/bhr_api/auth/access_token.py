"""Access tokens: opaque, short-lived, stored by digest (RFC 6749 §1.4, §5.1)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import TokenMixin

from bhr_api.auth.client import Client
from bhr_api.opaque_strings import mint
from bhr_api.store.oauth import OAuthAccessToken

# SMART App Launch 2.2, backend-services.html#issue-access-token: expires_in SHOULD NOT exceed 300.
BACKEND_LIFETIME = timedelta(seconds=300)


class AccessToken(TokenMixin):  # type: ignore[misc]
    """One row of `oauth_access_token` at the moment `now`."""

    def __init__(self, row: OAuthAccessToken, now: datetime) -> None:
        self.row = row
        self._now = now

    def check_client(self, client: Client) -> bool:
        """Whether the token was issued to `client`."""
        return (self.row.tenant, self.row.client_id) == (client.row.tenant, client.row.client_id)

    def is_expired(self) -> bool:
        """Whether its lifetime is over."""
        return self.row.expires_at <= self._now

    def is_revoked(self) -> bool:
        """Whether it was revoked."""
        return self.row.revoked_at is not None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token's text, which exists only here and at its holder, and the row to be stored."""

    text: str
    row: OAuthAccessToken

    def response(self) -> dict[str, Any]:
        """The successful token response (RFC 6749 §5.1)."""
        lifetime = self.row.expires_at - self.row.issued_at
        return {
            "access_token": self.text,
            "token_type": "Bearer",
            "expires_in": int(lifetime.total_seconds()),
            "scope": self.row.scope,
        }


def issue_token(
    *,
    tenant: int,
    tenant_name: str,
    client_id: str,
    scope: str,
    now: datetime,
    lifetime: timedelta,
    patient: str | None = None,
    fhir_user: str | None = None,
    grant_id: str | None = None,
    username: str | None = None,
) -> IssuedToken:
    """A fresh token, to be stored by the caller.

    With a `username` it allows no more than the roles of that account; `grant_id` is what a person granted.
    """
    text = mint("at", tenant_name)
    row = OAuthAccessToken(
        tenant=tenant,
        token_hash=text.digest,
        client_id=client_id,
        scope=scope,
        patient=patient,
        fhir_user=fhir_user,
        username=username,
        issued_at=now,
        expires_at=now + lifetime,
        grant_id=grant_id,
    )
    return IssuedToken(text.text, row)
