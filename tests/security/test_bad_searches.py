"""Hostile searches: 200 or 400, in time, and every character of a value stands for itself (SECURITY.md section 3)."""

from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import httpx
import pytest

from bhr_api.search.parameters import parameters_of
from tests.fixtures.server import RunningServer
from tests.security.answers import require_alive, require_proper
from tests.security.minimal_resources import minimal_resource

FORM = {"Content-Type": "application/x-www-form-urlencoded"}

TEXTS = [
    "'",
    "''",
    '"',
    "`",
    "%",
    "_",
    "%25%",
    "100%_\\x",
    "\\",
    "\\\\",
    "\\,",
    "\\|\\$",
    "'; DROP TABLE resource;--",
    "' OR '1'='1",
    "$1",
    "$$",
    "$tag$x$tag$",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "{s}",
    "{0.__class__}",
    "%s%n%(a)s",
    "<script>alert(1)</script>",
    "../../../etc/passwd",
    "a\nb",
    "a\r\nSet-Cookie: x=1",
    "\t",
    " ",
    "\u00a0\u200b\u202e\ufeff",
    "\u0130ıİẞß\u0345",
    "e\u0301" * 200,
    "\U0001f600\U0010ffff",
    "\u0001\u001f\u007f",
    "(((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+$",
    "x" * 5000,
    ",",
    ",,,",
    "a,,b",
    "|",
    "||",
    "|||",
    "a|",
    "|a",
    "a|b|c|d",
    "$",
    "a$b$c",
    "Patient/",
    "Patient/1/_history/",
    "Nothing/1",
    "/" * 500,
    "http://[::1",
    "http://example.org/fhir/Patient/1",
    "urn:uuid:",
    "#a",
]
NUMBERS = [
    "1e99999999",
    "-1e99999999",
    "1e-99999999",
    "1e400",
    "-0",
    "0e0",
    "NaN",
    "sNaN",
    "-NaN123",
    "Infinity",
    "-Infinity",
    "inf",
    "1_000",
    "1,5",
    "٣",
    "0x10",
    "1e",
    ".",
    "--1",
    "9" * 4000,
    "0." + "0" * 4000 + "1",
    "1e9999999999999999999999",
    "1|http://unitsofmeasure.org|mg",
    "1e900|http://unitsofmeasure.org|Gg",
    "1e-900|http://unitsofmeasure.org|ag",
    "1|http://unitsofmeasure.org|" + "(" * 500,
    "1|http://unitsofmeasure.org|10*99999999",
    "1|http://unitsofmeasure.org|m99999999999",
    "1|http://unitsofmeasure.org|" + "m." * 1500 + "m",
    "1||%",
    "1|a",
    "1|a|b|c",
]
DATES = [
    "0000",
    "0001",
    "9999",
    "10000",
    "0000-01-01",
    "0001-01-01",
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00-14:00",
    "9999-12-31",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:60+14:00",
    "9999-12-31T23:59:60-14:00",
    "2026-02-30",
    "2026-13",
    "2026-1-1",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:00:00+15:00",
    "2026-01-01T00:00:00." + "9" * 1000 + "Z",
    "2026-01-01 00:00:00",
    "20260101",
    "now",
    "-infinity",
    "infinity",
    "epoch",
    "-0044-03-15",
    "٢٠٢٦",
]
PREFIXES = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "po", "GT"]
VALUES = [*TEXTS, *NUMBERS, *DATES, *PREFIXES, *(f"{prefix}{date}" for prefix in PREFIXES[:9] for date in DATES[:13])]
MODIFIERS = [
    "missing",
    "not",
    "exact",
    "contains",
    "identifier",
    "Patient",
    "text",
    "in",
    "not-in",
    "below",
    "above",
    "of-type",
    "Nothing",
    "",
    ":",
    "exact:exact",
    "'; --",
    "\u00fc",
    "%",
    "x" * 500,
]

