"""Every statement of the program is about one tenant, for each table that it mentions (docs/decisions/0003-storage.md).

A server and the commands run with everything noted that is sent to PostgreSQL.
"""

import ast
import asyncio
import inspect
import json
import re
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from asyncpg.protocol import Protocol
from joserfc.jwk import ECKey
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.pool import NullPool
from typer.testing import CliRunner

import bhr_api
from bhr_api.app import Application
from bhr_api.auth.audit import RequestSource
from bhr_api.auth.bearer import TokenReader
from bhr_api.auth.browser_sessions import BrowserSessions
from bhr_api.auth.federated_sign_in import FederatedSignIn, UnlinkedIdentity
from bhr_api.auth.identity_providers import IdentityProvider, IdentityProviders
from bhr_api.auth.provider_id_token import ProvenIdentity
from bhr_api.auth.registration import RegisteredClient
from bhr_api.auth.trusted_issuers import ForeignToken, TrustedIssuer, TrustedIssuers
from bhr_api.authorization_audit import audit_into_table
from bhr_api.cli import app
from bhr_api.fhir import json_text
from bhr_api.samples import generate
from bhr_api.search import include
from bhr_api.settings import Settings
from bhr_api.store import jobs, tenants
from bhr_api.store.database import Connection, Database, engine_for
from bhr_api.store.jobs import Job, Output
from bhr_api.store.migrations import migrate
from bhr_api.store.row_ids import RowIds
from tests.fixtures.app_launch import AT_BROWSER, decide, in_process, parameters_of, register_app, sign_in
from tests.fixtures.auth import AuthServer, KeyedClient, MovableClock, jwks_of
from tests.fixtures.database import TestServer, on_database
from tests.fixtures.pages import Clinic, Visitor, forms_of
from tests.fixtures.server import RunningServer, running_server, serve
from tests.interactions.added_parameters import add, answer_of, search_parameter, wait_until_complete
from tests.tenant_ties import Ties, read_schema, ties_of

Resource = dict[str, Any]
SOURCE = Path(bhr_api.__file__).parent
LOINC_PHQ9 = "http://loinc.org|44261-6"

