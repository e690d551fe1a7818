"""Signing in with a password and, where the account has it, a one-time code (NIST SP 800-63B §3.1, §3.2.2).

Ten failures within a quarter of an hour from one address for one account, counted in the database over all workers, and that
address waits; no account is ever locked for others, or anybody could lock anybody out.
"""

import ipaddress
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bhr_api.auth.accounts import normalised_username, totp_owner
from bhr_api.auth.audit import AuthorizationAudit, AuthorizationEvent, RequestSource
from bhr_api.auth.browser_sessions import BrowserSessions
from bhr_api.auth.passwords import PasswordChecks
from bhr_api.auth.secret_key import SecretKey
from bhr_api.auth.signed_in import SignedIn
from bhr_api.auth.totp import matching_step
from bhr_api.store import oauth
from bhr_api.store import people_statements as statements
from bhr_api.store.people import Account, SignInFailure
from bhr_api.store.row_ids import RowIds
from bhr_api.store.versions import STRIPES

FAILURES_ALLOWED = 10
WINDOW = timedelta(minutes=15)
_SWEEP_LIMIT = 1000
_LONGEST_NAME = 128


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the form brought. `code` is empty where it was not filled in."""

    username: str
    password: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class SignInSuccess:
    """The person, and the cookie of the new session."""

    user: SignedIn
    cookie: str


@dataclass(frozen=True, slots=True)
class SignInRefusal:
    """No. It never says which of name, password and code was wrong or missing, or whether there is such an account."""

    seconds_to_wait: int = 0


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt, counted as a failure until it turns out to be none."""

    tenant: int
    tenant_name: str
    username: str
    address: str
    account: Account | None


class SignIn:
    """Signs people in; one for each worker."""

    def __init__(
        self,
        sessions: Callable[[], AsyncSession],
        browser_sessions: BrowserSessions,
        audit: AuthorizationAudit,
        clock: Callable[[], datetime],
        key: SecretKey,
        attempt_ids: RowIds,
    ) -> None:
        self._sessions, self._browser_sessions = sessions, browser_sessions
        self._audit, self._clock, self._key, self._attempt_ids = audit, clock, key, attempt_ids
        self._passwords = PasswordChecks()

    async def attempt(
        self, tenant_name: str, credentials: Credentials, source: RequestSource, replaced: str | None = None
    ) -> SignInSuccess | SignInRefusal:
        """Sign a person in, or not. `replaced` is the cookie of the session that the browser has, which then ends.

        The password is compared between two transactions, so that nobody's connection waits for it. Raises `OverloadedError`.
        """
        self._passwords.refuse_when_full()
        attempt = await self._counted(tenant_name, credentials.username, source)
        if isinstance(attempt, SignInRefusal):
            return attempt
        account = attempt.account
        verdict = await self._passwords.verify(account.password_hash if account else None, credentials.password)
        async with self._sessions() as session, session.begin():
            if account is None or not verdict.is_right or account.disabled_at is not None:
                return await self._refuse(session, attempt, source, "wrong name or password")
            if verdict.new_hash is not None:
                assert account.password_hash is not None
                changed = (attempt.tenant, attempt.username, account.password_hash, verdict.new_hash)
                await session.execute(statements.take_hash(*changed))
            if not await self._is_right_code(session, account, credentials.code):
                return await self._refuse(session, attempt, source, "wrong code")
            return await self._let_in(session, attempt, account, source, replaced)

    async def _counted(self, tenant_name: str, username: str, source: RequestSource) -> _Attempt | SignInRefusal:
        """Count an attempt before it is looked at, so that of many at once no more are than may be."""
        # What cannot be in a name (NUL could not even be stored) is nobody's.
        name = normalised_username(username)[:_LONGEST_NAME] if username.isprintable() else ""
        address = throttled_address(source.address)
        now = self._clock()
        async with self._sessions() as session, session.begin():
            tenant = await session.scalar(oauth.tenant_number(tenant_name))
            if tenant is None:
                return _Attempt(0, tenant_name, name, address, None)
            stripe = zlib.crc32(f"{name}\0{address}".encode("utf-8", "surrogatepass")) % STRIPES
            await session.execute(statements.lock_stripe(tenant, stripe))
            failures = list(await session.scalars(statements.failures(tenant, name, address, now - WINDOW)))
            if len(failures) >= FAILURES_ALLOWED:
                wait = failures[-FAILURES_ALLOWED] + WINDOW - now
                return SignInRefusal(seconds_to_wait=max(1, int(wait.total_seconds()) + 1))
            number = self._attempt_ids.next()
            session.add(SignInFailure(tenant=tenant, username=name, address=address, failed_at=now, attempt=number))
            account = await session.scalar(statements.account(tenant, name))
            return _Attempt(tenant, tenant_name, name, address, account)

    async def _is_right_code(self, session: AsyncSession, account: Account, code: str) -> bool:
        if account.totp_secret is None:
            return True
        secret = self._key.open(account.totp_secret, totp_owner(account.tenant, account.username))
        step = matching_step(secret, code, self._clock(), account.totp_used)
        if step is None:
            return False
        used: Any = await session.execute(statements.use_totp_step(account.tenant, account.username, step))
        return bool(used.rowcount == 1)

    async def _let_in(
        self, session: AsyncSession, attempt: _Attempt, account: Account, source: RequestSource, replaced: str | None
    ) -> SignInSuccess | SignInRefusal:
        # The account may have changed while the password was compared.
        now = await session.scalar(statements.account(attempt.tenant, attempt.username).with_for_update())
        if now is None or now.disabled_at is not None or now.changed_at != account.changed_at:
            return await self._refuse(session, attempt, source, "the account changed meanwhile")
        await session.execute(statements.forgive(attempt.tenant, attempt.username, attempt.address))
        await session.execute(statements.forget_failures(attempt.tenant, self._clock() - WINDOW, _SWEEP_LIMIT))
        methods = ["pwd"] if account.totp_secret is None else ["pwd", "otp", "mfa"]
        user, cookie = await self._browser_sessions.start(session, now, attempt.tenant_name, methods, replaced)
        await self._note(session, attempt, source, "success", f"{user.username} signed in by {' '.join(methods)}")
        return SignInSuccess(user, cookie)

    async def _refuse(
        self, session: AsyncSession, attempt: _Attempt, source: RequestSource, reason: str
    ) -> SignInRefusal:
        # A name that is no account's may be a password in the wrong field: it is not written down.
        who = attempt.username if attempt.account is not None else "an unknown name"
        await self._note(session, attempt, source, "login_failed", f"{who}: {reason}")
        return SignInRefusal()

    async def _note(
        self, session: AsyncSession, attempt: _Attempt, source: RequestSource, outcome: str, detail: str
    ) -> None:
        user = None if attempt.account is None else attempt.account.fhir_user
        tenant = attempt.tenant or None
        event = AuthorizationEvent(tenant, None, "login", outcome, detail, source.address, source.request_id, user)
        await self._audit(event, session)


def throttled_address(address: str) -> str:
    """The address by which failures are counted: of IPv6 the network, in which one person has as many as they like."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
