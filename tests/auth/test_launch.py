"""EHR launch: minted by a host EHR, used once (SMART App Launch 2.2, app-launch.html#launch-app-ehr-launch)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from bhr_api.auth.registration import RegisteredClient
from bhr_api.auth.signed_in import SignedIn
from tests.fixtures.app_launch import App, decide, parameters_of, register_app, sign_in
from tests.fixtures.auth import AuthServer

SCOPE = "launch patient/Observation.rs openid fhirUser"


@pytest.fixture
def host(auth_server: AuthServer) -> RegisteredClient:
    """An EHR that launches apps."""
    return auth_server.register(scope="launch system/Patient.rs", secret=True)


def token_of(server: AuthServer, client: RegisteredClient, scope: str = "launch") -> httpx.Response:
    assert client.client_secret is not None
    form = {"grant_type": "client_credentials", "scope": scope}
    return server.token(form, auth=(client.client_id, client.client_secret))


def mint(server: AuthServer, host: RegisteredClient, **context: Any) -> httpx.Response:
    token = token_of(server, host).json()["access_token"]
    return server.http.post("/oauth/launch", json=context, headers={"Authorization": f"Bearer {token}"})


def launched(app: App, user: SignedIn, launch: str, scope: str = SCOPE) -> dict[str, Any]:
    """The token response of an app that was started with `launch`."""
    location = decide(app.server, app.begin(launch=launch, scope=scope), user)
    tokens: dict[str, Any] = app.exchange(parameters_of(location)["code"]).json()
    return tokens


def test_a_host_mints_what_an_app_brings_along(public_app: App, host: RegisteredClient, user: SignedIn) -> None:
    context = {
        "patient": "p9",
        "encounter": "e9",
        "need_patient_banner": False,
        "intent": "reconcile-medications",
        "tenant": "north",
        "fhirContext": [{"reference": "ImagingStudy/1"}, {"canonical": "http://x.example/q", "role": "prompt"}],
    }

    answer = mint(public_app.server, host, **context)

    minted = answer.json()
    assert (answer.status_code, minted["expires_in"], answer.headers["Cache-Control"]) == (201, 300, "no-store")
    assert minted["iss"] == f"{public_app.server.base_url}/fhir"
    tokens = launched(public_app, user, minted["launch"])
    assert {name: tokens[name] for name in context} == context
    assert tokens["scope"] == SCOPE


def test_the_context_stays_with_the_refresh_token(public_app: App, host: RegisteredClient, user: SignedIn) -> None:
    launch = mint(public_app.server, host, patient="p9", encounter="e9").json()["launch"]
    tokens = launched(public_app, user, launch, f"{SCOPE} offline_access")

    again = public_app.refresh(tokens["refresh_token"]).json()

    assert (again["patient"], again["encounter"]) == ("p9", "e9")


def test_introspection_tells_the_context(secret_app: App, host: RegisteredClient, user: SignedIn) -> None:
    launch = mint(secret_app.server, host, patient="p9", encounter="e9", intent="x").json()["launch"]
    token = launched(secret_app, user, launch)["access_token"]

    facts = secret_app.server.introspect({"token": token, **secret_app.credentials()}).json()

    assert facts["active"] is True
    assert (facts["patient"], facts["encounter"], facts["intent"]) == ("p9", "e9", "x")
    assert (facts["sub"], facts["iss"]) == (user.subject, secret_app.server.base_url)
    assert facts["fhirUser"] == f"{secret_app.server.base_url}/fhir/Practitioner/1"
    assert facts["client_id"] == secret_app.client_id
    assert facts["exp"] - facts["iat"] == 3600


def test_a_launch_without_a_patient_lets_the_user_choose(
    public_app: App, host: RegisteredClient, user: SignedIn
) -> None:
    launch = mint(public_app.server, host).json()["launch"]

    assert public_app.tokens(user, "p5", launch=launch, scope=SCOPE)["patient"] == "p5"


def test_a_launch_is_used_up_by_one_decision(public_app: App, host: RegisteredClient, user: SignedIn) -> None:
    launch = mint(public_app.server, host, patient="p9").json()["launch"]
    waiting = public_app.begin(launch=launch, scope=SCOPE)
    assert "access_token" in launched(public_app, user, launch)

    late = parameters_of(decide(public_app.server, waiting, user))
    again = parameters_of(public_app.authorize(launch=launch, scope=SCOPE).headers["Location"])

    assert (late["error"], again["error"]) == ("invalid_request", "invalid_request")


def test_of_twenty_decisions_about_one_launch_one_is_granted(
    public_app: App, host: RegisteredClient, user: SignedIn
) -> None:
    launch = mint(public_app.server, host, patient="p9").json()["launch"]
    waiting = [public_app.begin(launch=launch, scope=SCOPE) for _ in range(20)]

    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda one: parameters_of(decide(public_app.server, one, user)), waiting))

    assert len([answer for answer in answers if "code" in answer]) == 1
    assert {answer["error"] for answer in answers if "code" not in answer} == {"invalid_request"}


def test_a_launch_lasts_five_minutes(public_app: App, host: RegisteredClient) -> None:
    launch = mint(public_app.server, host, patient="p9").json()["launch"]
    public_app.server.clock.ahead = timedelta(seconds=301)

    assert (
        parameters_of(public_app.authorize(launch=launch, scope=SCOPE).headers["Location"])["error"]
        == "invalid_request"
    )


def test_a_launch_may_be_for_one_app(public_app: App, secret_app: App, host: RegisteredClient, user: SignedIn) -> None:
    launch = mint(public_app.server, host, patient="p9", client_id=public_app.client_id).json()["launch"]

    other = parameters_of(secret_app.authorize(launch=launch, scope=SCOPE).headers["Location"])

    assert other["error"] == "invalid_request"
    assert launched(public_app, user, launch)["patient"] == "p9"


def test_a_launch_may_be_for_one_person(public_app: App, host: RegisteredClient, user: SignedIn) -> None:
    launch = mint(public_app.server, host, patient="p9", fhir_user="Practitioner/1").json()["launch"]
    stranger = sign_in(public_app.server, "Practitioner/2")

    refused = parameters_of(decide(public_app.server, public_app.begin(launch=launch, scope=SCOPE), stranger))

    assert refused["error"] == "access_denied"
    assert launched(public_app, user, launch)["patient"] == "p9"


def test_a_launch_stays_in_its_tenant(auth_server: AuthServer, host: RegisteredClient) -> None:
    app = register_app(auth_server, tenant_name="other")
    launch = mint(auth_server, host, patient="p9").json()["launch"]

    for sent in (launch, launch.replace("_default_", "_other_")):
        answer = parameters_of(app.authorize(launch=sent, scope=SCOPE).headers["Location"])
        assert answer["error"] == "invalid_request"


@pytest.mark.parametrize(
    "context",
    [
        pytest.param({"patient": "Patient/p9"}, id="patient-with-type"),
        pytest.param({"patient": 1}, id="patient-number"),
        pytest.param({"patient": "a b"}, id="patient-space"),
        pytest.param({"patient": "x" * 65}, id="patient-long"),
        pytest.param({"patient": "\x00"}, id="patient-nul"),
        pytest.param({"encounter": "e9"}, id="encounter-alone"),
        pytest.param({"need_patient_banner": "no"}, id="banner-text"),
        pytest.param({"intent": ""}, id="intent-empty"),
        pytest.param({"intent": "a\nb"}, id="intent-newline"),
        pytest.param({"fhirContext": "Observation/1"}, id="context-text"),
        pytest.param({"fhirContext": ["Observation/1"]}, id="context-of-texts"),
        pytest.param({"fhirContext": [{"role": "x"}]}, id="context-naming-nothing"),
        pytest.param({"fhirContext": [{"reference": "Patient/1"}]}, id="context-patient"),
        pytest.param({"fhirContext": [{"reference": "https://x.example/Observation/1"}]}, id="context-absolute"),
        pytest.param({"fhirContext": [{"reference": "Observation/1", "x": "\x00"}]}, id="context-nul"),
        pytest.param({"client_id": "bhr_client_default_" + "0" * 32}, id="unknown-client"),
        pytest.param({"client_id": {}}, id="client-object"),
        pytest.param({"fhir_user": "1"}, id="user-without-type"),
        pytest.param({"surprise": 1}, id="unknown-member"),
    ],
)
def test_a_context_that_no_app_could_use_is_refused(
    auth_server: AuthServer, host: RegisteredClient, context: dict[str, Any]
) -> None:
    answer = mint(auth_server, host, **context)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("value", [rb'"\ud800"', b"NaN", b"1e999"])
def test_a_context_that_cannot_be_written_as_json_is_refused(
    auth_server: AuthServer, host: RegisteredClient, value: bytes
) -> None:
    token = token_of(auth_server, host).json()["access_token"]
    body = b'{"fhirContext": [{"reference": "Observation/1", "x": %s}]}' % value

    answer = auth_server.http.post("/oauth/launch", content=body, headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 5000])
def test_a_body_that_is_no_object_is_refused(auth_server: AuthServer, host: RegisteredClient, body: bytes) -> None:
    token = token_of(auth_server, host).json()["access_token"]

    answer = auth_server.http.post("/oauth/launch", content=body, headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 400


def test_an_app_cannot_mint(auth_server: AuthServer, public_app: App, user: SignedIn) -> None:
    app = register_app(auth_server, scope="launch system/Patient.rs user/*.rs", secret=True)
    form = {"grant_type": "client_credentials", "scope": "launch system/Patient.rs", **app.credentials()}
    backend = auth_server.token(form).json()
    of_person = public_app.tokens(user)["access_token"]

    assert backend["scope"] == "system/Patient.rs"
    for token, status in ((backend["access_token"], 403), (of_person, 401), ("x", 401), (None, 401)):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = auth_server.http.post("/oauth/launch", json={"patient": "p9"}, headers=headers)
        assert answer.status_code == status
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_host_without_the_scope_in_its_token_cannot_mint(auth_server: AuthServer, host: RegisteredClient) -> None:
    token = token_of(auth_server, host, "system/Patient.rs").json()["access_token"]

    answer = auth_server.http.post("/oauth/launch", json={}, headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


def test_the_minting_is_audited(auth_server: AuthServer, host: RegisteredClient) -> None:
    mint(auth_server, host, patient="p9")

    assert ("launch", "success", "patient=p9&encounter=") in auth_server.events(host.client_id)
