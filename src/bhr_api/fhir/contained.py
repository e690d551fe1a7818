"""Contained resources: dom-2 to dom-5 (FHIR R4, references.html#contained and domainresource.html)."""

from collections.abc import Iterator, Mapping
from typing import Any

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource, json_names
from bhr_api.fhir.problems import Problem

_LINKS = frozenset({"uri", "url", "canonical"})


def by_id(container: Resource) -> Mapping[str, Resource]:
    """The contained resources of `container` that have an id; the first of several with one id."""
    contained = container.get("contained")
    if not isinstance(contained, list):
        return {}
    return {one["id"]: one for one in reversed(contained) if isinstance(one, dict) and isinstance(one.get("id"), str)}


def problems_of(container: Resource) -> list[Problem]:
    """The rules of containment that `container` breaks; shapes that are wrong otherwise are passed over."""
    contained = container.get("contained")
    if not contained or not isinstance(contained, list):
        return []
    resources = [(index, one) for index, one in enumerate(contained) if _is_resource(one)]
    found: list[Problem] = []
    links = set(_links(container, container["resourceType"]))
    ids: set[Any] = set()
    for index, resource in resources:
        path = f"contained[{index}]"
        found += _content_problems(resource, path)
        found += _link_problems(resource, path, links, ids)
    return found


def _is_resource(value: Any) -> bool:
    name = value.get("resourceType") if isinstance(value, dict) else None
    return isinstance(name, str) and name in RESOURCE_TYPE_NUMBERS


def _content_problems(resource: Resource, path: str) -> Iterator[Problem]:
    if "contained" in resource:
        yield Problem("invariant", "A contained resource contains another; dom-2 forbids it.", f"{path}.contained")
    meta = resource.get("meta")
    if isinstance(meta, dict):
        for name in ("versionId", "lastUpdated"):
            if name in meta:
                yield Problem("invariant", f"A contained resource has no meta.{name} (dom-4).", f"{path}.meta.{name}")
        if "security" in meta:
            sentence = "A contained resource has no security labels; label the container (dom-5)."
            yield Problem("invariant", sentence, f"{path}.meta.security")


def _link_problems(resource: Resource, path: str, links: set[str], ids: set[Any]) -> Iterator[Problem]:
    id = resource.get("id")
    if not isinstance(id, str):
        # references.html#contained: the id is what the container refers to it by.
        yield Problem("invariant", "A contained resource needs an id that is referred to as '#id' (dom-3).", path)
        return
    if id in ids:
        sentence = f"Two contained resources have the id {id[:64]!r}; ids are unique in a container."
        yield Problem("value", sentence, f"{path}.id")
    ids.add(id)
    if f"#{id}" not in links and "#" not in _links(resource, resource["resourceType"]):
        sentence = f"Nothing refers to the contained resource '#{id[:64]}', nor does it refer to its container (dom-3)."
        yield Problem("invariant", sentence, path)


def _links(value: Resource, type_name: str) -> Iterator[str]:
    """The texts within `value` that may name a contained resource: references, uris, urls and canonicals."""
    members = json_names(type_name)
    for name, content in value.items():
        if name not in members:
            continue
        code = members[name][1]
        for one in content if isinstance(content, list) else (content,):
            if isinstance(one, str):
                if one.startswith("#") and (code in _LINKS or (type_name, name) == ("Reference", "reference")):
                    yield one
            elif _is_resource(one) and code == "Resource":
                yield from _links(one, one["resourceType"])
            elif isinstance(one, dict) and code != "Resource":
                yield from _links(one, code)
