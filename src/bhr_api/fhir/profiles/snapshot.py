"""The snapshot of a StructureDefinition as a tree of elements and slices (FHIR R4, elementdefinition.html#id, #path)."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

from bhr_api.fhir.definitions import Resource, is_type, json_names

DEFAULT_SLICE = "@default"


class Element:
    """One ElementDefinition with those beneath it.

    `name` is the last part of the path without `[x]`. `children` are by name; `slices` are those that slice this
    element directly, with their own children. Slices of a slice (re-slicing) are among the slices of that slice.
    """

    def __init__(self, definition: Resource) -> None:
        self.definition = definition
        self.path = str(definition["path"])
        self.id = str(definition.get("id") or self.path)
        self.name: str = self.path.rpartition(".")[2].removesuffix("[x]")
        self.slice_name: str | None = definition.get("sliceName")
        self.children: dict[str, Element] = {}
        self.slices: list[Element] = []

    @property
    def min(self) -> int:
        """The fewest that there may be."""
        return int(self.definition.get("min", 0))

    @property
    def max(self) -> int | None:
        """The most that there may be, None for any number."""
        most = self.definition.get("max", "*")
        return None if most == "*" else int(most)

    @property
    def types(self) -> list[Resource]:
        """ElementDefinition.type, empty where the content of another element is referred to."""
        found: list[Resource] = self.definition.get("type", [])
        return found

    @cached_property
    def type_codes(self) -> frozenset[str]:
        """The codes of the types."""
        return frozenset(_type_code(type_) for type_ in self.types)

    @property
    def content_reference(self) -> str | None:
        """The path of the element whose content this one has, None for most."""
        reference = self.definition.get("contentReference")
        return reference.rpartition("#")[2] if reference else None

    @cached_property
    def fixed(self) -> tuple[Any, Any] | None:
        """fixed[x]: its JSON value and what stands beside it (`_fixedString`)."""
        return self._value_of("fixed")

    @cached_property
    def pattern(self) -> tuple[Any, Any] | None:
        """pattern[x], in the same form."""
        return self._value_of("pattern")

    @property
    def binding(self) -> Resource:
        """ElementDefinition.binding, empty if there is none."""
        found: Resource = self.definition.get("binding", {})
        return found

    def profiles_of(self, code: str) -> list[str]:
        """The profiles of which a value of this type must have one."""
        return [profile for type_ in self.types if _type_code(type_) == code for profile in type_.get("profile", ())]

    def targets_of(self, code: str) -> list[str]:
        """The profiles of which the target of a reference must have one."""
        return [target for type_ in self.types if type_["code"] == code for target in type_.get("targetProfile", ())]

    def _value_of(self, prefix: str) -> tuple[Any, Any] | None:
        for name in self.definition:
            plain = name.removeprefix("_")
            if plain.startswith(prefix):
                return exact(self.definition.get(plain)), exact(self.definition.get(f"_{plain}"))
        return None


def _type_code(type_: Resource) -> str:
    code: str = type_["code"]
    # The ids and urls of elements, and the values of primitives, have FHIRPath's own types in R4's snapshots.
    for extension in type_.get("extension", ()):
        if extension.get("url") == "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type":
            return str(extension.get("valueUrl") or extension.get("valueUri"))
    return "string" if code == "http://hl7.org/fhirpath/System.String" else code


def exact(value: Any) -> Any:
    """Numbers as Decimal, as resources have them, for definitions that were read with floats."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: exact(member) for name, member in value.items()}
    return [exact(member) for member in value] if isinstance(value, list) else value


def tree_of(structure: Resource) -> Element:
    """The root element of the snapshot. ValueError if there is no snapshot."""
    definitions = structure.get("snapshot", {}).get("element", [])
    if not definitions:
        raise ValueError(f"{structure.get('url')} has no snapshot; only profiles with a snapshot can be checked")
    root = Element(definitions[0])
    open_: list[Element] = [root]
    for definition in definitions[1:]:
        element = Element(definition)
        path = element.path.rpartition(".")[0]
        while open_[-1].path != path and len(open_) > 1 and not _is_sibling(element, open_[-1]):
            open_.pop()
        _place(element, open_)
        open_.append(element)
    return root


def _is_sibling(element: Element, last: Element) -> bool:
    return element.slice_name is not None and element.path == last.path


def _place(element: Element, open_: list[Element]) -> None:
    """Put `element` under its parent, or among the slices of the element it slices; the last of `open_` is one of them."""
    name = element.slice_name
    if name is None or (name == element.name and open_[-1].path != element.path):
        open_[-1].children[element.name] = element
        return
    if open_[-1].path != element.path:
        # A slice without the element that it slices, which extensions may leave out.
        base = open_[-1].children.setdefault(element.name, Element(_unsliced(element.definition)))
        open_.append(base)
    while (last := open_[-1].slice_name) is not None and not name.startswith(f"{last}/"):
        open_.pop()
    open_[-1].slices.append(element)


def _unsliced(definition: Resource) -> Resource:
    return {"path": definition["path"], "id": definition.get("id", "").rpartition(":")[0], "min": 0, "max": "*"}


def children_of(element: Element, type_name: str) -> Mapping[str, Element]:
    """The children by the names of R4; `valueQuantity` has become a slice of `value[x]` (profiling.html, the short form)."""
    known = json_names(type_name) if is_type(type_name) else {}
    short = [name for name in element.children if name in known and known[name][0].name != name]
    for name in short:
        one = element.children.pop(name)
        one.slice_name = one.slice_name or name
        choice = one.name = known[name][0].name
        definition = {"path": f"{element.path}.{choice}[x]", "id": f"{element.id}.{choice}[x]"}
        element.children.setdefault(choice, Element(definition)).slices.append(one)
    return element.children


def walked(element: Element) -> Iterator[Element]:
    """The element, its slices and all that is beneath."""
    yield element
    rest: Iterable[Element] = (*element.slices, *element.children.values())
    for one in rest:
        yield from walked(one)


def at_path(root: Element, path: str) -> Element | None:
    """The element of this path or id; the first that is no slice, for a content reference."""
    return next((one for one in walked(root) if path in (one.path, one.id)), None)
