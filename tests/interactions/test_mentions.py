"""What else names a person is told before an erasure, and stays (docs/erasure.md)."""

from collections.abc import Iterator
from typing import Any

import pytest

from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from bhr_api.interactions import erasing, erasure_survey
from bhr_api.interactions.context import Context
from bhr_api.interactions.erasure_survey import Survey
from bhr_api.interactions.mentions import plain, references_in
from bhr_api.interactions.write import Change, apply
from tests.fixtures.record import Record, open_record

BASE = "http://mentions.example/fhir"
PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "Oüdkerk", "given": ["Ada", "Mae"]}, {"text": "Mae West"}],
    "identifier": [{"system": "http://example.org/mrn", "value": "77-1234"}],
}


def observation(id: str, patient: str | None, **more: Any) -> Resource:
    subject = {} if patient is None else {"subject": {"reference": f"Patient/{patient}"}}
    return {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}, **subject, **more}


def noted(text: str) -> Resource:
    """An observation of another patient with a note."""
    return observation("x", "p10", note=[{"text": text}])


@pytest.fixture(scope="module")
def record(database_dsn: str) -> Iterator[Record]:
    with open_record(database_dsn, BASE) as opened:
        yield opened


@pytest.fixture
def context(record: Record) -> Context:
    """A tenant with two patients and an observation of each."""
    context = record.new_tenant()
    other: Resource = {"resourceType": "Patient", "id": "p10"}
    record.store(context, [PATIENT, other, observation("o1", "p1"), observation("o10", "p10")])
    return context


def silent(_percent: float, _text: str) -> None:
    """Nobody watches."""


def surveyed(record: Record, context: Context) -> Survey:
    return record.run(erasure_survey.survey(context, "p1", silent))


def mentioned(record: Record, context: Context) -> list[tuple[str, bool, int, list[str]]]:
    """The mentions, as plain values."""
    return [(m.resource, m.is_current, m.past, sorted(m.reasons)) for m in surveyed(record, context).mentions]


def attended(*patients: str) -> list[Resource]:
    return [{"actor": {"reference": f"Patient/{id}"}, "status": "accepted"} for id in patients]


GROUP: Resource = {"resourceType": "Group", "id": "x", "type": "person", "actual": True}
MEMBERS: Resource = {**GROUP, "member": [{"entity": {"reference": "Patient/p1"}}]}
APPOINTMENT: Resource = {
    "resourceType": "Appointment",
    "id": "x",
    "status": "proposed",
    "participant": attended("p1", "p10"),
}
LINKED: Resource = {
    "resourceType": "Patient",
    "id": "x",
    "link": [{"other": {"reference": "Patient/p1"}, "type": "seealso"}],
}
LIST: Resource = {
    "resourceType": "List",
    "id": "x",
    "status": "current",
    "mode": "working",
    "entry": [{"item": {"reference": "Patient/p1"}}],
}
PERSON: Resource = {
    "resourceType": "Person",
    "id": "x",
    "link": [{"target": {"reference": "Patient/p1"}}, {"target": {"reference": "Patient/p10"}}],
}
TASK: Resource = {
    "resourceType": "Task",
    "id": "x",
    "status": "requested",
    "intent": "order",
    "for": {"reference": "Patient/p10"},
    "focus": {"reference": "Observation/o1"},
}
PROVENANCE: Resource = {
    "resourceType": "Provenance",
    "id": "x",
    "recorded": "2026-03-01T10:00:00Z",
    "target": [{"reference": "Observation/o1"}, {"reference": "Observation/o10"}],
    "agent": [{"who": {"reference": "Patient/p10"}}],
}
TO_PATIENT, TO_RECORD = "refers to the patient", "refers to a resource of the record"
IDENTIFIER, NAME = "holds an identifier of the patient", "holds the patient's name"


