import pytest

from tests.search.one_resource import BASE, NOW, found, observation, patient
from tests.search.reference_evaluator import found as found_in
from tests.search.reference_evaluator import matches
from tests.search.reference_paths import Resource
from tests.search.reference_record import Caller, SeenRecord

CODING = {"system": "http://acme.example/codes", "code": "ha125"}


@pytest.mark.parametrize(
    ("coding", "query", "expected"),
    [
        pytest.param(CODING, "ha125", True, id="code"),
        pytest.param(CODING, "http://acme.example/codes|ha125", True, id="system-code"),
        pytest.param(CODING, "http://other.example|ha125", False, id="other-system"),
        pytest.param(CODING, "http://acme.example/codes|", True, id="system-alone"),
        pytest.param(CODING, "|ha125", False, id="no-system-asked-but-one-held"),
        pytest.param({"code": "ha125"}, "|ha125", True, id="no-system"),
        pytest.param({"code": "ha125"}, "http://acme.example/codes|ha125", False, id="system-asked-but-none-held"),
        pytest.param(CODING, "HA125", False, id="case-counts"),
        pytest.param(CODING, "x,ha125", True, id="or"),
        pytest.param({"code": "a,b"}, r"a\,b", True, id="escaped-comma"),
        pytest.param({"code": "a|b"}, r"a\|b", True, id="escaped-pipe"),
        pytest.param({"code": "a$b"}, r"a\$b", True, id="escaped-dollar"),
        pytest.param({"code": "a\\b"}, r"a\\b", True, id="escaped-backslash"),
        pytest.param({"code": "a\\"}, r"a\\,x", True, id="escaped-backslash-before-a-comma"),
        pytest.param({"code": "b"}, r"a\,b", False, id="escaped-comma-is-no-or"),
    ],
)  # fmt: skip
def test_a_token_matches_by_system_and_code(coding: Resource, query: str, expected: bool) -> None:
    assert found(observation(code={"coding": [{"code": "other"}, coding]}), ("code", query)) is expected


def test_a_code_has_its_implicit_system() -> None:
    woman = patient(gender="female")

    assert found(woman, ("gender", "http://hl7.org/fhir/administrative-gender|female"))
    assert not found(woman, ("gender", "http://acme.example|female"))


@pytest.mark.parametrize(
    ("gender", "expected"),
    [("male", False), ("female", False), ("other", True), (None, True)],
)
def test_not_is_none_of_the_alternatives(gender: str | None, expected: bool) -> None:
    person = patient(gender=gender) if gender else patient()

    assert found(person, ("gender:not", "male,female")) is expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("gender:missing", "true", True, id="token-missing"),
        pytest.param("gender:missing", "false", False, id="token-not-missing"),
        pytest.param("birthdate:missing", "false", True, id="date-not-missing"),
        pytest.param("name:missing", "true", True, id="string-missing"),
        pytest.param("organization:missing", "true", True, id="reference-missing"),
        pytest.param("deceased:missing", "true", False, id="deceased-is-always-known"),
        pytest.param("_id:missing", "true", False, id="id-not-missing"),
        pytest.param("gender", "", True, id="an-empty-value-asks-nothing"),
    ],
)
def test_missing_asks_for_elements(name: str, value: str, expected: bool) -> None:
    assert found(patient(birthDate="1974"), (name, value)) is expected


EVE = [{"family": "Évêque-Carlsen", "given": ["Eve", "Ann 100%_a"], "text": "Dr. Eve"}]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("given", "eve", True, id="case"),
        pytest.param("given", "ev", True, id="start"),
        pytest.param("given", "ve", False, id="not-inside"),
        pytest.param("family", "eveq", True, id="accents"),
        pytest.param("family", "ÉVÊQUE", True, id="accents-in-the-query"),
        pytest.param("family:contains", "CARL", True, id="contains"),
        pytest.param("family:exact", "Évêque-Carlsen", True, id="exact"),
        pytest.param("family:exact", "Eveque-Carlsen", False, id="exact-accents"),
        pytest.param("family:exact", "Évêque", False, id="exact-whole"),
        pytest.param("name", "dr.", True, id="name-text"),
        pytest.param("name", "carlsen", False, id="name-part-starts"),
        pytest.param("given", "ann 100%_", True, id="no-wildcards"),
        pytest.param("given", "%", False, id="percent-is-itself"),
        pytest.param("given:contains", "_", True, id="underscore-is-itself"),
        pytest.param("given:contains", "v_", False, id="underscore-is-no-wildcard"),
    ],
)
def test_a_string_starts_with_the_query(name: str, value: str, expected: bool) -> None:
    assert found(patient(name=EVE), (name, value)) is expected


