"""What attackers try on pages and their forms (SECURITY.md section 3)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from fastapi import Response

from bhr_api.auth import accounts
from bhr_api.pages.rendering import page_headers
from bhr_api.routers.page_forms import Cookies
from tests.fixtures.database import on_database
from tests.fixtures.pages import PASSWORD, Clinic, SmartApp, Visitor, forms_of, parameters_of

XSS = '"><script>alert(1)</script>'


def consent_page(app: SmartApp, visitor: Visitor, username: str = "clinician") -> httpx.Response:
    """Go as far as the decision."""
    visitor.open(app.address())
    visitor.sign_in(username)
    return visitor.submit(choose=("patient=omar",))


def test_every_page_is_confined(clinic: Clinic, app: SmartApp, visitor: Visitor) -> None:
    pages = [visitor.open(app.address()), visitor.sign_in("clinician"), visitor.submit(choose=("patient=omar",))]
    pages += [visitor.open("/app/apps"), visitor.open("/app/sign-in"), visitor.open("/oauth/authorize/x")]
    for page in pages:
        policy = dict(part.strip().partition(" ")[::2] for part in page.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["style-src"] == policy["img-src"] == "'self'"
        assert "script-src" not in policy
        assert policy["form-action"] in ("'self'", "'self' https://app.example")
        assert page.headers["X-Frame-Options"] == "DENY"
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == "no-store"
        assert "<script" not in page.text
        assert "style=" not in page.text


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("https://app.example:8443/cb?x=1", " https://app.example:8443"),
        ("http://[::1]:80/cb", " http://[::1]:80"),
        ("com.example.app:/cb", " com.example.app:"),
        ("https://user@app.example/cb", ""),
        ("https://app.example;script-src/cb", ""),
        ("https://*/cb", ""),
    ],
)
def test_a_redirect_uri_puts_nothing_else_into_the_policy(uri: str, target: str) -> None:
    assert page_headers(uri)["Content-Security-Policy"].endswith(f"form-action 'self'{target}")


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(clinic: Clinic, visitor: Visitor) -> None:
    visitor.open(f"/app/sign-in?tenant={clinic.tenant}")
    form = forms_of(visitor.page.text)[0] if visitor.page else None
    assert form is not None
    fields = {**dict(form.fields), "username": "clinician", "password": PASSWORD}
    answer = visitor.http.post(form.action, data=fields)
    session = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("bhr="))
    assert {"httponly", "samesite=lax", "path=/"} <= {part.strip().lower() for part in session.split(";")}
    assert "domain" not in session.lower()
    assert "expires" not in session.lower()


def test_over_https_cookies_are_tied_to_the_host() -> None:
    cookies, answer = Cookies(is_secure=True), Response()
    cookies.put(answer, cookies.session, "x")
    cookies.put(answer, cookies.form, "y")
    set_cookies = answer.headers.getlist("set-cookie")
    assert [value.partition("=")[0] for value in set_cookies] == ["__Host-bhr", "__Host-bhr-form"]
    assert all(
        {"secure", "httponly", "path=/"} <= {part.strip().lower() for part in one.split(";")} for one in set_cookies
    )


def test_a_planted_session_is_not_taken_over(clinic: Clinic, app: SmartApp, visitors: Callable[[], Visitor]) -> None:
    attacker, victim = visitors(), visitors()
    attacker.open(f"/app/sign-in?tenant={clinic.tenant}")
    attacker.sign_in("worker")
    planted = attacker.http.cookies["bhr"]
    victim.http.cookies.set("bhr", planted, domain="127.0.0.1", path="/")
    victim.open(app.address(prompt="login"))
    victim.sign_in("clinician")
    assert {cookie.value for cookie in victim.http.cookies.jar if cookie.name == "bhr"} != {planted}
    # What was planted is nobody's now, and never became the victim's.
    assert "Password" in attacker.open("/app/apps").text


FORMS: dict[str, dict[str, str]] = {
    "choose": {"patient": "omar"},
    "search": {"search": "x"},
    "allow": {"decision": "allow"},
    "deny": {"decision": "deny"},
    "switch": {"switch": "yes"},
    "sign-in": {"username": "clinician", "password": PASSWORD},
}


@pytest.mark.parametrize("token", ["", "x", "of-another-session", "of-another-request"])
@pytest.mark.parametrize("form", FORMS)
def test_a_forged_form_changes_nothing(
    clinic: Clinic, app: SmartApp, visitors: Callable[[], Visitor], form: str, token: str
) -> None:
    visitor, other = visitors(), visitors()
    consent_page(app, visitor)
    path = visitor.request_path
    if token == "of-another-session":
        token = dict(forms_of(consent_page(app, other).text)[1].fields)["csrf"]
    elif token == "of-another-request":
        token = dict(forms_of(visitor.open(app.address()).text)[1].fields)["csrf"]
    answer = visitor.http.post(path, data={**FORMS[form], "csrf": token})
    assert answer.status_code == 403
    assert "Location" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert "Omar Haddad" in visitor.open(path).text


@pytest.mark.parametrize(("path", "fields"), [("/app/apps", {"revoke": "x"}), ("/app/sign-out", {"leave": "yes"})])
def test_a_forged_form_of_ones_own_pages_changes_nothing(
    clinic: Clinic, visitor: Visitor, path: str, fields: dict[str, str]
) -> None:
    visitor.open(f"/app/sign-in?tenant={clinic.tenant}")
    visitor.sign_in("clinician")
    assert visitor.http.post(path, data={**fields, "csrf": "x"}).status_code == 403
    assert "Signed in as clinician" in visitor.open("/app/apps").text


def test_nobody_takes_back_what_another_granted(clinic: Clinic, app: SmartApp, visitors: Callable[[], Visitor]) -> None:
    owner, other = visitors(), visitors()
    consent_page(app, owner)
    owner.submit("decision=allow")
    buttons = [button for form in forms_of(owner.open("/app/apps").text) for button in form.buttons]
    grant = dict(buttons)["revoke"]
    other.open(f"/app/sign-in?tenant={clinic.tenant}")
    page = other.sign_in("worker")
    assert "Charts" not in page.text
    csrf = consent_token(clinic, other)
    told = other.http.post("/app/apps", data={"csrf": csrf, "revoke": grant}).text
    assert "had ended already" in told
    assert "Charts" in owner.open("/app/apps").text


def consent_token(clinic: Clinic, visitor: Visitor) -> str:
    """The token of the page of apps, from an app of the visitor's own."""
    visitor.open(clinic.add_app("Another").address())
    visitor.submit(choose=("patient=omar",))
    visitor.submit("decision=allow")
    forms = forms_of(visitor.open("/app/apps").text)
    return next(dict(form.fields)["csrf"] for form in forms if "revoke" in dict(form.buttons))


