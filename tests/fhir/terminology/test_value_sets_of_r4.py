"""Every value set of R4: which can be expanded, into what, and why the others are refused."""

import pytest

from bhr_api.errors import RefusalError
from bhr_api.fhir import definitions
from bhr_api.fhir.definitions import value_set_codes
from bhr_api.fhir.terminology import hl7
from bhr_api.fhir.terminology.errors import CannotExpandError
from bhr_api.fhir.terminology.terminology import Terminology

TERMS = Terminology()
V3 = "http://terminology.hl7.org/CodeSystem/v3-"


@pytest.mark.parametrize("url", sorted(definitions._value_sets()))
def test_a_bound_value_set_expands_to_the_codes_that_validation_takes(url: str) -> None:
    assert frozenset((entry.system, entry.code) for entry in TERMS.expand(url).entries) == value_set_codes(url)


def test_all_but_those_on_systems_that_are_not_here_are_expanded() -> None:
    refused = {}
    for url in hl7.value_set_urls():
        try:
            TERMS.expand(url)
        except RefusalError as error:
            refused[url] = str(error)

    assert len(hl7.value_set_urls()) == 1317
    assert len(refused) == 106
    for url, sentence in refused.items():
        is_load_told = "Load" in sentence
        assert is_load_told or url == "http://hl7.org/fhir/ValueSet/example-filter", sentence


def test_every_member_of_every_value_set_is_known_as_one_without_expanding() -> None:
    for url in sorted(definitions._value_sets())[:60]:
        for entry in TERMS.expand(url).entries[:20]:
            assert TERMS.is_member(url, entry.system, entry.code) is True
            assert TERMS.is_member(url, entry.system, entry.code + "-not") is False


def test_a_child_by_property_is_below_its_parent_as_a_nested_one_is() -> None:
    # RoleCode nests the outpatient pharmacy among the hospital units alone, and names it a child of the pharmacy.
    assert {"PHARM", "INPHARM", "OUTPHARM"} <= TERMS.descendants(f"{V3}RoleCode", "PHARM")
    assert "PHARM" in TERMS.ancestors(f"{V3}RoleCode", "OUTPHARM")
    assert {"HPAYMT", "CLMATTCH", "COVERAGE"} <= TERMS.descendants(f"{V3}ActReason", "HPAYMT")


def test_descendent_of_leaves_its_root_out() -> None:
    codes = {entry.code for entry in TERMS.expand("http://hl7.org/fhir/ValueSet/inactive").entries}

    assert "CRT" in codes
    assert "_ActMoodPredicate" not in codes


def test_is_not_a_keeps_the_rest_of_the_system() -> None:
    codes = {entry.code for entry in TERMS.expand("http://hl7.org/fhir/ValueSet/patient-contactrelationship").entries}

    assert "O" not in codes
    assert {"C", "E", "N"} <= codes


def test_a_retired_code_is_inactive_and_a_deprecated_one_is_not() -> None:
    systems = [TERMS._library.code_system(url) for url in hl7.code_system_urls() if "v3-" in url]
    statuses = {
        (value, system.is_inactive(code))
        for system in systems
        if system is not None
        for code in system.concepts
        for name, value in system.properties(code)
        if name == "status"
    }
    assert statuses == {("retired", True), ("deprecated", False)}


def test_a_refusal_names_the_system_that_is_not_loaded() -> None:
    with pytest.raises(
        CannotExpandError, match=r"CodeSystem http://loinc\.org is not loaded\. Load a package"
    ) as caught:
        TERMS.expand("http://hl7.org/fhir/ValueSet/doc-typecodes")

    assert (caught.value.status, caught.value.issues[0].code) == (422, "not-supported")


def test_the_table_is_small_and_a_system_is_parsed_alone() -> None:
    table = hl7._table()

    assert len(table["code_systems"]) == 1063
    assert all(isinstance(text, str) for texts in table.values() for text in texts.values())
    assert sum(len(text) for texts in table.values() for text in texts.values()) < 2_500_000
