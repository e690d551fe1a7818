import time
from typing import Any

import pytest

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.profiles.conformance import mentions
from bhr_api.fhir.profiles.findings import MAX_ISSUES
from bhr_api.fhir.profiles.profile import LoadedProfiles, check_profiles, compile_profile
from bhr_api.fhir.profiles.walk import Entries
from tests.fhir.profiles.definitions_at_hand import Definitions, us_core
from tests.fhir.profiles.made_profiles import CORE, MADE, element, errors, observation, patient, slicing, structure

NAMED = structure("Patient", element("Patient.name", min=1, max="*"), name="named")
TO_NAMED = [{"code": "Reference", "targetProfile": [MADE + "named"]}]
OF_NAMED = structure("Observation", element("Observation.subject", min=0, max="1", type=TO_NAMED), name="of-named")
ANN = {"name": [{"text": "Ann"}]}


# References


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ({"reference": "Patient/1"}, []),
        ({"reference": "http://example.org/fhir/Patient/1"}, []),
        ({"reference": "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"}, []),
        ({"identifier": {"value": "1"}}, []),
        ({"reference": "Group/1"}, [("value", "Observation.subject")]),
        ({"reference": "http://example.org/fhir/Group/1"}, [("value", "Observation.subject")]),
        ({"type": "Group", "display": "all"}, [("value", "Observation.subject")]),
    ],
)
def test_a_reference_is_to_a_type_of_its_targets(reference: Resource, found: list[Any]) -> None:
    assert errors(observation(subject=reference), OF_NAMED, [NAMED]) == found


def test_targets_that_are_not_loaded_may_be_of_any_type() -> None:
    assert errors(observation(subject={"reference": "Group/1"}), OF_NAMED) == []


def about_contained(**elements: Any) -> Resource:
    return observation(subject={"reference": "#p"}, contained=[patient(id="p", **elements)])


def test_a_contained_target_conforms() -> None:
    assert errors(about_contained(**ANN), OF_NAMED, [NAMED]) == []
    assert errors(about_contained(gender="female"), OF_NAMED, [NAMED]) == [("value", "Observation.subject")]


def test_the_sentence_names_what_is_wrong_with_the_target() -> None:
    (issue,) = compile_profile(OF_NAMED, Definitions([NAMED])).check(about_contained(gender="female"))

    assert "name is missing" in issue.diagnostics
    assert "(of-named, Observation.subject)" in issue.diagnostics


def test_a_type_of_r4_among_the_targets_takes_all_of_it() -> None:
    targets = [{"code": "Reference", "targetProfile": [MADE + "named", CORE + "Patient"]}]
    profile = structure("Observation", element("Observation.subject", type=targets))

    assert errors(about_contained(gender="female"), profile, [NAMED]) == []


def bundle(*entries: tuple[str, Resource]) -> Resource:
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": url, "resource": resource} for url, resource in entries],
    }


OBSERVATIONS = structure(
    "Bundle",
    element("Bundle.entry", slicing=slicing(("type", "resource")), min=0, max="*"),
    element("Bundle.entry", sliceName="o", min=1, max="*"),
    {
        "id": "Bundle.entry:o.resource",
        "path": "Bundle.entry.resource",
        "min": 1,
        "max": "1",
        "type": [{"code": "Observation", "profile": [MADE + "of-named"]}],
    },
    name="observations",
)


@pytest.mark.parametrize(
    ("base", "reference"),
    [
        ("http://example.org/fhir/", "Patient/1"),
        ("http://example.org/fhir/", "http://example.org/fhir/Patient/1"),
        ("http://example.org/fhir/", "Patient/1/_history/2"),
    ],
)
def test_a_target_in_the_same_bundle_conforms(base: str, reference: str) -> None:
    def of(target: Resource) -> Resource:
        subject = observation(id="2", subject={"reference": reference})
        return bundle((f"{base}Observation/2", subject), (f"{base}Patient/1", {**target, "id": "1"}))

    assert errors(of(patient(**ANN)), OBSERVATIONS, [OF_NAMED, NAMED]) == []
    assert errors(of(patient(gender="male")), OBSERVATIONS, [OF_NAMED, NAMED]) == [
        ("value", "Bundle.entry[0].resource.subject")
    ]


def test_a_target_in_the_same_bundle_may_have_a_urn() -> None:
    urn = "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"
    entries = (
        ("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b8", observation(subject={"reference": urn})),
        (urn, patient(gender="male")),
    )

    assert errors(bundle(*entries), OBSERVATIONS, [OF_NAMED, NAMED]) == [("value", "Bundle.entry[0].resource.subject")]


def test_an_entry_is_checked_among_the_others() -> None:
    urn = "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"
    about = observation(subject={"reference": urn})
    whole = bundle(("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b8", about), (urn, patient(gender="male")))
    profile = compile_profile(OF_NAMED, Definitions([NAMED]))

    assert profile.check(about) == []
    assert [issue.expression for issue in check_profiles(about, [profile], Entries(whole))] == ["Observation.subject"]