def test_a_request_is_decided_once_however_many_press_at_once(app: SmartApp, visitor: Visitor) -> None:
    page = consent_page(app, visitor)
    fields = {**dict(forms_of(page.text)[1].fields), "decision": "allow"}
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: visitor.http.post(visitor.request_path, data=fields), range(10)))
    assert sorted(answer.status_code for answer in answers) == [303] + [410] * 9
    assert visitor.open(visitor.request_path).status_code == 410


def test_another_session_cannot_go_on_with_a_request(
    clinic: Clinic, app: SmartApp, visitors: Callable[[], Visitor]
) -> None:
    visitor, other = visitors(), visitors()
    consent_page(app, visitor)
    other.open(f"/app/sign-in?tenant={clinic.tenant}")
    other.sign_in("clinician")
    page = other.open(visitor.request_path)
    assert page.status_code == 403
    assert "Omar" not in page.text
    assert other.http.post(visitor.request_path, data={"decision": "allow", "csrf": "x"}).status_code == 403
    assert "code" in parameters_of(visitor.submit("decision=allow"))


def test_a_disabled_account_decides_nothing_any_more(clinic: Clinic, app: SmartApp, visitor: Visitor) -> None:
    consent_page(app, visitor)
    clinic.administer(lambda work: accounts.disable_account(work, "clinician"))
    assert visitor.submit("decision=allow").status_code == 403


