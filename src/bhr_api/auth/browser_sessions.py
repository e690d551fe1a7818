"""Browser sessions: a cookie whose digest is stored, ended by idleness, age, sign-out and changes of the account.

OWASP Session Management; NIST SP 800-63B §5. A CSRF token is an HMAC under the cookie's own secret, so that it belongs to
one session and one form, and nothing about it needs to be stored.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy.ext.asyncio import AsyncSession

from bhr_api.auth.audit import AuthorizationAudit, AuthorizationEvent, RequestSource
from bhr_api.auth.signed_in import SignedIn
from bhr_api.opaque_strings import OpaqueString, mint, parse_opaque
from bhr_api.store import oauth
from bhr_api.store import people_statements as statements
from bhr_api.store.people import Account, BrowserSession

# That a session is alive is written down this often; until the next time its idleness is told by the time before.
_SEEN_EVERY = timedelta(minutes=1)
_SWEEP_LIMIT = 1000
_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lasts without being used, and at most."""

    idle: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=12)


class BrowserSessions:
    """Reads and ends sessions; one for each worker."""

    def __init__(
        self,
        sessions: Callable[[], AsyncSession],
        audit: AuthorizationAudit,
        clock: Callable[[], datetime],
        limits: SessionLimits | None = None,
    ) -> None:
        self._sessions, self._audit, self._clock = sessions, audit, clock
        self._limits = limits or SessionLimits()

    async def read(self, cookie: str | None) -> SignedIn | None:
        """Who is signed in by this cookie, or None; that they were here is noted."""
        opaque = parse_opaque(cookie or "", "session")
        if opaque is None:
            return None
        async with self._sessions() as session, session.begin():
            return await self._read(session, opaque)

    async def _read(self, session: AsyncSession, cookie: OpaqueString) -> SignedIn | None:
        tenant = await session.scalar(oauth.tenant_number(cookie.tenant_name))
        if tenant is None:
            return None
        found = (await session.execute(statements.session_and_account(tenant, cookie.digest))).one_or_none()
        now = self._clock()
        if found is None or not self._is_alive(found[0], found[1], now):
            return None
        row, account = found
        if row.seen_at < now - _SEEN_EVERY:
            await session.execute(statements.see_session(tenant, cookie.digest, now))
        return signed_in(account, cookie, row)

    def _is_alive(self, row: BrowserSession, account: Account, now: datetime) -> bool:
        return now < row.expires_at and now < row.seen_at + self._limits.idle and row.signed_in_at >= account.changed_at

    async def end(self, cookie: str | None, source: RequestSource) -> None:
        """Sign out; a cookie that is none is signed out already."""
        opaque = parse_opaque(cookie or "", "session")
        if opaque is None:
            return
        async with self._sessions() as session, session.begin():
            user = await self._read(session, opaque)
            if user is not None:
                now = self._clock()
                await session.execute(statements.end_session(user.tenant, user.session_hash, now))
                detail = f"{user.username} signed out"
                event = AuthorizationEvent(
                    user.tenant, None, "logout", "success", detail, source.address, source.request_id, user.fhir_user
                )
                await self._audit(event, session)

    async def start(
        self,
        session: AsyncSession,
        account: Account,
        tenant_name: str,
        methods: list[str],
        replaced: str | None,
        signed_in_at: datetime | None = None,
    ) -> tuple[SignedIn, str]:
        """A new session and its cookie, within the caller's transaction. The one before, in this browser, ends.

        `signed_in_at` is when the person gave proof of who they are, if that was not just now.

        A session's id is never one that was there before the sign-in, or somebody could have planted it.
        """
        now = self._clock()
        before = parse_opaque(replaced or "", "session")
        if before is not None and before.tenant_name == tenant_name:
            await session.execute(statements.end_session(account.tenant, before.digest, now))
        await session.execute(statements.forget_sessions(account.tenant, now - _KEPT, _SWEEP_LIMIT))
        cookie = mint("session", tenant_name)
        row = BrowserSession(
            tenant=account.tenant,
            session_hash=cookie.digest,
            username=account.username,
            methods=methods,
            signed_in_at=signed_in_at or now,
            seen_at=now,
            expires_at=now + self._limits.longest,
        )
        session.add(row)
        await session.flush()
        return signed_in(account, cookie, row), cookie.text


def signed_in(account: Account, cookie: OpaqueString, row: BrowserSession) -> SignedIn:
    """The person of a session."""
    return SignedIn(
        tenant=account.tenant,
        tenant_name=cookie.tenant_name,
        username=account.username,
        subject=account.subject,
        fhir_user=account.fhir_user,
        roles=tuple(account.roles),
        methods=tuple(row.methods),
        signed_in_at=row.signed_in_at,
        session_hash=cookie.digest,
    )


def new_form_key() -> str:
    """What a browser without a session is told by a cookie, so that a sign-in form can be tied to it."""
    return secrets.token_urlsafe(32)


def csrf_token(cookie: str, form: str) -> str:
    """The token of the form called `form` in the browser that holds `cookie`."""
    return hmac.new(cookie.encode("utf-8", "surrogatepass"), f"csrf\0{form}".encode(), sha256).hexdigest()


def is_csrf_token(token: str, cookie: str | None, form: str) -> bool:
    """Whether a form was made by us for this browser; without a cookie none was."""
    sent = token.encode("utf-8", "surrogatepass")
    return bool(cookie) and hmac.compare_digest(csrf_token(cookie or "", form).encode(), sent)
