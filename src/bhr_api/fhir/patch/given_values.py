"""The values of FHIRPath Patch: what is given, and as which property it fits (FHIR R4, fhirpatch.html#anonymous).

A value is `value[x]`, a resource, or for types that value[x] does not have a list of parts, each named for an element.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bhr_api.fhir.definitions import (
    PRIMITIVE_TYPES,
    ElementDefinition,
    Resource,
    is_resource_type,
    is_subtype,
    json_names,
)
from bhr_api.fhir.patch.located_resource import Content
from bhr_api.fhir.patch.refusals import inapplicable, malformed, shown


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was given at `place`; `type` is None when it is a list of `parts`."""

    place: str
    type: str | None
    content: Content
    parts: tuple[tuple[str, "Given"], ...] = ()


@dataclass(frozen=True, slots=True)
class Fit:
    """A given value as the property `key` of the type that it goes into."""

    element: ElementDefinition
    key: str
    content: Content


def given_in(part: Mapping[str, Any], place: str) -> Given:
    """The value of a Parameters.parameter. Raises `MalformedRequestError` when it has none."""
    for name, (element, code) in json_names("Parameters.parameter").items():
        if element.name == "value" and (name in part or "_" + name in part):
            return Given(place, code, Content(part.get(name), part.get("_" + name)))
    if "resource" in part:
        resource = part["resource"]
        return Given(place, resource["resourceType"], Content(resource))
    if "part" in part:
        parts = [
            (str(inner.get("name")), given_in(inner, f"{place}.part[{index}]"))
            for index, inner in enumerate(part["part"])
        ]
        return Given(place, None, Content(None), tuple(parts))
    raise malformed("The value is missing: give value[x], a resource, or a part for each of its elements.", place)


def fitted(given: Given, holder_type: str, name: str) -> Fit:
    """The value as element `name` of a type; a choice is named by FHIRPath (`value`) or JSON (`valueQuantity`).

    Raises `InvalidResourceError` when there is no such element or the value is not of its type.
    """
    named = {
        key: (element, code)
        for key, (element, code) in json_names(holder_type).items()
        if name in (key, element.name) or (element.is_choice and name == f"{element.name}[x]")
    }
    if not named:
        raise inapplicable(f"{holder_type} has no element {shown(name)}.", given.place, "not-found")
    fitting = [key for key, (_, code) in named.items() if _fits(given, code)]
    exact = [key for key in fitting if named[key][1] == given.type]
    keys = exact or fitting
    if len(keys) != 1:
        raise _misfit(given, name, [code for _, code in named.values()])
    element, code = named[keys[0]]
    return Fit(element, keys[0], given.content if given.type else Content(_built(given, code)))


def _fits(given: Given, code: str) -> bool:
    if given.type is None:
        return code not in PRIMITIVE_TYPES and not is_resource_type(code)
    if is_resource_type(given.type) or is_resource_type(code):
        return is_subtype(given.type, code)
    # Parameters has no valueXhtml; a narrative comes as a string.
    if code == "xhtml":
        return given.type == "string"
    # A string may stand for a code and a code for a string: one is a specialization of the other.
    return is_subtype(given.type, code) or is_subtype(code, given.type)


def _misfit(given: Given, name: str, codes: list[str]) -> Exception:
    what = "a list of parts" if given.type is None else given.type
    sentence = f"{shown(name)} takes {', '.join(codes)}, not {what}."
    if given.type is None and len(codes) > 1:
        sentence = f"{shown(name)} has several types; name it by its type, as in valueQuantity, to give parts."
    return inapplicable(sentence, given.place, "value")


def _built(given: Given, type_name: str) -> Resource:
    """The object of this type whose elements are the parts; a part that is named again is the next of a list."""
    built: Resource = {}
    for name, inner in given.parts:
        fit = fitted(inner, type_name, name)
        if fit.element.max != 1:
            built.setdefault(fit.key, []).append(fit.content.value)
            if json_names(type_name)[fit.key][1] in PRIMITIVE_TYPES:
                built.setdefault("_" + fit.key, []).append(fit.content.companion)
        elif present(built, type_name, fit.element.name):
            raise inapplicable(f"{shown(name)} does not repeat, and is given twice.", inner.place, "value")
        else:
            members = {fit.key: fit.content.value, "_" + fit.key: fit.content.companion}
            built.update({key: value for key, value in members.items() if value is not None})
    return built


def present(holder: Mapping[str, Any], type_name: str, name: str) -> bool:
    """Whether an object of this type has the element `name`, as whichever of its types."""
    keys = [key for key, (element, _) in json_names(type_name).items() if element.name == name]
    return any(key in holder or "_" + key in holder for key in keys)
