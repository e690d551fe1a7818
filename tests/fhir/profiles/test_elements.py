from decimal import Decimal
from typing import Any

import pytest

from bhr_api.fhir.definitions import Resource
from tests.fhir.profiles.made_profiles import (
    CORE,
    MADE,
    concept,
    element,
    errors,
    observation,
    patient,
    structure,
    told,
    value_set,
)

VALUE_SET = "http://example.org/ValueSet/some"
SOME = value_set("some", "a", "b")


def of_observation(path: str, **facets: Any) -> Resource:
    return structure("Observation", element(f"Observation.{path}", **{"min": 0, "max": "*", **facets}))


# Cardinality


def test_too_few_of_a_list_are_told_at_the_list() -> None:
    profile = of_observation("category", min=2)

    assert errors(observation(category=[concept("a")]), profile) == [("required", "Observation.category")]


def test_too_many_of_a_list_are_told_at_the_first_beyond() -> None:
    profile = of_observation("category", max="1")

    assert errors(observation(category=[concept("a")] * 3), profile) == [("structure", "Observation.category[1]")]


@pytest.mark.parametrize(
    ("path", "elements", "place"),
    [
        ("bodySite", {"bodySite": concept("a")}, "Observation.bodySite"),
        ("note", {"note": [{"text": "x"}]}, "Observation.note[0]"),
        ("value[x]", {"valueInteger": 1}, "Observation.value.ofType(integer)"),
        (
            "issued",
            {"_issued": {"extension": [{"url": "http://example.org/e", "valueCode": "x"}]}},
            "Observation.issued",
        ),
    ],
)
def test_what_is_prohibited_is_told_where_it_stands(path: str, elements: Resource, place: str) -> None:
    assert errors(observation(**elements), of_observation(path, max="0")) == [("structure", place)]


def test_the_elements_of_a_type_have_their_cardinality() -> None:
    profile = of_observation("code", min=1)
    profile["snapshot"]["element"].append(element("Observation.code.text", min=1, max="1"))

    assert errors(observation(), profile) == [("required", "Observation.code.text")]


def test_an_element_with_only_an_extension_is_there() -> None:
    profile = of_observation("issued", min=1)
    absent = {"extension": [{"url": CORE + "data-absent-reason", "valueCode": "unknown"}]}

    assert errors(observation(_issued=absent), profile) == []


def test_the_children_of_a_primitive_are_its_extensions() -> None:
    profile = structure(
        "Patient",
        element("Patient.birthDate", min=0, max="1"),
        element("Patient.birthDate.extension", min=1, max="*"),
    )

    assert errors(patient(birthDate="2000"), profile) == [("required", "Patient.birthDate.extension")]
    extended = {"extension": [{"url": "http://example.org/e", "valueCode": "x"}]}
    assert errors(patient(birthDate="2000", _birthDate=extended), profile) == []


# fixed[x] and pattern[x]


@pytest.mark.parametrize(
    ("facets", "code", "is_right"),
    [
        ({"fixedCodeableConcept": concept("a")}, concept("a"), True),
        ({"fixedCodeableConcept": concept("a")}, concept("a") | {"text": "more"}, False),
        ({"fixedCodeableConcept": concept("a")}, concept("a", "b"), False),
        ({"patternCodeableConcept": concept("a")}, concept("b", "a") | {"text": "more"}, True),
        ({"patternCodeableConcept": concept("a", "b")}, concept("b", "c", "a"), True),
        ({"patternCodeableConcept": concept("a", "b")}, concept("b"), False),
        ({"patternCodeableConcept": {"text": "x"}}, {"text": "x ", **concept("a")}, False),
    ],
)
def test_fixed_is_the_whole_and_a_pattern_a_part(facets: Resource, code: Resource, is_right: bool) -> None:
    found = errors(observation(code=code), of_observation("code", **facets))

    assert found == ([] if is_right else [("value", "Observation.code")])


