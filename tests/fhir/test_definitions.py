import gzip
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from bhr_api.fhir import definitions
from bhr_api.fhir.definitions import (
    PATIENT_COMPARTMENT,
    PRIMITIVE_TYPES,
    RESOURCE_TYPE_NUMBERS,
    RESOURCE_TYPES,
    SEARCH_PARAMETERS,
    constraints_of,
    elements_of,
    is_subtype,
    json_names,
    value_set_codes,
)

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "../shared/fhir/r4"
TABLES = REPOSITORY / "src/bhr_api/fhir/tables"


def build_definitions() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_definitions", REPOSITORY / "tools/build_definitions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not SOURCE.exists(), reason="the shared FHIR definitions are not here")
def test_the_shipped_tables_are_what_the_tool_builds() -> None:
    tool = build_definitions()
    built = {f"{name}.json.gz": tool.table_bytes(table) for name, table in tool.tables(SOURCE).items()}

    # The compressed bytes depend on the zlib version, so the JSON is compared.
    assert {name: gzip.decompress(content) for name, content in built.items()} == {
        path.name: gzip.decompress(path.read_bytes()) for path in TABLES.iterdir()
    }


def test_the_tables_load_quickly_and_without_validation_machinery() -> None:
    program = "import time; t = time.perf_counter(); import bhr_api.fhir.definitions; print(time.perf_counter() - t)"
    seconds = min(
        float(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout)
        for _ in range(3)
    )

    assert seconds < 1, "a start takes about 50 ms; the bound leaves room for a loaded machine"


def test_resource_type_numbers_never_change() -> None:
    assert len(RESOURCE_TYPES) == 146
    pinned = {"Account": 1, "CarePlan": 14, "Observation": 96, "Patient": 103, "VisionPrescription": 146}
    assert {name: RESOURCE_TYPE_NUMBERS[name] for name in pinned} == pinned


def test_abstract_types_are_not_resource_types() -> None:
    assert not {"Resource", "DomainResource", "MetadataResource"} & set(RESOURCE_TYPES)


def test_nothing_of_other_releases_is_in_the_tables() -> None:
    assert "SubscriptionStatus" not in RESOURCE_TYPES
    assert set(elements_of("Meta")) == {
        *("id", "extension", "versionId", "lastUpdated", "source", "profile", "security", "tag")
    }
    assert "progressStatus" not in elements_of("ResearchStudy")
    assert "url" not in elements_of("Binary")
    assert "participantEffectivePeriod" in json_names("EvidenceVariable.characteristic")


def test_every_type_and_target_that_an_element_names_exists() -> None:
    for name in definitions._TYPES:
        for element in elements_of(name).values():
            assert all(definitions.is_type(code) for code in element.types), f"{name}.{element.name}"
            assert set(element.targets) <= set(RESOURCE_TYPES), f"{name}.{element.name}"


def test_a_code_that_only_groups_others_is_in_no_value_set() -> None:
    codes = value_set_codes("http://hl7.org/fhir/ValueSet/item-type")

    assert codes is not None
    assert {code for _, code in codes} >= {"group", "choice", "open-choice"}
    assert "question" not in {code for _, code in codes}


def test_primitive_types_are_those_of_r4() -> None:
    assert len(PRIMITIVE_TYPES) == 20
    assert {"decimal", "instant", "xhtml", "uuid"} <= PRIMITIVE_TYPES


def test_a_choice_has_one_json_name_for_each_type() -> None:
    names = json_names("Observation")

    assert names["valueQuantity"] == (elements_of("Observation")["value"], "Quantity")
    assert names["valueDateTime"][1] == "dateTime"
    assert "value" not in names


def test_a_backbone_is_a_type_named_by_its_path() -> None:
    assert elements_of("Observation")["component"].types == ("Observation.component",)
    assert elements_of("Observation.component")["code"].min == 1


