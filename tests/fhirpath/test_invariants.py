from typing import Any

import pytest

from bhr_api.fhir.definitions import RESOURCE_TYPES, constraints_of, elements_of, is_type, json_names
from bhr_api.fhirpath.compiler import compile_expression, compile_invariant
from bhr_api.fhirpath.errata import corrected
from bhr_api.fhirpath.errors import UnsupportedFHIRPathError
from bhr_api.fhirpath.nodes import Environment, Node
from tests.fhirpath.examples import Element, elements_in, official_examples

# Not decided by an expression: htmlChecks() belongs to the validation of narratives.
UNSUPPORTED = {"txt-1", "txt-2"}
# Best practice and warnings that some official examples do not follow.
NOT_FOLLOWED = {
    "dom-6": "A best practice: a resource should have narrative; contained ones do not.",
    "vsd-0": "A warning: names such as 'GCS Motor' in contained value sets are no identifiers.",
}


def every_rule() -> set[tuple[str, str, str]]:
    """(key, expression, type) of every constraint of every type of R4 that resources reach."""
    waiting, types, rules = list(RESOURCE_TYPES), set[str](), set[tuple[str, str, str]]()
    while waiting:
        name = waiting.pop()
        if name in types:
            continue
        types.add(name)
        rules |= {(rule.key, rule.expression, name) for rule in constraints_of(name)}
        for element in elements_of(name).values():
            rules |= {(rule.key, rule.expression, code) for rule in element.constraints for code in element.types}
        waiting += [code for _, code in json_names(name).values() if is_type(code)]
    return rules


def test_every_invariant_of_r4_compiles() -> None:
    rules = every_rule()
    assert len({key for key, _, _ in rules}) > 200
    for key, expression, type_name in rules:
        if key not in UNSUPPORTED:
            compile_invariant(expression, type_name)


@pytest.mark.parametrize("key", sorted(UNSUPPORTED))
def test_what_no_expression_decides_is_refused_when_compiling(key: str) -> None:
    expression = next(rule.expression for rule in constraints_of("xhtml") + _div_rules() if rule.key == key)
    with pytest.raises(UnsupportedFHIRPathError):
        compile_invariant(expression, "xhtml")


def _div_rules() -> Any:
    return elements_of("Narrative")["div"].constraints


def test_the_invariants_hold_on_every_official_example() -> None:
    tested, broken = 0, set[tuple[str, str]]()
    for resource in official_examples():
        for element in elements_in(resource):
            for rule in element.constraints:
                if rule.key not in UNSUPPORTED | NOT_FOLLOWED.keys():
                    tested += 1
                    if not holds(rule.expression, element):
                        broken.add((rule.key, element.path))
    assert tested > 60_000
    assert broken == set()


def holds(expression: str, element: Element) -> bool:
    invariant = compile_invariant(expression, element.type_name)
    return invariant(element.root, element.value, element.resource, element.companion)


def test_an_invariant_decides_as_its_expression_evaluates() -> None:
    for resource in official_examples():
        for element in elements_in(resource):
            root, holder = Node(element.root["resourceType"], element.root), element.resource
            focus = [Node(element.type_name, element.value, element.companion)]
            environment = Environment(Node(holder["resourceType"], holder), root, focus)
            for rule in element.constraints:
                if rule.key not in UNSUPPORTED:
                    outcome = compile_expression(corrected(rule.expression), element.type_name).evaluate(
                        focus, environment
                    )
                    assert holds(rule.expression, element) == ([node.value for node in outcome] == [True])


def rule_of(type_name: str, key: str) -> str:
    rules = [
        *constraints_of(type_name),
        *(rule for each in elements_of(type_name).values() for rule in each.constraints),
    ]
    return next(rule.expression for rule in rules if rule.key == key)


@pytest.mark.parametrize(
    ("type_name", "key", "element", "expected"),
    [
        pytest.param("Period", "per-1", {"start": "2012-02-03", "end": "2012-02-01"}, False, id="per-1-backwards"),
        pytest.param(
            "Period", "per-1", {"start": "2012-02-03T10:00:00Z", "end": "2012-02-03"}, True, id="per-1-partial"
        ),
        pytest.param("Period", "per-1", {"start": "2012-02-03"}, True, id="per-1-open"),
        pytest.param("Reference", "ref-1", {"display": "someone"}, True, id="ref-1-without-literal"),
        pytest.param("Reference", "ref-1", {"reference": "#gone"}, False, id="ref-1-to-nothing"),
        pytest.param("Questionnaire.item", "que-13", {"initial": [{}, {}]}, False, id="que-13-empty-does-not-hold"),
        pytest.param("Questionnaire.item", "que-1", {"type": "group"}, False, id="que-1-group-without-items"),
        pytest.param("Questionnaire.item", "que-1", {"type": "display", "item": [{}]}, False, id="que-1-display-with"),
        pytest.param(
            "Questionnaire.item.enableWhen", "que-7", {"operator": "exists", "answerBoolean": True}, True, id="que-7"
        ),
        pytest.param(
            "Questionnaire.item.enableWhen",
            "que-7",
            {"operator": "exists", "answerString": "x"},
            False,
            id="que-7-string",
        ),
        pytest.param("Observation.referenceRange", "obs-3", {"_text": {"id": "t"}}, True, id="obs-3-companion-exists"),
        pytest.param("Observation.referenceRange", "obs-3", {}, False, id="obs-3"),
        pytest.param("Range", "rng-2", {"low": {"value": 2}, "high": {"value": 1}}, False, id="rng-2-quantities"),
        pytest.param("ContactPoint", "cpt-2", {"value": "1"}, False, id="cpt-2"),
        pytest.param("RiskAssessment.prediction", "ras-2", {"probabilityDecimal": 101}, False, id="ras-2"),
        pytest.param("RiskAssessment.prediction", "ras-2", {"outcome": {}}, True, id="ras-2-absent"),
        pytest.param("Attachment", "att-1", {"data": "aa"}, False, id="att-1"),
    ],
)
def test_invariants_tell_right_from_wrong(type_name: str, key: str, element: Any, expected: bool) -> None:
    root = {"resourceType": "Observation"}
    assert compile_invariant(rule_of(type_name, key), type_name)(root, element) is expected


def test_resource_and_root_differ_for_a_contained_resource() -> None:
    contained = {"resourceType": "Patient", "id": "p"}
    root = {"resourceType": "Observation", "id": "o", "contained": [contained]}
    invariant = compile_invariant("%resource.id = 'p' and %rootResource.id = 'o'", "Patient")
    assert invariant(root, contained, contained)
    assert not invariant(root, contained)


@pytest.mark.parametrize(
    ("value", "companion", "expected"),
    [(1, None, True), (None, {"extension": [{"url": "http://x"}]}, True), (None, {"id": "only"}, False)],
)
def test_an_element_has_a_value_or_children(value: Any, companion: Any, expected: bool) -> None:
    invariant = compile_invariant(rule_of("Element", "ele-1"), "integer")
    assert invariant({"resourceType": "Basic"}, value, None, companion) is expected
