"""What requests are answered with: headers, refusals and bundles as shared components (FHIR R4, http.html#summary)."""

from collections.abc import Sequence
from typing import Any

from bhr_api.errors import (
    AddressTooLongError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InternalError,
    InvalidParameterError,
    InvalidResourceError,
    Issue,
    MultipleMatchesError,
    NotAcceptableError,
    NotFoundError,
    OverloadedError,
    RefusalError,
    TooLargeError,
    TooManyJobsError,
    UnauthenticatedError,
    UnsupportedMediaTypeError,
    VersionConflictError,
    operation_outcome,
)
from bhr_api.interactions.async_requests import STATUS_PATH
from bhr_api.interactions.requests import SERVER_WRITTEN
from bhr_api.openapi import examples
from bhr_api.openapi.primitive_schemas import Schema
from bhr_api.openapi.schemas import ANY_RESOURCE, ref
from bhr_api.routers.requests import FHIR_JSON

Answer = dict[str, Any]

_INVALID = InvalidResourceError(
    [
        Issue("error", "required", "status is missing; Observation needs it.", "Observation.status"),
        Issue("error", "value", "'5.1.2026' is no dateTime.", "Observation.effective.ofType(dateTime)"),
    ]
)
# Component -> (when it is answered, one such refusal).
REFUSALS: dict[str, tuple[str, RefusalError]] = {
    "BadRequest": (
        "The request cannot be understood: JSON, an id, a parameter or its value.",
        InvalidParameterError("date", "2026-13", "month must be 01 to 12"),
    ),
    "Unauthenticated": ("There is no valid access token.", UnauthenticatedError("Send Authorization: Bearer <token>.")),
    "Forbidden": (
        "The token has no scope for this.",
        ForbiddenError(
            "The token has no scope for search on Goal; it needs one with 's', such as system/Goal.s.",
        ),
    ),
    "NotFound": (
        "It does not exist, or the caller may not know that it does.",
        NotFoundError("Goal/g1 is not known here."),
    ),
    "NotAcceptable": (
        "The client takes no JSON.",
        NotAcceptableError(f"Accept: 'application/fhir+xml' takes no JSON; this server speaks {FHIR_JSON}."),
    ),
    "Conflict": (
        "Others were changing the same resources all the time; or, with strict referential integrity, others refer to it.",
        ConflictError("Other requests are changing the same resources; try again."),
    ),
    "Gone": ("It was deleted.", GoneError("Goal/g1 was deleted.")),
    "PreconditionFailed": (
        "If-Match names another version than the current one.",
        VersionConflictError("Goal/g1", sent="3", current="4"),
    ),
    "SeveralMatches": (
        "Several resources meet the criteria, or If-Match names another version than the current one.",
        MultipleMatchesError("Several Goal resources meet the criteria; name one by its id, or narrow the criteria."),
    ),
    "TooLarge": ("The body is over the limit.", TooLargeError("The body is longer than 10000000 bytes.")),
    "AddressTooLong": (
        "The address is over the limit; send a long search by POST to _search.",
        AddressTooLongError("An address has at most 16384 characters; send a long search by POST to _search."),
    ),
    "UnsupportedMediaType": (
        "The Content-Type or Content-Encoding of the body is not taken.",
        UnsupportedMediaTypeError(f"Content-Type 'text/plain' is not taken here; send {FHIR_JSON}."),
    ),
    "Invalid": (
        "The resource breaks rules of R4, or a reference leads nowhere where that is asked for: every one is an issue with"
        " its place.",
        _INVALID,
    ),
    "TooCostly": (
        "The request needs more work than one request may take, or its includes bring too much.",
        RefusalError("The request needs more work than one request may take.", code="too-costly"),
    ),
    "TooManyJobs": (
        "With Prefer: respond-async: the client has as many unfinished requests as it may.",
        TooManyJobsError(10),
    ),
    "InternalError": (
        "Something went wrong on the server.",
        InternalError("Something went wrong here. Tell the operator the request id 3f1c5b0e9a7d4c21."),
    ),
    "Overloaded": (
        "The server is busy; come back after Retry-After seconds.",
        OverloadedError("The server is busy; try again shortly."),
    ),
}
_STATUSES = {name: refusal.status for name, (_, refusal) in REFUSALS.items()} | {"TooCostly": 422}
_EVERYWHERE = ("Unauthenticated", "Forbidden", "NotAcceptable", "AddressTooLong", "InternalError", "Overloaded")


def refusals(*names: str, everywhere: Sequence[str] = _EVERYWHERE) -> dict[str, Any]:
    """Status -> reference, for the refusals of an operation and those that any operation may answer with."""
    wanted = sorted((_STATUSES[name], name) for name in (*names, *everywhere))
    return {str(status): _response_ref(name) for status, name in wanted}


def _response_ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{name}"}


def put_off() -> dict[str, Any]:
    """What a request with Prefer: respond-async is answered with (FHIR R4, async.html)."""
    return {"202": _response_ref("Accepted")} | {"429": _response_ref("TooManyJobs")}


def content(schema: Schema, example: str | None = None) -> dict[str, Any]:
    """The content of a FHIR body, with the example component of that name."""
    shown = {} if example is None else {"examples": {"sample": {"$ref": f"#/components/examples/{example}"}}}
    return {FHIR_JSON: {"schema": schema, **shown}}


