"""Discovery without a token, from any origin (SMART App Launch 2.2, conformance.html#using-well-known; RFC 8414 §3)."""

import json

from fastapi import APIRouter, Response

from bhr_api.auth.openid_configuration import openid_configuration
from bhr_api.auth.smart_configuration import smart_configuration

PATH = "/fhir/.well-known/smart-configuration"
_OPENID_PATH = "/.well-known/openid-configuration"
_OAUTH_PATH = "/.well-known/oauth-authorization-server"
_SUMMARIES = {
    "smart_configuration": "SMART configuration",
    "openid_configuration": "OpenID provider metadata",
    "oauth_authorization_server": "OAuth authorization server metadata",
}
_ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "Accept, Authorization, Content-Type, X-Request-Id",
    "Access-Control-Max-Age": "86400",
}


def discovery_router(public_url: str) -> APIRouter:
    """What clients read before they know anything, as JSON whatever `Accept` says; it stands before `/fhir` is mounted."""
    router = APIRouter(tags=["Discovery"])
    metadata = openid_configuration(public_url)
    for path, name, document in (
        (PATH, "smart_configuration", smart_configuration(public_url)),
        (_OPENID_PATH, "openid_configuration", metadata),
        (_OAUTH_PATH, "oauth_authorization_server", metadata),
    ):
        _add(router, path, name, json.dumps(document))
    return router


def _add(router: APIRouter, path: str, name: str, document: str) -> None:
    async def configuration() -> Response:
        headers = _ANY_ORIGIN | {"Cache-Control": "public, max-age=300"}
        return Response(document, headers=headers, media_type="application/json")

    async def preflight() -> Response:
        return Response(status_code=204, headers=_ANY_ORIGIN | _PREFLIGHT)

    router.add_api_route(path, configuration, methods=["GET"], summary=_SUMMARIES[name], operation_id=name)
    router.add_api_route(path, configuration, methods=["HEAD"], include_in_schema=False)
    router.add_api_route(path, preflight, methods=["OPTIONS"], include_in_schema=False)
