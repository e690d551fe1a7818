"""The form and credentials of a request to an OAuth endpoint (RFC 6749 §2.3, §3.2, appendices A and B).

Everything that comes from here is printable ASCII and occurs once, so that no later step meets a hostile character.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError

from bhr_api.auth.client_assertion import ASSERTION_TYPE, ClientAssertion, parse_client_assertion

MOST_BYTES = 64 * 1024
_MOST_FIELDS = 50
# RFC 6749 appendix A: VSCHAR, of which all that a client sends here consists.
_VISIBLE = re.compile(r"[\x20-\x7e]*")
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """A request to one of the endpoints for programs, as HTTP delivered it."""

    content_type: str
    body: bytes
    authorization: str | None
    source_address: str
    request_id: str

    @property
    def bearer(self) -> str | None:
        """The access token in the Authorization header (RFC 6750 §2.1)."""
        scheme, _, value = (self.authorization or "").partition(" ")
        return value.strip() if scheme.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class BasicCredentials:
    """`client_secret_basic` (RFC 6749 §2.3.1)."""

    client_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class PostedCredentials:
    """`client_secret_post` (RFC 6749 §2.3.1)."""

    client_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class BearerCredentials:
    """An access token as authorization, which the introspection endpoint takes (RFC 7662 §2.1)."""

    token: str
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class NoCredentials:
    """The client did not authenticate; `client_id` is what it calls itself."""

    client_id: str


Credentials = BasicCredentials | PostedCredentials | BearerCredentials | ClientAssertion | NoCredentials


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A request taken apart, or the `error` that it is."""

    form: Mapping[str, str]
    credentials: Credentials
    error: OAuth2Error | None = None

    @property
    def claimed_client_id(self) -> str:
        """Who the client says it is, unproven."""
        return self.credentials.client_id


def read_request(request: EndpointRequest) -> ParsedRequest:
    """The form and the credentials of a request; what is wrong with it is kept as its `error`."""
    form: Mapping[str, str] = {}
    try:
        form = read_form(request)
        return ParsedRequest(form, read_credentials(form, request.authorization))
    except OAuth2Error as error:
        return ParsedRequest(form, NoCredentials(form.get("client_id", "")), error)


def is_form(content_type: str) -> bool:
    """Whether a Content-Type announces a form."""
    return content_type.partition(";")[0].strip().lower() == FORM


def read_form(request: EndpointRequest) -> Mapping[str, str]:
    """The form's fields. Raises Authlib's `InvalidRequestError` for any other body."""
    if not is_form(request.content_type):
        raise InvalidRequestError(f"Send the parameters as {FORM}.")
    try:
        fields = parse_qsl(
            request.body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError as error:
        raise InvalidRequestError("The body is not a form in UTF-8, or has too many fields.") from error
    if any(not _VISIBLE.fullmatch(name + value) for name, value in fields):
        raise InvalidRequestError("Parameters consist of printable ASCII characters.")
    form = dict(fields)
    if len(form) < len(fields):
        # RFC 6749 §3.2: request parameters MUST NOT be included more than once.
        raise InvalidRequestError("A parameter is repeated.")
    # RFC 6749 §3.2: a parameter without a value is treated as omitted.
    return {name: value for name, value in form.items() if value}


def read_credentials(form: Mapping[str, str], authorization: str | None) -> Credentials:
    """How the client says who it is.

    Raises Authlib's `InvalidRequestError` for several ways at once and `InvalidClientError` for a broken one.
    """
    ways = [authorization is not None, "client_secret" in form, "client_assertion" in form]
    if sum(ways) > 1:
        # RFC 6749 §2.3: one authentication method in each request.
        raise InvalidRequestError("Several client authentication methods in one request.")
    if authorization is not None:
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return BearerCredentials(value.strip())
        return _agreeing(_basic(scheme, value), form)
    if "client_assertion" in form:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise InvalidClientError(f"client_assertion_type is {ASSERTION_TYPE}.")
        return _agreeing(parse_client_assertion(form["client_assertion"]), form)
    client_id = form.get("client_id", "")
    return PostedCredentials(client_id, form["client_secret"]) if "client_secret" in form else NoCredentials(client_id)


def _agreeing(credentials: BasicCredentials | ClientAssertion, form: Mapping[str, str]) -> Credentials:
    # RFC 7521 §4.2: the client_id parameter, where present, identifies the same client as the assertion.
    if form.get("client_id", credentials.client_id) != credentials.client_id:
        raise InvalidClientError("client_id differs from the authenticating client.")
    return credentials


def _basic(scheme: str, encoded: str) -> BasicCredentials:
    try:
        if scheme.lower() != "basic":
            raise ValueError("another scheme")
        name, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode("ascii").partition(":")
    except (ValueError, binascii.Error) as error:
        raise InvalidClientError("The Authorization header is no HTTP Basic credential.", status_code=401) from error
    name, secret = unquote_plus(name), unquote_plus(secret)
    if not colon or not _VISIBLE.fullmatch(name + secret):
        raise InvalidClientError("The Authorization header is no HTTP Basic credential.", status_code=401)
    return BasicCredentials(name, secret)
