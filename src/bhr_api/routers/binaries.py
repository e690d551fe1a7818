"""Binary in its own format: raw content in and out (FHIR R4, binary.html#rest and http.html#binary)."""

from base64 import b64decode, b64encode

from bhr_api.errors import InvalidParameterError, UnsupportedMediaTypeError
from bhr_api.fhir import json_text
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.routers.requests import Headers, takes_json
from bhr_api.routers.responses import RawHeaders

_READS = frozenset({"read", "vread"})
_WRITES = frozenset({"create", "update"})
# What a client sent may be a page with scripts: it is never shown as one of this server's own.
_NOT_OURS: RawHeaders = [
    (b"content-disposition", b"attachment"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"x-content-type-options", b"nosniff"),
]


def is_raw_read(request: Request, headers: Headers, format: str | None) -> bool:
    """Whether a Binary is asked for "in its native form": by an Accept that takes no FHIR."""
    is_read = request.resource_type == "Binary" and request.interaction in _READS
    asks_fhir = "fhir" in (headers.get(b"accept") or "").lower()
    return is_read and format is None and not asks_fhir and not takes_json(headers)


def require_whole(request: Request) -> None:
    """Refuse a part of raw content: `_summary` and `_elements` are of resources. Raises InvalidParameterError."""
    for name, value in request.parameters:
        if value and (name == "_elements" or (name == "_summary" and value != "false")):
            raise InvalidParameterError(name, value, "raw content comes whole; a part of a Binary is FHIR's JSON")


def is_raw_write(request: Request, headers: Headers) -> bool:
    """Whether a Binary is sent as its content: "the content type is not one of the FHIR types"."""
    is_write = request.resource_type == "Binary" and request.interaction in _WRITES
    return is_write and not _media_type(headers).lower().endswith(("json", "+xml", "/xml"))


def binary_of(request: Request, headers: Headers, content: bytes) -> bytes:
    """The Binary resource of raw content; X-Security-Context names whose it is.

    Raises UnsupportedMediaTypeError for content without type.
    """
    media_type = _media_type(headers)
    if not media_type:
        raise UnsupportedMediaTypeError("Raw content of a Binary needs its Content-Type.")
    resource = {"resourceType": "Binary", "contentType": media_type, "data": b64encode(content).decode()}
    if request.id:
        resource["id"] = request.id
    context = headers.get(b"x-security-context")
    security = {"securityContext": {"reference": context}} if context else {}
    return json_text.dumps({**resource, **security})


def raw_content(result: Result) -> tuple[bytes, RawHeaders]:
    """The content of the Binary, and the headers that it needs."""
    assert result.body is not None
    resource = json_text.parse(result.body)
    headers = [*_NOT_OURS, (b"content-type", str(resource.get("contentType")).encode())]
    reference = resource.get("securityContext", {}).get("reference")
    if reference:
        headers.append((b"x-security-context", str(reference).encode()))
    return b64decode(resource.get("data", "")), headers


def _media_type(headers: Headers) -> str:
    return (headers.get(b"content-type") or "").strip()
