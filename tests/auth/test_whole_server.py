"""The whole server: from an assertion to a FHIR interaction."""

import httpx
from joserfc.jwk import ECKey

from tests.fixtures.auth import KeyedClient, jwks_of
from tests.fixtures.server import RunningServer


def test_a_granted_token_reaches_fhir_and_no_further_than_its_scope(
    server: RunningServer, tenant: str, ec_key: ECKey
) -> None:
    registered = server.register(tenant, jwks_of(ec_key), "system/Goal.rs")
    client = KeyedClient(registered.client_id, ec_key, f"{server.url}/oauth/token")
    answer = httpx.post(client.token_url, data=client.form()).json()

    with server.client(answer["access_token"]) as http:
        goals, patients = http.get("Goal"), http.get("Patient")

    assert answer["scope"] == "system/Goal.rs"
    assert (goals.status_code, patients.status_code) == (200, 403)


def test_discovery_stands_under_the_fhir_base(server: RunningServer) -> None:
    document = httpx.get(f"{server.base_url}/.well-known/smart-configuration").json()

    assert document["token_endpoint"] == f"{server.url}/oauth/token"
