"""From results to HTTP: status, headers and the stored bytes (FHIR R4, http.html)."""

import json
import zlib
from email.utils import format_datetime

from bhr_api.errors import Issue, RefusalError, operation_outcome
from bhr_api.fhir import json_text
from bhr_api.interactions.results import Result
from bhr_api.routers.requests import Headers, Send

# An answer may hold a resource of the greatest depth inside bundles.
_BUNDLE_LEVELS = 20
_GZIP_FROM = 1000
_CONTENT_TYPE = (b"content-type", b"application/fhir+json; charset=utf-8")
# A client may keep what it read, but must ask whether it still holds: the record changes, and so does who may see it.
_CACHE = (b"cache-control", b"private, no-cache")

RawHeaders = list[tuple[bytes, bytes]]


def headers_of(result: Result, base_url: str) -> RawHeaders:
    """The headers that belong to a result: ETag, Last-Modified, Location (http.html#versioning)."""
    headers: RawHeaders = []
    if result.etag is not None:
        headers.append((b"etag", result.etag.encode()))
    if result.last_updated is not None:
        headers.append((b"last-modified", format_datetime(result.last_updated, usegmt=True).encode()))
    if result.location is not None:
        location = f"{base_url}/{result.location}".encode()
        # http.html#create: Location for what was created; http.html#update: Content-Location elsewhere is harmless.
        headers.append((b"location", location))
        headers.append((b"content-location", location))
    headers += [(name.lower().encode(), value.encode()) for name, value in result.headers.items()]
    return headers


def written_body(result: Result, preference: str | None, *, may_read: bool) -> bytes | None:
    """What a write answers: the resource unless `Prefer: return=` says otherwise (http.html#return)."""
    if preference == "OperationOutcome":
        done = {201: "created", 200: "stored", 204: "deleted"}.get(result.status, "done")
        name = f"{result.resource_type}/{result.id}" if result.id else "Nothing"
        text = f"{name} was {done}." if result.id else "Nothing met the criteria; nothing was changed."
        issues = result.issues or [Issue("information", "informational", text)]
        return json_text.dumps(operation_outcome(issues))
    if preference == "minimal" or not may_read:
        return None
    return result.body


def pretty(body: bytes) -> bytes:
    """`body` with indentation, digits and key order as they are."""
    return _indented(json_text.parse(body, levels=json_text.MAX_DEPTH + _BUNDLE_LEVELS), 0).encode()


def _indented(value: object, depth: int) -> str:
    pad, inner = "  " * depth, "  " * (depth + 1)
    if isinstance(value, dict) and value:
        members = [f"{inner}{json.dumps(name)}: {_indented(item, depth + 1)}" for name, item in value.items()]
        return "{\n" + ",\n".join(members) + f"\n{pad}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(inner + _indented(item, depth + 1) for item in value) + f"\n{pad}]"
    return json_text.dumps(value).decode()


async def send_response(
    send: Send, status: int, headers: RawHeaders, body: bytes | None, request: Headers | None, *, head: bool = False
) -> None:
    """Send a FHIR response, compressed when the client takes it and it is worth it."""
    headers = [_CACHE, *headers]
    if body is not None:
        if not any(name == b"content-type" for name, _ in headers):
            headers.append(_CONTENT_TYPE)
        if len(body) > _GZIP_FROM and request is not None and "gzip" in (request.get(b"accept-encoding") or ""):
            body = _gzip(body)
            headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
    if status not in (204, 304):
        headers.append((b"content-length", str(len(body or b"")).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head or body is None else body})


def _gzip(body: bytes) -> bytes:
    # Level 1 gives FHIR's JSON nine tenths of the saving at a third of the time.
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    return compressor.compress(body) + compressor.flush()


async def send_refusal(
    send: Send, error: RefusalError, request: Headers | None, request_id: str, *, head: bool, close: bool
) -> None:
    """Send what a refusal says: its status, headers and OperationOutcome.

    `close`: the request's body was not read to its end, and nobody will (RFC 9110 §15.5.14).
    """
    headers: RawHeaders = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    headers.append((b"x-request-id", request_id.encode()))
    if close:
        headers.append((b"connection", b"close"))
    await send_response(send, error.status, headers, json_text.dumps(error.outcome), request, head=head)
