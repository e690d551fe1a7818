"""Valid resources with something wrong somewhere: elements removed, replaced, repeated, moved or renamed at random."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from bhr_api.fhir.definitions import Resource
from bhr_api.samples import client_record

# One resource of each type of a sample client.
SAMPLES: list[Resource] = list({one["resourceType"]: one for one in client_record(1)}.values())

SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(
        ["", " ", "0000", "9999-12-31T23:59:60+14:00", "Patient/", "#", "urn:uuid:x", "http://", "<div>", "a" * 5000]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)

Place = tuple[Any, str | int]


def places(node: Any) -> Iterator[Place]:
    """Every member and item inside `node`, as its holder and its name or position."""
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in list(members):
        yield node, name
        yield from places(value)


@st.composite
def mutated(draw: st.DrawFn, resources: list[Resource]) -> Resource:
    """One of `resources` after one to four mutations."""
    resource = copy.deepcopy(draw(st.sampled_from(resources)))
    for _ in range(draw(st.integers(1, 4))):
        found = list(places(resource))
        if not found:
            break
        holder, name = draw(st.sampled_from(found))
        if name == "resourceType" and holder is resource and draw(st.booleans()):
            continue
        _mutate(draw, holder, name, draw(st.sampled_from(found)))
    return resource


def _mutate(draw: st.DrawFn, holder: Any, name: Any, other: Place) -> None:
    value = holder[name]
    kind = draw(st.sampled_from(["remove", "replace", "repeat", "wrap", "move", "rename"]))
    if kind == "remove":
        del holder[name]
    elif kind == "replace":
        holder[name] = draw(VALUES)
    elif kind == "repeat":
        if isinstance(holder, list):
            holder.insert(name, copy.deepcopy(value))
        else:
            holder[name] = [value, copy.deepcopy(value)]
    elif kind == "wrap":
        holder[name] = draw(st.sampled_from([[value], {"value": value}, {"extension": [value]}]))
    elif kind == "move":
        elsewhere, place = other
        elsewhere[place] = copy.deepcopy(value)
    elif isinstance(holder, dict):
        holder[draw(st.sampled_from([f"_{name}", f"{name}x", name.upper(), "valueString", "extension", "id"]))] = (
            holder.pop(name)
        )
