"""Nothing that a stranger sends raises: every request is parsed or is an OAuth error."""

import base64
import json

from authlib.oauth2.rfc6749 import InvalidClientError
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.auth.client_assertion import ASSERTION_TYPE, parse_client_assertion
from bhr_api.auth.request_form import EndpointRequest, read_request

FORM = "application/x-www-form-urlencoded"
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
HEADERS = st.fixed_dictionaries(
    {"alg": st.sampled_from(["RS384", "ES384", "none", 1])},
    optional={"kid": JSON_VALUES, "typ": JSON_VALUES, "jku": JSON_VALUES, "crit": JSON_VALUES},
)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(st.binary(), st.none() | st.text(), st.sampled_from([FORM, FORM + ";charset=utf-8", "text/plain"]))
def test_any_bytes_are_a_request_or_an_error(body: bytes, authorization: str | None, content_type: str) -> None:
    parsed = read_request(EndpointRequest(content_type, body, authorization, "192.0.2.1", "r"))

    for name, value in parsed.form.items():
        assert (name + value).isascii()
        assert (name + value).isprintable()
    assert parsed.error is None or parsed.error.error in ("invalid_request", "invalid_client")


@given(st.binary())
def test_any_basic_credentials_are_printable_or_refused(credentials: bytes) -> None:
    header = "Basic " + base64.b64encode(credentials).decode()

    parsed = read_request(EndpointRequest(FORM, b"", header, "192.0.2.1", "r"))

    assert parsed.error is not None or parsed.claimed_client_id.isprintable()


@given(HEADERS | JSON_VALUES, JSON_VALUES | st.dictionaries(st.sampled_from(["sub", "exp", "aud"]), JSON_VALUES))
def test_any_json_is_an_assertion_or_refused(header: object, claims: object) -> None:
    text = f"{segment(header)}.{segment(claims)}.AAAA"

    try:
        assertion = parse_client_assertion(text)
    except InvalidClientError:
        return
    assert isinstance(header, dict)
    assert isinstance(claims, dict)
    assert (assertion.client_id, assertion.kid) == (claims["sub"], header["kid"])


def test_a_charset_in_the_content_type_is_fine() -> None:
    parsed = read_request(EndpointRequest(FORM + "; charset=UTF-8", b"a=b", None, "192.0.2.1", "r"))

    assert (parsed.error, parsed.form) == (None, {"a": "b"})


def test_an_empty_parameter_counts_as_omitted() -> None:
    body = f"client_assertion_type={ASSERTION_TYPE}&client_assertion=&client_id=c".encode()

    parsed = read_request(EndpointRequest(FORM, body, None, "192.0.2.1", "r"))

    assert "client_assertion" not in parsed.form
    assert parsed.claimed_client_id == "c"
