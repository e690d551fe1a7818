"""The elements of a profile as checks, each compiled when it is first met (FHIR R4, elementdefinition.html, profiling.html).

What R4 itself demands is not checked again, nor what the unsliced element demands again in its slices.
"""

from collections.abc import Sequence
from typing import Any

from bhr_api.fhir.definitions import (
    PRIMITIVE_TYPES,
    ElementDefinition,
    elements_of,
    is_resource_type,
    is_type,
)
from bhr_api.fhir.profiles.bindings import compile_bindings
from bhr_api.fhir.profiles.conformance import core_type
from bhr_api.fhir.profiles.constraints import added_constraints, compile_constraints
from bhr_api.fhir.profiles.discriminators import Test, slice_test, takes
from bhr_api.fhir.profiles.findings import (
    NOTHING,
    Finding,
    Findings,
    Item,
    ItemCheck,
    MemberCheck,
    has_error,
)
from bhr_api.fhir.profiles.members import Reader, reader_of
from bhr_api.fhir.profiles.references import compile_targets
from bhr_api.fhir.profiles.scope import Scope
from bhr_api.fhir.profiles.slicing import GroupCheck, Slice, compile_slicing
from bhr_api.fhir.profiles.snapshot import Element, at_path, children_of
from bhr_api.fhir.profiles.type_profiles import compile_profiles
from bhr_api.fhir.profiles.values import compile_values
from bhr_api.fhir.profiles.walk import Walk

_FACETS = ("fixed", "_fixed", "pattern", "_pattern", "minValue", "maxValue", "maxLength", "binding")


def compile_object(element: Element, type_name: str, scope: Scope, general: Element | None) -> tuple[MemberCheck, ...]:
    """The checks of the children of an element of `type_name`.

    `general` is the unsliced element that `element` or an ancestor is a slice of; what it says is checked there.
    """
    source = _content_of(element, scope)
    known = elements_of(type_name) if is_type(type_name) else {}
    others = children_of(_content_of(general, scope), type_name) if general else {}
    checks = []
    for name, child in children_of(source, type_name).items():
        # What R4 does not have (elements that some distributions add to its types) cannot be in a valid resource.
        if name in known and (check := _member(child, known[name], type_name, scope, others.get(name))):
            checks.append(check)
    return tuple(checks)


def _content_of(element: Element, scope: Scope) -> Element:
    if element.content_reference and not element.children:
        return at_path(scope.root, element.content_reference) or element
    return element


# Members


def _member(
    element: Element, base: ElementDefinition, type_name: str, scope: Scope, general: Element | None
) -> MemberCheck | None:
    """The check of all elements of one name in an object; None if the profile says no more than R4 and `general`."""
    least = element.min if element.min > max(base.min, general.min if general else 0) else 0
    most = element.max if element.max is not None and element.max != base.max else None
    if general is not None and general.max == element.max:
        most = None
    group = _slicing(element, base, scope)
    content = None if _says_nothing(element, base, scope, general) else Content(element, base, scope, general)
    if not (least or most is not None or group or content):
        return None
    return _checked(element, base, reader_of(base, type_name), scope, least, most, content, group)


def _checked(
    element: Element,
    base: ElementDefinition,
    read: Reader,
    scope: Scope,
    least: int,
    most: int | None,
    content: "Content | None",
    group: GroupCheck | None,
) -> MemberCheck:
    name, label = element.name, scope.label(element)
    missing = f"{name} is missing; at least {least} must be given {label}."
    few = f"There are too few {name}; at least {least} must be given {label}."
    many = f"There are too many {name}; {most} is the most {label}." if most else f"{name} is not allowed {label}."

    def check(holder: Any, walk: Walk) -> Findings:
        items = read(holder)
        if not items:
            if least:
                return [Finding("error", "required", missing, name)]
            return group(items, walk) if group else NOTHING
        found: list[Finding] = []
        if len(items) < least:
            found.append(Finding("error", "required", few, name))
        if most is not None and len(items) > most:
            found.append(Finding("error", "structure", many, items[most][0]))
            if not most:
                return found
        if content is not None:
            for item in items:
                found += content(item, walk)
        # A value of a type that the element does not have is told as that, not as missing from the slices too.
        if group is not None and not (base.is_choice and not takes(element, items[0][3])):
            found += group(items, walk)
        return found

    return check


