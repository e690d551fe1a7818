"""verify-audit."""

from datetime import UTC, datetime

from bhr_api.store import audit_seal, tenants
from bhr_api.store.audit import AuditEvent, append
from bhr_api.store.database import Connection
from bhr_api.store.row_ids import RowIds
from tests.cli.conftest import CommandLine
from tests.fixtures.database import on_database

ROW_IDS = RowIds()


async def write_sealed(connection: Connection, tenant: str) -> None:
    """Three sealed events of `tenant`."""
    now = datetime.now(UTC)
    number = (await tenants.add(connection, tenant, now)).tenant
    events = [
        AuditEvent(number, now, ROW_IDS.next(), "read", 200, "c", None, None, f"r{n}", "Goal", str(n), 1, None, [])
        for n in range(3)
    ]
    await append(connection, events)
    await audit_seal.seal(connection, number, now)


def test_an_untouched_trail_is_intact(new_database: str) -> None:
    bhr_api = CommandLine(("--database-url", new_database))
    bhr_api.output("migrate")
    on_database(new_database, lambda connection: write_sealed(connection, "clinic"))
    line = bhr_api.output("verify-audit", "--tenant", "clinic")
    assert line.startswith("intact  clinic  3 events in 1 links, 0 not sealed yet  head 1:")
    noted = line.split()[-1]
    assert bhr_api.output("verify-audit", "--tenant", "clinic", "--noted", noted) == line


def test_an_edited_event_is_found(new_database: str) -> None:
    bhr_api = CommandLine(("--database-url", new_database))
    bhr_api.output("migrate")
    on_database(new_database, lambda connection: write_sealed(connection, "clinic"))
    edit = "UPDATE audit_event SET client_id = 'other' WHERE resource_id = '1'"
    on_database(new_database, lambda connection: connection.execute(edit))
    outcome = bhr_api.run("verify-audit")
    assert outcome.exit_code == 1
    assert "BROKEN  clinic" in outcome.stdout
    assert "changed at link 1" in outcome.stdout
    assert outcome.stderr == "bhr-api: The audit of clinic is not as it was sealed.\n"


def test_a_head_that_is_none_is_refused(new_database: str) -> None:
    bhr_api = CommandLine(("--database-url", new_database))
    bhr_api.output("migrate")
    assert "is no head" in bhr_api.refusal("verify-audit", "--tenant", "default", "--noted", "x")
    assert "name it by --tenant" in bhr_api.refusal("verify-audit", "--noted", "1:00")
