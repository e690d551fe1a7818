"""Token revocation (RFC 7009)."""

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint

from bhr_api.auth.access_token import AccessToken
from bhr_api.auth.app_tokens import revoke_family
from bhr_api.auth.client import Client
from bhr_api.auth.client_authentication import APP_METHODS
from bhr_api.auth.refresh_token import RefreshToken
from bhr_api.auth.server_transaction import FormRequest, ServerTransaction
from bhr_api.auth.stored_tokens import find_any_token
from bhr_api.store import oauth
from bhr_api.store.grants import OAuthRefreshToken


class OwnTokenRevocation(RevocationEndpoint):  # type: ignore[misc]
    """200 for the client's own tokens and for unknown ones (§2.2); another client's token is refused (§2.1)."""

    # RFC 7009 §2.1: a public client revokes its own tokens by its client_id.
    CLIENT_AUTH_METHODS = APP_METHODS
    server: ServerTransaction

    def check_params(self, request: FormRequest, _client: Client) -> None:
        """§2.1: token is required; token_type_hint may be ignored, and is."""
        if "token" not in request.form:
            raise InvalidRequestError("token is missing.")

    def query_token(self, token_string: str, _token_type_hint: str | None) -> AccessToken | RefreshToken | None:
        """The token, if it exists."""
        token = find_any_token(self.server, token_string)
        if token is None:
            self.server.note("revoke", "success", "nothing to revoke")
        return token

    def revoke_token(self, token: AccessToken | RefreshToken, _request: FormRequest) -> None:
        """Mark it as revoked; it is dead on every worker within `bearer.CACHE_SECONDS`.

        §2.1: with a refresh token go the access tokens of the same grant.
        """
        row = token.row
        if isinstance(row, OAuthRefreshToken):
            revoke_family(self.server, row.tenant, row.grant_id)
            self.server.note("revoke", "success", "a refresh token and its grant")
            return
        self.server.session.execute(oauth.revoke_access_token(row.tenant, row.token_hash, self.server.now))
        self.server.note("revoke", "success", row.scope)
