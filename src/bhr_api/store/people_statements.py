"""The statements about accounts, browser sessions and failed sign-ins; each names its tenant."""

from datetime import datetime

from sqlalchemy import Delete, Select, Update, and_, delete, func, select, update

from bhr_api.store.expiry import forget_before
from bhr_api.store.grants import OAuthGrant, OAuthRefreshToken, RememberedConsent
from bhr_api.store.oauth import OAuthAccessToken, OAuthClient
from bhr_api.store.people import Account, BrowserSession, ExternalIdentity, RoleRow, SignInFailure
from bhr_api.store.tables import LockStripe, table_of

_accounts, _sessions, _failures = table_of(Account), table_of(BrowserSession), table_of(SignInFailure)
_identities = table_of(ExternalIdentity)
_grants, _tokens, _refresh = table_of(OAuthGrant), table_of(OAuthAccessToken), table_of(OAuthRefreshToken)
_roles = table_of(RoleRow)
_consents, _clients, _stripes = table_of(RememberedConsent), table_of(OAuthClient), table_of(LockStripe)


# Accounts


def account(tenant: int, username: str) -> Select[Account]:
    """One account, disabled or not."""
    return select(Account).where(_accounts.c.tenant == tenant, _accounts.c.username == username)


def accounts(tenant: int) -> Select[Account]:
    """The accounts of a tenant by name."""
    return select(Account).where(_accounts.c.tenant == tenant).order_by(_accounts.c.username)


def role_names(tenant: int) -> Select[str]:
    """The names of the roles that the operator defined or changed."""
    return select(_roles.c.name).where(_roles.c.tenant == tenant)


def identity(tenant: int, issuer: str, subject: str) -> Select[ExternalIdentity]:
    """The link of somebody at an identity provider."""
    return select(ExternalIdentity).where(
        _identities.c.tenant == tenant, _identities.c.issuer == issuer, _identities.c.subject == subject
    )


def identities(tenant: int) -> Select[ExternalIdentity]:
    """The links of a tenant's accounts."""
    return (
        select(ExternalIdentity)
        .where(_identities.c.tenant == tenant)
        .order_by(_identities.c.issuer, _identities.c.subject)
    )


def account_of_identity(tenant: int, issuer: str, subject: str) -> Select[Account]:
    """The account, disabled or not, of somebody at an identity provider."""
    return (
        select(Account)
        .join(
            ExternalIdentity,
            and_(_identities.c.tenant == _accounts.c.tenant, _identities.c.username == _accounts.c.username),
        )
        .where(
            _identities.c.tenant == tenant,
            _accounts.c.tenant == tenant,
            _identities.c.issuer == issuer,
            _identities.c.subject == subject,
        )
        .with_for_update()
    )


def unlink(tenant: int, username: str, issuer: str, subject: str) -> Delete:
    """Forget that this account is somebody at an identity provider."""
    return delete(_identities).where(
        _identities.c.tenant == tenant,
        _identities.c.username == username,
        _identities.c.issuer == issuer,
        _identities.c.subject == subject,
    )


def end_sessions_of(tenant: int, username: str, now: datetime) -> Update:
    """End every browser session of an account."""
    return (
        update(_sessions)
        .where(_sessions.c.tenant == tenant, _sessions.c.username == username, _sessions.c.ended_at.is_(None))
        .values(ended_at=now)
    )


