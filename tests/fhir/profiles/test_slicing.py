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
    slicing,
    structure,
    value_set,
)

A, B, C = concept("a"), concept("b"), concept("c")
PATTERN_A: dict[str, Any] = {"patternCodeableConcept": A}
PATTERN_B: dict[str, Any] = {"patternCodeableConcept": B}


def categories(*slices: Resource, **of_slicing: Any) -> Resource:
    """An Observation whose categories are sliced."""
    sliced = element("Observation.category", slicing=slicing(("pattern", "$this"), **of_slicing), min=0, max="*")
    return structure("Observation", sliced, *slices)


def category(name: str, least: int = 0, most: str = "*", **facets: Any) -> Resource:
    return element("Observation.category", sliceName=name, min=least, max=most, types=["CodeableConcept"], **facets)


def of(*concepts: Resource) -> Resource:
    return observation(category=list(concepts)) if concepts else observation()


# Counts


def test_a_slice_that_must_be_there_is_missed() -> None:
    profile = categories(category("a", 1, **PATTERN_A))

    assert errors(of(), profile) == [("required", "Observation.category")]
    assert errors(of(B), profile) == [("required", "Observation.category")]
    assert errors(of(B, A), profile) == []


def test_one_too_many_in_a_slice_is_the_place_of_the_fault() -> None:
    profile = categories(category("a", 0, "1", **PATTERN_A))

    assert errors(of(A, B, A), profile) == [("structure", "Observation.category[2]")]


def test_a_slice_may_be_prohibited() -> None:
    profile = categories(category("a", 0, "0", **PATTERN_A))

    assert errors(of(B, A), profile) == [("structure", "Observation.category[1]")]


# Rules


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ("open", []),
        ("closed", [("structure", "Observation.category[1]")]),
        ("openAtEnd", [("structure", "Observation.category[2]")]),
    ],
)
def test_the_rules_say_where_others_may_be(rules: str, found: list[tuple[str, str]]) -> None:
    profile = categories(category("a", **PATTERN_A), rules=rules)

    assert errors(of(A, C, A), profile) == found


def test_open_at_end_takes_others_at_the_end() -> None:
    assert errors(of(A, A, C), categories(category("a", **PATTERN_A), rules="openAtEnd")) == []


def test_ordered_slices_come_in_their_order() -> None:
    profile = categories(category("a", **PATTERN_A), category("b", **PATTERN_B), ordered=True)

    assert errors(of(A, C, B), profile) == []
    assert errors(of(B, A), profile) == [("structure", "Observation.category[1]")]


def test_the_default_slice_is_about_all_others() -> None:
    others = category("@default", patternCodeableConcept=C)
    profile = categories(category("a", **PATTERN_A), others, rules="closed")

    assert errors(of(A, C), profile) == []
    assert errors(of(A, B), profile) == [("value", "Observation.category[1]")]


def test_a_slice_is_sliced_again() -> None:
    again = category("a", **PATTERN_A) | {"slicing": slicing(("value", "text"))}
    one = category("a/one", 1, "1")
    text = {
        "id": "Observation.category:a/one.text",
        "path": "Observation.category.text",
        "min": 1,
        "fixedString": "one",
    }
    profile = categories(again, one, text, category("b", 0, "1", **PATTERN_B))

    assert errors(of(A | {"text": "one"}, B), profile) == []
    assert errors(of(A | {"text": "two"}), profile) == [("required", "Observation.category")]
    assert errors(of(A | {"text": "one"}, A | {"text": "one"}), profile) == [("structure", "Observation.category[1]")]
    assert errors(of(B), profile) == [("required", "Observation.category")]
    assert errors(of(), profile) == [("required", "Observation.category")]
    assert errors(of(A | {"text": "one"}, B, B), profile) == [("structure", "Observation.category[2]")]


def test_the_elements_of_a_slice_obey_its_definitions() -> None:
    text = {"id": "Observation.category:a.text", "path": "Observation.category.text", "min": 1, "max": "1"}
    profile = categories(category("a", **PATTERN_A), text)

    assert errors(of(B, A), profile) == [("required", "Observation.category[1].text")]


