import json
from collections import Counter
from functools import cache
from statistics import mean

import pytest

from bhr_api.fhir.definitions import Resource
from bhr_api.samples import generate, mixed_resources
from bhr_api.samples.volume import TEAMS
from tests.samples.record import codes, objects, path

COUNT = 10_000


@cache
def stream() -> tuple[Resource, ...]:
    return tuple(mixed_resources(COUNT))


def test_the_types_are_mixed_as_in_a_community_agency() -> None:
    counts = Counter(resource["resourceType"] for resource in stream())

    assert counts == {
        "Observation": 7200, "Encounter": 800, "Condition": 600, "CarePlan": 400, "QuestionnaireResponse": 400,
        "Goal": 300, "Patient": 200, "Consent": 100,
    }  # fmt: skip


def test_patients_come_first_and_the_other_types_are_shuffled() -> None:
    types = [resource["resourceType"] for resource in stream()]

    assert set(types[:200]) == {"Patient"}
    assert len(set(types[200:300])) >= 5


def test_an_observation_is_as_long_as_a_real_one() -> None:
    sizes = [len(json.dumps(one, separators=(",", ":"))) for one in stream() if one["resourceType"] == "Observation"]

    assert 1200 <= mean(sizes) <= 1400
    assert max(sizes) <= 1900


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = (json.dumps(list(mixed_resources(500, seed=seed))) for seed in (3, 3, 4))

    assert first == again != other


def test_no_id_is_used_twice() -> None:
    assert len({path(resource) for resource in stream()}) == COUNT


def test_references_are_to_earlier_resources_or_the_shared_bundle() -> None:
    known = {path(entry["resource"]) for entry in next(iter(generate(TEAMS * 25)))["entry"]}
    for resource in stream():
        named = {value["reference"] for value in objects(resource) if isinstance(value.get("reference"), str)}
        assert named <= known, path(resource)
        known.add(path(resource))


def test_one_code_is_rare_and_some_are_common() -> None:
    observations = [one for one in mixed_resources(50_000) if one["resourceType"] == "Observation"]
    counts = Counter(code for one in observations for code in codes(one["code"]))

    assert counts["44261-6"] > len(observations) / 20
    assert 0 < counts["93374-7"] < len(observations) / 2_000


@pytest.mark.parametrize(("count", "patients"), [(0, 5), (3, 5), (100, 5)])
def test_the_stream_is_as_long_as_asked_with_as_many_patients(count: int, patients: int) -> None:
    types = [resource["resourceType"] for resource in mixed_resources(count, patients=patients)]

    assert len(types) == count
    assert types.count("Patient") == min(count, patients)
