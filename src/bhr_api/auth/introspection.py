"""Token introspection (RFC 7662; SMART App Launch 2.2, token-introspection.html)."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from bhr_api.auth.access_token import AccessToken
from bhr_api.auth.client import Client
from bhr_api.auth.client_authentication import INTROSPECTION_METHODS
from bhr_api.auth.server_transaction import FormRequest, ServerTransaction
from bhr_api.auth.stored_tokens import find_token


class OwnTokenIntrospection(IntrospectionEndpoint):  # type: ignore[misc]
    """Anything but a live token of the asking client is `{"active": false}` and no more (RFC 7662 §2.2)."""

    CLIENT_AUTH_METHODS = INTROSPECTION_METHODS
    server: ServerTransaction

    def check_params(self, request: FormRequest, _client: Client) -> None:
        """RFC 7662 §2.1: token is required; token_type_hint may be ignored, and is."""
        if "token" not in request.form:
            raise InvalidRequestError("token is missing.")

    def query_token(self, token_string: str, _token_type_hint: str | None) -> AccessToken | None:
        """The token, if it exists."""
        return find_token(self.server, token_string)

    def check_permission(self, token: AccessToken, client: Client, _request: FormRequest) -> bool:
        """A client learns about its own tokens only."""
        return token.check_client(client)

    def create_introspection_payload(self, token: AccessToken | None) -> dict[str, Any]:
        """The answer, noted for the audit."""
        payload: dict[str, Any] = super().create_introspection_payload(token)
        self.server.note("introspect", "success", "active" if payload["active"] else "not active")
        return payload

    def introspect_token(self, token: AccessToken) -> dict[str, Any]:
        """RFC 7662 §2.2, with the launch context that came with the token."""
        row = token.row
        facts = {
            "active": True,
            "scope": row.scope,
            "client_id": row.client_id,
            "token_type": "Bearer",
            "iss": self.server.circumstances.issuer,
            "iat": int(row.issued_at.timestamp()),
            "exp": int(row.expires_at.timestamp()),
            "patient": row.patient,
            "fhirUser": row.fhir_user,
        }
        return {name: value for name, value in facts.items() if value is not None}