# Discriminators


def components(discriminator: tuple[str, str], *elements: Resource) -> Resource:
    sliced = element("Observation.component", slicing=slicing(discriminator), min=0, max="*")
    return structure("Observation", sliced, *elements)


def in_slice(path: str, name: str = "x", **facets: Any) -> Resource:
    facets = {"min": 0, "max": "1", **facets}
    return element(path, **facets) | {"id": path.replace("component", f"component:{name}")}


X = element("Observation.component", sliceName="x", min=1, max="1")


def component(**elements: Any) -> Resource:
    return observation(component=[{"code": A, **elements}])


@pytest.mark.parametrize(
    ("discriminator", "definitions"),
    [
        pytest.param(
            ("value", "code"), [in_slice("Observation.component.code", patternCodeableConcept=A)], id="pattern"
        ),
        pytest.param(
            ("value", "code.coding.code"),
            [in_slice("Observation.component.code", patternCodeableConcept=A)],
            id="above",
        ),
        pytest.param(
            ("value", "code.coding.code"),
            [
                in_slice("Observation.component.code", min=1),
                in_slice("Observation.component.code.coding", min=1),
                in_slice("Observation.component.code.coding.code", min=1, fixedCode="a"),
            ],
            id="fixed",
        ),
        pytest.param(
            ("value", "code"),
            [
                in_slice("Observation.component.code", min=1),
                in_slice("Observation.component.code.coding", min=1),
                in_slice("Observation.component.code.coding.code", min=1, fixedCode="a"),
            ],
            id="beneath",
        ),
        pytest.param(
            ("value", "code.coding.code"),
            [
                in_slice("Observation.component.code", min=1),
                in_slice("Observation.component.code.coding", slicing=slicing(("value", "code"))),
                in_slice("Observation.component.code.coding", min=1, sliceName="a"),
                in_slice("Observation.component.code.coding.code", min=1, fixedCode="a"),
            ],
            id="sliced beneath",
        ),
        pytest.param(
            ("value", "code"),
            [
                in_slice(
                    "Observation.component.code",
                    binding={"strength": "required", "valueSet": "http://example.org/ValueSet/some"},
                )
            ],
            id="value set",
        ),
    ],
)
def test_a_value_tells_the_slice(discriminator: tuple[str, str], definitions: list[Resource]) -> None:
    profile, others = components(discriminator, X, *definitions), [value_set("some", "a")]

    assert errors(component(), profile, others) == []
    assert errors(component(code=B), profile, others) == [("required", "Observation.component")]


def test_an_unknown_value_set_may_have_what_is_missing() -> None:
    binding = {"strength": "required", "valueSet": "http://example.org/ValueSet/unknown"}
    profile = components(("value", "code"), X, in_slice("Observation.component.code", binding=binding))

    assert errors(component(), profile) == []
    assert errors(observation(), profile) == [("required", "Observation.component")]


def test_existence_tells_the_slice() -> None:
    there = components(("exists", "interpretation"), X, in_slice("Observation.component.interpretation", min=1))
    absent = components(("exists", "interpretation"), X, in_slice("Observation.component.interpretation", max="0"))

    assert errors(component(interpretation=[A]), there) == []
    assert errors(component(), there) == [("required", "Observation.component")]
    assert errors(component(interpretation=[A]), absent) == [("required", "Observation.component")]
    assert errors(component(), absent) == []


def test_a_type_tells_the_slice() -> None:
    profile = components(("type", "value"), X, in_slice("Observation.component.value[x]", types=["Quantity"]))

    assert errors(component(valueQuantity={"value": 1}), profile) == []
    assert errors(component(valueString="1"), profile) == [("required", "Observation.component")]


def test_a_choice_within_a_path_is_narrowed_with_of_type() -> None:
    value = in_slice("Observation.component.value[x]", patternCodeableConcept=A, types=["CodeableConcept"])
    profile = components(("value", "value.ofType(CodeableConcept)"), X, value)

    assert errors(component(valueCodeableConcept=A), profile) == []
    assert errors(component(valueCodeableConcept=B), profile) == [("required", "Observation.component")]


