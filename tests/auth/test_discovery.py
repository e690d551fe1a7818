"""SMART App Launch 2.2, conformance.html#using-well-known."""

import pytest

from bhr_api.auth.authorization_server import AuthorizationServer
from tests.fixtures.auth import AuthServer, MovableClock, note_event

PATH = "/fhir/.well-known/smart-configuration"


@pytest.mark.parametrize("accept", ["*/*", "application/fhir+json", "text/html", "application/xml"])
def test_the_configuration_is_json_whatever_is_accepted(auth_server: AuthServer, accept: str) -> None:
    response = auth_server.http.get(PATH, headers={"Accept": accept, "Origin": "https://app.example"})

    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers


def test_it_names_the_required_members_by_absolute_urls(auth_server: AuthServer) -> None:
    document = auth_server.http.get(PATH).json()

    assert document["token_endpoint"] == auth_server.token_url
    assert document["introspection_endpoint"] == f"{auth_server.base_url}/oauth/introspect"
    assert document["revocation_endpoint"] == f"{auth_server.base_url}/oauth/revoke"
    assert document["grant_types_supported"] == ["client_credentials"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]


def test_it_claims_what_exists_only(auth_server: AuthServer) -> None:
    document = auth_server.http.get(PATH).json()

    assert document["capabilities"] == [
        "client-confidential-asymmetric",
        "client-confidential-symmetric",
        "permission-v1",
        "permission-v2",
    ]
    assert document.keys().isdisjoint({"authorization_endpoint", "jwks_uri", "issuer", "registration_endpoint"})


def test_every_advertised_endpoint_answers(auth_server: AuthServer) -> None:
    document = auth_server.http.get(PATH).json()
    endpoints = [url for name, url in document.items() if name.endswith("_endpoint")]

    assert len(endpoints) == 3
    assert {auth_server.http.post(url, data={}).json()["error"] for url in endpoints} <= {
        "invalid_request",
        "invalid_client",
    }


def test_a_browser_may_ask_first(auth_server: AuthServer) -> None:
    response = auth_server.http.options(PATH, headers={"Access-Control-Request-Method": "GET"})

    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("url", ["http://records.example", "http://10.0.0.1:8000", "records.example"])
def test_tokens_are_not_offered_over_plain_http(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        AuthorizationServer(public_url=url, sessions=NotImplemented, audit=note_event, clock=MovableClock())
