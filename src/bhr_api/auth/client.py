"""A registered client as Authlib asks about it (RFC 6749 §2)."""

import hmac
from collections.abc import Collection

from authlib.oauth2.rfc6749 import ClientMixin

from bhr_api.opaque_strings import digest_of
from bhr_api.store.oauth import OAuthClient


class Client(ClientMixin):  # type: ignore[misc]
    """One row of `oauth_client` with the rules that follow from it."""

    def __init__(self, row: OAuthClient) -> None:
        self.row = row

    @property
    def authentication_methods(self) -> Collection[str]:
        """The one family of methods that the client registered for; a second would be a second door to guard."""
        if self.row.is_public:
            return ("none",)
        if self.row.secret_hash is not None:
            return ("client_secret_basic", "client_secret_post")
        return ("private_key_jwt",)

    def get_client_id(self) -> str:
        """The client_id."""
        return self.row.client_id

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether the client may authenticate so: its own methods everywhere, a bearer token to ask about tokens."""
        return method in self.authentication_methods or (method, endpoint) == ("bearer", "introspection")

    def check_client_secret(self, client_secret: str) -> bool:
        """Compare in constant time."""
        return self.row.secret_hash is not None and hmac.compare_digest(self.row.secret_hash, digest_of(client_secret))

    def check_grant_type(self, grant_type: str) -> bool:
        """A confidential client may act for itself; a client with redirect URIs may act for people."""
        if grant_type == "client_credentials":
            return not self.row.is_public
        return grant_type in ("authorization_code", "refresh_token") and bool(self.row.redirect_uris)

    @property
    def is_host(self) -> bool:
        """Whether the client is an EHR that launches apps: registered for `launch`, and no app that is launched itself."""
        return not self.row.is_public and not self.row.redirect_uris and "launch" in self.row.scope.split()