def test_a_content_reference_is_the_type_that_it_refers_to() -> None:
    assert elements_of("Observation.component")["referenceRange"].types == ("Observation.referenceRange",)
    assert elements_of("Questionnaire.item")["item"].types == ("Questionnaire.item",)


def test_a_reference_to_any_resource_has_no_targets() -> None:
    assert elements_of("Observation")["focus"].targets == ()
    assert elements_of("Goal")["subject"].targets == ("Group", "Organization", "Patient")


def test_a_logical_id_is_an_id_but_an_element_id_a_string() -> None:
    assert elements_of("Patient")["id"].types == ("id",)
    assert elements_of("HumanName")["id"].types == ("string",)


def test_specialized_types_know_their_base() -> None:
    assert is_subtype("Age", "Quantity")
    assert is_subtype("Patient", "DomainResource")
    assert is_subtype("code", "string")
    assert not is_subtype("Bundle", "DomainResource")
    assert not is_subtype("Nothing", "Element")


def test_constraints_are_inherited_once() -> None:
    keys = [constraint.key for constraint in constraints_of("Age")]

    assert sorted(keys) == ["age-1", "ele-1", "qty-3"]
    assert {"dom-2", "obs-6", "obs-7"} <= {constraint.key for constraint in constraints_of("Observation")}


def test_a_simple_quantity_keeps_its_rule_at_the_element() -> None:
    low = elements_of("Observation.referenceRange")["low"]

    assert low.types == ("Quantity",)
    assert [constraint.key for constraint in low.constraints] == ["sqty-1"]


def test_a_required_binding_lists_its_codes() -> None:
    url = elements_of("Observation")["status"].binding
    assert url is not None

    codes = value_set_codes(url)

    assert codes is not None
    assert ("http://hl7.org/fhir/observation-status", "amended") in codes
    assert len(codes) == 8


def test_every_bound_value_set_is_expanded_but_these() -> None:
    bound = {element.binding for name in definitions._TYPES for element in elements_of(name).values()} - {None}

    assert {str(url).rpartition("/")[2] for url in bound if value_set_codes(str(url)) is None} == {
        "all-languages",
        "bcp13.txt",
        "currencies",
        "LL379-9",
        "mimetypes",
        "ucum-units",
    }


def test_a_shared_search_parameter_holds_only_its_types_alternatives() -> None:
    parameter = SEARCH_PARAMETERS["Condition"]["code"]

    assert parameter.expression == "Condition.code"
    assert parameter.url == "http://hl7.org/fhir/SearchParameter/clinical-code"
    assert parameter.resource_type == "Condition"


def test_a_parenthesised_alternative_is_found() -> None:
    assert SEARCH_PARAMETERS["MedicationRequest"]["code"].expression == (
        "(MedicationRequest.medication as CodeableConcept)"
    )


def test_every_type_has_the_parameters_of_resource() -> None:
    for resource_type in RESOURCE_TYPES:
        assert {"_id", "_lastUpdated", "_profile", "_security", "_tag", "_source"} <= SEARCH_PARAMETERS[
            resource_type
        ].keys()
    assert "_text" in SEARCH_PARAMETERS["Patient"]
    assert "_text" not in SEARCH_PARAMETERS["Bundle"]


def test_the_swapped_components_of_r4_are_put_right() -> None:
    components = dict(SEARCH_PARAMETERS["DocumentReference"]["relationship"].components)

    assert components["http://hl7.org/fhir/SearchParameter/DocumentReference-relatesto"] == "target"
    assert components["http://hl7.org/fhir/SearchParameter/DocumentReference-relation"] == "code"


def test_the_patient_compartment_names_existing_parameters() -> None:
    assert PATIENT_COMPARTMENT["Observation"] == ("subject", "performer")
    assert "Questionnaire" not in PATIENT_COMPARTMENT
    missing = {
        f"{name}.{code}"
        for name, codes in PATIENT_COMPARTMENT.items()
        for code in codes
        if code not in SEARCH_PARAMETERS[name]
    }
    assert missing == set()
