"""EHR launch: a host EHR mints a `launch` value, which the app that it opens brings along (SMART App Launch 2.2).

app-launch.html#launch-app-ehr-launch. SMART leaves to the EHR how the value comes to be. Here the host is a confidential
client that is registered for the scope `launch` and has no redirect URI. It gets a token by client credentials and sends
the context as JSON. The value is good once, for five minutes.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from bhr_api.auth.accounts import FHIR_USER_TYPES
from bhr_api.auth.launch_context import InvalidLaunchContextError, launch_context
from bhr_api.auth.lifetimes import LAUNCH as LIFETIME
from bhr_api.auth.server_transaction import OAuthResponse, ServerTransaction
from bhr_api.auth.stored_tokens import find_token, is_alive
from bhr_api.fhir.references import ID
from bhr_api.opaque_strings import mint, parse_opaque
from bhr_api.store import oauth
from bhr_api.store.grants import OAuthLaunch

LAUNCH = "launch"
_FHIR_USER = re.compile(rf"({'|'.join(FHIR_USER_TYPES)})/{ID.pattern}")
_BINDINGS = ("client_id", "fhir_user")


def mint_launch(server: ServerTransaction, bearer: str | None, body: bytes) -> OAuthResponse:
    """201 with a launch value for the context in `body`; 401 and 403 as RFC 6750 §3.1 says, 400 for anything wrong in it."""
    token = None if bearer is None else find_token(server, bearer)
    if token is None or token.row.grant_id is not None or not is_alive(server, token):
        challenge = "Bearer" if bearer is None else 'Bearer error="invalid_token"'
        return server.refuse(401, "invalid_token", "Send a token of the scope launch.", challenge)
    client = server.query_client(token.row.client_id)
    if client is None or not client.is_host or LAUNCH not in token.row.scope.split():
        challenge = f'Bearer error="insufficient_scope", scope="{LAUNCH}"'
        return server.refuse(403, "insufficient_scope", "The token lacks the scope launch.", challenge)
    try:
        row, text = _launch(server, token.row.tenant, token.row.client_id, _object(body))
    except InvalidLaunchContextError as error:
        return server.refuse(400, "invalid_request", str(error))
    server.session.add(row)
    server.note("launch", "success", f"patient={row.patient or ''}&encounter={row.encounter or ''}")
    circumstances = server.circumstances
    answer = {"launch": text, "iss": circumstances.base_url, "expires_in": int(LIFETIME.total_seconds())}
    return OAuthResponse(201, answer, {})


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidLaunchContextError("The body is not JSON.") from error
    if not isinstance(value, dict):
        raise InvalidLaunchContextError("The body is not a JSON object.")
    return value


def _launch(server: ServerTransaction, tenant: int, host: str, asked: Mapping[str, Any]) -> tuple[OAuthLaunch, str]:
    context = launch_context({name: value for name, value in asked.items() if name not in _BINDINGS})
    text = mint("launch", server.tenant_name)
    row = OAuthLaunch(
        tenant=tenant,
        launch_hash=text.digest,
        minted_by=host,
        client_id=_bound_client(server, tenant, asked.get("client_id")),
        fhir_user=_bound_user(asked.get("fhir_user")),
        patient=context.patient,
        encounter=context.encounter,
        context=context.to_json(),
        created_at=server.now,
        expires_at=server.now + LIFETIME,
    )
    return row, text.text


def _bound_client(server: ServerTransaction, tenant: int, client_id: Any) -> str | None:
    if client_id is None:
        return None
    opaque = parse_opaque(client_id, "client") if isinstance(client_id, str) else None
    if opaque is None or server.session.scalar(oauth.client(tenant, opaque.text)) is None:
        raise InvalidLaunchContextError("client_id names no app that is registered here.")
    return opaque.text


def _bound_user(fhir_user: Any) -> str | None:
    if fhir_user is not None and not (isinstance(fhir_user, str) and _FHIR_USER.fullmatch(fhir_user)):
        raise InvalidLaunchContextError("fhir_user is a relative reference, such as Practitioner/1.")
    return fhir_user
