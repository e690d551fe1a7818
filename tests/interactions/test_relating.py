"""Relations are kept together with the resources that say so, by whatever interaction (docs/accounts.md)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import asyncpg
import pytest

from bhr_api.access import Person, Role, parse_scopes
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.interactions.create import create
from bhr_api.interactions.requests import Request
from bhr_api.interactions.update import update
from bhr_api.resources.responsibility import RESPONSIBILITIES
from bhr_api.search.visibility import Visibility
from tests.fixtures.database import on_database
from tests.fixtures.record import Record, open_record
from tests.interactions.integrity_cases import Resource, to
from tests.noted_statements import noting

PATIENT = to("Patient/p")
SOURCES: dict[str, Resource] = {
    "CareTeam": {"status": "active", "subject": PATIENT, "participant": [{"member": to("Practitioner/w")}]},
    "EpisodeOfCare": {"status": "active", "patient": PATIENT, "careManager": to("Practitioner/w")},
    "RelatedPerson": {"patient": PATIENT},
}


@pytest.fixture(scope="module")
def record(database_dsn: str) -> Iterator[Record]:
    with open_record(database_dsn, "http://test/fhir") as record:
        yield record


@contextmanager
def without_relations(dsn: str, tenant: int) -> Iterator[None]:
    """The database takes no relation of this tenant meanwhile."""

    def change(sql: str) -> None:
        on_database(dsn, lambda connection: connection.execute(f"ALTER TABLE relation {sql}"))

    change(f"ADD CONSTRAINT none_of_tenant CHECK (tenant <> {tenant})")
    try:
        yield
    finally:
        change("DROP CONSTRAINT none_of_tenant")


@pytest.mark.parametrize("resource_type", RESPONSIBILITIES)
def test_a_new_source_of_relations_is_stored_with_them_or_not_at_all(
    record: Record, database_dsn: str, resource_type: str
) -> None:
    context = record.new_tenant()
    body = json_text.dumps({"resourceType": resource_type, **SOURCES[resource_type]})

    with without_relations(database_dsn, context.tenant), pytest.raises(asyncpg.CheckViolationError):
        record.run(create(context, Request("create", resource_type, body=body)))

    stored = "SELECT id FROM resource WHERE tenant = $1 AND resource_type = $2"
    assert record.fetch(stored, [context.tenant, RESOURCE_TYPE_NUMBERS[resource_type]]) == []


def test_a_worker_is_asked_about_once_for_an_update_within_a_record(database_dsn: str) -> None:
    with noting(database_dsn) as notes, open_record(database_dsn, "http://test/fhir") as record:
        context = record.new_tenant()
        team: Resource = {"resourceType": "CareTeam", "id": "t", **SOURCES["CareTeam"]}
        flag: Resource = {
            "resourceType": "Flag",
            "id": "f",
            "status": "active",
            "code": {"text": "x"},
            "subject": PATIENT,
        }
        record.store(context, [{"resourceType": "Patient", "id": "p"}, team, flag])
        role = Role("worker", parse_scopes("user/*.cruds"), "caseload")
        person = Person("w", ("Practitioner/w",), (), (role,))
        caller = replace(context.caller, scopes=parse_scopes("user/*.cruds"), person=person)
        worker = replace(context, caller=caller, visibility=Visibility.of(caller, context.hasher))

        stored = record.run(update(worker, Request("update", "Flag", "f", body=json_text.dumps(flag))))

    assert (stored.status, stored.version) == (200, 2)
    assert [len(asked) for sql, asked in notes.executions.items() if "DISTINCT l.person" in sql] == [1]
