"""Refresh tokens: opaque, stored by digest, each good once (RFC 6749 §1.5)."""

from datetime import datetime

from bhr_api.auth.client import Client
from bhr_api.store.grants import OAuthRefreshToken


class RefreshToken:
    """One row of `oauth_refresh_token` at the moment `now`, as the endpoints about tokens ask."""

    def __init__(self, row: OAuthRefreshToken, now: datetime) -> None:
        self.row = row
        self._now = now

    def check_client(self, client: Client) -> bool:
        """Whether the token was issued to `client`."""
        return (self.row.tenant, self.row.client_id) == (client.row.tenant, client.row.client_id)

    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.row.expires_at <= self._now

    def is_revoked(self) -> bool:
        """Whether it was used, and so another took its place."""
        return self.row.used_at is not None
