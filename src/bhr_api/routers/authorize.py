"""The authorization endpoint over HTTP (RFC 6749 §3.1; SMART App Launch 2.2, app-launch.html#obtain-authorization-code)."""

import asyncio
from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import ClientDisconnect

from bhr_api.auth.audit import RequestSource
from bhr_api.auth.authorization_request import MOST_BYTES, AuthorizationPageError
from bhr_api.auth.authorization_server import AuthorizationServer
from bhr_api.auth.request_form import FORM, is_form
from bhr_api.errors import OverloadedError
from bhr_api.routers.requests import bounded_body

PATH = "/oauth/authorize"
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache", "Referrer-Policy": "no-referrer"}
ErrorPage = Callable[[Request, AuthorizationPageError], Response]


def authorize_router(
    server: AuthorizationServer,
    request_id: Callable[[Request], str],
    arrival_seconds: float,
    error_page: ErrorPage,
) -> APIRouter:
    """GET and POST of the authorization endpoint; a form has `arrival_seconds` to come."""
    router = APIRouter(tags=["OAuth 2"])

    async def answer(request: Request, encoded: bytes) -> Response:
        source = RequestSource(request.client.host if request.client else "", request_id(request))
        try:
            location = await server.begin_authorization(encoded, source)
        except AuthorizationPageError as error:
            return error_page(request, error)
        except (OverloadedError, OperationalError, InterfaceError, PoolTimeoutError, OSError):
            return error_page(request, AuthorizationPageError("temporarily_unavailable", "Try again shortly.", 503))
        # RFC 9700 §4.12: 303 never makes the browser send a form on, as 307 would.
        return Response(status_code=303, headers=NO_STORE | {"Location": location})

    @router.get(PATH, summary="Ask a person to let an app in", operation_id="oauth_authorize")
    async def authorize(request: Request) -> Response:
        return await answer(request, request.scope["query_string"])

    @router.post(PATH, summary="The same, as a form", operation_id="oauth_authorize_post")
    async def authorize_post(request: Request) -> Response:
        if not is_form(request.headers.get("content-type", "")):
            return error_page(request, AuthorizationPageError("invalid_request", f"Send the parameters as {FORM}."))
        try:
            async with asyncio.timeout(arrival_seconds):
                body = await bounded_body(request, MOST_BYTES)
        except (TimeoutError, ClientDisconnect):
            return error_page(request, AuthorizationPageError("invalid_request", "The form did not arrive.", 408))
        if body is None:
            return error_page(request, AuthorizationPageError("invalid_request", "The form is too long.", 413))
        return await answer(request, body)

    return router
