"""The pages between an authorization request and its answer: sign in, choose a client, allow or not (SMART App Launch 2.2).

app-launch.html#obtain-authorization-code; OpenID Connect Core §3.1.2.3 and §3.1.2.4. Every form posts to the address of the
request that it is about, and is tied to the session and that request.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from fastapi import Response

from bhr_api.access import Person
from bhr_api.auth.app_scope import within_roles
from bhr_api.auth.authorization_server import AuthorizationServer
from bhr_api.auth.browser_sessions import BrowserSessions
from bhr_api.auth.federated_sign_in import FederatedSignIn
from bhr_api.auth.pending_authorization import PendingAuthorization
from bhr_api.auth.sign_in import SignIn
from bhr_api.auth.signed_in import SignedIn
from bhr_api.pages.scope_words import in_words
from bhr_api.routers.client_choices import ClientChoice, ClientChoices
from bhr_api.routers.page_forms import PageError, SentForm, Visit, redirect
from bhr_api.routers.provider_links import provider_links
from bhr_api.routers.sign_in_form import take_sign_in

_CONTEXTS = ("patient/", "user/", "system/")


class AuthorizationPages:
    """What is shown and done at `/oauth/authorize/<request id>`."""

    def __init__(
        self,
        server: AuthorizationServer,
        sign_in: SignIn,
        federated: FederatedSignIn,
        sessions: BrowserSessions,
        clients: ClientChoices,
        clock: Callable[[], datetime],
    ) -> None:
        self._server, self._sign_in, self._federated, self._sessions = server, sign_in, federated, sessions
        self._clients, self._clock = clients, clock

    async def show(self, visit: Visit, request_id: str) -> Response:
        """The page that is next for this person, or where their browser goes when none is."""
        waiting = await self._server.pending(request_id, visit.source)
        user = await self._user(visit, waiting)
        if user is None:
            if waiting.is_silent:
                return await self._refuse(visit, waiting, "login_required", "Nobody is signed in.")
            return self._sign_in_page(visit, waiting)
        return await self._next(visit, waiting, user)

    async def take(self, visit: Visit, request_id: str, form: SentForm) -> Response:
        """Do what a form says."""
        waiting = await self._server.pending(request_id, visit.source)
        if "username" in form:
            return await self._take_sign_in(visit, waiting, form)
        user = await self._user(visit, waiting)
        visit.require_csrf(form, request_id, _path(waiting))
        if user is None:
            return redirect(_path(waiting))
        if "switch" in form:
            await self._sessions.end(visit.session_cookie, visit.source)
            answer = redirect(_path(waiting))
            visit.cookies.take_away(answer, visit.cookies.session)
            return answer
        if "decision" in form:
            return await self._take_decision(visit, waiting, user, form)
        if "patient" in form:
            return await self._take_patient(visit, waiting, user, form)
        return await self._picker(visit, waiting, user, form)

    async def _user(self, visit: Visit, waiting: PendingAuthorization) -> SignedIn | None:
        """Who is signed in, as recently as the app wants it. Raises `PageError` where another session took the request up."""
        user = await self._sessions.read(visit.session_cookie)
        if waiting.session_hash is not None and (user is None or user.session_hash != waiting.session_hash):
            raise PageError(
                403,
                "Start again from the app",
                "Somebody began to answer this request in another visit, which is over or not yours.",
                "Go back to the app and let it ask again.",
            )
        return None if waiting.needs_sign_in(user, self._clock()) else user

    def _sign_in_page(
        self,
        visit: Visit,
        waiting: PendingAuthorization,
        username: str | None = None,
        status: int = 200,
        problem: str = "",
    ) -> Response:
        return visit.show_sign_in(
            f"sign-in {waiting.request_id}",
            status=status,
            redirect_uri=waiting.request.redirect_uri,
            problem=problem,
            action=_path(waiting),
            client_name=waiting.request.client_name,
            tenant_name=waiting.request.tenant_name,
            providers=provider_links(self._federated.offered(waiting.request.tenant_name), waiting.request_id),
            username=(waiting.request.login_hint or "")[:128] if username is None else username,
        )

    async def _take_sign_in(self, visit: Visit, waiting: PendingAuthorization, form: SentForm) -> Response:
        visit.require_sign_in_csrf(form, f"sign-in {waiting.request_id}", _path(waiting))
        tenant, page = waiting.request.tenant_name, partial(self._sign_in_page, visit, waiting)
        return await take_sign_in(self._sign_in, visit, form, tenant, _path(waiting), page)

    async def _next(self, visit: Visit, waiting: PendingAuthorization, user: SignedIn) -> Response:
        if waiting.needs_patient:
            own = await self._own_record(visit, waiting, user)
            if own is None:
                if waiting.is_silent:
                    return await self._refuse(visit, waiting, "interaction_required", "A client is to be chosen.")
                return await self._picker(visit, waiting, user, SentForm())
            await self._server.choose_patient(waiting.request_id, user, own.id, visit.source)
            waiting = await self._server.pending(waiting.request_id, visit.source)
        person = await self._clients.person(user)
        scope = _grantable(waiting.request.scope, person)
        if await self._server.is_remembered(waiting, user, visit.source, scope):
            location = await self._server.decide(
                waiting.request_id, user, visit.source, allow=True, scopes=scope.split()
            )
            return redirect(location)
        if waiting.is_silent:
            return await self._refuse(visit, waiting, "consent_required", "The user has not allowed this yet.")
        return await self._consent(visit, waiting, user, person)

    async def _own_record(self, visit: Visit, waiting: PendingAuthorization, user: SignedIn) -> ClientChoice | None:
        """The record of a person who is a client and may see no other: there is nothing to choose."""
        if not user.fhir_user.startswith("Patient/"):
            return None
        page = await self._clients.page(user, waiting.request.client_id, "", None, visit.source)
        own = user.fhir_user.removeprefix("Patient/")
        return page.choices[0] if [choice.id for choice in page.choices] == [own] else None

    async def _picker(
        self, visit: Visit, waiting: PendingAuthorization, user: SignedIn, form: SentForm, *, problem: str = ""
    ) -> Response:
        request, text = waiting.request, form.one("search")[:100]
        if not waiting.needs_patient:
            return redirect(_path(waiting))
        page = await self._clients.page(user, request.client_id, text, form.one("page") or None, visit.source)
        return visit.show(
            "choose_client",
            status=400 if problem else 200,
            redirect_uri=request.redirect_uri,
            client_name=request.client_name,
            found=page,
            search=text,
            problem=problem,
            **self._signed_in_values(visit, waiting, user),
        )

    async def _take_patient(
        self, visit: Visit, waiting: PendingAuthorization, user: SignedIn, form: SentForm
    ) -> Response:
        patient = form.one("patient")
        found = await self._clients.named(user, waiting.request.client_id, [patient], visit.source)
        if patient not in found:
            return await self._picker(visit, waiting, user, SentForm(), problem="Choose one of the clients below.")
        await self._server.choose_patient(waiting.request_id, user, patient, visit.source)
        return redirect(_path(waiting))

    async def _consent(
        self, visit: Visit, waiting: PendingAuthorization, user: SignedIn, person: Person | None
    ) -> Response:
        request = waiting.request
        patient = request.context.patient or waiting.patient
        shown = await self._clients.named(user, request.client_id, [patient] if patient else [], visit.source)
        words = in_words(request.scope, lambda part: _grantable(part, person))
        return visit.show(
            "authorize",
            redirect_uri=request.redirect_uri,
            client_name=request.client_name,
            # A client whom this person may not see is told by nothing but the id that the launch named.
            patient=shown.get(patient, ClientChoice(patient, "", None)) if patient else None,
            is_own=user.fhir_user == f"Patient/{patient}",
            words=words,
            parts=[*words.of_client, *words.of_others, *words.of_user],
            asks_for_records=any(part.startswith(_CONTEXTS) for part in request.scope.split()),
            may_be_remembered=request.may_be_remembered,
            return_to=return_to(request.redirect_uri),
            **self._signed_in_values(visit, waiting, user),
        )

    async def _take_decision(
        self, visit: Visit, waiting: PendingAuthorization, user: SignedIn, form: SentForm
    ) -> Response:
        decision = form.one("decision")
        if decision not in ("allow", "deny"):
            raise PageError(400, "The form is damaged", "It holds no decision.", "Load the page again and repeat it.")
        allow = decision == "allow"
        if allow and waiting.needs_patient:
            return await self._picker(visit, waiting, user, SentForm(), problem="Choose a client first.")
        kept = [part for part in waiting.request.scope.split() if part not in form.all("without")]
        location = await self._server.decide(
            waiting.request_id,
            user,
            visit.source,
            allow=allow,
            remember=form.one("remember") == "yes",
            scopes=kept,
        )
        return redirect(location)

    async def _refuse(self, visit: Visit, waiting: PendingAuthorization, error: str, description: str) -> Response:
        return redirect(await self._server.refuse(waiting.request_id, error, description, visit.source))

    def _signed_in_values(self, visit: Visit, waiting: PendingAuthorization, user: SignedIn) -> dict[str, Any]:
        token = visit.csrf(waiting.request_id)
        return {
            "user": user,
            "action": _path(waiting),
            "csrf": token,
            "leave_action": _path(waiting),
            "leave_csrf": token,
            "leave_name": "switch",
            "leave_words": "Not you?",
        }


def _path(waiting: PendingAuthorization) -> str:
    return f"/oauth/authorize/{waiting.request_id}"


def _grantable(scope: str, person: Person | None) -> str:
    """What the person can give away of what is asked for: nothing that no role of theirs allows."""
    return "" if person is None else within_roles(scope, person.roles)


def return_to(redirect_uri: str) -> str:
    """Where the browser goes afterwards, for people: the site, or that it is an app on their device."""
    parts = urlsplit(redirect_uri)
    return parts.netloc if parts.scheme in ("http", "https") else "the app on this device"
