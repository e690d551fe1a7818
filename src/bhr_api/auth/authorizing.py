"""From an authorization request to a code: begun, taken up by a session, decided once (RFC 6749 §4.1; SMART App Launch 2.2).

Each function works in the one transaction of its request. What it raises is told to the audit in that transaction.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bhr_api.auth.app_scope import app_scope, within_roles, without_patient
from bhr_api.auth.audit import Action, AuthorizationEvent, RequestSource
from bhr_api.auth.authorization_request import (
    AuthorizationError,
    AuthorizationPageError,
    AuthorizationRequest,
    SentParameters,
    check_redirect_uri,
    check_request,
    read_parameters,
    stored_request,
)
from bhr_api.auth.launch_context import stored_context
from bhr_api.auth.lifetimes import AUTHORIZATION_REQUEST, CODE, Lifetimes
from bhr_api.auth.pending_authorization import PendingAuthorization
from bhr_api.auth.roles import effective_roles
from bhr_api.auth.signed_in import SignedIn
from bhr_api.opaque_strings import OpaqueString, mint, parse_opaque
from bhr_api.store import grant_statements as statements
from bhr_api.store import oauth
from bhr_api.store.grants import OAuthAuthorization, OAuthCode, OAuthGrant, OAuthLaunch
from bhr_api.store.oauth import OAuthClient


@dataclass(slots=True)
class Authorizing:
    """One request's transaction, with what it is told to the audit of."""

    session: AsyncSession
    now: datetime
    issuer: str
    base_url: str
    lifetimes: Lifetimes
    source: RequestSource
    tenant: int | None = None
    client_id: str | None = None
    user: str | None = None
    events: list[AuthorizationEvent] = field(default_factory=list)

    def note(self, action: Action, outcome: str, detail: str) -> None:
        """Add an event for the audit."""
        self.events.append(
            AuthorizationEvent(
                self.tenant,
                self.client_id,
                action,
                outcome,
                detail,
                self.source.address,
                self.source.request_id,
                self.user,
            )
        )


async def begin(work: Authorizing, encoded: bytes) -> str:
    """Check the request whole, and keep it.

    Gives back where the browser goes: to the page of the request, or with an error to the client. Raises
    `AuthorizationPageError` where the client or its redirect URI is not known.
    """
    sent = read_parameters(encoded)
    opaque, client = await _client(work, sent)
    redirect_uri = check_redirect_uri(sent, client.redirect_uris, is_public=client.is_public)
    known = AuthorizationRequest(
        tenant=client.tenant,
        tenant_name=opaque.tenant_name,
        client_id=client.client_id,
        client_name=client.name,
        is_public=client.is_public,
        redirect_uri=redirect_uri,
        state=sent.once("state") or "",
        scope="",
        code_challenge="",
    )
    try:
        request = check_request(sent, known, client.scope, work.base_url)
        request = await _with_launch(work, request, sent.once("launch"))
    except AuthorizationError as error:
        work.note("refuse", error.error, str(error))
        return known.response(work.issuer, error=error.error, error_description=str(error))
    return f"{work.issuer}/oauth/authorize/{_keep(work, request)}"


async def _client(work: Authorizing, sent: SentParameters) -> tuple[OpaqueString, OAuthClient]:
    opaque = parse_opaque(sent.once("client_id") or "", "client")
    if opaque is not None:
        work.tenant = await work.session.scalar(oauth.tenant_number(opaque.tenant_name))
    row = None
    if opaque is not None and work.tenant is not None:
        row = await work.session.scalar(oauth.client(work.tenant, opaque.text))
    if opaque is None or row is None or row.disabled_at is not None:
        raise AuthorizationPageError("invalid_client", "The app that sent you here is not known, or no longer.")
    work.client_id = row.client_id
    return opaque, row


async def _with_launch(work: Authorizing, request: AuthorizationRequest, text: str | None) -> AuthorizationRequest:
    """The request with the context of its launch, which must be alive, unused, and for this client."""
    if text is None:
        # SMART: the scope asks for the context of an EHR launch; an app that starts by itself has none.
        scope = " ".join(part for part in request.scope.split() if part != "launch")
        if not scope:
            raise AuthorizationError("invalid_scope", "The scope launch comes with a launch value.")
        return replace(request, scope=scope)
    row = await _live_launch(work, request, text)
    return replace(
        request, launch_hash=row.launch_hash.hex(), launch_user=row.fhir_user, context=stored_context(row.context)
    )


