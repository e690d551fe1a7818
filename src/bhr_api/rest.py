"""FastAPI's part of the server: OAuth, discovery and operations; the documents are made from it too."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute

from bhr_api import __version__
from bhr_api.auth.authorization_server import AuthorizationServer
from bhr_api.routers.authorize import ErrorPage, authorize_router
from bhr_api.routers.discovery import discovery_router
from bhr_api.routers.oauth import oauth_router
from bhr_api.routers.operations import operations_router
from bhr_api.routers.requests import Headers
from bhr_api.store.database import Database
from bhr_api.telemetry import metrics

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def rest_application(
    server: AuthorizationServer,
    issuer: str,
    arrival_seconds: float,
    database: Callable[[], Database],
    is_stopping: Callable[[], bool],
    error_page: ErrorPage,
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """The application with every router that has no FHIR base; it has no pages of documents of its own.

    A body has `arrival_seconds` to come.
    """
    rest = FastAPI(
        title="bhr_api",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
    )
    rest.include_router(oauth_router(server, request_id_of, arrival_seconds))
    rest.include_router(authorize_router(server, request_id_of, arrival_seconds, error_page))
    rest.include_router(discovery_router(issuer))
    rest.include_router(operations_router(database, is_stopping, metrics))
    return rest


def _operation_id(route: APIRoute) -> str:
    return route.name


def request_id_of(request: Request) -> str:
    """The id under which a request is logged and audited."""
    return Headers(request.scope).request_id()
