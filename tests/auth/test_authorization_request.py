"""An authorization request is checked whole before anybody signs in (RFC 6749 §4.1.1; SMART App Launch 2.2; RFC 9700)."""

from urllib.parse import quote

import pytest

from bhr_api.auth.signed_in import SignedIn
from tests.fixtures.app_launch import (
    AT_BROWSER,
    REDIRECT_URI,
    App,
    decide,
    in_process,
    parameters_of,
    query_of,
    register_app,
    sign_in,
)
from tests.fixtures.auth import AuthServer


def test_a_good_request_leads_to_its_page(public_app: App) -> None:
    answer = public_app.authorize()

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{public_app.server.base_url}/oauth/authorize/bhr_request_default_")
    assert answer.headers["Cache-Control"] == "no-store"


def test_what_waits_is_what_was_checked(public_app: App) -> None:
    request_id = public_app.begin(scope="launch/patient patient/*.cruds user/Goal.rs openid", nonce="n", max_age="60")

    waiting = in_process(public_app.server, lambda server: server.pending(request_id, AT_BROWSER))

    assert waiting.request.scope == "launch/patient patient/*.rs openid"
    assert (waiting.request.nonce, waiting.request.max_age, waiting.needs_patient) == ("n", 60, True)
    assert (waiting.request.client_id, waiting.request.client_name) == (public_app.client_id, "A test")


def test_a_form_does_as_well(public_app: App) -> None:
    answer = public_app.server.http.post("/oauth/authorize", data=public_app.parameters())

    assert answer.status_code == 303
    assert "/oauth/authorize/bhr_request_" in answer.headers["Location"]


def test_the_query_of_a_form_is_not_read(public_app: App) -> None:
    query = query_of(public_app.parameters())

    answer = public_app.server.http.post(f"/oauth/authorize?{query}", data={"x": "y"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "text/html; charset=utf-8")


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_audience_may_end_with_a_slash(public_app: App, slash: str) -> None:
    assert public_app.begin(aud=f"{public_app.server.base_url}/fhir{slash}")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"response_type": None}, "invalid_request", id="no-response_type"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="implicit"),
        pytest.param({"response_type": "code id_token"}, "unsupported_response_type", id="hybrid"),
        pytest.param({"response_mode": "fragment"}, "invalid_request", id="fragment"),
        pytest.param({"response_mode": "form_post"}, "invalid_request", id="form_post"),
        pytest.param({"code_challenge": None}, "invalid_request", id="no-pkce"),
        pytest.param({"code_challenge_method": None}, "invalid_request", id="pkce-without-method"),
        pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="pkce-plain"),
        pytest.param({"code_challenge_method": "s256"}, "invalid_request", id="pkce-lower-case"),
        pytest.param({"code_challenge": "A" * 42}, "invalid_request", id="challenge-short"),
        pytest.param({"code_challenge": "A" * 44}, "invalid_request", id="challenge-long"),
        pytest.param({"code_challenge": "A" * 42 + "="}, "invalid_request", id="challenge-padded"),
        pytest.param({"aud": None}, "invalid_request", id="no-aud"),
        pytest.param({"aud": "https://evil.example/fhir"}, "invalid_request", id="foreign-aud"),
        pytest.param({"aud": ""}, "invalid_request", id="empty-aud"),
        pytest.param({"state": ""}, "invalid_request", id="no-state"),
        pytest.param({"scope": None}, "invalid_scope", id="no-scope"),
        pytest.param({"scope": "system/*.rs"}, "invalid_scope", id="system-scope"),
        pytest.param({"scope": "patient/Observation.sr"}, "invalid_scope", id="letters-out-of-order"),
        pytest.param({"scope": "launch"}, "invalid_scope", id="launch-scope-without-launch"),
        pytest.param({"launch": "x"}, "invalid_scope", id="launch-without-its-scope"),
        pytest.param({"launch": "x", "scope": "launch patient/*.rs"}, "invalid_request", id="unknown-launch"),
        pytest.param({"prompt": "none login"}, "invalid_request", id="none-and-more"),
        pytest.param({"prompt": "surprise"}, "invalid_request", id="unknown-prompt"),
        pytest.param({"max_age": "-1"}, "invalid_request", id="negative-max_age"),
        pytest.param({"max_age": "1e3"}, "invalid_request", id="odd-max_age"),
        pytest.param({"request": "eyJ"}, "request_not_supported", id="request-object"),
        pytest.param({"request_uri": "https://x.example"}, "request_uri_not_supported", id="request_uri"),
    ],
)
def test_what_is_wrong_is_told_to_the_client(public_app: App, changes: dict[str, str | None], error: str) -> None:
    location = public_app.authorize(**changes).headers["Location"]

    answer = parameters_of(location)
    assert location.startswith(f"{REDIRECT_URI}?")
    assert answer["error"] == error
    assert answer.get("state") == (changes["state"] or None if "state" in changes else public_app.state)
    assert answer["iss"] == public_app.server.base_url
    assert "code" not in answer


