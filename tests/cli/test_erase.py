"""erase: a dry run that tells everything, and an erasure that leaves nothing of one person and all of the others."""

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import httpx
import pytest

from bhr_api.authorization_audit import audit_into_table
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.samples import generate
from bhr_api.search.tokens import TokenHasher
from bhr_api.store.audit_seal import seal
from bhr_api.store.row_ids import RowIds
from tests.cli.conftest import CommandLine
from tests.cli.erasures import Rows, code_of, erase_on, holding, record_rows, rows_of
from tests.fixtures.app_launch import choose_patient, register_app, sign_in
from tests.fixtures.auth import AuthServer, MovableClock
from tests.fixtures.database import on_database
from tests.fixtures.server import RunningServer

Resource = dict[str, Any]
PERSON = "sample-0002"


@dataclass(frozen=True, slots=True)
class Story:
    """An erasure with what was there before and after: in its tenant, and in another with the same clients."""

    server: RunningServer
    tenant: str
    told: str
    erased: str
    words: list[str]
    before: Rows
    after_dry_run: Rows
    after: Rows
    elsewhere: tuple[Rows, Rows]

    @property
    def token(self) -> int:
        (row,) = self.before["tenant"]
        return TokenHasher(row["token_key"]).resource("Patient", PERSON)


def load_samples(server: RunningServer, tenant: str) -> list[str]:
    """Three clients with what they share, the second one with older versions and a deleted goal; what that one is called."""
    with server.client(server.token(tenant)) as client:
        for bundle in generate(3):
            client.post("", content=json_text.dumps(bundle)).raise_for_status()
        patient = client.get(f"Patient/{PERSON}").json()
        client.put(f"Patient/{PERSON}", json={**patient, "active": False}).raise_for_status()
        goal = client.get(f"Goal?patient={PERSON}&_count=1").json()["entry"][0]["resource"]
        client.delete(f"Goal/{goal['id']}").raise_for_status()
    called = [patient["name"][0]["family"], *(one["value"] for one in patient["identifier"] + patient["telecom"])]
    return [PERSON, *called]


def seal_all(dsn: str, tenant: str) -> None:
    """Seal the tenant's events; a server's sealer may be at it, and then has done so."""

    async def work(connection: asyncpg.Connection) -> None:
        number, now = await connection.fetchrow(
            "SELECT tenant, now() FROM tenant WHERE name = $1", tenant
        ) or pytest.fail("no such tenant")
        await seal(connection, number, now)

    on_database(dsn, work)


def let_apps_in(server: RunningServer, tenant: str) -> None:
    """A clinician lets an app see the person, an EHR launches it about the person, and the person has an account."""
    clock = MovableClock()
    with httpx.Client(base_url=server.url) as http:
        auth = AuthServer(server.url, server.dsn, clock, http, audit_into_table(RowIds(), clock))
        app, clinician = register_app(auth, tenant_name=tenant), sign_in(auth, tenant_name=tenant)
        person = sign_in(auth, f"Patient/{PERSON}", tenant, username_is=f"user-of-{PERSON}")
        app.tokens(clinician, PERSON)
        app.code(person, PERSON)
        choose_patient(auth, app.begin(), clinician, PERSON)
        host = auth.register(tenant, "launch", secret=True)
        assert host.client_secret is not None
        form = {"grant_type": "client_credentials", "scope": "launch"}
        token = auth.token(form, auth=(host.client_id, host.client_secret)).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        launch = http.post("/oauth/launch", json={"patient": PERSON}, headers=bearer).json()["launch"]
        app.begin(launch=launch, scope="launch patient/*.rs")


