"""The pages of one's own: sign in without an app, the apps that one has let in, sign out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from fastapi import Response

from bhr_api.auth.browser_sessions import BrowserSessions
from bhr_api.auth.connected_apps import ConnectedApp, ConnectedApps
from bhr_api.auth.federated_sign_in import FederatedSignIn
from bhr_api.auth.sign_in import SignIn
from bhr_api.auth.signed_in import SignedIn
from bhr_api.opaque_strings import parse_opaque
from bhr_api.pages.scope_words import in_short
from bhr_api.routers.client_choices import ClientChoice, ClientChoices
from bhr_api.routers.page_forms import SentForm, Visit, redirect
from bhr_api.routers.provider_links import provider_links
from bhr_api.routers.sign_in_form import take_sign_in
from bhr_api.store.tenants import DEFAULT

APPS = "/app/apps"
SIGN_IN = "/app/sign-in"
SIGN_OUT = "/app/sign-out"
# Who the audit says it was that looked up clients' names for these pages.
_CLIENT_ID = "my-connected-apps"
_TENANT = re.compile(r"[a-z0-9-]{1,32}")


@dataclass(frozen=True, slots=True)
class ShownApp:
    """A connected app in words. `patient` is None where it is about no client."""

    grant: ConnectedApp
    patient: str | None
    told: Sequence[str]

    @classmethod
    def of(cls, app: ConnectedApp, patient: ClientChoice | None) -> "ShownApp":
        """With the client's name, where the person may still see it."""
        name = None if app.patient is None else patient.name if patient else f"id {app.patient}"
        return cls(app, name, in_short(app.scope))


class AppPages:
    """What is shown and done under /app."""

    def __init__(
        self,
        sign_in: SignIn,
        federated: FederatedSignIn,
        sessions: BrowserSessions,
        connected: ConnectedApps,
        clients: ClientChoices,
    ) -> None:
        self._sign_in, self._federated, self._sessions = sign_in, federated, sessions
        self._connected, self._clients = connected, clients

    def show_sign_in(self, visit: Visit, username: str = "", status: int = 200, problem: str = "") -> Response:
        """The sign-in page; `?tenant=` says where."""
        tenant = _tenant(visit)
        return visit.show_sign_in(
            f"sign-in to {tenant}",
            status=status,
            problem=problem,
            action=f"{SIGN_IN}?tenant={tenant}",
            client_name=None,
            tenant_name=tenant,
            providers=provider_links(self._federated.offered(tenant)),
            username=username,
        )

    async def take_sign_in(self, visit: Visit, form: SentForm) -> Response:
        """Sign in, and go on to the apps: to nowhere that an address could name."""
        tenant = _tenant(visit)
        visit.require_sign_in_csrf(form, f"sign-in to {tenant}", f"{SIGN_IN}?tenant={tenant}")
        return await take_sign_in(self._sign_in, visit, form, tenant, APPS, partial(self.show_sign_in, visit))

    async def show_apps(self, visit: Visit) -> Response:
        """What the person has allowed."""
        user = await self._sessions.read(visit.session_cookie)
        return _to_sign_in(visit) if user is None else await self._apps_page(visit, user, "")

    async def take_apps(self, visit: Visit, form: SentForm) -> Response:
        """Take an app's access back, or ask again the next time."""
        user = await self._sessions.read(visit.session_cookie)
        if user is None:
            return _to_sign_in(visit)
        visit.require_csrf(form, APPS, APPS)
        notice = "That had ended already."
        if "revoke" in form and await self._connected.revoke(user, form.one("revoke"), visit.source):
            notice = "The app has no access any more."
        elif "forget" in form and await self._connected.forget(user, form.one("forget"), visit.source):
            notice = "You will be asked again the next time."
        return await self._apps_page(visit, user, notice)

    async def sign_out(self, visit: Visit, form: SentForm) -> Response:
        """End the session."""
        visit.require_csrf(form, SIGN_OUT, APPS)
        tenant = _tenant_of_cookie(visit)
        await self._sessions.end(visit.session_cookie, visit.source)
        answer = visit.show("signed_out", way=f"{SIGN_IN}?tenant={tenant}")
        visit.cookies.take_away(answer, visit.cookies.session)
        return answer

    async def _apps_page(self, visit: Visit, user: SignedIn, notice: str) -> Response:
        apps, choices = await self._connected.of(user)
        patients = [app.patient for app in apps if app.patient is not None]
        names = await self._clients.named(user, _CLIENT_ID, patients, visit.source)
        shown = [ShownApp.of(app, names.get(app.patient or "")) for app in apps]
        return visit.show(
            "apps",
            user=user,
            apps=shown,
            choices=choices,
            notice=notice,
            csrf=visit.csrf(APPS),
            leave_action=SIGN_OUT,
            leave_csrf=visit.csrf(SIGN_OUT),
            leave_name="leave",
            leave_words="Sign out",
        )


def _tenant(visit: Visit) -> str:
    named = visit.request.query_params.get("tenant", DEFAULT)
    return named if _TENANT.fullmatch(named) else DEFAULT


def _tenant_of_cookie(visit: Visit) -> str:
    """Where the session was, also when it is over."""
    opaque = parse_opaque(visit.session_cookie or "", "session")
    return DEFAULT if opaque is None else opaque.tenant_name


def _to_sign_in(visit: Visit) -> Response:
    return redirect(f"{SIGN_IN}?tenant={_tenant_of_cookie(visit)}")