# One parameter of each type, with a main date, a date of the index, a composite of each kind and the controls.
PARAMETERS = [
    ("Patient", "family"),
    ("Patient", "identifier"),
    ("Patient", "birthdate"),
    ("Patient", "death-date"),
    ("Patient", "general-practitioner"),
    ("Patient", "address"),
    ("Observation", "code"),
    ("Observation", "value-quantity"),
    ("Observation", "value-date"),
    ("Observation", "value-string"),
    ("Observation", "subject"),
    ("Observation", "patient"),
    ("Observation", "code-value-quantity"),
    ("Observation", "combo-code-value-concept"),
    ("RiskAssessment", "probability"),
    ("ValueSet", "url"),
    ("QuestionnaireResponse", "questionnaire"),
    ("Goal", "_id"),
    ("Goal", "_lastUpdated"),
    ("Goal", "_tag"),
    ("Goal", "_profile"),
    ("Goal", "_source"),
    ("AuditEvent", "date"),
    ("AuditEvent", "entity"),
    ("AuditEvent", "patient"),
    ("AuditEvent", "type"),
]
CONTROLS = ["_count", "_total", "_summary", "_elements", "_sort", "_cursor", "_include", "_revinclude", "_format"]
NAMES = ["_list", "_has", "_filter", "_text", "_content", "_query", "_type", "nothing", "Patient.name", "", "a" * 3000]


@pytest.fixture(scope="module")
def filled(server: RunningServer) -> Iterator[httpx.Client]:
    """A record with one resource of each type that is searched, so that conditions meet rows."""
    with server.client(server.token(server.new_tenant())) as client:
        for name in sorted({name for name, _ in PARAMETERS} - {"AuditEvent", "ValueSet"}):
            assert client.put(f"/{name}/one", json=minimal_resource(name, "one", "one", "words")).status_code == 201
        value_set = {"resourceType": "ValueSet", "id": "one", "status": "active", "url": "http://example.org/one"}
        assert client.put("/ValueSet/one", json=value_set).status_code == 201
        yield client


def get(client: httpx.Client, path: str, name: str, value: str) -> httpx.Response:
    return client.get(f"{path}?{quote(name, safe=':')}={quote(value, safe='')}")


@pytest.mark.parametrize(("resource_type", "code"), PARAMETERS, ids=".".join)
def test_a_hostile_value_finds_nothing_or_is_400(filled: httpx.Client, resource_type: str, code: str) -> None:
    for value in VALUES:
        answer = get(filled, f"/{resource_type}", code, value)
        require_proper(answer, 200, 400)
    require_alive(filled)


@pytest.mark.parametrize(("resource_type", "code"), PARAMETERS, ids=".".join)
def test_any_modifier_is_taken_or_refused(filled: httpx.Client, resource_type: str, code: str) -> None:
    for modifier in MODIFIERS:
        for value in ("true", "a", "1", "2026", "Patient/1", "'", "%", "a|b", "\\"):
            require_proper(get(filled, f"/{resource_type}", f"{code}:{modifier}", value), 200, 400)
    require_alive(filled)


@pytest.mark.parametrize("name", [*CONTROLS, *NAMES], ids=lambda name: name[:20] or "empty")
def test_garbage_in_the_controls_is_taken_or_refused(filled: httpx.Client, name: str) -> None:
    for value in [
        *TEXTS,
        *NUMBERS,
        *DATES,
        "-",
        "-,-",
        "_id,-_id,_id",
        "Patient:*",
        "*",
        "*:*",
        "Patient:general-practitioner:Device",
    ]:
        for path in ("/Patient", "/AuditEvent", "/Patient/one/Observation"):
            require_proper(get(filled, path, name, value), 200, 400, 406)
    require_alive(filled)


@pytest.mark.parametrize("name", ["_since", "_at", "_count", "_cursor", "_format", "_sort", "nothing"])
@pytest.mark.parametrize("path", ["/_history", "/Patient/_history", "/Patient/one/_history"])
def test_garbage_in_a_history_is_taken_or_refused(filled: httpx.Client, path: str, name: str) -> None:
    for value in [*TEXTS, *NUMBERS, *DATES, *VALUES[-20:]]:
        require_proper(get(filled, path, name, value), 200, 400, 406)
    require_alive(filled)


QUERIES = [
    "%00",
    "family=%00",
    "family%00=a",
    "family=%ff",
    "family=%ed%a0%80",
    "family=%c0%80",
    "family=%",
    "family=%zz",
    "family=%2",
    "&",
    "&&&=&",
    "=a",
    "?",
    "family",
    "family=",
    "family==",
    "family=a=b&family=c",
    "family=a;family=b",
    "family[]=a",
    "family=a+b%2Bc",
    "%66amily=a",
    "_count=1&_count=2&_count=x",
    "_count=-1",
    "_count=1e3",
    "_count=%2B1",
    "_count=99999999999999999999999999",
    "_count=²",
    "_format=xml",
    "_format=json&_format=xml",
    "_pretty=maybe",
]


