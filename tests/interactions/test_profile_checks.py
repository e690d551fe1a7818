"""Declared and required profiles on every road of a write, and $validate.

FHIR R4, profiling.html and resource-operation-validate.html.
"""

import asyncio
import io
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from bhr_api.app import Application
from bhr_api.fhir.packages import read_package
from bhr_api.settings import Settings
from bhr_api.store import packages
from bhr_api.store.migrations import migrate
from tests.fhir.package_archives import archive, manifest
from tests.fixtures.database import TestServer
from tests.fixtures.server import RunningServer, serve

CLIENT = "http://example.org/StructureDefinition/client"
ADULT = "http://example.org/StructureDefinition/adult"


def element(path: str, **more: Any) -> dict[str, Any]:
    return {"id": path, "path": path, "min": 0, "max": "*", **more}


def profile(url: str, *elements: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "id": url.rpartition("/")[2],
        "url": url,
        "name": url.rpartition("/")[2].title(),
        "version": "1.0.0",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "snapshot": {"element": [element("Patient"), *elements]},
    }


DEFINITIONS = [
    profile(CLIENT, element("Patient.birthDate", min=1, max="1", type=[{"code": "date"}])),
    profile(ADULT, element("Patient.gender", min=1, max="1", type=[{"code": "code"}])),
]
VALID = {"resourceType": "Patient", "meta": {"profile": [CLIENT]}, "birthDate": "1990-02-03"}
BROKEN = {"resourceType": "Patient", "meta": {"profile": [CLIENT]}}
NOTED = {"Prefer": "return=OperationOutcome"}


@pytest.fixture(scope="module")
def database(postgresql: TestServer) -> Iterator[str]:
    """A database with a package of two profiles."""
    dsn = postgresql.new_database()
    asyncio.run(migrate(dsn))
    asyncio.run(load(dsn))
    yield dsn
    postgresql.drop(dsn)


async def load(dsn: str) -> None:
    package = read_package(io.BytesIO(archive(manifest(), *DEFINITIONS)))
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await packages.lock(connection)
            await packages.add(connection, package, datetime.now(UTC))
    finally:
        await connection.close()


@contextmanager
def client_of(dsn: str, **settings: Any) -> Iterator[httpx.Client]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        chosen = Settings(_env_file=None, port=listener.getsockname()[1], database_url=SecretStr(dsn), **settings)
        running, thread = serve(Application(chosen, dsn), listener)
        server = RunningServer(chosen.issuer, dsn)
        try:
            with server.client(server.token(server.new_tenant())) as http:
                yield http
        finally:
            running.should_exit = True
            thread.join(timeout=30)


@pytest.fixture(scope="module")
def client(database: str) -> Iterator[httpx.Client]:
    with client_of(database) as http:
        yield http


def create(http: httpx.Client, resource: dict[str, Any]) -> httpx.Response:
    return http.post("/Patient", json=resource)


def update(http: httpx.Client, resource: dict[str, Any]) -> httpx.Response:
    return http.put("/Patient/p", json=resource | {"id": "p"})


def conditional_update(http: httpx.Client, resource: dict[str, Any]) -> httpx.Response:
    return http.put("/Patient?identifier=none", json=resource)


def transaction(http: httpx.Client, resource: dict[str, Any]) -> httpx.Response:
    entry = {"request": {"method": "POST", "url": "Patient"}, "resource": resource}
    return http.post("/", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})


def patch(http: httpx.Client, resource: dict[str, Any]) -> httpx.Response:
    http.put("/Patient/patched", json=VALID | {"id": "patched"})
    sent = {"birthDate": resource.get("birthDate")}
    return http.patch("/Patient/patched", json=sent, headers={"Content-Type": "application/merge-patch+json"})


ROADS = [create, update, conditional_update, transaction, patch]
Road = Callable[[httpx.Client, dict[str, Any]], httpx.Response]


@pytest.mark.parametrize("road", ROADS)
def test_what_breaks_a_declared_profile_is_refused_on_every_road(client: httpx.Client, road: Road) -> None:
    assert road(client, VALID).status_code in (200, 201)
    answer = road(client, BROKEN)
    assert answer.status_code == 422
    (issue,) = answer.json()["issue"]
    assert (issue["severity"], issue["code"]) == ("error", "required")
    assert "Patient.birthDate" in issue["diagnostics"]


def test_a_profile_that_is_not_loaded_is_noted(client: httpx.Client) -> None:
    unknown = VALID | {"meta": {"profile": ["http://example.org/StructureDefinition/none"]}}
    answer = client.post("/Patient", json=unknown, headers=NOTED)
    assert answer.status_code == 201
    assert [issue["severity"] for issue in answer.json()["issue"]] == ["warning"]
    assert "bhr-api packages add" in answer.text


