"""Bad bodies are the client's fault and are told so: 4xx with an OperationOutcome, never 5xx (SECURITY.md section 3)."""

import json
from typing import Any

import httpx
import pytest

from tests.security.answers import require_alive, require_outcome, require_proper

EXTENSION = '{"url":"http://e.org/a","extension":['


def nested_extensions(depth: int) -> str:
    return '{"resourceType":"Patient","extension":[' + EXTENSION * depth + "1" + "]}" * depth + "]}"


def patient_with(member: str) -> str:
    return f'{{"resourceType":"Patient",{member}}}'


PLAIN = '{"resourceType":"Patient","name":[{"family":"Ü"}]}'

# What is no JSON in UTF-8, or JSON that FHIR's is not: 400.
NOT_JSON: dict[str, bytes | str] = {
    "empty": b"",
    "white space": b" \n\t ",
    "a word": b"Patient",
    "cut off": b'{"resourceType":"Pat',
    "an unclosed object": b'{"resourceType":"Patient"',
    "two values": b"{}{}",
    "a trailing comma": b'{"resourceType":"Patient",}',
    "single quotes": b"{'resourceType':'Patient'}",
    "a comment": b'/* c */{"resourceType":"Patient"}',
    "a control character": b'{"resourceType":"Patient","language":"a\x01"}',
    "XML": b'<Patient xmlns="http://hl7.org/fhir"/>',
    "a form": b"resourceType=Patient",
    "NUL": b'{"resourceType":"Patient","language":"a\0b"}',
    "only NULs": b"\0" * 1000,
    "NUL escaped": r'{"resourceType":"Patient","language":"a\u0000b"}',
    "NUL escaped in a name": r'{"resourceType":"Patient","a\u0000b":1}',
    "a high surrogate alone": r'{"resourceType":"Patient","language":"\ud800"}',
    "a low surrogate alone": r'{"resourceType":"Patient","language":"\udc00x"}',
    "surrogates in the wrong order": r'{"resourceType":"Patient","language":"\udc00\ud800"}',
    "a surrogate in a name": r'{"resourceType":"Patient","\uD83D":1}',
    "a surrogate as raw bytes": b'{"resourceType":"Patient","language":"\xed\xa0\x80"}',
    "a stray byte": b'{"resourceType":"Patient","language":"\xff"}',
    "an overlong encoding": b'{"resourceType":"Patient","language":"\xc0\x80"}',
    "a cut sequence": b'{"resourceType":"Patient","language":"\xe2\x82"}',
    "beyond Unicode": b'{"resourceType":"Patient","language":"\xf5\x80\x80\x80"}',
    "Latin-1": PLAIN.encode("latin-1"),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16 without a mark": PLAIN.encode("utf-16-le"),
    "UTF-32": PLAIN.encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "random bytes": bytes(range(256)) * 40,
    "NaN": patient_with('"multipleBirthInteger":NaN'),
    "Infinity": patient_with('"multipleBirthInteger":-Infinity'),
    "a leading zero": patient_with('"multipleBirthInteger":01'),
    "a plus sign": patient_with('"multipleBirthInteger":+1'),
    "hexadecimal": patient_with('"multipleBirthInteger":0x10'),
    "1e99999999": patient_with('"multipleBirthInteger":1e99999999'),
    "1e-99999999": patient_with('"multipleBirthInteger":1e-99999999'),
    "an exponent of 5,000 digits": patient_with('"multipleBirthInteger":1e' + "9" * 5000),
    "5,000 digits": patient_with('"multipleBirthInteger":' + "9" * 5000),
    "5,000 decimals": patient_with('"multipleBirthInteger":0.' + "1" * 5000),
    "a million digits": patient_with('"multipleBirthInteger":' + "9" * 1_000_000),
    "a duplicate name": '{"resourceType":"Patient","active":true,"active":false}',
    "a duplicate resourceType": '{"resourceType":"Patient","resourceType":"Observation"}',
    "a duplicate spelled otherwise": r'{"resourceType":"Patient","active":true,"\u0061ctive":false}',
    "a duplicate deep inside": '{"resourceType":"Patient","name":[{"family":"a","family":"b"}]}',
    "100,000 arrays": "[" * 100_000,
    "100,000 arrays, closed": "[" * 100_000 + "]" * 100_000,
    "100,000 objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "100,000 extensions": nested_extensions(100_000),
    "101 extensions": nested_extensions(101),
    "100,000 arrays in an element": patient_with('"name":' + "[" * 100_000 + "]" * 100_000),
    "a string of brackets, then depth": patient_with('"language":"[[[\\"[[","name":' + "[" * 5000 + "]" * 5000),
}