def test_an_extension_tells_the_slice() -> None:
    url = "http://example.org/kind"
    extension = in_slice("Observation.component.extension", sliceName="kind", types=["Extension"])
    fixed = in_slice("Observation.component.extension.url", min=1, fixedUri=url)
    value = in_slice("Observation.component.extension.value[x]", types=["code"], fixedCode="x")
    profile = components(("value", f"extension('{url}').value"), X, extension, fixed, value)

    assert errors(component(extension=[{"url": url, "valueCode": "x"}]), profile) == []
    assert errors(component(extension=[{"url": url, "valueCode": "y"}]), profile) == [
        ("required", "Observation.component")
    ]


def performers(discriminator: tuple[str, str], **facets: Any) -> Resource:
    sliced = element("Observation.performer", slicing=slicing(discriminator), min=0, max="*")
    return structure("Observation", sliced, element("Observation.performer", sliceName="x", min=1, max="1", **facets))


def test_the_type_of_a_target_tells_the_slice() -> None:
    profile = performers(("type", "resolve()"), type=[{"code": "Reference", "targetProfile": [CORE + "Organization"]}])

    assert errors(observation(performer=[{"reference": "Organization/1"}]), profile) == []
    assert errors(observation(performer=[{"reference": "Patient/1"}]), profile) == [
        ("required", "Observation.performer")
    ]


def test_the_profile_of_a_target_tells_the_slice() -> None:
    named = structure("Patient", element("Patient.name", min=1, max="*"), name="named")
    profile = performers(("profile", "resolve()"), type=[{"code": "Reference", "targetProfile": [MADE + "named"]}])

    def by(inner: Resource) -> Resource:
        return observation(contained=[{"id": "p", **inner}], performer=[{"reference": "#p"}])

    assert errors(by(patient(name=[{"text": "A"}])), profile, [named]) == []
    assert errors(by(patient(gender="male")), profile, [named]) == [("required", "Observation.performer")]
    # Nothing but its type is known of a target that is not at hand: it may be the one.
    assert errors(observation(performer=[{"reference": "Patient/1"}]), profile, [named]) == []


def test_what_a_target_has_tells_the_slice() -> None:
    organization = structure("Organization", element("Organization.active", min=1, fixedBoolean=True), name="active")
    target = {"code": "Reference", "targetProfile": [MADE + "active"]}
    profile = performers(("value", "resolve().active"), type=[target])

    def by(active: bool) -> Resource:
        inner = {"resourceType": "Organization", "id": "o", "name": "O", "active": active}
        return observation(contained=[inner], performer=[{"reference": "#o"}])

    assert errors(by(True), profile, [organization]) == []
    assert errors(by(False), profile, [organization]) == [("required", "Observation.performer")]


def test_several_discriminators_tell_the_slice_together() -> None:
    sliced = element("Patient.telecom", slicing=slicing(("value", "system"), ("value", "use")), min=0, max="*")
    slice_ = element("Patient.telecom", sliceName="x", min=1, max="1")
    fixed = [
        {"id": f"Patient.telecom:x.{name}", "path": f"Patient.telecom.{name}", "min": 1, "fixedCode": code}
        for name, code in (("system", "phone"), ("use", "home"))
    ]
    profile = structure("Patient", sliced, slice_, *fixed)

    assert errors(patient(telecom=[{"system": "phone", "use": "home"}]), profile) == []
    assert errors(patient(telecom=[{"system": "phone", "use": "work"}]), profile) == [("required", "Patient.telecom")]


def test_without_discriminator_the_whole_content_tells_the_slice() -> None:
    sliced = element("Observation.component", slicing=slicing(rules="closed"), min=0, max="*")
    profile = structure("Observation", sliced, X, in_slice("Observation.component.interpretation", min=1))

    assert errors(component(interpretation=[A]), profile) == []
    assert len(errors(component(), profile)) == 2


