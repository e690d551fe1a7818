import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.profiles.profile import LoadedProfiles, check_profiles
from bhr_api.fhir.validation import validate
from tests.fhir.profiles.definitions_at_hand import SHARED, VERSIONS, example, examples_of, us_core

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="../shared/fhir holds the examples")

EXAMPLES = [(version, name) for version in VERSIONS for name in examples_of(version)] if SHARED.exists() else []
PROFILES = {version: LoadedProfiles(us_core(version)) for version in VERSIONS} if SHARED.exists() else {}

EXTENSION = {"url": "http://example.org/unrelated", "valueBoolean": True}
CODING = {"system": "http://example.org/unrelated", "code": "other", "display": "Other"}


def objects(value: Any) -> Iterator[Resource]:
    """The elements that may be extended: not the extensions themselves, nor resources and narratives."""
    if isinstance(value, list):
        for one in value:
            yield from objects(one)
    elif isinstance(value, dict):
        yield value
        for name, member in value.items():
            if name.lstrip("_") not in ("extension", "text", "contained"):
                yield from objects(member)


def extended(one: Resource) -> None:
    one.setdefault("extension", []).append(EXTENSION)


def identified(one: Resource) -> None:
    one.setdefault("id", "unrelated")


def coded(one: Resource) -> None:
    # US Core 6.1.0 fixes the system and code of every coding in a vital sign's category: that is closed content.
    if "coding" in one and one["coding"][0].get("code") != "vital-signs":
        one["coding"].append(CODING)


def tagged(one: Resource) -> None:
    if "profile" in one:
        one["tag"] = [CODING]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_unrelated_content_breaks_no_profile(data: st.DataObject) -> None:
    version, name = data.draw(st.sampled_from(EXAMPLES))
    resource = copy.deepcopy(example(version, name))
    changes = st.sampled_from([extended, identified, coded, tagged])
    for change in data.draw(st.lists(changes, min_size=1, max_size=5)):
        change(data.draw(st.sampled_from(list(objects(resource)))))
    assert validate(resource) == []

    profiles = (PROFILES[version].get(canonical) for canonical in resource["meta"]["profile"])
    issues = check_profiles(resource, [profile for profile in profiles if profile])
    assert [issue for issue in issues if issue.severity == "error"] == []