def test_a_version_of_a_profile_that_is_not_loaded_is_not_another_one(client: httpx.Client) -> None:
    exact, other = (BROKEN | {"meta": {"profile": [f"{CLIENT}|{version}"]}} for version in ("1.0.0", "2.0.0"))
    assert client.post("/Patient", json=exact).status_code == 422
    assert client.post("/Patient", json=other).status_code == 201


def test_the_capability_statement_names_the_loaded_profiles(client: httpx.Client) -> None:
    (rest,) = client.get("/metadata").json()["rest"]
    supported = {one["type"]: one.get("supportedProfile") for one in rest["resource"]}
    assert supported["Patient"] == [f"{ADULT}|1.0.0", f"{CLIENT}|1.0.0"]
    assert supported["Goal"] is None


def test_warn_only_stores_and_notes(database: str) -> None:
    with client_of(database, profiles="warn") as http:
        answer = http.post("/Patient", json=BROKEN, headers=NOTED)
    assert answer.status_code == 201
    assert [(issue["severity"], issue["code"]) for issue in answer.json()["issue"]] == [("warning", "required")]


def test_off_says_nothing(database: str) -> None:
    with client_of(database, profiles="off") as http:
        answer = http.post("/Patient", json=BROKEN, headers=NOTED)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (201, "informational")


def test_a_required_profile_need_not_be_declared(database: str) -> None:
    with client_of(database, required_profiles=(f"Patient={ADULT}",)) as http:
        assert http.post("/Patient", json={"resourceType": "Patient"}).status_code == 422
        assert http.post("/Patient", json={"resourceType": "Patient", "gender": "female"}).status_code == 201
        assert http.post("/Basic", json={"resourceType": "Basic", "code": {"text": "x"}}).status_code == 201


def codes(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    return [(issue["severity"], issue["code"]) for issue in answer.json()["issue"]]


def parameters(**given: Any) -> dict[str, Any]:
    values = [
        {"name": name, "resource": value} if isinstance(value, dict) else {"name": name, "valueString": value}
        for name, value in given.items()
    ]
    return {"resourceType": "Parameters", "parameter": values}


VALID_ANSWER = [("information", "informational")]


def test_validate_says_what_a_create_would_and_stores_nothing(client: httpx.Client) -> None:
    before = client.get("/Patient?_summary=count").json()["total"]
    assert codes(client.post("/Patient/$validate", json=VALID)) == VALID_ANSWER
    assert codes(client.post("/Patient/$validate", json=BROKEN)) == [("error", "required")]
    assert codes(client.post("/Patient/$validate", json=VALID | {"gender": "f"})) == [("error", "code-invalid")]
    assert client.get("/Patient?_summary=count").json()["total"] == before


def test_validate_against_a_profile_that_is_named(client: httpx.Client) -> None:
    plain = {"resourceType": "Patient", "gender": "female"}
    assert codes(client.post("/Patient/$validate", json=parameters(resource=plain, profile=ADULT))) == VALID_ANSWER
    assert codes(client.post("/Patient/$validate", json=parameters(resource=plain, profile=CLIENT))) == [
        ("error", "required")
    ]
    assert codes(client.post(f"/Patient/$validate?profile={CLIENT}", json=plain)) == [("error", "required")]


def test_validate_at_the_address_of_a_stored_resource(client: httpx.Client) -> None:
    client.put("/Patient/stored", json=VALID | {"id": "stored"})
    assert codes(client.get("/Patient/stored/$validate")) == VALID_ANSWER
    assert codes(client.get(f"/Patient/stored/$validate?mode=profile&profile={ADULT}")) == [("error", "required")]
    sent = parameters(resource=VALID | {"id": "another"}, mode="update")
    assert codes(client.post("/Patient/stored/$validate", json=sent)) == [("error", "invalid")]
    assert client.get("/Patient/none/$validate").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/Patient/$validate", None, 400),
        ("/Patient/$validate?mode=guess", VALID, 400),
        ("/Patient/$validate?mode=profile", VALID, 400),
        ("/Patient/$validate?colour=red", VALID, 400),
    ],
)
def test_what_validate_cannot_understand(client: httpx.Client, path: str, body: Any, status: int) -> None:
    answer = client.post(path, json=body) if body else client.get(path)
    assert answer.status_code == status


def test_validate_tells_who_may_not_create(client: httpx.Client, database: str) -> None:
    server = RunningServer(str(client.base_url).rstrip("/").removesuffix("/fhir"), database)
    with server.client(server.token(server.new_tenant(), "system/Patient.rs")) as reader:
        assert codes(reader.post("/Patient/$validate?mode=create", json=VALID)) == [("error", "forbidden")]
        assert codes(reader.post("/Patient/$validate", json=VALID)) == VALID_ANSWER