@pytest.fixture(scope="module")
def story(server: RunningServer) -> Story:
    """The second of three sample clients is erased."""
    tenant, other = server.new_tenant(), server.new_tenant()
    words = load_samples(server, tenant)
    load_samples(server, other)
    server.token(tenant, "patient/*.rs", patient=PERSON)
    let_apps_in(server, tenant)
    seal_all(server.dsn, tenant)
    erase = erase_on(server, tenant)
    before, elsewhere = rows_of(server.dsn, tenant), rows_of(server.dsn, other)
    told = erase(PERSON)
    after_dry_run = rows_of(server.dsn, tenant)
    erased = erase(PERSON, "--confirm", code_of(told))
    after = rows_of(server.dsn, tenant)
    return Story(
        server, tenant, told, erased, words, before, after_dry_run, after, (elsewhere, rows_of(server.dsn, other))
    )


def test_a_dry_run_changes_nothing(story: Story) -> None:
    assert record_rows(story.after_dry_run) == record_rows(story.before)
    assert story.after_dry_run["oauth_access_token"] == story.before["oauth_access_token"]


def test_a_dry_run_is_in_the_audit(story: Story) -> None:
    (event,) = [row for row in story.after_dry_run["audit_event"] if row["interaction"] == "erase-dry-run"]
    assert (event["client_id"], event["patients"], event["query"]) == ("command-line", [story.token], None)


def own(story: Story, table: str) -> list[dict[str, Any]]:
    return [row for row in story.before[table] if row["patient"] == story.token]


def test_a_dry_run_tells_how_much_there_is_of_each_type(story: Story) -> None:
    live, past = own(story, "resource"), own(story, "resource_history")
    numbers = {row["row_id"] for row in live}
    tables = ("string_index", "number_index", "date_index", "posting")
    indexed = sum(row["row_id"] in numbers for table in tables for row in story.before[table])
    total = re.search(r"^  in all +(\S+) +(\S+) +(\S+)$", story.told, re.MULTILINE)
    assert total is not None
    assert [int(number.replace(",", "")) for number in total.groups()] == [len(live), len(live) + len(past), indexed]
    goals = [sum(row["resource_type"] == RESOURCE_TYPES.index("Goal") + 1 for row in rows) for rows in (live, past)]
    assert re.search(rf"^  Goal +{goals[0]} +{sum(goals)} +\d+$", story.told, re.MULTILINE)
    assert goals[1] == 2
    assert "Access tokens bound to the patient, to be erased too: 2." in story.told


def test_no_word_of_the_person_is_left_but_in_the_audit(story: Story) -> None:
    assert ("string_index", "value") in {place for word in story.words for place in holding(story.before, word)}
    for word in story.words:
        assert holding(record_rows(story.before), word), f"{word} was never there"
        assert {table for table, _ in holding(story.after, word)} <= {"audit_event"}, word


def test_the_audit_holds_the_ids_of_who_asked_for_what_and_nothing_more(story: Story) -> None:
    found = {place for word in story.words for place in holding(story.after, word)}
    assert found == {("audit_event", column) for column in ("resource_id", "query", "fhir_user")}


def test_no_hash_of_the_patient_is_left_in_the_record(story: Story) -> None:
    assert holding(record_rows(story.before), str(story.token))
    assert holding(record_rows(story.after), str(story.token)) == set()


def test_everything_else_is_as_it_was(story: Story) -> None:
    numbers = {row["row_id"] for table in ("resource", "resource_history") for row in own(story, table)}
    kept = {
        table: [
            row
            for row in rows
            if row.get("row_id") not in numbers
            and row.get("patient") != story.token
            and row.get("username") != f"user-of-{PERSON}"
        ]
        for table, rows in record_rows(story.before).items()
    }
    assert record_rows(story.after) == kept
    assert len(kept["resource"]) > 400


def test_another_tenants_patient_of_that_id_is_untouched(story: Story) -> None:
    before, after = story.elsewhere
    assert record_rows(after) == record_rows(before)
    assert holding(after, PERSON)


def test_what_apps_were_allowed_about_the_person_is_gone(story: Story) -> None:
    tables = ("oauth_grant", "oauth_code", "oauth_refresh_token", "oauth_launch", "oauth_authorization")
    assert all(story.before[table] for table in tables)
    left = {table: len(story.after[table]) for table in tables}
    # The requests that were decided named nobody themselves, but for the patient whom somebody chose.
    assert left == dict.fromkeys(tables, 0)


