import copy
import re
from functools import cache
from typing import Any

import pytest

from bhr_api.errors import Issue
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.json_text import parse
from bhr_api.fhir.profiles.profile import LoadedProfiles, check_profiles
from bhr_api.fhir.validation import validate
from tests.fhir.profiles.definitions_at_hand import SHARED, VERSIONS, example, examples_of, us_core
from tests.fhir.profiles.mutations import MUTATIONS, Mutation

WRONG_EXAMPLES: dict[tuple[str, str], str] = {}
"""(version, example) -> what is wrong in the example itself. None is: all examples conform to what they declare."""

NOT_LOADED = {"http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire"}
"""Profiles of other guides that examples declare."""

CASES = [(version, name) for version in VERSIONS for name in examples_of(version)] if SHARED.exists() else []


@cache
def profiles(version: str) -> LoadedProfiles:
    return LoadedProfiles(us_core(version))


def told(version: str, resource: Resource) -> list[Issue]:
    declared = [canonical for canonical in resource["meta"]["profile"] if canonical not in NOT_LOADED]
    found = [profiles(version).get(canonical) for canonical in declared]
    assert None not in found, declared
    return check_profiles(resource, [profile for profile in found if profile is not None])


def errors(issues: list[Issue]) -> list[tuple[str, str | None]]:
    return [(issue.code, issue.expression) for issue in issues if issue.severity == "error"]


@pytest.mark.skipif(not CASES, reason="../shared/fhir holds the examples, and is not beside the project")
@pytest.mark.parametrize(("version", "name"), CASES)
def test_an_example_conforms_to_its_profiles(version: str, name: str) -> None:
    assert (errors(told(version, example(version, name))) == []) == ((version, name) not in WRONG_EXAMPLES)


def test_there_are_many_mutations() -> None:
    assert len(MUTATIONS) >= 120
    assert len({mutation.id for mutation in MUTATIONS}) == len(MUTATIONS)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.id)
def test_a_mutation_is_told_as_the_one_issue_that_it_is(mutation: Mutation) -> None:
    mutated = changed(example(mutation.version, mutation.example), mutation.change)
    assert validate(mutated) == []

    assert errors(told(mutation.version, mutated)) == [(mutation.code, mutation.expression)]


@pytest.mark.parametrize(
    ("name", "change", "code", "expression"),
    [
        ("Medication-uscore-med1", 'code={"text":"a pill"}', "code-invalid", "Medication.code"),
        ("Encounter-1036", 'class.code="AMBULANT"', "code-invalid", "Encounter.class"),
        ("Coverage-coverage-example", 'relationship={"text":"self"}', "code-invalid", "Coverage.relationship"),
        (
            "Observation-some-day-smoker",
            'code.coding[0]={"system":"http://loinc.org","code":"401201003"}',
            "invariant",
            "Observation",
        ),
    ],
)
def test_what_a_profile_only_advises_is_a_warning(name: str, change: str, code: str, expression: str) -> None:
    before = told("8.0.0", example("8.0.0", name))
    after = told("8.0.0", changed(example("8.0.0", name), change))

    added = [issue for issue in after if issue not in before and issue.severity != "information"]
    assert [(issue.severity, issue.code, issue.expression) for issue in added] == [("warning", code, expression)]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_profile_can_be_asked_of_every_resource_of_its_type(version: str) -> None:
    """Most do not conform; but nothing fails, and each issue names its profile."""
    definitions = us_core(version)
    structures = {id(one): one for one in definitions.structures.values() if one["kind"] == "resource"}
    compiled = [found for one in structures.values() if (found := profiles(version).get(one["url"]))]
    for resource in examples_of(version).values():
        for profile in compiled:
            if profile.structure["type"] == resource["resourceType"]:
                issues = check_profiles(resource, [profile])
                assert all(issue.expression and issue.diagnostics.endswith((".", ":")) for issue in issues)


def changed(resource: Resource, change: str) -> Resource:
    """The resource with the change of a mutation; another type of a choice takes the place of the one that is there."""
    mutated = copy.deepcopy(resource)
    place, is_set, value = (change.partition("=")) if not change.startswith("-") else (change[1:], "", "")
    *way, last = [int(step) if step.isdigit() else step for step in re.findall(r"\w+", place)]
    holder: Any = mutated
    for step in way:
        holder = holder[step]
    if not is_set:
        del holder[last]
        return mutated
    if isinstance(last, str):
        if match := re.match(r"(value|effective)[A-Z]", last):
            for name in [name for name in holder if name.startswith(match[1])]:
                del holder[name]
        holder[last] = parse(value.encode())
    else:
        holder[last : last + 1] = [parse(value.encode())]
    return mutated
