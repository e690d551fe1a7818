import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bhr_api.fhir import invariants
from bhr_api.fhir.definitions import (
    RESOURCE_TYPES,
    Resource,
    constraints_of,
    elements_of,
    json_names,
)
from bhr_api.fhir.json_text import dumps, parse
from bhr_api.fhir.problems import Context
from bhr_api.fhir.validation import MAX_ISSUES, validate
from tests.fhir.full_resources import full_resource

CHOICES = range(4)
IN_EXTENSION = {"url": "http://example.org/a"}


def observation(**elements: Any) -> Resource:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "PHQ-9"}, **elements}


def patient(**elements: Any) -> Resource:
    return {"resourceType": "Patient", **elements}


def issues(resource: Resource) -> list[tuple[str, str | None]]:
    return [(issue.code, issue.expression) for issue in validate(resource)]


def structural(resource: Resource) -> list[tuple[str, str | None]]:
    """The issues without those of invariants, which made resources may break."""
    return [(code, expression) for code, expression in issues(resource) if code != "invariant"]


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_every_element_of_every_type_is_taken(resource_type: str) -> None:
    for choice in CHOICES:
        assert structural(full_resource(resource_type, choice)) == []


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_every_required_element_of_every_type_is_missed(resource_type: str) -> None:
    required = [element.name for element in elements_of(resource_type).values() if element.min]
    full = full_resource(resource_type)
    names = json_names(resource_type)
    optional = {name: value for name, value in full.items() if name not in names or not names[name][0].min}

    assert sorted(structural(optional)) == sorted(("required", f"{resource_type}.{name}") for name in required)


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_an_array_for_a_single_value_and_the_reverse_are_refused(resource_type: str) -> None:
    full = full_resource(resource_type)
    turned = {
        name: value[0] if isinstance(value, list) else [value] for name, value in full.items() if name != "resourceType"
    }
    found = {expression for code, expression in issues({**full, **turned}) if code == "structure"}

    names = json_names(resource_type)
    expected = {
        f"{resource_type}.{name}" if not names[name][0].is_choice else f"{resource_type}.{_choice_segment(name, names)}"
        for name in turned
    }
    assert found >= expected


def _choice_segment(name: str, names: Any) -> str:
    element, code = names[name]
    return f"{element.name}.ofType({code})"


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_an_unknown_property_is_refused_in_every_type(resource_type: str) -> None:
    resource = full_resource(resource_type)

    assert ("structure", f"{resource_type}.flavour") in issues({**resource, "flavour": "sweet"})


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_no_invariant_fails_to_be_evaluated_on_well_shaped_data(
    resource_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_broken(self: invariants.Invariant, element: Any, context: Context) -> bool:
        return not self.holds(context.container, element, context.resource)

    monkeypatch.setattr(invariants.Invariant, "is_broken", is_broken)

    for choice in range(12):
        validate(full_resource(resource_type, choice, depth=4))


def test_every_invariant_of_severity_error_compiles() -> None:
    for resource_type in RESOURCE_TYPES:
        invariants.compiled(constraints_of(resource_type), resource_type)


def test_every_broken_rule_is_reported_at_once() -> None:
    resource = observation(
        status="done",
        flavour="sweet",
        subject={"reference": "Questionnaire/q1"},
        effectiveDateTime="2026-02-30",
        valueQuantity={"value": "14", "code": "{score}"},
        component=[{"code": {"text": "a"}}, {"valueString": ""}],
    )

    assert sorted(issues(resource)) == [
        ("code-invalid", "Observation.status"),
        ("invariant", "Observation.value.ofType(Quantity)"),
        ("required", "Observation.component[1].code"),
        ("structure", "Observation.flavour"),
        ("value", "Observation.component[1].value.ofType(string)"),
        ("value", "Observation.effective.ofType(dateTime)"),
        ("value", "Observation.subject"),
        ("value", "Observation.value.ofType(Quantity).value"),
    ]


def test_an_issue_says_what_was_wrong_and_what_would_be_right() -> None:
    (issue,) = validate(observation(status="done"))

    assert issue.severity == "error"
    assert "'done' is not a code of status" in issue.diagnostics
    assert "final" in issue.diagnostics


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        pytest.param([], [("structure", None)], id="array"),
        pytest.param({}, [("structure", None)], id="no-type"),
        pytest.param({"resourceType": "Nothing"}, [("structure", None)], id="unknown-type"),
        pytest.param({"resourceType": ["Patient"]}, [("structure", None)], id="type-of-the-wrong-kind"),
    ],
)
def test_what_has_no_resource_type_has_no_place(resource: Any, expected: list[tuple[str, str | None]]) -> None:
    assert issues(resource) == expected


