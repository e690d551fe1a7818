from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from bhr_api.auth import accounts
from bhr_api.auth.accounts import AccountError, Administration
from bhr_api.opaque_strings import mint
from tests.fixtures.app_launch import choose_patient, decide, parameters_of, register_app
from tests.fixtures.people import PASSWORD, Desk


def test_an_account_is_listed_without_its_secrets(desk: Desk) -> None:
    added = desk.add(roles=["worker", "worker"], teams=["Organization/7"], also=["PractitionerRole/9"])
    (found,) = [one for one in desk.administer(accounts.list_accounts) if one.username == added.username]
    assert found == added
    assert (found.roles, found.teams, found.also) == (("worker",), ("Organization/7",), ("PractitionerRole/9",))
    assert found.has_password
    assert PASSWORD not in repr(found)
    assert "argon2" not in repr(found)


def test_names_differ_by_more_than_case_and_width(desk: Desk) -> None:
    name = desk.add().username
    with pytest.raises(AccountError, match="already"):
        desk.add(name.upper())
    with pytest.raises(AccountError, match="already"):
        desk.add("  " + name.replace("u", "\uff55"))


def test_another_tenant_may_have_the_same_name(desk: Desk) -> None:
    name = desk.add().username
    desk.add(name, tenant="other", password="quite another pass phrase")
    assert desk.sign_in(name, "quite another pass phrase").__class__.__name__ == "SignInRefusal"
    user = desk.read(desk.cookie(name, password="quite another pass phrase", tenant="other"))
    assert user is not None
    assert user.tenant_name == "other"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        pytest.param({"username": "a b"}, "A username has", id="a-space-in-the-name"),
        pytest.param({"username": "x" * 129}, "A username has", id="a-long-name"),
        pytest.param({"username": "<script>"}, "A username has", id="markup"),
        pytest.param({"username": "a\0b"}, "A username has", id="NUL"),
        pytest.param({"password": "short"}, "at least 12", id="a-short-password"),
        pytest.param({"fhir_user": "Device/1"}, "Practitioner/<id>", id="no-person"),
        pytest.param({"fhir_user": "Practitioner"}, "Practitioner/<id>", id="no-id"),
        pytest.param({"fhir_user": "http://x/Practitioner/1"}, "Practitioner/<id>", id="an-absolute-address"),
        pytest.param({"teams": ["Group/1"]}, "Organization/<id>", id="no-organization"),
        pytest.param({"roles": ["worker", "clinican"]}, "no role 'clinican'", id="a-misspelt-role"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(desk: Desk, wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(AccountError, match=told):
        desk.add(**wrong)


def test_an_unknown_tenant_or_account_is_named(desk: Desk) -> None:
    with pytest.raises(AccountError, match="no tenant 'nowhere'"):
        desk.add(tenant="nowhere")
    with pytest.raises(AccountError, match="no account 'nobody'"):
        desk.administer(lambda work: accounts.disable_account(work, "nobody"))


Change = Callable[[Administration, str], Awaitable[Any]]
CHANGES: dict[str, Change] = {
    "disabled": accounts.disable_account,
    "enabled": accounts.enable_account,
    "another password": lambda work, name: accounts.change_password(work, name, "another pass phrase"),
    "other roles": lambda work, name: accounts.change_rights(work, name, roles=["worker"]),
    "other teams": lambda work, name: accounts.change_rights(work, name, teams=["Organization/7"]),
    "codes removed": accounts.remove_totp,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_ends_sessions_grants_and_tokens_at_once(desk: Desk, change: str) -> None:
    name = desk.add().username
    cookie = desk.cookie(name)
    user = desk.read(cookie)
    assert user is not None
    app = register_app(desk.server)
    request_id = app.begin()
    choose_patient(desk.server, request_id, user, "p1")
    assert "code" in parameters_of(decide(desk.server, request_id, user))
    grant = desk.server.fetch("SELECT grant_id, tenant FROM oauth_grant WHERE username = $1", name)[0]
    token = mint("at", "default")
    desk.server.fetch(
        "INSERT INTO oauth_access_token (tenant, token_hash, client_id, scope, issued_at, expires_at, grant_id)"
        " VALUES ($1, $2, $3, 'patient/*.rs', now(), now() + interval '1 hour', $4)",
        grant["tenant"],
        token.digest,
        app.client_id,
        grant["grant_id"],
    )
    desk.server.clock.ahead += timedelta(seconds=1)
    desk.administer(lambda work: CHANGES[change](work, name))
    assert desk.read(cookie) is None
    revoked = "SELECT revoked_at FROM {} WHERE grant_id = $1"
    assert desk.server.fetch(revoked.format("oauth_grant"), grant["grant_id"])[0]["revoked_at"] is not None
    assert desk.server.fetch(revoked.format("oauth_access_token"), grant["grant_id"])[0]["revoked_at"] is not None
    assert desk.server.whoami(token.text).status_code == 401
    assert ("account", "success") in desk.account_events(name)


def test_a_disabled_person_stays_out_until_enabled(desk: Desk) -> None:
    name = desk.add().username
    desk.administer(lambda work: accounts.disable_account(work, name))
    assert desk.sign_in(name).__class__.__name__ == "SignInRefusal"
    desk.administer(lambda work: accounts.enable_account(work, name))
    assert desk.cookie(name)


def test_the_old_password_is_worth_nothing_after_a_change(desk: Desk) -> None:
    name = desk.add().username
    desk.administer(lambda work: accounts.change_password(work, name, "another pass phrase"))
    assert desk.sign_in(name).__class__.__name__ == "SignInRefusal"
    assert desk.cookie(name, password="another pass phrase")


def test_a_totp_secret_is_sealed_in_the_database(desk: Desk) -> None:
    name = desk.add().username
    enrolment = desk.administer(lambda work: accounts.set_totp(work, name, desk.key))
    (row,) = desk.server.fetch("SELECT totp_secret FROM account WHERE username = $1", name)
    assert enrolment.account.has_totp
    assert enrolment.uri.startswith("otpauth://totp/")
    assert len(row["totp_secret"]) == 12 + 20 + 16


def test_a_role_of_the_operators_own_is_one(desk: Desk) -> None:
    desk.server.fetch(
        "INSERT INTO role (tenant, name, scope, relation, changed_at)"
        " SELECT tenant, 'intake', 'user/Patient.cru', 'tenant', now() FROM tenant WHERE name = 'other'"
    )
    assert desk.add(tenant="other", roles=["intake"]).roles == ("intake",)
    with pytest.raises(AccountError, match="no role 'intake'"):
        desk.add(roles=["intake"])
