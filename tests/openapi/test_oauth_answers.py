"""The documented answers of the OAuth endpoints are those that the server gives."""

from typing import Any

import httpx
import jsonschema_rs
import pytest
from joserfc.jwk import ECKey

from bhr_api.openapi import document
from bhr_api.settings import Settings
from tests.fixtures.auth import KeyedClient, ec_key, jwks_of
from tests.fixtures.server import RunningServer

__all__ = ["ec_key"]


@pytest.fixture
def backend(server: RunningServer, tenant: str, ec_key: ECKey) -> KeyedClient:
    """A registered client with its key."""
    registered = server.register(tenant, jwks_of(ec_key), "system/Goal.rs")
    return KeyedClient(registered.client_id, ec_key, f"{server.url}/oauth/token")


def require_documented(path: str, answer: httpx.Response) -> None:
    api = document(Settings(_env_file=None))
    responses: dict[str, Any] = api["paths"][path]["post"]["responses"]
    response = responses[str(answer.status_code)]
    schema = {**response["content"]["application/json"]["schema"], "components": api["components"]}
    jsonschema_rs.Draft202012Validator(schema).validate(answer.json())
    for name in response.get("headers", {}):
        assert name in answer.headers, name


def test_a_grant_is_as_documented(backend: KeyedClient) -> None:
    answer = httpx.post(backend.token_url, data=backend.form())

    assert answer.status_code == 200
    require_documented("/oauth/token", answer)


def test_a_refused_scope_is_as_documented(backend: KeyedClient) -> None:
    answer = httpx.post(backend.token_url, data=backend.form() | {"scope": "system/Patient.rs"})

    assert answer.status_code == 400
    require_documented("/oauth/token", answer)


def test_a_failed_authentication_is_as_documented(server: RunningServer) -> None:
    form = {"grant_type": "client_credentials", "scope": "system/Goal.rs"}
    answer = httpx.post(f"{server.url}/oauth/token", data=form, auth=("nobody", "nothing"))

    assert answer.status_code == 401
    require_documented("/oauth/token", answer)


def test_a_body_that_is_too_long_is_as_documented(server: RunningServer) -> None:
    answer = httpx.post(f"{server.url}/oauth/token", content=b"x" * 200_000)

    assert answer.status_code == 413
    require_documented("/oauth/token", answer)
