"""`_filter` over a small record (FHIR R4, search_filter.html)."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bhr_api.search.filter import MAXIMUM_COMPARISONS
from bhr_api.search.filter_syntax import OPERATORS
from tests.fixtures.server import RunningServer
from tests.interactions.filter_record import (
    ACT,
    CATEGORY,
    LOCAL,
    LOINC,
    MRN,
    RESOURCES,
    UCUM,
    observation,
    refer,
)


def put(http: httpx.Client, resources: list[dict[str, Any]]) -> None:
    for one in resources:
        answer = http.put(f"/{one['resourceType']}/{one['id']}", json=one)
        assert answer.status_code == 201, answer.text


@pytest.fixture(scope="module")
def tenant(server: RunningServer) -> Any:
    return server.new_tenant()


@pytest.fixture(scope="module")
def record(server: RunningServer, tenant: Any) -> Iterator[httpx.Client]:
    """A tenant with all of `RESOURCES`."""
    with server.client(server.token(tenant)) as http:
        put(http, RESOURCES)
        yield http


def ask(client: httpx.Client, resource_type: str, text: str) -> httpx.Response:
    return client.get(f"/{resource_type}", params={"_filter": text})


def posted(client: httpx.Client, text: str) -> httpx.Response:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return client.post("/Patient/_search", content=urlencode({"_filter": text}), headers=form)


def found(client: httpx.Client, resource_type: str, parameters: list[tuple[str, str]]) -> list[str]:
    answer = client.get(f"/{resource_type}", params=httpx.QueryParams(urlencode(parameters)))
    assert answer.status_code == 200, answer.text
    return sorted(entry["resource"]["id"] for entry in answer.json().get("entry", []))


ALL_PATIENTS = "anon noah peter petra"
TABLE = [
    # The page's own examples, as far as R4 still has their parameters.
    ("Patient", 'name co "pet"', "peter petra"),
    ("Patient", 'given eq "peter" and birthdate ge 2014-10-10', "peter"),
    ("Observation", "code eq http://loinc.org|1234-5", "plain survey"),
    ("Observation", 'subject.name co "pet"', "dose phq plain"),
    # string
    ("Patient", 'given eq "pete"', ""),
    ("Patient", "given eq PETER", "peter"),
    ("Patient", "family eq jimenez", "peter"),
    ("Patient", 'given sw "pet"', "peter petra"),
    ("Patient", "family ew PET", "petra"),
    ("Patient", "given ew ra", "petra"),
    ("Patient", "given ne peter", "noah peter petra"),
    ("Patient", "given ne petra", "noah peter"),
    ("Patient", 'given eq "no\\\\ah, jr"', "noah"),
    ("Patient", 'given co "\\\\a"', "noah"),
    ("Patient", 'given sw "no\\\\ah,"', "noah"),
    ("Patient", 'name eq "(unknown) [x]"', "anon"),
    ("Patient", "name co %", ""),
    ("Patient", "phonetic eq smith", "noah"),
    # present
    ("Patient", "gender pr true", "anon peter petra"),
    ("Patient", "gender pr false", "noah"),
    ("Patient", "birthdate pr FALSE", "anon"),
    ("Patient", "_id pr true", ALL_PATIENTS),
    ("Patient", "general-practitioner pr true", "peter"),
    # token
    ("Patient", "gender eq male", "peter"),
    ("Patient", "gender ne male", "anon petra"),
    ("Patient", "not gender eq male", "anon noah petra"),
    ("Patient", "gender eq http://hl7.org/fhir/administrative-gender|male", "peter"),
    ("Patient", "gender ew ALE", "peter petra"),
    ("Patient", "active eq true", "peter"),
    ("Patient", "identifier eq 12", "peter petra"),
    ("Patient", f"identifier eq {MRN}|AB-9", "peter"),
    ("Patient", "identifier ne 12", "peter"),
    ("Patient", f"identifier ne {MRN}|", ""),
    ("Patient", "identifier ne |12", "peter petra"),
    ("Patient", "identifier sw ab", "peter"),
    ("Patient", "telecom ne 555", ""),
    ("Patient", "address-use ne home", "petra"),
    ("Patient", "address-use ne http://hl7.org/fhir/address-use|work", "petra"),
    ("Patient", "address-use ne http://example.org/other|work", "petra"),
    ("Patient", "address-use ne http://hl7.org/fhir/address-use|", ""),
    ("Patient", "telecom ne 556", "petra"),
    ("Observation", "code ne phq", "dose plain survey"),
    ("Observation", f"code ne {LOCAL}|phq", "dose plain survey"),
    ("Observation", f"code ne {LOINC}|", "dose"),
    ("Observation", "code sw 1234", "plain survey"),
    ("Observation", "category ne survey", "plain"),
    ("Observation", "category ne exam", "plain survey"),
    ("Observation", f"category ne {CATEGORY}|survey", "plain"),
    ("Observation", f"category ne {CATEGORY}|", ""),
    ("Observation", "status ne final", ""),
    # concepts and value sets
    ("Encounter", f"class ss {ACT}|IMP", "acute inpatient"),
    ("Encounter", f"class sb {ACT}|ACUTE", "acute inpatient"),
    ("Encounter", f"class sb {ACT}|IMP", "inpatient"),
    ("Encounter", "class in http://example.org/ValueSet/stays", "acute"),
    ("Encounter", "class in ValueSet/stays", "acute"),
    ("Encounter", "class ni ValueSet/stays", "ambulatory inpatient"),
    ("Encounter", "status in http://hl7.org/fhir/ValueSet/encounter-status", "acute ambulatory inpatient"),
    # date
    ("Patient", "birthdate eq 1990", "noah petra"),
    ("Patient", "birthdate eq 1990-05", "petra"),
    ("Patient", 'birthdate eq "1990-05"', "petra"),
    ("Patient", "birthdate ne 1990", "peter"),
    ("Patient", "birthdate lt 2000", "noah petra"),
    ("Patient", "birthdate gt 1990-05-01", "noah peter"),
    ("Patient", "birthdate sa 1990-05-01", "peter"),
    ("Patient", "birthdate eb 2014", "noah petra"),
    ("Patient", "birthdate po 1990-05", "noah petra"),
    ("Patient", "birthdate po 1990-06", "noah"),
    ("Patient", "birthdate po 2014-10-13", ""),
    ("Encounter", "date po 2024-01-15", "acute"),
    ("Encounter", "date po 2024-01", "acute"),
    ("Encounter", "date po 2024-02", "inpatient"),
    ("Encounter", "date po 2024-01-21", ""),
    ("Observation", "date eq 2024-03", "dose phq"),
    ("Observation", "_lastUpdated po 2024", ""),
    ("Questionnaire", "_lastUpdated ge 2024 and _lastUpdated sa 2024", "sleep walk"),
    # number and quantity
    ("RiskAssessment", "probability gt 0.5", "high"),
    ("RiskAssessment", "probability eq 0.2", "high low"),
    ("RiskAssessment", "probability ne 0.2", "high"),
    ("RiskAssessment", "not (probability gt 0.5)", "low"),
    ("Observation", f"value-quantity eq 5400|{UCUM}|mg", "dose"),
    ("Observation", f"value-quantity lt 1|{UCUM}|g", "phq"),
    ("Observation", "value-quantity ge 15", "phq"),
    ("Observation", "value-quantity ap 16", "phq"),
    # reference
    ("Observation", "subject re Patient/noah", "survey"),
    ("Observation", "subject eq noah", "survey"),
    ("Observation", "patient ne Patient/noah", "dose phq plain"),
    ("Encounter", "participant re Practitioner/lee", "acute inpatient"),
    ("Encounter", "participant ne Practitioner/lee", "acute ambulatory"),
    ("Encounter", "participant ne lee", "acute ambulatory"),
    ("Encounter", "participant ne Practitioner/none", "acute ambulatory inpatient"),
    ("CarePlan", "activity-reference ne Task/one", "plan"),
    ("CarePlan", "activity-reference ne Task/two", "plan short"),
    ("CarePlan", "activity-reference ne https://elsewhere.example/fhir/Task/two", "plan short"),
    ("CarePlan", "instantiates-canonical eq http://example.org/plans/sleep", "plan short"),
    ("CarePlan", "instantiates-canonical ne http://example.org/plans/sleep", "plan"),
    ("CarePlan", "instantiates-canonical ne http://example.org/plans/sleep|2", "plan"),
    ("CarePlan", "instantiates-canonical ne http://example.org/plans/sleep|3", "plan short"),
    # uri
    ("Patient", "_profile ne http://example.org/p/a", "petra"),
    ("Patient", "_profile co EXAMPLE", "petra"),
    ("Questionnaire", "url eq http://example.org/forms/Sleep", "sleep"),
    ("Questionnaire", "url eq http://example.org/forms/sleep", ""),
    ("Questionnaire", "url ne http://example.org/forms/walk", "sleep"),
    ("Questionnaire", "url co FORMS/s", "sleep"),
    ("Questionnaire", "url ew /walk", "walk"),
    # composite, ids and parameters of the whole resource
    ("Observation", f"code-value-quantity eq {LOINC}|44261-6$gt10", "phq"),
    ("Observation", f"code-value-quantity eq {LOINC}|44261-6$gt20", ""),
    ("Patient", "_id eq noah", "noah"),
    ("Patient", "_id ne noah", "anon peter petra"),
    ("Patient", "_id sw PET", "peter petra"),
    ("Condition", "_text co river", "panic"),
    ("Condition", "_content eq mountain", ""),
    # paths
    ("Observation", "subject.birthdate lt 2000", "dose plain survey"),
    ("Observation", "subject.organization.name co harbour", "phq"),
    ("Observation", 'subject[name co "pet"].birthdate gt 2000', "phq"),
    ("Observation", 'subject[given eq peter].gender eq male', "phq"),
    ("Observation", 'subject[given eq peter].gender eq female', ""),
    ("Observation", 'subject[given eq peter or given eq petra].gender eq female', "dose plain"),
    ("Encounter", "participant[family eq lee].family eq ono", ""),
    ("Encounter", "participant.family eq lee and participant.family eq ono", "acute"),
    ("Observation", "subject.gender pr true", "dose phq plain"),
    ("Observation", "subject.gender pr false", "survey"),
    ("Observation", "subject.general-practitioner[family eq lee]._id pr true", "phq"),
    ("Observation", "subject.organization[name sw harbour].name pr false", "dose plain survey"),
    # logic: "evaluated left to right, with no precedence"
    ("Patient", "gender eq male or gender eq female", "peter petra"),
    ("Patient", "gender eq male or gender eq female and birthdate lt 2000", "petra"),
    ("Patient", "gender eq male or (gender eq female and birthdate lt 2000)", "peter petra"),
    ("Patient", "not (gender eq male or gender eq female)", "anon noah"),
    ("Patient", "not (gender eq male) and not (gender eq female)", "anon noah"),
    ("Patient", "not (not (gender eq male))", "peter"),
    ("Patient", "not (family eq none)", ALL_PATIENTS),
]  # fmt: skip


@pytest.mark.parametrize(("resource_type", "text", "expected"), TABLE)
def test_a_filter_finds_what_it_says(record: httpx.Client, resource_type: str, text: str, expected: str) -> None:
    assert found(record, resource_type, [("_filter", text)]) == expected.split()
    # The same criterion, where something else has found the rows.
    everything = ("_lastUpdated", "ge2000")
    assert found(record, resource_type, [everything, ("_filter", text), ("_sort", "_id")]) == expected.split()
    denied = found(record, resource_type, [("_filter", f"not ({text})")])
    assert sorted([*denied, *expected.split()]) == found(record, resource_type, [])


@pytest.mark.parametrize(
    ("resource_type", "text", "named"),
    [
        ("Patient", "nothing eq 1", "nothing"),
        ("Patient", "id eq 1", "id"),
        ("Patient", "gender gt male", "gender"),
        ("Patient", "family gt a", "family"),
        ("Patient", "birthdate co 19", "birthdate"),
        ("Patient", "birthdate in ValueSet/stays", "birthdate"),
        ("Patient", "gender po 2014", "gender"),
        ("Patient", "gender re Patient/x", "gender"),
        ("Patient", "_id in ValueSet/stays", "_id"),
        ("Patient", "phonetic co smith", "phonetic"),
        ("Patient", "deceased ne true", "deceased"),
        ("Patient", "deceased co t", "deceased"),
        ("Patient", "birthdate eq ge2014", "birthdate"),
        ("Patient", "birthdate po 2014-13", "birthdate"),
        ("Patient", 'name co ""', "name"),
        ("Patient", "_filter eq 1", "_filter"),
        ("Patient", "_query eq 1", "_query"),
        ("Patient", "_has eq 1", "_has"),
        ("Patient", "gender.name eq 1", "gender"),
        ("Patient", "general-practitioner[nothing eq 1].name eq a", "nothing"),
        ("Observation", "value-quantity gt five", "value-quantity"),
        ("Observation", "code-value-quantity ne a$1", "code-value-quantity"),
        ("Observation", "code-value-quantity eq a", "code-value-quantity"),
        ("Observation", "subject co Patient", "subject"),
        ("Encounter", "class ss IMP", "class"),
        ("Encounter", "class in http://example.org/ValueSet/none", "class"),
        ("Patient", "name co", "_filter"),
        ("Patient", "_text ew river", "_text"),
        ("Encounter", "_list co x", "_list"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(
    record: httpx.Client, resource_type: str, text: str, named: str
) -> None:
    answer = ask(record, resource_type, text)
    assert answer.status_code == 400, answer.text
    [issue] = answer.json()["issue"]
    assert issue["expression"] == ["http._filter"]
    assert named in issue["diagnostics"]
    assert "_filter" in issue["diagnostics"]


def test_a_reference_under_the_own_base_is_equal(record: httpx.Client) -> None:
    absolute = f"{str(record.base_url).rstrip('/')}/Practitioner/lee"
    assert found(record, "Encounter", [("_filter", f"participant ne {absolute}")]) == ["acute", "ambulatory"]
    assert found(record, "Encounter", [("_filter", f"participant re {absolute}")]) == ["acute", "inpatient"]


def test_a_lenient_search_passes_over_an_unknown_name_only(record: httpx.Client) -> None:
    lenient = {"Prefer": "handling=lenient"}
    answer = record.get("/Patient", params={"_filter": "nothing eq 1", "gender": "male"}, headers=lenient)
    assert [entry["search"]["mode"] for entry in answer.json()["entry"]] == ["match", "outcome"]
    assert record.get("/Patient", params={"_filter": "birthdate eq x"}, headers=lenient).status_code == 400


def test_what_the_terminology_cannot_tell_is_unprocessable(record: httpx.Client) -> None:
    assert ask(record, "Condition", "code ss http://snomed.info/sct|73211009").status_code == 422


def test_comparisons_are_bounded_over_all_filters(record: httpx.Client) -> None:
    many = " or ".join(["gender eq male"] * MAXIMUM_COMPARISONS)
    assert ask(record, "Patient", many).status_code == 200
    answer = record.get("/Patient", params={"_filter": [many, "gender eq male"]})
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "too-costly")


def test_brackets_that_lead_everywhere_are_bounded(record: httpx.Client) -> None:
    inner = " or ".join(["_id eq x"] * 40)
    answer = ask(record, "Provenance", f"target[{inner}]._id eq x")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "too-costly")


def test_a_filter_is_in_the_self_link_and_pages(record: httpx.Client) -> None:
    answer = record.get("/Patient", params={"_filter": "name co pet", "_count": 1})
    links = {link["relation"]: link["url"] for link in answer.json()["link"]}
    assert "_filter=" in links["self"]
    second = record.get(links["next"]).json()
    assert {answer.json()["entry"][0]["resource"]["id"], second["entry"][0]["resource"]["id"]} == {"peter", "petra"}


def test_a_filter_may_stand_at_the_end_of_a_chain(record: httpx.Client) -> None:
    assert found(record, "Observation", [("subject:Patient._filter", "given eq peter or given sw no")]) == [
        "phq",
        "survey",
    ]
    assert found(record, "Patient", [("_has:Encounter:subject:_filter", "class in ValueSet/stays")]) == ["peter"]


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


def test_a_filter_tells_a_patient_nothing_of_another(record: httpx.Client, server: RunningServer, tenant: Any) -> None:
    with server.client(server.token(tenant, "patient/*.rs", patient="petra")) as own:
        assert found(own, "Patient", [("_filter", "name pr true")]) == ["petra"]
        assert found(own, "Observation", [("_filter", "not (code eq none)")]) == ["dose", "plain"]
        assert found(own, "Observation", [("_filter", "subject.name co pet or status eq final")]) == ["dose", "plain"]
        # What refers to one who may not be seen answers as what refers to nobody.
        for named, nobody in (("peter", "nobody"), ("noah", "nobody")):
            for text in (
                "_id eq {}",
                "_id[name pr true].name pr true",
                "not (_id ne {})",
                "family[_id eq {}]._id pr true",
            ):
                hit, miss = (ask(own, "Patient", text.format(name)) for name in (named, nobody))
                assert hit.status_code == miss.status_code
                assert hit.json().get("entry") == miss.json().get("entry")


def test_a_path_leads_a_patient_through_nobody_else(record: httpx.Client, server: RunningServer, tenant: Any) -> None:
    put(record, [
        {
            "resourceType": "RelatedPerson", "id": "mother", "patient": refer("Patient/petra"), "active": True,
        },
        {
            "resourceType": "Provenance", "id": "about-both", "recorded": "2024-01-01T00:00:00Z",
            "target": [refer("Patient/petra"), refer("Patient/peter")], "agent": [{"who": refer("Patient/peter")}],
        },
    ])  # fmt: skip
    with server.client(server.token(tenant, "patient/*.rs", patient="petra")) as own:
        assert found(own, "Provenance", [("_filter", "target[gender eq male].name co pet")]) == []
        assert found(own, "Provenance", [("_filter", "agent.given eq peter")]) == []
    assert found(record, "Provenance", [("_filter", "target[gender eq male].name co pet")]) == ["about-both"]


def test_a_path_through_a_type_that_may_not_be_searched_is_refused(server: RunningServer, tenant: Any) -> None:
    with server.client(server.token(tenant, "system/Observation.rs")) as observations:
        hit = ask(observations, "Observation", "patient.name co pet")
        miss = ask(observations, "Observation", "patient.name co nobody")
        assert (hit.status_code, hit.json()) == (403, miss.json())
        assert ask(observations, "Observation", "patient[name co pet]._id pr true").status_code == 403


def test_another_tenant_finds_nothing(record: httpx.Client, server: RunningServer) -> None:
    with server.client(server.token(server.new_tenant())) as other:
        put(other, [observation("theirs", "Patient/peter", [(LOINC, "1234-5")])])
        assert found(other, "Observation", [("_filter", "subject.name co pet")]) == []
        assert found(other, "Observation", [("_filter", "subject.name pr false")]) == ["theirs"]
        assert found(other, "Patient", [("_filter", "not (_id eq x)")]) == []
        assert ask(other, "Encounter", "class in ValueSet/stays").status_code == 400


HOSTILE = [
    *("'", '"', "\\", "%", "$1", "a'; DROP TABLE resource; --", "{}", "{0}", "|", "||", "a|b|c", "$", "\\|", "\\$"),
    *("٣", "a\u0301", "\ud7ff", "\U0010ffff", "1e999999", "-0", "9999-12-31", "0001"),
    *("Patient/", "/", "urn:", "http://", "#x", "x" * 5000),
]


@pytest.mark.parametrize("code", ["name", "birthdate", "identifier", "organization", "_profile", "_lastUpdated", "_id"])
def test_a_hostile_value_finds_or_is_refused(record: httpx.Client, code: str) -> None:
    for operator in OPERATORS:
        for value in HOSTILE:
            quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
            answer = ask(record, "Patient", f"{code} {operator} {quoted}")
            assert answer.status_code in (200, 400, 422), (operator, value, answer.text)


REFUSED = ["(" * 5000, "not " * 5000, "a" * 16_385, "name[" * 40, "a eq", ")", "and", 'a eq "\\ud800"', "name co \0"]


@pytest.mark.parametrize("text", [*REFUSED, ".".join(["link"] * 40) + " eq 1"], ids=lambda text: repr(text[:9]))
def test_a_hostile_filter_is_refused_at_once(record: httpx.Client, text: str) -> None:
    started = time.monotonic()
    assert posted(record, text).status_code == 400
    assert time.monotonic() - started < 5


def test_a_long_path_is_walked(record: httpx.Client) -> None:
    answer = posted(record, "link." * 6 + "_id eq x")
    assert (answer.status_code, "entry" in answer.json()) == (200, False)