def test_a_fixed_primitive_takes_no_extension_and_a_pattern_does() -> None:
    extended = {"id": "i", "extension": [{"url": "http://example.org/e", "valueCode": "x"}]}

    def named(facet: str) -> Resource:
        return structure("Patient", element("Patient.gender", min=0, max="1", **{facet: "male"}))

    assert errors(patient(gender="male", _gender=extended), named("patternCode")) == []
    assert errors(patient(gender="male", _gender=extended), named("fixedCode")) == [("value", "Patient.gender")]
    assert errors(patient(gender="male", _gender={"id": "i"}), named("fixedCode")) == []


def test_a_pattern_reads_the_floats_of_a_definition_as_decimals() -> None:
    profile = of_observation("value[x]", patternQuantity={"value": 0.1}, types=["Quantity"])

    assert errors(observation(valueQuantity={"value": Decimal("0.1"), "unit": "g"}), profile) == []
    assert errors(observation(valueQuantity={"value": Decimal("0.2")}), profile) == [
        ("value", "Observation.value.ofType(Quantity)")
    ]


def test_true_is_not_one() -> None:
    profile = of_observation("value[x]", fixedInteger=1, types=["integer", "boolean"])

    assert errors(observation(valueBoolean=True), profile) == [("value", "Observation.value.ofType(boolean)")]


# Lengths and limits


def quantity(value: int, code: str) -> Resource:
    return {"value": value, "code": code, "system": "http://unitsofmeasure.org"}


def test_a_text_has_its_longest_length() -> None:
    profile = structure("Patient", element("Patient.name", min=0, max="*"), element("Patient.name.family", maxLength=3))

    assert errors(patient(name=[{"family": "Abe"}]), profile) == []
    assert errors(patient(name=[{"family": "Abel"}]), profile) == [("too-long", "Patient.name[0].family")]


@pytest.mark.parametrize(
    ("facets", "elements", "is_right"),
    [
        ({"minValueInteger": 1}, {"valueInteger": 1}, True),
        ({"minValueInteger": 1}, {"valueInteger": 0}, False),
        ({"maxValueInteger": 1}, {"valueInteger": 2}, False),
        ({"minValueDateTime": "2020"}, {"valueDateTime": "2019-12-31"}, False),
        ({"minValueDateTime": "2020"}, {"valueDateTime": "2020-01"}, True),
        ({"maxValueQuantity": quantity(1, "g")}, {"valueQuantity": quantity(999, "mg")}, True),
        ({"maxValueQuantity": quantity(1, "g")}, {"valueQuantity": quantity(1001, "mg")}, False),
        ({"maxValueQuantity": quantity(1, "g")}, {"valueQuantity": quantity(2, "cm")}, True),
    ],
)
def test_a_value_is_within_its_limits(facets: Resource, elements: Resource, is_right: bool) -> None:
    found = errors(observation(**elements), of_observation("value[x]", **facets))

    assert [code for code, _ in found] == ([] if is_right else ["value"])


# Types


def test_a_choice_may_have_fewer_types() -> None:
    profile = of_observation("value[x]", types=["string", "Quantity"])

    assert errors(observation(valueString="x"), profile) == []
    assert errors(observation(valueInteger=1), profile) == [("structure", "Observation.value.ofType(integer)")]


def test_a_profile_is_for_one_type() -> None:
    assert errors(patient(gender="male"), of_observation("code")) == [("structure", "Patient")]


def test_a_type_may_have_a_profile() -> None:
    simple = structure("Quantity", element("Quantity.unit", min=1, max="1"), name="with-unit")
    profile = of_observation("value[x]", type=[{"code": "Quantity", "profile": [MADE + "with-unit"]}])

    assert errors(observation(valueQuantity={"value": 1}), profile, [simple]) == [
        ("required", "Observation.value.ofType(Quantity).unit")
    ]


def test_one_of_several_profiles_is_enough() -> None:
    unit = structure("Quantity", element("Quantity.unit", min=1, max="1"), name="unit")
    code = structure("Quantity", element("Quantity.code", min=1, max="1"), name="code")
    profile = of_observation("value[x]", type=[{"code": "Quantity", "profile": [MADE + "unit", MADE + "code"]}])
    coded = {"value": 1, "code": "g", "system": "http://unitsofmeasure.org"}

    assert errors(observation(valueQuantity=coded), profile, [unit, code]) == []
    assert errors(observation(valueQuantity={"value": 1}), profile, [unit, code]) == [
        ("structure", "Observation.value.ofType(Quantity)")
    ]