# JSON, but no resource of the address: 400 or 422.
NO_RESOURCE: dict[str, bytes | str] = {
    "null": "null",
    "true": "true",
    "a number": "1",
    "a large number": "1e400",
    "a string": '"Patient"',
    "an empty array": "[]",
    "an array": f"[{PLAIN}]",
    "an empty object": "{}",
    "no type": '{"active":true}',
    "another type": '{"resourceType":"Observation"}',
    "an unknown type": '{"resourceType":"Patiënt"}',
    "an abstract type": '{"resourceType":"DomainResource"}',
    "a data type": '{"resourceType":"HumanName"}',
    "a type that is a number": '{"resourceType":1}',
    "a type that is null": '{"resourceType":null}',
    "a type that is an object": '{"resourceType":{"a":1}}',
    "a type that is an array": '{"resourceType":["Patient"]}',
    "a type of a million characters": '{"resourceType":"' + "P" * 1_000_000 + '"}',
    "an unknown property": patient_with('"nmae":[]'),
    "a property in capitals": patient_with('"Name":[{"family":"a"}]'),
    "__proto__": patient_with('"__proto__":{"admin":true}'),
    "an empty name": patient_with('"":1'),
    "an underscore": patient_with('"_":{}'),
    "50,000 unknown properties": patient_with(",".join(f'"p{number}":{number}' for number in range(50_000))),
    "50,000 wrong elements": patient_with('"name":[' + "1," * 50_000 + "1]"),
    "200,000 wrong elements": patient_with('"name":[' + "1," * 200_000 + "1]"),
    "50,000 empty objects": patient_with('"name":[' + "{}," * 50_000 + "{}]"),
    "90 extensions": nested_extensions(40),
    "null elements": patient_with('"name":[null,null]'),
    "a bad reference": patient_with('"managingOrganization":{"reference":"../../etc/passwd"}'),
    "contained in contained": patient_with('"contained":[{"resourceType":"Patient","contained":[{}]}]'),
    "a script in the narrative": patient_with(
        '"text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><script>1</script></div>"}'
    ),
    "entities in the narrative": patient_with(
        '"text":{"status":"generated","div":"<!DOCTYPE a [<!ENTITY b SYSTEM \\"file:///etc/passwd\\">]><div>&b;</div>"}'
    ),
    "a number where 1e400 is": patient_with('"multipleBirthInteger":1e400'),
    "a date in year 0": patient_with('"birthDate":"0000-01-01"'),
    "a date in month 13": patient_with('"birthDate":"2026-13-01"'),
    "an id that is too long": patient_with('"id":"' + "a" * 65 + '"'),
}


def as_bytes(body: bytes | str) -> bytes:
    return body if isinstance(body, bytes) else body.encode()


PUT_ADDRESS = "/Patient/never"


@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_no_json_is_400(client: httpx.Client, name: str) -> None:
    body = as_bytes(NOT_JSON[name])
    for method, path in (("POST", "/Patient"), ("PUT", PUT_ADDRESS), ("POST", "")):
        answer = client.request(method, path, content=body)
        require_proper(answer, 400)
        assert answer.json()["issue"][0]["code"] in ("structure", "invalid", "value")
    require_alive(client)
    assert client.get(PUT_ADDRESS).status_code == 404


