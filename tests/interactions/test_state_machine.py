"""Random interactions against a plain model of the standard (FHIR R4, http.html): versions, conditions, transactions, search.

Every run is a record of its own; the model is a dictionary of versions. `STEPS` interactions are made in all.
"""

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bhr_api.errors import RefusalError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from bhr_api.interactions.batch import batch_or_transaction
from bhr_api.interactions.context import Context
from bhr_api.interactions.perform import perform
from bhr_api.interactions.requests import Request, parse_request
from bhr_api.interactions.results import Result
from tests.fixtures.record import Record, open_record
from tests.search.reference_evaluator import matches

BASE_URL = "http://here.example/fhir"
RUNS, STEPS_OF_A_RUN = 210, 50

IDS = st.sampled_from(["a", "b", "c", "d"])
VALUES = st.sampled_from(["1", "2", "3"])
GENDERS = st.sampled_from(["male", "female", "other"])
PATIENTS = st.builds(
    lambda value, gender: {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:s", "value": value}],
        "gender": gender,
    },
    VALUES,
    GENDERS,
)
SEARCHES = st.one_of(
    st.builds(lambda value: [("identifier", f"urn:s|{value}")], VALUES),
    st.builds(lambda gender: [("gender", gender)], GENDERS),
    st.builds(lambda gender: [("gender:not", gender)], GENDERS),
    st.builds(lambda value, gender: [("identifier", value), ("gender", gender)], VALUES, GENDERS),
    st.builds(lambda ids: [("_id", ",".join(ids))], st.lists(IDS, min_size=1)),
)


class Model:
    """What the record must hold: for each id its versions, None for a deletion."""

    def __init__(self) -> None:
        self.versions: dict[str, list[Resource | None]] = {}

    def current(self, id: str) -> Resource | None:
        return self.versions[id][-1] if id in self.versions else None

    def put(self, id: str, resource: Resource) -> None:
        self.versions.setdefault(id, []).append({**resource, "id": id})

    def delete(self, id: str) -> None:
        if self.current(id) is not None:
            self.versions[id].append(None)

    def found(self, query: list[tuple[str, str]], now: Any) -> list[str]:
        live = [resource for versions in self.versions.values() if (resource := versions[-1]) is not None]
        return sorted(
            resource["id"] for resource in live if matches(resource, "Patient", query, now=now, base_url=BASE_URL)
        )


