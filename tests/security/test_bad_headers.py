"""Odd headers are taken for nothing or refused (SECURITY.md section 3)."""

import httpx
import pytest

from tests.security.answers import require_alive, require_proper
from tests.security.minimal_resources import minimal_resource

HEADER_VALUES: list[bytes] = [
    b"",
    b"*",
    b"W/",
    b'W/"',
    b'W/"1',
    b'"1"',
    b"1",
    b"-1",
    b'W/"99999999999999999999999999"',
    b'W/"1", W/"2"',
    b"\xff\xfe",
    "Ü".encode(),
    b"\x80" * 50,
    b"'; DROP TABLE resource;--",
    b"a\tb",
    b",,,;;;===",
    b"return",
    b"return=",
    b"return=nonsense; handling=nonsense",
    b"handling=lenient, handling=strict",
    b"identifier=",
    b"identifier=a|b",
    b"identifier=%00",
    b"identifier=%ff",
    b"?identifier=a",
    b"Patient?identifier=a",
    b"Observation?code=a",
    b"nothing=1",
    b"_id=one",
    b"_sort=x&_count=0&_include=*",
    b"&" * 1001,
    b"identifier=" + b"a," * 1001,
    b"Fri, 31 Dec 9999 23:59:59 GMT",
    b"Mon, 01 Jan 0001 00:00:00 +1400",
    b"Mon, 01 Jan 0001 00:00:00 GMT",
    b"Sun, 06 Nov 1994 08:49:37 +99999999999999999999",
    b"Sun, 06 Nov 99999999 08:49:37 GMT",
    b"Sun, 99 Nov 1994 99:99:99 GMT",
    b"Sunday, 06-Nov-94 08:49:37 GMT",
    b"0",
    b"9" * 5000,
    b"application/fhir+json;q=0",
    b"application/fhir+json;q=nonsense",
    b"*/*;q=",
    b"x" * 8000,
]
HEADER_NAMES = [
    "If-Match",
    "If-None-Match",
    "If-None-Exist",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "Prefer",
    "Accept",
    "Accept-Encoding",
    "Accept-Charset",
    "X-Request-Id",
    "X-HTTP-Method-Override",
    "X-Forwarded-Host",
    "Forwarded",
    "Range",
    "Expect",
    "Origin",
    "Cookie",
]


@pytest.mark.parametrize("name", HEADER_NAMES)
def test_an_odd_header_is_taken_or_refused(filled: httpx.Client, name: str) -> None:
    patient = minimal_resource("Patient", "one", "one", "words")
    for value in HEADER_VALUES:
        headers = {name.encode(): value}
        require_proper(filled.get("/Patient/one", headers=headers), 200, 304, 400, 406)
        require_proper(filled.get("/Patient?_id=one", headers=headers), 200, 400, 406)
        require_proper(filled.put("/Patient/one", json=patient, headers=headers), 200, 400, 406, 412)
        require_proper(filled.post("/Patient", json=patient, headers=headers), 200, 201, 400, 406, 412)
        require_proper(filled.delete("/Patient/none", headers=headers), 204, 400, 406, 412)
    require_alive(filled)


@pytest.mark.parametrize("value", HEADER_VALUES, ids=repr)
def test_the_request_id_is_echoed_only_if_it_is_well_formed(client: httpx.Client, value: bytes) -> None:
    answer = client.get("/metadata", headers={b"X-Request-Id": value})
    echoed = answer.headers["x-request-id"].encode("latin-1")
    assert echoed == value or not value.replace(b"-", b"").isalnum() or len(value) > 64
    assert len(echoed) <= 64
    assert echoed.replace(b"-", b"").replace(b".", b"").replace(b"_", b"").isalnum()