@pytest.mark.parametrize(
    ("resource", "reasons"),
    [
        pytest.param(MEMBERS, [TO_PATIENT], id="a-member-of-a-group"),
        pytest.param(APPOINTMENT, [TO_PATIENT], id="an-appointment-of-two"),
        pytest.param(LINKED, [TO_PATIENT], id="another-patient-that-is-linked"),
        pytest.param(LIST, [TO_PATIENT], id="a-list"),
        pytest.param(PERSON, [TO_PATIENT], id="a-person-with-two-records"),
        pytest.param(TASK, [TO_RECORD], id="in-another-record"),
        pytest.param(PROVENANCE, [TO_RECORD], id="provenance-of-two-records"),
        pytest.param(
            observation("x", None, subject={"identifier": PATIENT["identifier"][0]}), [IDENTIFIER], id="logical"
        ),
        pytest.param(noted("Quarrelled with Ada Oüdkerk."), [NAME], id="first-given-and-family-name"),
        pytest.param(noted("Ada Mae Oüdkerk came too."), [NAME], id="all-given-and-family-name"),
        pytest.param(noted("Called: Oüdkerk, Ada"), [NAME], id="family-name-first"),
        pytest.param(noted("Mae West?"), [NAME], id="a-name-as-text"),
        pytest.param(noted("See Patient/p1."), [TO_PATIENT], id="in-a-sentence"),
        pytest.param(noted(f"{BASE}/Patient/p1/_history/2 of Ada Oüdkerk"), [NAME, TO_PATIENT], id="by-url"),
    ],
)
def test_what_else_names_the_person_is_told_and_stays(
    record: Record, context: Context, resource: Resource, reasons: list[str]
) -> None:
    record.store(context, [resource])
    name = f"{resource['resourceType']}/x"
    found = surveyed(record, context)
    assert mentioned(record, context) == [(name, True, 0, reasons)]
    record.run(erasing.erase(context, "p1", found, found.code, "tester", silent))
    rows = record.fetch("SELECT id, version, body FROM resource WHERE tenant = $1 ORDER BY id", [context.tenant])
    assert [row[:2] for row in map(tuple, rows)] == [("o10", 1), ("p10", 1), ("x", 1)]
    # Who the patient was, nobody knows any more; the reference is found as before.
    assert mentioned(record, context) == ([(name, True, 0, [TO_PATIENT])] if TO_PATIENT in reasons else [])


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(observation("x", "p10"), id="an-id-that-begins-so"),
        pytest.param(noted("http://other.example/fhir/Patient/p1"), id="another-server"),
        pytest.param(noted("Oüdkerk, and Ada"), id="family-and-given-name-apart"),
        pytest.param(
            observation("x", "p10", identifier=[{"system": "http://example.org/other", "value": "77-1234"}]),
            id="the-same-number-of-another-system",
        ),
        pytest.param(noted("77-1234"), id="a-number-that-is-no-identifier"),
    ],
)
def test_what_does_not_name_the_person_is_not_told(record: Record, context: Context, resource: Resource) -> None:
    record.store(context, [resource])
    assert mentioned(record, context) == []


def test_a_document_that_the_record_refers_to_is_told(record: Record, context: Context) -> None:
    binary: Resource = {"resourceType": "Binary", "id": "scan", "contentType": "text/plain", "data": "aGVsbG8="}
    document: Resource = {
        "resourceType": "DocumentReference",
        "id": "d",
        "status": "current",
        "subject": {"reference": "Patient/p1"},
        "content": [{"attachment": {"url": f"{BASE}/Binary/scan"}}],
    }
    record.store(context, [binary, {**binary, "id": "other"}, document])
    assert mentioned(record, context) == [("Binary/scan", True, 0, ["is what the record refers to"])]


def test_a_practitioner_that_the_record_refers_to_is_nobodys_document(record: Record, context: Context) -> None:
    record.store(context, [{"resourceType": "Practitioner", "id": "y"}])
    record.store(context, [observation("o2", "p1", performer=[{"reference": "Practitioner/y"}])])
    assert mentioned(record, context) == []


def test_a_reference_that_was_sent_with_escapes_is_found(record: Record, context: Context) -> None:
    body = json_text.dumps(MEMBERS).replace(b"Patient/p1", b"Patient\\/\\u00701")
    change = Change("update", "Group", "x", json_text.parse(body), body)

    async def store() -> None:
        async with context.database.acquire() as connection, connection.transaction():
            await apply(context, connection, [change])

    record.run(store())
    assert mentioned(record, context) == [("Group/x", True, 0, [TO_PATIENT])]


def test_older_versions_are_told_with_the_resource(record: Record, context: Context) -> None:
    for resource in (noted("Ada Oüdkerk"), noted("Patient/p1"), noted("nobody")):
        record.store(context, [resource])
    assert mentioned(record, context) == [("Observation/x", False, 2, [NAME, TO_PATIENT])]


def test_a_name_that_only_an_older_version_of_the_patient_bears_is_looked_for(record: Record, context: Context) -> None:
    record.store(context, [{**PATIENT, "name": [{"family": "New", "given": ["Name"]}]}, noted("Ada Oüdkerk")])
    assert mentioned(record, context) == [("Observation/x", True, 0, [NAME])]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(b'"Patient/a"', [b"Patient/a"], id="relative"),
        pytest.param(b'"http://h/fhir/Patient/a/_history/1"', [b"Patient/a"], id="absolute-with-version"),
        pytest.param(b'"http://h/fhir/other/Patient/a"', [], id="below-another-path"),
        pytest.param(b'"http://terminology.hl7.org/CodeSystem/x"', [], id="a-code-system"),
        pytest.param(b"(Patient/a.)", [b"Patient/a.", b"Patient/a"], id="full-stop"),
        pytest.param(b'href=\\"Patient/a\\"', [b"Patient/a"], id="narrative"),
        pytest.param(b"http://h2 Patient/a", [b"Patient/a"], id="after-a-url"),
    ],
)
def test_references_are_read_where_they_stand(text: bytes, found: list[bytes]) -> None:
    assert list(references_in(text, b"http://h/fhir")) == found


def test_text_without_escapes_is_taken_as_it_is() -> None:
    assert plain(b'{"a": "\\"b\\""}') == b'{"a": "\\"b\\""}'
    assert plain(b'{"a": "\\u0062\\/c"}') == b'{"a":"b/c"}'
