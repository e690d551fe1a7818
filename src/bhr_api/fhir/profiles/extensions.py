"""Extensions wherever they stand, against their definitions (FHIR R4, extensibility.html, defining-extensions.html).

An extension that is not known is a remark: "an extension that is not known may be ignored". One that may change the meaning
of what it stands in is an error: a server that does not understand a modifierExtension must not take the resource.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bhr_api.fhir.definitions import PRIMITIVE_TYPES, Resource, is_resource_type, is_subtype, is_type, json_names
from bhr_api.fhir.profiles.conformance import CORE
from bhr_api.fhir.profiles.findings import NOTHING, Finding, Findings
from bhr_api.fhir.profiles.paths import urls_of
from bhr_api.fhir.profiles.scope import CompiledProfile, Profiles
from bhr_api.fhir.profiles.snapshot import Element
from bhr_api.fhir.profiles.walk import Walk
from bhr_api.fhirpath.compiler import compile_expression
from bhr_api.fhirpath.errors import FHIRPathError
from bhr_api.fhirpath.nodes import Environment, Node

_KINDS = ("extension", "modifierExtension")


@dataclass(frozen=True, slots=True)
class _Place:
    """An object on the way from the resource: its JSON name and value, and the place that holds it."""

    holder: "_Place | None"
    key: str
    value: Any


def extension_findings(resource: Resource, profiles: Profiles, walk: Walk) -> Findings:
    """What is to be said of all extensions of the resource, those of contained resources and entries included."""
    return _Extensions(profiles).within(resource, None, "", walk)


class _Extensions:
    def __init__(self, profiles: Profiles) -> None:
        self.profiles = profiles

    def within(self, value: Mapping[str, Any], holder: _Place | None, key: str, walk: Walk) -> list[Finding]:
        """The findings in an object; paths start at its members."""
        found: list[Finding] = []
        place: _Place | None = None
        for name, member in value.items():
            kind = type(member)
            if kind is dict:
                place = place or _Place(holder, key, value)
                found += self._member(name, member, name, place, walk)
            elif kind is list:
                place = place or _Place(holder, key, value)
                for index, one in enumerate(member):
                    if type(one) is dict:
                        found += self._member(name, one, f"{name}[{index}]", place, walk)
        return found

    def _member(self, name: str, value: Any, segment: str, place: _Place, walk: Walk) -> list[Finding]:
        if "resourceType" in value:
            walk = walk.within_contained(value) if name == "contained" else walk.within_entry(value)
        found: list[Finding] = []
        if name in _KINDS:
            found += self._extension(value, name, place, walk)
        found += self.within(value, place, name, walk)
        if found:
            shown = _segment(segment, place)
            for finding in found:
                finding.within(shown)
        return found

    def _extension(self, value: Any, name: str, place: _Place, walk: Walk) -> Findings:
        url = value["url"]
        if _is_relative(url):
            return self._part(url, place)
        profile = self.definition(url)
        if profile is None:
            return _unknown(url, name)
        if wrong := _misplaced(profile, name, place, walk):
            return [wrong]
        return profile.findings(value, None, walk)

    def definition(self, url: str) -> CompiledProfile | None:
        """The definition of an extension."""
        profile = self.profiles.get(url)
        return profile if profile is not None and profile.structure.get("type") == "Extension" else None

    def _part(self, url: str, place: _Place) -> Findings:
        """A part of a complex extension has a relative url, and is what the definition of the whole says."""
        if place.key not in _KINDS:
            sentence = f"The url of an extension is absolute, but for the parts of another; {url[:80]!r} is not."
            return [Finding("error", "extension", sentence)]
        whole = self._defined(place)
        if whole is None or any(url in urls_of(part) for part in _parts_of(whole)):
            return NOTHING
        sentence = f"The extension {place.value['url'][:200]} has no part {url[:80]!r} ({whole.id})."
        return [Finding("error", "extension", sentence)]

    def _defined(self, place: _Place) -> Element | None:
        """What the definitions say of the extension at this place; None if nothing."""
        url = place.value["url"]
        if not _is_relative(url):
            profile = self.definition(url)
            return profile.root if profile else None
        whole = self._defined(place.holder) if place.holder and place.holder.key in _KINDS else None
        return next((part for part in _parts_of(whole) if url in urls_of(part)), None) if whole else None


def _is_relative(url: str) -> bool:
    return ":" not in url


def _parts_of(extension: Element) -> Sequence[Element]:
    inner = extension.children.get("extension")
    return inner.slices if inner else ()


def _unknown(url: str, name: str) -> Findings:
    shown = url[:200]
    if name == "modifierExtension":
        sentence = (
            f"The modifier extension {shown} is not known here, and what it modifies cannot be understood without it."
        )
        return [Finding("error", "extension", sentence)]
    return [Finding("information", "extension", f"The extension {shown} is not known here, so it was not checked.")]


def _segment(segment: str, place: _Place) -> str:
    """The segment of the path as FHIRPath writes it: choices by type, `_birthDate` as the element itself."""
    name, bracket, index = segment.partition("[")
    plain = name.removeprefix("_")
    type_name = _type_at(place)
    known = json_names(type_name) if type_name else {}
    if plain not in known:
        return plain + bracket + index
    element, code = known[plain]
    return f"{element.name}.ofType({code})" if element.is_choice else plain + bracket + index


def _type_at(place: _Place) -> str | None:
    """The type of the object at this place; None if R4 knows none."""
    if "resourceType" in place.value:
        return str(place.value["resourceType"])
    if place.holder is None:
        return None
    holder_type = _type_at(place.holder)
    known = json_names(holder_type).get(place.key.removeprefix("_")) if holder_type else None
    return known[1] if known else None


# Where an extension may stand


def _misplaced(profile: CompiledProfile, name: str, place: _Place, walk: Walk) -> Finding | None:
    structure = profile.structure
    is_modifier = bool(profile.root.definition.get("isModifier"))
    if is_modifier != (name == "modifierExtension"):
        right = "modifierExtension" if is_modifier else "extension"
        sentence = f"The extension {structure['url']} belongs into {right}, not into {name} ({_name(structure)})."
        return Finding("error", "extension", sentence)
    contexts = structure.get("context", ())
    if not contexts or any(_is_at(context, place, walk) for context in contexts):
        return None
    allowed = ", ".join(context["expression"] for context in contexts)
    sentence = f"The extension {structure['url']} is not allowed here, but only at {allowed} ({_name(structure)})."
    return Finding("error", "extension", sentence)


def _name(structure: Resource) -> str:
    return str(structure.get("title") or structure.get("name") or structure["url"])


def _is_at(context: Resource, place: _Place, walk: Walk) -> bool:
    kind, expression = context["type"], context["expression"]
    if kind == "extension":
        return _is_in_extension(expression, place)
    if kind == "fhirpath":
        return _is_selected(expression, place, walk)
    # defining-extensions.html#context: an element id, perhaps in a named profile, of which then the path must do.
    wanted = expression.rpartition("#")[2].removeprefix(CORE)
    # R4's examples have extensions for Element at the root of a resource too (cqf-library in a Questionnaire).
    return wanted == "Element" or wanted in set(_names_of(place)) or _has_type(place, wanted)


def _is_in_extension(url: str, place: _Place) -> bool:
    outer, _, inner = url.partition("#")
    if place.key not in _KINDS:
        return False
    if not inner:
        return bool(place.value.get("url") == outer)
    holder = place.holder
    return place.value.get("url") == inner and holder is not None and holder.value.get("url") == outer


def _is_selected(expression: str, place: _Place, walk: Walk) -> bool:
    resource = walk.holder
    node = Node(resource["resourceType"], resource)
    try:
        found = compile_expression(expression, node.type).evaluate(
            [node], Environment(resource=node, root=Node(walk.root["resourceType"], walk.root), context=[node])
        )
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, FHIRPathError):
        # Whether the context is right cannot be told, and a guess must refuse nothing.
        return True
    return any(one.value is place.value or one.companion is place.value for one in found)


def _has_type(place: _Place, wanted: str) -> bool:
    actual = _type_at(place)
    return actual is not None and is_type(wanted) and is_subtype(actual, wanted)


def _names_of(place: _Place) -> Iterable[str]:
    """The paths that name the object: from its resource, and from each data type on the way (`HumanName.family`)."""
    tails: Sequence[str] = ("",)
    current: _Place | None = place
    while current is not None:
        type_name = _type_at(current)
        if type_name is not None:
            for start in _names_of_type(type_name):
                yield from (f"{start}{tail}" for tail in tails)
        if type_name is None or is_resource_type(type_name) or current.holder is None:
            return
        tails = [f".{key}{tail}" for key in _keys_of(current) for tail in tails]
        current = current.holder


def _names_of_type(type_name: str) -> Sequence[str]:
    return (type_name,) if type_name not in PRIMITIVE_TYPES else ()


def _keys_of(place: _Place) -> Sequence[str]:
    """`valueQuantity` is also value and value[x]."""
    plain = place.key.removeprefix("_")
    holder_type = _type_at(place.holder) if place.holder else None
    known = json_names(holder_type).get(plain) if holder_type else None
    if known is None or not known[0].is_choice:
        return (plain,)
    return (plain, known[0].name, f"{known[0].name}[x]")
