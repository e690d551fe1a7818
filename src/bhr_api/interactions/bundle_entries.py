"""Entries of batch and transaction bundles: what they ask for, and the bundle that answers them (R4 http.html#transaction)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bhr_api.errors import MalformedRequestError
from bhr_api.fhir import json_text
from bhr_api.fhir.bundles import quoted
from bhr_api.fhir.dates import instant_text
from bhr_api.fhir.definitions import Resource
from bhr_api.interactions.context import Context
from bhr_api.interactions.patch import take_patch
from bhr_api.interactions.requests import Request, parse_request
from bhr_api.interactions.results import Result

# A body from this size on is read and checked in a thread, so that other requests get their turn meanwhile.
LARGE_BYTES = 500_000

# http.html#trules: the order of processing.
_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}


@dataclass(slots=True)
class Entry:
    """One entry: its place in the bundle, the fullUrl by which others may refer to it, and its request."""

    position: int
    full_url: str | None
    method: str
    request: Request

    @property
    def order(self) -> int:
        """Its turn in a transaction."""
        return _ORDER[self.method]


def parse_entries(bundle: Resource) -> list[Entry]:
    """The entries of a batch or transaction. Raises MalformedRequestError for one that has no proper request."""
    return [parse_entry(position, entry) for position, entry in enumerate(bundle.get("entry", ()))]


def parse_entry(position: int, entry: Any) -> Entry:
    """One entry. Raises MalformedRequestError that names it."""
    place = f"Bundle.entry[{position}]"
    asked = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(asked, dict):
        asked = {}
    method, url = asked.get("method"), asked.get("url")
    if method not in _ORDER or not isinstance(url, str):
        raise MalformedRequestError(f"{place} needs a request with method and url.", expression=f"{place}.request")
    path, _, query = url.partition("?")
    request = parse_request(method, path.lstrip("/"), query)
    if request.interaction in ("transaction", "capabilities", "async-status", "async-cancel"):
        raise MalformedRequestError(
            f"{place}: a bundle's entries are reads, searches, histories and writes of resources.",
            expression=f"{place}.request.url",
        )
    request.if_match = version_of(asked.get("ifMatch"))
    request.if_none_match = asked.get("ifNoneMatch")
    request.if_modified_since = asked.get("ifModifiedSince")
    request.if_none_exist = asked.get("ifNoneExist")
    request.resource = entry.get("resource")
    if method == "PATCH":
        take_patch(request, place)
    if request.interaction != "operation":
        # An operation's body is of Parameters, or none.
        _require_resource(place, method, url, request)
    return Entry(position, entry.get("fullUrl"), method, request)


def _require_resource(place: str, method: str, url: str, request: Request) -> None:
    """What is written is sent, and is of the type of its address."""
    if method in ("POST", "PUT") and not isinstance(request.resource, dict):
        raise MalformedRequestError(f"{place} has method {method} but no resource.", expression=f"{place}.resource")
    if method in ("POST", "PUT") and request.resource and request.resource.get("resourceType") != request.resource_type:
        raise MalformedRequestError(
            f"{place} sends a {request.resource.get('resourceType')} to {url.split('?')[0]}.",
            expression=f"{place}.resource",
        )


def without_body(result: Result) -> Result:
    """What a HEAD is answered: all but the resource (http.html#head)."""
    result.body = None
    return result


def version_of(etag: str | None) -> str | None:
    """The version id in an entity tag such as `W/"3"`; also of a bare 3, as many clients send."""
    if etag is None:
        return None
    return etag.strip().removeprefix("W/").strip('"')


def response_bundle(type: str, base_url: str, results: Sequence[Result]) -> Result:
    """The bundle that answers, with one entry for each result."""
    return bundle_of(type, [response_entry(base_url, result) for result in results])


def bundle_of(type: str, response_entries: Sequence[bytes]) -> Result:
    """The same of entries that are made already."""
    entries = b",".join(response_entries)
    body = b'{"resourceType":"Bundle","type":"%b"%b}' % (type.encode(), b',"entry":[%b]' % entries if entries else b"")
    return Result(200, body)


def response_entry(base_url: str, result: Result) -> bytes:
    """The entry of one result."""
    parts = [b'"status":%b' % quoted(str(result.status))]
    if result.location is not None:
        parts.append(b'"location":%b' % quoted(f"{base_url}/{result.location}"))
    if result.etag is not None:
        parts.append(b'"etag":%b' % quoted(result.etag))
    if result.last_updated is not None:
        parts.append(b'"lastModified":"%b"' % instant_text(result.last_updated).encode())
    if result.status >= 400 and result.body is not None:
        parts.append(b'"outcome":%b' % result.body)
    response = b'"response":{%b}' % b",".join(parts)
    if result.status >= 400 or result.body is None:
        return b"{%b}" % response
    full_url = b'"fullUrl":%b,' % quoted(f"{base_url}/{result.resource_type}/{result.id}") if result.id else b""
    return b'{%b"resource":%b,%b}' % (full_url, result.body, response)


def outcome_result(status: int, outcome: Resource) -> Result:
    """The result of an entry that was refused."""
    return Result(status, json_text.dumps(outcome))


def shown(context: Context, result: Result) -> Result:
    """The result of a write inside a bundle: without its resource for who wants none or may not read it."""
    if context.minimal or not context.caller.may("r", result.resource_type):
        result.body = None
    return result
