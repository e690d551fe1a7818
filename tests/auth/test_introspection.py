"""RFC 7662."""

import time
from datetime import timedelta

import pytest
from joserfc.jwk import ECKey

from bhr_api.auth.registration import disable_client
from tests.fixtures.auth import AuthServer, KeyedClient


def introspected(server: AuthServer, client: KeyedClient, token: str | None, **changes: str | None) -> object:
    form = client.form(client.assertion({"exp": int(server.clock().timestamp()) + 60}), token=token, **changes)
    return server.introspect(form).json()


def token_of(server: AuthServer, client: KeyedClient) -> str:
    return str(server.token(client.form(scope="system/Goal.read")).json()["access_token"])


def test_a_client_learns_about_its_own_token(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    token = token_of(auth_server, backend_client)

    answer = introspected(auth_server, backend_client, token, token_type_hint="refresh_token")

    assert isinstance(answer, dict)
    assert answer.pop("exp") - answer.pop("iat") == 300
    assert answer == {
        "active": True,
        "scope": "system/Goal.read",
        "client_id": backend_client.client_id,
        "token_type": "Bearer",
        "iss": auth_server.base_url,
    }
    assert ("introspect", "success", "active") in auth_server.events(backend_client.client_id)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("bhr_at_default_" + "A" * 43, id="unknown"),
        pytest.param("bhr_at_nowhere_" + "A" * 43, id="unknown-tenant"),
        pytest.param("x", id="malformed"),
        pytest.param("' OR 1=1 --", id="SQL"),
        pytest.param('"\\', id="quote-and-backslash"),
    ],
)
def test_what_is_no_token_is_inactive_and_nothing_more(
    auth_server: AuthServer, backend_client: KeyedClient, token: str
) -> None:
    assert introspected(auth_server, backend_client, token) == {"active": False}


def test_an_expired_token_is_inactive(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    token = token_of(auth_server, backend_client)
    auth_server.clock.ahead = timedelta(seconds=301)

    assert introspected(auth_server, backend_client, token) == {"active": False}


def test_a_token_whose_tenant_was_changed_is_inactive(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    token = token_of(auth_server, backend_client).replace("_default_", "_other_")

    assert introspected(auth_server, backend_client, token) == {"active": False}


@pytest.mark.parametrize("tenant", ["default", "other"])
def test_another_clients_token_is_inactive(
    auth_server: AuthServer, backend_client: KeyedClient, ec_key: ECKey, tenant: str
) -> None:
    stranger = auth_server.register_keyed(ec_key, tenant_name=tenant)

    assert introspected(auth_server, stranger, token_of(auth_server, backend_client)) == {"active": False}


def test_a_live_token_may_ask_about_tokens_of_its_client(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    asking, asked = token_of(auth_server, backend_client), token_of(auth_server, backend_client)

    response = auth_server.introspect({"token": asked}, headers={"Authorization": f"Bearer {asking}"})

    assert response.json()["client_id"] == backend_client.client_id


def test_a_token_of_another_client_is_inactive_to_it(
    auth_server: AuthServer, backend_client: KeyedClient, ec_key: ECKey
) -> None:
    asking = token_of(auth_server, auth_server.register_keyed(ec_key))

    response = auth_server.introspect(
        {"token": token_of(auth_server, backend_client)}, headers={"Authorization": f"Bearer {asking}"}
    )

    assert response.json() == {"active": False}


@pytest.mark.parametrize("state", ["unknown", "expired", "revoked", "of-a-disabled-client"])
def test_a_dead_token_may_not_ask(auth_server: AuthServer, backend_client: KeyedClient, state: str) -> None:
    token = token_of(auth_server, backend_client)
    if state == "unknown":
        token = "bhr_at_default_" + "A" * 43
    elif state == "expired":
        auth_server.clock.ahead = timedelta(seconds=301)
    elif state == "revoked":
        auth_server.revoke(backend_client.form(token=token))
    else:
        auth_server.in_session(
            lambda session: disable_client(session, client_id=backend_client.client_id, now=auth_server.clock())
        )

    response = auth_server.introspect({"token": token}, headers={"Authorization": f"Bearer {token}"})

    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("endpoint", ["token", "revoke"])
def test_a_bearer_token_does_not_authenticate_elsewhere(
    auth_server: AuthServer, backend_client: KeyedClient, endpoint: str
) -> None:
    token = token_of(auth_server, backend_client)
    form = {"grant_type": "client_credentials", "scope": "system/*.rs", "token": token}

    response = auth_server.http.post(f"/oauth/{endpoint}", data=form, headers={"Authorization": f"Bearer {token}"})

    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def test_without_authentication_nothing_is_told(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    response = auth_server.introspect({"token": token_of(auth_server, backend_client)})

    assert (response.status_code, response.json()["error"]) == (400, "invalid_client")


def test_the_token_parameter_is_required(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    assert introspected(auth_server, backend_client, None) == {
        "error": "invalid_request",
        "error_description": "token is missing.",
    }


def test_an_assertion_for_one_endpoint_is_used_up_at_all(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    assertion = backend_client.assertion({"exp": int(time.time()) + 60})

    assert auth_server.token(backend_client.form(assertion)).status_code == 200
    assert auth_server.introspect(backend_client.form(assertion, token="x")).status_code == 400
