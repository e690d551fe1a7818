"""What the OAuth endpoints answer, by schema (RFC 6749 §5, RFC 7662 §2.2, RFC 7009 §2.2)."""

from collections.abc import Mapping
from typing import Any

from bhr_api.openapi.answers import headers
from bhr_api.openapi.primitive_schemas import Schema
from bhr_api.openapi.schemas import ref

_TEXT: Schema = {"type": "string"}
_SECONDS: Schema = {"type": "integer"}

_TOKEN: Schema = {
    "type": "object",
    "properties": {
        "access_token": _TEXT,
        "token_type": {"type": "string", "const": "Bearer"},
        "expires_in": _SECONDS | {"description": "Seconds."},
        "scope": _TEXT | {"description": "What was granted, which may be less than was asked for."},
    },
    "required": ["access_token", "token_type", "expires_in", "scope"],
}
_INTROSPECTION: Schema = {
    "type": "object",
    "properties": {
        "active": {"type": "boolean"},
        **dict.fromkeys(("scope", "client_id", "token_type", "iss", "patient", "fhirUser"), _TEXT),
        "iat": _SECONDS,
        "exp": _SECONDS,
    },
    "required": ["active"],
}
_ERROR: Schema = {
    "type": "object",
    "properties": {"error": _TEXT, "error_description": _TEXT},
    "required": ["error"],
}
# Operation -> (schema of what it answers, an example).
_ANSWERS: Mapping[str, tuple[Schema, dict[str, Any]]] = {
    "oauth_token": (
        ref("TokenResponse"),
        {
            "access_token": "bhr_at_default_<43 characters>",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "system/Observation.rs system/Patient.rs",
        },
    ),
    "oauth_introspection": (
        ref("IntrospectionResponse"),
        {"active": True, "scope": "system/Patient.rs", "token_type": "Bearer", "exp": 1793547300},
    ),
    "oauth_revocation": ({"type": "object"}, {}),
}
_REFUSALS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "400": ("The request is not one that can be granted.", "invalid_scope", ()),
    "401": ("The client could not be authenticated.", "invalid_client", ("WWW-Authenticate",)),
    "408": ("The body took too long to arrive.", "invalid_request", ()),
    "413": ("The body is too long.", "invalid_request", ()),
    "429": ("Too many failures of this client from this address.", "invalid_client", ("Retry-After",)),
    "503": ("The server is busy; come back after Retry-After seconds.", "temporarily_unavailable", ("Retry-After",)),
}


def oauth_schemas() -> dict[str, Schema]:
    """The schemas of the endpoints' JSON."""
    return {"TokenResponse": _TOKEN, "IntrospectionResponse": _INTROSPECTION, "OAuthError": _ERROR}


def responses_of(operation_id: str) -> dict[str, Any] | None:
    """The responses of an OAuth operation; None for other operations."""
    if operation_id not in _ANSWERS:
        return None
    schema, example = _ANSWERS[operation_id]
    granted = {"description": "Done.", "content": {"application/json": {"schema": schema, "example": example}}}
    return {"200": granted} | {status: _refusal(*facts) for status, facts in _REFUSALS.items()}


def _refusal(description: str, error: str, own: tuple[str, ...]) -> dict[str, Any]:
    body = {"application/json": {"schema": ref("OAuthError"), "example": {"error": error}}}
    sent = {name: value for name, value in headers(*own).items() if name in own}
    return {"description": description, "content": body} | ({"headers": sent} if sent else {})
