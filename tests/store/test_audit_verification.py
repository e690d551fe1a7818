from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from bhr_api.store import audit, audit_reading, audit_verification
from bhr_api.store.audit_seal import LONGEST_LOOKBACK
from bhr_api.store.audit_verification import Fault, Head, VerificationReport, verify
from tests.fixtures.database import TestServer
from tests.store.audit_trail import NOW, Trail, new_trail, own_database


@pytest.fixture(scope="module")
def database_dsn(postgresql: TestServer) -> Iterator[str]:
    yield from own_database(postgresql)


@pytest.fixture
def trail(database_dsn: str) -> Trail:
    """A trail of four links with three events each, a minute apart."""
    trail = new_trail(database_dsn)
    for minute in range(4):
        start = NOW + timedelta(minutes=minute)
        trail.add(*(start + timedelta(seconds=n) for n in range(3)))
        trail.seal(start + timedelta(seconds=3))
    return trail


def report_on(trail: Trail, **kwargs: Any) -> VerificationReport:
    return trail.run(lambda connection: verify(connection, trail.tenant, **kwargs))


def faults_of(trail: Trail, **kwargs: Any) -> list[tuple[str, int]]:
    return [(fault.kind, fault.sequence) for fault in report_on(trail, **kwargs).faults]


def tamper(trail: Trail, sql: str, *values: object) -> None:
    """Change the rows of the trail as one who may do anything."""
    trail.run(lambda connection: connection.execute(f"{sql} AND tenant = $1", trail.tenant, *values))


def test_an_untouched_trail_is_intact(trail: Trail) -> None:
    report = report_on(trail)
    last = trail.links()[-1]
    assert report.is_intact
    assert (report.links, report.events, report.unsealed) == (4, 12, 0)
    assert report.head == Head(4, last["hash"])


def test_an_empty_trail_is_intact(database_dsn: str) -> None:
    report = report_on(new_trail(database_dsn))
    assert report == VerificationReport()


def test_the_tail_that_is_not_yet_sealed_is_counted(trail: Trail) -> None:
    trail.add(NOW + timedelta(minutes=5), NOW + timedelta(minutes=6))
    report = report_on(trail)
    assert (report.is_intact, report.unsealed) == (True, 2)


@pytest.mark.parametrize(
    "edit",
    [
        "interaction = 'vread'",
        "status = 404",
        "client_id = NULL",
        "fhir_user = 'Practitioner/2'",
        "source = '10.0.0.2'",
        "request_id = 'other'",
        "resource_type = 'Task'",
        "resource_id = 'g2'",
        "version = NULL",
        "query = ''",
        "patients = '{5}'",
        "recorded = recorded + interval '1 millisecond'",
    ],
)
def test_an_edited_event_is_found(trail: Trail, edit: str) -> None:
    edited = trail.links()[2]["events"][1]
    tamper(trail, f"UPDATE audit_event SET {edit} WHERE event_id = $2", edited)
    assert faults_of(trail) == [("changed", 3)]


def test_an_event_moved_to_another_day_is_found(trail: Trail) -> None:
    moved = trail.links()[1]["events"][0]
    tamper(trail, "UPDATE audit_event SET recorded = recorded - interval '3 days' WHERE event_id = $2", moved)
    assert faults_of(trail) == [("removed", 2), ("unsealed", 0)]


def test_an_event_given_to_another_tenant_is_found(trail: Trail) -> None:
    moved = trail.links()[1]["events"][0]
    tamper(trail, "UPDATE audit_event SET tenant = tenant + 100000 WHERE event_id = $2", moved)
    assert faults_of(trail) == [("removed", 2)]


def test_removed_events_are_named(trail: Trail) -> None:
    removed: Sequence[int] = trail.links()[1]["events"][:2]
    tamper(trail, "DELETE FROM audit_event WHERE event_id = ANY($2::bigint[])", removed)
    assert report_on(trail).faults == [Fault("removed", 2, trail.links()[1]["sealed_at"], tuple(removed))]


def test_a_list_in_another_order_is_found(trail: Trail) -> None:
    tamper(trail, "UPDATE audit_seal SET events = events[3:3] || events[1:2] WHERE sequence = 2")
    assert faults_of(trail) == [("reordered", 2)]


