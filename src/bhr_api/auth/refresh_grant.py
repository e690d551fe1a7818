"""The refresh token grant: each token is good once and gives the next one (RFC 6749 §6; RFC 9700 §4.14.2)."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, InvalidScopeError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import RefreshTokenGrant

from bhr_api.auth.app_scope import is_within
from bhr_api.auth.app_tokens import issue_app_tokens, live_grant, revoke_family
from bhr_api.auth.client import Client
from bhr_api.auth.client_authentication import APP_METHODS
from bhr_api.auth.refresh_token import RefreshToken
from bhr_api.auth.server_transaction import ServerTransaction
from bhr_api.opaque_strings import OpaqueString, parse_opaque
from bhr_api.store import grant_statements
from bhr_api.store.grants import OAuthGrant
from bhr_api.store.people import Account


class AppRefreshGrant(RefreshTokenGrant):  # type: ignore[misc]
    """Authlib's grant with rotation for every client; who presents a used token loses all that came from the same grant."""

    TOKEN_ENDPOINT_AUTH_METHODS = APP_METHODS
    server: ServerTransaction
    _grant: OAuthGrant
    _account: Account
    _scope: str

    def validate_token_request(self) -> None:
        """Authenticate the client, check the scope, and use up the token last. Raises Authlib's errors."""
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError("The client has registered no redirect URI.")
        self.request.client = client
        opaque = parse_opaque(self._presented(), "refresh")
        found = None if opaque is None else self._find(client, opaque)
        if opaque is None or found is None:
            raise InvalidGrantError("The refresh token is not valid, or no longer.")
        self._grant, self._account = found
        self._scope = self._checked_scope()
        self._use_up(client, opaque)

    def _presented(self) -> str:
        if "refresh_token" not in self.request.form:
            raise InvalidRequestError("refresh_token is missing.")
        text: str = self.request.form["refresh_token"]
        return text

    def _find(self, client: Client, opaque: OpaqueString) -> tuple[OAuthGrant, Account] | None:
        row = self.server.session.scalar(grant_statements.refresh_token(client.row.tenant, opaque.digest))
        token = None if row is None else RefreshToken(row, self.server.now)
        if token is None or not token.check_client(client) or token.is_expired():
            return None
        if token.is_revoked():
            self._punish_reuse(token.row.tenant, token.row.grant_id)
            return None
        return live_grant(self.server, token.row.tenant, token.row.grant_id)

    def _checked_scope(self) -> str:
        """RFC 6749 §6: nothing that was not granted; when omitted, all that was."""
        asked: str = self.request.payload.scope or ""
        if not asked.strip():
            return self._grant.scope
        if not is_within(asked, self._grant.scope):
            raise InvalidScopeError("Ask for scopes that were granted, or for none to have them all.")
        return " ".join(dict.fromkeys(asked.split()))

    def _use_up(self, client: Client, opaque: OpaqueString) -> None:
        statement = grant_statements.use_refresh_token(
            client.row.tenant, opaque.digest, client.row.client_id, self.server.now
        )
        grant_id = self.server.session.scalar(statement)
        if grant_id is None:
            # Somebody else's request used it since it was looked at.
            self._punish_reuse(self._grant.tenant, self._grant.grant_id)
            raise InvalidGrantError("The refresh token is not valid, or no longer.")

    def _punish_reuse(self, tenant: int, grant_id: str) -> None:
        revoke_family(self.server, tenant, grant_id)
        self.server.note("revoke", "success", "a refresh token was used twice")

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """The token response, with the next refresh token. OpenID Connect Core §12.2: its id_token has no nonce."""
        tokens = issue_app_tokens(self.server, self._grant, self._account, self._scope, nonce=None)
        return 200, tokens, self.TOKEN_RESPONSE_HEADER