def headers(*names: str) -> dict[str, Any]:
    """References to header components, and to the request id that every answer carries."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, "X-Request-Id")}


def _header(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}, "example": example}


def header_components() -> dict[str, Any]:
    """The response headers that clients use."""
    return {
        "ETag": _header("The version, for If-Match and If-None-Match.", 'W/"1"'),
        "Last-Modified": _header("When the version was stored.", "Sun, 01 Nov 2026 15:30:00 GMT"),
        "Location": _header(
            "The address of the version that was stored.", "http://127.0.0.1:8000/fhir/Goal/g1/_history/1"
        ),
        "X-Request-Id": _header("The request's id: the client's own, or a new one.", "3f1c5b0e9a7d4c21"),
        "Content-Location": _header(
            "Where to ask for the answer.",
            f"http://127.0.0.1:8000/fhir/{STATUS_PATH}/bhr_job_default_7f3a5c0e9b1d4e628a0c5d7e9f1b3a24",
        ),
        "X-Progress": _header("How far the work is.", "3 of 10 entries"),
        "Retry-After": _header("Seconds to wait.", "2"),
        "WWW-Authenticate": _header("The challenge (RFC 6750 §3).", 'Bearer error="invalid_token"'),
    }


def response_components() -> dict[str, Answer]:
    """The refusals, each with an OperationOutcome."""
    refused = {name: _refusal(name, description, refusal) for name, (description, refusal) in REFUSALS.items()}
    note = Issue("information", "informational", "The request was accepted; its answer will be at Content-Location.")
    accepted = {
        "description": "With Prefer: respond-async: the answer will be at Content-Location.",
        "headers": headers("Content-Location", "Retry-After"),
        "content": {FHIR_JSON: {"schema": ref("OperationOutcome"), "example": operation_outcome([note])}},
    }
    return refused | {"Accepted": accepted}


def _refusal(name: str, description: str, refusal: RefusalError) -> Answer:
    own = {"Unauthenticated": "WWW-Authenticate", "Overloaded": "Retry-After", "TooManyJobs": "Retry-After"}.get(name)
    body = {FHIR_JSON: {"schema": ref("OperationOutcome"), "example": refusal.outcome}}
    return {"description": description, "headers": headers(*([own] if own else [])), "content": body}


# Bundles


def searchset_schema(resource_type: str | None) -> Schema:
    """A page of matches, which are of `resource_type` (None for any), with what comes with them."""
    match = [] if resource_type is None else [ref(resource_type)]
    entry = {
        "fullUrl": ref("uri"),
        "resource": {"anyOf": [*match, ref(ANY_RESOURCE)]},
        "search": _object({"mode": {"type": "string", "enum": ["match", "include", "outcome"]}}, ["mode"]),
    }
    members = {"total": ref("unsignedInt"), "link": _links()}
    return _bundle("searchset", members, _object(entry, ["resource", "search"]))


def bundle_schemas() -> dict[str, Schema]:
    """The bundles of histories and of batches and transactions."""
    request = _object(
        {
            "method": {"type": "string", "enum": ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]},
            "url": ref("uri"),
            "ifNoneMatch": ref("string"),
            "ifModifiedSince": ref("instant"),
            "ifMatch": ref("string"),
            "ifNoneExist": ref("string"),
        },
        ["method", "url"],
    )
    response = _object(
        {
            "status": ref("string"),
            "location": ref("uri"),
            "etag": ref("string"),
            "lastModified": ref("instant"),
            "outcome": ref(ANY_RESOURCE),
        },
        ["status"],
    )
    resource = {"fullUrl": ref("uri"), "resource": ref(ANY_RESOURCE)}
    return {
        "AnySearchset": searchset_schema(None),
        "HistoryBundle": _bundle(
            "history",
            {"link": _links()},
            _object(resource | {"request": request, "response": response}, ["request", "response"]),
        ),
        "RequestBundle": _bundle(["batch", "transaction"], {}, _object(resource | {"request": request}, ["request"])),
        "ResponseBundle": _bundle(
            ["batch-response", "transaction-response"],
            {"link": _links()},
            _object(resource | {"response": response}, ["response"]),
        ),
    }


def _object(properties: dict[str, Any], required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _links() -> Schema:
    return {"type": "array", "items": _object({"relation": ref("string"), "url": ref("uri")}, ["relation", "url"])}


def _bundle(type: str | list[str], members: dict[str, Any], entry: Schema) -> Schema:
    kind: Schema = {"type": "string", "const": type} if isinstance(type, str) else {"type": "string", "enum": type}
    properties = {
        "resourceType": {"type": "string", "const": "Bundle"},
        "id": ref("id"),
        "meta": ref("Meta"),
        "type": kind,
        **members,
        "entry": {"type": "array", "items": entry, "minItems": 1},
    }
    return _object(properties, ["resourceType", "type"])


def example_components() -> dict[str, Any]:
    """One resource of each documented type as it is sent, stored and found, and a transaction with its answer."""
    found: dict[str, Any] = {}
    for name, resource in examples.examples().items():
        if name not in SERVER_WRITTEN:
            found[name] = {"summary": f"A sample {name}", "value": resource}
        found[f"{name}Stored"] = {"summary": "As it is answered", "value": examples.stored(resource)}
        found[f"{name}Searchset"] = {"summary": "One match", "value": examples.searchset(resource)}
    goal = examples.examples()["Goal"]
    found["History"] = {"summary": "The history of a goal", "value": examples.history(goal)}
    found["Transaction"] = {"summary": "A goal and a plan that refers to it", "value": examples.transaction()}
    found["TransactionResponse"] = {"summary": "Both were created", "value": examples.transaction_response()}
    return found