@pytest.mark.parametrize("query", QUERIES)
def test_an_odd_query_is_taken_or_refused(filled: httpx.Client, query: str) -> None:
    for path in ("/Patient", "/Patient/one", "/Patient/one/_history", "/Patient/one/Observation", "/metadata"):
        require_proper(filled.get(f"{path}?{query}"), 200, 400, 406)
    require_proper(filled.post("/Patient/_search", content=query.encode(), headers=FORM), 200, 400, 406)
    require_alive(filled)


def test_a_form_that_is_no_text_is_taken_or_refused(filled: httpx.Client) -> None:
    for body in (
        b"\xff\xfe",
        b"\0",
        "family=Ü".encode("latin-1"),
        b"family=\xed\xa0\x80",
        bytes(range(256)),
        b"=" * 9999,
    ):
        require_proper(filled.post("/Patient/_search", content=body, headers=FORM), 200, 400)


# Bounds: promise 7. Each is as much as an address or a form can carry.


def forms() -> Iterator[tuple[str, str, str]]:
    quantity = ",".join(f"{number}|http://unitsofmeasure.org|mg" for number in range(1000))
    composite = ",".join(f"http://loinc.org|{number}$gt{number}" for number in range(1000))
    dates = ",".join(f"ap2026-01-01T00:00:{number % 60:02}.{number:03}Z" for number in range(1000))
    strings = ",".join(f"name{number}" for number in range(1000))
    yield "1,000 codes", "Observation", f"code={','.join(map(str, range(1000)))}"
    yield "1,000 quantities", "Observation", f"value-quantity={quantity}"
    yield "1,000 composites", "Observation", f"code-value-quantity={composite}"
    yield "1,000 dates", "Observation", f"value-date={dates}"
    yield "1,000 main dates", "Observation", f"date={dates}"
    yield "1,000 strings", "Patient", f"name={strings}"
    yield "1,000 substrings", "Patient", f"name:contains={strings}"
    yield "1,000 times the same", "Patient", "&".join(["family=a"] * 1000)
    yield "1,000 codes, one after the other", "Observation", "&".join(f"code={number}" for number in range(1000))
    yield "1,000 names", "Patient", "&".join(f"name:contains={number}" for number in range(1000))
    yield "1,000 negations", "Observation", "&".join(f"status:not={number}" for number in range(1000))
    yield "1,000 missing", "Observation", "&".join(["code:missing=true"] * 1000)
    yield "100 times 1,000 quantities", "Observation", "&".join([f"value-quantity={quantity}"] * 100)
    yield "20 times 1,000 strings", "Patient", "&".join([f"name={strings}"] * 20)
    yield "1,000 includes", "Observation", "&".join(["_include=Observation:*"] * 1000)
    yield "1,000 iterated includes", "Observation", "&".join(["_include:iterate=Observation:subject"] * 1000)
    yield "1,000 reverse includes", "Patient", "&".join(["_revinclude=Observation:*"] * 1000)
    yield "2,000 sort keys", "Patient", "_sort=" + ",".join(["family,-birthdate"] * 1000)
    yield "4,000 sort keys", "Patient", "_sort=" + ",".join(["_id"] * 4000)
    yield "1,000 sorts by a code", "Observation", "_sort=" + ",".join(["code"] * 1000)
    yield "100,000 elements", "Patient", "_elements=" + ",".join(["a"] * 100_000)
    yield "a value of a megabyte", "Patient", "family=" + "x" * 1_000_000
    yield "a name of a megabyte", "Patient", "x" * 1_000_000 + "=1"
    yield "an id of a megabyte", "Patient", "_id=" + "x" * 1_000_000
    yield "a million backslashes", "Patient", "family=" + "%5C" * 1_000_000


FORMS = {name: (resource_type, form) for name, resource_type, form in forms()}


@pytest.mark.parametrize("name", FORMS)
def test_a_search_as_large_as_it_may_be_is_answered_in_time(filled: httpx.Client, name: str) -> None:
    resource_type, form = FORMS[name]
    answer = filled.post(f"/{resource_type}/_search", content=form.encode(), headers=FORM)
    require_proper(answer, 200, 400, 422)
    require_alive(filled)


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        pytest.param("code=" + "a," * 1001, "alternatives", id="values"),
        pytest.param("&".join(["code=a"] * 1001), "parameters", id="parameters"),
    ],
)
def test_one_more_than_a_thousand_is_400(client: httpx.Client, form: str, reason: str) -> None:
    answer = client.post("/Observation/_search", content=form.encode(), headers=FORM)
    require_proper(answer, 400)
    assert reason in answer.json()["issue"][0]["diagnostics"]
    if len(form) < 16_000:
        require_proper(client.get(f"/Observation?{form}"), 400)


