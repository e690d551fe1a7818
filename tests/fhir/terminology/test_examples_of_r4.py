"""The examples on R4's pages: valueset-examples.html, codesystem-operations.html, valueset-operations.html."""

import pytest

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology import hl7
from bhr_api.fhir.terminology.errors import CannotExpandError
from bhr_api.fhir.terminology.terminology import Terminology
from tests.fhir.terminology.resources import code_system, terminology

EXAMPLES = "http://hl7.org/fhir/ValueSet/example-"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"


def loinc() -> Resource:
    """Some codes of cholesterol, below the part that the example names, and one beside it."""
    below = [{"code": code} for code in ("14647-2", "2093-3", "35200-5", "9342-7", "5932-9")]
    return code_system([{"code": "LP43571-6", "concept": below}, {"code": "1963-8"}], url=LOINC)


def snomed() -> Resource:
    """The two codes of the example of $subsumes."""
    disease = {"code": "235856003", "display": "Disorder of liver", "concept": [{"code": "3738000"}]}
    return code_system([disease], url=SNOMED, hierarchyMeaning="is-a")


def test_the_extensional_example_needs_no_system() -> None:
    expansion = Terminology().expand(EXAMPLES + "extensional")

    assert [(entry.code, entry.display) for entry in expansion.entries] == [
        ("14647-2", "Cholesterol [Moles/Volume]"),
        ("2093-3", "Cholesterol [Mass/Volume]"),
        ("35200-5", "Cholesterol [Mass Or Moles/Volume]"),
        ("9342-7", "Cholesterol [Percentile]"),
    ]


def test_the_intensional_example_takes_the_children_of_a_part_but_one() -> None:
    expansion = terminology(loinc()).expand(EXAMPLES + "intensional")

    assert [entry.code for entry in expansion.entries] == ["14647-2", "2093-3", "35200-5", "9342-7"]


def test_the_intensional_example_is_refused_without_loinc() -> None:
    with pytest.raises(CannotExpandError, match=r"http://loinc\.org is not loaded"):
        Terminology().expand(EXAMPLES + "intensional")


def test_the_example_of_a_filter_that_a_system_defines_is_refused() -> None:
    with pytest.raises(CannotExpandError, match="no property 'acme-plasma'"):
        Terminology().expand(EXAMPLES + "filter")


def test_the_example_of_subsumes() -> None:
    assert terminology(snomed()).subsumes(SNOMED, "3738000", "235856003") == "subsumed-by"
    assert terminology(snomed()).subsumes(SNOMED, "235856003", "3738000") == "subsumes"


def test_the_example_of_validate_code_for_a_value_set_of_administrative_gender() -> None:
    terms = Terminology()
    gender = "http://hl7.org/fhir/ValueSet/administrative-gender"

    assert terms.validate_code("male", system="http://hl7.org/fhir/administrative-gender", value_set=gender).result
    assert not terms.validate_code("m", system="http://hl7.org/fhir/administrative-gender", value_set=gender).result


def test_version_2_tables_take_codes_in_any_case() -> None:
    # The tables of Version 2 do not say that case matters.
    system = "http://terminology.hl7.org/CodeSystem/v2-0131"

    assert "caseSensitive" not in (hl7.code_system(system) or {})
    assert Terminology().lookup(system, "c").code == "C"
