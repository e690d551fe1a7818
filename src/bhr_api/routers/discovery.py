"""Discovery without a token, from any origin (SMART App Launch 2.2, conformance.html#using-well-known)."""

import json

from fastapi import APIRouter, Response

from bhr_api.auth.smart_configuration import smart_configuration

PATH = "/fhir/.well-known/smart-configuration"
_ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "Accept, Authorization, Content-Type, X-Request-Id",
    "Access-Control-Max-Age": "86400",
}


def discovery_router(public_url: str) -> APIRouter:
    """The SMART configuration, as JSON whatever `Accept` says; it stands before `/fhir` is mounted."""
    router = APIRouter(tags=["Discovery"])
    document = json.dumps(smart_configuration(public_url))

    @router.get(PATH, summary="SMART configuration", operation_id="smart_configuration")
    @router.head(PATH, include_in_schema=False)
    async def configuration() -> Response:
        headers = _ANY_ORIGIN | {"Cache-Control": "public, max-age=300"}
        return Response(document, headers=headers, media_type="application/json")

    @router.options(PATH, include_in_schema=False)
    async def preflight() -> Response:
        return Response(status_code=204, headers=_ANY_ORIGIN | _PREFLIGHT)

    return router