def revoke_grants_of(tenant: int, username: str, now: datetime) -> Update:
    """Revoke all that an account granted; the grants' ids come back."""
    return (
        update(_grants)
        .where(_grants.c.tenant == tenant, _grants.c.username == username, _grants.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(_grants.c.grant_id)
    )


def revoke_tokens_of_grants(tenant: int, grant_ids: list[str], now: datetime) -> Update:
    """Revoke the access tokens of several grants."""
    return (
        update(_tokens)
        .where(_tokens.c.tenant == tenant, _tokens.c.grant_id.in_(grant_ids), _tokens.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def take_hash(tenant: int, username: str, before: str, after: str) -> Update:
    """Put a hash by newer parameters in place of `before`."""
    return (
        update(_accounts)
        .where(_accounts.c.tenant == tenant, _accounts.c.username == username, _accounts.c.password_hash == before)
        .values(password_hash=after)
    )


def use_totp_step(tenant: int, username: str, step: int) -> Update:
    """Use up a time step and all before it: of several sign-ins with one code the first changes a row."""
    return (
        update(_accounts)
        .where(
            _accounts.c.tenant == tenant,
            _accounts.c.username == username,
            func.coalesce(_accounts.c.totp_used, -1) < step,
        )
        .values(totp_used=step)
    )


# Failed sign-ins


def lock_stripe(tenant: int, stripe: int) -> Select[int]:
    """Let what is done under one stripe follow one another (a row lock: advisory ones are local to a node on Citus)."""
    return select(_stripes.c.stripe).where(_stripes.c.tenant == tenant, _stripes.c.stripe == stripe).with_for_update()


def failures(tenant: int, username: str, address: str, since: datetime) -> Select[datetime]:
    """When the sign-ins of this account from this address failed since then, oldest first."""
    return (
        select(_failures.c.failed_at)
        .where(
            _failures.c.tenant == tenant,
            _failures.c.username == username,
            _failures.c.address == address,
            _failures.c.failed_at > since,
        )
        .order_by(_failures.c.failed_at)
    )


def forgive(tenant: int, username: str, address: str) -> Delete:
    """Forget the failures of this account from this address."""
    return delete(_failures).where(
        _failures.c.tenant == tenant, _failures.c.username == username, _failures.c.address == address
    )


def forget_failures(tenant: int, before: datetime, limit: int) -> Delete:
    """Delete up to `limit` failures from before `before`."""
    return forget_before(_failures.c.failed_at, tenant, before, limit)


# Browser sessions


def session_and_account(tenant: int, session_hash: bytes) -> Select[BrowserSession, Account]:
    """A session that was not ended, with its account if that is not disabled."""
    return (
        select(BrowserSession, Account)
        .join(Account, and_(_accounts.c.tenant == _sessions.c.tenant, _accounts.c.username == _sessions.c.username))
        .where(
            _sessions.c.tenant == tenant,
            _sessions.c.session_hash == session_hash,
            _sessions.c.ended_at.is_(None),
            _accounts.c.disabled_at.is_(None),
        )
    )


def see_session(tenant: int, session_hash: bytes, now: datetime) -> Update:
    """Note that a session was used."""
    return (
        update(_sessions)
        .where(_sessions.c.tenant == tenant, _sessions.c.session_hash == session_hash)
        .values(seen_at=now)
    )


def end_session(tenant: int, session_hash: bytes, now: datetime) -> Update:
    """End a session; the first end's time stays."""
    return (
        update(_sessions)
        .where(_sessions.c.tenant == tenant, _sessions.c.session_hash == session_hash, _sessions.c.ended_at.is_(None))
        .values(ended_at=now)
    )


def forget_sessions(tenant: int, before: datetime, limit: int) -> Delete:
    """Delete up to `limit` sessions that ran out before `before`."""
    return forget_before(_sessions.c.expires_at, tenant, before, limit)


# Connected apps


def grant_of(tenant: int, username: str, grant_id: str) -> Select[OAuthGrant]:
    """A grant of this account that is not revoked."""
    return select(OAuthGrant).where(
        _grants.c.tenant == tenant,
        _grants.c.username == username,
        _grants.c.grant_id == grant_id,
        _grants.c.revoked_at.is_(None),
    )


def last_tokens(tenant: int, grant_ids: list[str]) -> Select[str, datetime]:
    """When each grant last gave an access token, as far back as tokens are kept."""
    return (
        select(_tokens.c.grant_id, func.max(_tokens.c.issued_at))
        .where(_tokens.c.tenant == tenant, _tokens.c.grant_id.in_(grant_ids))
        .group_by(_tokens.c.grant_id)
    )


def last_refreshes(tenant: int, grant_ids: list[str]) -> Select[str, datetime]:
    """When each grant last gave a refresh token."""
    return (
        select(_refresh.c.grant_id, func.max(_refresh.c.issued_at))
        .where(_refresh.c.tenant == tenant, _refresh.c.grant_id.in_(grant_ids))
        .group_by(_refresh.c.grant_id)
    )


def consents_of(tenant: int, username: str) -> Select[RememberedConsent, str]:
    """The choices that an account let us remember, with the clients' names."""
    return (
        select(RememberedConsent, _clients.c.name)
        .join(OAuthClient, and_(_clients.c.tenant == _consents.c.tenant, _clients.c.client_id == _consents.c.client_id))
        .where(_consents.c.tenant == tenant, _consents.c.username == username)
        .order_by(_consents.c.decided_at.desc(), _consents.c.client_id)
    )
