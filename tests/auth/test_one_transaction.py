"""A grant, what it used up and its audit event are stored together or not at all."""

import asyncio
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.pool import NullPool

from bhr_api.auth.audit import AuthorizationEvent
from bhr_api.auth.authorization_server import AuthorizationServer
from bhr_api.auth.request_form import EndpointRequest
from bhr_api.auth.server_transaction import OAuthResponse
from bhr_api.store.database import engine_for
from tests.fixtures.auth import AuthServer, KeyedClient, note_event, signing_keys_beside


class AuditUnavailableError(Exception):
    pass


async def fail(_event: AuthorizationEvent, _session: AsyncSession) -> None:
    raise AuditUnavailableError


def answer(server: AuthServer, form: dict[str, str], audit: Callable[..., object]) -> OAuthResponse:
    request = EndpointRequest("application/x-www-form-urlencoded", urlencode(form).encode(), None, "192.0.2.1", "r")

    async def run() -> OAuthResponse:
        engine = engine_for(server.dsn, poolclass=NullPool)
        authorization_server = AuthorizationServer(
            public_url=server.base_url,
            sessions=async_sessionmaker(engine, expire_on_commit=False),
            audit=audit,  # type: ignore[arg-type]
            clock=server.clock,
            signing_keys=signing_keys_beside(server.dsn, server.clock),
        )
        try:
            return await authorization_server.answer("token", request)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def test_without_its_audit_event_no_token_is_granted(auth_server: AuthServer, backend_client: KeyedClient) -> None:
    form = backend_client.form()

    with pytest.raises(AuditUnavailableError):
        answer(auth_server, form, fail)

    tokens = "SELECT 1 FROM oauth_access_token WHERE client_id = $1"
    assert auth_server.fetch(tokens, backend_client.client_id) == []
    # The assertion was not used up either: the client may try again with it.
    assert answer(auth_server, form, note_event).status == 200


def test_a_refusal_is_audited_with_tenant_and_exact_reason(
    auth_server: AuthServer, backend_client: KeyedClient
) -> None:
    auth_server.token(backend_client.form(backend_client.assertion({"aud": "https://elsewhere.example"})))
    auth_server.token(backend_client.form(scope="system/Goal.sr"))

    assert sorted(auth_server.events(backend_client.client_id)) == [
        ("refuse", "invalid_client", "aud is not the token endpoint alone."),
        (
            "refuse",
            "invalid_scope",
            "Ask for system scopes within the registration of the client, such as system/Observation.rs.",
        ),
    ]


def test_a_refusal_of_a_stranger_names_nobody(auth_server: AuthServer) -> None:
    auth_server.token({"grant_type": "client_credentials"}, headers={"X-Request-Id": "stranger-1"})

    (event,) = auth_server.fetch("SELECT * FROM noted_event WHERE request_id = 'stranger-1'")
    assert (event["tenant"], event["client_id"], event["action"]) == (None, None, "refuse")
