"""Registering clients, by an administrator (RFC 7591's metadata, without its open endpoint); the callers commit."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncSession

from bhr_api.auth.access_token import issue_token
from bhr_api.auth.audit import AuthorizationAudit, AuthorizationEvent
from bhr_api.auth.jwks import InvalidKeySetError, check_key_set
from bhr_api.auth.jwks_url import LOOPBACK_HOSTS, check_key_set_url
from bhr_api.auth.scopes import InvalidScopeTextError, check_registrable
from bhr_api.opaque_strings import OpaqueString, mint, parse_opaque
from bhr_api.store import oauth, people
from bhr_api.store.oauth import OAuthClient

# RFC 3986 §2: what an address consists of, without #; nothing in it can end a header or a page's attribute.
_URI = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")


class RegistrationError(ValueError):
    """Metadata that cannot be registered, or no such client or tenant; the message says what would be right."""


class RedirectUriError(RegistrationError):
    """A redirect URI that cannot be registered, or none where there must be one."""


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """A client as registered; `client_secret` is filled in only when it was made just now, and never again."""

    client_id: str
    name: str
    scope: str
    authentication: str
    jwks_url: str | None
    redirect_uris: Sequence[str]
    origins: Sequence[str]
    created_at: datetime
    disabled_at: datetime | None
    client_secret: str | None = None


async def register_client(
    session: AsyncSession,
    *,
    tenant_name: str,
    name: str,
    scope: str,
    now: datetime,
    jwks: str | None = None,
    jwks_url: str | None = None,
    secret: bool = False,
    public: bool = False,
    redirect_uris: Sequence[str] = (),
    origins: Sequence[str] = (),
    resource_types: Collection[str] | None = None,
) -> RegisteredClient:
    """Register a client: with exactly one of `jwks` (JSON text), `jwks_url` and `secret`, or else `public`.

    A public client is an app that can keep no secret; it is known by its redirect URIs, of which it has at least one.
    `resource_types`, when given, are the types that scopes may name. Raises `RegistrationError`.
    """
    if [jwks is not None, jwks_url is not None, secret, public].count(True) != 1:
        raise RegistrationError(
            "A client authenticates by exactly one of a key set, a key set URL and a secret, or it is public."
        )
    if public and not redirect_uris:
        raise RedirectUriError("A public client is known by its redirect URIs: give at least one.")
    if not name.strip() or not name.isprintable():
        raise RegistrationError("A client needs a name of printable characters, by which people know it.")
    row = OAuthClient(
        tenant=await tenant_number(session, tenant_name),
        client_id=mint("client", tenant_name).text,
        name=name.strip(),
        scope=_checked_scope(scope, resource_types),
        redirect_uris=[_checked_redirect_uri(uri) for uri in redirect_uris],
        origins=[_checked_origin(origin) for origin in origins],
        is_public=public,
        created_at=now,
    )
    client_secret = None if public else _set_credentials(row, tenant_name, jwks, jwks_url)
    session.add(row)
    await session.flush()
    return _described(row, client_secret)


async def list_clients(session: AsyncSession, *, tenant_name: str) -> list[RegisteredClient]:
    """The tenant's clients, oldest first. Raises `RegistrationError` for an unknown tenant."""
    tenant = await tenant_number(session, tenant_name)
    return [_described(row) for row in await session.scalars(oauth.clients(tenant))]


async def disable_client(session: AsyncSession, *, client_id: str, now: datetime) -> RegisteredClient:
    """Disable a client and revoke its tokens. Raises `RegistrationError` for an unknown one."""
    row = await _client(session, client_id)
    row.disabled_at = row.disabled_at or now
    await session.execute(oauth.revoke_tokens_of_client(row.tenant, row.client_id, now))
    await session.flush()
    return _described(row)


async def rotate_credentials(
    session: AsyncSession, *, client_id: str, jwks: str | None = None, jwks_url: str | None = None
) -> RegisteredClient:
    """Replace a client's keys, or, with neither argument, its secret. Tokens already issued run out by themselves.

    Raises `RegistrationError`, also for a client with keys when no keys are given.
    """
    row = await _client(session, client_id)
    if row.is_public:
        raise RegistrationError("A public client has no credentials to replace.")
    if jwks is None and jwks_url is None and row.secret_hash is None:
        raise RegistrationError("This client authenticates by keys: give its new key set, or the URL of one.")
    if jwks is not None and jwks_url is not None:
        raise RegistrationError("Give a key set or the URL of one, not both.")
    opaque = parse_opaque(client_id, "client")
    assert opaque is not None
    client_secret = _set_credentials(row, opaque.tenant_name, jwks, jwks_url)
    await session.flush()
    return _described(row, client_secret)


