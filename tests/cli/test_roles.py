"""roles list, set and reset."""

import uuid
from typing import Any

import pytest

from tests.cli.conftest import CommandLine
from tests.fixtures.database import on_database


@pytest.fixture
def tenant(bhr_api: CommandLine) -> str:
    name = f"t-{uuid.uuid4().hex[:16]}"
    bhr_api.lines("tenants", "add", name)
    return name


def roles(bhr_api: CommandLine, tenant: str) -> dict[str, Any]:
    return {role["name"]: role for role in bhr_api.lines("roles", "list", "--tenant", tenant)}


def test_the_built_in_roles_are_there(bhr_api: CommandLine, tenant: str) -> None:
    found = roles(bhr_api, tenant)

    assert {name: role["relation"] for name, role in found.items()} == {
        "administrator": "tenant",
        "client": "self",
        "clinician": "tenant",
        "guardian": "caseload",
        "privacy-officer": "tenant",
        "supervisor": "team",
        "worker": "caseload",
    }
    # Who is in a team gives access.
    assert "user/CareTeam.rs" in found["worker"]["scope"].split(" ")


def test_a_role_is_added_changed_and_taken_back(bhr_api: CommandLine, tenant: str) -> None:
    before = roles(bhr_api, tenant)
    for name in ("intake", "worker"):
        bhr_api.output("roles", "set", name, "--scope", "user/Task.rs", "--relation", "team", "--tenant", tenant)
        assert roles(bhr_api, tenant)[name] == {"name": name, "relation": "team", "scope": "user/Task.rs"}

    for name in ("intake", "worker"):
        bhr_api.output("roles", "reset", name, "--tenant", tenant)

    assert roles(bhr_api, tenant) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(("set", "x", "--scope", "user/Gaol.rs", "--relation", "team"), "no resource type", id="type"),
        pytest.param(("set", "x", "--scope", "system/Task.rs", "--relation", "team"), "begin with user/", id="context"),
        pytest.param(("set", "x", "--scope", "user/Task.rs", "--relation", "all"), "is no relation", id="relation"),
        pytest.param(("set", "X", "--scope", "user/Task.rs", "--relation", "team"), "a role's name is", id="name"),
        pytest.param(("reset", "worker"), "was not changed here", id="unchanged"),
        pytest.param(("reset", "worker", "--tenant", "none"), "There is no tenant 'none'", id="tenant"),
    ],
)
def test_what_is_wrong_is_said(bhr_api: CommandLine, tenant: str, arguments: tuple[str, ...], says: str) -> None:
    where = () if "--tenant" in arguments else ("--tenant", tenant)
    assert says in bhr_api.refusal("roles", *arguments, *where)


def test_a_change_is_audited(bhr_api: CommandLine, tenant: str, database_dsn: str) -> None:
    bhr_api.output("roles", "set", "worker", "--scope", "user/Task.rs", "--relation", "team", "--tenant", tenant)
    sql = """
        SELECT e.interaction, e.query FROM audit_event e JOIN tenant t ON t.tenant = e.tenant
        WHERE t.name = $1 AND e.interaction = 'role-set'
    """
    rows = on_database(database_dsn, lambda connection: connection.fetch(sql, tenant))
    assert [tuple(row) for row in rows] == [("role-set", "name=worker&relation=team&scope=user/Task.rs")]
