"""Small valid resources, and records of them, for laws of search (hypothesis)."""

from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.search import drawn_administration, drawn_clinical
from tests.search.drawn_values import (
    IDS,
    SYSTEMS,
    URIS,
    Strategy,
    Value,
    codings,
    having,
    merged,
    narratives,
    one,
    some,
)
from tests.search.reference_paths import Resource

STATUSES = {
    "Observation": ("status", ("final", "amended", "preliminary")),
    "CarePlan": ("status", ("active", "completed", "draft")),
    "Goal": ("lifecycleStatus", ("active", "completed", "proposed")),
    "Encounter": ("status", ("finished", "planned", "in-progress")),
    "QuestionnaireResponse": ("status", ("completed", "in-progress")),
    "Questionnaire": ("status", ("active", "draft", "retired")),
    "RiskAssessment": ("status", ("final", "amended")),
    "ChargeItem": ("status", ("billable", "planned")),
    "List": ("status", ("current", "retired")),
}


_BODIES: dict[str, Callable[[], Strategy[Resource]]] = {
    "Patient": drawn_administration.patients,
    "Observation": drawn_clinical.observations,
    "Condition": drawn_clinical.conditions,
    "CarePlan": drawn_clinical.care_plans,
    "Goal": drawn_clinical.goals,
    "Encounter": drawn_clinical.encounters,
    "QuestionnaireResponse": drawn_clinical.responses,
    "Questionnaire": drawn_clinical.questionnaires,
    "RiskAssessment": drawn_clinical.risk_assessments,
    "ChargeItem": drawn_clinical.charge_items,
    "Practitioner": drawn_administration.practitioners,
    "PractitionerRole": drawn_administration.practitioner_roles,
    "Organization": drawn_administration.organizations,
    "Location": drawn_administration.locations,
    "Group": drawn_administration.groups,
    "List": drawn_administration.lists,
}
TYPES = tuple(_BODIES)

# A code system with a hierarchy, AMB over amb over a|b, and value sets of a few codes and of a whole system.
TERMINOLOGY: tuple[Resource, ...] = (
    {
        "resourceType": "CodeSystem", "id": "cs", "url": SYSTEMS[1], "status": "active", "content": "complete",
        "hierarchyMeaning": "is-a",
        "concept": [
            {"code": "AMB", "concept": [{"code": "amb", "concept": [{"code": "a|b"}]}]}, {"code": "a,b"}, {"code": "a$b"}
        ],
    },
    {
        "resourceType": "ValueSet", "id": "few", "url": "http://acme.example/vs/few", "status": "active",
        "compose": {"include": [
            {"system": SYSTEMS[0], "concept": [{"code": "44261-6"}, {"code": "AMB"}]},
            {"system": SYSTEMS[1], "concept": [{"code": "amb"}, {"code": "a,b"}]},
        ]},
    },
    {
        "resourceType": "ValueSet", "id": "whole", "url": "http://acme.example/vs/whole", "status": "active",
        "compose": {"include": [{"system": SYSTEMS[0]}]},
    },
)  # fmt: skip


def resources(resource_type: str) -> Strategy[Resource]:
    """A small valid resource of the type; `meta` holds tags, labels, profiles and a source, never lastUpdated."""
    meta = having(
        tag=some(codings()), security=some(codings()), profile=some(one(URIS)), source=one(URIS)
    ).filter(bool)  # fmt: skip
    fixed: dict[str, Strategy[Any]] = {"resourceType": st.just(resource_type), "id": one(IDS)}
    if resource_type in STATUSES:
        element, codes = STATUSES[resource_type]
        fixed[element] = one(codes)
    return merged(having(fixed, meta=meta, text=narratives()), _BODIES[resource_type]())


def any_resources() -> Strategy[Resource]:
    """A small valid resource of one of `TYPES`."""
    return st.one_of(*(resources(resource_type) for resource_type in TYPES))


def as_json(resource: Resource) -> bytes:
    """The resource as JSON with the digits of its numbers."""
    return msgspec.json.Encoder(decimal_format="number").encode(resource)


def drawn(strategy: Strategy[Value], number: int, start: int) -> list[Value]:
    """So many values of a strategy, the same for the same `start`.

    They are drawn in short runs: after its first ten cases hypothesis goes on to vary what it had, and what is alike
    finds little. The first case of a run is the simplest there is.
    """
    found: list[Value] = []
    for run in count():
        if len(found) >= number:
            break
        first, *others = _cases(st.lists(strategy, min_size=10, max_size=10), start * 100_000 + run)
        found += [*first[:1], *(value for case in others for value in case)]
    return found[:number]


def _cases(strategy: Strategy[Value], start: int) -> list[Value]:
    cases: list[Value] = []

    @seed(start)
    @settings(
        max_examples=10,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def keep(value: Value) -> None:
        cases.append(value)

    keep()
    return cases


def drawn_record(of_each_type: int, start: int) -> list[Resource]:
    """A record of so many resources of each type, the first of them under the `IDS`, with `TERMINOLOGY`."""
    ids = [*IDS, *(f"n{number}" for number in range(of_each_type))][:of_each_type]
    of_types = [
        {**resource, "id": id}
        for resource_type in TYPES
        for id, resource in zip(ids, drawn(resources(resource_type), of_each_type, start), strict=False)
    ]
    return [*TERMINOLOGY, *of_types]