def test_a_primitive_is_sliced_by_its_value() -> None:
    sliced = element("Patient.name.given", slicing=slicing(("value", "$this")), min=0, max="*")
    slice_ = element("Patient.name.given", sliceName="x", min=1, max="1", fixedString="Ann")
    profile = structure("Patient", element("Patient.name", min=0, max="*"), sliced, slice_)

    assert errors(patient(name=[{"given": ["Bea", "Ann"]}]), profile) == []
    assert errors(patient(name=[{"given": ["Bea"]}]), profile) == [("required", "Patient.name[0].given")]


# Extensions and choices, whose discriminators are implied


def test_extensions_are_sliced_by_url() -> None:
    url = "http://example.org/e"
    extension = element(
        "Patient.extension", sliceName="e", min=1, max="1", type=[{"code": "Extension", "profile": [url]}]
    )
    profile = structure("Patient", element("Patient.extension", min=0, max="*"), extension)

    assert errors(patient(extension=[{"url": url, "valueString": "x"}]), profile) == []
    assert errors(patient(extension=[{"url": f"{url}2", "valueString": "x"}]), profile) == [
        ("required", "Patient.extension")
    ]


def test_a_slice_of_an_extension_needs_no_unsliced_element_before_it() -> None:
    url = "http://example.org/e"
    slices = [
        element(
            "Patient.extension",
            sliceName=name,
            min=least,
            max="1",
            type=[{"code": "Extension", "profile": [url + name]}],
        )
        for name, least in (("1", 0), ("2", 1))
    ]
    profile = structure("Patient", *slices)

    assert errors(patient(extension=[{"url": f"{url}2", "valueString": "x"}]), profile) == []
    assert errors(patient(extension=[{"url": f"{url}1", "valueString": "x"}]), profile) == [
        ("required", "Patient.extension")
    ]


def test_choices_are_sliced_by_type() -> None:
    sliced = element("Observation.value[x]", min=0, max="1", types=["Quantity", "string"])
    quantity = element("Observation.value[x]", sliceName="valueQuantity", min=0, max="1", types=["Quantity"])
    unit = {"id": "Observation.value[x]:valueQuantity.unit", "path": "Observation.value[x].unit", "min": 1, "max": "1"}
    profile = structure("Observation", sliced, quantity, unit)

    assert errors(observation(valueString="x"), profile) == []
    assert errors(observation(valueQuantity={"value": 1, "unit": "g"}), profile) == []
    assert errors(observation(valueQuantity={"value": 1}), profile) == [
        ("required", "Observation.value.ofType(Quantity).unit")
    ]
    assert errors(observation(valueBoolean=True), profile) == [("structure", "Observation.value.ofType(boolean)")]


def test_the_short_form_of_a_choice_is_a_slice() -> None:
    quantity = element("Observation.valueQuantity", min=1, max="1", types=["Quantity"])
    unit = element("Observation.valueQuantity.unit", min=1, max="1")
    profile = structure("Observation", quantity, unit)

    assert errors(observation(valueQuantity={"value": 1, "unit": "g"}), profile) == []
    assert errors(observation(valueString="x"), profile) == [("required", "Observation.value")]
    assert errors(observation(valueQuantity={"value": 1}), profile) == [
        ("required", "Observation.value.ofType(Quantity).unit")
    ]


def test_a_path_that_is_none_leaves_the_slice_open() -> None:
    profile = components(
        ("value", "code.where(true)"), X, in_slice("Observation.component.code", patternCodeableConcept=A)
    )

    assert errors(component(), profile) == []


def test_a_profile_that_leads_back_to_itself_tells_nothing_more() -> None:
    url = MADE + "ring"
    inner = element(
        "Extension.extension", sliceName="again", min=1, max="1", type=[{"code": "Extension", "profile": [url]}]
    )
    ring = structure("Extension", element("Extension.extension", min=0, max="*"), inner, name="ring")
    extension = in_slice("Observation.component.extension", min=1, type=[{"code": "Extension", "profile": [url]}])
    profile = components(("value", "extension"), X, extension)

    assert errors(component(extension=[{"url": "http://example.org/e", "valueCode": "x"}]), profile, [ring]) == []
