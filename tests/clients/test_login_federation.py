"""oidc-provider, from the npm registry, unchanged: a person signs in there, and an app gets its answer here."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from bhr_api.auth.strict_jwt import parse_jwt
from tests.fixtures.identity_provider import SECRET, FederatedClinic, federated_clinic, provider_links_of
from tests.fixtures.pages import REDIRECT_URI, Visitor, parameters_of
from tests.fixtures.server import RunningServer

HERE = Path(__file__).parent
CLIENT_ID = "bhr"


class OpenIDProvider:
    """The provider's process."""

    def __init__(self, node: str) -> None:
        self.process = subprocess.Popen(
            [node, "oidc_provider.mjs"],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.issuer = self._line()

    def entry(self, tenant: str) -> dict[str, Any]:
        """What the operator's file says of it, by its discovery document's defaults."""
        return {
            "name": "the clinic's login",
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "client_id": CLIENT_ID,
            "client_secret_file": "client.secret",
            "sends_iss": True,
            "tenant": tenant,
        }

    def register(self, redirect_uri: str) -> None:
        """Tell it of its client, whereupon it answers."""
        assert self.process.stdin is not None
        client = {"client_id": CLIENT_ID, "client_secret": SECRET, "redirect_uris": [redirect_uri]}
        self.process.stdin.write(f"{json.dumps(client)}\n")
        self.process.stdin.flush()
        assert self._line() == "ready"

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIDProvider]:
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules" / "oidc-provider").is_dir():
        pytest.skip("node and `npm ci` in tests/clients are needed for this provider")
    running = OpenIDProvider(node)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def place(
    database_dsn: str, server: RunningServer, provider: OpenIDProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FederatedClinic]:
    """A clinic whose clinician is `carla` at the provider."""
    directory = tmp_path_factory.mktemp("federation")
    with federated_clinic(database_dsn, server, directory, provider.entry(server.new_tenant())) as found:
        provider.register(f"{found.clinic.server.url}/oauth/callback")
        found.link("clinician", "carla")
        yield found


@dataclass
class Traveller(Visitor):
    """A browser that goes wherever it is led, up to the app's own address, and remembers the way."""

    way: list[str] = field(default_factory=list)

    def _arrive(self, answer: httpx.Response) -> httpx.Response:
        while answer.is_redirect and not answer.headers["Location"].startswith(REDIRECT_URI):
            self.way.append(urljoin(str(answer.url), answer.headers["Location"]))
            answer = self.http.get(self.way[-1])
        self.page = answer
        return answer


@pytest.fixture
def browser(place: FederatedClinic) -> Iterator[Traveller]:
    with httpx.Client(base_url=place.clinic.server.url, timeout=30) as http:
        yield Traveller(place.clinic.server, http)


def sign_in_at_provider(browser: Traveller, login: str) -> httpx.Response:
    """Its login form, and its question whether we may know."""
    browser.submit(login=login, password="whatever")
    return browser.submit(form=0)


def test_an_app_is_let_in_by_who_signed_in_at_the_provider(place: FederatedClinic, browser: Traveller) -> None:
    page = browser.open(place.app.address())
    browser.open(provider_links_of(page)[0])
    page = sign_in_at_provider(browser, "carla")
    assert "Omar Haddad" in page.text
    browser.submit(choose=("patient=omar",))
    answer = parameters_of(browser.submit("decision=allow"))
    assert answer["state"] == place.app.state
    tokens = place.app.exchange(answer["code"]).json()
    assert tokens["patient"] == "omar"
    with place.clinic.server.client(tokens["access_token"]) as http:
        assert http.get("Patient/omar").json()["name"][0]["family"] == "Haddad"
    # The id_token is this server's own, about the account, and tells that it did not see a password.
    claims = parse_jwt(tokens["id_token"]).claims
    assert (claims["iss"], claims["amr"]) == (place.clinic.server.url, ["fed"])
    assert claims["fhirUser"] == f"{place.clinic.server.base_url}/Practitioner/c1"
    assert claims["sub"] != "carla"


def test_a_second_sign_in_asks_nothing_unless_the_app_wants_it_anew(place: FederatedClinic, browser: Traveller) -> None:
    browser.open(provider_links_of(browser.open(place.app.address()))[0])
    sign_in_at_provider(browser, "carla")
    del browser.http.cookies["bhr"]
    page = browser.open(provider_links_of(browser.open(place.app.address()))[0])
    assert "Omar Haddad" in page.text
    page = browser.open(provider_links_of(browser.open(place.app.address(prompt="login")))[0])
    assert 'name="login"' in page.text
    page = browser.submit(login="carla", password="whatever")
    assert "Omar Haddad" in page.text


def test_a_stranger_gets_no_account(place: FederatedClinic, browser: Traveller) -> None:
    browser.open(provider_links_of(browser.open(place.app.address()))[0])
    page = sign_in_at_provider(browser, "mallory")
    assert page.status_code == 403
    assert "You are not known here yet" in page.text
    assert f"--issuer {place.issuer} --subject mallory" in page.text
    assert browser.http.get("/app/apps").is_redirect


def test_who_calls_it_off_there_comes_back_to_the_sign_in(place: FederatedClinic, browser: Traveller) -> None:
    page = browser.open(provider_links_of(browser.open(place.app.address()))[0])
    page = browser.open(f"{page.url}/abort")
    assert page.status_code == 403
    assert "You are not signed in" in page.text
    assert "/oauth/authorize/bhr_request_" in page.text


def test_a_code_is_the_providers_once_and_of_one_request(place: FederatedClinic, browser: Traveller) -> None:
    browser.open(provider_links_of(browser.open(place.app.address()))[0])
    page = sign_in_at_provider(browser, "carla")
    callback = next(address for address in browser.way if "/oauth/callback?" in address)
    assert page.status_code == 200
    # The same answer again, and its code in the answer to another request.
    assert "Start the sign-in again" in browser.open(callback).text
    code = httpx.URL(callback).params["code"]
    left = browser.http.get(provider_links_of(browser.open("/app/sign-in?tenant=" + place.clinic.tenant))[0])
    state = httpx.URL(left.headers["Location"]).params["state"]
    query = {"code": code, "state": state, "iss": place.issuer}
    assert browser.http.get("/oauth/callback", params=query).status_code == 403
