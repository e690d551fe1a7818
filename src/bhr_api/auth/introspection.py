"""Token introspection (RFC 7662; SMART App Launch 2.2, token-introspection.html)."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from bhr_api.auth.access_token import AccessToken
from bhr_api.auth.app_tokens import live_grant
from bhr_api.auth.client import Client
from bhr_api.auth.client_authentication import INTROSPECTION_METHODS
from bhr_api.auth.launch_context import stored_context
from bhr_api.auth.refresh_token import RefreshToken
from bhr_api.auth.server_transaction import FormRequest, ServerTransaction
from bhr_api.auth.stored_tokens import find_any_token, is_alive


class OwnTokenIntrospection(IntrospectionEndpoint):  # type: ignore[misc]
    """Anything but a live token of the asking client is `{"active": false}` and no more (RFC 7662 §2.2)."""

    CLIENT_AUTH_METHODS = INTROSPECTION_METHODS
    server: ServerTransaction

    def check_params(self, request: FormRequest, _client: Client) -> None:
        """RFC 7662 §2.1: token is required; token_type_hint may be ignored, and is."""
        if "token" not in request.form:
            raise InvalidRequestError("token is missing.")

    def query_token(self, token_string: str, _token_type_hint: str | None) -> AccessToken | RefreshToken | None:
        """The token, if it exists and may be used."""
        token = find_any_token(self.server, token_string)
        return token if token is not None and is_alive(self.server, token) else None

    def check_permission(self, token: AccessToken | RefreshToken, client: Client, _request: FormRequest) -> bool:
        """A client learns about its own tokens only."""
        return token.check_client(client)

    def create_introspection_payload(self, token: AccessToken | RefreshToken | None) -> dict[str, Any]:
        """The answer, noted for the audit."""
        payload: dict[str, Any] = super().create_introspection_payload(token)
        self.server.note("introspect", "success", "active" if payload["active"] else "not active")
        return payload

    def introspect_token(self, token: AccessToken | RefreshToken) -> dict[str, Any]:
        """RFC 7662 §2.2, with the launch context and the user that came with the token."""
        row = token.row
        facts: dict[str, Any] = {
            "active": True,
            "client_id": row.client_id,
            "iss": self.server.circumstances.issuer,
            "iat": int(row.issued_at.timestamp()),
            "exp": int(row.expires_at.timestamp()),
        }
        if row.grant_id is not None:
            facts |= self._of_grant(row.tenant, row.grant_id)
        if isinstance(token, AccessToken):
            facts |= {"token_type": "Bearer", "scope": token.row.scope}
            facts |= {"patient": token.row.patient, "fhirUser": self._fhir_user(token)}
        return {name: value for name, value in facts.items() if value is not None}

    def _of_grant(self, tenant: int, grant_id: str) -> dict[str, Any]:
        """SMART: the launch context as the token response told it; sub where an id_token came with the token."""
        found = live_grant(self.server, tenant, grant_id)
        if found is None:
            return {}
        grant, account = found
        facts = {"scope": grant.scope, **stored_context(grant.context).members()}
        return facts | ({"sub": account.subject} if "openid" in grant.scope.split() else {})

    def _fhir_user(self, token: AccessToken) -> str | None:
        """The user as the id_token names it: by an absolute URL, where the scope asks for it. Tokens of the command line
        were given no scope for it."""
        user, scope = token.row.fhir_user, token.row.scope.split()
        if user is None or token.row.grant_id is None:
            return user
        if not {"fhirUser", "profile"} & set(scope):
            return None
        return f"{self.server.circumstances.base_url}/{user}"
