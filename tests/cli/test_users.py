"""users add, list, change, passwd, totp, disable, enable, link and unlink."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer

PASSWORD = "seven plain words are a password"


def add(bhr_api: CommandLine, tenant: str, username: str, *options: str, stdin: str = f"{PASSWORD}\n") -> str:
    arguments = ("users", "add", "--tenant", tenant, "--username", username, "--fhir-user", "Practitioner/p1")
    return bhr_api.output(*arguments, "--password-stdin", *options, stdin=stdin)


def test_a_person_is_added_and_listed(bhr_api: CommandLine, tenant: str) -> None:
    rights = ("--role", "worker", "--role", "supervisor", "--team", "Organization/7", "--also", "PractitionerRole/2")
    added = json.loads(add(bhr_api, tenant, "J.Doe", *rights))
    assert (added["username"], added["fhir_user"]) == ("j.doe", "Practitioner/p1")
    assert (added["roles"], added["teams"], added["also"]) == (
        ["worker", "supervisor"],
        ["Organization/7"],
        ["PractitionerRole/2"],
    )
    assert bhr_api.lines("users", "list", "--tenant", tenant) == [added]


def test_a_person_whom_the_record_does_not_know_yet_is_pointed_out(bhr_api: CommandLine, tenant: str) -> None:
    arguments = ("users", "add", "--tenant", tenant, "--fhir-user", "Practitioner/new", "--password-stdin")
    outcome = bhr_api.run(*arguments, "--username", "early", stdin=PASSWORD)
    assert outcome.exit_code == 0
    assert "no Practitioner/new" in outcome.stderr


def test_the_line_end_of_a_file_is_not_part_of_the_password(bhr_api: CommandLine, tenant: str) -> None:
    add(bhr_api, tenant, "twelve", stdin="x" * 12 + "\r\n")
    assert (
        "at least 12"
        in bhr_api.run(
            "users", "passwd", "twelve", "--tenant", tenant, "--password-stdin", stdin="x" * 11 + "\n"
        ).stderr
    )


def test_rights_are_replaced_as_far_as_they_are_given(bhr_api: CommandLine, tenant: str) -> None:
    add(bhr_api, tenant, "doe", "--role", "worker", "--team", "Organization/7")
    (changed,) = bhr_api.lines("users", "change", "doe", "--role", "clinician", "--tenant", tenant)
    assert (changed["roles"], changed["teams"]) == (["clinician"], ["Organization/7"])
    (without,) = bhr_api.lines("users", "change", "doe", "--no-roles", "--no-teams", "--tenant", tenant)
    assert "roles" not in without
    assert "teams" not in without


def test_somebody_is_kept_out_and_let_in_again(bhr_api: CommandLine, tenant: str) -> None:
    add(bhr_api, tenant, "doe")
    assert "disabled_at" in bhr_api.lines("users", "disable", "doe", "--tenant", tenant)[0]
    assert "disabled_at" not in bhr_api.lines("users", "enable", "doe", "--tenant", tenant)[0]


def test_one_time_codes_are_set_up_and_taken_away(
    bhr_api: CommandLine, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BHR_SECRET_KEY_FILE", str(tmp_path / "secret.key"))
    add(bhr_api, tenant, "doe")
    (enrolled,) = bhr_api.lines("users", "totp", "doe", "--tenant", tenant)
    assert enrolled["totp_uri"].startswith("otpauth://totp/")
    assert (tmp_path / "secret.key").is_file()
    assert "totp_uri" not in bhr_api.output("users", "list", "--tenant", tenant)
    assert "has_totp" not in bhr_api.lines("users", "totp", "doe", "--remove", "--tenant", tenant)[0]


def test_a_person_is_linked_to_an_identity_elsewhere_and_unlinked(bhr_api: CommandLine, tenant: str) -> None:
    person = ("--username", "doe", "--tenant", tenant)
    (added,) = bhr_api.lines("users", "add", *person, "--fhir-user", "Practitioner/p1", "--no-password")
    assert "has_password" not in added
    identity = {"issuer": "https://login.example", "subject": "s-1"}
    options = ("--tenant", tenant, "--issuer", identity["issuer"], "--subject", identity["subject"])
    for _ in range(2):
        (linked,) = bhr_api.lines("users", "link", "--username", "Doe", *options)
        assert linked["identities"] == [identity]
    assert bhr_api.lines("users", "list", "--tenant", tenant)[0]["identities"] == [identity]
    add(bhr_api, tenant, "roe")
    assert "linked to 'doe'" in bhr_api.refusal("users", "link", "--username", "roe", *options)
    assert "no account 'roe' that is linked" in bhr_api.refusal("users", "unlink", "--username", "roe", *options)
    assert bhr_api.lines("users", "unlink", "--username", "doe", *options)[0]["username"] == "doe"
    assert not any("identities" in line for line in bhr_api.lines("users", "list", "--tenant", tenant))


def test_what_cannot_be_is_told_in_a_line(bhr_api: CommandLine, tenant: str) -> None:
    add(bhr_api, tenant, "doe")
    assert "no account 'nobody'" in bhr_api.refusal("users", "disable", "nobody", "--tenant", tenant)
    assert "no tenant 'nowhere'" in bhr_api.refusal("users", "list", "--tenant", "nowhere")


def test_what_an_administrator_did_is_audited(bhr_api: CommandLine, server: RunningServer, tenant: str) -> None:
    add(bhr_api, tenant, "doe", "--role", "worker")
    bhr_api.output("users", "disable", "doe", "--tenant", tenant)
    told = on_database(
        server.dsn,
        lambda connection: connection.fetch(
            "SELECT query FROM audit_event JOIN tenant USING (tenant)"
            " WHERE name = $1 AND interaction = 'oauth-account' ORDER BY recorded",
            tenant,
        ),
    )
    assert [row["query"] for row in told] == [
        "success: added doe as Practitioner/p1, roles worker",
        "success: doe: disabled",
    ]
