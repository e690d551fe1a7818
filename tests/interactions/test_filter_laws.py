"""`_filter` finds what other parameters find, and its words are those of sets (FHIR R4, search_filter.html)."""

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures.server import RunningServer
from tests.interactions.filter_record import ACT, LOCAL, LOINC, MRN, RESOURCES, UCUM, found, put


@pytest.fixture(scope="module")
def record(server: RunningServer) -> Iterator[httpx.Client]:
    """A tenant with all of `RESOURCES`."""
    with server.client(server.token(server.new_tenant())) as http:
        put(http, RESOURCES)
        yield http


PAIRS = {
    "Patient": [
        ("gender eq male", "gender=male"),
        ("gender pr false", "gender:missing=true"),
        ("birthdate ge 1990-05", "birthdate=ge1990-05"),
        ("birthdate ne 1990", "birthdate=ne1990"),
        ("family sw car", "family=car"),
        ("name co pet", "name:contains=pet"),
        (f"identifier eq {MRN}|12", f"identifier={MRN}|12"),
        ("organization re Organization/clinic", "organization=Organization/clinic"),
        ("organization.name sw harb", "organization.name=harb"),
        ("_id eq petra", "_id=petra"),
    ],
    "Observation": [
        ("code eq 1234-5", "code=1234-5"),
        (f"code eq {LOINC}|", f"code={LOINC}|"),
        ("date sa 2023", "date=sa2023"),
        ("date ap 2024", "date=ap2024"),
        (f"value-quantity gt 1|{UCUM}|g", f"value-quantity=gt1|{UCUM}|g"),
        ("value-quantity ne 15", "value-quantity=ne15"),
        (f"code-value-quantity eq {LOCAL}|dose$gt1", f"code-value-quantity={LOCAL}|dose$gt1"),
        ("patient eq petra", "patient=petra"),
        ("subject.gender eq female", "subject:Patient.gender=female"),
        ("combo-code eq dose", "combo-code=dose"),
    ],
    "Encounter": [
        (f"class ss {ACT}|IMP", f"class:below={ACT}|IMP"),
        (f"class sb {ACT}|ACUTE", f"class:above={ACT}|ACUTE"),
        ("class in ValueSet/stays", "class:in=ValueSet/stays"),
        ("class ni ValueSet/stays", "class:not-in=ValueSet/stays"),
        ("participant eq Practitioner/lee", "participant=Practitioner/lee"),
        ("date lt 2024-02", "date=lt2024-02"),
        ("participant.family sw o", "participant:Practitioner.family=o"),
    ],
}  # fmt: skip

pairs = st.sampled_from(sorted(PAIRS)).flatmap(
    lambda name: st.tuples(st.just(name), st.lists(st.sampled_from(PAIRS[name]), min_size=1, max_size=4, unique=True))
)


@given(drawn=pairs)
@settings(max_examples=80, deadline=None)
def test_and_of_a_filter_is_and_of_a_search(record: httpx.Client, drawn: tuple[str, list[tuple[str, str]]]) -> None:
    resource_type, chosen = drawn
    parameters = [(name, value) for _, plain in chosen for name, _, value in [plain.partition("=")]]
    joined = " and ".join(text for text, _ in chosen)
    assert found(record, resource_type, [("_filter", joined)]) == found(record, resource_type, parameters)


@given(drawn=pairs)
@settings(max_examples=40, deadline=None)
def test_or_and_not_are_those_of_sets(record: httpx.Client, drawn: tuple[str, list[tuple[str, str]]]) -> None:
    resource_type, chosen = drawn
    everything = set(found(record, resource_type, []))
    each = [set(found(record, resource_type, [("_filter", text)])) for text, _ in chosen]
    joined = " or ".join(text for text, _ in chosen)
    assert set(found(record, resource_type, [("_filter", joined)])) == set().union(*each)
    assert set(found(record, resource_type, [("_filter", f"not ({joined})")])) == everything.difference(*each)