@pytest.mark.parametrize(
    "parameter", ["response_type", "scope", "state", "aud", "code_challenge", "launch", "prompt", "unknown"]
)
def test_a_repeated_parameter_is_refused(public_app: App, parameter: str) -> None:
    good = public_app.parameters()
    query = query_of(good) + f"&{parameter}={quote(good.get(parameter, 'x'))}" * (1 if parameter in good else 2)

    answer = public_app.server.http.get(f"/oauth/authorize?{query}")

    assert parameters_of(answer.headers["Location"])["error"] == "invalid_request"


@pytest.mark.parametrize("parameter", ["client_id", "redirect_uri"])
def test_without_one_client_and_one_address_nothing_is_sent_back(public_app: App, parameter: str) -> None:
    good = public_app.parameters()
    for query in (
        query_of(good) + f"&{parameter}={quote(good[parameter])}",
        query_of({name: value for name, value in good.items() if name != parameter}),
    ):
        answer = public_app.server.http.get(f"/oauth/authorize?{query}")

        assert (answer.status_code, "Location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://app.example/callback/",
        "https://app.example/callback?x=1",
        "https://app.example/Callback",
        "https://APP.example/callback",
        "http://app.example/callback",
        "https://app.example:443/callback",
        "https://app.example/callback/../callback",
        "https://app.example/callback#",
        "https://app.example/callback%2F",
        "https://user@app.example/callback",
        "https://app.example.evil.example/callback",
        "//app.example/callback",
        "javascript:alert(1)",
        "https://app.example/callback\r\nX: y",
        "https://app.example/callback\\",
        'https://app.example/callback"',
        "https://app.example/callback\x00",
        "https://app.exämple/callback",
    ],
)
def test_a_redirect_uri_is_compared_character_by_character(public_app: App, redirect_uri: str) -> None:
    answer = public_app.authorize(redirect_uri=redirect_uri)

    assert (answer.status_code, "Location" in answer.headers) == (400, False)
    # The page repeats nothing that was sent.
    assert "evil" not in answer.text
    assert "<h1>" in answer.text


@pytest.mark.parametrize(
    "client_id", ["x", "bhr_client_default_" + "0" * 32, "bhr_client_nowhere_" + "0" * 32, "\x00", '"']
)
def test_an_unknown_client_gets_a_page(public_app: App, client_id: str) -> None:
    answer = public_app.authorize(client_id=client_id)

    assert (answer.status_code, "Location" in answer.headers) == (400, False)
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_a_disabled_client_is_as_good_as_unknown(public_app: App) -> None:
    unknown = public_app.authorize(client_id="bhr_client_default_" + "0" * 32)
    public_app.server.fetch(
        "UPDATE oauth_client SET disabled_at = now() WHERE tenant = 1 AND client_id = $1", public_app.client_id
    )

    answer = public_app.authorize()

    assert (answer.status_code, answer.text) == (unknown.status_code, unknown.text)


