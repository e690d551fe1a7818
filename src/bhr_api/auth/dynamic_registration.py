"""Apps that register themselves, by an initial access token or a signed software statement (RFC 7591 §1.2, §2, §3).

Nothing that a request names is fetched: keys come by value. Only apps register so: a client without a redirect URI, which
might launch others or act for itself alone, is the operator's to add.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncSession

from bhr_api.auth.app_scope import app_scope
from bhr_api.auth.authorizing import Authorizing
from bhr_api.auth.registration import (
    RedirectUriError,
    RegisteredClient,
    RegistrationError,
    register_client,
    tenant_number,
)
from bhr_api.auth.scopes import InvalidScopeTextError, check_registrable, narrow_scope
from bhr_api.auth.server_transaction import OAuthResponse
from bhr_api.auth.software_statement import InvalidStatementError, StatementIssuer, verified_statement
from bhr_api.opaque_strings import OpaqueString, mint, parse_opaque
from bhr_api.store import grant_statements, oauth
from bhr_api.store.grants import RegistrationToken

_METHODS = ("none", "client_secret_basic", "client_secret_post", "private_key_jwt")
_GRANT_TYPES = frozenset({"authorization_code", "refresh_token"})
_MOST_URIS = 20
_MOST_TEXT = 200


class InvalidMetadataError(ValueError):
    """Client metadata that cannot be registered; `error` is a code of RFC 7591 §3.2.2."""

    def __init__(self, message: str, error: str = "invalid_client_metadata") -> None:
        super().__init__(message)
        self.error = error


async def invite(
    session: AsyncSession, *, tenant_name: str, scope: str, uses: int, now: datetime, lifetime: timedelta
) -> str:
    """An initial access token for `uses` registrations within `scope`; the caller commits. Raises `RegistrationError`."""
    try:
        allowed = check_registrable(scope)
    except InvalidScopeTextError as error:
        raise RegistrationError(str(error)) from error
    text = mint("registration", tenant_name)
    session.add(
        RegistrationToken(
            tenant=await tenant_number(session, tenant_name),
            token_hash=text.digest,
            scope=allowed,
            created_at=now,
            expires_at=now + lifetime,
            uses_left=uses,
        )
    )
    await session.flush()
    return text.text


async def register(
    work: Authorizing, bearer: str | None, body: bytes, issuers: Sequence[StatementIssuer]
) -> OAuthResponse:
    """201 with the client as RFC 7591 §3.2.1 tells it, or the refusal. A refused request does not use the token up.

    A software statement of one of `issuers` takes the token's place.
    """
    token = None if bearer is None else parse_opaque(bearer, "registration")
    if token is not None:
        work.tenant = await work.session.scalar(oauth.tenant_number(token.tenant_name))
    try:
        async with work.session.begin_nested():
            if bearer is None and (vouched := _vouched(body, issuers, work.now)) is not None:
                issuer, metadata = vouched
                tenant_name, allowed = issuer.tenant_name, issuer.scope
                work.tenant = await work.session.scalar(oauth.tenant_number(tenant_name))
            else:
                used = None if token is None else await _use(work, token)
                if token is None or used is None:
                    return _unauthorized(work, bearer)
                tenant_name, allowed, metadata = token.tenant_name, used, _metadata(_object(body))
            client = await _registered(work, tenant_name, metadata, allowed)
    except InvalidMetadataError as error:
        work.note("refuse", error.error, str(error))
        return OAuthResponse(400, {"error": error.error, "error_description": _plain(str(error))}, {})
    work.client_id = client.client_id
    work.note("register", "success", client.scope)
    return OAuthResponse(201, _described(client, metadata, work.now), {})


async def _use(work: Authorizing, token: OpaqueString) -> str | None:
    if work.tenant is None:
        return None
    statement = grant_statements.use_registration_token(work.tenant, token.digest, work.now)
    scope: str | None = await work.session.scalar(statement)
    return scope


def _unauthorized(work: Authorizing, bearer: str | None) -> OAuthResponse:
    work.note("refuse", "invalid_token", "no initial access token that is valid")
    challenge = "Bearer" if bearer is None else 'Bearer error="invalid_token"'
    body = {"error": "invalid_token", "error_description": "Send an initial access token from the operator."}
    return OAuthResponse(401, body, {"WWW-Authenticate": challenge})


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidMetadataError("The body is not JSON.") from error
    if not isinstance(value, dict):
        raise InvalidMetadataError("The body is not a JSON object.")
    return value


def _vouched(
    body: bytes, issuers: Sequence[StatementIssuer], now: datetime
) -> tuple[StatementIssuer, Mapping[str, Any]] | None:
    """The metadata of a request with a software statement, and its issuer; None for a request without one.

    RFC 7591 §2.3: what the statement says takes precedence. Redirect URIs are what makes an app: it must name them.
    """
    try:
        sent = _object(body)
    except InvalidMetadataError:
        return None
    if not isinstance(text := sent.pop("software_statement", None), str):
        return None
    try:
        issuer, claims = verified_statement(text, issuers, now)
    except InvalidStatementError as error:
        raise InvalidMetadataError(f"The software statement: {error}", error.error) from error
    if "redirect_uris" not in claims:
        raise InvalidMetadataError("The software statement names no redirect_uris.", "invalid_software_statement")
    return issuer, _metadata(sent | dict(claims))


def _metadata(metadata: dict[str, Any]) -> Mapping[str, Any]:
    """The metadata, each member that is used of its form. Raises `InvalidMetadataError`."""
    if "jwks_uri" in metadata:
        raise InvalidMetadataError("Send the keys themselves, as jwks; no address is fetched.")
    if "software_statement" in metadata:
        raise InvalidMetadataError(
            "A software statement comes without an access token.", "unapproved_software_statement"
        )
    if metadata.get("token_endpoint_auth_method", "client_secret_basic") not in _METHODS:
        raise InvalidMetadataError(f"token_endpoint_auth_method is one of {', '.join(_METHODS)}.")
    if not _GRANT_TYPES.issuperset(_texts(metadata, "grant_types")):
        raise InvalidMetadataError("grant_types are authorization_code and refresh_token.")
    if not {"code"}.issuperset(_texts(metadata, "response_types")):
        raise InvalidMetadataError("The response_type offered here is code.")
    return metadata


def _texts(metadata: Mapping[str, Any], name: str) -> Sequence[str]:
    value = metadata.get(name, [])
    if not isinstance(value, list) or len(value) > _MOST_URIS or not all(isinstance(one, str) for one in value):
        raise InvalidMetadataError(f"{name} is a list of at most {_MOST_URIS} texts.")
    return value


def _text(metadata: Mapping[str, Any], name: str) -> str:
    value = metadata.get(name, "")
    if not isinstance(value, str) or not value.isprintable():
        raise InvalidMetadataError(f"{name} is a text of printable characters.")
    return value


async def _registered(
    work: Authorizing, tenant_name: str, metadata: Mapping[str, Any], allowed: str
) -> RegisteredClient:
    redirect_uris = _texts(metadata, "redirect_uris")
    if not redirect_uris:
        raise InvalidMetadataError("An app has at least one redirect URI.", "invalid_redirect_uri")
    method = metadata.get("token_endpoint_auth_method", "client_secret_basic")
    name = _text(metadata, "client_name")
    if len(name) > _MOST_TEXT:
        raise InvalidMetadataError(f"client_name has at most {_MOST_TEXT} characters.")
    try:
        return await register_client(
            work.session,
            tenant_name=tenant_name,
            name=name or "An app without a name",
            scope=_scope(metadata, allowed),
            now=work.now,
            jwks=json.dumps(metadata.get("jwks")) if method == "private_key_jwt" else None,
            secret=method.startswith("client_secret"),
            public=method == "none",
            redirect_uris=redirect_uris,
            origins=sorted({origin for uri in redirect_uris if (origin := _origin(uri)) is not None}),
        )
    except RedirectUriError as error:
        raise InvalidMetadataError(str(error), "invalid_redirect_uri") from error
    except RegistrationError as error:
        raise InvalidMetadataError(str(error)) from error


def _scope(metadata: Mapping[str, Any], allowed: str) -> str:
    """What the app asks for within the invitation; all of that where it asks for nothing (RFC 7591 §2)."""
    asked = _text(metadata, "scope")
    if not asked.strip():
        return allowed
    parts = [app_scope(asked, allowed), narrow_scope(asked, allowed, "system")]
    if not (scope := " ".join(part for part in parts if part)):
        raise InvalidMetadataError("Nothing of this scope is within the invitation.")
    return scope


def _origin(uri: str) -> str | None:
    """The web origin of a page that is returned to, from which its script calls."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") and parts.netloc else None


def _described(client: RegisteredClient, metadata: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    described: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(now.timestamp()),
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": metadata.get("token_endpoint_auth_method", "client_secret_basic"),
        "scope": client.scope,
    }
    if client.client_secret is not None:
        # RFC 7591 §3.2.1: 0 means that it does not expire.
        described |= {"client_secret": client.client_secret, "client_secret_expires_at": 0}
    return described


def _plain(text: str) -> str:
    """`text` in the characters that RFC 6749 §5.2 allows; it may quote what was sent."""
    return "".join(
        letter if letter.isascii() and letter.isprintable() and letter not in '"\\' else "?" for letter in text
    )
