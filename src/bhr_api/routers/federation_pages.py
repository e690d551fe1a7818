"""To an identity provider and back: `/oauth/sign-in/<provider>` and `/oauth/callback` (OpenID Connect Core §3.1.2).

RFC 9207 and RFC 9700 §4.4: whose answer it is says the state, and `iss` must agree; a provider's words are never shown.
"""

import re
import shlex

from fastapi import Response

from bhr_api.auth.authorization_server import AuthorizationServer
from bhr_api.auth.federated_request import LIFETIME, FederatedRequest, Freshness
from bhr_api.auth.federated_sign_in import FederatedSignIn, FederationRefusal, UnlinkedIdentity
from bhr_api.auth.identity_providers import IdentityProvider
from bhr_api.auth.pending_authorization import PendingAuthorization
from bhr_api.auth.sign_in import SignInSuccess
from bhr_api.routers.app_pages import APPS, SIGN_IN
from bhr_api.routers.page_forms import PageError, SentForm, Visit, parse_form, redirect
from bhr_api.routers.sign_in_form import let_in
from bhr_api.store.tenants import DEFAULT

# RFC 6749 §4.1.2.1 allows more in an error code; what is not of this form is not worth writing down.
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
_LONGEST_CODE = 4096


class FederationPages:
    """What happens on the way to a provider, and on the way back."""

    def __init__(self, server: AuthorizationServer, federated: FederatedSignIn) -> None:
        self._server, self._federated = server, federated

    async def leave(self, visit: Visit, key: str) -> Response:
        """Send the browser to the provider."""
        sent = _query(visit)
        provider, request_id = self._federated.provider(key), sent.one("request")
        waiting = await self._server.pending(request_id, visit.source) if request_id else None
        if provider is None or (waiting is not None and waiting.request.tenant_name != provider.tenant):
            raise PageError(404, "There is nothing here", "This is no way to sign in.", "Go back and choose another.")
        cookie, address = self._federated.begin(provider, request_id, _freshness(waiting))
        answer = redirect(address)
        visit.cookies.put(answer, visit.cookies.federation, cookie, lifetime=LIFETIME)
        return answer

    async def come_back(self, visit: Visit) -> Response:
        """Let in who comes back from a provider, and go on."""
        sent = _query(visit)
        found = self._federated.answered(visit.federation_key, sent.one("state"))
        if found is None:
            raise PageError(
                403,
                "Start the sign-in again",
                "This answer belongs to no sign-in that this browser began in the last ten minutes. Nobody was signed in.",
                "Go back to the app, or to the page where you began. Your browser must accept cookies from this site.",
            )
        answer = await self._answer(visit, sent, *found)
        # One answer is enough: whoever sends it again is told to start again.
        visit.cookies.take_away(answer, visit.cookies.federation)
        return answer

    async def _answer(
        self, visit: Visit, sent: SentForm, request: FederatedRequest, provider: IdentityProvider
    ) -> Response:
        problem = _problem(sent, provider)
        if problem:
            await self._federated.refuse(provider, problem, visit.source)
            return visit.show_error(_did_not_work(provider, request))
        waiting = await self._server.pending(request.request_id, visit.source) if request.request_id else None
        outcome = await self._federated.finish(
            provider, request, sent.one("code"), _freshness(waiting), visit.source, visit.session_cookie
        )
        match outcome:
            case SignInSuccess():
                return let_in(visit, outcome, _path(request) or APPS)
            case UnlinkedIdentity():
                return _not_linked(visit, outcome, provider, request)
            case FederationRefusal():
                return visit.show_error(_did_not_work(provider, request))


def _query(visit: Visit) -> SentForm:
    """The query, read as strictly as a form."""
    return parse_form(visit.request.scope["query_string"])


def _freshness(waiting: PendingAuthorization | None) -> Freshness:
    """What the app asks of the sign-in; where it wants an account chosen, that too takes a new sign-in."""
    if waiting is None:
        return Freshness()
    request = waiting.request
    is_anew = not {"login", "select_account"}.isdisjoint(request.prompt)
    return Freshness(is_anew, request.max_age, waiting.created_at, request.login_hint)


def _problem(sent: SentForm, provider: IdentityProvider) -> str:
    """What is wrong with an answer whose state is right, empty for nothing."""
    is_signed = "iss" in sent or provider.sends_iss
    if is_signed and sent.one("iss") != provider.issuer:
        return "the answer says that it is another issuer's, or does not say whose"
    if "error" in sent:
        code = sent.one("error")
        return f"the provider answered {code}" if _ERROR_CODE.fullmatch(code) else "the provider answered an error"
    code = sent.one("code")
    if not 0 < len(code) <= _LONGEST_CODE or not code.isprintable():
        return "the provider's answer holds no code"
    return ""


def _path(request: FederatedRequest) -> str | None:
    return f"/oauth/authorize/{request.request_id}" if request.request_id else None


def _way_back(provider: IdentityProvider, request: FederatedRequest) -> tuple[str, str]:
    return _path(request) or f"{SIGN_IN}?tenant={provider.tenant}", "Back to the sign-in"


def _did_not_work(provider: IdentityProvider, request: FederatedRequest) -> PageError:
    return PageError(
        403,
        "You are not signed in",
        f"The sign-in with {provider.name} did not work, was called off, or is not open to you.",
        "Try again. If it does not help, ask whoever administers your account.",
        _way_back(provider, request),
    )


def _not_linked(
    visit: Visit, identity: UnlinkedIdentity, provider: IdentityProvider, request: FederatedRequest
) -> Response:
    """What to tell an administrator, as a line for them; the provider's words are quoted for a shell."""
    words = ["bhr-api", "users", "link", "--username", "USERNAME", "--issuer", identity.issuer]
    words += ["--subject", identity.subject]
    words += [] if provider.tenant == DEFAULT else ["--tenant", provider.tenant]
    way, way_words = _way_back(provider, request)
    return visit.show(
        "not_linked",
        status=403,
        provider_name=provider.name,
        issuer=identity.issuer,
        subject=identity.subject,
        command=shlex.join(words),
        way=way,
        way_words=way_words,
    )
