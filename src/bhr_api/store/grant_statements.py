"""The statements about authorization requests, grants, codes, refresh tokens and launches; each names its tenant."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Delete, Select, Table, Update, and_, delete, or_, select, update
from sqlalchemy.dialects.postgresql import Insert, insert

from bhr_api.store.expiry import forget_before
from bhr_api.store.grants import (
    OAuthAuthorization,
    OAuthCode,
    OAuthGrant,
    OAuthLaunch,
    OAuthRefreshToken,
    RegistrationToken,
    RememberedConsent,
)
from bhr_api.store.oauth import OAuthAccessToken, OAuthClient
from bhr_api.store.people import Account, BrowserSession, RoleRow
from bhr_api.store.tables import table_of

_accounts, _sessions, _roles = table_of(Account), table_of(BrowserSession), table_of(RoleRow)
_clients, _access = table_of(OAuthClient), table_of(OAuthAccessToken)
_authorizations, _grants = table_of(OAuthAuthorization), table_of(OAuthGrant)
_codes, _refresh, _launches = table_of(OAuthCode), table_of(OAuthRefreshToken), table_of(OAuthLaunch)
_consents, _registrations = table_of(RememberedConsent), table_of(RegistrationToken)


# Authorization requests


def undecided(tenant: int, request_hash: bytes, now: datetime) -> Select[OAuthAuthorization]:
    """The authorization request that still waits for its user."""
    return select(OAuthAuthorization).where(
        _authorizations.c.tenant == tenant,
        _authorizations.c.request_hash == request_hash,
        _authorizations.c.decided_at.is_(None),
        _authorizations.c.expires_at > now,
    )


def take_up(
    tenant: int, request_hash: bytes, session_hash: bytes, now: datetime, *, patient: str | None = None
) -> Update:
    """Let a session take up a request that no other session has, with the patient whom it chose, if any."""
    return (
        update(_authorizations)
        .where(
            _authorizations.c.tenant == tenant,
            _authorizations.c.request_hash == request_hash,
            _authorizations.c.decided_at.is_(None),
            _authorizations.c.expires_at > now,
            or_(_authorizations.c.session_hash.is_(None), _authorizations.c.session_hash == session_hash),
        )
        .values(session_hash=session_hash, **({} if patient is None else {"patient": patient}))
    )


def decide(tenant: int, request_hash: bytes, now: datetime) -> Update:
    """Decide a request, unless it is decided: of several decisions at once one gets a row."""
    return (
        update(_authorizations)
        .where(
            _authorizations.c.tenant == tenant,
            _authorizations.c.request_hash == request_hash,
            _authorizations.c.decided_at.is_(None),
            _authorizations.c.expires_at > now,
        )
        .values(decided_at=now)
    )


# Launches


def launch(tenant: int, launch_hash: bytes) -> Select[OAuthLaunch]:
    """One launch, whatever its state."""
    return select(OAuthLaunch).where(_launches.c.tenant == tenant, _launches.c.launch_hash == launch_hash)


def use_launch(tenant: int, launch_hash: bytes, now: datetime) -> Update:
    """Use up a launch: the first use changes a row, no other does."""
    return (
        update(_launches)
        .where(_launches.c.tenant == tenant, _launches.c.launch_hash == launch_hash, _launches.c.used_at.is_(None))
        .values(used_at=now)
    )


# Accounts and sessions, as far as a grant depends on them


def live_account(tenant: int, username: str) -> Select[Account]:
    """The account, if it is not disabled."""
    return select(Account).where(
        _accounts.c.tenant == tenant, _accounts.c.username == username, _accounts.c.disabled_at.is_(None)
    )


def live_session(tenant: int, session_hash: bytes, now: datetime) -> Select[BrowserSession]:
    """The browser session, if it goes on."""
    return select(BrowserSession).where(
        _sessions.c.tenant == tenant,
        _sessions.c.session_hash == session_hash,
        _sessions.c.ended_at.is_(None),
        _sessions.c.expires_at > now,
    )


def changed_roles(tenant: int, names: Sequence[str]) -> Select[RoleRow]:
    """The roles of these names that the operator defined or changed."""
    return select(RoleRow).where(_roles.c.tenant == tenant, _roles.c.name.in_(names))


# Grants


def _is_live(now: datetime) -> ColumnElement[bool]:
    """Whether a grant holds: it, its client, its account and, where it depends on one, its browser session."""
    return and_(
        _grants.c.revoked_at.is_(None),
        _grants.c.expires_at > now,
        _clients.c.disabled_at.is_(None),
        _accounts.c.disabled_at.is_(None),
        _accounts.c.changed_at <= _grants.c.created_at,
        or_(
            _grants.c.session_hash.is_(None),
            and_(_sessions.c.ended_at.is_(None), _sessions.c.expires_at > now),
        ),
    )


def _grants_and_owners() -> Select[OAuthGrant, Account, OAuthClient]:
    return (
        select(OAuthGrant, Account, OAuthClient)
        .join(Account, and_(_accounts.c.tenant == _grants.c.tenant, _accounts.c.username == _grants.c.username))
        .join(OAuthClient, and_(_clients.c.tenant == _grants.c.tenant, _clients.c.client_id == _grants.c.client_id))
        .outerjoin(
            BrowserSession,
            and_(_sessions.c.tenant == _grants.c.tenant, _sessions.c.session_hash == _grants.c.session_hash),
        )
    )


def live_grant(tenant: int, grant_id: str, now: datetime) -> Select[OAuthGrant, Account, OAuthClient]:
    """The grant with its account and client, if all of them are alive."""
    return _grants_and_owners().where(_grants.c.tenant == tenant, _grants.c.grant_id == grant_id, _is_live(now))


def live_grants_of(tenant: int, username: str, now: datetime) -> Select[OAuthGrant, Account, OAuthClient]:
    """What an account has granted and not revoked, newest first."""
    return (
        _grants_and_owners()
        .where(_grants.c.tenant == tenant, _grants.c.username == username, _is_live(now))
        .order_by(_grants.c.created_at.desc(), _grants.c.grant_id)
    )


def revoke_grant(tenant: int, grant_id: str, now: datetime) -> Update:
    """Revoke a grant, and so whatever came from it; the first revocation's time stays."""
    return (
        update(_grants)
        .where(_grants.c.tenant == tenant, _grants.c.grant_id == grant_id, _grants.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def revoke_tokens_of_grant(tenant: int, grant_id: str, now: datetime) -> Update:
    """Revoke the access tokens of a grant."""
    return (
        update(_access)
        .where(_access.c.tenant == tenant, _access.c.grant_id == grant_id, _access.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


# Codes and refresh tokens


def use_code(
    tenant: int, code_hash: bytes, client_id: str, redirect_uri: str, code_challenge: str, now: datetime
) -> Update:
    """Use up a code by the one right request: its grant comes back to the first, nothing to any other."""
    return (
        update(_codes)
        .where(
            _codes.c.tenant == tenant,
            _codes.c.code_hash == code_hash,
            _codes.c.client_id == client_id,
            _codes.c.redirect_uri == redirect_uri,
            _codes.c.code_challenge == code_challenge,
            _codes.c.used_at.is_(None),
            _codes.c.expires_at > now,
        )
        .values(used_at=now)
        .returning(_codes.c.grant_id)
    )


def code(tenant: int, code_hash: bytes) -> Select[OAuthCode]:
    """One code, whatever its state."""
    return select(OAuthCode).where(_codes.c.tenant == tenant, _codes.c.code_hash == code_hash)


def refresh_token(tenant: int, token_hash: bytes) -> Select[OAuthRefreshToken]:
    """One refresh token, whatever its state."""
    return select(OAuthRefreshToken).where(_refresh.c.tenant == tenant, _refresh.c.token_hash == token_hash)


def use_refresh_token(tenant: int, token_hash: bytes, client_id: str, now: datetime) -> Update:
    """Use up a refresh token: its grant comes back to the first use, nothing to any other."""
    return (
        update(_refresh)
        .where(
            _refresh.c.tenant == tenant,
            _refresh.c.token_hash == token_hash,
            _refresh.c.client_id == client_id,
            _refresh.c.used_at.is_(None),
            _refresh.c.expires_at > now,
        )
        .values(used_at=now)
        .returning(_refresh.c.grant_id)
    )


# Remembered consent


def remembered_consent(tenant: int, username: str, client_id: str) -> Select[RememberedConsent]:
    """What the account allows the client without being asked again."""
    return select(RememberedConsent).where(
        _consents.c.tenant == tenant, _consents.c.username == username, _consents.c.client_id == client_id
    )


def remember_consent(tenant: int, username: str, client_id: str, scope: str, now: datetime) -> Insert:
    """Remember a consent in place of the one before."""
    added = insert(_consents).values(tenant=tenant, username=username, client_id=client_id, scope=scope, decided_at=now)
    return added.on_conflict_do_update(
        index_elements=["tenant", "username", "client_id"], set_={"scope": scope, "decided_at": now}
    )


def forget_consent(tenant: int, username: str, client_id: str) -> Delete:
    """Ask again the next time."""
    return delete(_consents).where(
        _consents.c.tenant == tenant, _consents.c.username == username, _consents.c.client_id == client_id
    )


# Registration by others


def use_registration_token(tenant: int, token_hash: bytes, now: datetime) -> Update:
    """Use an initial access token once more, if it has a use left: then its scope comes back."""
    return (
        update(_registrations)
        .where(
            _registrations.c.tenant == tenant,
            _registrations.c.token_hash == token_hash,
            _registrations.c.uses_left > 0,
            _registrations.c.expires_at > now,
        )
        .values(uses_left=_registrations.c.uses_left - 1)
        .returning(_registrations.c.scope)
    )


# What is past its time

_EXPIRING: Sequence[Table] = (_authorizations, _codes, _refresh, _launches, _grants, _registrations)


def forget_expired(tenant: int, before: datetime, limit: int) -> Sequence[Delete]:
    """Delete up to `limit` rows of each kind that expired before `before`."""
    return [forget_before(table.c.expires_at, tenant, before, limit) for table in _EXPIRING]