def test_parameters_of_address_and_form_count_together(client: httpx.Client) -> None:
    half = "&".join(["code=a"] * 501)
    require_proper(client.post(f"/Observation/_search?{half}", content=half.encode(), headers=FORM), 400)


def test_an_address_over_the_limit_is_414(client: httpx.Client) -> None:
    for length in (16_400, 60_000):
        require_proper(client.get(f"/Patient?family={'x' * length}"), 414)


# Every character of a value stands for itself.

STRANGE_NAMES = [
    "100%_\\x",
    "%",
    "_",
    "\\",
    "a%b",
    "a_b",
    "a\\b",
    "a,b",
    "a|b",
    "a$b",
    "O'Hara",
    'say "x"',
    "{s}",
    "$1",
    "[a-z]",
    "(a|b)*",
    ".*",
    "100 percent_x",
]


def escaped(text: str) -> str:
    """As a search value: R4 search.html#escaping."""
    for character in "\\,|$":
        text = text.replace(character, f"\\{character}")
    return text


@pytest.mark.parametrize("modifier", ["", ":exact", ":contains"])
def test_a_name_is_found_by_itself_only(client: httpx.Client, modifier: str) -> None:
    for number, name in enumerate(STRANGE_NAMES):
        patient = {"resourceType": "Patient", "id": f"p{number}", "name": [{"family": name}]}
        assert client.put(f"/Patient/p{number}", json=patient).status_code == 201
    for number, name in enumerate(STRANGE_NAMES):
        answer = client.get(f"/Patient?family{modifier}={quote_plus(escaped(name))}")
        require_proper(answer, 200)
        found = {entry["resource"]["id"] for entry in answer.json().get("entry", ())}
        alike = {":exact": str.__eq__, ":contains": str.__contains__}.get(modifier, str.startswith)
        expected = {f"p{one}" for one, other in enumerate(STRANGE_NAMES) if alike(other, name)}
        assert f"p{number}" in expected
        assert found == expected, name


# Headers

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


ODD_PATHS = [
    "/Patient/" + "a" * 65,
    "/Patient/..",
    "/Patient/%2e%2e/Observation",
    "/Patient/%2E%2E%2F%2E%2E%2Fetc%2Fpasswd",
    "/Patient/%252e%252e",
    "/Patient/one%2F_history",
    "/Patient/one%00",
    "/Patient/one%ff",
    "/%50atient/one",
    "/Patient//one",
    "/Patient/one/",
    "/Patient/one/_history/",
    "/Patient/one/_history/0",
    "/Patient/one/_history/01",
    "/Patient/one/_history/-1",
    "/Patient/one/_history/1e1",
    "/Patient/one/_history/٣",
    "/Patient/one/_history/99999999999999999999999999",
    "/Patient/one/_history/" + "9" * 5000,
    "/Patient/one/_history/1/_history",
    "/Patient/one/Nothing",
    "/Patient/one/$everything",
    "/Observation/one/Patient",
    "/patient",
    "/Patient;a=b",
    "/Pati%C3%A9nt",
    "/Resource",
    "/DomainResource/one",
    "/$export",
    "/.well-known/nothing",
    "/_search",
    "/Patient/_search/one",
    "/*",
    "/\\Patient",
    "/Patient" + "/" * 1000,
    "/a" * 5000,
]


@pytest.mark.parametrize("path", ODD_PATHS, ids=lambda path: path[:40])
def test_an_odd_address_is_refused_and_never_served_without_a_token(
    filled: httpx.Client, server: RunningServer, path: str
) -> None:
    with server.client(None) as nobody:
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "MOVE"):
            body = b'{"resourceType":"Patient"}' if method in ("POST", "PUT", "PATCH") else None
            require_proper(filled.request(method, path, content=body))
            answer = nobody.request(method, path, content=body)
            assert answer.status_code in (401, 404, 405, 414), answer.text
    require_alive(filled)


def test_every_parameter_of_every_searched_type_takes_a_quote(client: httpx.Client) -> None:
    for resource_type in ("Patient", "Observation", "Encounter", "Condition", "Appointment", "Provenance"):
        for code in parameters_of(resource_type):
            for value in ("'", "\\", "1$'", "2026"):
                require_proper(get(client, f"/{resource_type}", code, value), 200, 400)