def test_a_profile_that_is_not_loaded_is_a_warning() -> None:
    profile = of_observation("value[x]", type=[{"code": "Quantity", "profile": [MADE + "unknown"]}])

    assert told(observation(valueQuantity={"value": 1}), profile) == [
        ("warning", "not-found", "Observation.value.ofType(Quantity)")
    ]
    assert told(observation(), profile) == []


def test_a_simple_quantity_needs_no_package() -> None:
    profile = of_observation("value[x]", type=[{"code": "Quantity", "profile": [CORE + "SimpleQuantity"]}])

    assert errors(observation(valueQuantity={"value": 1, "comparator": "<"}), profile) == [
        ("structure", "Observation.value.ofType(Quantity).comparator")
    ]


def test_the_content_of_another_element_has_its_rules() -> None:
    linked = {"contentReference": "#Questionnaire.item"}
    profile = structure(
        "Questionnaire",
        element("Questionnaire.item", min=0, max="*"),
        element("Questionnaire.item.text", min=1, max="1"),
        element("Questionnaire.item.item", min=0, max="*", **linked),
    )
    item = {"linkId": "3", "type": "group", "item": [{"linkId": "4", "type": "display"}]}
    questionnaire = {
        "resourceType": "Questionnaire",
        "status": "draft",
        "item": [{"linkId": "1", "type": "group", "text": "x", "item": [{**item, "text": "y"}]}],
    }

    assert errors(questionnaire, profile) == [("required", "Questionnaire.item[0].item[0].item[0].text")]


# Bindings


@pytest.mark.parametrize(
    ("strength", "severity"), [("required", "error"), ("extensible", "warning"), ("preferred", "information")]
)
def test_a_code_beyond_the_value_set_is_told_by_strength(strength: str, severity: str) -> None:
    profile = of_observation("code", binding={"strength": strength, "valueSet": VALUE_SET})

    assert told(observation(code=concept("z")), profile, [SOME]) == [(severity, "code-invalid", "Observation.code")]
    assert told(observation(code=concept("z", "a")), profile, [SOME]) == []


def test_an_example_binding_is_none() -> None:
    profile = of_observation("code", binding={"strength": "example", "valueSet": VALUE_SET})

    assert told(observation(code=concept("z")), profile, [SOME]) == []


@pytest.mark.parametrize("strength", ["required", "extensible"])
def test_what_cannot_be_expanded_is_a_warning(strength: str) -> None:
    profile = of_observation("code", binding={"strength": strength, "valueSet": VALUE_SET})

    assert told(observation(), profile) == [("warning", "not-supported", "Observation.code")]


def test_a_preferred_value_set_that_cannot_be_expanded_is_nothing() -> None:
    profile = of_observation("code", binding={"strength": "preferred", "valueSet": VALUE_SET})

    assert told(observation(), profile) == []


def test_a_text_alone_has_no_code_of_a_required_value_set() -> None:
    profile = of_observation("code", binding={"strength": "required", "valueSet": VALUE_SET})
    absent = {"extension": [{"url": CORE + "data-absent-reason", "valueCode": "unknown"}]}

    assert errors(observation(code={"text": "x"}), profile, [SOME]) == [("code-invalid", "Observation.code")]
    assert errors(observation(code=absent), profile, [SOME]) == []


def test_the_system_is_part_of_the_code() -> None:
    profile = of_observation("code", binding={"strength": "required", "valueSet": VALUE_SET})

    assert errors(observation(code={"coding": [{"code": "a"}]}), profile, [SOME]) == [
        ("code-invalid", "Observation.code")
    ]


def test_a_bare_code_has_the_system_of_its_value_set() -> None:
    profile = structure("Patient", element("Patient.language", binding={"strength": "required", "valueSet": VALUE_SET}))

    assert errors(patient(language="de"), profile, [value_set("some", "de")]) == []
    assert errors(patient(language="en"), profile, [value_set("some", "de")]) == [("code-invalid", "Patient.language")]


