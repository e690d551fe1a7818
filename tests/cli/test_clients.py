"""clients add, list, disable and rotate."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from tests.cli.conftest import CommandLine
from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer


def ask_for_token(server: RunningServer, client: dict[str, Any]) -> httpx.Response:
    return httpx.post(
        f"{server.url}/oauth/token",
        data={"grant_type": "client_credentials", "scope": "system/*.rs"},
        auth=(client["client_id"], client["client_secret"]),
    )


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file with a public key."""
    key = ECKey.generate_key("P-384", {"kid": "one", "alg": "ES384"})
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    return file


def add(bhr_api: CommandLine, tenant: str, *options: str, scope: str = "system/*.rs") -> dict[str, Any]:
    (client,) = bhr_api.lines("clients", "add", "--tenant", tenant, "--name", "An EHR", "--scope", scope, *options)
    return client


def test_a_new_client_gets_tokens_with_its_secret(bhr_api: CommandLine, server: RunningServer, tenant: str) -> None:
    client = add(bhr_api, tenant, "--secret")
    assert ask_for_token(server, client).status_code == 200


def test_the_secret_is_printed_once(bhr_api: CommandLine, tenant: str) -> None:
    client = add(bhr_api, tenant, "--secret")
    (listed,) = bhr_api.lines("clients", "list", "--tenant", tenant)
    secret = client.pop("client_secret")
    assert listed == client
    assert secret not in bhr_api.output("clients", "list", "--tenant", tenant)


def test_keys_come_from_a_file_or_standard_input(bhr_api: CommandLine, tenant: str, keys: Path) -> None:
    first = add(bhr_api, tenant, "--jwks", str(keys))
    arguments = ("clients", "add", "--tenant", tenant, "--name", "Another", "--scope", "system/*.rs", "--jwks", "-")
    (second,) = bhr_api.lines(*arguments, stdin=keys.read_text())
    assert [first["authentication"], second["authentication"]] == ["private_key_jwt"] * 2
    assert "client_secret" not in first


def test_redirect_uris_and_origins_are_kept(bhr_api: CommandLine, tenant: str) -> None:
    where = ("--redirect-uri", "https://app.example/return", "--origin", "https://app.example")
    client = add(bhr_api, tenant, "--secret", *where, scope="launch/patient patient/*.rs openid")
    assert client["redirect_uris"] == ["https://app.example/return"]
    assert client["origins"] == ["https://app.example"]


def test_a_disabled_client_gets_no_token(bhr_api: CommandLine, server: RunningServer, tenant: str) -> None:
    client = add(bhr_api, tenant, "--secret")
    (disabled,) = bhr_api.lines("clients", "disable", client["client_id"])
    assert "disabled_at" in disabled
    assert ask_for_token(server, client).status_code == 401


def test_a_rotated_secret_replaces_the_old_one(bhr_api: CommandLine, server: RunningServer, tenant: str) -> None:
    client = add(bhr_api, tenant, "--secret")
    (rotated,) = bhr_api.lines("clients", "rotate", client["client_id"])
    assert ask_for_token(server, client).status_code == 401
    assert ask_for_token(server, rotated).status_code == 200


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param((), "exactly one of a key set, a key set URL and a secret", id="no-credentials"),
        pytest.param(("--secret", "--jwks-url", "https://a.example/k"), "exactly one of", id="two-credentials"),
        pytest.param(("--jwks", "absent.json"), "absent.json: No such file", id="no-such-file"),
    ],
)
def test_a_client_authenticates_in_one_way(
    bhr_api: CommandLine, tenant: str, options: tuple[str, ...], reason: str
) -> None:
    arguments = ("clients", "add", "--tenant", tenant, "--name", "An EHR", "--scope", "system/*.rs", *options)
    assert reason in bhr_api.refusal(*arguments)


def test_a_scope_of_a_type_that_r4_has_not_is_refused(bhr_api: CommandLine, tenant: str) -> None:
    arguments = ("--tenant", tenant, "--name", "An EHR", "--scope", "system/Unicorn.rs", "--secret")
    assert "R4 has no resource type 'Unicorn'" in bhr_api.refusal("clients", "add", *arguments)


def test_what_is_no_client_is_not_disabled(bhr_api: CommandLine) -> None:
    assert "'someone' is no client id" in bhr_api.refusal("clients", "disable", "someone")


def test_registration_is_audited_without_the_secret(bhr_api: CommandLine, database_dsn: str, tenant: str) -> None:
    client = add(bhr_api, tenant, "--secret")
    rows = on_database(
        database_dsn,
        lambda connection: connection.fetch(
            "SELECT e.interaction, e.query FROM audit_event e JOIN tenant t USING (tenant) WHERE t.name = $1", tenant
        ),
    )
    assert [row["interaction"] for row in rows] == ["client-add"]
    assert client["client_id"] in rows[0]["query"]
    assert client["client_secret"] not in rows[0]["query"]


def test_a_public_app_has_no_credentials(bhr_api: CommandLine, tenant: str) -> None:
    client = add(bhr_api, tenant, "--public", "--redirect-uri", "https://app.example/return", scope="patient/*.rs")

    assert client["authentication"] == "none"
    assert "client_secret" not in client
    assert "no credentials" in bhr_api.refusal("clients", "rotate", client["client_id"])


def test_a_public_app_is_known_by_its_redirect_uris(bhr_api: CommandLine, tenant: str) -> None:
    arguments = ("clients", "add", "--tenant", tenant, "--name", "An app", "--scope", "patient/*.rs", "--public")

    assert "redirect URI" in bhr_api.refusal(*arguments)
    assert "exactly one" in bhr_api.refusal(*arguments, "--secret", "--redirect-uri", "https://app.example/return")


def test_an_invited_app_registers_itself(bhr_api: CommandLine, server: RunningServer, tenant: str) -> None:
    token = bhr_api.output("clients", "invite", "--scope", "patient/*.rs", "--uses", "1", "--tenant", tenant).strip()
    metadata = {"redirect_uris": ["https://app.example/return"], "token_endpoint_auth_method": "none"}

    answer = httpx.post(f"{server.url}/oauth/register", json=metadata, headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 201
    (listed,) = bhr_api.lines("clients", "list", "--tenant", tenant)
    assert listed["client_id"] == answer.json()["client_id"]
