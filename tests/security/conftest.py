"""Two worlds that differ in hidden resources alone, and who looks at them."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from bhr_api.fhir.definitions import Resource
from tests.fixtures.server import EVERYTHING, RunningServer
from tests.security.attempts import INNOCENT, OWN
from tests.security.minimal_resources import PERSONAL_TYPES, minimal_resource

HIDDEN = "hidden-7c2e"
ABSENT = "absent-7c2e"
SECRET = "unspoken"
# What the resources that may be seen are tagged with, and who is responsible for their patient.
OPEN = "open"
WORKER = "Practitioner/worker"

_SHARED: dict[str, Resource] = {
    "Organization": {"name": "Shared"},
    "Practitioner": {"active": True},
    "Location": {"name": "Shared"},
}


@dataclass(frozen=True, slots=True)
class World:
    """A tenant with one patient's record; `operator` sees all of it."""

    server: RunningServer
    tenant: str
    operator: httpx.Client

    def client(self, scope: str, *, patient: str | None = None, username: str | None = None) -> httpx.Client:
        """A client of this tenant."""
        return self.server.client(self.server.token(self.tenant, scope, patient=patient, username=username))

    def confined(self, how: str) -> httpx.Client:
        """A client that may do everything, but with the patient's own record alone: by the way `how`."""
        if how == "patient":
            return self.client("patient/*.cruds", patient=OWN)
        if how == "restriction":
            types = (*PERSONAL_TYPES, *_SHARED)
            return self.client(" ".join(f"system/{name}.cruds?_tag={OPEN}" for name in types))
        username = self.server.account(self.tenant, WORKER, "everything")
        return self.client("user/*.cruds" if how == "caseload" else "patient/*.cruds", patient=OWN, username=username)


def put_all(operator: httpx.Client, resources: list[Resource]) -> None:
    """Store `resources` under their ids, in one transaction."""
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in resources
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = operator.post("", json=bundle)
    assert answer.status_code == 200, answer.text


def own_record() -> list[Resource]:
    """One resource of each type in the caller's own record, shared ones, and some that refer to hidden ones."""
    own = [minimal_resource(name, OWN, OWN, INNOCENT) for name in PERSONAL_TYPES]
    shared = [{"resourceType": name, "id": "shared", **content} for name, content in _SHARED.items()]
    hidden = [f"{name}/{HIDDEN}" for name in PERSONAL_TYPES]
    pointer = minimal_resource("Task", "pointer", OWN, INNOCENT)
    pointer["focus"] = {"reference": f"Observation/{HIDDEN}"}
    pointer["basedOn"] = [{"reference": reference} for reference in hidden]
    chart = minimal_resource("List", "pointer", OWN, INNOCENT)
    chart["entry"] = [{"item": {"reference": reference}} for reference in hidden]
    team = minimal_resource("CareTeam", "team", OWN, INNOCENT)
    team |= {"status": "active", "participant": [{"member": {"reference": WORKER}}]}
    return [{**one, "meta": {"tag": [{"code": OPEN}]}} for one in (*own, *shared, pointer, chart, team)]


def new_world(server: RunningServer, *, hides: str | None) -> World:
    """A world; `hides` is the name of its hidden patient and of one resource of each type in that patient's record."""
    tenant = server.new_tenant()
    world = World(server, tenant, server.client(server.token(tenant, EVERYTHING)))
    put_all(world.operator, own_record())
    server.set_role(tenant, "everything", "user/*.cruds", "caseload")
    if hides is None:
        return world
    for _ in range(2):
        put_all(world.operator, [minimal_resource(name, hides, hides, SECRET) for name in PERSONAL_TYPES])
    gone = [minimal_resource(name, f"{hides}-gone", hides, SECRET) for name in PERSONAL_TYPES if name != "Patient"]
    put_all(world.operator, gone)
    for one in gone:
        assert world.operator.delete(f"/{one['resourceType']}/{one['id']}").status_code == 204
    return world


@pytest.fixture(scope="session")
def world(server: RunningServer) -> Iterator[World]:
    """The world in which there is something to hide."""
    made = new_world(server, hides=HIDDEN)
    yield made
    made.operator.close()


@pytest.fixture(scope="session")
def world_without(server: RunningServer) -> Iterator[World]:
    """The same world without it."""
    made = new_world(server, hides=None)
    yield made
    made.operator.close()


# One parameter of each type, with a main date, a date of the index, a composite of each kind and the controls.
PARAMETERS = [
    ("Patient", "family"),
    ("Patient", "identifier"),
    ("Patient", "birthdate"),
    ("Patient", "death-date"),
    ("Patient", "general-practitioner"),
    ("Patient", "address"),
    ("Observation", "code"),
    ("Observation", "value-quantity"),
    ("Observation", "value-date"),
    ("Observation", "value-string"),
    ("Observation", "subject"),
    ("Observation", "patient"),
    ("Observation", "code-value-quantity"),
    ("Observation", "combo-code-value-concept"),
    ("RiskAssessment", "probability"),
    ("ValueSet", "url"),
    ("QuestionnaireResponse", "questionnaire"),
    ("Goal", "_id"),
    ("Goal", "_lastUpdated"),
    ("Goal", "_tag"),
    ("Goal", "_profile"),
    ("Goal", "_source"),
    ("AuditEvent", "date"),
    ("AuditEvent", "entity"),
    ("AuditEvent", "patient"),
    ("AuditEvent", "type"),
]


@pytest.fixture(scope="module")
def filled(server: RunningServer) -> Iterator[httpx.Client]:
    """A record with one resource of each type that is searched, so that conditions meet rows."""
    with server.client(server.token(server.new_tenant())) as client:
        for name in sorted({name for name, _ in PARAMETERS} - {"AuditEvent", "ValueSet"}):
            assert client.put(f"/{name}/one", json=minimal_resource(name, "one", "one", "words")).status_code == 201
        value_set = {"resourceType": "ValueSet", "id": "one", "status": "active", "url": "http://example.org/one"}
        assert client.put("/ValueSet/one", json=value_set).status_code == 201
        yield client