SEARCHES = {
    "token": f"Observation?code={LOINC_PHQ9}",
    "token, heavy and in order": f"Observation?code={LOINC_PHQ9}&_sort=-date&_count=2",
    "token:not": "Observation?category:not=survey",
    "string": "Patient?name=a",
    "string:contains": "Patient?name:contains=a&family:exact=x",
    "reference": "CarePlan?subject:Patient=sample-0001",
    "the patient's record": "Observation?patient=sample-0001",
    "the main date": "Observation?date=ge2020&patient=sample-0001",
    "another date": "Patient?birthdate=lt2030",
    "number": "RiskAssessment?probability=gt0.2",
    "quantity": "Observation?value-quantity=gt5",
    "uri": "Questionnaire?url=http://example.org/none",
    "composite": f"Observation?code-value-quantity={LOINC_PHQ9}$ge5",
    "composites, one of several": "Observation?code-value-concept=http://x.example|a$b,http://x.example|c$d",
    "_id": "Patient?_id=sample-0001,none",
    "_lastUpdated": "Goal?_lastUpdated=ge2020",
    ":missing": "Patient?identifier:missing=false&birthdate:missing=true",
    "_sort by a date": "Goal?_sort=target-date,-start-date",
    "_sort by a string": "Patient?_sort=family,-birthdate",
    "_sort by a quantity": "Observation?_sort=value-quantity",
    "_sort by a code": "Goal?_sort=lifecycle-status",
    "_include": "Observation?patient=sample-0001&_include=Observation:subject&_include=Observation:derived-from",
    "_include=*": "CarePlan?_include=*&_include:iterate=Goal:*&_count=2",
    "_revinclude": "Patient?_revinclude=Goal:subject&_revinclude:iterate=Provenance:target",
    "_total=accurate": "Observation?_total=accurate&_count=1",
    "_total=estimate": "Observation?status=final&_total=estimate",
    "_summary=count": "Observation?value-quantity=gt5&_summary=count",
    "chained": "Observation?patient.name=a",
    "chained, from few": "Observation?subject:Patient.identifier=none&derived-from:QuestionnaireResponse.status=none",
    "chained twice": "Goal?addresses:Condition.subject:Patient.family=a",
    "_has": "Patient?_has:Goal:subject:lifecycle-status=active",
    "_has, from few": "Patient?_has:Goal:subject:identifier=none&_has:Observation:patient:code=none",
    "a chain in _has": "Patient?_has:Observation:subject:performer:Practitioner.name=a",
    ":in, a value set": "Encounter?status:in=http://hl7.org/fhir/ValueSet/encounter-status",
    ":below and :above": "Encounter?location:below=Location/x&service-provider:above=Organization/x",
    ":text": "Condition?code:text=a&_text=b&_content=c",
    "two codes": "Observation?code=a,b&_sort=date",
    "near": "Location?near=42.25|-83.69|11.2|km",
    "_list": "Condition?_list=x",
    "_filter": 'Patient?_filter=name co "a" and (family ew b or gender ne male or identifier ne 1 or telecom sw 5)',
    "_filter, of items": "Encounter?_filter=participant ne Practitioner/x or date po 2024 or not (location pr true)",
    "_filter, along paths": "Observation?_filter=subject[name eq a or _id sw b].gender eq male and category ne survey",
    "compartment": "Patient/sample-0001/Observation",
    "audit": "AuditEvent?date=ge2026&_sort=-date",
    "audit, of a patient": "AuditEvent?patient=sample-0001&_total=accurate",
    "audit, of an entity": "AuditEvent?entity=Patient/sample-0001&action=R&_total=estimate",
}
READS = [
    "Patient/sample-0001",
    "Patient/sample-0001/_history/1",
    "Patient/sample-0001/_history",
    "Patient/_history?_since=2026-01-01T00:00:00Z",
    "_history?_count=3",
    "metadata",
    "Patient/sample-0001/$everything?_count=500",
    "Patient/sample-0001/$everything?_type=Practitioner&_since=2020-01-01T00:00:00Z",
    "Patient/sample-0001/$everything?start=2020&end=2100",
    "Observation/$lastn?patient=sample-0001&category=survey",
    "Observation/$stats?subject=Patient/sample-0001&system=http://loinc.org&code=44261-6&statistic=average",
    "DocumentReference/$docref?patient=sample-0001",
    "Patient/sample-0001/$meta",
    "Observation/$meta",
    "?_type=Patient,Goal",
]

# What is about a session or the deployment; none of it reads or writes a row. Whatever else begins in another way than a
# query does is no statement that PostgreSQL can prepare, and so fails the test.
UPKEEP = (
    *("BEGIN", "COMMIT;", "ROLLBACK;", "SET ", "show ", "LOCK TABLE "),
    *("ANALYZE ", "CREATE TABLE IF NOT EXISTS audit_event_"),
)
CHECK_OF_REFERENCES = "SELECT name FROM tenant WHERE NOT references_indexed"
# Statements over all tenants, each with its reason.
OVER_ALL_TENANTS = {
    CHECK_OF_REFERENCES: "`check` looks at all tenants",
    "SELECT DISTINCT unnest(client.origins) AS origin": "a preflight carries no token, so its tenant is not known",
    "SELECT DISTINCT e.tenant FROM audit_event e": "the sealer asks which of the tenants it names have new events",
    "SELECT statement_timestamp(), s.tenant": "a worker asks whether the search parameters of its tenants have changed",
    "SELECT t.tenant FROM tenant t LEFT JOIN added": "a worker asks which tenants lack the parameters of the packages",
    "SELECT DISTINCT j.tenant FROM job j": "the runner of jobs asks which tenants have some to carry out or to sweep",
}


@dataclass(slots=True)
class Noted:
    """What PostgreSQL carried out: statements with the values of each execution; `copied` are COPY commands.

    What is only prepared is not among it: so asyncpg learns the types of a table that it copies into.
    """

    executions: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(list))
    copied: set[str] = field(default_factory=set)


