"""What referential integrity costs: statements of a write under each setting (docs/references.md)."""

from collections.abc import Awaitable, Iterator
from dataclasses import replace

import pytest

from bhr_api.fhir import json_text
from bhr_api.fhir.references import ReferentialIntegrity
from bhr_api.interactions.context import Context
from bhr_api.interactions.create import create
from bhr_api.interactions.delete import delete
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.interactions.update import update
from tests.fixtures.record import Record, open_record
from tests.interactions.integrity_cases import Resource, observation, to
from tests.noted_statements import Noted, noting

PATIENT: Resource = {"resourceType": "Patient", "id": "p"}


@pytest.fixture(scope="module")
def noted_record(database_dsn: str) -> Iterator[tuple[Record, Noted]]:
    """A record whose statements are noted."""
    with noting(database_dsn) as notes, open_record(database_dsn, "http://test/fhir") as record:
        yield record, notes


def context_of(record: Record, integrity: ReferentialIntegrity) -> Context:
    """A new tenant with a patient, whose references are indexed."""
    context = replace(record.new_tenant(), integrity=integrity)
    record.store(context, [PATIENT])
    return context


def request(interaction: str, resource: Resource, id: str = "") -> Request:
    """A request with `resource` as its body."""
    named = {**resource, **({"id": id} if id else {})}
    return Request(interaction, resource["resourceType"], id, body=json_text.dumps(named))


def counted(notes: Noted) -> int:
    """How many statements were carried out so far, transactions' ends among them."""
    return sum(map(len, notes.executions.values()))


@pytest.mark.parametrize(
    ("integrity", "alone", "after_change", "after_deletion"),
    [
        pytest.param("off", 1, 6, 6, id="off"),
        # BEGIN, the look at all targets, the row, COMMIT.
        pytest.param("on-write", 4, 7, 6, id="on-write"),
        # What refers to it is one statement more.
        pytest.param("strict", 4, 7, 7, id="strict"),
    ],
)
def test_statements_of_a_write(
    noted_record: tuple[Record, Noted],
    integrity: ReferentialIntegrity,
    alone: int,
    after_change: int,
    after_deletion: int,
) -> None:
    record, notes = noted_record
    context = context_of(record, integrity)
    body = observation(subject=to("Patient/p"), performer=[to("Patient/p")])
    for id in ("first", "second"):
        record.run(update(context, request("update", body, id)))
    # The first deletion of a tenant finds out that all its rows tell what they refer to, which is then remembered.
    record.run(delete(context, Request("delete", "Observation", "first")))

    def statements_of(work: Awaitable[Result]) -> int:
        before = counted(notes)
        record.run(work)
        return counted(notes) - before

    assert statements_of(create(context, request("create", body))) == alone
    assert statements_of(update(context, request("update", body, "second"))) == after_change
    assert statements_of(delete(context, Request("delete", "Observation", "second"))) == after_deletion