class Interactions(RuleBasedStateMachine):
    record: ClassVar[Record]

    def __init__(self) -> None:
        super().__init__()
        self.context: Context = self.record.new_tenant()
        self.model = Model()

    def ask(self, method: str, url: str, resource: Resource | None = None, **headers: str) -> Result | RefusalError:
        """The result of an interaction, or its refusal."""
        path, _, query = url.partition("?")
        request: Request = parse_request(method, path, query)
        if resource is not None:
            request.body = json_text.dumps(resource)
        for name, value in headers.items():
            setattr(request, name, value)
        try:
            return self.record.run(perform(self.context, request))
        except RefusalError as error:
            return error

    @rule(resource=PATIENTS)
    def create(self, resource: Resource) -> None:
        result = self.ask("POST", "Patient", resource)
        assert isinstance(result, Result)
        assert (result.status, result.version) == (201, 1)
        self.model.put(result.id, resource)

    @rule(id=IDS, resource=PATIENTS)
    def update(self, id: str, resource: Resource) -> None:
        existed = self.model.current(id) is not None
        self.model.put(id, resource)
        result = self.ask("PUT", f"Patient/{id}", {**resource, "id": id})
        assert isinstance(result, Result)
        assert result.status == (200 if existed else 201)
        assert result.version == len(self.model.versions[id])

    @rule(id=IDS, resource=PATIENTS, sent=st.integers(1, 6))
    def update_if_match(self, id: str, resource: Resource, sent: int) -> None:
        result = self.ask("PUT", f"Patient/{id}", {**resource, "id": id}, if_match=str(sent))
        if self.model.current(id) is not None and len(self.model.versions[id]) == sent:
            assert isinstance(result, Result)
            self.model.put(id, resource)
        else:
            assert isinstance(result, RefusalError)
            assert result.status == 412

    @rule(id=IDS)
    def delete(self, id: str) -> None:
        result = self.ask("DELETE", f"Patient/{id}")
        assert isinstance(result, Result)
        self.model.delete(id)

    @rule(resource=PATIENTS, query=SEARCHES)
    def create_conditionally(self, resource: Resource, query: list[tuple[str, str]]) -> None:
        found = self.model.found(query, self.context.now())
        criteria = "&".join(f"{name}={value}" for name, value in query)
        result = self.ask("POST", "Patient", resource, if_none_exist=criteria)
        if len(found) > 1:
            assert isinstance(result, RefusalError)
            assert result.status == 412
            return
        assert isinstance(result, Result)
        assert result.status == (200 if found else 201)
        if found:
            assert result.id == found[0]
        else:
            self.model.put(result.id, resource)

    @rule(resource=PATIENTS, query=SEARCHES)
    def update_conditionally(self, resource: Resource, query: list[tuple[str, str]]) -> None:
        found = self.model.found(query, self.context.now())
        result = self.ask("PUT", "Patient?" + "&".join(f"{name}={value}" for name, value in query), resource)
        if len(found) > 1:
            assert isinstance(result, RefusalError)
            assert result.status == 412
            return
        assert isinstance(result, Result)
        assert result.id == found[0] if found else result.status == 201
        self.model.put(result.id, resource)

    @rule(query=SEARCHES)
    def delete_conditionally(self, query: list[tuple[str, str]]) -> None:
        found = self.model.found(query, self.context.now())
        result = self.ask("DELETE", "Patient?" + "&".join(f"{name}={value}" for name, value in query))
        if len(found) > 1:
            assert isinstance(result, RefusalError)
            return
        assert isinstance(result, Result)
        for id in found:
            self.model.delete(id)

    @rule(
        entries=st.lists(st.tuples(st.sampled_from(["PUT", "DELETE", "POST", "stale"]), IDS, PATIENTS), max_size=5),
    )
    def transact(self, entries: list[tuple[str, str, Resource]]) -> None:
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [self.entry(*entry) for entry in entries]}
        named = [id for method, id, _ in entries if method != "POST"]
        body = json.dumps({name: value for name, value in bundle.items() if value}).encode()
        try:
            result = self.record.run(batch_or_transaction(self.context, body))
        except RefusalError:
            # Nothing of it may be there: the invariants below see to that.
            assert len(set(named)) < len(named) or any(method == "stale" for method, _, _ in entries)
            return
        answered = json.loads(result.body or b"{}").get("entry", [])
        assert not any(method == "stale" for method, _, _ in entries)
        for (method, id, resource), answer in zip(entries, answered, strict=True):
            if method == "PUT":
                self.model.put(id, resource)
            elif method == "DELETE":
                self.model.delete(id)
            else:
                self.model.put(answer["resource"]["id"], resource)

    def entry(self, method: str, id: str, resource: Resource) -> Resource:
        if method == "POST":
            return {"resource": resource, "request": {"method": "POST", "url": "Patient"}}
        asked = {"method": "DELETE" if method == "DELETE" else "PUT", "url": f"Patient/{id}"}
        if method == "stale":
            asked["ifMatch"] = 'W/"999"'
        return {"request": asked} if method == "DELETE" else {"resource": {**resource, "id": id}, "request": asked}

    @rule(query=SEARCHES)
    def search(self, query: list[tuple[str, str]]) -> None:
        url = "Patient?_total=accurate&" + "&".join(f"{name}={value}" for name, value in query)
        result = self.ask("GET", url)
        assert isinstance(result, Result)
        bundle = json.loads(result.body or b"")
        assert sorted(entry["resource"]["id"] for entry in bundle.get("entry", [])) == self.model.found(
            query, self.context.now()
        )
        assert bundle["total"] == len(bundle.get("entry", []))

    @rule(id=IDS)
    def read_every_version(self, id: str) -> None:
        result = self.ask("GET", f"Patient/{id}/_history")
        expected = self.model.versions.get(id, [])
        if not expected:
            assert isinstance(result, RefusalError)
            assert result.status == 404
            return
        assert isinstance(result, Result)
        entries = json.loads(result.body or b"")["entry"]
        numbers = [entry["response"]["etag"] for entry in entries]
        assert numbers == [f'W/"{version}"' for version in range(len(expected), 0, -1)]
        assert [plain(entry.get("resource")) for entry in reversed(entries)] == expected

    @invariant()
    def a_read_shows_the_last_version(self) -> None:
        for id in ("a", "b"):
            result = self.ask("GET", f"Patient/{id}")
            expected = self.model.current(id)
            if expected is None:
                assert isinstance(result, RefusalError)
                assert result.status == (410 if id in self.model.versions else 404)
            else:
                assert isinstance(result, Result)
                assert plain(json.loads(result.body or b"")) == expected


def plain(resource: Resource | None) -> Resource | None:
    return None if resource is None else {name: value for name, value in resource.items() if name != "meta"}


@pytest.fixture
def machine(database_dsn: str) -> Iterator[type[Interactions]]:
    with open_record(database_dsn, BASE_URL) as record:
        Interactions.record = record
        yield Interactions


def test_the_record_behaves_as_the_model(machine: type[Interactions]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS_OF_A_RUN,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
