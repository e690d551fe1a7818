"""RFC 7009."""

import time

import pytest
from joserfc.jwk import ECKey

from bhr_api.auth.bearer import CACHE_SECONDS
from tests.fixtures.auth import AuthServer, KeyedClient


def token_of(server: AuthServer, client: KeyedClient) -> str:
    return str(server.token(client.form()).json()["access_token"])


def test_a_revoked_token_is_dead_within_seconds(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    token = token_of(auth_server, backend_client)
    assert auth_server.whoami(token).status_code == 200

    response = auth_server.revoke(backend_client.form(token=token))

    assert response.status_code == 200
    time.sleep(CACHE_SECONDS + 0.1)
    assert auth_server.whoami(token).status_code == 401
    assert auth_server.introspect(backend_client.form(token=token)).json() == {"active": False}
    assert ("revoke", "success", "system/*.rs") in auth_server.events(backend_client.client_id)


@pytest.mark.parametrize("token", ["x", "bhr_at_default_" + "A" * 43, "bhr_at_nowhere_" + "A" * 43, '"\\'])
def test_revoking_what_does_not_exist_succeeds(
    auth_server: AuthServer, backend_client: KeyedClient, token: str
) -> None:
    response = auth_server.revoke(backend_client.form(token=token, token_type_hint="anything"))

    assert response.status_code == 200
    assert ("revoke", "success", "nothing to revoke") in auth_server.events(backend_client.client_id)


def test_another_clients_token_stays(auth_server: AuthServer, backend_client: KeyedClient, ec_key: ECKey) -> None:
    token = token_of(auth_server, backend_client)
    stranger = auth_server.register_keyed(ec_key)

    response = auth_server.revoke(stranger.form(token=token))

    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert auth_server.introspect(backend_client.form(token=token)).json()["active"] is True


def test_the_first_revocations_time_stays(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    token = token_of(auth_server, backend_client)
    query = "SELECT revoked_at FROM oauth_access_token WHERE client_id = $1"
    auth_server.revoke(backend_client.form(token=token))
    (first,) = auth_server.fetch(query, backend_client.client_id)

    auth_server.revoke(backend_client.form(token=token))

    assert auth_server.fetch(query, backend_client.client_id) == [first]


def test_without_authentication_nothing_is_revoked(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    token = token_of(auth_server, backend_client)

    response = auth_server.revoke({"token": token})

    assert (response.status_code, response.json()["error"]) == (400, "invalid_client")
    assert auth_server.introspect(backend_client.form(token=token)).json()["active"] is True
