"""The endpoints for programs over HTTP: token, introspect, revoke, launch, userinfo, jwks.

RFC 6749 §3.2, RFC 7662 §2, RFC 7009 §2; OpenID Connect Core §5.3.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import ClientDisconnect

from bhr_api.auth.authorization_server import AuthorizationServer, Endpoint
from bhr_api.auth.client_assertion import ASSERTION_TYPE
from bhr_api.auth.request_form import MOST_BYTES, EndpointRequest
from bhr_api.auth.server_transaction import OAuthResponse
from bhr_api.errors import OverloadedError
from bhr_api.routers.requests import bounded_body

log = structlog.get_logger(__name__)

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_PUBLIC = {"Cache-Control": "public, max-age=300"}
# What is left of a body that is not wanted is not read.
_CLOSE = {"Connection": "close"}


def oauth_router(
    server: AuthorizationServer, request_id: Callable[[Request], str], arrival_seconds: float
) -> APIRouter:
    """The endpoints, where a body has `arrival_seconds` to come.

    `request_id` tells the id under which a request is logged and audited.
    """
    router = APIRouter(prefix="/oauth", tags=["OAuth 2"])

    def add(path: str, endpoint: Endpoint, summary: str, fields: dict[str, Any], required: list[str]) -> None:
        async def answer(request: Request) -> Response:
            return await _answer(
                partial(server.answer, endpoint), endpoint, request, request_id(request), arrival_seconds
            )

        router.add_api_route(
            path,
            answer,
            methods=["POST"],
            summary=summary,
            operation_id=f"oauth_{endpoint}",
            openapi_extra=_form(fields | _CLIENT_FIELDS, required),
            responses={400: {"description": "An error of RFC 6749 §5.2"}, 429: {"description": "Too many failures"}},
        )

    add("/token", "token", "Get an access token", _TOKEN_FIELDS, ["grant_type"])
    add("/introspect", "introspection", "Ask about a token of one's own", _PRESENTED_TOKEN, ["token"])
    add("/revoke", "revocation", "Revoke a token of one's own", _PRESENTED_TOKEN, ["token"])

    @router.post(
        "/launch",
        status_code=201,
        summary="Mint a launch value for an app",
        operation_id="oauth_launch",
        openapi_extra=_json_body(_LAUNCH_FIELDS),
    )
    async def launch(request: Request) -> Response:
        return await _answer(server.launch, "launch", request, request_id(request), arrival_seconds)

    @router.post(
        "/register",
        status_code=201,
        summary="Register an app, with an initial access token",
        operation_id="oauth_register",
        openapi_extra=_json_body(_CLIENT_METADATA),
    )
    async def register(request: Request) -> Response:
        return await _answer(server.register, "register", request, request_id(request), arrival_seconds)

    async def userinfo(request: Request) -> Response:
        return await _answer(server.userinfo, "userinfo", request, request_id(request), arrival_seconds)

    # OpenID Connect Core §5.3.1: by GET and by POST.
    for method in ("GET", "POST"):
        router.add_api_route(
            "/userinfo",
            userinfo,
            methods=[method],
            summary="Who holds the token",
            operation_id="oauth_userinfo" if method == "GET" else "oauth_userinfo_post",
        )

    @router.get("/jwks", summary="The keys that sign id_tokens", operation_id="oauth_jwks")
    async def jwks() -> Response:
        return Response(json.dumps(server.published_keys()), headers=_PUBLIC, media_type="application/json")

    return router


async def _answer(
    answer: Callable[[EndpointRequest], Awaitable[OAuthResponse]],
    endpoint: str,
    request: Request,
    request_id: str,
    arrival_seconds: float,
) -> Response:
    try:
        async with asyncio.timeout(arrival_seconds):
            body = await bounded_body(request, MOST_BYTES)
    except TimeoutError:
        # RFC 9110 §15.5.9: a server that gives up waiting says so, and closes.
        return _refusal(408, "invalid_request", "The body took too long to arrive.", _CLOSE)
    except ClientDisconnect:
        log.info("client_left", endpoint=endpoint, request_id=request_id)
        return Response(status_code=408)  # Nobody is there to read it.
    if body is None:
        return _refusal(413, "invalid_request", f"The body is longer than {MOST_BYTES} bytes.", _CLOSE)
    authorization = request.headers.getlist("authorization")
    if len(authorization) > 1:
        return _refusal(400, "invalid_request", "Several Authorization headers.")
    sent = EndpointRequest(
        content_type=request.headers.get("content-type", ""),
        body=body,
        authorization=authorization[0] if authorization else None,
        source_address=request.client.host if request.client else "",
        request_id=request_id,
    )
    try:
        return _response(await answer(sent))
    except (OverloadedError, OperationalError, InterfaceError, PoolTimeoutError, OSError):
        return _refusal(503, "temporarily_unavailable", "Try again shortly.", {"Retry-After": "2"})


def _response(answer: OAuthResponse) -> Response:
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-type"}
    return Response(json.dumps(answer.body), answer.status, _NO_STORE | headers, "application/json")


def _refusal(status: int, error: str, description: str, headers: dict[str, str] | None = None) -> Response:
    return _response(OAuthResponse(status, {"error": error, "error_description": description}, headers or {}))


_TEXT = {"type": "string"}
_TOKEN_FIELDS = {
    "grant_type": {"type": "string", "enum": ["authorization_code", "refresh_token", "client_credentials"]},
    "scope": {"type": "string", "examples": ["system/Observation.rs system/Patient.rs"]},
    "code": {
        "type": "string",
        "description": "What came back from the authorization endpoint; good once, for 60 seconds.",
    },
    "redirect_uri": {"type": "string", "description": "The same as in the authorization request."},
    "code_verifier": {"type": "string", "description": "The text whose SHA-256 was the code_challenge."},
    "refresh_token": {"type": "string", "description": "Good once; the answer holds the next one."},
}
_CLIENT_METADATA: dict[str, Any] = {
    "redirect_uris": {"type": "array", "items": {"type": "string"}},
    "client_name": {"type": "string"},
    "scope": {"type": "string"},
    "token_endpoint_auth_method": {
        "type": "string",
        "enum": ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
    },
    "jwks": {"type": "object"},
}
_LAUNCH_FIELDS: dict[str, Any] = {
    "patient": {"type": "string", "description": "The id of the patient."},
    "encounter": {"type": "string", "description": "The id of the encounter."},
    "fhirContext": {"type": "array", "items": {"type": "object"}},
    "need_patient_banner": {"type": "boolean"},
    "intent": _TEXT,
    "tenant": _TEXT,
    "client_id": {"type": "string", "description": "The only app that may take the launch up."},
    "fhir_user": {"type": "string", "description": "The only person who may, such as Practitioner/1."},
}
_PRESENTED_TOKEN = {"token": _TEXT, "token_type_hint": _TEXT}
_CLIENT_FIELDS = {
    "client_assertion_type": {"type": "string", "enum": [ASSERTION_TYPE]},
    "client_assertion": {"type": "string", "description": "A JWT signed with RS384 or ES384 by the client's key."},
    "client_id": _TEXT,
    "client_secret": _TEXT,
}


def _form(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required}
    return {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}}


def _json_body(properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
