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

    base = auth_server.base_url
    assert document["issuer"] == base
    assert document["token_endpoint"] == auth_server.token_url
    assert document["authorization_endpoint"] == f"{base}/oauth/authorize"
    assert document["introspection_endpoint"] == f"{base}/oauth/introspect"
    assert document["revocation_endpoint"] == f"{base}/oauth/revoke"
    assert document["jwks_uri"] == f"{base}/oauth/jwks"
    assert document["grant_types_supported"] == ["authorization_code", "refresh_token", "client_credentials"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]


def test_it_claims_what_exists_only(auth_server: AuthServer) -> None:
    document = auth_server.http.get(PATH).json()

    assert set(document["capabilities"]) == {
        *("launch-ehr", "launch-standalone", "authorize-post"),
        *("client-public", "client-confidential-asymmetric", "client-confidential-symmetric"),
        *("sso-openid-connect", "context-ehr-patient", "context-ehr-encounter", "context-standalone-patient"),
        *("permission-offline", "permission-online", "permission-patient", "permission-user"),
        *("permission-v1", "permission-v2"),
    }


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"])
def test_the_provider_describes_itself_under_its_issuer(auth_server: AuthServer, path: str) -> None:
    answer = auth_server.http.get(path, headers={"Origin": "https://app.example"})

    document = answer.json()
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert document["issuer"] == auth_server.base_url
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]
    assert document["response_types_supported"] == ["code"]
    assert document["subject_types_supported"] == ["public"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["request_uri_parameter_supported"] is False


def test_every_advertised_endpoint_answers(auth_server: AuthServer) -> None:
    documents = [auth_server.http.get(path).json() for path in (PATH, "/.well-known/openid-configuration")]
    endpoints = {
        url
        for document in documents
        for name, url in document.items()
        if name.endswith("_endpoint") and "/oauth/" in url
    }

    assert len(endpoints) == 6
    assert {auth_server.http.post(url, data={}).status_code for url in endpoints} <= {400, 401}


def test_a_browser_may_ask_first(auth_server: AuthServer) -> None:
    response = auth_server.http.options(PATH, headers={"Access-Control-Request-Method": "GET"})

    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("url", ["http://records.example", "http://10.0.0.1:8000", "records.example"])
def test_tokens_are_not_offered_over_plain_http(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        AuthorizationServer(
            public_url=url, sessions=NotImplemented, audit=note_event, clock=MovableClock(), signing_keys=NotImplemented
        )
