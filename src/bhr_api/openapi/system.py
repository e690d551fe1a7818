"""What is not about one type: capabilities, batch and transaction, system history, compartments (FHIR R4, http.html)."""

from typing import Any

from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.openapi.answers import content, headers, refusals
from bhr_api.openapi.operations import SHARED_PARAMETERS, Paths, history_answer, parameter_refs
from bhr_api.openapi.schemas import ANY_RESOURCE, ref

TAG = "System"


def system_paths() -> Paths:
    """The addresses of the whole system and of a patient's compartment."""
    return {
        "/fhir": _item({}, post=_transaction()),
        "/fhir/metadata": _item({}, get=_capabilities()),
        "/fhir/_history": _item({}, get=_history()),
        "/fhir/Patient/{id}/{type}": _item(("id", "type"), get=_compartment()),
    }


def _item(path_parameters: Any, **operations: dict[str, Any]) -> dict[str, Any]:
    return {"parameters": parameter_refs(*path_parameters, *SHARED_PARAMETERS), **operations}


def _operation(name: str, summary: str, text: str, answers: dict[str, Any]) -> dict[str, Any]:
    return {"tags": [TAG], "summary": summary, "description": text, "operationId": name, "responses": answers}


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
    return _operation("transaction", "Batch or transaction", text, {"200": answer, **refused}) | {"requestBody": body}


def _capabilities() -> dict[str, Any]:
    answer = {
        "description": "The CapabilityStatement.",
        "headers": headers(),
        "content": content(ref(ANY_RESOURCE)),
    }
    refused = refusals(everywhere=("NotAcceptable", "AddressTooLong", "InternalError"))
    text = "Which types, interactions and search parameters are served, and where the OAuth endpoints are."
    return _operation("capabilities", "What the server does", text, {"200": answer, **refused}) | {"security": []}


def _history() -> dict[str, Any]:
    text = "The versions of all resources that the token may search, newest first."
    operation = _operation(
        "history_system",
        "The versions of everything",
        text,
        {"200": history_answer(), **refusals("BadRequest", "TooCostly")},
    )
    return operation | {"parameters": parameter_refs("_count", "_since", "_at", "_cursor")}


def _compartment() -> dict[str, Any]:
    answer = {
        "description": "A page of matches with what comes with them; follow the `next` link for more.",
        "headers": headers(),
        "content": content(ref("AnySearchset")),
    }
    text = "Search the resources of a type that refer to the patient (R4 compartmentdefinition-patient)."
    refused = refusals("BadRequest", "NotFound", "TooCostly")
    operation = _operation("compartment_search", "Search a patient's compartment", text, {"200": answer, **refused})
    controls = ("_count", "_sort", "_total", "_summary", "_elements", "_cursor")
    return operation | {"parameters": parameter_refs(*controls, "criteria", "Prefer-handling")}


def parameter_components() -> dict[str, Any]:
    """Parameters of paths, headers and histories, and those that every address takes."""
    return {
        "type": _path("type", {"type": "string", "enum": list(RESOURCE_TYPES)}, "An R4 resource type.", "Medication"),
        "id": _path("id", ref("id"), "The resource's id.", "sample-0001"),
        "version_id": _path("version_id", {"type": "string", "pattern": "^[0-9]+$"}, "The version, from 1.", "1"),
        "criteria": {
            "name": "criteria",
            "in": "query",
            "description": "The search parameters of the type, each under its own name; the CapabilityStatement lists them.",
            "style": "form",
            "explode": True,
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
            "example": {"identifier": "http://example.org/ids|1"},
        },
        "_since": _query("_since", "Only versions stored at this time or later.", "2026-10-01T00:00:00Z"),
        "_at": _query("_at", "Only versions that were current at some time within this date or time.", "2026-10"),
        "_format": _query("_format", "`json`; it goes before Accept.", "json"),
        "_pretty": {
            "name": "_pretty",
            "in": "query",
            "description": "Indent the answer.",
            "schema": {"type": "string", "enum": ["true", "false"]},
        },
        "X-Request-Id": _header(
            "X-Request-Id", "Your own id for the request; the answer repeats it.", "3f1c5b0e9a7d4c21"
        )
        | {"schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}},
        "If-Match": _header("If-Match", "The version that must be the current one.", 'W/"1"'),
        "If-None-Match": _header("If-None-Match", "The version that the client has.", 'W/"1"'),
        "If-Modified-Since": _header("If-Modified-Since", "An HTTP date.", "Sun, 01 Nov 2026 15:30:00 GMT"),
        "If-None-Exist": _header("If-None-Exist", "Search parameters as in an address.", "identifier=urn:example|1"),
        "Prefer": _header("Prefer", "What to answer a write with.", "return=representation")
        | {"schema": {"type": "string", "enum": [f"return={what}" for what in _RETURN]}},
        "Prefer-handling": _header("Prefer", "What becomes of unknown search parameters.", "handling=strict")
        | {"schema": {"type": "string", "enum": ["handling=strict", "handling=lenient"]}},
    }


_RETURN = ("representation", "minimal", "OperationOutcome")


def _path(name: str, schema: dict[str, Any], description: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
        "example": example,
    }


def _query(name: str, description: str, example: str) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"name": name, "in": "query", "description": description, "schema": schema, "example": example}


def _header(name: str, description: str, example: str) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"name": name, "in": "header", "description": description, "schema": schema, "example": example}
