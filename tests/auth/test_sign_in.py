import asyncio
import time
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from bhr_api.auth import accounts
from bhr_api.auth.audit import RequestSource
from bhr_api.auth.browser_sessions import BrowserSessions, csrf_token, is_csrf_token
from bhr_api.auth.sign_in import FAILURES_ALLOWED, Credentials, SignIn, SignInRefusal, SignInSuccess, throttled_address
from bhr_api.errors import OverloadedError
from tests.fixtures.people import ADDRESS, PASSWORD, Desk

NO = SignInRefusal()


def test_the_right_password_opens_a_session(desk: Desk) -> None:
    name = desk.add(fhir_user="Practitioner/p7", roles=["worker"]).username
    user = desk.read(desk.cookie(name.upper()))
    assert user is not None
    assert (user.username, user.fhir_user, user.roles) == (name, "Practitioner/p7", ("worker",))
    assert user.methods == ("pwd",)
    assert desk.account_events(name)[-1] == ("login", "success")


def test_unknown_names_wrong_passwords_and_disabled_accounts_are_told_the_same(desk: Desk) -> None:
    known, out = desk.add().username, desk.add().username
    desk.administer(lambda work: accounts.disable_account(work, out))
    assert desk.sign_in(known, "wrong wrong wrong") == desk.sign_in("nobody-at-all") == desk.sign_in(out) == NO
    assert desk.sign_in(known, tenant="nowhere") == NO


def test_a_name_of_nobody_is_not_written_into_the_audit(desk: Desk) -> None:
    # People type their password into the wrong field.
    desk.sign_in("my-secret-typed-in-the-wrong-field")
    assert desk.account_events("my-secret-typed") == []


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 10_000, "", "' OR 1=1 --"])
def test_hostile_names_are_nobodys(desk: Desk, name: str) -> None:
    assert desk.sign_in(name) == NO


def test_the_unknown_wait_as_long_as_the_known(desk: Desk) -> None:
    known = desk.add().username

    async def times(sign_in: SignIn, _: BrowserSessions) -> dict[str, list[float]]:
        taken: dict[str, list[float]] = {known: [], "nobody-of-the-kind": []}
        for number in range(6):
            for name, seconds in taken.items():
                started = time.process_time()
                source = RequestSource(f"198.51.100.{number}", "x")
                await sign_in.attempt("default", Credentials(name, "wrong wrong wrong"), source)
                seconds.append(time.process_time() - started)
        return taken

    taken = desk.with_functions(times)
    medians = [sorted(seconds[1:])[2] for seconds in taken.values()]
    assert 0.5 < medians[0] / medians[1] < 2


def test_ten_failures_make_an_address_wait_and_no_other(desk: Desk) -> None:
    name = desk.add().username
    for _ in range(FAILURES_ALLOWED):
        assert desk.sign_in(name, "wrong wrong wrong") == NO
    refusal = desk.sign_in(name)
    assert isinstance(refusal, SignInRefusal)
    assert 0 < refusal.seconds_to_wait <= 15 * 60
    assert desk.cookie(name, address="192.0.2.8")
    assert desk.cookie(desk.add().username)
    desk.server.clock.ahead += timedelta(seconds=refusal.seconds_to_wait)
    assert desk.cookie(name)


def test_the_unknown_are_throttled_like_the_known(desk: Desk) -> None:
    for _ in range(FAILURES_ALLOWED):
        desk.sign_in("nobody-throttled")
    refusal = desk.sign_in("nobody-throttled")
    assert isinstance(refusal, SignInRefusal)
    assert refusal.seconds_to_wait > 0


def test_success_forgets_the_failures(desk: Desk) -> None:
    name = desk.add().username

    async def come_and_go(sign_in: SignIn, _: BrowserSessions) -> list[bool]:
        passwords = [*["wrong wrong wrong"] * (FAILURES_ALLOWED - 1), PASSWORD] * 2
        source = RequestSource(ADDRESS, "x")
        outcomes = [await sign_in.attempt("default", Credentials(name, one), source) for one in passwords]
        return [isinstance(outcome, SignInSuccess) for outcome in outcomes]

    assert desk.with_functions(come_and_go) == [*[False] * (FAILURES_ALLOWED - 1), True] * 2


def test_of_twenty_guesses_at_once_ten_are_looked_at(desk: Desk) -> None:
    name = desk.add().username

    async def race(sign_in: SignIn, _: BrowserSessions) -> list[SignInSuccess | SignInRefusal]:
        guess = Credentials(name, "wrong wrong wrong")
        return await asyncio.gather(
            *(sign_in.attempt("default", guess, RequestSource(ADDRESS, "x")) for _ in range(20))
        )

    outcomes = desk.with_functions(race)
    assert sum(outcome == NO for outcome in outcomes) == FAILURES_ALLOWED
    assert sum(isinstance(outcome, SignInRefusal) and outcome.seconds_to_wait > 0 for outcome in outcomes) == 10


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
    ],
)
def test_an_ipv6_address_counts_by_its_network(address: str, counted: str) -> None:
    assert throttled_address(address) == counted


def codes_of(desk: Desk, name: str) -> pyotp.TOTP:
    """The person's authenticator app."""
    uri = desk.administer(lambda work: accounts.set_totp(work, name, desk.key)).uri
    return pyotp.TOTP(parse_qs(urlsplit(uri).query)["secret"][0])


