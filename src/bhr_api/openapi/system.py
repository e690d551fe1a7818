"""What is not about one type: capabilities, batch and transaction, system history, compartments (FHIR R4, http.html)."""

from typing import Any

from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.interactions.async_requests import STATUS_PATH
from bhr_api.openapi.answers import content, headers, put_off, refusals
from bhr_api.openapi.operations import HISTORY_PARAMETERS, SHARED_PARAMETERS, Paths, history_answer, parameter_refs
from bhr_api.openapi.schemas import ANY_RESOURCE, ref
from bhr_api.openapi.search_parameters import control_parameters

TAG = "System"


def system_paths() -> Paths:
    """The addresses of the whole system and of a patient's compartment."""
    return {
        "/fhir": {"get": _search(), "post": _transaction()},
        "/fhir/_search": {"post": _search_by_form()},
        "/fhir/metadata": {"get": _capabilities()},
        "/fhir/_history": {"get": _history()},
        f"/fhir/{STATUS_PATH}/{{job}}": {"get": _status(), "delete": _cancel()},
        "/fhir/Patient/{id}/{type}": {"get": _compartment()},
    }


def _operation(name: str, summary: str, text: str, answers: dict[str, Any], *parameters: str) -> dict[str, Any]:
    return {
        "tags": [TAG],
        "summary": summary,
        "description": text,
        "operationId": name,
        "parameters": parameter_refs(*parameters, *SHARED_PARAMETERS),
        "responses": answers,
    }


def _transaction() -> dict[str, Any]:
    answer = {
        "description": "What became of each entry, in the order of the request.",
        "headers": headers(),
        "content": content(ref("ResponseBundle"), "TransactionResponse"),
    }
    text = (
        "A `transaction` is stored as a whole or not at all; the entries of a `batch` are carried out each for itself."
        " Every entry needs the scope of its own interaction."
    )
    refused = refusals(
        "BadRequest", "NotFound", "Conflict", "SeveralMatches", "TooLarge", "UnsupportedMediaType", "Invalid"
    )
    body = {"required": True, "content": content(ref("RequestBundle"), "Transaction")}
    answers = {"200": answer, **put_off(), **refused}
    return _operation("transaction", "Batch or transaction", text, answers, "Prefer-async") | {"requestBody": body}


def _capabilities() -> dict[str, Any]:
    answer = {
        "description": "The CapabilityStatement.",
        "headers": headers(),
        "content": content(ref(ANY_RESOURCE)),
    }
    refused = refusals(everywhere=("BadRequest", "NotAcceptable", "AddressTooLong", "InternalError"))
    text = "Which types, interactions and search parameters are served, and where the OAuth endpoints are."
    answers = {"200": answer, "304": {"description": "The client has this statement."}, **refused}
    return _operation("capabilities", "What the server does", text, answers) | {"security": []}


def _history() -> dict[str, Any]:
    text = "The versions of all resources that the token may search, newest first."
    answers = {"200": history_answer(), **put_off(), **refusals("BadRequest", "TooCostly")}
    parameters = (*HISTORY_PARAMETERS, "Prefer-async")
    return _operation("history_system", "The versions of everything", text, answers, *parameters)


def _status() -> dict[str, Any]:
    text = (
        "Asked for by the client whose request it is, for the same user and patient. The Bundle has one entry with the status"
        " and the body that the request would have been answered with."
    )
    answers = {
        "200": {
            "description": "It is answered.",
            "headers": headers(),
            "content": content(ref("ResponseBundle")),
        },
        "202": {
            "description": "It waits or is being worked on; ask again after Retry-After seconds.",
            "headers": headers("X-Progress", "Retry-After"),
        },
        **refusals("BadRequest", "NotFound"),
    }
    return _operation("async_status", "The answer to a request that was put off", text, answers, "job")


def _cancel() -> dict[str, Any]:
    text = "Ends the work, or throws its answer away; the address is unknown from then on."
    accepted = {
        "description": "It is cancelled.",
        "headers": headers(),
        "content": content(ref("OperationOutcome")),
    }
    answers = {"202": accepted, **refusals("BadRequest", "NotFound")}
    return _operation("async_cancel", "Cancel a request that was put off", text, answers, "job")


def _found() -> dict[str, Any]:
    return {
        "description": "A page of matches with what comes with them; follow the `next` link for more.",
        "headers": headers(),
        "content": content(ref("AnySearchset")),
    }


