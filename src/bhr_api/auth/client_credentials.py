"""The client credentials grant (RFC 6749 §4.4; SMART App Launch 2.2, backend-services.html)."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidScopeError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant

from bhr_api.auth.access_token import BACKEND_LIFETIME, IssuedToken, issue_token
from bhr_api.auth.client_authentication import METHODS
from bhr_api.auth.launch import LAUNCH
from bhr_api.auth.scopes import narrow_scope
from bhr_api.auth.server_transaction import ServerTransaction
from bhr_api.opaque_strings import parse_opaque
from bhr_api.store.oauth import OAuthClient


class BackendServiceGrant(ClientCredentialsGrant):  # type: ignore[misc]
    """Authlib's grant; the scope is narrowed to the client's registration before the token is made."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    server: ServerTransaction
    _scope: str
    _issued: IssuedToken

    def validate_requested_scope(self) -> None:
        """Narrow the scope. Raises `InvalidScopeError` when nothing that can be enforced is left.

        Only `system/` scopes, and `launch` of a host: `patient/` and `user/` ones have neither patient nor user here.
        """
        asked = self.request.payload.scope or ""
        self._scope = narrow_scope(asked, self._client_row.scope, "system")
        # Of the launch scopes, only what lets a host EHR mint launch values (launch.py).
        if self.request.client.is_host and LAUNCH in asked.split():
            self._scope = f"{self._scope} {LAUNCH}".strip()
        if not self._scope:
            raise InvalidScopeError(
                "Ask for system scopes within the registration of the client, such as system/Observation.rs."
            )

    def generate_token(self, **_kwargs: object) -> dict[str, Any]:
        """The token response."""
        row = self._client_row
        opaque = parse_opaque(row.client_id, "client")
        assert opaque is not None
        self._issued = issue_token(
            tenant=row.tenant,
            tenant_name=opaque.tenant_name,
            client_id=row.client_id,
            scope=self._scope,
            now=self.server.now,
            lifetime=BACKEND_LIFETIME,
        )
        return self._issued.response()

    def save_token(self, token: dict[str, Any]) -> None:
        """Store the token's digest, and note the grant for the audit in the same transaction."""
        self.server.session.add(self._issued.row)
        self.server.note("grant", "success", token["scope"])

    @property
    def _client_row(self) -> OAuthClient:
        row: OAuthClient = self.request.client.row
        return row
