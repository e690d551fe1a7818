"""Rules of R4 http.html#transaction that no other test holds, over HTTP; docs/conformance.md lists them all."""

from itertools import permutations
from typing import Any

import httpx
import pytest

UUID = "urn:uuid:0b7a2a1c-5b1f-4d5c-8f1b-0c6f5a1f6a01"
PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p", "name": [{"family": "Zoë"}]}


@pytest.fixture
def patient(client: httpx.Client) -> httpx.Client:
    """A client of a tenant with `PATIENT`."""
    assert client.put("/Patient/p", json=PATIENT).status_code == 201
    return client


def post(client: httpx.Client, *entries: dict[str, Any], type: str = "transaction") -> httpx.Response:
    return client.post("/", json={"resourceType": "Bundle", "type": type, "entry": list(entries)})


def entry(method: str, url: str, resource: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"request": {"method": method, "url": url}, **more} | ({} if resource is None else {"resource": resource})


@pytest.mark.parametrize("type", ["batch", "transaction"])
def test_an_entry_has_a_request_and_a_write_a_resource(client: httpx.Client, type: str) -> None:
    without_request = post(client, {"resource": PATIENT}, type=type)
    assert 400 <= without_request.status_code < 500
    without_resource = post(client, entry("POST", "Patient"), type=type)
    status = without_resource.json().get("entry", [{"response": {"status": "400"}}])[0]["response"]["status"]
    assert status == "400"


@pytest.mark.parametrize("type", ["batch", "transaction"])
def test_the_response_has_an_entry_for_each_in_their_order(patient: httpx.Client, type: str) -> None:
    asked = [
        entry("GET", "Patient/p"),
        entry("POST", "Patient", PATIENT),
        entry("PUT", "Patient/q", PATIENT | {"id": "q"}),
    ]
    answer = post(patient, *asked, type=type)
    assert (answer.status_code, answer.json()["type"]) == (200, f"{type}-response")
    responses = [done["response"] for done in answer.json()["entry"]]
    assert [response["status"] for response in responses] == ["200", "201", "201"]
    assert [response["etag"] for response in responses] == ['W/"1"'] * 3
    assert responses[2]["location"].endswith("/Patient/q/_history/1")


def test_a_transaction_that_fails_answers_with_one_outcome(client: httpx.Client) -> None:
    answer = post(client, entry("POST", "Patient", PATIENT), entry("POST", "Patient", PATIENT | {"gender": "x"}))
    assert (answer.status_code, answer.json()["resourceType"]) == (422, "OperationOutcome")


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_a_transaction_does_not_matter(patient: httpx.Client, order: tuple[int, ...]) -> None:
    patient.put("/Patient/old", json=PATIENT | {"id": "old"})
    basic = {"resourceType": "Basic", "id": "b", "code": {"text": "x"}, "subject": {"reference": UUID}}
    entries = [
        entry("DELETE", "Patient/old"),
        entry("POST", "Patient", PATIENT, fullUrl=UUID),
        entry("PUT", "Basic/b", basic),
    ]
    answer = post(patient, *(entries[position] for position in order))
    assert answer.status_code == 200, answer.text
    assert patient.get("/Patient/old").status_code == 410
    assert patient.get(f"/{patient.get('/Basic/b').json()['subject']['reference']}").status_code == 200


def test_what_criteria_meet_may_be_named_once(patient: httpx.Client) -> None:
    by_criteria = entry("PUT", "Patient?_id=p", {"resourceType": "Patient"})
    assert post(patient, entry("PUT", "Patient/p", PATIENT), by_criteria).status_code == 400