@contextmanager
def noting(dsn: str) -> Iterator[Noted]:
    """Note everything that leaves for this database by asyncpg's protocol, through which SQLAlchemy goes too.

    Servers of other tests run in this process as well, on databases of their own.
    """
    noted = Noted()
    database = urlsplit(dsn).path.removeprefix("/")
    watched: set[Any] = set()
    set_connection = Protocol.set_connection

    def connected(protocol: Any, connection: Any) -> None:
        if connection._params.database == database:
            watched.add(protocol)
        set_connection(protocol, connection)

    def queried(query: str, **_: Any) -> None:
        noted.executions[query].append(())

    def executed(state: Any, args: Any, **_: Any) -> None:
        noted.executions[state.query].append(tuple(args))

    def executed_many(state: Any, args: Any, **_: Any) -> None:
        # What is noted must not use up what is to be sent.
        assert isinstance(args, list)
        noted.executions[state.query] += [tuple(row) for row in args]

    def copied(command: str, **_: Any) -> None:
        noted.copied.add(command)

    notes: dict[str, Callable[..., None]] = {
        "query": queried,
        "bind": executed,
        "bind_execute": executed,
        "bind_execute_many": executed_many,
        "copy_in": copied,
        "copy_out": copied,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, note in notes.items():
            patch.setattr(Protocol, name, after(note, getattr(Protocol, name), watched))
        patch.setattr(Protocol, "set_connection", connected)
        yield noted


def after(note: Callable[..., None], send: Callable[..., Any], watched: Collection[Any]) -> Callable[..., Any]:
    """`send`, noted first by what `note` takes of its arguments where the protocol is one of `watched`."""
    taken = len(inspect.signature(note).parameters) - 1

    def noted(protocol: Any, *args: Any, **named: Any) -> Any:
        if protocol in watched:
            note(*args[:taken], **named)
        return send(protocol, *args, **named)

    return noted


@pytest.fixture(scope="module")
def noted(postgresql: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Noted]]:
    """A database of its own, and what a server and the commands sent to it."""
    dsn = postgresql.new_database()
    asyncio.run(migrate(dsn))
    with noting(dsn) as notes, pytest.MonkeyPatch.context() as patch:
        patch.setattr(include, "MAXIMUM_INCLUDED", 1)
        tenant = run_server(dsn, notes)
        look_after_references(dsn)
        asyncio.run(work_on_jobs(dsn, tenant))
        # Afterwards, so that there are seals to verify.
        run_commands(dsn, tenant, tmp_path_factory.mktemp("commands"))
    yield dsn, notes
    postgresql.drop(dsn)


def run_server(dsn: str, notes: Noted) -> str:
    """Every interaction, by a client who may see everything and by one confined to a patient, and OAuth; in this tenant."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = Settings(_env_file=None, port=listener.getsockname()[1], database_url=SecretStr(dsn))
        running, thread = serve(Application(settings, dsn), listener)
        server = RunningServer(settings.issuer, dsn)
        try:
            tenant = server.new_tenant()
            with server.client(server.token(tenant)) as client:
                for bundle in generate(1):
                    client.post("", content=json_text.dumps(bundle)).raise_for_status()
                interact(client, {200})
                trace_deleted_patient(client)
            with server.client(server.token(tenant, "patient/*.cruds", patient="sample-0001")) as client:
                interact(client, {200, 403, 404})
            with server.client(responsible(server, tenant)) as client:
                interact(client, {200, 403, 404})
            with server.client(server.token(tenant, "system/Goal.rs?lifecycle-status=active")) as client:
                for url in ("Goal", "Goal/_history"):
                    assert client.get(url).status_code == 200
            asyncio.run(believe_another_issuer(dsn, tenant))
            authorize(server, tenant)
            let_app_in(server, tenant)
            let_in(server, tenant)
            with server.client(server.token(tenant)) as client:
                add_search_parameters(client, notes)
            asyncio.run(sign_in_elsewhere(dsn, tenant))
            wait_for_sealer(notes)
        finally:
            running.should_exit = True
            thread.join(timeout=30)
    return tenant


def look_after_references(dsn: str) -> None:
    """Writes and deletions where referential integrity is strict, by one who sees everything and by a patient's token."""
    with running_server(dsn, referential_integrity="strict") as server:
        tenant = server.new_tenant()
        goal = {"lifecycleStatus": "active", "description": {"text": "x"}, "subject": {"reference": "Patient/p"}}
        past = {**goal, "addresses": [{"reference": "Condition/c/_history/1"}]}
        tokens = server.token(tenant), server.token(tenant, "patient/*.cruds", patient="p")
        with server.client(tokens[0]) as client:
            client.put("Patient/p", json={"resourceType": "Patient", "id": "p"}).raise_for_status()
        for token in tokens:
            with server.client(token) as client:
                created = client.post("Goal", json={"resourceType": "Goal", **goal})
                assert created.status_code == 201
                assert client.post("Goal", json={"resourceType": "Goal", **past}).status_code == 422
                assert client.delete("Patient/p").status_code == 409
                deletion = {"request": {"method": "DELETE", "url": f"Goal/{created.json()['id']}"}}
                creation = {"resource": {"resourceType": "Goal", **goal}, "request": {"method": "POST", "url": "Goal"}}
                both = {"resourceType": "Bundle", "type": "transaction", "entry": [deletion, creation]}
                assert client.post("", json=both).status_code == 200