@pytest.mark.parametrize(
    ("member", "code", "place"),
    [
        ({"name": [{"family": None}]}, "structure", "Patient.name[0].family"),
        ({"name": []}, "structure", "Patient.name"),
        ({"name": [None]}, "structure", "Patient.name[0]"),
        ({"name": [{}]}, "invariant", "Patient.name[0]"),
        ({"name": [{"id": "n"}]}, "invariant", "Patient.name[0]"),
        ({"name": [{"id": "n 1", "family": "A"}]}, "value", "Patient.name[0].id"),
        ({"name": [{"given": [None]}]}, "structure", "Patient.name[0].given[0]"),
        ({"name": [{"given": ["A"], "_given": [None, None]}]}, "structure", "Patient.name[0].given"),
        ({"_birthDate": {}}, "invariant", "Patient.birthDate"),
        ({"_birthDate": {"extension": [{"url": "a"}]}}, "invariant", "Patient.birthDate.extension[0]"),
        ({"_name": {"id": "a"}}, "structure", "Patient._name"),
        ({"active": "true"}, "value", "Patient.active"),
        ({"multipleBirthInteger": True}, "value", "Patient.multipleBirth.ofType(integer)"),
        ({"maritalStatus": "M"}, "structure", "Patient.maritalStatus"),
        ({"a b": 1}, "structure", "Patient"),
    ],
    ids=str,
)
def test_a_wrong_shape_is_told_at_its_place(member: dict[str, Any], code: str, place: str) -> None:
    assert (code, place) in issues(patient(**member))


def organization(**elements: Any) -> Resource:
    return {"resourceType": "Organization", "name": "A", **elements}


def containing(contained: Any, **elements: Any) -> Resource:
    return patient(contained=[contained], managingOrganization={"reference": "#o"}, **elements)


@pytest.mark.parametrize(
    ("contained", "expected"),
    [
        pytest.param(organization(id="o"), [], id="referred-to"),
        pytest.param(
            organization(id="o", meta={"versionId": "1"}),
            [("invariant", "Patient.contained[0].meta.versionId")],
            id="dom-4",
        ),
        pytest.param(
            organization(id="o", meta={"security": [{"code": "R"}]}),
            [("invariant", "Patient.contained[0].meta.security")],
            id="dom-5",
        ),
        pytest.param(organization(id="o", flavour=1), [("structure", "Patient.contained[0].flavour")], id="own-rules"),
        pytest.param(patient(id="o"), [("value", "Patient.managingOrganization")], id="reference-to-another-type"),
        pytest.param(
            organization(),
            [("invariant", "Patient.managingOrganization"), ("invariant", "Patient.contained[0]")],
            id="ref-1-without-id",
        ),
    ],
)
def test_a_contained_resource_obeys_the_rules_of_containment(
    contained: Resource, expected: list[tuple[str, str]]
) -> None:
    assert sorted(issues(containing(contained))) == sorted(expected)


def test_dom_2_a_contained_resource_contains_none() -> None:
    inner = organization(id="o", contained=[organization(id="p")], partOf={"reference": "#p"})

    assert ("invariant", "Patient.contained[0].contained") in issues(containing(inner))