def _says_nothing(element: Element, base: ElementDefinition, scope: Scope, general: Element | None) -> bool:
    """Whether there is surely nothing to check in the elements themselves, so that they need not even be read."""
    if element.children or (element.content_reference and general is None):
        return False
    if any(name.startswith(_FACETS) for name in element.definition):
        return False
    if any(not core_type(profile) for type_ in element.types for profile in type_.get("profile", ())):
        return False
    if compile_targets(element, scope, base, general):
        return False
    is_narrower = (base.is_choice or is_resource_type(base.types[0])) and not element.type_codes >= set(base.types)
    return not is_narrower and not any(added_constraints(element, code, base, general) for code in base.types)


# Elements


_Checks = tuple[tuple[ItemCheck, ...], bool]


class Content:
    """The check of one element, by the type that it has."""

    def __init__(self, element: Element, base: ElementDefinition | None, scope: Scope, general: Element | None) -> None:
        self.element = element
        self.base = base
        self.scope = scope
        self.general = general
        self._by_type: dict[str, _Checks] = {}

    def __call__(self, item: Item, walk: Walk) -> Findings:
        """What is wrong with the element and beneath it; paths start at its holder."""
        segment, value, companion, code = item
        checks, is_resource = self._by_type.get(code) or self._compile(code)
        if not checks:
            return NOTHING
        if is_resource:
            walk = walk.within_contained(value) if self.element.name == "contained" else walk.within_entry(value)
        found: list[Finding] = []
        for check in checks:
            if problems := check(value, companion, walk):
                found += [finding.within(segment) for finding in problems]
        return found

    def inner(self, value: Any, companion: Any, code: str, walk: Walk) -> Findings:
        """The same for the root of a profile; paths start at the value."""
        checks, _ = self._by_type.get(code) or self._compile(code)
        found: list[Finding] = []
        for check in checks:
            if problems := check(value, companion, walk):
                found += problems
        return found

    def _compile(self, code: str) -> _Checks:
        compiled = self._by_type[code] = (self._compiled(code), is_type(code) and is_resource_type(code))
        return compiled

    def _compiled(self, code: str) -> tuple[ItemCheck, ...]:
        element, scope, general = self.element, self.scope, self.general
        if self.base is not None and (wrong := _type_check(element, self.base, code, scope, general)):
            return (wrong,)
        own = compile_own(element, code, scope, self.base, general)
        if members := compile_object(element, code, scope, general):
            own.append(_children_check(members, code))
        return (*own, *compile_constraints(element, code, scope, self.base, general))


def compile_own(
    element: Element, code: str, scope: Scope, base: ElementDefinition | None, general: Element | None
) -> list[ItemCheck]:
    """The checks of the element itself, without its children."""
    checks = compile_values(element, code, scope, general)
    checks += compile_bindings(element, code, scope, base, general)
    if code == "Reference":
        checks += compile_targets(element, scope, base, general)
    checks += compile_profiles(element, code, scope, base, general)
    return checks


def _children_check(members: Sequence[MemberCheck], code: str) -> ItemCheck:
    is_primitive = code in PRIMITIVE_TYPES

    def check(value: Any, companion: Any, walk: Walk) -> Findings:
        holder = (companion or {}) if is_primitive else value
        found: list[Finding] = []
        for member in members:
            if problems := member(holder, walk):
                found += problems
        return found

    return check


def _type_check(
    element: Element, base: ElementDefinition, code: str, scope: Scope, general: Element | None
) -> ItemCheck | None:
    """The finding that this type is not among those of the element; None if it is."""
    if not (base.is_choice or is_resource_type(base.types[0])) or takes(element, code):
        return None
    if general is not None and not takes(general, code):
        return lambda _value, _companion, _walk: NOTHING
    wanted = ", ".join(sorted(element.type_codes))
    sentence = f"{element.name} is of type {code}, but must be {wanted} {scope.label(element)}."
    return lambda _value, _companion, _walk: [Finding("error", "structure", sentence)]


# Slices


def _slicing(element: Element, base: ElementDefinition, scope: Scope) -> GroupCheck | None:
    """The check of an element's slices, compiled when it is first needed; None if there are none."""
    if not element.slices:
        return None
    compiled: list[GroupCheck] = []

    def check(items: Sequence[Item], walk: Walk) -> Findings:
        if not compiled:
            slices = [_slice(element, one, base, scope) for one in element.slices]
            compiled.append(compile_slicing(element, slices, scope.label))
        return compiled[0](items, walk)

    return check


def _slice(sliced: Element, one: Element, base: ElementDefinition, scope: Scope) -> Slice:
    content = Content(one, base, scope, sliced)
    test = slice_test(sliced, one, scope) or _by_content(content)
    return Slice(one, test, content, _slicing(one, base, scope))


def _by_content(content: Content) -> Test:
    def test(value: Any, companion: Any, code: str, walk: Walk) -> bool | None:
        return not has_error(content(("", value, companion, code), walk))

    return test