async def work_on_jobs(dsn: str, tenant_name: str) -> None:
    """What becomes of jobs: done, given back, cancelled, swept."""
    database = await Database.open(dsn)
    async with database.acquire() as connection:
        row = await tenants.find(connection, tenant_name)
        assert row is not None
        tenant, now = row.tenant, database.now()
        add = partial(jobs.add, tenant=tenant, tenant_name=row.name, kind="test", input=b"{}", now=now, key="k")
        id = await add(connection, client_id="test", holder="test")
        assert await add(connection) == id
        assert await jobs.count_unfinished(connection, tenant, "test") == 1
        assert await jobs.tenants_with_work(connection, ["test"], now) == [tenant]
        for ending in (jobs.release, finished):
            job = await jobs.claim(connection, tenant, ["test"], now)
            assert job is not None
            assert await jobs.heartbeat(connection, job, now, b"{}")
            await ending(connection, job)
        assert await jobs.get(connection, tenant, id, "test", now) is not None
        assert await jobs.outputs(connection, tenant, id)
        assert await jobs.cancel(connection, tenant, id, "test", now)
        later = now + timedelta(seconds=1)
        assert await jobs.tenants_with_expired(connection, later) == [tenant]
        await jobs.sweep(connection, tenant, later)
    await database.close()


async def finished(connection: Connection, job: Job) -> None:
    """End a job with something that it came to."""
    assert await jobs.finish(
        connection, job, "completed", job.created_at, job.created_at + timedelta(hours=1), [Output("text/plain", b"1")]
    )


class Believed(TrustedIssuers):
    """Believes one token, whatever it is."""

    def __init__(self, token: ForeignToken) -> None:
        self._token = token

    def __bool__(self) -> bool:
        return True

    async def read(self, text: str) -> ForeignToken:
        assert text
        return self._token


async def believe_another_issuer(dsn: str, tenant: str) -> None:
    """Somebody comes with a token of another issuer."""
    issuer = TrustedIssuer(
        issuer="https://login.example",
        audience="a",
        jwks_uri="https://login.example/jwks",
        tenant=tenant,
        scope="user/*.rs",
    )
    token = ForeignToken(issuer, "subject", "client", "user/*.rs", None, None, datetime.now(UTC) + timedelta(minutes=1))
    database = await Database.open(dsn)
    caller = await TokenReader(database.acquire, issuers=Believed(token)).caller("Bearer a.b.c")
    await database.close()
    assert caller.scopes == ()


def responsible(server: RunningServer, tenant: str) -> str:
    """The token of a person who may do everything, with the record of one client."""
    practitioner = "Practitioner/worker"
    team = {
        "resourceType": "CareTeam",
        "id": "team",
        "status": "active",
        "subject": {"reference": "Patient/sample-0001"},
        "participant": [{"member": {"reference": practitioner}}],
    }
    with server.client(server.token(tenant)) as operator:
        assert operator.put("CareTeam/team", json=team).status_code == 201
    server.set_role(tenant, "everything", "user/*.cruds", "caseload")
    return server.token(tenant, "user/*.cruds", username=server.account(tenant, practitioner, "everything"))