async def _live_launch(work: Authorizing, request: AuthorizationRequest, text: str) -> OAuthLaunch:
    opaque = parse_opaque(text, "launch")
    row = None
    if opaque is not None and opaque.tenant_name == request.tenant_name:
        row = await work.session.scalar(statements.launch(request.tenant, opaque.digest))
    if (
        row is None
        or row.used_at is not None
        or row.expires_at <= work.now
        or row.client_id not in (None, request.client_id)
    ):
        raise AuthorizationError("invalid_request", "The launch value is not valid here, or no longer.")
    return row


def _keep(work: Authorizing, request: AuthorizationRequest) -> str:
    request_id = mint("request", request.tenant_name)
    work.session.add(
        OAuthAuthorization(
            tenant=request.tenant,
            request_hash=request_id.digest,
            client_id=request.client_id,
            parameters=request.to_json(),
            created_at=work.now,
            expires_at=work.now + AUTHORIZATION_REQUEST,
        )
    )
    return request_id.text


async def pending(work: Authorizing, request_id: str) -> PendingAuthorization:
    """The request that waits under this id. Raises `AuthorizationPageError`."""
    return _described(request_id, await _undecided(work, request_id, lock=False))


async def _undecided(work: Authorizing, request_id: str, *, lock: bool) -> OAuthAuthorization:
    opaque = parse_opaque(request_id, "request")
    if opaque is not None:
        work.tenant = await work.session.scalar(oauth.tenant_number(opaque.tenant_name))
    row = None
    if opaque is not None and work.tenant is not None:
        found = statements.undecided(work.tenant, opaque.digest, work.now)
        row = await work.session.scalar(found.with_for_update() if lock else found)
    if row is None:
        raise AuthorizationPageError(
            "invalid_request", "This request was answered already, or it took too long. Start again from the app.", 410
        )
    work.client_id = row.client_id
    return row


def _described(request_id: str, row: OAuthAuthorization) -> PendingAuthorization:
    return PendingAuthorization(
        request_id=request_id,
        request=stored_request(row.parameters),
        patient=row.patient,
        session_hash=row.session_hash,
        created_at=row.created_at,
    )


async def choose_patient(work: Authorizing, request_id: str, session: SignedIn, patient: str) -> None:
    """Note whom the user chose; the caller has made sure that the user may see that patient."""
    row = await _undecided(work, request_id, lock=True)
    await _require_user(work, _described(request_id, row), session)
    await work.session.execute(
        statements.take_up(row.tenant, row.request_hash, session.session_hash, work.now, patient=patient)
    )


async def refuse(work: Authorizing, request_id: str, error: str, description: str) -> str:
    """Answer the client with an error, such as `login_required`, in place of a page: where the browser goes."""
    row = await _undecided(work, request_id, lock=True)
    return await _refused(work, row, error, description)


async def _refused(work: Authorizing, row: OAuthAuthorization, error: str, description: str) -> str:
    request = stored_request(row.parameters)
    await work.session.execute(statements.decide(row.tenant, row.request_hash, work.now))
    work.note("refuse", error, description)
    return request.response(work.issuer, error=error, error_description=description)


async def decide(
    work: Authorizing,
    request_id: str,
    session: SignedIn,
    *,
    allow: bool,
    remember: bool = False,
    scopes: Collection[str] | None = None,
) -> str:
    """Carry out what the user decided, once: where the browser goes, with a code or with an error.

    `scopes` are those that the user left ticked, all of them where it is None. Raises `AuthorizationPageError`, without a
    decision, where the user must sign in or choose a patient first.
    """
    row = await _undecided(work, request_id, lock=True)
    waiting = _described(request_id, row)
    await _require_user(work, waiting, session)
    if not allow:
        return await _refused(work, row, "access_denied", "The user did not allow it.")
    if not waiting.is_for(session):
        return await _refused(work, row, "access_denied", "The launch is another user's.")
    if waiting.needs_patient:
        raise AuthorizationPageError("invalid_request", "Choose whom it is about first.")
    request = waiting.request
    scope = await _granted_scope(work, waiting, session, scopes)
    if not scope.split():
        return await _refused(work, row, "invalid_scope", "Nothing of what the app asks for may be granted.")
    if request.launch_hash is not None and not await _use_launch(work, request.tenant, request.launch_hash):
        return await _refused(work, row, "invalid_request", "The launch value was used before.")
    await work.session.execute(statements.decide(row.tenant, row.request_hash, work.now))
    code = await _grant(work, waiting, session, scope)
    if remember and request.may_be_remembered:
        await work.session.execute(
            statements.remember_consent(request.tenant, session.username, request.client_id, scope, work.now)
        )
    work.note("authorize", "success", scope)
    return request.response(work.issuer, code=code)


