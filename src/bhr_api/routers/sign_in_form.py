"""The sign-in form, on whichever page it stands: who is right goes on with a session, others see the page again."""

from collections.abc import Callable

from fastapi import Response

from bhr_api.auth.sign_in import Credentials, SignIn, SignInRefusal, SignInSuccess
from bhr_api.routers.page_forms import SentForm, Visit, redirect

# Shows the page with the username that was sent, a status and what went wrong.
SignInPage = Callable[[str, int, str], Response]


async def take_sign_in(
    sign_in: SignIn, visit: Visit, form: SentForm, tenant_name: str, location: str, page: SignInPage
) -> Response:
    """On to `location`, or `page` again; the caller has made sure that the form is of this browser."""
    username = form.one("username")
    credentials = Credentials(username, form.one("password"), form.one("code"))
    outcome = await sign_in.attempt(tenant_name, credentials, visit.source, visit.session_cookie)
    if isinstance(outcome, SignInSuccess):
        return let_in(visit, outcome, location)
    return _with_wait(page(username, _status(outcome), _problem(outcome)), outcome)


def let_in(visit: Visit, success: SignInSuccess, location: str) -> Response:
    """On to `location` with the new session."""
    answer = redirect(location)
    visit.cookies.put(answer, visit.cookies.session, success.cookie)
    visit.cookies.take_away(answer, visit.cookies.form)
    return answer


def _status(refusal: SignInRefusal) -> int:
    """RFC 6585 §4 for who must wait; else the request was understood and refused."""
    return 429 if refusal.seconds_to_wait else 401


def _problem(refusal: SignInRefusal) -> str:
    """What the person is told, the same for every reason."""
    if refusal.seconds_to_wait:
        minutes = -(-refusal.seconds_to_wait // 60)
        unit = "minute" if minutes == 1 else "minutes"
        return f"There were too many failed attempts from here. Wait {minutes} {unit} and try again."
    return "This did not work. Check the username, the password and, if you use one, the code."


def _with_wait(answer: Response, refusal: SignInRefusal) -> Response:
    """The answer with what RFC 9110 wants beside its status."""
    if refusal.seconds_to_wait:
        answer.headers["Retry-After"] = str(refusal.seconds_to_wait)
    else:
        # RFC 9110 §15.5.2 asks for a challenge; browsers ask nobody for one that they do not know.
        answer.headers["WWW-Authenticate"] = 'Form realm="bhr_api"'
    return answer