@pytest.mark.parametrize(
    ("reference", "name", "value", "expected"),
    [
        pytest.param("Patient/23", "subject", "23", True, id="id"),
        pytest.param("Patient/23", "subject", "Patient/23", True, id="type-id"),
        pytest.param("Patient/23", "subject", "Group/23", False, id="other-type"),
        pytest.param("Patient/23", "subject:Patient", "23", True, id="type-modifier"),
        pytest.param("Patient/23", "subject:Group", "23", False, id="other-type-modifier"),
        pytest.param("Patient/23", "subject", f"{BASE}/Patient/23", True, id="own-url-in-the-query"),
        pytest.param(f"{BASE}/Patient/23", "subject", "Patient/23", True, id="own-url-stored"),
        pytest.param("https://other.example/Patient/23", "subject", "Patient/23", False, id="other-server"),
        pytest.param("https://other.example/Patient/23", "subject", "23", False, id="other-server-by-id"),
        pytest.param("https://other.example/Patient/23", "subject", "https://other.example/Patient/23", True,
                     id="other-server-literally"),
        pytest.param("Patient/23/_history/4", "subject", "Patient/23", True, id="versioned"),
        pytest.param("Patient/23", "patient", "23", True, id="patient"),
        pytest.param("Group/23", "patient", "23", False, id="patient-is-no-group"),
        pytest.param("Group/23", "patient:missing", "true", True, id="patient-missing-for-a-group"),
    ],
)  # fmt: skip
def test_a_reference_matches_by_id_type_and_url(reference: str, name: str, value: str, expected: bool) -> None:
    assert found(observation(subject={"reference": reference}), (name, value)) is expected


def test_a_reference_matches_by_its_identifier() -> None:
    referred = observation(subject={"identifier": {"system": "http://acme.example", "value": "2345"}})

    assert found(referred, ("subject:identifier", "http://acme.example|2345"))
    assert not found(referred, ("subject:identifier", "http://acme.example|2346"))
    assert not found(referred, ("subject", "2345"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("http://acme.example/phq9", True), ("http://acme.example/phq9|2", True), ("http://acme.example/phq9|3", False)],
)
def test_a_canonical_matches_by_url_and_version(value: str, expected: bool) -> None:
    answered = {"resourceType": "QuestionnaireResponse", "questionnaire": "http://acme.example/phq9|2"}

    assert found(answered, ("questionnaire", value)) is expected


PRESSURES = observation(
    code={"coding": [{"code": "bp"}]},
    valueQuantity={"value": 1},
    component=[
        {"code": {"coding": [{"code": "systolic"}]}, "valueQuantity": {"value": 140}},
        {"code": {"coding": [{"code": "diastolic"}]}, "valueQuantity": {"value": 80}},
    ],
)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("component-code-value-quantity", "systolic$gt130", True, id="same-component"),
        pytest.param("component-code-value-quantity", "diastolic$gt130", False, id="not-across-components"),
        pytest.param("code-value-quantity", "bp$1", True, id="the-observation"),
        pytest.param("code-value-quantity", "systolic$140", False, id="not-its-components"),
        pytest.param("combo-code-value-quantity", "systolic$140", True, id="combo"),
        pytest.param("combo-code-value-quantity", "systolic$80,diastolic$80", True, id="or"),
        pytest.param("code-value-concept:missing", "true", True, id="missing-without-a-concept"),
    ],
)
def test_a_composite_matches_within_one_element(name: str, value: str, expected: bool) -> None:
    assert found(PRESSURES, (name, value)) is expected


def test_repetition_is_and_and_several_values_are_any() -> None:
    person = patient(name=[{"given": ["Ann", "Bea"]}])

    assert found(person, ("given", "ann"), ("given", "bea"))
    assert not found(person, ("given", "ann"), ("given", "cleo"))


