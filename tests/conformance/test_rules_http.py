"""Rules of R4 http.html that no other test holds, over HTTP; docs/conformance.md lists them all with the tests that do."""

from typing import Any

import httpx
import pytest

from bhr_api.fhir.definitions import RESOURCE_TYPES
from tests.fixtures.server import RunningServer

PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p", "name": [{"family": "Zoë"}]}
TAG = {"system": "http://example.org/tags", "code": "seen"}


@pytest.fixture
def patient(client: httpx.Client) -> httpx.Client:
    """A client of a tenant with `PATIENT`."""
    assert client.put("/Patient/p", json=PATIENT).status_code == 201
    return client


# General


def test_a_slash_at_the_end_makes_no_difference(patient: httpx.Client) -> None:
    for path in ("/Patient/p", "/Patient", "/Patient/p/_history", "/metadata"):
        assert patient.get(f"{path}/").status_code == 200
    found = patient.get("/Patient/?_id=p").json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == ["p"]


def test_an_address_is_percent_encoded_utf_8(patient: httpx.Client) -> None:
    found = patient.get("/Patient?family=Zo%C3%AB").json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == ["p"]
    assert patient.get("/Patient?family=Zo%EB").status_code == 400


def test_links_encode_what_an_address_may_not_hold(patient: httpx.Client) -> None:
    page = patient.get("/Patient", params={"family": 'Zoë "a" & b', "_count": "1"}).json()
    for link in page["link"]:
        assert link["url"].isascii()
        assert not set(link["url"]) & set(' "<>^`{}\\')


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(("PUT", "/Patient/p", {"resourceType": "Patient", "id": "other"}), 400, id="not-understood"),
        pytest.param(("GET", "/Nothing/p", None), 404, id="no-such-type"),
        pytest.param(("GET", "/Patient/nobody", None), 404, id="unknown"),
        pytest.param(("POST", "/Patient/p/_history", PATIENT), 405, id="not-offered"),
        pytest.param(("GET", "/Patient/gone", None), 410, id="deleted"),
        pytest.param(("GET", "/Patient/gone/_history/2", None), 410, id="deleted-version"),
        pytest.param(("PUT", "/Patient?family=Zo", PATIENT | {"id": "other"}), 400, id="criteria-meet-another-id"),
        pytest.param(("POST", "/Patient", {"resourceType": "Patient", "gender": "x"}), 422, id="breaks-rules"),
    ],
)
def test_each_state_has_its_status_and_is_explained(
    patient: httpx.Client, request_: tuple[str, str, Any], status: int
) -> None:
    patient.put("/Patient/gone", json={"resourceType": "Patient", "id": "gone"})
    patient.delete("/Patient/gone")
    method, path, body = request_
    answer = patient.request(method, path, json=body) if body else patient.request(method, path)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_answers_are_of_fhirs_own_media_type_and_carry_a_date(patient: httpx.Client) -> None:
    for answer in (patient.get("/Patient/p"), patient.get("/Patient"), patient.get("/Patient/nobody")):
        assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
        assert answer.headers["date"].endswith("GMT")


@pytest.mark.parametrize(
    ("format_", "status"),
    [
        *((name, 200) for name in ("json", "application/json", "application/fhir+json")),
        *((name, 406) for name in ("xml", "text/xml", "application/xml", "application/fhir+xml")),
        *((name, 406) for name in ("ttl", "application/fhir+turtle", "text/turtle")),
    ],
)
def test_every_name_of_a_format_means_that_format(patient: httpx.Client, format_: str, status: int) -> None:
    assert patient.get("/Patient/p", params={"_format": format_}).status_code == status


# read, update, create


def test_every_resource_comes_with_its_version_and_time(client: httpx.Client) -> None:
    created = client.post("/Patient", json=PATIENT)
    id = created.json()["id"]
    updated = client.put(f"/Patient/{id}", json=created.json() | {"gender": "female"})
    patch = {"Content-Type": "application/merge-patch+json"}
    patched = client.patch(f"/Patient/{id}", json={"gender": "male"}, headers=patch)
    read, past = client.get(f"/Patient/{id}"), client.get(f"/Patient/{id}/_history/2")
    for answer, version in ((created, "1"), (updated, "2"), (patched, "3"), (read, "3"), (past, "2")):
        meta = answer.json()["meta"]
        assert (answer.json()["id"], meta["versionId"]) == (id, version)
        assert answer.headers["etag"] == f'W/"{version}"'
        assert answer.headers["last-modified"].endswith("GMT")


