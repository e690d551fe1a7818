"""The OpenAPI 3.1 document: FastAPI's own part, and /fhir as its URL grammar and the definitions of R4 make it.

OpenAPI Specification 3.1.1; docs/openapi.md tells what the schemas hold and what they cannot.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bhr_api.auth.audit import AuthorizationEvent
from bhr_api.auth.authorization_server import AuthorizationServer
from bhr_api.auth.signing_keys import SigningKeys
from bhr_api.openapi.answers import (
    bundle_schemas,
    example_components,
    header_components,
    response_components,
    searchset_schema,
)
from bhr_api.openapi.documented_types import DOCUMENTED_TYPES
from bhr_api.openapi.oauth_answers import oauth_schemas, responses_of
from bhr_api.openapi.operations import tags, type_paths
from bhr_api.openapi.patches import body_components
from bhr_api.openapi.schemas import type_schemas
from bhr_api.openapi.search_parameters import control_parameters, form_schemas, search_form, type_parameters
from bhr_api.openapi.system import TAG, parameter_components, system_paths
from bhr_api.rest import rest_application
from bhr_api.settings import Settings

Document = dict[str, Any]

_DESCRIPTION = """\
Behavioral-health records over FHIR R4 (4.0.1) and SMART on FHIR: care plans, goals, observations, screening scores,
notes, incidents and consents.

Get an access token at `/oauth/token`, by client credentials or by the code of a person who signed in at
`/oauth/authorize`, and send it as `Authorization: Bearer <token>`. Every refusal under `/fhir` is an
`OperationOutcome` that says what was wrong, where, and what would be right.

Each resource type of behavioral health has a section with its schema and search parameters; all other R4 types are
served by the same interactions, under *Any resource type*. `HEAD` goes wherever `GET` goes."""

_TAGS = [
    {"name": "OAuth 2", "description": "Access tokens: SMART Backend Services and SMART App Launch."},
    {"name": "Discovery", "description": "Where the OAuth endpoints are."},
    {"name": TAG, "description": "What is not about one resource type."},
]
_OPERATIONS_TAG = {"name": "operations", "description": "For the one who runs the server."}


def document(settings: Settings) -> Document:
    """The document of a server with these settings; nothing but its address depends on them."""
    rest = _rest_document(settings.issuer)
    types = list(DOCUMENTED_TYPES)
    paths = rest["paths"] | system_paths()
    for name in types:
        paths |= type_paths(name)
    paths |= type_paths(None)
    components = rest.get("components", {})
    return {
        "openapi": "3.1.0",
        "info": rest["info"]
        | {"description": _DESCRIPTION, "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": settings.issuer}],
        "security": [{"oauth2": []}, {"bearer": []}],
        "tags": [*_TAGS, *tags(), _OPERATIONS_TAG],
        "paths": paths,
        "components": {
            "securitySchemes": _security_schemes(settings.issuer),
            "parameters": _parameters(types),
            "headers": header_components(),
            "responses": response_components(),
            "examples": example_components(),
            "requestBodies": body_components(),
            "schemas": components.get("schemas", {}) | _schemas(types),
        },
    }


def _schemas(types: list[str]) -> dict[str, Any]:
    searchsets = {f"{name}Searchset": searchset_schema(name) for name in types}
    forms = {f"{name}Search": search_form(name) for name in types}
    any_form = {"type": "object", "additionalProperties": {"type": "string"}}
    resources = type_schemas([*types, "OperationOutcome"])
    return (
        resources | oauth_schemas() | bundle_schemas() | searchsets | form_schemas() | forms | {"AnySearch": any_form}
    )


def _parameters(types: list[str]) -> dict[str, Any]:
    found = parameter_components() | control_parameters()
    for name in types:
        found |= type_parameters(name)
    return found


def _security_schemes(issuer: str) -> dict[str, Any]:
    scopes = {
        "system/*.rs": "Read and search everything.",
        "system/*.cruds": "Do everything.",
    }
    flow = {"tokenUrl": f"{issuer}/oauth/token", "scopes": scopes}
    of_people = {
        "authorizationUrl": f"{issuer}/oauth/authorize",
        "tokenUrl": f"{issuer}/oauth/token",
        "refreshUrl": f"{issuer}/oauth/token",
        "scopes": {
            "openid": "Who signed in.",
            "fhirUser": "Who signed in, as a resource.",
            "launch": "Where the host EHR starts the app.",
            "launch/patient": "One patient, whom the user chooses.",
            "patient/*.rs": "Read and search that patient's record.",
            "user/*.rs": "Read and search what the user may.",
            "offline_access": "A refresh token that outlives the browser session.",
            "online_access": "A refresh token for the browser session.",
        },
    }
    return {
        "oauth2": {
            "type": "oauth2",
            "description": "SMART Backend Services and SMART App Launch (with PKCE, S256); scopes are"
            " `system/Type.cruds` and the like, as few types and letters as need be.",
            "flows": {"clientCredentials": flow, "authorizationCode": of_people},
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token, such as `bhr-api token` prints.",
        },
    }


def _rest_document(issuer: str) -> Document:
    """What FastAPI says of its routes, which are open to everybody or authenticate clients themselves."""
    # Nothing is served here: the routes are only read.
    server = AuthorizationServer(
        public_url=issuer,
        sessions=async_sessionmaker(),
        audit=_no_audit,
        clock=_no_time,
        signing_keys=SigningKeys(Path(), _no_time),
    )
    rest = rest_application(server, issuer, 0, _never, lambda: False, lambda *_: _never()).openapi()
    for item in rest["paths"].values():
        for operation in item.values():
            operation["security"] = []
            operation["responses"] = responses_of(operation["operationId"]) or operation["responses"]
    return rest


async def _no_audit(event: AuthorizationEvent, session: AsyncSession) -> None:
    del event, session
    _never()


def _never() -> NoReturn:
    raise AssertionError("the routes of a document are not served")


def _no_time() -> datetime:
    return datetime.fromtimestamp(0, UTC)