def add_search_parameters(client: httpx.Client, notes: Noted) -> None:
    """A parameter that is indexed, becomes another one, and goes."""
    (id,) = add(client, search_parameter("x-goal", "Goal", "token", "Goal.description"))
    wait_until_complete(client, id)
    assert answer_of(client, "Goal?x-goal=a").status_code == 200
    changed = search_parameter("x-goal", "Goal", "token", "Goal.category", id=id)
    assert client.put(f"SearchParameter/{id}", json=changed).status_code == 200
    wait_until_complete(client, id)
    assert client.delete(f"SearchParameter/{id}").status_code == 204
    give_up = time.monotonic() + 60
    while not any("DELETE FROM added_parameter" in sql and values for sql, values in list(notes.executions.items())):
        assert time.monotonic() < give_up, "nothing let go of the parameter"
        time.sleep(0.1)


def wait_for_sealer(notes: Noted) -> None:
    """Until the sealer, which works in the background, has looked for new events and made a link."""
    awaited = [*(OVER_ALL_TENANTS.keys() - {CHECK_OF_REFERENCES}), "INSERT INTO audit_seal"]
    give_up = time.monotonic() + 60
    while not all(any(words in sql for sql in list(notes.executions)) for words in awaited):
        assert time.monotonic() < give_up, "the sealer did nothing"
        time.sleep(0.1)


def interact(client: httpx.Client, allowed: set[int]) -> None:
    """The interactions of FHIR R4, http.html."""
    for url in [*SEARCHES.values(), *READS]:
        answer = client.get(url)
        assert answer.status_code in allowed, (url, answer.text)
        follow(client, answer, "next", "previous")
        follow(client, answer, "related")
    for url in ("Patient/none", "Patient/none/_history", "Patient/sample-0001/_history/99"):
        assert client.get(url).status_code == 404
    for entry in client.get("AuditEvent?_count=1").json().get("entry", ()):
        assert client.get(f"AuditEvent/{entry['resource']['id']}").status_code == 200
    encounters = client.get("Encounter?patient=sample-0001&_count=1").json().get("entry", ())
    for entry in encounters:
        assert client.get(f"Encounter/{entry['resource']['id']}/$everything").status_code in allowed
    goal = client.get("Goal?patient=sample-0001&_count=1").json()["entry"][0]["resource"]
    del goal["meta"]
    address = f"Goal/{goal['id']}"
    assert client.post("Goal", json=goal, headers={"If-None-Exist": f"_id={goal['id']}"}).status_code == 200
    assert client.post("Goal", json=goal, headers={"If-None-Exist": "identifier=none"}).status_code == 201
    version = client.put(f"Goal?_id={goal['id']}", json=goal).headers["ETag"]
    assert client.put(address, json=goal, headers={"If-Match": version}).status_code == 200
    assert client.get(address, headers={"If-None-Match": version}).status_code == 200
    for kind in ("batch", "transaction"):
        assert client.post("", json=bundle_of(kind, goal)).status_code == 200
        put_off(client, bundle_of(kind, goal))
    assert client.delete(f"Goal?_id={goal['id']}").status_code in (200, 204)
    assert client.get(address).status_code == 410
    # A token of one patient cannot create by PUT.
    assert client.put(address, json=goal).status_code in {201} | (allowed & {404})
    assert client.delete(address).status_code in (200, 204)


def put_off(client: httpx.Client, bundle: Resource) -> None:
    """The same asynchronously; then the answer is thrown away."""
    place = client.post("", json=bundle, headers={"Prefer": "respond-async"}).headers["Content-Location"]
    while (answer := client.get(place)).status_code == 202:
        time.sleep(0.1)
    assert answer.json()["entry"][0]["response"]["status"] == "200"
    assert client.delete(place).status_code == 202


def trace_deleted_patient(client: httpx.Client) -> None:
    """The audit goes on telling whose record it was."""
    assert client.put("Patient/gone", json={"resourceType": "Patient", "id": "gone"}).status_code == 201
    assert client.delete("Patient/gone").status_code in (200, 204)
    assert client.get("AuditEvent?patient=gone&_sort=-date").json()["entry"]


