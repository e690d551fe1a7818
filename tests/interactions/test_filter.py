"""`_filter` over a small record (FHIR R4, search_filter.html)."""

from collections.abc import Iterator

import httpx
import pytest

from bhr_api.search.filter import MAXIMUM_COMPARISONS
from tests.fixtures.server import RunningServer
from tests.interactions.filter_record import ACT, CATEGORY, LOCAL, LOINC, MRN, RESOURCES, UCUM, ask, found, put


@pytest.fixture(scope="module")
def record(server: RunningServer) -> Iterator[httpx.Client]:
    """A tenant with all of `RESOURCES`."""
    with server.client(server.token(server.new_tenant())) as http:
        put(http, RESOURCES)
        yield http


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
