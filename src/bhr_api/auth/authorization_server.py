"""The authorization server apart from HTTP and pages (RFC 6749, RFC 7009, RFC 7662; SMART App Launch 2.2).

One database transaction for each request: what was decided, what it used up and its audit event commit together.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from authlib.common.security import is_secure_transport
from authlib.oauth2.rfc6749 import InvalidClientError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from bhr_api.auth import authorizing
from bhr_api.auth.audit import AuthorizationAudit, AuthorizationEvent, RequestSource
from bhr_api.auth.authorization_code import AppCodeGrant
from bhr_api.auth.authorization_request import AuthorizationPageError
from bhr_api.auth.authorizing import Authorizing
from bhr_api.auth.client_authentication import register_methods
from bhr_api.auth.client_credentials import BackendServiceGrant
from bhr_api.auth.dynamic_registration import register
from bhr_api.auth.failed_authentications import FailedAuthentications
from bhr_api.auth.introspection import OwnTokenIntrospection
from bhr_api.auth.jwks import usable_keys
from bhr_api.auth.jwks_url import PublishedKeySets
from bhr_api.auth.launch import mint_launch
from bhr_api.auth.lifetimes import Lifetimes
from bhr_api.auth.pending_authorization import PendingAuthorization
from bhr_api.auth.refresh_grant import AppRefreshGrant
from bhr_api.auth.request_form import EndpointRequest, ParsedRequest, read_request
from bhr_api.auth.revocation import OwnTokenRevocation
from bhr_api.auth.server_transaction import (
    Circumstances,
    FormRequest,
    KeySetDueError,
    OAuthResponse,
    ServerTransaction,
)
from bhr_api.auth.signed_in import SignedIn
from bhr_api.auth.signing_keys import SigningKeys
from bhr_api.auth.software_statement import StatementIssuer
from bhr_api.auth.userinfo import userinfo
from bhr_api.store import grant_statements, oauth

Endpoint = Literal["token", "introspection", "revocation"]
Outcome = TypeVar("Outcome")
_SWEEP_INTERVAL = timedelta(minutes=1)
_SWEEP_LIMIT = 1000
# Workers' clocks may differ a little; a used assertion is remembered this much longer than it could be accepted.
_SWEEP_MARGIN = timedelta(minutes=5)
_DEAD_TOKENS_KEPT = timedelta(days=1)


class AuthorizationServer:
    """One for each worker. `sessions` opens a database session; `audit` keeps events inside its transaction."""

    def __init__(
        self,
        *,
        public_url: str,
        sessions: Callable[[], AsyncSession],
        audit: AuthorizationAudit,
        clock: Callable[[], datetime],
        signing_keys: SigningKeys,
        lifetimes: Lifetimes | None = None,
        statement_issuers: Sequence[StatementIssuer] = (),
    ) -> None:
        if not is_secure_transport(public_url):
            raise ValueError("OAuth needs an https public URL; http is for this machine itself only.")
        self._issuer = public_url.rstrip("/")
        self._token_url = f"{self._issuer}/oauth/token"
        self._base_url = f"{self._issuer}/fhir"
        self._issuers = statement_issuers
        self._lifetimes, self._signing_keys = lifetimes or Lifetimes(), signing_keys
        self._sessions, self._audit, self._clock = sessions, audit, clock
        self._key_sets = PublishedKeySets(clock, usable_keys)
        self._failures = FailedAuthentications(clock)
        self._next_sweep: dict[int, datetime] = {}

    async def answer(self, endpoint: Endpoint, request: EndpointRequest) -> OAuthResponse:
        """The response to one request; refusals are responses too.

        After 300 failures in a minute it is 429 without a look at the database; the failures themselves are audited.
        """
        parsed = read_request(request)
        pair = (request.source_address, parsed.claimed_client_id)
        if seconds := self._failures.seconds_to_wait(pair):
            return _too_many_failures(seconds)
        response = await self._decide(endpoint, request, parsed)
        if response.body.get("error") == InvalidClientError.error:
            self._failures.count(pair)
        return response

    async def begin_authorization(self, encoded: bytes, source: RequestSource) -> str:
        """Check an authorization request, sent as a query or form, whole: where the browser goes next.

        That is `<issuer>/oauth/authorize/<request id>`, or the client's redirect URI with an error. Raises
        `AuthorizationPageError` where nothing may be sent back.
        """
        return await self._authorize(source, lambda work: authorizing.begin(work, encoded))

    async def pending(self, request_id: str, source: RequestSource) -> PendingAuthorization:
        """The request that waits under this id. Raises `AuthorizationPageError`."""
        return await self._authorize(source, lambda work: authorizing.pending(work, request_id))

    async def choose_patient(self, request_id: str, session: SignedIn, patient: str, source: RequestSource) -> None:
        """Note the patient whom the user chose, and may see. Raises `AuthorizationPageError`."""
        await self._authorize(source, lambda work: authorizing.choose_patient(work, request_id, session, patient))

    async def decide(
        self,
        request_id: str,
        session: SignedIn,
        source: RequestSource,
        *,
        allow: bool,
        remember: bool = False,
        scopes: Collection[str] | None = None,
    ) -> str:
        """Carry out the user's one decision: the client's redirect URI with a code or an error.

        `scopes` are those that the user left ticked, all of them where it is None. Raises `AuthorizationPageError`.
        """
        return await self._authorize(
            source,
            lambda work: authorizing.decide(work, request_id, session, allow=allow, remember=remember, scopes=scopes),
        )

    async def refuse(self, request_id: str, error: str, description: str, source: RequestSource) -> str:
        """Answer the client with an error, such as `login_required`, in place of a page: its redirect URI."""
        return await self._authorize(source, lambda work: authorizing.refuse(work, request_id, error, description))

    async def register(self, request: EndpointRequest) -> OAuthResponse:
        """The client that an app registers with an initial access token."""
        source = RequestSource(request.source_address, request.request_id)
        return await self._authorize(source, lambda work: register(work, request.bearer, request.body, self._issuers))

    async def is_remembered(
        self, waiting: PendingAuthorization, session: SignedIn, source: RequestSource, scope: str
    ) -> bool:
        """Whether the user allowed this client `scope`, what may be granted of the request's, before and is not to be asked."""
        return await self._authorize(source, lambda work: authorizing.is_remembered(work, waiting, session, scope))

    async def _authorize(self, source: RequestSource, decide: Callable[[Authorizing], Awaitable[Outcome]]) -> Outcome:
        """What `decide` comes to in a transaction of its own; a refusal is audited in it before it is raised."""
        refusal: AuthorizationPageError | None = None
        async with self._sessions() as session, session.begin():
            work = Authorizing(session, self._clock(), self._issuer, self._base_url, self._lifetimes, source)
            try:
                return await self._audited(work, await decide(work))
            except AuthorizationPageError as error:
                work.note("refuse", error.error, str(error))
                refusal = error
                await self._audited(work, None)
        raise refusal

    async def _audited(self, work: Authorizing, outcome: Outcome) -> Outcome:
        for event in work.events:
            await self._audit(event, work.session)
            await self._sweep(work.session, event)
        return outcome

    async def _decide(self, endpoint: Endpoint, request: EndpointRequest, parsed: ParsedRequest) -> OAuthResponse:
        try:
            return await self._transact(request, lambda server: _respond(server, endpoint, parsed))
        except KeySetDueError as due:
            await self._key_sets.refresh(due.url, due.kid)
            return await self._transact(
                request, lambda server: _respond(server, endpoint, parsed), may_fetch_keys=False
            )

    async def launch(self, request: EndpointRequest) -> OAuthResponse:
        """The launch value that a host EHR asks for."""
        return await self._transact(request, lambda server: mint_launch(server, request.bearer, request.body))

    async def userinfo(self, request: EndpointRequest) -> OAuthResponse:
        """The claims about the holder of a token."""
        return await self._transact(request, lambda server: userinfo(server, request.bearer))

    def published_keys(self) -> dict[str, Any]:
        """The key set by which clients verify id_tokens."""
        return self._signing_keys.published()

    async def _transact(
        self,
        request: EndpointRequest,
        respond: Callable[[ServerTransaction], OAuthResponse],
        *,
        may_fetch_keys: bool = True,
    ) -> OAuthResponse:
        async with self._sessions() as session, session.begin():

            def decide(sync_session: Session) -> tuple[OAuthResponse, list[AuthorizationEvent]]:
                circumstances = Circumstances(
                    session=sync_session,
                    now=self._clock(),
                    token_url=self._token_url,
                    issuer=self._issuer,
                    base_url=self._base_url,
                    lifetimes=self._lifetimes,
                    signing_keys=self._signing_keys,
                    request=request,
                    key_sets=self._key_sets,
                    may_fetch_keys=may_fetch_keys,
                )
                return respond(ServerTransaction(circumstances)), circumstances.events

            response, events = await session.run_sync(decide)
            for event in events:
                await self._audit(event, session)
                await self._sweep(session, event)
        return response

    async def _sweep(self, session: AsyncSession, event: AuthorizationEvent) -> None:
        """Once a minute, with a grant, forget what of the tenant's is past its time."""
        now = self._clock()
        if (
            event.action not in ("grant", "authorize")
            or event.tenant is None
            or now < self._next_sweep.get(event.tenant, now)
        ):
            return
        self._next_sweep[event.tenant] = now + _SWEEP_INTERVAL
        await session.execute(oauth.forget_expired_assertions(event.tenant, now - _SWEEP_MARGIN, _SWEEP_LIMIT))
        await session.execute(oauth.forget_expired_tokens(event.tenant, now - _DEAD_TOKENS_KEPT, _SWEEP_LIMIT))
        for forget in grant_statements.forget_expired(event.tenant, now - _DEAD_TOKENS_KEPT, _SWEEP_LIMIT):
            await session.execute(forget)


def _respond(server: ServerTransaction, endpoint: Endpoint, parsed: ParsedRequest) -> OAuthResponse:
    if parsed.error is not None:
        return server.handle_error_response(None, parsed.error)
    request = FormRequest(server.circumstances.token_url, parsed.form, parsed.credentials)
    register_methods(server)
    response: OAuthResponse
    if endpoint == "token":
        for grant in (AppCodeGrant, AppRefreshGrant, BackendServiceGrant):
            server.register_grant(grant)
        response = server.create_token_response(request)
    else:
        server.register_endpoint(OwnTokenIntrospection if endpoint == "introspection" else OwnTokenRevocation)
        response = server.create_endpoint_response(endpoint, request)
    return response


def _too_many_failures(seconds: int) -> OAuthResponse:
    body = {
        "error": "temporarily_unavailable",
        "error_description": f"Too many failed client authentications; try again in {seconds} seconds.",
    }
    headers = {"Retry-After": str(seconds), "Cache-Control": "no-store", "Pragma": "no-cache"}
    return OAuthResponse(429, body, headers)
