"""tenants add and list."""

import uuid

import pytest

from tests.cli.conftest import CommandLine
from tests.fixtures.database import on_database


def test_an_added_tenant_is_listed(bhr_api: CommandLine) -> None:
    name = f"t-{uuid.uuid4().hex[:16]}"
    (added,) = bhr_api.lines("tenants", "add", name)
    assert added["name"] == name
    assert added in bhr_api.lines("tenants", "list")


def test_a_tenant_is_added_once(bhr_api: CommandLine) -> None:
    name = f"t-{uuid.uuid4().hex[:16]}"
    bhr_api.lines("tenants", "add", name)
    assert bhr_api.refusal("tenants", "add", name) == f"There is a tenant {name!r} already."


@pytest.mark.parametrize("name", ["North", "with_underscore", "a" * 33, ""])
def test_a_name_that_tokens_cannot_carry_is_refused(bhr_api: CommandLine, name: str) -> None:
    assert "a tenant's name is 1 to 32 of a-z, 0-9 and -" in bhr_api.refusal("tenants", "add", name)


def test_adding_a_tenant_is_audited(bhr_api: CommandLine, database_dsn: str) -> None:
    (added,) = bhr_api.lines("tenants", "add", f"t-{uuid.uuid4().hex[:16]}")
    row = on_database(
        database_dsn,
        lambda connection: connection.fetchrow(
            "SELECT interaction, client_id FROM audit_event WHERE tenant = $1", added["tenant"]
        ),
    )
    assert row is not None
    assert tuple(row) == ("tenant-add", "command-line")