_SEARCH_TEXT = "Search all types that the token may search, or those in `_type`, by parameters that are common to them."


def _search() -> dict[str, Any]:
    answers = {"200": _found(), **put_off(), **refusals("BadRequest", "TooCostly")}
    parameters = ("_type", *control_parameters(), "criteria", "Prefer-handling")
    return _operation("search_system", "Search several types", _SEARCH_TEXT, answers, *parameters)


def _search_by_form() -> dict[str, Any]:
    answers = {"200": _found(), **put_off(), **refusals("BadRequest", "TooLarge", "UnsupportedMediaType", "TooCostly")}
    body = {"content": {"application/x-www-form-urlencoded": {"schema": ref("AnySearch")}}}
    summary = "Search several types by a form"
    operation = _operation("search_system_by_form", summary, _SEARCH_TEXT, answers, "Prefer-handling")
    return operation | {"requestBody": body}


def _compartment() -> dict[str, Any]:
    text = "Search the resources of a type that refer to the patient (R4 compartmentdefinition-patient)."
    answers = {"200": _found(), **put_off(), **refusals("BadRequest", "NotFound", "TooCostly")}
    parameters = ("id", "type", *control_parameters(), "criteria", "Prefer-handling")
    return _operation("compartment_search", "Search a patient's compartment", text, answers, *parameters)


def parameter_components() -> dict[str, Any]:
    """Parameters of paths, headers and histories, and those that every address takes."""
    return {
        "type": _path("type", {"type": "string", "enum": list(RESOURCE_TYPES)}, "An R4 resource type.", "Medication"),
        "id": _path("id", ref("id"), "The resource's id.", "sample-0001"),
        "job": _path(
            "job",
            {"type": "string"},
            "The end of Content-Location.",
            "bhr_job_default_7f3a5c0e9b1d4e628a0c5d7e9f1b3a24",
        ),
        "version_id": _path("version_id", {"type": "string", "pattern": "^[0-9]+$"}, "The version, from 1.", "1"),
        "criteria": {
            "name": "criteria",
            "in": "query",
            "description": "Search parameters of the type, each under its own name (`identifier=system|value`).",
            "style": "form",
            "explode": True,
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "_type": _query("_type", "Resource types, joined by commas: `Goal,Observation`."),
        "_since": _query("_since", "Only versions stored at this time or later: `2026-10-01T00:00:00Z`."),
        "_at": _query("_at", "Only versions that were current at some time within this date or time: `2026-10`."),
        "_format": _query("_format", "`json`; it goes before Accept."),
        "_pretty": _query("_pretty", "Indent the answer.", ["true", "false"]),
        "X-Request-Id": _header(
            "X-Request-Id", "Your own id for the request, of `A-Za-z0-9._-`, at most 64; the answer repeats it."
        ),
        "If-Match": _header("If-Match", 'The version that must be the current one: `W/"1"`.'),
        "If-None-Match": _header("If-None-Match", 'The version that the client has: `W/"1"`.'),
        "If-Modified-Since": _header("If-Modified-Since", "An HTTP date: `Sun, 01 Nov 2026 15:30:00 GMT`."),
        "If-None-Exist": _header("If-None-Exist", "Search parameters as in an address: `identifier=system|value`."),
        "Prefer": _header(
            "Prefer",
            "What to answer a write with.",
            ["return=representation", "return=minimal", "return=OperationOutcome"],
        ),
        "Prefer-handling": _header(
            "Prefer",
            "What becomes of unknown search parameters, or to be answered later.",
            ["handling=strict", "handling=lenient", "respond-async"],
        ),
        "Prefer-async": _header("Prefer", "To be answered later.", ["respond-async"]),
    }


def _path(name: str, schema: dict[str, Any], description: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
        "example": example,
    }


# Optional parameters show their examples in the text: Swagger UI would send what stands in `example`.


def _query(name: str, description: str, values: list[str] | None = None) -> dict[str, Any]:
    return _optional("query", name, description, values)


def _header(name: str, description: str, values: list[str] | None = None) -> dict[str, Any]:
    return _optional("header", name, description, values)


def _optional(place: str, name: str, description: str, values: list[str] | None) -> dict[str, Any]:
    schema = {"type": "string", "enum": values} if values else {"type": "string"}
    return {"name": name, "in": place, "description": description, "schema": schema}
