"""FHIR's URL grammar: what a method and an address ask for (FHIR R4, http.html#summary).

The same grammar serves HTTP requests and the entries of a batch or transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from bhr_api.errors import (
    InvalidParameterError,
    MalformedRequestError,
    MethodNotAllowedError,
    NotFoundError,
    UnknownTypeError,
)
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource
from bhr_api.fhir.references import ID

Parameters = Sequence[tuple[str, str]]

# The server's own record: readable with a scope, writable by nobody.
SERVER_WRITTEN = frozenset({"AuditEvent"})


@dataclass(slots=True)
class Request:
    """One interaction as it was asked for.

    `interaction` is the restful-interaction code, with `conditional-` before it where the address is a search; `operation` is
    the name of a named operation, without its dollar sign. Header values are the bare versions and criteria. `body` is the
    JSON text, of the media type `content_type` where the interaction takes several; `resource` is its parsed form where a
    bundle has it.
    """

    interaction: str
    resource_type: str = ""
    id: str = ""
    version_id: str = ""
    operation: str = ""
    is_post: bool = False
    parameters: Parameters = ()
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_none_exist: str | None = None
    body: bytes | None = None
    content_type: str = ""
    resource: Resource | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


# The operations that a version has as well as its resource (resource-operation-meta.html).
_OF_VERSIONS = frozenset({"meta"})
_OPERATION = {"GET": "operation", "POST": "operation"}
# What each shape of path takes; HEAD goes wherever GET goes.
_SYSTEM = {"GET": "search-system", "POST": "transaction"}
_TYPE = {
    "GET": "search-type",
    "POST": "create",
    "PUT": "conditional-update",
    "PATCH": "conditional-patch",
    "DELETE": "conditional-delete",
}
_INSTANCE = {"GET": "read", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def parse_request(method: str, path: str, query: str) -> Request:
    """The interaction that `method` on `path` (below the base, without leading slash) with `query` asks for.

    Raises UnknownTypeError, NotFoundError, MethodNotAllowedError, MalformedRequestError.
    """
    parts = [unquote(part) for part in path.split("/")] if path else []
    if parts and parts[-1] == "":
        parts.pop()
    parameters = parse_parameters(query)
    if parts and parts[-1].startswith("$"):
        return _operation(method, parts, parameters)
    match parts:
        case []:
            return Request(_offered(method, _SYSTEM), parameters=parameters)
        case ["metadata"]:
            return Request(_offered(method, {"GET": "capabilities"}), parameters=parameters)
        case ["_search"]:
            return Request(_offered(method, {"POST": "search-system"}), parameters=parameters)
        case ["_history"]:
            return Request(_offered(method, {"GET": "history-system"}), parameters=parameters)
        case ["$async-status", job]:
            asked = {"GET": "async-status", "DELETE": "async-cancel"}
            return Request(_offered(method, asked), id=job, parameters=parameters)
    resource_type, *rest = parts
    _refuse_unknown_type(resource_type)
    match rest:
        case []:
            return Request(_offered(method, _TYPE), resource_type, parameters=parameters)
        case ["_search"]:
            return Request(_offered(method, {"POST": "search-type"}), resource_type, parameters=parameters)
        case ["_history"]:
            return Request(_offered(method, {"GET": "history-type"}), resource_type, parameters=parameters)
        case [id]:
            return Request(_offered(method, _INSTANCE), resource_type, _checked(id), parameters=parameters)
        case [id, "_history"]:
            allowed = {"GET": "history-instance"}
            return Request(_offered(method, allowed), resource_type, _checked(id), parameters=parameters)
        case [id, "_history", version_id]:
            interaction = _offered(method, {"GET": "vread"})
            return Request(interaction, resource_type, _checked(id), version_id, parameters=parameters)
        case [id, compartment_type] if resource_type == "Patient" and compartment_type in RESOURCE_TYPE_NUMBERS:
            interaction = _offered(method, {"GET": "search-compartment"})
            return Request(interaction, compartment_type, _checked(id), parameters=parameters)
    raise NotFoundError(f"There is nothing at {path[:200]!r}.")


def _operation(method: str, parts: Sequence[str], parameters: Parameters) -> Request:
    """operations.html#request: `$name` of the system, of a type, of an instance or of a version."""
    *place, name = parts
    request = Request(_offered(method, _OPERATION), operation=name[1:], is_post=method == "POST", parameters=parameters)
    if len(place) == 4 and place[2] == "_history" and request.operation in _OF_VERSIONS:
        request.version_id = place[3]
        place = place[:2]
    if len(place) > 2:
        raise NotFoundError(f"There is no operation at {'/'.join(parts)[:200]!r}.")
    if place:
        request.resource_type = place[0]
        _refuse_unknown_type(place[0])
    if len(place) == 2:
        request.id = _checked(place[1])
    return request


def _refuse_unknown_type(name: str) -> None:
    if name not in RESOURCE_TYPE_NUMBERS:
        raise UnknownTypeError(f"{name[:64]!r} is no R4 resource type (names are case-sensitive).")


def _offered(method: str, offered: Mapping[str, str]) -> str:
    interaction = offered.get("GET" if method == "HEAD" else method)
    if interaction is None:
        raise MethodNotAllowedError(method[:20], [*offered, *(["HEAD"] if "GET" in offered else [])])
    return interaction


def _checked(id: str) -> str:
    if not ID.fullmatch(id):
        raise MalformedRequestError(
            f"{id[:80]!r} is no resource id: 1 to 64 letters, digits, - and . (R4 datatypes.html#id)."
        )
    return id


MAXIMUM_PARAMETERS = 1000


def parse_parameters(query: str) -> list[tuple[str, str]]:
    """The decoded parameters of a query or form, in their order. Raises InvalidParameterError, MalformedRequestError."""
    if not query:
        return []
    parts = query.split("&")
    refuse_too_many(len(parts))
    found = []
    for part in parts:
        name, _, value = part.partition("=")
        if name:
            found.append((_decoded(name, "name"), _decoded(value, name)))
    return found


def refuse_too_many(count: int) -> None:
    """Raises MalformedRequestError for more parameters than a request may have, in address and form together."""
    if count > MAXIMUM_PARAMETERS:
        raise MalformedRequestError(f"A request has at most {MAXIMUM_PARAMETERS} parameters; this one has {count}.")


def _decoded(text: str, name: str) -> str:
    if "%" not in text and "+" not in text and text.isascii():
        decoded = text
    else:
        try:
            decoded = unquote(text.replace("+", " "), errors="strict")
        except UnicodeDecodeError as error:
            raise InvalidParameterError(name[:60], "", "the percent-encoding is not of UTF-8 text") from error
    if "\0" in decoded:
        raise InvalidParameterError(name[:60], "", "there is no NUL character in FHIR")
    return decoded
