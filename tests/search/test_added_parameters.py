"""Which SearchParameters can be served, and what their expressions find (FHIR R4, searchparameter.html; docs/search.md)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.errors import InvalidResourceError
from bhr_api.fhir.definitions import SearchParameter
from bhr_api.fhirpath.compiler import compile_expression
from bhr_api.search.added_parameters import definitions_of, packed, parameter_of, parts_by_url, unpacked
from bhr_api.search.value_types import VALUE_TYPES, is_made_of
from tests.interactions.added_parameters import Resource, search_parameter


def one(*arguments: Any, **changes: Any) -> SearchParameter:
    """The one definition of a SearchParameter."""
    (found,) = definitions_of(search_parameter(*arguments, **changes))
    return found


def values(definition: SearchParameter, resource: Resource) -> list[Any]:
    """What the definition finds in a resource."""
    parameter = parameter_of(definition, parts_by_url(definition.resource_type, []))
    return [value for _, value in parameter.extract(resource)]


@pytest.mark.parametrize(
    ("code", "base", "type", "expression", "issue", "place"),
    [
        pytest.param("x", "Patient", "special", "Patient.name", "not-supported", "type", id="special"),
        pytest.param("x", "Patient", "token", None, "not-supported", "expression", id="xpath-alone"),
        pytest.param("x", "Resource", "token", "Resource.meta.tag", "not-supported", "base[0]", id="abstract-base"),
        pytest.param("x", ["Patient", "AuditEvent"], "token", "id", "not-supported", "base[1]", id="audit"),
        pytest.param("x", "Patient", "token", "Patient.gnder", "not-supported", "expression", id="no-such-element"),
        pytest.param("x", "Patient", "token", "Practitioner.gender", "not-supported", "expression", id="another-type"),
        pytest.param("x", "Patient", "token", "Patient.gender +", "not-supported", "expression", id="syntax"),
        pytest.param("x", "Patient", "token", "Patient.descendants()", "not-supported", "expression", id="descendants"),
        pytest.param("x", "Patient", "token", "Patient.repeat(contact)", "not-supported", "expression", id="repeat"),
        pytest.param(
            "x", "Patient", "token", "Patient.name.where(%resource.id = id)", "not-supported", "expression", id="wholes"
        ),
        pytest.param("x", "Patient", "token", "Patient.id" + " " * 2000, "not-supported", "expression", id="too-long"),
        pytest.param(
            "x", "Patient", "date", "Patient.gender", "not-supported", "expression", id="wrong-type-of-values"
        ),
        pytest.param(
            "x",
            "Patient",
            "token",
            "Patient.deceased.ofType(Period)",
            "not-supported",
            "expression",
            id="never-of-type",
        ),
        pytest.param("x", "Patient", "token", "'x'", "not-supported", "expression", id="constant"),
        pytest.param("a.b", "Patient", "token", "Patient.gender", "value", "code", id="dot-in-code"),
        pytest.param("a:b", "Patient", "token", "Patient.gender", "value", "code", id="colon-in-code"),
        pytest.param("_a", "Patient", "token", "Patient.gender", "value", "code", id="underscore"),
        pytest.param("é", "Patient", "token", "Patient.gender", "value", "code", id="not-ascii"),
        pytest.param("url", "Patient", "uri", "Patient.photo.url", "value", "code", id="code-with-a-meaning"),
        pytest.param("x", "Patient", "composite", "Patient", "not-supported", "component", id="composite-of-nothing"),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_place(
    code: str, base: str, type: str, expression: str | None, issue: str, place: str
) -> None:
    with pytest.raises(InvalidResourceError) as refused:
        definitions_of(search_parameter(code, base, type, expression))
    assert (issue, f"SearchParameter.{place}") in [(found.code, found.expression) for found in refused.value.issues]


def test_a_target_that_is_no_type_is_refused() -> None:
    with pytest.raises(InvalidResourceError) as refused:
        one("x", "Patient", "reference", "Patient.link.other", target=["Patient", "Nobody"])
    assert refused.value.issues[0].expression == "SearchParameter.target[1]"


@pytest.mark.parametrize("status", ["draft", "retired", "unknown"])
def test_only_an_active_one_adds_a_parameter(status: str) -> None:
    assert definitions_of(search_parameter("x", "Patient", "special", None, status=status)) == []


def test_what_r4_defines_itself_adds_nothing() -> None:
    own = "http://hl7.org/fhir/SearchParameter/Location-near"
    assert definitions_of(search_parameter("near", "Location", "special", "Location.position", url=own)) == []


def test_each_base_keeps_the_alternatives_that_are_about_it() -> None:
    bases = ["Patient", "Person"]
    found = definitions_of(
        search_parameter("x", bases, "date", "Patient.birthDate | Person.birthDate | meta.lastUpdated")
    )
    assert [one.expression.split("\n| ") for one in found] == [
        ["Patient.birthDate", "Patient.meta.lastUpdated"],
        ["Person.birthDate", "Person.meta.lastUpdated"],
    ]


def test_a_kept_definition_comes_back_the_same() -> None:
    definition = one("x", "Patient", "reference", "Patient.link.other", target=["Patient"])
    assert unpacked("Patient", "x", packed(definition)) == definition


@pytest.mark.parametrize(
    ("type", "expression", "resource", "found"),
    [
        pytest.param(
            "number", "Patient.extension.value", {"extension": [{"valueString": "2"}]}, [], id="of-another-type"
        ),
        pytest.param(
            "quantity", "Patient.extension.value", {"extension": [{"valueIdentifier": {"value": "x"}}]}, [], id="id"
        ),
        pytest.param("number", "Patient.extension.value", {"extension": [{"valueBoolean": True}]}, [], id="boolean"),
        pytest.param("date", "iif(true, @2014-01-25T14, @2015)", {}, [], id="a-time-that-FHIR-does-not-have"),
        pytest.param(
            "token", "Patient.name.single().use", {"name": [{"use": "usual"}, {"use": "old"}]}, [], id="an-error"
        ),
        pytest.param("token", "Patient.name.use.first()", {"name": [{"use": "old"}]}, ["old"], id="a-function"),
        pytest.param(
            "string", "Patient.name.family.substring(0, 2)", {"name": [{"family": "Abcd"}]}, ["Ab"], id="a-part"
        ),
        pytest.param("token", "Patient.name.exists()", {"name": [{}]}, [True], id="a-truth"),
    ],
)
def test_whatever_an_expression_comes_to_is_a_value_or_none(
    type: str, expression: str, resource: Resource, found: list[Any]
) -> None:
    assert values(one("x", "Patient", type, expression), {"resourceType": "Patient", **resource}) == found


_NAMES = st.sampled_from(["Ann", "Bob", ""]).filter(bool)
_PATIENTS = st.fixed_dictionaries(
    {"resourceType": st.just("Patient")},
    optional={
        "active": st.booleans(),
        "gender": st.sampled_from(["male", "female"]),
        "name": st.lists(
            st.fixed_dictionaries(
                {"family": _NAMES},
                optional={"use": st.sampled_from(["usual", "old"]), "given": st.lists(_NAMES, min_size=1)},
            ),
            min_size=1,
        ),
        "contact": st.lists(st.fixed_dictionaries({"name": st.fixed_dictionaries({"family": _NAMES})}), min_size=1),
        "extension": st.lists(
            st.fixed_dictionaries({"url": st.sampled_from(["http://a", "http://b"]), "valueCode": _NAMES}), min_size=1
        ),
    },
)
_STEPS = st.sampled_from(
    ["name.family", "name.given", "name", "contact.name.family", "gender", "active", "extension.value", "name.use"]
)
_ENDS = st.sampled_from(
    [
        "",
        ".where(use = 'usual')",
        ".first()",
        ".exists()",
        ".where($this = 'Ann')",
        ".last()",
        ".where(url = 'http://a').value",
    ]
)


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """Expressions on Patient, alone or in a union."""
    parts = [f"Patient.{draw(_STEPS)}{draw(_ENDS)}" for _ in range(draw(st.integers(1, 3)))]
    return " | ".join(parts)


@given(expressions(), _PATIENTS, st.sampled_from(sorted(VALUE_TYPES)))
def test_an_added_parameter_finds_what_fhirpath_finds(expression: str, patient: Resource, type: str) -> None:
    """As far as it is of the parameter's type; in no order, and each value once."""
    try:
        definition = one("x", "Patient", type, expression)
    except InvalidResourceError:
        return
    evaluated = compile_expression(expression, "Patient")(patient)
    kinds = {"System.Boolean": "boolean", "System.String": "string"}
    expected = [node.value for node in evaluated if is_made_of(type, kinds.get(node.type, node.type))]
    found = values(definition, patient)
    assert sorted(map(repr, {repr(value) for value in found})) == sorted(map(repr, {repr(value) for value in expected}))
