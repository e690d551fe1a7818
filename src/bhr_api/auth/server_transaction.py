"""Authlib's authorization server, one instance for each request, holding that request's database session (RFC 6749).

Authlib's core is synchronous; it runs inside `AsyncSession.run_sync`, so that its queries wait on the event loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from authlib.oauth2 import OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidClientError,
    InvalidRequestError,
    UnsupportedGrantTypeError,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from sqlalchemy.orm import Session

from bhr_api.auth.audit import AuthorizationEvent
from bhr_api.auth.client import Client
from bhr_api.auth.jwks import VerificationKey
from bhr_api.auth.jwks_url import PublishedKeySets
from bhr_api.auth.lifetimes import Lifetimes
from bhr_api.auth.request_form import Credentials, EndpointRequest
from bhr_api.auth.signing_keys import SigningKeys
from bhr_api.opaque_strings import parse_opaque
from bhr_api.store import oauth


class KeySetDueError(Exception):
    """The client's keys must be fetched before it can be authenticated; nothing was written yet."""

    def __init__(self, url: str, kid: str) -> None:
        super().__init__(url)
        self.url, self.kid = url, kid


class OtherGrantTypeError(UnsupportedGrantTypeError):  # type: ignore[misc]
    """A grant type that is not offered. Authlib's own repeats the value, which may hold anything."""

    description = "The grant_types offered here are authorization_code, refresh_token and client_credentials."

    def get_error_description(self) -> str:
        """What would be right."""
        return self.description


@dataclass(frozen=True, slots=True)
class OAuthResponse:
    """What goes back: RFC 6749 §5 JSON with its headers."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


class FormRequest(OAuth2Request):  # type: ignore[misc]
    """A form-encoded request as Authlib reads it; parameters come from the body only."""

    def __init__(self, uri: str, form: Mapping[str, str], credentials: Credentials) -> None:
        super().__init__("POST", uri)
        self.payload = BasicOAuth2Payload(form)
        self.credentials = credentials

    @property
    def form(self) -> Mapping[str, str]:
        """The parameters."""
        data: Mapping[str, str] = self.payload.data
        return data


@dataclass(slots=True)
class Circumstances:
    """What one request brings along, and what the audit is to hear of it."""

    session: Session
    now: datetime
    token_url: str
    issuer: str
    request: EndpointRequest
    base_url: str
    lifetimes: Lifetimes
    signing_keys: SigningKeys
    key_sets: PublishedKeySets[VerificationKey]
    may_fetch_keys: bool
    events: list[AuthorizationEvent] = field(default_factory=list)


class ServerTransaction(AuthorizationServer):  # type: ignore[misc]
    """The authorization server for the length of one request and one database transaction."""

    def __init__(self, circumstances: Circumstances) -> None:
        super().__init__()
        self.circumstances = circumstances
        self.session = circumstances.session
        self.now = circumstances.now
        self.tenant: int | None = None
        self.tenant_name = ""
        self.client: Client | None = None
        self.user: str | None = None

    def query_client(self, client_id: str) -> Client | None:
        """The enabled client of that id; the tenant is read from the id itself."""
        # The audit names tenant and client from here on, also when the credentials turn out to be wrong.
        self.tenant = self._tenant_of(client_id)
        row = None if self.tenant is None else self.session.scalar(oauth.client(self.tenant, client_id))
        if row is None:
            return None
        self.client = Client(row)
        return self.client if row.disabled_at is None else None

    def _tenant_of(self, client_id: str) -> int | None:
        opaque = parse_opaque(client_id, "client")
        if opaque is None:
            return None
        self.tenant_name = opaque.tenant_name
        return self.session.scalar(oauth.tenant_number(opaque.tenant_name))

    def create_token_response(self, request: FormRequest) -> OAuthResponse:
        """The answer of the token endpoint. RFC 6749 §5.2: a missing parameter is an invalid request."""
        if request.payload.grant_type is None:
            return self.handle_error_response(request, InvalidRequestError("grant_type is missing."))
        response: OAuthResponse = super().create_token_response(request)
        return response

    def get_token_grant(self, request: OAuth2Request) -> Any:
        """The grant that the request asks for; unlike Authlib's, the refusal does not repeat what was sent."""
        try:
            return super().get_token_grant(request)
        except UnsupportedGrantTypeError as error:
            raise OtherGrantTypeError(error.grant_type) from error

    def create_oauth2_request(self, request: FormRequest) -> FormRequest:
        """Requests arrive here ready."""
        return request

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def handle_response(self, status: int, body: Mapping[str, Any], headers: list[tuple[str, str]]) -> OAuthResponse:
        """Authlib's triple under names."""
        return OAuthResponse(status, body, dict(headers))

    def handle_error_response(self, _request: FormRequest | None, error: OAuth2Error) -> OAuthResponse:
        """Note the refusal for the audit, and answer without telling strangers why they failed to authenticate."""
        self.note("refuse", str(error.error), error.get_error_description() or str(error.error))
        if isinstance(error, InvalidClientError):
            error = anonymous_failure(with_challenge=self.circumstances.request.authorization is not None)
        return OAuthResponse(error.status_code, dict(error.get_body()), dict(error.get_headers()))

    def refuse(self, status: int, error: str, description: str, challenge: str | None = None) -> OAuthResponse:
        """Note a refusal of our own endpoints for the audit, and answer with it; `challenge` is as RFC 6750 §3 has it."""
        self.note("refuse", error, description)
        headers = {} if challenge is None else {"WWW-Authenticate": challenge}
        return OAuthResponse(status, {"error": error, "error_description": description}, headers)

    def note(self, action: Any, outcome: str, detail: str) -> None:
        """Add an event for the audit."""
        request = self.circumstances.request
        self.circumstances.events.append(
            AuthorizationEvent(
                tenant=self.tenant,
                client_id=self.client.get_client_id() if self.client else None,
                action=action,
                outcome=outcome,
                detail=detail,
                source_address=request.source_address,
                request_id=request.request_id,
                user=self.user,
            )
        )


def anonymous_failure(*, with_challenge: bool) -> InvalidClientError:
    """The one `invalid_client`: the same for an unknown client, a wrong key and a used assertion.

    RFC 6749 §5.2: 401 with a challenge if the client used the Authorization header, else 400.
    """
    return InvalidClientError("Client authentication failed.", status_code=401 if with_challenge else 400)
