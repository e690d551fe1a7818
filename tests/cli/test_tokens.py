"""token: for the operator at the keyboard."""

import httpx
import pytest

from tests.cli.conftest import CommandLine
from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer


def search(server: RunningServer, token: str, path: str = "Patient") -> httpx.Response:
    return httpx.get(f"{server.base_url}/{path}", headers={"Authorization": f"Bearer {token}"})


def test_the_token_alone_is_printed_and_works(bhr_api: CommandLine, server: RunningServer, tenant: str) -> None:
    printed = bhr_api.output("token", "--tenant", tenant, "--scope", "system/Patient.rs")
    assert printed.startswith(f"bhr_at_{tenant}_")
    assert printed.count("\n") == 1
    assert search(server, printed.strip()).status_code == 200
    assert search(server, printed.strip(), "Goal").status_code == 403


def test_a_token_can_be_bound_to_a_patient(
    bhr_api: CommandLine, server: RunningServer, tenant: str, client: httpx.Client
) -> None:
    for id in ("p1", "p2"):
        assert client.put(f"/Patient/{id}", json={"resourceType": "Patient", "id": id}).status_code == 201
    token = bhr_api.output("token", "--tenant", tenant, "--scope", "patient/*.rs", "--patient", "p1").strip()
    found = search(server, token).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == ["p1"]


def test_the_lifetime_and_the_user_are_kept(bhr_api: CommandLine, database_dsn: str, tenant: str) -> None:
    bhr_api.output("token", "--tenant", tenant, "--scope", "user/*.rs", "--user", "Practitioner/1", "--lifetime", "60")
    row = on_database(
        database_dsn,
        lambda connection: connection.fetchrow(
            "SELECT fhir_user, extract(epoch FROM expires_at - issued_at)::int FROM oauth_access_token"
            " JOIN tenant USING (tenant) WHERE name = $1",
            tenant,
        ),
    )
    assert row is not None
    assert tuple(row) == ("Practitioner/1", 60)


def test_a_token_is_audited(bhr_api: CommandLine, database_dsn: str, tenant: str) -> None:
    bhr_api.output("token", "--tenant", tenant, "--scope", "system/Goal.rs")
    row = on_database(
        database_dsn,
        lambda connection: connection.fetchrow(
            "SELECT interaction, client_id, query FROM audit_event JOIN tenant USING (tenant) WHERE name = $1", tenant
        ),
    )
    assert row is not None
    assert tuple(row) == ("oauth-grant", "command-line", "success: system/Goal.rs")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--scope", "everything"), "'everything' is no scope that can be enforced"),
        (("--scope", "system/*.rs", "--lifetime", "60", "--tenant", "nobody"), "There is no tenant 'nobody'."),
    ],
)
def test_what_cannot_be_granted_is_refused(
    bhr_api: CommandLine, tenant: str, options: tuple[str, ...], reason: str
) -> None:
    # The last of two --tenant counts.
    assert reason in bhr_api.refusal("token", "--tenant", tenant, *options)
