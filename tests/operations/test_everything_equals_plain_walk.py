"""Law: $everything of any record is what a plain walk over all resources gives, on pages of any size, for any caller."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bhr_api.interactions.context import Context
from bhr_api.interactions.requests import Request, parse_parameters
from bhr_api.operations.everything import PATIENT_EVERYTHING
from tests.fixtures.record import Record, open_record
from tests.operations.plain_walk import Name, Resource, name_of, owner, whole_encounter, whole_record

BASE_URL = "http://records.example/fhir"
IDS = {
    "Patient": ["p", "q"],
    "Practitioner": ["a", "b"],
    "Organization": ["a", "b", "c", "d", "e"],
    "Location": ["a"],
    "Binary": ["a"],
}
SHARED_TYPES = {"Practitioner", "Organization", "Location"}
NOWHERE = ["Practitioner/missing", "Nonsense", "#inner", "urn:uuid:00000000-0000-4000-8000-000000000000"]
DAYS = st.sampled_from(["2024-01-01", "2024-01-02", "2024-01-03"])


def places(*kinds: str) -> st.SearchStrategy[Resource]:
    """A reference to one of `kinds`, relative or absolute, or to nothing that is there."""
    local = [f"{kind}/{id}" for kind in kinds for id in IDS.get(kind, ["0", "1", "2"])]
    literals = st.sampled_from([*local, *local, *(f"{BASE_URL}/{one}" for one in local), *NOWHERE])
    return literals.map(lambda literal: {"reference": literal})


def some(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(items, min_size=1, max_size=2)


def resources(kind: str, **elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Resource]:
    return st.fixed_dictionaries({"resourceType": st.just(kind)}, optional=elements)


SUBJECT = places("Patient")
LOCATIONS = some(st.fixed_dictionaries({"location": places("Location")}))
ENCOUNTERS = resources("Encounter", subject=SUBJECT, location=LOCATIONS)
CLINICAL = st.one_of(
    resources(
        "Observation",
        subject=SUBJECT,
        performer=some(places("Practitioner", "Patient", "Organization")),
        encounter=places("Encounter"),
        effectiveDateTime=DAYS,
        derivedFrom=some(places("Observation")),
    ),
    ENCOUNTERS,
    resources("Condition", subject=SUBJECT, asserter=places("Practitioner", "Patient"), recordedDate=DAYS),
    resources("Group", member=some(st.fixed_dictionaries({"entity": places("Patient", "Practitioner")}))),
    resources("Appointment", participant=some(st.fixed_dictionaries({"actor": SUBJECT}))),
    resources("RelatedPerson", patient=SUBJECT),
    resources("Task", **{"for": SUBJECT, "focus": places("Patient", "Group", "Observation")}),
    resources(
        "DocumentReference",
        subject=SUBJECT,
        author=some(places("Practitioner", "Patient")),
        content=st.sampled_from(["Binary/a", f"{BASE_URL}/Binary/a", "http://other.example/Binary/a"]).map(
            lambda url: [{"attachment": {"url": url}}]
        ),
    ),
)
SHARED = st.fixed_dictionaries(
    {
        "Organization": st.lists(places("Organization"), min_size=5, max_size=5),
        "Location": places("Organization"),
        "Patient": st.lists(st.none() | places("Patient"), min_size=2, max_size=2),
    }
)


def stored(clinical: Sequence[Resource], shared: dict[str, Any]) -> list[Resource]:
    """The drawn resources under ids of their own, with those that are always there."""
    found: list[Resource] = [
        {"resourceType": kind, "id": id} for kind in ("Practitioner", "Binary") for id in IDS[kind]
    ]
    for id, parent in zip(IDS["Organization"], shared["Organization"], strict=True):
        found.append({"resourceType": "Organization", "id": id, "partOf": parent})
    found.append({"resourceType": "Location", "id": "a", "managingOrganization": shared["Location"]})
    for id, linked in zip(IDS["Patient"], shared["Patient"], strict=True):
        link = {} if linked is None else {"link": [{"other": linked, "type": "seealso"}]}
        found.append({"resourceType": "Patient", "id": id, "birthDate": "1980-01-01", **link})
    for number, resource in enumerate(clinical):
        found.append({**resource, "id": str(number)})
    return found


@pytest.fixture(scope="module")
def record(database_dsn: str) -> Iterator[Record]:
    with open_record(database_dsn, BASE_URL) as opened:
        yield opened


def walked(record: Record, context: Context, parameters: str, of: Name = ("Patient", "p")) -> list[tuple[Name, str]]:
    """Each entry on the pages of the walk, with its mode."""
    found: list[tuple[Name, str]] = []
    query: str | None = parameters
    while query is not None:
        request = Request("operation", *of, operation="everything", parameters=parse_parameters(query))
        body = record.run(PATIENT_EVERYTHING.run(context, request)).body
        assert body is not None
        bundle = json.loads(body)
        found += [(name_of(entry["resource"]), entry["search"]["mode"]) for entry in bundle.get("entry", ())]
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        query = following[0].partition("?")[2] if following else None
    return found


@settings(max_examples=60, deadline=None)
@given(
    clinical=st.lists(CLINICAL, max_size=12),
    shared=SHARED,
    count=st.sampled_from([1, 2, 3, 7, 50]),
    start=st.sampled_from(["", "2024-01-02"]),
    is_confined=st.booleans(),
)
def test_everything_is_what_a_plain_walk_gives(
    record: Record, clinical: list[Resource], shared: dict[str, Any], count: int, start: str, is_confined: bool
) -> None:
    everything = stored(clinical, shared)
    context = record.new_tenant()
    record.store(context, everything)
    if is_confined:
        context = record.context(context.tenant, "patient/*.cruds", "p")
        everything = [one for one in everything if one["resourceType"] in SHARED_TYPES or owner(one, BASE_URL) == "p"]
    members, support = whole_record(everything, "p", BASE_URL, start)
    found = walked(record, context, f"_count={count}" + (f"&start={start}" if start else ""))
    assert len(found) == len({name for name, _ in found})
    assert found[0] == (("Patient", "p"), "match")
    assert {name for name, mode in found if mode == "match"} == members
    assert {name for name, mode in found if mode == "include"} == support


@settings(max_examples=40, deadline=None)
@given(
    encounter=ENCOUNTERS,
    clinical=st.lists(CLINICAL, max_size=8),
    shared=SHARED,
    count=st.sampled_from([1, 3, 50]),
)
def test_an_encounter_is_what_a_plain_walk_gives(
    record: Record, encounter: Resource, clinical: list[Resource], shared: dict[str, Any], count: int
) -> None:
    everything = stored([encounter, *clinical], shared)
    context = record.new_tenant()
    record.store(context, everything)
    members, support = whole_encounter(everything, {**encounter, "id": "0"}, BASE_URL)
    found = walked(record, context, f"_count={count}", ("Encounter", "0"))
    assert len(found) == len({name for name, _ in found})
    assert found[0] == (("Encounter", "0"), "match")
    assert {name for name, mode in found if mode == "match"} == members
    assert {name for name, mode in found if mode == "include"} == support