def test_a_code_is_needed_where_it_was_set_up_and_works_once(desk: Desk) -> None:
    name = desk.add().username
    codes = codes_of(desk, name)
    assert desk.sign_in(name) == NO
    code = codes.at(desk.server.clock())
    assert desk.sign_in(name, "wrong wrong wrong", code) == NO
    user = desk.read(desk.cookie(name, code=f"{code[:3]} {code[3:]}"))
    assert user is not None
    assert user.methods == ("pwd", "otp", "mfa")
    assert desk.sign_in(name, PASSWORD, code) == NO


@pytest.mark.parametrize(("steps", "is_taken"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_code_may_be_one_step_off(desk: Desk, steps: int, is_taken: bool) -> None:
    name = desk.add().username
    codes = codes_of(desk, name)
    # In the middle of a step, so that the test does not run over its end.
    now = desk.server.clock().timestamp()
    desk.server.clock.ahead += timedelta(seconds=15 - now % 30)
    code = codes.at(desk.server.clock() + timedelta(seconds=30 * steps))
    assert isinstance(desk.sign_in(name, PASSWORD, code), SignInSuccess) == is_taken


def test_a_code_from_before_the_last_one_is_used_up_too(desk: Desk) -> None:
    name = desk.add().username
    codes = codes_of(desk, name)
    earlier, now = codes.at(desk.server.clock() - timedelta(seconds=30)), codes.at(desk.server.clock())
    assert desk.cookie(name, code=now)
    assert desk.sign_in(name, PASSWORD, earlier) == NO


def test_of_many_sign_ins_with_one_code_one_is_let_in(desk: Desk) -> None:
    name = desk.add().username
    code = codes_of(desk, name).at(desk.server.clock())

    async def race(sign_in: SignIn, _: BrowserSessions) -> list[SignInSuccess | SignInRefusal]:
        sent = Credentials(name, PASSWORD, code)
        return await asyncio.gather(*(sign_in.attempt("default", sent, RequestSource(ADDRESS, "x")) for _ in range(10)))

    assert sum(isinstance(outcome, SignInSuccess) for outcome in desk.with_functions(race)) == 1


@pytest.mark.parametrize("code", ["", "000000x", "\0", "\ud800", "1" * 10_000, "１２３４５６"])
def test_hostile_codes_are_wrong(desk: Desk, code: str) -> None:
    name = desk.add().username
    codes_of(desk, name)
    assert desk.sign_in(name, PASSWORD, code) == NO


def test_a_sign_in_never_keeps_the_session_that_was_there(desk: Desk) -> None:
    name, attacker = desk.add().username, desk.add().username
    planted = desk.cookie(attacker)
    cookie = desk.cookie(name, replaced=planted)
    assert cookie != planted
    assert desk.read(planted) is None


def test_a_session_ends_by_idleness(desk: Desk) -> None:
    cookie = desk.cookie(desk.add().username)
    for minutes in (29, 29):
        desk.server.clock.ahead += timedelta(minutes=minutes)
        assert desk.read(cookie) is not None
    desk.server.clock.ahead += timedelta(minutes=31)
    assert desk.read(cookie) is None


def test_a_session_ends_after_twelve_hours_however_busy(desk: Desk) -> None:
    cookie = desk.cookie(desk.add().username)

    async def stay(_: SignIn, browsers: BrowserSessions) -> list[bool]:
        alive = []
        for _number in range(12 * 60 // 25 + 1):
            desk.server.clock.ahead += timedelta(minutes=25)
            alive.append(await browsers.read(cookie) is not None)
        return alive

    assert desk.with_functions(stay) == [True] * 28 + [False]


def test_signing_out_ends_the_session_and_is_audited(desk: Desk) -> None:
    name = desk.add().username
    cookie = desk.cookie(name)
    source = RequestSource(ADDRESS, "x")
    desk.with_functions(lambda _, browsers: browsers.end(cookie, source))
    assert desk.read(cookie) is None
    assert desk.account_events(name)[-1] == ("logout", "success")
    desk.with_functions(lambda _, browsers: browsers.end(cookie, source))
    assert desk.account_events(name).count(("logout", "success")) == 1


@pytest.mark.parametrize(
    "cookie", [None, "", "x", "bhr_session_default_" + "A" * 43, "bhr_session_nowhere_" + "A" * 43]
)
def test_what_is_no_cookie_is_nobody(desk: Desk, cookie: str | None) -> None:
    assert desk.read(cookie) is None


def test_the_cookie_is_not_in_the_database(desk: Desk) -> None:
    cookie = desk.cookie(desk.add().username)
    rows = desk.server.fetch("SELECT session_hash::text AS hash FROM browser_session")
    assert rows
    assert all(cookie not in row["hash"] for row in rows)


def test_a_csrf_token_is_of_one_cookie_and_one_form() -> None:
    token = csrf_token("cookie", "form")
    assert is_csrf_token(token, "cookie", "form")
    assert not is_csrf_token(token, "another", "form")
    assert not is_csrf_token(token, "cookie", "another")
    for cookie in (None, ""):
        assert not is_csrf_token(csrf_token("", "form"), cookie, "form")
    assert not is_csrf_token("\ud800é", "cookie", "form")


def test_a_crowd_is_shed_before_it_waits_too_long(desk: Desk) -> None:
    async def crowd(sign_in: SignIn, _: BrowserSessions) -> None:
        sign_in._passwords._waiting = 100
        with pytest.raises(OverloadedError):
            await sign_in.attempt("default", Credentials("somebody", "x"), RequestSource(ADDRESS, "x"))

    desk.with_functions(crowd)