async def mint_token(
    session: AsyncSession,
    audit: AuthorizationAudit,
    *,
    tenant_name: str,
    client_id: str,
    scope: str,
    now: datetime,
    lifetime: timedelta,
    patient: str | None = None,
    user: str | None = None,
    username: str | None = None,
) -> str:
    """An access token for the operator at the keyboard, audited; `client_id` names who is said to hold it.

    `user` is a fhirUser such as `Practitioner/1`, or `username` the account for which the token speaks. Raises
    `RegistrationError` for an unknown tenant, scope or account.
    """
    tenant = await tenant_number(session, tenant_name)
    if username is not None:
        user = await session.scalar(people.fhir_user_of(tenant, username))
        if user is None:
            raise RegistrationError(f"There is no account {username!r} in the tenant {tenant_name!r}.")
    issued = issue_token(
        tenant=tenant,
        tenant_name=tenant_name,
        client_id=client_id,
        scope=_checked_scope(scope, None),
        now=now,
        lifetime=lifetime,
        patient=patient,
        fhir_user=user,
        username=username,
    )
    session.add(issued.row)
    await session.flush()
    event = AuthorizationEvent(tenant, client_id, "grant", "success", issued.row.scope, "command line", "")
    await audit(event, session)
    return issued.text


async def tenant_number(session: AsyncSession, tenant_name: str) -> int:
    """The number of a tenant. Raises `RegistrationError`."""
    number = await session.scalar(oauth.tenant_number(tenant_name))
    if number is None:
        raise RegistrationError(f"There is no tenant {tenant_name!r}.")
    return number


async def _client(session: AsyncSession, client_id: str) -> OAuthClient:
    opaque: OpaqueString | None = parse_opaque(client_id, "client")
    if opaque is None:
        raise RegistrationError(f"{client_id!r} is no client id: they look like bhr_client_<tenant>_<32 characters>.")
    tenant = await tenant_number(session, opaque.tenant_name)
    row = await session.scalar(oauth.client(tenant, client_id).with_for_update())
    if row is None:
        raise RegistrationError(f"There is no client {client_id}.")
    return row


def _set_credentials(row: OAuthClient, tenant_name: str, jwks: str | None, jwks_url: str | None) -> str | None:
    """Put one kind of credentials in place of whatever was there; without keys, a new secret, which is given back."""
    try:
        row.jwks = None if jwks is None else check_key_set(jwks)
        row.jwks_url = None if jwks_url is None else check_key_set_url(jwks_url)
    except InvalidKeySetError as error:
        raise RegistrationError(str(error)) from error
    if jwks is not None or jwks_url is not None:
        row.secret_hash = None
        return None
    secret = mint("secret", tenant_name)
    row.secret_hash = secret.digest
    return secret.text


def _checked_scope(scope: str, resource_types: Collection[str] | None) -> str:
    try:
        return check_registrable(scope, resource_types)
    except InvalidScopeTextError as error:
        raise RegistrationError(str(error)) from error


def _checked_redirect_uri(uri: str) -> str:
    """RFC 6749 §3.1.2: absolute, without a fragment; compared character by character later."""
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if not _URI.fullmatch(uri) or not parts.scheme:
        raise RedirectUriError(f"{uri!r} is no redirect URI: it is absolute and has no fragment.")
    if parts.scheme in ("http", "https"):
        if not _AUTHORITY.fullmatch(parts.netloc):
            raise RedirectUriError(f"{uri!r} is no redirect URI: after the scheme stand host and port alone.")
        if parts.scheme == "http" and host not in LOOPBACK_HOSTS:
            raise RedirectUriError(f"{uri!r} is no safe redirect URI: http is for this machine itself only; use https.")
    elif "." not in parts.scheme:
        # RFC 8252 §8.4: an app's own scheme is a domain of its maker in reverse; javascript: and data: are no places.
        raise RedirectUriError(f"{uri!r} is no redirect URI: an app's own scheme looks like org.example.app.")
    return uri


def _checked_origin(origin: str) -> str:
    match = re.fullmatch(r"https?://(.+)", origin)
    if match is None or not _AUTHORITY.fullmatch(match[1]):
        raise RegistrationError(
            f"{origin!r} is no origin: write scheme, host and port only, such as https://app.example."
        )
    return origin


def _authentication(row: OAuthClient) -> str:
    if row.is_public:
        return "none"
    return "client_secret" if row.secret_hash is not None else "private_key_jwt"


def _described(row: OAuthClient, client_secret: str | None = None) -> RegisteredClient:
    return RegisteredClient(
        client_id=row.client_id,
        name=row.name,
        scope=row.scope,
        authentication=_authentication(row),
        jwks_url=row.jwks_url,
        redirect_uris=tuple(row.redirect_uris),
        origins=tuple(row.origins),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        client_secret=client_secret,
    )