def test_a_large_bundle_takes_time_in_proportion() -> None:
    urls = [f"http://example.org/fhir/Observation/{number}" for number in range(3000)]
    entries = [(url, observation(hasMember=[{"reference": urls[0]}])) for url in urls]
    started = time.perf_counter()

    assert errors(bundle(*entries), OBSERVATIONS, [OF_NAMED, NAMED]) == []
    # With a look through all entries for each of them it would be 9,000,000 steps and more than that.
    assert time.perf_counter() - started < 10


def test_a_relative_reference_means_nothing_beside_a_urn() -> None:
    entries = (
        ("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b8", observation(subject={"reference": "Patient/1"})),
        ("http://example.org/fhir/Patient/1", patient(id="1", gender="male")),
    )

    assert errors(bundle(*entries), OBSERVATIONS, [OF_NAMED, NAMED]) == []


def test_a_bundle_without_the_entry_misses_it() -> None:
    profile = errors(bundle(("http://example.org/fhir/Patient/1", patient(id="1", **ANN))), OBSERVATIONS, [OF_NAMED])

    assert profile == [("required", "Bundle.entry")]


def test_contained_resources_have_profiles() -> None:
    profile = structure(
        "Observation", element("Observation.contained", type=[{"code": "Patient", "profile": [MADE + "named"]}])
    )

    assert errors(about_contained(gender="male"), profile, [NAMED]) == [("required", "Observation.contained[0].name")]
    other = {"resourceType": "Group", "id": "p", "type": "person", "actual": True}
    grouped = observation(subject={"reference": "#p"}, contained=[other])
    assert errors(grouped, profile, [NAMED]) == [("structure", "Observation.contained[0]")]


# Recursion and size


def test_profiles_that_refer_to_one_another_come_to_an_end() -> None:
    member = [{"code": "Reference", "targetProfile": [MADE + "ring"]}]
    ring = structure(
        "Observation",
        element("Observation.hasMember", min=0, max="*", type=member),
        element("Observation.issued", min=1, max="1"),
        name="ring",
    )
    inner = observation(id="i", issued="2024-01-01T00:00:00Z", hasMember=[{"reference": "#"}])
    outer = observation(contained=[inner], hasMember=[{"reference": "#i"}], issued="2024-01-01T00:00:00Z")

    assert errors(outer, ring) == []
    del inner["issued"]
    assert errors(outer, ring) == [("value", "Observation.hasMember[0]")]


def test_many_roads_to_one_target_take_time_in_proportion() -> None:
    member = [{"code": "Reference", "targetProfile": [MADE + "ring"]}]
    ring = structure("Observation", element("Observation.hasMember", min=0, max="*", type=member), name="ring")
    layers = [
        observation(id=f"o{layer}", hasMember=[{"reference": f"#o{layer + 1}"}] * 8 if layer < 60 else [])
        for layer in range(61)
    ]
    del layers[-1]["hasMember"]
    started = time.perf_counter()

    assert errors(observation(contained=layers, hasMember=[{"reference": "#o0"}]), ring) == []
    # Each road on its own would be 8 to the power of 16 checks.
    assert time.perf_counter() - started < 5


def test_no_more_issues_are_told_than_anyone_reads() -> None:
    profile = structure("Patient", element("Patient.name", min=0), element("Patient.name.text", min=1))
    resource = patient(name=[{"family": "x"}] * (MAX_ISSUES + 5))

    assert len(errors(resource, profile)) == MAX_ISSUES


# What a profile is


def test_a_profile_without_snapshot_is_refused() -> None:
    with pytest.raises(ValueError, match="no snapshot"):
        compile_profile({"url": MADE + "x", "type": "Patient"}, Definitions([]))


def test_several_profiles_tell_each_issue_once() -> None:
    loaded = LoadedProfiles(Definitions([NAMED]))
    profile = loaded.get(MADE + "named")
    assert profile is not None
    assert loaded.get(MADE + "named") is profile
    assert loaded.get(MADE + "unknown") is None

    assert len(check_profiles(patient(gender="male"), [profile, profile])) == 1


def test_a_structure_mentions_what_it_refers_to() -> None:
    maximum = {"url": CORE + "elementdefinition-maxValueSet", "valueCanonical": "http://example.org/ValueSet/most"}
    binding = {"strength": "extensible", "valueSet": "http://example.org/ValueSet/a|1", "extension": [maximum]}
    constraint = {"key": "x-1", "severity": "error", "expression": "memberOf('http://example.org/ValueSet/b')"}
    profile = structure(
        "Observation",
        element(
            "Observation.subject", type=[{"code": "Reference", "targetProfile": [CORE + "Patient", MADE + "named"]}]
        ),
        element("Observation.code", binding=binding, constraint=[constraint]),
        element("Observation.extension", type=[{"code": "Extension", "profile": [MADE + "e"]}]),
    )

    assert mentions(profile) == {
        MADE + "named",
        MADE + "e",
        "http://example.org/ValueSet/a|1",
        "http://example.org/ValueSet/most",
        "http://example.org/ValueSet/b",
    }


def test_us_core_mentions_its_extensions_and_value_sets() -> None:
    patient_profile = us_core("8.0.0").structure("http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient")
    assert patient_profile is not None

    found = mentions(patient_profile)
    assert "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race" in found
    assert not any(canonical.endswith("StructureDefinition/Organization") for canonical in found)