def test_no_address_leads_anywhere_after_signing_in(clinic: Clinic, visitor: Visitor) -> None:
    for extra in ("&next=https://evil.example/", "&redirect=//evil.example", "&tenant=x"):
        visitor.open(f"/app/sign-in?tenant={clinic.tenant}{extra}")
        form = forms_of(visitor.page.text)[0] if visitor.page else None
        assert form is not None
        assert form.action.startswith("/app/sign-in?tenant=")
        assert "evil" not in form.action
    visitor.open(f"/app/sign-in?tenant={clinic.tenant}&next=https://evil.example/")
    assert str(visitor.sign_in("clinician").url).endswith("/app/apps")


def test_names_are_text_and_no_markup(clinic: Clinic, visitor: Visitor) -> None:
    app = clinic.add_app(name=f"Evil {XSS}")
    clinic.add_clients(("xss", XSS, f"Zzz{XSS}"))
    pages = [visitor.open(app.address(login_hint=XSS, state=XSS))]
    pages.append(visitor.sign_in(XSS))
    pages.append(visitor.sign_in("clinician"))
    pages.append(visitor.submit(search=XSS))
    pages.append(visitor.open(visitor.request_path))
    pages.append(visitor.submit(choose=("patient=xss",)))
    answer = visitor.submit("decision=allow")
    assert parameters_of(answer)["state"] == XSS
    pages.append(visitor.open("/app/apps"))
    pages.append(visitor.open(f"/app/sign-in?tenant={XSS}"))
    for page in pages:
        assert "<script" not in page.text
    assert "Zzz&#34;&gt;&lt;script&gt;" in pages[-2].text


def test_no_personal_data_stands_in_addresses(clinic: Clinic, app: SmartApp, visitor: Visitor) -> None:
    visited: list[str] = []
    visitor.http.event_hooks["request"] = [lambda request: visited.append(str(request.url))]
    visitor.open(app.address())
    visitor.sign_in("clinician")
    visitor.submit(search="haddad")
    visitor.submit(choose=("patient=omar",))
    visitor.submit("decision=allow")
    visitor.open("/app/apps")
    for address in visited:
        assert not any(word in address.lower() for word in ("clinician", "haddad", "omar", PASSWORD[:5]))


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"username=a&csrf=a&csrf=b", {}, 400),
        (b"username=%ff", {}, 400),
        ("username=ü".encode(), {}, 400),
        (b"a=1&" * 300, {}, 400),
        (b"x" * 70_000, {}, 413),
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"username=%00&password=%00", {}, 403),
    ],
)
def test_a_damaged_form_gets_a_page_that_says_so(
    app: SmartApp, visitor: Visitor, content: bytes, headers: dict[str, str], status: int
) -> None:
    visitor.open(app.address())
    sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    page = visitor.http.post(visitor.request_path, content=content, headers=sent)
    assert page.status_code == status
    assert "<h1>" in page.text


def test_passwords_and_names_stay_out_of_the_audit(clinic: Clinic, app: SmartApp, visitor: Visitor) -> None:
    visitor.open(app.address())
    visitor.sign_in("clinician", "a wrong secret phrase")
    visitor.sign_in("a-name-of-nobody", "x")
    rows: list[Any] = on_database(
        clinic.server.dsn,
        lambda connection: connection.fetch("SELECT * FROM audit_event WHERE interaction LIKE 'oauth-%'"),
    )
    told = " ".join(str(dict(row)) for row in rows)
    assert "a wrong secret phrase" not in told
    assert "a-name-of-nobody" not in told