@pytest.mark.parametrize("hostile", ["\x00", "a\r\nb", "é", "\ud800".encode("utf-8", "surrogatepass")])
@pytest.mark.parametrize("parameter", ["scope", "aud", "nonce", "launch", "login_hint", "code_challenge", "prompt"])
def test_hostile_characters_are_told_to_the_client(public_app: App, parameter: str, hostile: str | bytes) -> None:
    query = query_of(public_app.parameters(**{parameter: None})) + f"&{parameter}={quote(hostile)}"

    answer = public_app.server.http.get(f"/oauth/authorize?{query}")

    # Bytes that are no UTF-8 make the whole address unreadable, so nothing in it is trusted.
    if isinstance(hostile, bytes):
        assert answer.status_code == 400
    else:
        assert parameters_of(answer.headers["Location"])["error"] == "invalid_request"


@pytest.mark.parametrize("state", ["\x00", "a\r\nb", "é"])
def test_a_hostile_state_is_not_given_back(public_app: App, state: str) -> None:
    answer = parameters_of(public_app.authorize(state=state).headers["Location"])

    assert (answer["error"], "state" in answer) == ("invalid_request", False)


def test_a_state_comes_back_as_it_was_sent(public_app: App, user: SignedIn) -> None:
    state = "a b&c=d%20\"\\'<>+/~"
    request_id = public_app.begin(state=state, scope="user/Observation.rs")

    assert parameters_of(decide(public_app.server, request_id, user))["state"] == state


def test_the_query_of_a_redirect_uri_stays(auth_server: AuthServer, user: SignedIn) -> None:
    app = register_app(auth_server, redirect_uris=["https://app.example/callback?page=1"])

    location = decide(auth_server, app.begin(scope="user/Observation.rs"), user)

    assert location.startswith("https://app.example/callback?page=1&code=bhr_code_default_")


@pytest.mark.parametrize(
    ("registered", "sent", "is_right"),
    [
        ("http://127.0.0.1/cb", "http://127.0.0.1:50123/cb", True),
        ("http://[::1]/cb", "http://[::1]:50123/cb", True),
        ("http://127.0.0.1:8000/cb", "http://127.0.0.1:50123/cb", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:50123/other", False),
        ("http://127.0.0.1/cb", "http://x@127.0.0.1:50123/cb", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb", False),
        ("http://localhost/cb", "http://localhost:50123/cb", False),
        ("https://app.example/cb", "https://app.example:50123/cb", False),
    ],
)
def test_a_native_app_takes_any_port_of_its_loopback_address(
    auth_server: AuthServer, registered: str, sent: str, is_right: bool
) -> None:
    app = register_app(auth_server, redirect_uris=[registered])

    assert app.authorize(redirect_uri=sent).status_code == (303 if is_right else 400)


def test_a_confidential_client_has_the_port_that_it_registered(auth_server: AuthServer) -> None:
    app = register_app(auth_server, redirect_uris=["http://127.0.0.1/cb"], secret=True)

    assert app.authorize(redirect_uri="http://127.0.0.1:50123/cb").status_code == 400


def test_another_tenants_client_waits_in_its_own_tenant(auth_server: AuthServer) -> None:
    app = register_app(auth_server, tenant_name="other")
    request_id = app.begin()
    stranger = sign_in(auth_server)

    waiting = in_process(auth_server, lambda server: server.pending(request_id, AT_BROWSER))

    assert request_id.startswith("bhr_request_other_")
    assert waiting.needs_sign_in(stranger, auth_server.clock())


def test_refusals_are_audited(public_app: App) -> None:
    public_app.authorize(aud="https://evil.example")
    public_app.authorize(redirect_uri="https://evil.example")

    assert [(action, outcome) for action, outcome, _ in public_app.server.events(public_app.client_id)] == [
        ("refuse", "invalid_request"),
        ("refuse", "invalid_request"),
    ]
