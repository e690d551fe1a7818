"""Accounts of the people who sign in here: added and changed by an administrator; the callers commit.

Whatever changes in an account ends its sessions and revokes what it granted, in the same transaction: nobody goes on with
rights, or a password, that are no longer theirs.
"""

import asyncio
import re
import unicodedata
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bhr_api.auth.audit import AuthorizationAudit, AuthorizationEvent, RequestSource
from bhr_api.auth.passwords import PasswordLengthError, hash_password
from bhr_api.auth.roles import BUILT_IN_ROLES
from bhr_api.auth.secret_key import SecretKey
from bhr_api.auth.totp import enrolment_uri, new_secret
from bhr_api.fhir.references import ID
from bhr_api.store import oauth
from bhr_api.store import people_statements as statements
from bhr_api.store.people import Account, ExternalIdentity

# SMART App Launch 2.2, "Scopes for requesting identity data": the resources that fhirUser may name.
FHIR_USER_TYPES = ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Person")
_ALSO_TYPES = (*FHIR_USER_TYPES, "Organization")
_USERNAME = re.compile(r"\w[\w.@+-]{0,127}")


class AccountError(ValueError):
    """An account that cannot be made, or that there is none of; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Administration:
    """Who administers accounts: in which tenant, in which transaction, and how the audit hears of it."""

    session: AsyncSession
    audit: AuthorizationAudit
    tenant: int
    tenant_name: str
    now: datetime
    source: RequestSource

    async def note(self, detail: str) -> None:
        """Tell the audit what was done."""
        address, request_id = self.source.address, self.source.request_id
        event = AuthorizationEvent(self.tenant, None, "account", "success", detail, address, request_id)
        await self.audit(event, self.session)


@dataclass(frozen=True, slots=True)
class LinkedIdentity:
    """Who the person is at an identity provider (docs/identity-providers.md)."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class AccountDescription:
    """An account as an administrator sees it."""

    username: str
    fhir_user: str
    roles: Sequence[str]
    teams: Sequence[str]
    also: Sequence[str]
    has_password: bool
    has_totp: bool
    created_at: datetime
    changed_at: datetime
    disabled_at: datetime | None
    identities: Sequence[LinkedIdentity] = ()


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the person needs to set up an authenticator app; shown once."""

    account: AccountDescription
    uri: str


async def administration(
    session: AsyncSession, audit: AuthorizationAudit, tenant_name: str, now: datetime, source: RequestSource
) -> Administration:
    """For the tenant of that name. Raises `AccountError`."""
    tenant = await session.scalar(oauth.tenant_number(tenant_name))
    if tenant is None:
        raise AccountError(f"There is no tenant {tenant_name!r}.")
    return Administration(session, audit, tenant, tenant_name, now, source)


def normalised_username(text: str) -> str:
    """A username as it is stored and compared: case and width of letters make no difference."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


async def add_account(
    work: Administration,
    *,
    username: str,
    password: str | None,
    fhir_user: str,
    roles: Collection[str] = (),
    teams: Collection[str] = (),
    also: Collection[str] = (),
) -> AccountDescription:
    """Add an account; without a password it signs in elsewhere only. Raises `AccountError`."""
    name = normalised_username(username)
    if not _USERNAME.fullmatch(name):
        raise AccountError("A username has up to 128 letters, digits and . _ @ + - and begins with a letter or digit.")
    if await work.session.scalar(statements.account(work.tenant, name)) is not None:
        raise AccountError(f"There is an account {name!r} already.")
    row = Account(
        tenant=work.tenant,
        username=name,
        subject=str(uuid.uuid4()),
        password_hash=None if password is None else await _hashed(password),
        fhir_user=_checked_reference(fhir_user, FHIR_USER_TYPES, "The fhirUser"),
        roles=await _checked_roles(work, roles),
        teams=[_checked_reference(team, ("Organization",), "A team") for team in teams],
        also=[_checked_reference(other, _ALSO_TYPES, "What also stands for the person") for other in also],
        created_at=work.now,
        changed_at=work.now,
    )
    work.session.add(row)
    await work.session.flush()
    await work.note(f"added {name} as {row.fhir_user}, roles {' '.join(row.roles) or 'none'}")
    return described(row)


async def list_accounts(work: Administration) -> list[AccountDescription]:
    """The tenant's accounts by name, with who they are at identity providers."""
    linked: dict[str, list[LinkedIdentity]] = {}
    for row in await work.session.scalars(statements.identities(work.tenant)):
        linked.setdefault(row.username, []).append(LinkedIdentity(row.issuer, row.subject))
    rows = await work.session.scalars(statements.accounts(work.tenant))
    return [replace(described(row), identities=tuple(linked.get(row.username, ()))) for row in rows]


async def disable_account(work: Administration, username: str) -> AccountDescription:
    """Keep a person out, from now on and at once. Raises `AccountError`."""
    return await _change(work, username, "disabled", disabled_at=work.now)


async def enable_account(work: Administration, username: str) -> AccountDescription:
    """Let a person in again. Raises `AccountError`."""
    return await _change(work, username, "enabled", disabled_at=None)


async def change_password(work: Administration, username: str, password: str) -> AccountDescription:
    """Give an account another password. Raises `AccountError`."""
    return await _change(work, username, "password changed", password_hash=await _hashed(password))