def test_dom_3_a_contained_resource_that_nothing_refers_to_is_refused() -> None:
    assert issues(patient(contained=[organization(id="o")])) == [("invariant", "Patient.contained[0]")]


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(
            {
                "resourceType": "Provenance",
                "contained": [{"resourceType": "Practitioner", "id": "a"}],
                "target": [{"reference": "Patient/1"}],
                "recorded": "2026-01-01T00:00:00Z",
                "agent": [{"who": {"reference": "#a"}}],
            },
            id="by-reference",
        ),
        pytest.param(
            patient(
                contained=[organization(id="o", extension=[{**IN_EXTENSION, "valueReference": {"reference": "#"}}])]
            ),
            id="that-refers-to-its-container",
        ),
        pytest.param(
            patient(
                contained=[{"resourceType": "Questionnaire", "id": "q", "status": "draft"}],
                extension=[{**IN_EXTENSION, "valueCanonical": "#q"}],
            ),
            id="by-canonical",
        ),
    ],
)
def test_dom_3_any_link_keeps_a_contained_resource(resource: Resource) -> None:
    assert issues(resource) == []


def test_two_contained_resources_with_one_id_are_refused() -> None:
    resource = containing(organization(id="o"))
    resource["contained"].append(organization(id="o"))

    assert issues(resource) == [("value", "Patient.contained[1].id")]


def bundle(kind: str, resource: Resource) -> Resource:
    request = {"method": "POST", "url": str(resource.get("resourceType"))}
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": resource, "request": request}]}


def test_a_resource_in_a_bundle_is_validated_in_its_place() -> None:
    assert issues(bundle("transaction", patient(gender="m"))) == [("code-invalid", "Bundle.entry[0].resource.gender")]


def test_a_fault_within_an_entry_does_not_hide_those_of_the_bundle() -> None:
    found = issues({**bundle("transaction", patient(gender="m")), "total": 1})

    assert ("code-invalid", "Bundle.entry[0].resource.gender") in found
    assert ("invariant", "Bundle") in found


def test_a_resource_in_parameters_is_validated() -> None:
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "a", "resource": patient(gender="m")}]}

    assert issues(parameters) == [("code-invalid", "Parameters.parameter[0].resource.gender")]


def test_a_conditional_reference_is_taken_only_in_a_transaction() -> None:
    conditional = observation(subject={"reference": "Patient?identifier=http://example.org/mrn|1"})

    assert issues(conditional) == [("value", "Observation.subject")]
    assert issues(bundle("transaction", conditional)) == []
    assert issues(bundle("batch", conditional)) == [("value", "Bundle.entry[0].resource.subject")]
    assert validate(conditional, in_transaction=True) == []


