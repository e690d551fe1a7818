"""The value sets of US Core: which can be expanded with the package alone, and what the others would need."""

import json
import tarfile
from functools import cache
from pathlib import Path

import pytest

from bhr_api.errors import RefusalError
from bhr_api.fhir.terminology.terminology import Terminology
from tests.fhir.terminology.resources import Shelf

PACKAGES = Path(__file__).parents[3] / "../shared/fhir/us-core"
US_CORE = "http://hl7.org/fhir/us/core/ValueSet/"

pytestmark = pytest.mark.skipif(not PACKAGES.exists(), reason="the shared US Core packages are not here")

# What no package of HL7 may hold for its licence, or comes from the VSAC of the United States.
NEEDED = (
    *("http://loinc.org", "http://snomed.info/sct", "http://www.ama-assn.org/go/cpt", "https://www.usps.com/"),
    *("urn:ietf:bcp:47", "nubc.org", "http://cts.nlm.nih.gov/fhir/ValueSet/"),
)


@cache
def package(version: str) -> Shelf:
    shelf = Shelf()
    with tarfile.open(PACKAGES / f"hl7.fhir.us.core-{version}.tgz") as archive:
        for member in archive:
            name = member.name.removeprefix("package/")
            if name.startswith(("ValueSet-", "CodeSystem-")) and (opened := archive.extractfile(member)) is not None:
                shelf.add(json.load(opened))
    return shelf


@pytest.mark.parametrize(("version", "expanded", "refused"), [("6.1.0", 15, 21), ("7.0.0", 12, 17), ("8.0.0", 13, 8)])
def test_what_is_refused_rests_on_what_the_package_does_not_hold(version: str, expanded: int, refused: int) -> None:
    shelf = package(version)
    terms = Terminology(shelf)
    sentences = []
    sizes = {}
    for url in {one["url"] for one in shelf.resources.values() if one["resourceType"] == "ValueSet"}:
        try:
            sizes[url] = terms.expand(url).total
        except RefusalError as error:
            sentences.append(str(error))

    assert (len(sizes), len(sentences)) == (expanded, refused)
    assert all(size > 0 for size in sizes.values())
    for sentence in sentences:
        assert "Load" in sentence
        assert any(needed in sentence for needed in NEEDED), sentence


def test_a_value_set_over_several_systems() -> None:
    terms = Terminology(package("6.1.0"))
    category = "http://terminology.hl7.org/CodeSystem/observation-category"

    assert terms.is_member(US_CORE + "us-core-clinical-result-observation-category", category, "laboratory") is True
    assert terms.is_member(US_CORE + "us-core-clinical-result-observation-category", category, "survey") is False


def test_a_value_set_on_loinc_that_lists_its_codes() -> None:
    terms = Terminology(package("6.1.0"))

    assert terms.is_member(US_CORE + "us-core-vital-signs", "http://loinc.org", "8480-6") is True
    assert terms.is_member(US_CORE + "us-core-vital-signs", "http://loinc.org", "44249-1") is False


def test_a_value_set_by_filter_on_loinc_cannot_be_told() -> None:
    terms = Terminology(package("6.1.0"))

    assert terms.is_member(US_CORE + "us-core-survey-codes", "http://loinc.org", "44249-1") is None
    assert terms.is_member(US_CORE + "us-core-survey-codes", "http://snomed.info/sct", "1") in (False, None)


def test_loinc_as_far_as_the_operator_loads_it() -> None:
    loinc = {
        "resourceType": "CodeSystem",
        "url": "http://loinc.org",
        "content": "complete",
        "concept": [
            {"code": "44249-1", "property": [{"code": "CLASSTYPE", "valueString": "4"}]},
            {"code": "2339-0", "property": [{"code": "CLASSTYPE", "valueString": "1"}]},
        ],
    }
    shelf = Shelf(dict(package("6.1.0").resources)).add(loinc)
    terms = Terminology(shelf)

    assert [entry.code for entry in terms.expand(US_CORE + "us-core-laboratory-test-codes").entries] == ["2339-0"]
