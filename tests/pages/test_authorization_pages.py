"""Sign in, choose, allow: over real HTTP, as a browser without script does it."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from tests.fixtures.pages import PASSWORD, Clinic, SmartApp, Visitor, forms_of, parameters_of


def test_a_person_signs_in_chooses_and_allows(clinic: Clinic, app: SmartApp, visitor: Visitor) -> None:
    assert "Charts" in visitor.open(app.address()).text
    page = visitor.sign_in("clinician")
    assert [value for name, value in forms_of(page.text)[2].choices] == ["ines", "omar", "wei"]
    page = visitor.submit(choose=("patient=omar",))
    assert "Omar Haddad" in page.text
    answer = parameters_of(visitor.submit("decision=allow"))
    assert answer.keys() == {"code", "state", "iss"}
    assert answer["state"] == app.state
    told = [told for what, told in clinic.audited() if what in ("oauth-login", "oauth-authorize")]
    assert told[0] == "success: clinician signed in by pwd"
    assert len(told) == 2


def test_a_worker_sees_the_caseload_only(clinic: Clinic, app: SmartApp, visitor: Visitor) -> None:
    visitor.open(app.address())
    page = visitor.sign_in("worker")
    assert "Omar Haddad" in page.text
    assert "Castellanos" not in page.text
    # A choice that the page never offered is none.
    page = visitor.http.post(
        visitor.request_path, data={"csrf": dict(forms_of(page.text)[2].fields)["csrf"], "patient": "ines"}
    )
    assert page.status_code == 400
    assert "Choose one of the clients below" in page.text
    assert "ines" not in page.text


def test_a_person_without_roles_may_choose_nobody(clinic: Clinic, app: SmartApp, visitor: Visitor) -> None:
    clinic.add_user("nobody", "Practitioner/n1")
    visitor.open(app.address())
    page = visitor.sign_in("nobody")
    assert page.status_code == 200
    assert "No client&#39;s record is open to you" in page.text or "No client's record is open to you" in page.text
    assert parameters_of(visitor.submit("decision=deny"))["error"] == "access_denied"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("haddad", ["omar"]),
        ("Inés cast", ["ines"]),
        ("1961-04-02", ["omar"]),
        ("zzz", []),
        ("%_", []),
        ("a,b", []),
        ("<script>", []),
        ("2026-99-99", []),
    ],
)
def test_clients_are_found_by_name_birth_date_or_id(
    clinic: Clinic, app: SmartApp, visitor: Visitor, text: str, found: list[str]
) -> None:
    visitor.open(app.address())
    visitor.sign_in("clinician")
    page = visitor.submit(search=text)
    assert page.status_code == 200
    assert [value for name, value in forms_of(page.text)[2].choices] == found
    assert text not in str(page.url)
    assert "<script>" not in page.text


def test_many_clients_come_in_pages(clinic: Clinic, app: SmartApp, visitor: Visitor) -> None:
    clinic.add_clients(*((f"p{number:02d}", "Ana", f"Family{number:02d}") for number in range(45)))
    visitor.open(app.address())
    page = visitor.sign_in("clinician")
    seen = [value for _, value in forms_of(page.text)[2].choices]
    assert len(seen) == 20
    for _ in range(2):
        more = [value for form in forms_of(page.text) for name, value in form.buttons if name == "page"][-1]
        page = visitor.submit(f"page={more}")
        seen += [value for _, value in forms_of(page.text)[2].choices]
    assert len(seen) == len(set(seen)) == 48


def test_a_client_of_the_clinic_gets_their_own_record_without_choosing(
    clinic: Clinic, app: SmartApp, visitor: Visitor
) -> None:
    clinic.add_user("ines", "Patient/ines", "client")
    visitor.open(app.address())
    page = visitor.sign_in("ines")
    assert "Your own record" in page.text
    assert "Inés Castellanos" in page.text
    assert "code" in parameters_of(visitor.submit("decision=allow"))


def test_who_denies_sends_the_app_away(app: SmartApp, visitor: Visitor) -> None:
    visitor.open(app.address())
    visitor.sign_in("clinician")
    visitor.submit(choose=("patient=wei",))
    answer = parameters_of(visitor.submit("decision=deny"))
    assert (answer["error"], answer["state"]) == ("access_denied", app.state)


def test_scopes_are_told_in_plain_words(clinic: Clinic, visitor: Visitor) -> None:
    scope = "launch/patient patient/CarePlan.rs patient/Goal.cruds user/Observation.rs openid offline_access"
    app = clinic.add_app(scope=scope)
    visitor.open(app.address())
    visitor.sign_in("clinician")
    page = visitor.submit(choose=("patient=wei",)).text
    # A clinician deletes nothing, so neither does the app.
    for words in ("See care plans", "See, add and change goals", "Keep this access when you are not here", "notes and"):
        assert words in page
    assert "delete goals" not in page


def test_a_part_can_be_left_out(clinic: Clinic, visitor: Visitor) -> None:
    app = clinic.add_app(scope="launch/patient patient/CarePlan.rs patient/Goal.rs")
    visitor.open(app.address())
    visitor.sign_in("clinician")
    visitor.submit(choose=("patient=wei",))
    assert "code" in parameters_of(visitor.submit("decision=allow", choose=("without=patient/Goal.rs",)))
    assert clinic.audited()[-1] == ("oauth-authorize", "success: launch/patient patient/CarePlan.rs")


def test_nothing_is_granted_that_the_role_does_not_allow(clinic: Clinic, visitor: Visitor) -> None:
    app = clinic.add_app(scope="launch/patient patient/Goal.cruds patient/AuditEvent.rs")
    visitor.open(app.address())
    visitor.sign_in("worker")
    visitor.submit(choose=("patient=omar",))
    visitor.submit("decision=allow")
    assert clinic.audited()[-1] == ("oauth-authorize", "success: launch/patient patient/Goal.crus")


def test_a_remembered_choice_is_not_asked_again_until_forgotten(clinic: Clinic, visitor: Visitor) -> None:
    app = clinic.add_app(scope="openid fhirUser user/Patient.rs")
    visitor.open(app.address())
    visitor.sign_in("clinician")
    assert "code" in parameters_of(visitor.submit("decision=allow", choose=("remember=yes",)))
    again = visitor.open(app.address())
    assert "code" in parameters_of(again)
    page = visitor.open("/app/apps")
    assert "Let in without asking" in page.text
    visitor.submit(f"forget={app.client_id}")
    assert visitor.open(app.address()).status_code == 200


def test_prompt_none_shows_no_page(clinic: Clinic, app: SmartApp, visitor: Visitor) -> None:
    assert parameters_of(visitor.open(app.address(prompt="none")))["error"] == "login_required"
    visitor.open("/app/sign-in?tenant=" + clinic.tenant)
    visitor.sign_in("clinician")
    assert parameters_of(visitor.open(app.address(prompt="none")))["error"] == "interaction_required"
    other = clinic.add_app(scope="openid fhirUser")
    assert parameters_of(visitor.open(other.address(prompt="none")))["error"] == "consent_required"


def test_prompt_login_asks_once_more(clinic: Clinic, app: SmartApp, visitor: Visitor) -> None:
    visitor.open("/app/sign-in?tenant=" + clinic.tenant)
    visitor.sign_in("clinician")
    assert "Password" in visitor.open(app.address(prompt="login")).text
    assert "Whose record?" in visitor.sign_in("clinician").text


def test_a_session_of_another_tenant_is_none_here(clinic: Clinic, app: SmartApp, visitor: Visitor) -> None:
    elsewhere = Clinic(clinic.server, clinic.server.new_tenant())
    elsewhere.add_user("clinician", "Practitioner/c1", "clinician", password="quite another pass phrase")
    visitor.open("/app/sign-in?tenant=" + elsewhere.tenant)
    assert visitor.sign_in("clinician", "quite another pass phrase").status_code == 200
    assert "Password" in visitor.open(app.address()).text
    assert visitor.sign_in("clinician", "quite another pass phrase").status_code == 401


def test_who_is_not_this_person_signs_in_as_themselves(clinic: Clinic, app: SmartApp, visitor: Visitor) -> None:
    visitor.open(app.address())
    visitor.sign_in("clinician")
    assert "Password" in visitor.submit("switch=yes").text
    page = visitor.sign_in("worker")
    assert "Signed in as worker" in page.text


def test_a_one_time_code_is_asked_for_in_the_same_form(clinic: Clinic, app: SmartApp, visitor: Visitor) -> None:
    secret = parse_qs(urlsplit(clinic.set_totp("clinician")).query)["secret"][0]
    visitor.open(app.address())
    assert visitor.sign_in("clinician").status_code == 401
    assert "Whose record?" in visitor.sign_in("clinician", PASSWORD, pyotp.TOTP(secret).now()).text


def test_what_went_wrong_is_told_the_same_for_every_reason(
    clinic: Clinic, app: SmartApp, visitors: Callable[[], Visitor]
) -> None:
    pages = []
    for name, password in (("clinician", "wrong wrong wrong"), ("no-such-name", PASSWORD)):
        visitor = visitors()
        visitor.open(app.address())
        page = visitor.sign_in(name, password)
        assert page.status_code == 401
        csrf = dict(forms_of(page.text)[0].fields)["csrf"]
        pages.append(page.text.replace(name, "NAME").replace(csrf, "CSRF").replace(visitor.request_path, "PATH"))
    assert pages[0] == pages[1]


def test_after_ten_failures_the_page_says_how_long_to_wait(clinic: Clinic, app: SmartApp, visitor: Visitor) -> None:
    visitor.open(app.address())
    for _ in range(10):
        assert visitor.sign_in("clinician", "wrong wrong wrong").status_code == 401
    page = visitor.sign_in("clinician")
    assert page.status_code == 429
    assert 0 < int(page.headers["Retry-After"]) <= 900
    assert "Wait 15 minutes" in page.text


def test_a_request_that_is_none_gets_a_page_that_says_what_to_do(visitor: Visitor) -> None:
    for path in ("/oauth/authorize/x", "/oauth/authorize/bhr_request_default_" + "A" * 43):
        page = visitor.open(path)
        assert page.status_code == 410
        assert "Start again from the app" in page.text


def test_an_unknown_app_gets_an_error_page_with_our_headers(visitor: Visitor) -> None:
    page = visitor.open("/oauth/authorize?client_id=x&redirect_uri=https://evil.example/")
    assert page.status_code == 400
    assert "evil.example" not in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