def test_the_token_of_the_patient_is_dead(story: Story) -> None:
    assert [row["patient"] for row in story.before["oauth_access_token"]].count(PERSON) == 2
    assert len(story.after["oauth_access_token"]) == len(story.before["oauth_access_token"]) - 2


def test_the_audit_is_intact_and_holds_every_event_that_it_held(story: Story) -> None:
    events = {row["event_id"]: row for row in story.after["audit_event"]}
    assert all(events[row["event_id"]] == row for row in story.before["audit_event"])
    seal_all(story.server.dsn, story.tenant)
    report = CommandLine(("--database-url", story.server.dsn)).output("verify-audit", "--tenant", story.tenant)
    assert report.startswith("intact")
    assert len(story.before["audit_seal"]) > 0


def certificate_of(story: Story) -> Resource:
    """The certificate as FHIR shows it."""
    with story.server.client(story.server.token(story.tenant)) as client:
        (entry,) = client.get("AuditEvent?subtype=erase").json()["entry"]
    resource: Resource = entry["resource"]
    return resource


def test_the_certificate_tells_who_when_and_how_much_but_not_whose(story: Story) -> None:
    certificate = certificate_of(story)
    assert f"Certificate: AuditEvent/{certificate['id']}, " in story.erased
    assert certificate["agent"][0]["altId"] == "command-line"
    text = json_text.dumps(certificate).decode()
    (query,) = [base64.b64decode(e["query"]).decode() for e in certificate["entity"] if "query" in e]
    assert [word for word in story.words if word in text + query] == []
    told = {name: value for name, (value,) in parse_qs(query.removeprefix("?")).items()}
    live, past = own(story, "resource"), own(story, "resource_history")
    assert (told["resources"], told["versions"]) == (str(len(live)), str(len(live) + len(past)))
    assert told["Patient"] == "2"
    assert told["operator"]


def test_the_certificates_digest_can_be_computed_from_a_list_of_what_was_erased(story: Story) -> None:
    key = story.before["tenant"][0]["token_key"]

    def number_of(name: str, id: str) -> int:
        digest = hashlib.blake2b(f"R\0{name}\0{id}".encode(), digest_size=8, key=key).digest()
        return int.from_bytes(digest, "big", signed=True)

    rows = own(story, "resource") + own(story, "resource_history")
    named = [(RESOURCE_TYPES[row["resource_type"] - 1], row["id"], row["version"]) for row in rows]
    lines = sorted((name, number_of(name, id), version) for name, id, version in named)
    text = "".join(f"{name} {number} {version}\n" for name, number, version in lines)
    assert f"SHA-256 {hashlib.sha256(text.encode()).hexdigest()}." in story.erased


def test_a_second_run_says_that_nothing_is_there(story: Story) -> None:
    erase = erase_on(story.server, story.tenant)
    for more in ((), ("--confirm", code_of(story.told))):
        assert erase(PERSON, *more).startswith(f"Nothing of Patient/{PERSON} is stored in the tenant {story.tenant}.\n")


def test_the_record_is_unknown_and_its_ids_are_free(story: Story) -> None:
    with story.server.client(story.server.token(story.tenant)) as client:
        for address in (f"Patient/{PERSON}", f"Patient/{PERSON}/_history/1", f"CarePlan/{PERSON}-plan-1"):
            assert client.get(address).status_code == 404, address
        assert len(client.get(f"AuditEvent?patient={PERSON}&subtype=erase").json()["entry"]) == 1
        anew = client.put(f"Patient/{PERSON}", json={"resourceType": "Patient", "id": PERSON})
        assert (anew.status_code, anew.json()["meta"]["versionId"]) == (201, "1")
        client.delete(f"Patient/{PERSON}").raise_for_status()