def test_the_unit_of_a_quantity_is_bound() -> None:
    profile = of_observation("value[x]", types=["Quantity"], binding={"strength": "required", "valueSet": VALUE_SET})

    def of(code: str) -> Resource:
        return observation(valueQuantity={"value": 1, "system": "http://example.org/codes", "code": code})

    assert errors(of("a"), profile, [SOME]) == []
    assert errors(of("z"), profile, [SOME]) == [("code-invalid", "Observation.value.ofType(Quantity)")]


def test_the_maximum_value_set_is_the_last_word() -> None:
    maximum = {
        "url": CORE + "elementdefinition-maxValueSet",
        "valueCanonical": "http://example.org/ValueSet/most",
    }
    binding = {"strength": "extensible", "valueSet": VALUE_SET, "extension": [maximum]}
    profile, sets = of_observation("code", binding=binding), [SOME, value_set("most", "a", "b", "c")]

    assert told(observation(code=concept("c")), profile, sets) == [("warning", "code-invalid", "Observation.code")]
    assert errors(observation(code=concept("z")), profile, sets) == [("code-invalid", "Observation.code")]
    assert errors(observation(code={"text": "x"}), profile, sets) == [("code-invalid", "Observation.code")]
    binding["strength"] = "preferred"
    assert errors(observation(code={"text": "x"}), profile, sets) == []


# Invariants


@pytest.mark.parametrize("severity", ["error", "warning"])
def test_an_invariant_is_told_with_its_severity(severity: str) -> None:
    constraint = {"key": "x-1", "severity": severity, "human": "A code has a text.", "expression": "text.exists()"}
    profile = of_observation("code", constraint=[constraint])

    assert told(observation(), profile) == [(severity, "invariant", "Observation.code")]
    assert told(observation(code={"text": "x"}), profile) == []


def test_best_practice_is_advice() -> None:
    advice = {"url": CORE + "elementdefinition-bestpractice", "valueBoolean": True}
    constraint = {"key": "x-1", "severity": "error", "expression": "text.exists()", "extension": [advice]}

    assert told(observation(), of_observation("code", constraint=[constraint])) == [
        ("warning", "invariant", "Observation.code")
    ]


def test_an_invariant_of_r4_is_not_told_again() -> None:
    constraint = {"key": "obs-6", "severity": "error", "human": "x", "expression": "false"}
    profile = structure("Observation")
    profile["snapshot"]["element"][0]["constraint"] = [constraint]

    assert told(observation(), profile) == []


def test_an_invariant_may_ask_for_members_of_value_sets() -> None:
    constraint = {"key": "x-1", "severity": "error", "human": "x", "expression": f"coding.all(memberOf('{VALUE_SET}'))"}
    profile = of_observation("code", constraint=[constraint])

    assert told(observation(code=concept("a")), profile, [SOME]) == []
    assert told(observation(code=concept("z")), profile, [SOME]) == [("error", "invariant", "Observation.code")]
    assert told(observation(code=concept("a")), profile) == [("warning", "not-supported", "Observation.code")]


def test_an_invariant_may_ask_for_conformance() -> None:
    named = structure("Patient", element("Patient.name", min=1, max="*"), name="named")
    expression = f"subject.resolve().conformsTo('{MADE}named')"
    profile = structure("Observation")
    profile["snapshot"]["element"][0]["constraint"] = [
        {"key": "x-1", "severity": "error", "human": "x", "expression": expression}
    ]

    def about(inner: Resource) -> Resource:
        return observation(contained=[{"id": "p", **inner}], subject={"reference": "#p"})

    assert errors(about(patient(name=[{"text": "A"}])), profile, [named]) == []
    assert errors(about(patient(gender="male")), profile, [named]) == [("invariant", "Observation")]


@pytest.mark.parametrize("expression", ["code.(", "code.unheardOf()", "1 + 'a' = 2"])
def test_an_invariant_that_cannot_be_evaluated_is_a_warning(expression: str) -> None:
    profile = of_observation("code", constraint=[{"key": "x-1", "severity": "error", "expression": expression}])

    assert told(observation(), profile) == [("warning", "not-supported", "Observation.code")]