async def change_rights(
    work: Administration,
    username: str,
    *,
    roles: Collection[str] | None = None,
    teams: Collection[str] | None = None,
    also: Collection[str] | None = None,
) -> AccountDescription:
    """Replace roles, teams and what else stands for the person, as far as they are given. Raises `AccountError`."""
    values: dict[str, Any] = {}
    if roles is not None:
        values["roles"] = await _checked_roles(work, roles)
    if teams is not None:
        values["teams"] = [_checked_reference(team, ("Organization",), "A team") for team in teams]
    if also is not None:
        values["also"] = [_checked_reference(one, _ALSO_TYPES, "What also stands for the person") for one in also]
    told = "; ".join(f"{name} {' '.join(value) or 'none'}" for name, value in values.items())
    return await _change(work, username, f"changed: {told}", **values)


async def set_totp(work: Administration, username: str, key: SecretKey) -> Enrolment:
    """Ask for one-time codes by a new secret from now on. Raises `AccountError`, `SecretKeyError`."""
    secret = new_secret()
    name = normalised_username(username)
    sealed = key.seal(secret, totp_owner(work.tenant, name))
    account = await _change(work, name, "one-time codes set up", totp_secret=sealed, totp_used=None)
    return Enrolment(account, enrolment_uri(secret, name, f"bhr_api {work.tenant_name}"))


async def remove_totp(work: Administration, username: str) -> AccountDescription:
    """Ask for no one-time codes any more. Raises `AccountError`."""
    return await _change(work, username, "one-time codes removed", totp_secret=None, totp_used=None)


async def link_account(work: Administration, username: str, identity: LinkedIdentity) -> AccountDescription:
    """Let who is `identity` at an identity provider sign in as this account. Raises `AccountError`."""
    name = normalised_username(username)
    account = await work.session.scalar(statements.account(work.tenant, name).with_for_update())
    if account is None:
        raise AccountError(f"There is no account {name!r}.")
    if not identity.issuer or not identity.subject:
        raise AccountError("Issuer and subject are what the id_token says in iss and sub; neither is empty.")
    before = await work.session.scalar(statements.identity(work.tenant, identity.issuer, identity.subject))
    if before is not None and before.username != name:
        raise AccountError(f"That identity is linked to {before.username!r}; unlink it there first.")
    if before is None:
        link = ExternalIdentity(
            tenant=work.tenant, issuer=identity.issuer, subject=identity.subject, username=name, linked_at=work.now
        )
        work.session.add(link)
        await work.session.flush()
        await work.note(f"{name}: linked to {identity.subject} at {identity.issuer}")
    return replace(described(account), identities=(identity,))


async def unlink_account(work: Administration, username: str, identity: LinkedIdentity) -> AccountDescription:
    """Let them in no more by that identity; whoever is in is out. Raises `AccountError`."""
    name = normalised_username(username)
    gone: Any = await work.session.execute(statements.unlink(work.tenant, name, identity.issuer, identity.subject))
    if gone.rowcount == 0:
        raise AccountError(f"There is no account {name!r} that is linked to that issuer and subject.")
    return await _change(work, name, f"unlinked from {identity.subject} at {identity.issuer}")


def totp_owner(tenant: int, username: str) -> str:
    """Whose a sealed TOTP secret is, so that it opens for no other account."""
    return f"totp {tenant} {username}"


def described(row: Account) -> AccountDescription:
    """The account without its secrets."""
    return AccountDescription(
        username=row.username,
        fhir_user=row.fhir_user,
        roles=tuple(row.roles),
        teams=tuple(row.teams),
        also=tuple(row.also),
        has_password=row.password_hash is not None,
        has_totp=row.totp_secret is not None,
        created_at=row.created_at,
        changed_at=row.changed_at,
        disabled_at=row.disabled_at,
    )


async def _change(work: Administration, username: str, told: str, **values: Any) -> AccountDescription:
    name = normalised_username(username)
    row = await work.session.scalar(statements.account(work.tenant, name).with_for_update())
    if row is None:
        raise AccountError(f"There is no account {name!r}.")
    for column, value in values.items():
        setattr(row, column, value)
    row.changed_at = work.now
    await end_everything(work.session, work.tenant, name, work.now)
    await work.session.flush()
    await work.note(f"{name}: {told}")
    return described(row)


async def end_everything(session: AsyncSession, tenant: int, username: str, now: datetime) -> None:
    """End the sessions of an account and revoke its grants and their tokens."""
    await session.execute(statements.end_sessions_of(tenant, username, now))
    revoked = list(await session.scalars(statements.revoke_grants_of(tenant, username, now)))
    if revoked:
        await session.execute(statements.revoke_tokens_of_grants(tenant, revoked, now))


async def _hashed(password: str) -> str:
    try:
        return await asyncio.to_thread(hash_password, password)
    except PasswordLengthError as error:
        raise AccountError(str(error)) from error


async def _checked_roles(work: Administration, roles: Collection[str]) -> list[str]:
    # A misspelt role would allow nothing, and nobody would know why.
    if (
        unknown := set(roles)
        - BUILT_IN_ROLES.keys()
        - set(await work.session.scalars(statements.role_names(work.tenant)))
    ):
        raise AccountError(f"There is no role {min(unknown)!r}; `bhr-api roles list` shows those that there are.")
    return list(dict.fromkeys(roles))


def _checked_reference(text: str, types: Sequence[str], what: str) -> str:
    resource_type, slash, id = text.partition("/")
    if not slash or resource_type not in types or not ID.fullmatch(id):
        raise AccountError(f"{what} is written {types[0]}/<id>, not {text!r} (of {', '.join(types)}).")
    return text