@pytest.mark.parametrize("name", NO_RESOURCE)
def test_what_is_no_resource_is_refused(client: httpx.Client, name: str) -> None:
    body = as_bytes(NO_RESOURCE[name])
    for method, path in (("POST", "/Patient"), ("PUT", PUT_ADDRESS), ("POST", "")):
        require_proper(client.request(method, path, content=body), 400, 422)
    require_alive(client)
    assert client.get(PUT_ADDRESS).status_code == 404


@pytest.mark.parametrize("name", NO_RESOURCE)
@pytest.mark.parametrize("type", ["batch", "transaction"])
def test_what_is_no_resource_is_refused_as_an_entry(client: httpx.Client, name: str, type: str) -> None:
    resource = as_bytes(NO_RESOURCE[name])
    request = b'"request":{"method":"POST","url":"Patient"}'
    body = b'{"resourceType":"Bundle","type":"%b","entry":[{"resource":%b,%b}]}' % (type.encode(), resource, request)
    answer = client.post("", content=body)
    require_proper(answer)
    if answer.status_code == 200:
        assert type == "batch"
        response = answer.json()["entry"][0]["response"]
        assert response["status"] in ("400", "422")
        require_outcome(response["outcome"], located=response["status"] == "422")
    require_alive(client)


WRONG: list[Any] = [None, True, 1, -1.5, "", "text", [], ["text"], {}, {"a": 1}, [[]], [None], [{}], "Ü" * 2000]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: json.dumps(value)[:20])
def test_a_wrong_json_type_is_told_at_every_level_of_a_bundle(client: httpx.Client, wrong: Any) -> None:
    request = {"method": "POST", "url": "Patient"}
    resource = {"resourceType": "Patient", "active": True}
    entry = {"resource": resource, "request": request}
    for type in ("batch", "transaction"):
        bundles = [
            {"resourceType": "Bundle", "type": type, "entry": wrong},
            {"resourceType": "Bundle", "type": type, "entry": [wrong]},
            {"resourceType": "Bundle", "type": type, "entry": [{**entry, "request": wrong}]},
            {"resourceType": "Bundle", "type": type, "entry": [{**entry, "resource": wrong}]},
            {"resourceType": "Bundle", "type": type, "entry": [{**entry, "fullUrl": wrong}]},
            {"resourceType": "Bundle", "type": type, "entry": [{**entry, "resource": {**resource, "id": wrong}}]},
            {"resourceType": "Bundle", "type": type, "entry": [{**entry, "resource": {**resource, "meta": wrong}}]},
            *(
                {"resourceType": "Bundle", "type": type, "entry": [{**entry, "request": {**request, name: wrong}}]}
                for name in ("method", "url", "ifMatch", "ifNoneMatch", "ifModifiedSince", "ifNoneExist")
            ),
            {"resourceType": "Bundle", "type": wrong, "entry": [entry]},
            {"resourceType": wrong, "type": type, "entry": [entry]},
        ]
        for bundle in bundles:
            answer = client.post("", json=bundle)
            require_proper(answer)
            for one in answer.json().get("entry", ()):
                assert one["response"]["status"] < "5", bundle
    require_alive(client)


URLS = [
    "Patient/",
    "/",
    "",
    "//",
    "?",
    "Patient?",
    "Patient?identifier",
    "Patient?identifier=%00",
    "Patient?identifier=%ff",
    "Patient?identifier=😀",
    "Patient/%2e%2e",
    "Patient/../Observation",
    "http://169.254.169.254/latest/meta-data",
    "https://example.org/fhir/Patient/1",
    "file:///etc/passwd",
    "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "Patient/1/_history/99999999999999999999",
    "Patient/1/_history/-1",
    "Patient/" + "a" * 65,
    "Patient/_search",
    "metadata",
    "_history",
    "$everything",
    "Patient/$validate",
    "x" * 60_000,
    "Patient?" + "&".join(["_id=1"] * 1001),
    "Patient?_id=" + "1," * 1001,
]