@pytest.mark.parametrize("edit", ["sealed_at = sealed_at + interval '1 hour'", "events = events[1:2]"])
def test_an_edited_link_is_found(trail: Trail, edit: str) -> None:
    tamper(trail, f"UPDATE audit_seal SET {edit} WHERE sequence = 2")
    assert ("changed", 2) in faults_of(trail)


def test_an_edited_hash_breaks_its_link_and_the_next(trail: Trail) -> None:
    tamper(trail, "UPDATE audit_seal SET hash = sha256('') WHERE sequence = 2")
    assert faults_of(trail) == [("changed", 2), ("changed", 3)]


def test_a_removed_link_is_found(trail: Trail) -> None:
    tamper(trail, "DELETE FROM audit_seal WHERE sequence = 2")
    assert faults_of(trail) == [("link-removed", 3)]
    assert report_on(trail).unsealed == 3


def test_a_removed_beginning_is_found(trail: Trail) -> None:
    tamper(trail, "DELETE FROM audit_event WHERE event_id = ANY($2::bigint[])", trail.links()[0]["events"])
    tamper(trail, "DELETE FROM audit_seal WHERE sequence = 1")
    assert faults_of(trail) == [("link-removed", 2)]


def test_links_that_change_places_are_found(trail: Trail) -> None:
    for old, new in ((2, 9), (3, 2), (9, 3)):
        tamper(trail, "UPDATE audit_seal SET sequence = $3 WHERE sequence = $2", old, new)
    assert [sequence for _, sequence in faults_of(trail)] == [2, 3, 4]


def test_an_event_added_long_after_its_time_is_found(trail: Trail) -> None:
    trail.add(NOW - LONGEST_LOOKBACK - timedelta(hours=1))
    report = report_on(trail)
    assert report.faults == [Fault("unsealed", 0, count=1)]
    assert report.unsealed == 1


def test_a_noted_head_tells_when_the_newest_links_are_gone(trail: Trail) -> None:
    head = report_on(trail).head
    assert head is not None
    tamper(trail, "DELETE FROM audit_event WHERE event_id = ANY($2::bigint[])", trail.links()[3]["events"])
    tamper(trail, "DELETE FROM audit_seal WHERE sequence = 4")
    assert faults_of(trail) == []
    assert faults_of(trail, noted=head) == [("head", 4)]


def test_a_noted_head_tells_when_the_chain_was_made_anew(trail: Trail) -> None:
    head = report_on(trail).head
    tamper(trail, "UPDATE audit_event SET status = 404 WHERE TRUE")
    tamper(trail, "DELETE FROM audit_seal WHERE TRUE")
    for minute in range(4):
        trail.seal(NOW + timedelta(minutes=minute, seconds=3))
    assert faults_of(trail) == []
    assert faults_of(trail, noted=head) == [("head", 4)]


def test_a_noted_head_stays_good_as_the_chain_grows(trail: Trail) -> None:
    head = report_on(trail).head
    trail.add(NOW + timedelta(minutes=9))
    trail.seal(NOW + timedelta(minutes=9))
    assert report_on(trail, noted=head).is_intact


def test_what_the_retention_let_go_is_left_out(trail: Trail) -> None:
    let_go = [event for link in trail.links()[:2] for event in link["events"]]
    tamper(trail, "DELETE FROM audit_event WHERE event_id = ANY($2::bigint[])", let_go)
    report = report_on(trail, since=NOW + timedelta(minutes=2))
    assert (report.faults, report.links, report.events, report.unsealed) == ([], 2, 6, 0)


def test_a_long_trail_is_looked_at_part_by_part(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    small = audit_verification._GROUP.replace("LIMIT 300", "LIMIT 3").replace("<= 100000", "<= 6")
    monkeypatch.setattr(audit_verification, "_GROUP", small)
    assert report_on(trail).events == 12
    tamper(trail, "UPDATE audit_event SET status = 404 WHERE event_id = $2", trail.links()[2]["events"][0])
    assert faults_of(trail) == [("changed", 3)]


def test_an_event_of_a_machine_with_a_wrong_clock_is_found(trail: Trail) -> None:
    event = trail.event(NOW)._replace(recorded=NOW + timedelta(minutes=10))
    trail.run(lambda connection: audit.append(connection, [event]))
    assert trail.seal(NOW + timedelta(minutes=10)) == 1
    assert trail.seal(NOW + timedelta(minutes=10)) == 0
    assert report_on(trail).is_intact
    assert trail.run(lambda connection: audit_reading.find(connection, trail.tenant, event.event_id)) == event
