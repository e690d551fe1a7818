"""How a client proves who it is: by a signed assertion (RFC 7523 §2.2) or a secret (RFC 6749 §2.3)."""

from collections.abc import Callable
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion

from bhr_api.auth.client import Client
from bhr_api.auth.client_assertion import (
    ClientAssertion,
    check_claims,
    replayable_until,
    verify_signature,
)
from bhr_api.auth.jwks import VerificationKey, usable_keys
from bhr_api.auth.request_form import BasicCredentials, BearerCredentials, NoCredentials, PostedCredentials
from bhr_api.auth.server_transaction import FormRequest, KeySetDueError, ServerTransaction
from bhr_api.auth.stored_tokens import find_refresh_token, find_token, is_alive
from bhr_api.opaque_strings import digest_of
from bhr_api.store import oauth

METHODS = ["private_key_jwt", "client_secret_basic", "client_secret_post"]
INTROSPECTION_METHODS = ["bearer", *METHODS]
# RFC 6749 §2.1: an app that can keep no secret says who it is and proves nothing; PKCE binds what it gets.
APP_METHODS = [*METHODS, "none"]
QueryClient = Callable[[str], Client | None]


class SmartClientAssertion(JWTBearerClientAssertion):  # type: ignore[misc]
    """Authlib's assertion with what SMART asks for beyond it: RS384, ES384, `kid`, `jku`, one `aud`, five minutes."""

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, server: ServerTransaction) -> None:
        super().__init__()
        self._server = server

    def __call__(self, query_client: QueryClient, request: FormRequest) -> Client | None:
        if not isinstance(assertion := request.credentials, ClientAssertion):
            return None
        client = query_client(assertion.client_id)
        if client is None:
            raise InvalidClientError("No such client, or a disabled one.")
        self.authenticate_client(client)
        self._verify(client, assertion)
        request.client = client
        return client

    def _verify(self, client: Client, assertion: ClientAssertion) -> None:
        key = self._key(client, assertion.kid)
        if key is None:
            raise InvalidClientError("The client has no key of that kid.")
        verify_signature(assertion, key, client.row.jwks_url)
        check_claims(assertion.claims, client.row.client_id, self._server.circumstances.token_url, self._server.now)
        # Last, so that a forged or misdirected assertion never uses up the jti of a true one.
        self._use_up(client, assertion)

    def _key(self, client: Client, kid: str) -> VerificationKey | None:
        if client.row.jwks is not None:
            return usable_keys(client.row.jwks).get(kid)
        if (url := client.row.jwks_url) is None:
            return None
        circumstances = self._server.circumstances
        if circumstances.may_fetch_keys and circumstances.key_sets.is_due(url, kid):
            # No database connection is held while a client's server is waited for.
            raise KeySetDueError(url, kid)
        return circumstances.key_sets.find(url, kid)

    def _use_up(self, client: Client, assertion: ClientAssertion) -> None:
        statement = oauth.use_assertion(
            client.row.tenant,
            client.row.client_id,
            digest_of(assertion.claims["jti"]),
            replayable_until(assertion.claims),
        )
        result: Any = self._server.session.execute(statement)
        if result.rowcount != 1:
            raise InvalidClientError("The client assertion was used before.")


def client_secret_basic(query_client: QueryClient, request: FormRequest) -> Client | None:
    """RFC 6749 §2.3.1, HTTP Basic."""
    return _by_secret(query_client, request.credentials) if isinstance(request.credentials, BasicCredentials) else None


def client_secret_post(query_client: QueryClient, request: FormRequest) -> Client | None:
    """RFC 6749 §2.3.1, in the body."""
    return _by_secret(query_client, request.credentials) if isinstance(request.credentials, PostedCredentials) else None


def _by_secret(query_client: QueryClient, credentials: BasicCredentials | PostedCredentials) -> Client:
    client = query_client(credentials.client_id)
    if client is None:
        raise InvalidClientError("No such client, or a disabled one.")
    if not client.check_client_secret(credentials.secret):
        raise InvalidClientError("The client secret is wrong.")
    return client


class PublicClient:
    """RFC 6749 §3.2.1: a public client sends its client_id. Who registered credentials must use them.

    SMART App Launch 2.2, "Refresh access token", lists no client_id: there the refresh token alone says whose it is.
    """

    def __init__(self, server: ServerTransaction) -> None:
        self._server = server

    def __call__(self, query_client: QueryClient, request: FormRequest) -> Client | None:
        if not isinstance(request.credentials, NoCredentials):
            return None
        client_id = request.credentials.client_id or self._refreshing_client(request)
        client = None if client_id is None else query_client(client_id)
        if client is None:
            raise InvalidClientError("No such client, or a disabled one.")
        if not client.row.is_public:
            raise InvalidClientError("The client has credentials and did not use them.")
        return client

    def _refreshing_client(self, request: FormRequest) -> str | None:
        if request.form.get("grant_type") != "refresh_token":
            return None
        token = find_refresh_token(self._server, request.form.get("refresh_token", ""))
        return None if token is None else token.row.client_id


class OwnBearerToken:
    """RFC 7662 §2.1: at the introspection endpoint a live token speaks for the client that it was issued to."""

    def __init__(self, server: ServerTransaction) -> None:
        self._server = server

    def __call__(self, query_client: QueryClient, request: FormRequest) -> Client | None:
        if not isinstance(request.credentials, BearerCredentials):
            return None
        token = find_token(self._server, request.credentials.token)
        if token is None or not is_alive(self._server, token):
            raise InvalidClientError("The bearer token is not valid.", status_code=401)
        return query_client(token.row.client_id)


def register_methods(server: ServerTransaction) -> None:
    """Put these methods in place of Authlib's own of the same names."""
    server.register_client_auth_method("none", PublicClient(server))
    server.register_client_auth_method("bearer", OwnBearerToken(server))
    server.register_client_auth_method("private_key_jwt", SmartClientAssertion(server))
    server.register_client_auth_method("client_secret_basic", client_secret_basic)
    server.register_client_auth_method("client_secret_post", client_secret_post)