def test_an_update_without_an_id_in_the_body_is_refused(client: httpx.Client) -> None:
    answer = client.put("/Patient/p", json={"resourceType": "Patient"})
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")


def test_a_write_sets_version_and_time_and_leaves_the_rest_of_meta(client: httpx.Client) -> None:
    meta = {"versionId": "77", "lastUpdated": "2001-01-01T00:00:00Z", "tag": [TAG], "profile": ["http://example.org/p"]}
    for version in ("1", "2"):
        kept = client.put("/Patient/p", json=PATIENT | {"meta": meta}).json()["meta"]
        assert kept["versionId"] == version
        assert kept["lastUpdated"] > "2026"
        assert (kept["tag"], kept["profile"]) == (meta["tag"], meta["profile"])


def test_an_update_that_creates_says_where(client: httpx.Client) -> None:
    created = client.put("/Patient/p", json=PATIENT)
    assert created.status_code == 201
    assert created.headers["location"].endswith("/fhir/Patient/p/_history/1")
    assert client.get("/Patient/p").json()["name"] == PATIENT["name"]


def test_a_patch_in_xml_is_not_taken(patient: httpx.Client) -> None:
    headers = {"Content-Type": "application/xml-patch+xml"}
    assert patient.patch("/Patient/p", content="<diff/>", headers=headers).status_code == 415


def test_the_body_of_a_delete_means_nothing(patient: httpx.Client) -> None:
    assert patient.request("DELETE", "/Patient/p", json={"resourceType": "Patient", "id": "q"}).status_code == 204
    assert patient.get("/Patient/p").status_code == 410


@pytest.mark.parametrize("cut", ["_summary=text", "_elements=gender"])
def test_a_read_of_a_part_is_marked(patient: httpx.Client, cut: str) -> None:
    for address in ("Patient/p", "Patient/p/_history/1"):
        part = patient.get(f"/{address}?{cut}").json()
        assert part["meta"]["tag"][-1]["code"] == "SUBSETTED"
        assert "name" not in part


def test_a_read_is_whole_unless_a_part_is_asked_for(patient: httpx.Client) -> None:
    whole = patient.get("/Patient/p").content
    assert patient.get("/Patient/p?_summary=false&_elements=").content == whole
    assert patient.get("/Patient/p?_summary=count").status_code == 400


# search, history, paging


def test_a_search_is_a_searchset_that_names_itself(patient: httpx.Client) -> None:
    for query, number in (("_id=p", 1), ("_id=nobody", 0)):
        answer = patient.get(f"/Patient?{query}")
        assert (answer.status_code, answer.json()["type"]) == (200, "searchset")
        assert len(answer.json().get("entry", [])) == number
        assert {"relation": "self", "url": f"{patient.base_url}Patient?{query}"} in answer.json()["link"]


def test_what_a_search_adds_is_an_outcome_without_errors(patient: httpx.Client) -> None:
    answer = patient.get("/Patient?_id=p&foo=1", headers={"Prefer": "handling=lenient"})
    (outcome,) = [entry for entry in answer.json()["entry"] if entry["search"]["mode"] == "outcome"]
    assert {issue["severity"] for issue in outcome["resource"]["issue"]} <= {"warning", "information"}


def test_the_next_page_may_be_asked_for_by_post(patient: httpx.Client) -> None:
    patient.put("/Patient/q", json=PATIENT | {"id": "q"})
    page = patient.get("/Patient?_count=1").json()
    query = next(link["url"] for link in page["link"] if link["relation"] == "next").partition("?")[2]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    posted = patient.post("/Patient/_search", content=query, headers=form).json()
    assert posted["entry"] == patient.get(f"/Patient?{query}").json()["entry"]


