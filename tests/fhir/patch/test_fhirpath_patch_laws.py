"""What holds of FHIRPath Patch for any Patient, path and patch."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bhr_api.fhir.json_text import dumps
from bhr_api.fhir.patch.fhirpath_patch import apply_patch
from bhr_api.fhir.patch.located_resource import LocatedResource
from bhr_api.fhirpath.compiler import compile_expression
from bhr_api.fhirpath.nodes import children, resource_node
from tests.fhir.patch.json_samples import status_of, values
from tests.fhir.patch.patch_samples import Json, operation, patch_of

# Few texts, so that equal ones stand at several places.
texts = st.sampled_from(["a", "b"])
companions = st.fixed_dictionaries(
    {"extension": st.just([{"url": "http://example.org/note", "valueString": "a"}])}, optional={"id": texts}
)


def without_nothing(item: Json) -> Json:
    return {name: value for name, value in item.items() if value not in (None, [], {})}


@st.composite
def human_names(draw: st.DrawFn) -> Json:
    pairs = draw(st.lists(st.sampled_from(["value", "both", "companion"]), max_size=4))
    given_names = [draw(texts) if kind != "companion" else None for kind in pairs]
    beside = [draw(companions) if kind != "value" else None for kind in pairs]
    name: Json = {"family": draw(texts | st.none()), "_family": draw(companions | st.none())}
    name |= {"given": given_names if any(given_names) else None, "_given": beside if any(beside) else None}
    return without_nothing(name)


contacts = st.fixed_dictionaries({"gender": st.just("male")}, optional={"name": human_names()}).map(without_nothing)
patients = st.fixed_dictionaries(
    {"resourceType": st.just("Patient"), "id": texts},
    optional={
        "birthDate": st.just("1920-01-01"),
        "_birthDate": companions,
        "name": st.lists(human_names().filter(bool), min_size=1, max_size=3),
        "contact": st.lists(contacts, min_size=1, max_size=2),
        "multipleBirthInteger": st.integers(1, 2),
    },
)


def places(value: Any, path: str, keys: tuple[Any, ...] = ()) -> list[tuple[str, tuple[Any, ...]]]:
    """(FHIRPath, JSON keys) of every text and number in a resource, found without FHIRPath."""
    if isinstance(value, dict):
        return [
            found
            for name, content in value.items()
            if not name.startswith("_") and name not in ("resourceType", "id")
            for found in places(content, f"{path}.{name}", (*keys, name))
        ]
    if isinstance(value, list):
        return [found for at, item in enumerate(value) for found in places(item, f"{path}[{at}]", (*keys, at))]
    return [] if value is None else [(path.replace("multipleBirthInteger", "multipleBirth"), keys)]


@given(patients, st.data())
def test_replacing_equals_setting_it_by_hand(patient: Json, data: st.DataObject) -> None:
    found = places(patient, "Patient")
    if not found:
        return
    path, keys = data.draw(st.sampled_from(found))
    by_hand, before = deepcopy(patient), deepcopy(patient)
    holder: Any = by_hand
    for key in keys[:-1]:
        holder = holder[key]
    value = {"birthDate": "1930-01-01", "multipleBirthInteger": 7}.get(keys[-1], "z")
    key = {"birthDate": "valueDate", "multipleBirthInteger": "valueInteger"}.get(keys[-1], "valueString")
    holder[keys[-1]] = value
    assert apply_patch(patient, patch_of(operation("replace", path, value={key: value}))) == by_hand
    assert patient == before


@given(patients, st.data())
def test_deleting_takes_an_element_and_its_companion(patient: Json, data: st.DataObject) -> None:
    lists = [
        (f"Patient.name[{at}].given", name) for at, name in enumerate(patient.get("name", ())) if length_of(name) > 1
    ]
    if not lists:
        return
    path, name = data.draw(st.sampled_from(lists))
    index = data.draw(st.integers(0, length_of(name) - 1))
    patched = apply_patch(patient, patch_of(operation("delete", f"{path}[{index}]")))
    expected = pairs_of(name)
    del expected[index]
    position = next(at for at, each in enumerate(patient["name"]) if each is name)
    assert pairs_of(patched["name"][position]) == expected


def length_of(name: Json) -> int:
    return max(len(name.get("given", ())), len(name.get("_given", ())))


def pairs_of(name: Json) -> list[tuple[Any, Any]]:
    """The given names with their companions."""
    nothing = [None] * length_of(name)
    return list(zip(name.get("given", nothing), name.get("_given", nothing), strict=True))


@given(patients)
def test_a_patch_of_nothing_gives_the_same_text(patient: Json) -> None:
    assert dumps(apply_patch(patient, patch_of())) == dumps(patient)


@given(patients)
def test_fhirpath_finds_the_same_with_places_as_without(patient: Json) -> None:
    located = LocatedResource(patient)
    waiting = [(resource_node(patient), resource_node(located.root))]
    while waiting:
        plain, placed = waiting.pop()
        ours, theirs = children(plain), children(placed)
        assert [(each.type, is_primitive(each.value) and each.value) for each in ours] == [
            (each.type, is_primitive(each.value) and each.value) for each in theirs
        ]
        assert all(located.home_of(each) is not None for each in theirs)
        waiting += zip(ours, theirs, strict=True)
    for text in (
        "Patient.name.given.isDistinct()",
        "Patient.name = Patient.contact.name",
        "(name | contact.name).count()",
    ):
        expression = compile_expression(text, "Patient")
        assert [each.value for each in expression(patient)] == [each.value for each in expression(located.root)]


def is_primitive(value: Any) -> bool:
    return not isinstance(value, dict)


paths = st.sampled_from(
    [
        "Patient",
        "Patient.id",
        "Patient.id.id",
        "Patient.birthDate",
        "Patient.birthDate.extension",
        "Patient.birthDate.extension.value",
        "Patient.name",
        "Patient.name[0]",
        "Patient.name.where(family = 'a')",
        "Patient.name.given",
        "Patient.name[0].given[0].extension[0]",
        "Patient.name.given.first().extension.url",
        "Patient.contact.name.given.last()",
        "Patient.contact[0].name",
        "Patient.multipleBirth",
        "Patient.children()",
        "Patient.name.given & 'x'",
        "Patient.name.family.upper() + 1",
        "Patient.birthDate - 1 'day'",
        "-Patient.name",
        "1 / 0",
        "$this",
        "%resource.name",
        "Patient.name[",
    ]
) | st.text(max_size=5)
parts = st.sampled_from(
    [
        {"valueString": "a"},
        {"valueDate": "1930-01-01"},
        {"valueInteger": 3},
        {"valueHumanName": {"given": ["a"], "_given": [{"id": "a"}]}},
        {"_valueString": {"extension": [{"url": "a", "valueCode": "a"}]}},
        {"part": [{"name": "url", "valueUri": "a"}, {"name": "value", "valueString": "a"}]},
        {"part": [{"name": "given", "valueString": "a"}, {"name": "given", "valueString": "b"}]},
        {"resource": {"resourceType": "Patient", "contained": [{"resourceType": "Basic"}]}},
        {"resource": {"resourceType": "Basic", "id": "a"}},
        {"valueReference": {"reference": "#a"}},
    ]
)
sensible_names = st.sampled_from(
    ["name", "given", "extension", "multipleBirth", "multipleBirthDateTime", "birthDate", "id"]
)
indexes = st.integers(0, 2)
operations = st.one_of(
    st.builds(lambda path, name, value: operation("add", path, name=name, value=value), paths, sensible_names, parts),
    st.builds(lambda path, index, value: operation("insert", path, index=index, value=value), paths, indexes, parts),
    st.builds(lambda path: operation("delete", path), paths),
    st.builds(lambda path, value: operation("replace", path, value=value), paths, parts),
    st.builds(lambda path, a, b: operation("move", path, source=a, destination=b), paths, indexes, indexes),
)
raw_parts = st.dictionaries(
    st.sampled_from(["name", "valueString", "valueCode", "valueInteger", "part", "resource", "_valueString"]),
    values | st.sampled_from(["type", "path", "value", "index", "add", "insert", "Patient.name"]),
)
documents = st.one_of(
    st.lists(operations, max_size=6).map(lambda some: patch_of(*some)),
    st.lists(raw_parts, max_size=4).map(
        lambda some: {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": some}]}
    ),
    st.fixed_dictionaries({"resourceType": st.just("Parameters")}, optional={"parameter": values}),
    values,
)


@given(patients, documents)
def test_no_patch_does_more_than_apply_or_be_refused(patient: Json, document: Any) -> None:
    before, document_before = deepcopy(patient), deepcopy(document)
    assert status_of(lambda: apply_patch(patient, document)) in (200, 400, 422)
    assert (patient, document) == (before, document_before)


@given(patients, st.lists(operations, min_size=1, max_size=6))
def test_what_comes_out_has_neither_empty_parts_nor_uneven_arrays(patient: Json, some: list[Json]) -> None:
    patched: list[Json] = []
    status_of(lambda: patched.append(apply_patch(patient, patch_of(*some))))
    for outcome in patched:
        check_shape(outcome)


def check_shape(value: Any) -> None:
    if isinstance(value, dict):
        assert value
        for name, content in value.items():
            beside = value.get("_" + name)
            assert not (isinstance(content, list) and isinstance(beside, list)) or len(content) == len(beside)
            assert not isinstance(content, list) or any(item is not None for item in content)
            check_shape(content)
    elif isinstance(value, list):
        for item in value:
            check_shape(item)