def follow(client: httpx.Client, answer: httpx.Response, *relations: str) -> None:
    """From page to page by links of these relations, one after the other."""
    for relation in relations:
        links = answer.json().get("link", ()) if answer.status_code == 200 else ()
        for link in links:
            if link["relation"] == relation:
                answer = client.get(link["url"])
                assert answer.status_code == 200


def bundle_of(kind: str, goal: Resource) -> Resource:
    """A bundle with one of each interaction."""
    address = f"Goal/{goal['id']}"
    requests: list[Resource] = [
        {"resource": goal, "request": {"method": "PUT", "url": address}},
        {"resource": goal, "request": {"method": "POST", "url": "Goal"}},
        {"resource": goal, "request": {"method": "POST", "url": "Goal", "ifNoneExist": f"_id={goal['id']}"}},
        {"request": {"method": "GET", "url": "Patient/sample-0001"}},
        {"request": {"method": "GET", "url": "Goal?patient=sample-0001"}},
        {"request": {"method": "DELETE", "url": "Goal/none"}},
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": requests}


def authorize(server: RunningServer, tenant: str) -> None:
    """A client gets a token, has it looked at, uses it in another way than it may, and revokes it; a wrong one is refused."""
    key = ECKey.generate_key("P-384", {"kid": "k1"})
    client = KeyedClient(server.register(tenant, jwks_of(key)).client_id, key, f"{server.url}/oauth/token")
    token = httpx.post(client.token_url, data=client.form()).json()["access_token"]
    for endpoint in ("introspect", "revoke"):
        form = client.form(grant_type=None, scope=None) | {"token": token}
        assert httpx.post(f"{server.url}/oauth/{endpoint}", data=form).status_code == 200
    assert httpx.post(client.token_url, data=client.form(client.assertion({"aud": "x"}))).status_code in (400, 401)
    with server.client(token) as revoked:
        assert revoked.get("Goal").status_code == 401


def let_app_in(server: RunningServer, tenant: str) -> None:
    """A person signs in, fails to, chooses a client, lets an app in, takes that back and leaves."""
    clinic = Clinic(server, tenant)
    clinic.add_user("doe", "Practitioner/1", "clinician")
    app = clinic.add_app()
    with httpx.Client(base_url=server.url) as http:
        visitor = Visitor(server, http)
        visitor.open(app.address())
        assert visitor.sign_in("doe", "wrong wrong wrong").status_code == 401
        visitor.sign_in("doe")
        visitor.submit(choose=("patient=sample-0001",))
        assert visitor.submit("decision=allow").status_code == 303
        visitor.open("/app/apps")
        grant = next(
            value
            for form in forms_of(visitor.open("/app/apps").text)
            for name, value in form.buttons
            if name == "revoke"
        )
        assert visitor.submit(f"revoke={grant}").status_code == 200
        assert visitor.submit("leave=yes").status_code == 200


def let_in(server: RunningServer, tenant: str) -> None:
    """A person lets apps in, by themselves and from an EHR; tokens are refreshed, looked at, stolen and revoked."""
    clock = MovableClock()
    with httpx.Client(base_url=server.url) as http:
        auth = AuthServer(server.url, server.dsn, clock, http, audit_into_table(RowIds(), clock))
        known, user = register_app(auth, tenant_name=tenant, secret=True), sign_in(auth, tenant_name=tenant)
        host = auth.register(tenant, "launch", secret=True)
        in_process(
            auth, lambda auth_server: auth_server.refuse(known.begin(), "login_required", "No page.", AT_BROWSER)
        )
        waiting = in_process(auth, lambda auth_server: auth_server.pending(known.begin(prompt="login"), AT_BROWSER))
        in_process(auth, lambda auth_server: auth_server.is_remembered(waiting, user, AT_BROWSER))
        tokens = known.tokens(user)
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert http.get("/oauth/userinfo", headers=bearer).status_code == 200
        assert auth.introspect({"token": tokens["refresh_token"], **known.credentials()}).json()["active"]
        assert known.refresh(tokens["refresh_token"]).status_code == 200
        assert known.refresh(tokens["refresh_token"]).status_code == 400
        launch = http.post("/oauth/launch", json={"client_id": known.client_id}, headers=bearer_of(auth, host))
        request_id = known.begin(launch=launch.json()["launch"], scope="launch user/Observation.rs")
        code = parameters_of(decide(auth, request_id, user, remember=True))["code"]
        assert known.exchange(code).status_code == 200
        assert known.exchange(code).status_code == 400


def bearer_of(server: AuthServer, client: RegisteredClient) -> dict[str, str]:
    """The header with a token that a client gets for itself."""
    assert client.client_secret is not None
    form = {"grant_type": "client_credentials", "scope": client.scope}
    answer = server.token(form, auth=(client.client_id, client.client_secret))
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def sign_in_elsewhere(dsn: str, tenant: str) -> None:
    """An identity provider vouches for somebody."""
    endpoint = "https://login.example/"
    provider = IdentityProvider(
        name="x",
        issuer=endpoint,
        authorization_endpoint=endpoint,
        token_endpoint=endpoint,
        jwks_uri=endpoint,
        client_id="c",
        tenant=tenant,
    )
    engine = engine_for(dsn, poolclass=NullPool)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    clock = partial(datetime.now, UTC)
    audit = audit_into_table(RowIds(), clock)
    browsers = BrowserSessions(sessions, audit, clock)
    federated = FederatedSignIn(IdentityProviders([provider]), "https://here.example", sessions, browsers, audit, clock)
    source = RequestSource("192.0.2.1", "elsewhere")
    identity = ProvenIdentity(endpoint, "nobody", None)
    assert isinstance(await federated.let_in(provider, identity, clock(), source), UnlinkedIdentity)
    await engine.dispose()


def run_commands(dsn: str, tenant: str, directory: Path) -> None:
    """What operators do, in a tenant of their own and with the chain of `tenant`."""
    files = directory / "files"
    files.mkdir()
    for number, bundle in enumerate(generate(1)):
        (files / f"{number}.json").write_bytes(json_text.dumps(bundle))
    (directory / "keys.json").write_text(jwks_of(ECKey.generate_key("P-384", {"kid": "k2"})))
    (directory / "changed.ndjson").write_text('{"resourceType":"Patient","id":"sample-0001"}')

    def run(*arguments: str, stdin: str | None = None) -> str:
        ran = CliRunner().invoke(app, [*arguments, "--database-url", dsn], input=stdin)
        assert ran.exit_code == 0, (arguments, ran.output)
        return ran.stdout

    run("migrate")
    run("tenants", "add", "north")
    run("tenants", "list")
    run("roles", "set", "intake", "--scope", "user/Patient.cru", "--relation", "tenant", "--tenant", "north")
    run("roles", "list", "--tenant", "north")
    run("roles", "reset", "intake", "--tenant", "north")
    run("import", str(files), "--tenant", "north", "--errors", str(directory / "refused.ndjson"))
    run("reindex", "--tenant", "north", "--all")
    run("reindex", "--type", "Goal")
    run("export", str(directory / "exported"), "--tenant", "north")
    added = run("clients", "add", "--name", "x", "--scope", "system/*.rs", "--secret", "--tenant", "north")
    client_id = json.loads(added)["client_id"]
    run("clients", "list", "--tenant", "north")
    run("clients", "rotate", client_id)
    run("clients", "rotate", client_id, "--jwks", str(directory / "keys.json"))
    run("clients", "disable", client_id)
    run("clients", "invite", "--scope", "patient/*.rs", "--tenant", "north")
    run("token", "--scope", "system/*.rs", "--tenant", "north")
    person = ("--username", "doe", "--fhir-user", "Practitioner/1", "--tenant", "north", "--password-stdin")
    run("users", "add", *person, stdin="a pass phrase")
    run("users", "passwd", "doe", "--password-stdin", "--tenant", "north", stdin="another pass phrase")
    identity = ("--username", "doe", "--issuer", "https://login.example", "--subject", "s", "--tenant", "north")
    run("users", "link", *identity)
    run("users", "list", "--tenant", "north")
    run("users", "unlink", *identity)
    run("import", str(directory / "changed.ndjson"), "--tenant", "north", "--errors", str(directory / "refused.ndjson"))
    code = run("erase", "--tenant", "north", "--patient", "sample-0001").rsplit(maxsplit=1)[-1]
    run("erase", "--tenant", "north", "--patient", "sample-0001", "--confirm", code)
    run("verify-audit")
    head = run("verify-audit", "--tenant", tenant).rsplit(maxsplit=1)[-1]
    run("verify-audit", "--tenant", tenant, "--noted", head)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BHR_REFERENTIAL_INTEGRITY", "strict")
        CliRunner().invoke(app, ["check", "--database-url", dsn])
    run("check")


@pytest.fixture(scope="module")
def analysed(noted: tuple[str, Noted]) -> dict[str, Ties]:
    """The ties of each statement that was noted, but for upkeep."""
    dsn, notes = noted
    statements = [sql for sql in notes.executions if not is_upkeep(sql)]

    async def analyse(connection: asyncpg.Connection) -> dict[str, Ties]:
        schema = await read_schema(connection)
        return {sql: await ties_of(connection, schema, sql.strip().rstrip(";")) for sql in statements}

    return on_database(dsn, analyse)


def is_upkeep(sql: str) -> bool:
    """Whether a statement is none about rows."""
    return sql.lstrip().startswith(UPKEEP)


def excepted(sql: str) -> bool:
    """Whether a statement is over all tenants for a reason."""
    return any(sql.lstrip().startswith(beginning) for beginning in OVER_ALL_TENANTS)


def test_every_mention_of_a_table_is_tied_to_the_tenant(analysed: dict[str, Ties]) -> None:
    assert {sql: ties.loose for sql, ties in analysed.items() if ties.loose and not excepted(sql)} == {}


def test_whatever_ties_a_statement_is_one_tenant(analysed: dict[str, Ties], noted: tuple[str, Noted]) -> None:
    """A parameter that stands where the tenant belongs holds one tenant's number, and the others the same."""
    dsn, notes = noted
    known = {row[0] for row in on_database(dsn, lambda connection: connection.fetch("SELECT tenant FROM tenant"))}
    for sql, ties in analysed.items():
        for values in notes.executions[sql]:
            tenants = {values[number - 1] for number in ties.parameters}
            assert len(tenants) <= 1, sql
            # Events of requests without a tenant are kept under 0.
            assert tenants <= known | {0}, sql


def test_rows_are_copied_with_their_tenant(noted: tuple[str, Noted]) -> None:
    assert noted[1].copied
    assert [command for command in noted[1].copied if '"tenant"' not in command.partition("(")[2]] == []


def test_the_exceptions_are_of_use(analysed: dict[str, Ties]) -> None:
    loose = [sql.lstrip() for sql, ties in analysed.items() if ties.loose]
    unused = [beginning for beginning in OVER_ALL_TENANTS if not any(sql.startswith(beginning) for sql in loose)]
    assert unused == []


def test_no_statement_of_the_program_goes_unseen(noted: tuple[str, Noted]) -> None:
    """Each piece of SQL in the source about a tenant's tables is part of something that was carried out."""
    tables = "|".join(on_database(noted[0], read_schema).names.values())
    about_tables = re.compile(rf"\b(FROM|INTO|UPDATE|JOIN|USING) ({tables})\b")
    sent = " ".join(" ".join(sql.split()) for sql in noted[1].executions)
    pieces = {piece for file in SOURCE.rglob("*.py") for piece in constants(file) if about_tables.search(piece)}
    assert len(pieces) > 30
    assert [piece for piece in sorted(pieces) if piece not in sent] == []


def constants(file: Path) -> Iterator[str]:
    """The texts in a source file with single spaces, cut where a value is put in."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for piece in re.split(r"\{\d\}", node.value):
                yield " ".join(piece.split())


def test_the_work_touches_every_table(analysed: dict[str, Ties], noted: tuple[str, Noted]) -> None:
    schema = on_database(noted[0], read_schema)
    touched = {table for ties in analysed.values() for table in ties.tables}
    # The view is for people; partitions are reached by their table. The other waits for identity providers.
    untouched = {name for name in schema.names.values() if name not in touched}
    assert {name for name in untouched if not name.startswith("audit_event_")} == {"resource_json"}