def linked(value: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Basic", "code": {"text": "x"}, "extension": [{"url": "http://example.org/link", **value}]}


@pytest.mark.parametrize("element", ["valueUri", "valueUrl", "valueUuid"])
def test_links_in_uris_lead_to_what_was_created(client: httpx.Client, element: str) -> None:
    created, kept = post(
        client, entry("POST", "Patient", PATIENT, fullUrl=UUID), entry("POST", "Basic", linked({element: UUID}))
    ).json()["entry"]
    assert kept["resource"]["extension"][0][element] == f"Patient/{created['resource']['id']}"


def test_links_in_the_narrative_lead_to_what_was_created(client: httpx.Client) -> None:
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{UUID}">x</a></div>'
    basic = {"resourceType": "Basic", "code": {"text": "x"}, "text": {"status": "generated", "div": div}}
    answer = post(client, entry("POST", "Patient", PATIENT, fullUrl=UUID), entry("POST", "Basic", basic))
    created, kept = (done["resource"] for done in answer.json()["entry"])
    assert f'href="Patient/{created["id"]}"' in kept["text"]["div"]


def test_a_reference_with_a_version_leads_to_what_was_created(client: httpx.Client) -> None:
    full_url = "http://example.org/fhir/Patient/77"
    basic = {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": f"{full_url}/_history/9"}}
    answer = post(client, entry("POST", "Patient", PATIENT, fullUrl=full_url), entry("POST", "Basic", basic))
    created, kept = (done["resource"] for done in answer.json()["entry"])
    assert kept["subject"]["reference"] == f"Patient/{created['id']}/_history/1"


@pytest.mark.parametrize("element", ["valueCanonical", "valueString"])
def test_canonicals_and_texts_stay_as_they_are(client: httpx.Client, element: str) -> None:
    _, kept = post(
        client, entry("POST", "Patient", PATIENT, fullUrl=UUID), entry("POST", "Basic", linked({element: UUID}))
    ).json()["entry"]
    assert kept["resource"]["extension"][0][element] == UUID


def test_an_entry_of_a_batch_may_not_refer_to_another(client: httpx.Client) -> None:
    basic = {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": UUID}}
    answer = post(client, entry("POST", "Patient", PATIENT, fullUrl=UUID), entry("POST", "Basic", basic), type="batch")
    assert [done["response"]["status"][0] for done in answer.json()["entry"]] == ["2", "4"]


@pytest.mark.parametrize("image", [False, True])
def test_the_narrative_is_otherwise_kept_to_the_letter(client: httpx.Client, image: bool) -> None:
    text = f'urn {UUID} <b title=\'href="{UUID}"\'>b</b><!-- <p href="{UUID}"/> --> '
    before, after = ('<img alt="a>b" src="', '"/>') if image else ("<a title='>' class=\"x\" href = '", "'>x</a>")
    start, end = f'<div xmlns="http://www.w3.org/1999/xhtml">{text}', "&amp;&lt;</div>"
    div = f"{start}{before}{UUID}{after}{end}"
    basic = {"resourceType": "Basic", "code": {"text": "x"}, "text": {"status": "generated", "div": div}}
    answer = post(client, entry("POST", "Patient", PATIENT, fullUrl=UUID), entry("POST", "Basic", basic))
    assert answer.status_code == 200, answer.text
    created, kept = (done["resource"] for done in answer.json()["entry"])
    link = f"{before}Patient/{created['id']}{after}"
    assert kept["text"]["div"] == start + (link if image else link.replace("= '", '= "').replace("'>x", '">x')) + end


def test_a_reference_with_a_version_leads_to_the_version_that_is_stored(patient: httpx.Client) -> None:
    full_url = "http://example.org/fhir/Patient/77"
    basic = {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": "Patient/77/_history/9"}}
    updated = entry("PUT", "Patient/p", PATIENT, fullUrl=full_url)
    answer = post(patient, entry("POST", "Basic", basic, fullUrl="http://example.org/fhir/Basic/1"), updated)
    kept, stored = (done["resource"] for done in answer.json()["entry"])
    assert kept["subject"]["reference"] == "Patient/p/_history/2"
    assert stored["meta"]["versionId"] == "2"


def test_an_extension_of_a_primitive_and_a_contained_resource_lead_to_what_was_created(client: httpx.Client) -> None:
    extension = {"url": "http://example.org/of", "valueReference": {"reference": UUID}}
    basic = {
        "resourceType": "Basic",
        "contained": [{"resourceType": "Basic", "id": "c", "code": {"text": "x"}, "subject": {"reference": UUID}}],
        "code": {"text": "x", "_text": {"extension": [extension]}},
        "extension": [{"url": "http://example.org/own", "valueReference": {"reference": "#c"}}],
        "identifier": [{"system": UUID, "value": UUID}],
    }
    answer = post(client, entry("POST", "Patient", PATIENT, fullUrl=UUID), entry("POST", "Basic", basic))
    assert answer.status_code == 200, answer.text
    created, kept = (done["resource"] for done in answer.json()["entry"])
    assert kept["contained"][0]["subject"]["reference"] == f"Patient/{created['id']}"
    assert kept["code"]["_text"]["extension"][0]["valueReference"]["reference"] == f"Patient/{created['id']}"
    assert kept["identifier"] == [{"system": UUID, "value": UUID}]


def test_a_history_is_not_taken_for_a_transaction(patient: httpx.Client) -> None:
    answer = patient.post("/", json=patient.get("/Patient/p/_history").json())
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (400, ["Bundle.type"])