@pytest.mark.parametrize(
    ("reference", "is_taken"),
    [
        ({"reference": "Patient/p1"}, True),
        ({"reference": "Patient/p1/_history/2"}, True),
        ({"reference": "https://example.org/fhir/Patient/p1"}, True),
        ({"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}, True),
        ({"reference": "https://example.org/people/1"}, True),
        ({"identifier": {"value": "1"}}, True),
        ({"display": "A"}, True),
        ({"reference": "Patient/p1", "type": "Patient"}, True),
        ({"reference": "Practitioner/p1"}, False),
        ({"reference": "https://example.org/fhir/Practitioner/p1"}, False),
        ({"reference": "patient/p1"}, False),
        ({"reference": "Patient"}, False),
        ({"reference": "Patient/p_1"}, False),
        ({"reference": "Patient/p1", "type": "Group"}, False),
        ({"identifier": {"value": "1"}, "type": "Practitioner"}, False),
    ],
    ids=str,
)
def test_a_reference_names_a_type_that_the_element_takes(reference: dict[str, Any], is_taken: bool) -> None:
    goal = {"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "a"}, "subject": reference}

    assert issues(goal) == ([] if is_taken else [("value", "Goal.subject")])


def test_obs_7_compares_codings_whatever_their_order() -> None:
    coding = {"system": "http://loinc.org", "code": "44261-6"}
    turned = dict(reversed(coding.items()))
    other = {**coding, "code": "1-8"}

    def found(component: Any) -> list[tuple[str, str | None]]:
        parts = [{"code": {"coding": [component]}, "valueInteger": 1}]
        return issues(observation(code={"coding": [coding]}, valueInteger=2, component=parts))

    assert found(turned) == [("invariant", "Observation")]
    assert found(other) == []


def test_obs_7_reads_codings_with_decimals_of_any_spelling() -> None:
    coding = b'{"code":"a","extension":[{"url":"http://example.org/a","valueDecimal":1e3}]}'
    body = b'{"resourceType":"Observation","status":"final","valueInteger":1,"code":{"coding":[%s]},"component":[%s]}'

    resource = parse(body % (coding, b'{"code":{"coding":[%s]},"valueInteger":1}' % coding))

    assert issues(resource) == [("invariant", "Observation")]


def test_an_invariant_that_fails_only_for_a_faulty_member_is_not_told() -> None:
    assert issues(patient(name=[{"period": {"start": "soon", "end": "2026"}}])) == [
        ("value", "Patient.name[0].period.start")
    ]


def test_no_more_than_the_limit_is_told() -> None:
    wrong = MAX_ISSUES // 2 + 100
    found = validate(patient(name=[{"family": 1}] * wrong, address=[{"city": 1}] * wrong))

    assert len(found) == MAX_ISSUES
    assert found[-1].diagnostics == "201 more rules are broken."


def test_a_list_is_left_where_a_thousand_of_its_items_are_wrong() -> None:
    found = validate(patient(name=[{"family": 1}] * 1_000_000))

    assert len(found) == MAX_ISSUES
    assert found[-1].diagnostics == "3 more rules are broken."


def _many_codings(count: int) -> Resource:
    codings = [{"code": str(number)} for number in range(count)]
    parts = [{"code": {"coding": [{"code": f"x{number}"}]}, "valueInteger": 1} for number in range(count)]
    return observation(code={"coding": codings}, valueInteger=1, component=parts)


def _many_contained(count: int) -> Resource:
    ids = [f"o{number}" for number in range(count)]
    return patient(
        contained=[organization(id=id) for id in ids], generalPractitioner=[{"reference": f"#{id}"} for id in ids]
    )


def _many_entries(count: int) -> Resource:
    numbers = range(count)
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": f"http://example.org/Patient/{one}", "resource": patient()} for one in numbers],
    }


def _many_items(count: int) -> Resource:
    items = [{"linkId": str(number), "type": "string"} for number in range(count)]
    return {"resourceType": "Questionnaire", "status": "active", "item": items}


@pytest.mark.parametrize("made", [_many_codings, _many_contained, _many_entries, _many_items])
def test_the_work_is_linear_in_the_size(made: Callable[[int], Resource]) -> None:
    def seconds(count: int) -> float:
        resource = made(count)
        started = time.perf_counter()
        assert validate(resource) == []
        return time.perf_counter() - started

    seconds(10)
    # Eight times the size would take 64 times as long if the work were quadratic.
    assert min(seconds(8_000) for _ in range(2)) < 32 * max(min(seconds(1_000) for _ in range(3)), 0.002)


def test_the_deepest_body_that_is_read_is_validated() -> None:
    inner = '"valueBoolean":true'
    for _ in range(49):
        inner = f'"extension":[{{"url":"a",{inner}}}]'

    assert validate(parse(f'{{"resourceType":"Patient",{inner}}}'.encode())) == []


REPLACEMENTS: list[Any] = [
    *(None, True, 1, -1, "", " ", "x", "#x", "Patient/1", "2026-13", 10**30, [], {}, [None], [{}], [[]]),
    *({"id": "x"}, {"extension": []}, {"url": "x"}, {"resourceType": "Patient"}, {"resourceType": []}),
]
NAMES = ["valueString", "contained", "extension", "meta", "id", "_id", "resourceType", "text", "entry", "reference"]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(RESOURCE_TYPES), st.integers(0, 2**32), st.integers(1, 4))
def test_no_damage_makes_validation_fail(resource_type: str, seed: int, damages: int) -> None:
    chance = random.Random(seed)
    resource = parse(dumps(full_resource(resource_type, seed % 5)))
    for _ in range(damages):
        holder, key = chance.choice(list(_places(resource)))
        replacement = parse(json.dumps(chance.choice(REPLACEMENTS)).encode())
        if isinstance(holder, dict) and chance.random() < 0.4:
            key = chance.choice([*NAMES, f"_{key}"])
        holder[key] = replacement

    for issue in validate(resource):
        assert issue.severity == "error"
        assert issue.diagnostics.endswith((".", ")", "'")) or issue.code == "invariant"
        assert issue.expression is None or issue.expression.startswith(str(resource["resourceType"]))
