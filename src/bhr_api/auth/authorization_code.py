"""The authorization code grant at the token endpoint (RFC 6749 §4.1.3, RFC 7636 §4.5; SMART App Launch 2.2)."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant

from bhr_api.auth.app_tokens import issue_app_tokens, live_grant, revoke_family
from bhr_api.auth.client_authentication import APP_METHODS
from bhr_api.auth.code_challenge import challenge_of, is_verifier
from bhr_api.auth.server_transaction import ServerTransaction
from bhr_api.opaque_strings import OpaqueString, parse_opaque
from bhr_api.store import grant_statements
from bhr_api.store.grants import OAuthGrant
from bhr_api.store.oauth import OAuthClient
from bhr_api.store.people import Account

_NEEDED = ("code", "redirect_uri", "code_verifier")


class AppCodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """Authlib's grant with PKCE for every client, and one statement that finds and uses up the code.

    Only the right request uses it up: a forged one (other client, other redirect URI, wrong verifier) leaves it for its
    owner. A second use revokes what the first one got.
    """

    TOKEN_ENDPOINT_AUTH_METHODS = APP_METHODS
    server: ServerTransaction
    _grant: OAuthGrant
    _account: Account

    def validate_token_request(self) -> None:
        """Authenticate the client and use up its code. Raises Authlib's errors."""
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError("The client has registered no redirect URI.")
        self.request.client = client
        if missing := [name for name in _NEEDED if name not in self.request.form]:
            raise InvalidRequestError(f"{missing[0]} is missing.")
        found = self._use_up(client.row)
        if found is None:
            raise InvalidGrantError("The code, its redirect_uri or its code_verifier is not valid, or no longer.")
        self._grant, self._account = found

    def _use_up(self, client: OAuthClient) -> tuple[OAuthGrant, Account] | None:
        form = self.request.form
        opaque, verifier = parse_opaque(form["code"], "code"), form["code_verifier"]
        # A code of another tenant would not be found in the client's.
        if opaque is None:
            return None
        grant_id = None
        if is_verifier(verifier):
            statement = grant_statements.use_code(
                client.tenant,
                opaque.digest,
                client.client_id,
                form["redirect_uri"],
                challenge_of(verifier),
                self.server.now,
            )
            grant_id = self.server.session.scalar(statement)
        if grant_id is None:
            self._punish_reuse(client, opaque)
            return None
        return live_grant(self.server, client.tenant, grant_id)

    def _punish_reuse(self, client: OAuthClient, opaque: OpaqueString) -> None:
        """RFC 6749 §4.1.2: a code that is used twice was stolen once; whatever it gave is revoked."""
        row = self.server.session.scalar(grant_statements.code(client.tenant, opaque.digest))
        if row is not None and row.used_at is not None and row.client_id == client.client_id:
            revoke_family(self.server, client.tenant, row.grant_id)
            self.server.note("revoke", "success", "a code was used twice")

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """The token response."""
        grant = self._grant
        tokens = issue_app_tokens(self.server, grant, self._account, grant.scope, nonce=grant.nonce)
        return 200, tokens, self.TOKEN_RESPONSE_HEADER
