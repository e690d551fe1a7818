"""What an HTTP request says: headers, preferences, formats and the bounded body (FHIR R4, http.html#general)."""

import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import Request

from bhr_api.errors import MalformedRequestError, NotAcceptableError, TooLargeError, UnsupportedMediaTypeError
from bhr_api.interactions.patch import PATCH_TYPES, PLAIN_JSON

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

FHIR_JSON = "application/fhir+json"
_JSON_TYPES = frozenset({FHIR_JSON, "application/json", "text/json", "application/json+fhir"})
_ANY_JSON = frozenset({*_JSON_TYPES, "*/*", "application/*", "text/*"})
_VERSIONS = frozenset({"4.0", "4.0.1"})
_FORM = "application/x-www-form-urlencoded"
_PROCESS = secrets.token_hex(6)
_NUMBERS = itertools.count(1)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class Headers:
    """The headers of one request, by lower-case name."""

    __slots__ = ("_has_two_tokens", "_values")

    def __init__(self, scope: Scope) -> None:
        values: dict[bytes, bytes] = {}
        self._has_two_tokens = False
        for name, value in scope["headers"]:
            self._has_two_tokens |= name == b"authorization" and name in values
            values[name] = values[name] + b"," + value if name in values else value
        self._values = values

    def get(self, name: bytes) -> str | None:
        """The value of `name`, None where it is absent."""
        value = self._values.get(name)
        return None if value is None else value.decode("latin-1")

    def authorization(self) -> str | None:
        """The one Authorization header (RFC 6750 §2). Raises MalformedRequestError for two."""
        if self._has_two_tokens:
            raise MalformedRequestError("There is more than one Authorization header.")
        return self.get(b"authorization")

    def announces_body(self) -> bool:
        """Whether a body follows the head (RFC 9112 §6.3)."""
        return self._values.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in self._values

    def request_id(self) -> str:
        """The client's own X-Request-Id if it is well formed, else a new one."""
        sent = self.get(b"x-request-id")
        return sent if sent is not None and _REQUEST_ID.fullmatch(sent) else f"{_PROCESS}-{next(_NUMBERS):x}"

    def prefers(self) -> dict[str, str]:
        """The preferences of `Prefer` (RFC 7240): return, handling, ..."""
        sent = self.get(b"prefer")
        if sent is None:
            return {}
        parts = (part.partition("=") for part in re.split("[,;]", sent))
        return {name.strip().lower(): value.strip().strip('"') for name, _, value in parts}


def require_json_answer(headers: Headers, format: str | None) -> None:
    """Refuse the client who takes no JSON. `_format` overrides Accept (http.html#parameters)."""
    if format is not None:
        if format.split(";")[0].strip().replace(" ", "+") not in {*_JSON_TYPES, "json"}:
            raise NotAcceptableError(f"The format {format[:60]!r} is not offered; this server speaks {FHIR_JSON}.")
        if any(_is_of_another_version(parameter) for parameter in format.lower().split(";")):
            raise NotAcceptableError(f"The format {format[:60]!r} is of another version; this server speaks FHIR R4.")
        return
    if not takes_json(headers):
        accept = headers.get(b"accept") or ""
        raise NotAcceptableError(f"Accept: {accept[:100]!r} takes no JSON of FHIR R4; this server speaks {FHIR_JSON}.")


def takes_json(headers: Headers) -> bool:
    """Whether Accept takes FHIR's JSON by any of its names (RFC 9110 §12.5.1)."""
    accept = headers.get(b"accept")
    if not accept:
        return True
    for part in accept.split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        is_refused = any(_is_zero(parameter) or _is_of_another_version(parameter) for parameter in parameters)
        if media_type in _ANY_JSON and not is_refused:
            return True
    return False


def _is_of_another_version(parameter: str) -> bool:
    """http.html#version-parameter: `fhirVersion` names the major and minor version that is spoken."""
    name, _, value = (piece.strip().strip('"') for piece in parameter.partition("="))
    return name == "fhirversion" and value not in _VERSIONS


def _is_zero(parameter: str) -> bool:
    return re.fullmatch(r"q=0(\.0*)?", parameter.replace(" ", "")) is not None


def require_json_body(headers: Headers) -> None:
    """Refuse a body that is not announced as JSON in UTF-8."""
    _require_type(headers, _JSON_TYPES, FHIR_JSON)


def require_form_body(headers: Headers) -> None:
    """Refuse a body that is not announced as a form."""
    _require_type(headers, frozenset({_FORM}), _FORM)


def require_patch_body(headers: Headers) -> str:
    """The kind of patch that is announced."""
    _require_type(headers, PATCH_TYPES | {PLAIN_JSON}, ", ".join(sorted(PATCH_TYPES)))
    return (headers.get(b"content-type") or "").partition(";")[0].strip().lower()


def _require_type(headers: Headers, taken: frozenset[str], proper: str) -> None:
    sent = headers.get(b"content-type") or ""
    media_type, *parameters = (part.strip() for part in sent.split(";"))
    if media_type.lower() not in taken:
        raise UnsupportedMediaTypeError(f"Content-Type {sent[:100]!r} is not taken here; send {proper}.")
    for parameter in parameters:
        if _is_of_another_version(parameter.lower()):
            raise UnsupportedMediaTypeError(f"{parameter[:40]!r} is another version; this server speaks FHIR R4, 4.0.")
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8", "us-ascii"):
            raise UnsupportedMediaTypeError(f"The charset {value[:40]!r} is not taken; FHIR's JSON is UTF-8.")


async def bounded_body(request: Request, limit: int) -> bytes | None:
    """The body of a request outside `/fhir`, None as soon as it is over `limit` bytes, without reading on."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


async def read_body(receive: Receive, headers: Headers, limit: int) -> bytes:
    """The whole body, of at most `limit` bytes. Raises TooLargeError as soon as it is over, without reading on."""
    encoding = headers.get(b"content-encoding")
    if encoding not in (None, "identity"):
        raise UnsupportedMediaTypeError(f"Content-Encoding {encoding[:40]!r} is not taken; send the body as it is.")
    announced = headers.get(b"content-length")
    if announced is not None and announced.isdecimal() and int(announced[:20]) > limit:
        raise TooLargeError(f"The body is {announced[:20]} bytes long; at most {limit} are taken here.")
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MalformedRequestError("The client went away before the body was complete.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLargeError(f"The body is longer than the {limit} bytes that are taken here.")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
