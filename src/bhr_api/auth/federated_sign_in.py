"""Signing in at an identity provider: its code for an id_token, that for the account that is linked, a session here.

OpenID Connect Core §3.1; docs/identity-providers.md. Nobody gets an account by it: an administrator links them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from bhr_api.auth import federated_request
from bhr_api.auth.audit import AuthorizationAudit, AuthorizationEvent, RequestSource
from bhr_api.auth.browser_sessions import BrowserSessions
from bhr_api.auth.code_exchange import CodeExchangeError, exchange_code
from bhr_api.auth.federated_request import FederatedRequest, Freshness
from bhr_api.auth.foreign_keys import public_keys
from bhr_api.auth.identity_providers import CALLBACK, IdentityProvider, IdentityProviders
from bhr_api.auth.jwks_url import PublishedKeySets
from bhr_api.auth.provider_id_token import ProvenIdentity, read_id_token
from bhr_api.auth.sign_in import SignInSuccess
from bhr_api.auth.strict_jwt import LEEWAY, JwtError
from bhr_api.store import oauth
from bhr_api.store import people_statements as statements
from bhr_api.store.people import Account

log = structlog.get_logger(__name__)

METHODS = ["fed"]


@dataclass(frozen=True, slots=True)
class FederationRefusal:
    """No; why is told to the log and the audit."""


@dataclass(frozen=True, slots=True)
class UnlinkedIdentity:
    """The provider vouches for somebody whom no account here is linked to."""

    issuer: str
    subject: str


class _StaleSignInError(Exception):
    """The person did not sign in at the provider as recently as the app wants it."""


class FederatedSignIn:
    """Sends people to identity providers and lets in who comes back; one for each worker."""

    def __init__(
        self,
        providers: IdentityProviders,
        public_url: str,
        sessions: Callable[[], AsyncSession],
        browser_sessions: BrowserSessions,
        audit: AuthorizationAudit,
        clock: Callable[[], datetime],
    ) -> None:
        self._providers, self._callback = providers, f"{public_url}{CALLBACK}"
        self._sessions, self._browser_sessions, self._audit, self._clock = sessions, browser_sessions, audit, clock
        self._key_sets = PublishedKeySets(clock, public_keys)

    def offered(self, tenant_name: str) -> Sequence[IdentityProvider]:
        """Where people of the tenant may sign in."""
        return self._providers.of(tenant_name)

    def provider(self, key: str) -> IdentityProvider | None:
        """The provider that an address or a state names."""
        return self._providers.find(key)

    def begin(self, provider: IdentityProvider, request_id: str, freshness: Freshness) -> tuple[str, str]:
        """The cookie that the browser needs when it comes back, and where it goes."""
        browser_key = federated_request.new_browser_key()
        request = federated_request.begin(browser_key, provider, request_id, self._clock())
        return browser_key, federated_request.address_at_provider(provider, request, self._callback, freshness)

    def answered(self, browser_key: str | None, state: str) -> tuple[FederatedRequest, IdentityProvider] | None:
        """What an answer is to, or None where this browser asked nothing of the kind, or too long ago."""
        request = federated_request.read_state(browser_key, state)
        provider = None if request is None else self._providers.find(request.provider_key)
        if request is None or provider is None or not request.is_alive(self._clock()):
            return None
        return request, provider

    async def finish(
        self,
        provider: IdentityProvider,
        request: FederatedRequest,
        code: str,
        freshness: Freshness,
        source: RequestSource,
        replaced: str | None = None,
    ) -> SignInSuccess | UnlinkedIdentity | FederationRefusal:
        """Sign in whom the code stands for. No connection to the database is held while the provider is asked."""
        try:
            tokens = await exchange_code(provider, request, code, self._callback)
            identity = await read_id_token(
                provider,
                self._key_sets,
                tokens.id_token,
                nonce=request.nonce,
                access_token=tokens.access_token,
                now=self._clock(),
            )
            signed_in_at = _signed_in_at(identity, freshness, self._clock())
        except (CodeExchangeError, JwtError, _StaleSignInError) as error:
            await self.refuse(provider, str(error), source)
            return FederationRefusal()
        return await self.let_in(provider, identity, signed_in_at, source, replaced)

    async def let_in(
        self,
        provider: IdentityProvider,
        identity: ProvenIdentity,
        signed_in_at: datetime,
        source: RequestSource,
        replaced: str | None = None,
    ) -> SignInSuccess | UnlinkedIdentity | FederationRefusal:
        """Start a session of the account that is linked to the identity, if there is one."""
        async with self._sessions() as session, session.begin():
            return await self._let_in(session, provider, identity, signed_in_at, source, replaced)

    async def refuse(self, provider: IdentityProvider, reason: str, source: RequestSource) -> None:
        """Tell the log and the audit why somebody was not let in."""
        log.warning("federated_sign_in_refused", issuer=provider.issuer, reason=reason, request_id=source.request_id)
        async with self._sessions() as session, session.begin():
            await self._note(session, provider, "login_failed", f"at {provider.issuer}: {reason}", source)

    async def _let_in(
        self,
        session: AsyncSession,
        provider: IdentityProvider,
        identity: ProvenIdentity,
        signed_in_at: datetime,
        source: RequestSource,
        replaced: str | None,
    ) -> SignInSuccess | UnlinkedIdentity | FederationRefusal:
        where = f"{identity.subject} at {identity.issuer}"
        tenant = await session.scalar(oauth.tenant_number(provider.tenant))
        account = None
        if tenant is not None:
            found = statements.account_of_identity(tenant, identity.issuer, identity.subject)
            account = await session.scalar(found)
        if account is None:
            await self._note(session, provider, "login_failed", f"no account is linked to {where}", source)
            return UnlinkedIdentity(identity.issuer, identity.subject)
        if account.disabled_at is not None:
            await self._note(session, provider, "login_failed", f"{account.username}: disabled", source, account)
            return FederationRefusal()
        # A session from before its account's last change is dead; this one is not from before.
        user, cookie = await self._browser_sessions.start(
            session, account, provider.tenant, METHODS, replaced, max(signed_in_at, account.changed_at)
        )
        await self._note(session, provider, "success", f"{user.username} signed in by fed as {where}", source, account)
        return SignInSuccess(user, cookie)

    async def _note(
        self,
        session: AsyncSession,
        provider: IdentityProvider,
        outcome: str,
        detail: str,
        source: RequestSource,
        account: Account | None = None,
    ) -> None:
        tenant = await session.scalar(oauth.tenant_number(provider.tenant))
        user = None if account is None else account.fhir_user
        event = AuthorizationEvent(tenant, None, "login", outcome, detail, source.address, source.request_id, user)
        await self._audit(event, session)


def _signed_in_at(identity: ProvenIdentity, freshness: Freshness, now: datetime) -> datetime:
    """When the person gave proof of who they are, by our clock. Raises `_StaleSignInError`.

    Whoever signed in at the provider since the app asked is recent enough, whatever max_age says; or 0 would never end.
    """
    at = identity.authenticated_at
    if at is None:
        if freshness.max_age_at_provider is not None:
            raise _StaleSignInError("the id_token has no auth_time, though max_age was asked for")
        return now
    if freshness.asked_at is not None and at >= freshness.asked_at - LEEWAY:
        return max(min(at, now), freshness.asked_at)
    is_too_old = freshness.max_age is not None and at < now - timedelta(seconds=freshness.max_age)
    if freshness.is_anew or is_too_old:
        raise _StaleSignInError("the sign-in at the provider is not as recent as the app wants it")
    return min(at, now)