def test_parameters_of_every_type_read_meta() -> None:
    meta = {
        "lastUpdated": "2026-01-01T10:00:00.123Z",
        "tag": [{"system": "http://acme.example", "code": "t"}],
        "profile": ["http://acme.example/p"],
        "source": "http://acme.example/s",
    }
    query = [
        ("_id", "p1"),
        ("_lastUpdated", "2026-01-01"),
        ("_tag", "http://acme.example|t"),
        ("_profile", "http://acme.example/p"),
        ("_source", "http://acme.example/s"),
        ("_security:missing", "true"),
    ]

    assert found(patient(meta=meta), *query)


def test_another_type_never_matches() -> None:
    assert not matches(patient(), "Observation", [], now=NOW, base_url=BASE)


def test_what_is_unknown_or_malformed_is_refused() -> None:
    with pytest.raises(KeyError):
        found(patient(), ("shoe-size", "44"))
    with pytest.raises(ValueError, match="no date"):
        found(patient(birthDate="1974"), ("birthdate", "1974-1"))
    with pytest.raises(ValueError, match="no meaning"):
        found(patient(birthDate="1974"), ("birthdate:exact", "1974"))


DETAILED = observation(
    code={
        "coding": [{"system": "http://acme.example/codes", "code": "amb", "display": "Ambulatory"}],
        "text": "Évening visit",
    },
    identifier=[
        {
            "value": "1",
            "type": {"text": "Record", "coding": [{"system": "http://acme.example/kinds", "code": "MR"}]},
        }
    ],
    meta={"source": "http://acme.example/a/b"},
)
CODES = {
    "resourceType": "CodeSystem",
    "url": "http://acme.example/codes",
    "concept": [{"code": "visit", "concept": [{"code": "AMB", "concept": [{"code": "amb"}, {"code": "day"}]}]}],
}
VALUES = {
    "resourceType": "ValueSet",
    "id": "v",
    "url": "http://acme.example/vs",
    "compose": {
        "include": [
            {"system": "http://acme.example/codes", "concept": [{"code": "amb"}]},
            {"system": "http://acme.example/all"},
        ]
    },
}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("code:text", "evening", True, id="text-of-the-concept"),
        pytest.param("code:text", "ambu", True, id="text-of-a-coding"),
        pytest.param("code:text", "visit", False, id="text-begins-with"),
        pytest.param("identifier:text", "record", True, id="text-of-the-type"),
        pytest.param("identifier:of-type", "http://acme.example/kinds|MR|1", True, id="of-type"),
        pytest.param("identifier:of-type", "http://acme.example/kinds|MR|2", False, id="of-type-another-value"),
        pytest.param("identifier:of-type", "http://acme.example/kinds|DL|1", False, id="of-another-type"),
        pytest.param("code:below", "http://acme.example/codes|visit", True, id="below-the-top"),
        pytest.param("code:below", "http://acme.example/codes|amb", True, id="below-itself"),
        pytest.param("code:below", "http://acme.example/codes|day", False, id="not-below-another"),
        pytest.param("code:above", "http://acme.example/codes|amb", True, id="above-itself"),
        pytest.param("code:above", "http://acme.example/codes|AMB", False, id="not-above-its-parent"),
        pytest.param("code:in", "http://acme.example/vs", True, id="in"),
        pytest.param("code:not-in", "ValueSet/v", False, id="not-in"),
        pytest.param("_tag:not-in", "http://acme.example/vs", True, id="not-in-finds-what-has-none"),
        pytest.param("_source:below", "http://acme.example/a", True, id="uri-below"),
        pytest.param("_source:below", "http://acme.example/a/b", True, id="uri-below-itself"),
        pytest.param("_source:below", "http://acme.example/a/b/c", False, id="uri-not-below-what-is-longer"),
        pytest.param("_source:above", "http://acme.example/a/b/c", True, id="uri-above"),
        pytest.param("_source:above", "http://acme.example/a/bc", False, id="uri-above-by-whole-segments"),
    ],
)
def test_modifiers_of_tokens_and_uris(name: str, value: str, expected: bool) -> None:
    record = SeenRecord([DETAILED, CODES, VALUES], Caller(), BASE)

    assert bool(found_in(record, "Observation", [(name, value)], now=NOW)) is expected
