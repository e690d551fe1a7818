"""What the OAuth endpoints answer, by schema (RFC 6749 §5, RFC 7662 §2.2, RFC 7009 §2.2; OpenID Connect Core §5.3.2)."""

from collections.abc import Mapping
from typing import Any

from bhr_api.openapi.answers import headers
from bhr_api.openapi.primitive_schemas import Schema
from bhr_api.openapi.schemas import ref

_TEXT: Schema = {"type": "string"}
_SECONDS: Schema = {"type": "integer"}
_TEXTS: Schema = {"type": "array", "items": {"type": "string"}}

# SMART App Launch 2.2, scopes-and-launch-context.html: what an app is told of where it starts.
_CONTEXT: dict[str, Schema] = {
    "patient": _TEXT | {"description": "The id of the patient in context."},
    "encounter": _TEXT | {"description": "The id of the encounter in context."},
    "fhirContext": {"type": "array", "items": {"type": "object"}},
    "need_patient_banner": {"type": "boolean"},
    "intent": _TEXT,
    "tenant": _TEXT,
}
_TOKEN: Schema = {
    "type": "object",
    "properties": {
        "access_token": _TEXT,
        "token_type": {"type": "string", "const": "Bearer"},
        "expires_in": _SECONDS | {"description": "Seconds."},
        "scope": _TEXT | {"description": "What was granted, which may be less than was asked for."},
        "refresh_token": _TEXT | {"description": "With offline_access or online_access; good once."},
        "id_token": _TEXT | {"description": "With openid; a JWT signed with RS256."},
        **_CONTEXT,
    },
    "required": ["access_token", "token_type", "expires_in", "scope"],
}
_INTROSPECTION: Schema = {
    "type": "object",
    "properties": {
        "active": {"type": "boolean"},
        **dict.fromkeys(("scope", "client_id", "token_type", "iss", "sub", "fhirUser"), _TEXT),
        **_CONTEXT,
        "iat": _SECONDS,
        "exp": _SECONDS,
    },
    "required": ["active"],
}
_USERINFO: Schema = {
    "type": "object",
    "properties": dict.fromkeys(("sub", "fhirUser", "profile", "preferred_username"), _TEXT),
    "required": ["sub"],
}
_LAUNCH: Schema = {
    "type": "object",
    "properties": {
        "launch": _TEXT | {"description": "For the app's launch URL; good once."},
        "iss": _TEXT | {"description": "The FHIR base, for the app's launch URL."},
        "expires_in": _SECONDS | {"description": "Seconds."},
    },
    "required": ["launch", "iss", "expires_in"],
}
_REGISTRATION: Schema = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("client_id", "client_secret", "client_name", "scope", "token_endpoint_auth_method"), _TEXT),
        **dict.fromkeys(("client_id_issued_at", "client_secret_expires_at"), _SECONDS),
        **dict.fromkeys(("redirect_uris", "grant_types", "response_types"), _TEXTS),
    },
    "required": ["client_id", "scope", "redirect_uris"],
}
_KEY_SET: Schema = {
    "type": "object",
    "properties": {"keys": {"type": "array", "items": {"type": "object"}}},
    "required": ["keys"],
}
_ERROR: Schema = {
    "type": "object",
    "properties": {"error": _TEXT, "error_description": _TEXT},
    "required": ["error"],
}
_PERSON = {"sub": "7f6c1f0e", "fhirUser": "https://ehr.example/fhir/Practitioner/1"}
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
    "oauth_launch": (
        ref("LaunchResponse"),
        {"launch": "bhr_launch_default_<43 characters>", "iss": "https://ehr.example/fhir", "expires_in": 300},
    ),
    "oauth_register": (
        ref("RegistrationResponse"),
        {"client_id": "bhr_client_default_<32 characters>", "scope": "patient/*.rs", "redirect_uris": []},
    ),
    "oauth_userinfo": (ref("UserinfoResponse"), _PERSON),
    "oauth_userinfo_post": (ref("UserinfoResponse"), _PERSON),
}
_SUCCESS = {"oauth_launch": "201", "oauth_register": "201"}
# What takes a bearer token refuses one whose scope does not reach.
_BY_TOKEN = frozenset({"oauth_launch", "oauth_userinfo", "oauth_userinfo_post"})
_REDIRECT = {
    "303": {
        "description": "To the page where the person signs in and decides, or with an error to the redirect_uri.",
        "headers": {"Location": {"schema": {"type": "string"}, "required": True}},
    },
    "400": {
        "description": "The app or its redirect_uri is not known: a page for the person.",
        "content": {"text/html": {"schema": _TEXT}},
    },
}
_OTHER_ANSWERS: Mapping[str, dict[str, Any]] = {
    "oauth_authorize": _REDIRECT,
    "oauth_authorize_post": _REDIRECT,
    "oauth_jwks": {
        "200": {
            "description": "Public keys.",
            "content": {"application/json": {"schema": _KEY_SET, "example": {"keys": []}}},
        }
    },
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
    return {
        "TokenResponse": _TOKEN,
        "IntrospectionResponse": _INTROSPECTION,
        "LaunchResponse": _LAUNCH,
        "RegistrationResponse": _REGISTRATION,
        "UserinfoResponse": _USERINFO,
        "OAuthError": _ERROR,
    }


def responses_of(operation_id: str) -> dict[str, Any] | None:
    """The responses of an OAuth operation; None for other operations."""
    if operation_id in _OTHER_ANSWERS:
        return dict(_OTHER_ANSWERS[operation_id])
    if operation_id not in _ANSWERS:
        return None
    schema, example = _ANSWERS[operation_id]
    granted = {"description": "Done.", "content": {"application/json": {"schema": schema, "example": example}}}
    refused = {status: _refusal(*facts) for status, facts in _REFUSALS.items()}
    if operation_id in _BY_TOKEN:
        refused["403"] = _refusal("The token's scope does not reach.", "insufficient_scope", ("WWW-Authenticate",))
    return {_SUCCESS.get(operation_id, "200"): granted} | refused


def _refusal(description: str, error: str, own: tuple[str, ...]) -> dict[str, Any]:
    body = {"application/json": {"schema": ref("OAuthError"), "example": {"error": error}}}
    sent = {name: value for name, value in headers(*own).items() if name in own}
    return {"description": description, "content": body} | ({"headers": sent} if sent else {})