async def _require_user(work: Authorizing, waiting: PendingAuthorization, session: SignedIn) -> None:
    """The user is signed in as the request wants it, and account and session are alive at this moment."""
    work.user = session.fhir_user
    again = AuthorizationPageError("login_required", "Sign in again to continue.", 403)
    if waiting.needs_sign_in(session, work.now):
        raise again
    account = await work.session.scalar(statements.live_account(session.tenant, session.username))
    browser = await work.session.scalar(statements.live_session(session.tenant, session.session_hash, work.now))
    if account is None or browser is None or account.changed_at > session.signed_in_at:
        raise again


async def _granted_scope(
    work: Authorizing, waiting: PendingAuthorization, session: SignedIn, scopes: Collection[str] | None
) -> str:
    """What was asked for, is registered, was left ticked, and lies within the user's roles as they are now."""
    request = waiting.request
    ticked = request.scope if scopes is None else app_scope(" ".join(scopes), request.scope)
    changed = await work.session.execute(statements.changed_roles(session.tenant, session.roles))
    roles = effective_roles(session.roles, [(row.name, row.scope, row.relation) for row in changed.scalars()])
    scope = within_roles(ticked, roles)
    return scope if waiting.patient or request.context.patient else without_patient(scope)


async def _use_launch(work: Authorizing, tenant: int, launch_hash: str) -> bool:
    used: Any = await work.session.execute(statements.use_launch(tenant, bytes.fromhex(launch_hash), work.now))
    return bool(used.rowcount == 1)


async def _grant(work: Authorizing, waiting: PendingAuthorization, session: SignedIn, scope: str) -> str:
    """Store the grant and its code, whose text comes back."""
    request = waiting.request
    context = replace(request.context, patient=request.context.patient or waiting.patient)
    asked = scope.split()
    is_offline = "offline_access" in asked
    refreshes = is_offline or "online_access" in asked
    grant_id, code = mint("grant", request.tenant_name).text, mint("code", request.tenant_name)
    work.session.add(
        OAuthGrant(
            tenant=request.tenant,
            grant_id=grant_id,
            client_id=request.client_id,
            username=session.username,
            session_hash=None if is_offline else session.session_hash,
            scope=scope,
            patient=context.patient,
            encounter=context.encounter,
            context=context.to_json(),
            nonce=request.nonce,
            methods=list(session.methods),
            signed_in_at=session.signed_in_at,
            created_at=work.now,
            expires_at=work.now + (work.lifetimes.grant if refreshes else _once(work.lifetimes)),
        )
    )
    work.session.add(
        OAuthCode(
            tenant=request.tenant,
            code_hash=code.digest,
            grant_id=grant_id,
            client_id=request.client_id,
            redirect_uri=request.redirect_uri,
            code_challenge=request.code_challenge,
            expires_at=work.now + CODE,
        )
    )
    return code.text


def _once(lifetimes: Lifetimes) -> timedelta:
    """How long a grant lasts from which one access token comes."""
    return CODE + lifetimes.access_token


async def is_remembered(work: Authorizing, waiting: PendingAuthorization, session: SignedIn, scope: str) -> bool:
    """Whether the user allowed this client `scope` before and chose not to be asked again."""
    request = waiting.request
    if "consent" in request.prompt or not request.may_be_remembered:
        return False
    row = await work.session.scalar(statements.remembered_consent(request.tenant, session.username, request.client_id))
    return row is not None and set(scope.split()) <= set(row.scope.split())
