"""Registering, listing, disabling and rotating clients."""

from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey

from bhr_api.auth.registration import (
    RegistrationError,
    disable_client,
    list_clients,
    mint_token,
    rotate_credentials,
)
from tests.fixtures.auth import AuthServer, KeyedClient, jwks_of, note_event


def test_a_secret_is_shown_once_and_stored_as_a_digest(auth_server: AuthServer) -> None:
    client = auth_server.register(secret=True)

    listed = auth_server.in_session(lambda session: list_clients(session, tenant_name="default"))

    assert client.client_secret is not None
    assert client.client_secret.startswith("bhr_secret_default_")
    assert [found.client_secret for found in listed if found.client_id == client.client_id] == [None]
    (row,) = auth_server.fetch(
        "SELECT c::text AS everything FROM oauth_client c WHERE client_id = $1", client.client_id
    )
    assert client.client_secret not in row["everything"]


def test_a_client_id_names_its_tenant(auth_server: AuthServer) -> None:
    client = auth_server.register(tenant_name="other", secret=True)

    listed = auth_server.in_session(lambda session: list_clients(session, tenant_name="default"))

    assert client.client_id.startswith("bhr_client_other_")
    assert client.client_id not in {found.client_id for found in listed}


KEY = ECKey.generate_key("P-384", {"kid": "k"})


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        pytest.param({}, "exactly one", id="no-credentials"),
        pytest.param({"secret": True, "jwks": jwks_of(KEY)}, "exactly one", id="two-credentials"),
        pytest.param({"secret": True, "tenant_name": "nowhere"}, "no tenant", id="unknown-tenant"),
        pytest.param({"secret": True, "scope": "system/Goal.sr"}, "order c, r, u, d, s", id="misspelt-scope"),
        pytest.param({"secret": True, "scope": ""}, "needs a scope", id="no-scope"),
        pytest.param({"jwks": "{}"}, "keys", id="no-key-set"),
        pytest.param({"jwks_url": "http://keys.example/"}, "https", id="key-set-over-http"),
        pytest.param({"secret": True, "redirect_uris": ["/back"]}, "absolute", id="relative-redirect"),
        pytest.param({"secret": True, "redirect_uris": ["https://a.example/#x"]}, "fragment", id="redirect-fragment"),
        pytest.param({"secret": True, "redirect_uris": ["http://a.example/"]}, "https", id="redirect-over-http"),
        pytest.param({"secret": True, "origins": ["https://a.example/path"]}, "origin", id="origin-with-path"),
    ],
)
def test_wrong_metadata_is_refused_with_a_reason(auth_server: AuthServer, metadata: dict[str, Any], says: str) -> None:
    with pytest.raises(RegistrationError, match=says):
        auth_server.register(**metadata)


def test_redirects_and_origins_are_kept(auth_server: AuthServer) -> None:
    client = auth_server.register(
        secret=True, redirect_uris=["https://a.example/back", "app.example:/back"], origins=["https://a.example:8443"]
    )

    assert client.redirect_uris == ("https://a.example/back", "app.example:/back")
    assert client.origins == ("https://a.example:8443",)


def test_a_rotated_secret_replaces_the_old_one(auth_server: AuthServer) -> None:
    client = auth_server.register(secret=True)
    rotated = auth_server.in_session(lambda session: rotate_credentials(session, client_id=client.client_id))
    form = {"grant_type": "client_credentials", "scope": "system/*.rs"}

    old = auth_server.token(form, auth=(client.client_id, client.client_secret))
    new = auth_server.token(form, auth=(client.client_id, rotated.client_secret))

    assert (old.status_code, new.status_code) == (401, 200)


def test_rotated_keys_replace_the_old_ones(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    auth_server.in_session(
        lambda session: rotate_credentials(session, client_id=backend_client.client_id, jwks=jwks_of(KEY))
    )
    renewed = KeyedClient(backend_client.client_id, KEY, backend_client.token_url)

    assert auth_server.token(backend_client.form()).status_code == 400
    assert auth_server.token(renewed.form()).status_code == 200


def test_a_keyed_client_gets_no_secret_by_rotation(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    with pytest.raises(RegistrationError, match="new key set"):
        auth_server.in_session(lambda session: rotate_credentials(session, client_id=backend_client.client_id))


@pytest.mark.parametrize("client_id", ["x", "bhr_client_default_" + "0" * 32, "bhr_client_nowhere_" + "0" * 32])
def test_an_unknown_client_cannot_be_disabled(auth_server: AuthServer, client_id: str) -> None:
    with pytest.raises(RegistrationError):
        auth_server.in_session(lambda session: disable_client(session, client_id=client_id, now=auth_server.clock()))


def test_disabling_revokes_every_token(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    for _ in range(2):
        auth_server.token(backend_client.form())

    described = auth_server.in_session(
        lambda session: disable_client(session, client_id=backend_client.client_id, now=auth_server.clock())
    )

    assert described.disabled_at is not None
    live = "SELECT 1 FROM oauth_access_token WHERE client_id = $1 AND revoked_at IS NULL"
    assert auth_server.fetch(live, backend_client.client_id) == []


def test_a_misspelt_scope_is_not_minted(auth_server: AuthServer) -> None:
    with pytest.raises(RegistrationError, match="order"):
        auth_server.in_session(
            lambda session: mint_token(
                session,
                note_event,
                tenant_name="default",
                client_id="operator",
                scope="system/*.sr",
                now=auth_server.clock(),
                lifetime=timedelta(minutes=5),
            )
        )
