"""The SMART project's clients, unchanged: fhirclient for JavaScript in real Chromium, fhirclient for Python too."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fhirclient import client as python_client
from fhirclient.models.patient import Patient
from playwright.sync_api import Page
from sqlalchemy.ext.asyncio import AsyncSession

from bhr_api.auth.registration import RegisteredClient, register_client
from tests.fixtures.chromium import chromium_page
from tests.fixtures.pages import PASSWORD, Clinic, Visitor, serving
from tests.fixtures.server import RunningServer, running_server

SCOPE = "launch launch/patient patient/*.rs openid fhirUser online_access"
BUILD = Path(__file__).parent / "node_modules" / "fhirclient" / "build" / "fhir-client.js"

LAUNCH_PAGE = """<!doctype html><title>Launch</title><script src="/fhir-client.js"></script>
<script>FHIR.oauth2.authorize({ settings });</script>"""
APP_PAGE = """<!doctype html><title>App</title><pre id="seen"></pre><script src="/fhir-client.js"></script>
<script>
(async () => {
  const client = await FHIR.oauth2.ready();
  const goals = await client.request(`Goal?patient=${client.patient.id}`, { flat: true });
  return {
    patient: await client.patient.read(),
    user: await client.user.read(),
    goals: goals.length,
    refreshed: (await client.refresh()).tokenResponse.access_token !== null,
    again: (await client.patient.read()).id,
    scope: client.state.tokenResponse.scope,
    intent: client.state.tokenResponse.intent,
    encounter: client.encounter.id,
    url: location.search,
  };
})().then((seen) => seen, (error) => ({ error: String(error) })).then((seen) => {
  document.querySelector("#seen").textContent = JSON.stringify(seen);
});
</script>"""


@pytest.fixture
def browser_build() -> bytes:
    """The library as it is published for browsers."""
    if not BUILD.is_file():
        pytest.skip("`npm ci` in tests/clients is needed for this client")
    return BUILD.read_bytes()


@contextmanager
def browser_app(clinic: Clinic, build: bytes, *, starts_by_itself: bool) -> Iterator[tuple[str, Clinic]]:
    """The site of an app, and its clinic on a server that has read of the app's origin when it started."""
    files: dict[str, bytes] = {"/fhir-client.js": build, "/app.html": APP_PAGE.encode()}
    with serving(files) as site:
        app = clinic.add_app("Growth chart", SCOPE, f"{site}/app.html")
        with running_server(clinic.server.dsn, data_dir=clinic.server.data_dir) as server:
            told = {"clientId": app.client_id, "scope": SCOPE, "redirectUri": "app.html"}
            # An EHR names the server in the address.
            told |= {"iss": server.base_url} if starts_by_itself else {}
            page = LAUNCH_PAGE.replace("{ settings }", json.dumps(told))
            files["/launch.html"] = page.encode()
            yield site, replace(clinic, server=server)


def add_records(clinic: Clinic) -> None:
    """Who signs in, and something to see."""
    with clinic.server.client(clinic.server.token(clinic.tenant)) as http:
        clinician = {"resourceType": "Practitioner", "id": "c1", "name": [{"family": "Okafor"}]}
        assert http.put("Practitioner/c1", json=clinician).status_code == 201
        encounter = {
            "resourceType": "Encounter",
            "id": "visit",
            "status": "in-progress",
            "class": {"code": "AMB"},
            "subject": {"reference": "Patient/omar"},
        }
        assert http.put("Encounter/visit", json=encounter).status_code == 201
        for patient, text in (("omar", "Sleeps"), ("omar", "Walks"), ("ines", "Reads")):
            goal = {
                "resourceType": "Goal",
                "lifecycleStatus": "active",
                "description": {"text": text},
                "subject": {"reference": f"Patient/{patient}"},
            }
            assert http.post("Goal", json=goal).status_code == 201


def sign_in(page: Page) -> None:
    """What the person does first."""
    page.fill("#username", "clinician")
    page.fill("#password", PASSWORD)
    page.click("main button")


def seen_by_app(page: Page) -> dict[str, Any]:
    """What the app saw."""
    page.wait_for_url("**/app.html*")
    page.wait_for_function("document.querySelector('#seen').textContent !== ''")
    seen: dict[str, Any] = json.loads(page.text_content("#seen") or "")
    assert "error" not in seen, seen["error"]
    return seen


def test_the_javascript_client_starts_by_itself_with_pkce(clinic: Clinic, browser_build: bytes) -> None:
    add_records(clinic)
    with browser_app(clinic, browser_build, starts_by_itself=True) as (site, _), chromium_page() as page:
        page.goto(f"{site}/launch.html")
        sign_in(page)
        page.check("input[value=omar]")
        page.click(".actions button:not(.plain)")
        page.click("button[value=allow]")
        seen = seen_by_app(page)
    assert seen["patient"]["name"][0]["family"] == "Haddad"
    assert seen["user"]["name"][0]["family"] == "Okafor"
    assert (seen["goals"], seen["refreshed"], seen["again"]) == (2, True, "omar")
    assert "patient/Goal.rs" in seen["scope"].split()


def test_the_javascript_client_is_launched_by_an_ehr(clinic: Clinic, browser_build: bytes) -> None:
    add_records(clinic)
    host = clinic.in_session(lambda session: register_host(session, clinic.tenant))
    with browser_app(clinic, browser_build, starts_by_itself=False) as (site, there):
        launch = mint_launch(there.server, host, {"patient": "omar", "encounter": "visit", "intent": "reconcile"})
        with chromium_page() as page:
            page.goto(f"{site}/launch.html?iss={there.server.base_url}&launch={launch}")
            sign_in(page)
            # The EHR has said whose record it is: nobody is asked.
            page.wait_for_selector("text=Omar Haddad")
            page.click("button[value=allow]")
            seen = seen_by_app(page)
    assert (seen["patient"]["id"], seen["encounter"], seen["intent"]) == ("omar", "visit", "reconcile")
    assert seen["goals"] == 2


async def register_host(session: AsyncSession, tenant: str) -> RegisteredClient:
    """A host EHR."""
    return await register_client(
        session, tenant_name=tenant, name="The EHR", scope="launch", now=datetime.now(UTC), secret=True
    )


def mint_launch(server: RunningServer, host: RegisteredClient, context: dict[str, Any]) -> str:
    """A launch value of this context."""
    assert host.client_secret is not None
    form = {"grant_type": "client_credentials", "scope": "launch"}
    answer = httpx.post(f"{server.url}/oauth/token", data=form, auth=(host.client_id, host.client_secret))
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    minted = httpx.post(f"{server.url}/oauth/launch", json=context, headers=headers)
    assert minted.status_code == 201, minted.text
    value: str = minted.json()["launch"]
    return value


def test_the_python_client_goes_through_the_code_flow(clinic: Clinic, visitor: Visitor) -> None:
    add_records(clinic)
    app = clinic.add_app("A notebook", "launch/patient patient/*.rs openid fhirUser")
    smart = python_client.FHIRClient(
        settings={
            "app_id": app.client_id,
            "api_base": clinic.server.base_url,
            "redirect_uri": app.redirect_uri,
            "scope": "launch/patient patient/*.rs openid fhirUser",
        }
    )
    assert smart.prepare() is False
    visitor.open(smart.authorize_url)
    visitor.sign_in("clinician")
    visitor.submit(choose=("patient=omar",))
    answer = visitor.submit("decision=allow")
    smart.handle_callback(answer.headers["Location"])
    assert smart.ready
    assert smart.patient_id == "omar"
    assert Patient.read("omar", smart.server).name[0].family == "Haddad"
