"""The FHIR endpoint over HTTP: formats, methods, addresses (FHIR R4, http.html#general; RFC 9110)."""

import gzip

import httpx
import pytest

PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Ito"}]}


@pytest.fixture
def patient(client: httpx.Client) -> httpx.Client:
    client.put("/Patient/p", json=PATIENT)
    return client


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/fhir+json", 200),
        ("application/json", 200),
        ("*/*", 200),
        ("application/fhir+json;fhirVersion=4.0", 200),
        ("text/html, application/xhtml+xml, */*;q=0.8", 200),
        ("application/fhir+xml", 406),
        ("text/turtle", 406),
        ("application/json;q=0", 406),
    ],
)
def test_accept_is_negotiated(patient: httpx.Client, accept: str, status: int) -> None:
    assert patient.get("/Patient/p", headers={"Accept": accept}).status_code == status


@pytest.mark.parametrize(("format", "status"), [("json", 200), ("application/fhir%2Bjson", 200), ("xml", 406)])
def test_format_overrides_accept(patient: httpx.Client, format: str, status: int) -> None:
    answer = patient.get(f"/Patient/p?_format={format}", headers={"Accept": "application/fhir+xml"})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/fhir+json; charset=UTF-8", 201),
        ("application/json", 201),
        ("application/fhir+xml", 415),
        ("text/plain", 415),
        ("application/fhir+json; charset=utf-16", 415),
        ("", 415),
    ],
)
def test_content_type_is_checked(client: httpx.Client, content_type: str, status: int) -> None:
    answer = client.post("/Patient", json={"resourceType": "Patient"}, headers={"Content-Type": content_type})
    assert answer.status_code == status


def test_a_compressed_body_is_not_taken(client: httpx.Client) -> None:
    body = gzip.compress(b'{"resourceType":"Patient"}')
    assert client.post("/Patient", content=body, headers={"Content-Encoding": "gzip"}).status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/Patient/p/_history", {"GET", "HEAD"}),
        ("POST", "/Patient/p", {"GET", "PUT", "PATCH", "DELETE", "HEAD"}),
        ("DELETE", "/metadata", {"GET", "HEAD"}),
        ("PUT", "/", {"GET", "HEAD", "POST"}),
        ("TRACE", "/Patient", {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"}),
        ("POST", "/Patient/p/_history", {"GET", "HEAD"}),
    ],
)
def test_a_method_that_is_not_offered_names_those_that_are(
    patient: httpx.Client, method: str, path: str, allowed: set[str]
) -> None:
    answer = patient.request(method, path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/Nothing", 404),
        ("/patient", 404),
        ("/Patient/p/else", 404),
        ("/Patient/p/_history/1/more", 404),
        ("/Patient/" + "x" * 65, 400),
        ("/Patient/a%2Fb", 400),
        ("/Patient/..%2f..%2fmetadata", 400),
        ("/Patient/%00", 400),
        ("/Patient?name=%FF", 400),
        ("/Patient?name=%00", 400),
    ],
)
def test_odd_addresses_are_refused(patient: httpx.Client, path: str, status: int) -> None:
    answer = patient.get(path)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_head_is_get_without_the_body(patient: httpx.Client) -> None:
    got, head = patient.get("/Patient/p"), patient.head("/Patient/p")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == got.headers["etag"]
    assert head.headers["content-length"] == got.headers["content-length"]


def test_pretty_is_the_same_resource_with_lines(patient: httpx.Client) -> None:
    plain, pretty = patient.get("/Patient/p"), patient.get("/Patient/p?_pretty=true")
    assert "\n" not in plain.text
    assert pretty.text.count("\n") > 5
    assert pretty.json() == plain.json()


def test_long_answers_are_compressed_on_request(patient: httpx.Client) -> None:
    plain = patient.get("/metadata", headers={"Accept-Encoding": "identity"})
    small = patient.get("/metadata", headers={"Accept-Encoding": "gzip"})
    assert small.headers["content-encoding"] == "gzip"
    assert small.json() == plain.json()


def test_every_answer_carries_a_request_id(patient: httpx.Client) -> None:
    assert patient.get("/Patient/p", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    forged = patient.get("/Patient/p", headers={"X-Request-Id": "a b"}).headers["x-request-id"]
    assert forged != "a b"
    assert patient.get("/Patient/none").headers["x-request-id"]


def test_metadata_is_open_to_everybody(client: httpx.Client) -> None:
    answer = httpx.get(str(client.base_url) + "metadata")
    assert answer.status_code == 200
    assert answer.json()["fhirVersion"] == "4.0.1"


def test_answers_are_not_kept_by_shared_caches(patient: httpx.Client) -> None:
    assert patient.get("/Patient/p").headers["cache-control"] == "private, no-cache"