def test_a_history_entry_says_what_happened_and_when(patient: httpx.Client) -> None:
    patient.delete("/Patient/p")
    patient.post("/Patient", json=PATIENT)
    for entry in patient.get("/Patient/_history").json()["entry"]:
        method = entry["request"]["method"]
        assert ("resource" in entry) == (method in ("PUT", "POST"))
        assert entry["response"]["lastModified"]


def test_a_parameter_of_a_history_appears_once(patient: httpx.Client) -> None:
    for name, value in (("_count", "1"), ("_since", "2026"), ("_at", "2026")):
        assert patient.get(f"/Patient/p/_history?{name}={value}&{name}={value}").status_code == 400
    assert patient.get("/Patient/p/_history?_count=1&_since=2026").status_code == 200


def test_a_search_of_several_types_takes_their_common_parameters_only(patient: httpx.Client) -> None:
    assert patient.get("/?_type=Patient,Goal&_id=p").status_code == 200
    assert patient.get("/?_type=Patient,Goal&birthdate=2020").status_code == 400


# capabilities


def test_the_capability_statement_has_an_etag(server: RunningServer) -> None:
    url = f"{server.base_url}/metadata"
    tag = httpx.get(url).headers["etag"]
    again = httpx.get(url, headers={"If-None-Match": f'W/"0", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert httpx.get(url, headers={"If-None-Match": 'W/"0"'}).status_code == 200


def test_another_version_of_fhir_is_not_acceptable(server: RunningServer) -> None:
    url = f"{server.base_url}/metadata"
    for version, status in (("4.0", 200), ("3.0", 406), ("4.3", 406), ("5.0", 406)):
        media_type = f"application/fhir+json; fhirVersion={version}"
        assert httpx.get(url, headers={"Accept": media_type}).status_code == status
        assert httpx.get(url, params={"_format": media_type}).status_code == status
    both = "application/fhir+json; fhirVersion=5.0, application/fhir+json; fhirVersion=4.0; q=0.5"
    assert httpx.get(url, headers={"Accept": both}).status_code == 200


@pytest.mark.parametrize(("version", "status"), [("4.0", 201), ("3.0", 415)])
def test_a_resource_of_another_version_of_fhir_is_not_taken(client: httpx.Client, version: str, status: int) -> None:
    headers = {"Content-Type": f"application/fhir+json; fhirVersion={version}"}
    assert client.post("/Patient", content=b'{"resourceType":"Patient"}', headers=headers).status_code == status


def test_the_capability_statement_names_every_type_and_interaction(server: RunningServer) -> None:
    (rest,) = httpx.get(f"{server.base_url}/metadata").json()["rest"]
    assert [resource["type"] for resource in rest["resource"]] == list(RESOURCE_TYPES)
    assert all(resource["interaction"] for resource in rest["resource"])


def test_the_capability_statement_tells_how_writes_are_kept_whole(server: RunningServer) -> None:
    (rest,) = httpx.get(f"{server.base_url}/metadata").json()["rest"]
    assert "transaction" in rest["documentation"]


# Custom headers


def test_a_request_id_that_is_not_well_formed_is_replaced_and_not_echoed(patient: httpx.Client) -> None:
    answer = patient.get("/Patient/p", headers={"X-Request-Id": "<a b>"})
    assert answer.headers["x-request-id"] != "<a b>"
    assert "x-correlation-id" not in answer.headers


def test_a_stamp_of_an_intermediary_changes_nothing(patient: httpx.Client) -> None:
    stamped = patient.get("/Patient/p", headers={"X-Intermediary": "proxy.example.org"})
    assert (stamped.status_code, stamped.content) == (200, patient.get("/Patient/p").content)


def test_an_address_under_another_scheme_is_no_resource_of_this_server(patient: httpx.Client) -> None:
    other = str(patient.base_url).replace("http:", "https:") + "Patient/p"
    basic = {"resourceType": "Basic", "id": "b", "code": {"text": "x"}, "subject": {"reference": other}}
    patient.put("/Basic/b", json=basic)
    assert [entry["resource"] for entry in patient.get("/Basic", params={"subject": other}).json()["entry"]] == [
        patient.get("/Basic/b").json()
    ]
    assert "entry" not in patient.get("/Basic?subject=Patient/p").json()