@pytest.mark.parametrize("url", URLS, ids=lambda url: url[:30] or "empty")
@pytest.mark.parametrize("type", ["batch", "transaction"])
def test_an_odd_address_in_an_entry_is_refused_there(client: httpx.Client, type: str, url: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", ""):
        entry = {"request": {"method": method, "url": url}, "resource": {"resourceType": "Patient", "id": "never"}}
        answer = client.post("", json={"resourceType": "Bundle", "type": type, "entry": [entry]})
        require_proper(answer)
        for one in answer.json().get("entry", ()):
            assert one["response"]["status"] < "5", answer.text
    require_alive(client)


CONTENT_TYPES = [
    None,
    "",
    "text/plain",
    "application/xml",
    "application/fhir+xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=a",
    "application/fhir+json; charset=latin-1",
    "application/fhir+json; charset=utf-16",
    "application/fhir+json; charset=klingon",
    "application/json, application/xml",
    "application/fhir+json\\",
    "a" * 10_000,
]


@pytest.mark.parametrize("content_type", CONTENT_TYPES, ids=lambda value: repr(value)[:40])
def test_an_unknown_media_type_or_charset_is_415(client: httpx.Client, content_type: str | None) -> None:
    request = client.build_request("POST", "/Patient", content=PLAIN.encode())
    del request.headers["Content-Type"]
    if content_type is not None:
        request.headers["Content-Type"] = content_type
    require_proper(client.send(request), 415)
    require_alive(client)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip", "x" * 5000])
def test_a_content_encoding_is_415(client: httpx.Client, encoding: str) -> None:
    require_proper(
        client.post("/Patient", content=b"\x1f\x8b" + b"\0" * 100, headers={"Content-Encoding": encoding}), 415
    )


def test_the_deepest_resource_that_is_taken_can_be_shown_in_every_way(client: httpx.Client) -> None:
    """A resource close to the limit of depth stands deeper inside a bundle; that must not make it unreadable."""
    extension: dict[str, Any] = {"url": "http://example.org/a", "valueString": "deep"}
    for _ in range(47):
        extension = {"url": "http://example.org/a", "extension": [extension]}
    resource = {"resourceType": "Patient", "id": "deep", "extension": [extension]}
    answer = client.put("/Patient/deep", json=resource)
    require_proper(answer, 201)
    for path in (
        "/Patient/deep?_pretty=true",
        "/Patient?_pretty=true",
        "/Patient?_summary=true",
        "/Patient?_elements=extension",
        "/Patient/deep/_history?_pretty=true",
        "/_history?_pretty=true",
    ):
        require_proper(client.get(path), 200)
    entry = {"request": {"method": "GET", "url": "Patient?_pretty=true"}}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    require_proper(client.post("?_pretty=true", json=bundle), 200)


LARGE: dict[str, str] = {
    "names of the wrong type": patient_with('"name":[' + "1," * 4_500_000 + "1]"),
    "empty names": patient_with('"name":[' + "{}," * 3_000_000 + "{}]"),
    "given names that are no text": patient_with('"name":[{"given":[' + "1," * 4_500_000 + "1]}]"),
    "unknown properties": patient_with(",".join(f'"p{number:06}":1' for number in range(750_000))),
    "contained resources": patient_with('"contained":[' + "{}," * 3_000_000 + "{}]"),
    "white space": " " * 9_900_000 + PLAIN,
    "escapes": patient_with('"language":"' + "\\u0041" * 1_600_000 + '"'),
}


@pytest.mark.soak
@pytest.mark.parametrize("name", LARGE)
def test_a_body_at_its_limit_is_judged_in_time(client: httpx.Client, name: str) -> None:
    require_proper(client.post("/Patient", content=LARGE[name].encode()))
    require_alive(client)
