"""DocumentReference/$docref (US Core OperationDefinition-docref)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.fixtures.server import RunningServer
from tests.operations.records import (
    LOINC,
    Resource,
    answered,
    audited,
    named,
    names_in,
    pages,
    parameters,
    patient,
    put,
    reference,
    whats_of,
)

MakeClient = Callable[..., httpx.Client]
DOCREF = "/DocumentReference/$docref?patient=own"
CCDA = "urn:hl7-org:sdwg:ccda-structuredBody:2.1"


def document(id: str, code: str = "34133-9", of: str = "own", **more: Any) -> Resource:
    content = [
        {"attachment": {"url": "http://example.org/d"}, "format": {"system": "http://example.org", "code": CCDA}}
    ]
    kind = {"coding": [{"system": LOINC, "code": code}]}
    given = {"status": "current", "subject": reference(f"Patient/{of}"), "type": kind, "content": content}
    return named("DocumentReference", id, **{**given, **more})


@pytest.fixture
def record(client: httpx.Client) -> httpx.Client:
    put(client, patient("own"), patient("other"), document("ccd"), document("x", of="other"))
    put(client, document("note", "11506-3", context={"period": {"start": "2024-03-01", "end": "2024-03-05"}}))
    put(client, document("old", "11506-3", status="superseded", date="2023-06-01T00:00:00Z"))
    return client


def ids(client: httpx.Client, address: str) -> set[str]:
    return {name.partition("/")[2] for name in answered(client, address)}


def test_without_dates_the_current_documents_are_told(record: httpx.Client) -> None:
    assert record.get(DOCREF).json()["type"] == "searchset"
    assert ids(record, DOCREF) == {"ccd", "note"}


def test_another_patients_documents_and_none_answer_alike(record: httpx.Client, client_with: MakeClient) -> None:
    token = client_with("patient/*.cruds", patient="own")
    assert ids(token, DOCREF) == {"ccd", "note"}
    assert ids(token, DOCREF.replace("own", "other")) == ids(token, DOCREF.replace("own", "none")) == set()


def test_another_tenants_documents_are_none(record: httpx.Client, server: RunningServer) -> None:
    with server.client(server.token(server.new_tenant())) as stranger:
        assert ids(stranger, DOCREF) == set()


@pytest.mark.parametrize(
    ("scope", "status"), [("system/DocumentReference.s", 200), ("system/DocumentReference.r", 403)]
)
def test_it_asks_for_the_scope_of_a_search(
    record: httpx.Client, client_with: MakeClient, scope: str, status: int
) -> None:
    assert client_with(scope).get(DOCREF).status_code == status


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param("start=2024-03-05&end=2024-03-31", {"note"}, id="the-period-of-care-overlaps"),
        pytest.param("start=2024-03-06", set(), id="after-it"),
        pytest.param("end=2024-02-29T23:59:59Z", {"old"}, id="end-alone-means-all-before"),
        pytest.param("start=2023-06-01&end=2023-06-01", {"old"}, id="the-documents-date-without-a-period"),
    ],
)
def test_dates_are_those_of_care(record: httpx.Client, asked: str, found: set[str]) -> None:
    assert ids(record, f"{DOCREF}&{asked}") == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (f"type={LOINC}|34133-9", {"ccd"}),
        ("type=11506-3", {"note"}),
        (f"type={LOINC}|34133-9&type={LOINC}|11506-3", {"ccd", "note"}),
        (f"profile={CCDA}", {"ccd", "note"}),
        ("profile=http://example.org/none", set()),
        ("on-demand=true", set()),
        ("on-demand=false", {"ccd", "note"}),
    ],
)
def test_type_profile_and_on_demand_narrow(record: httpx.Client, asked: str, found: set[str]) -> None:
    assert ids(record, f"{DOCREF}&{asked}") == found


def test_a_profile_of_the_reference_is_taken_as_well(record: httpx.Client) -> None:
    profile = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-documentreference"
    put(record, document("profiled", meta={"profile": [profile]}))
    assert ids(record, f"{DOCREF}&profile={profile}") == {"profiled"}


def test_post_takes_parameters(record: httpx.Client) -> None:
    body = parameters(
        patient={"valueId": "own"},
        type=[{"valueCoding": {"system": LOINC, "code": "11506-3"}}, {"valueCoding": {"code": "none"}}],
        **{"on-demand": {"valueBoolean": False}},
    )
    answer = record.post("/DocumentReference/$docref", json=body)
    assert names_in(answer.json()) == ["DocumentReference/note"]


def test_pages_hold_each_document_once(record: httpx.Client) -> None:
    put(record, *(document(f"d{number}") for number in range(5)))
    walked = [names_in(page) for page in pages(record, f"{DOCREF}&_count=2&type={LOINC}|34133-9")]
    assert [len(page) for page in walked] == [2, 2, 2]
    assert len({name for page in walked for name in page}) == 6


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("type=x", "required"),
        ("patient=own,other", "value"),
        ("patient=own&start=2024-13", "value"),
        ("patient=own&on-demand=perhaps", "value"),
        ("patient=own&date=2024", "value"),
        ("patient=own&_cursor=x.y", "value"),
    ],
)
def test_what_lacks_or_is_wrong_is_refused(record: httpx.Client, asked: str, code: str) -> None:
    answer = record.get(f"/DocumentReference/$docref?{asked}")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, code)


def test_the_disclosure_is_audited(record: httpx.Client) -> None:
    record.get(DOCREF)
    (event,) = audited(record, "$docref")
    assert whats_of(event) == {"Patient/own"}
