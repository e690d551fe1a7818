"""Which slice an element is in (FHIR R4, profiling.html#discriminator).

Discriminators of types value, pattern, exists, type and profile. A slice without discriminator is told by its whole content.
"""

from collections.abc import Callable, Iterable, Sequence, Set
from typing import Any

from bhr_api.fhir.definitions import Resource, is_resource_type, is_subtype
from bhr_api.fhir.profiles.bindings import membership_test
from bhr_api.fhir.profiles.conformance import core_type
from bhr_api.fhir.profiles.findings import has_error
from bhr_api.fhir.profiles.matching import Match, containing, exactly
from bhr_api.fhir.profiles.paths import Place, Step, places, selected, steps_of, urls_of
from bhr_api.fhir.profiles.references import fault_of, types_of
from bhr_api.fhir.profiles.scope import Scope
from bhr_api.fhir.profiles.snapshot import Element
from bhr_api.fhir.profiles.walk import Walk
from bhr_api.fhirpath.nodes import Node, children

Test = Callable[[Any, Any, str, Walk], bool | None]
"""(value, companion, type code, walk) -> whether the element is in the slice; None if that cannot be known."""

_NodeTest = Callable[[Node, Walk], bool | None]

_IMPLIED = {
    "extension": [{"type": "value", "path": "url"}],
    "modifierExtension": [{"type": "value", "path": "url"}],
}


def discriminators_of(sliced: Element) -> Sequence[Resource]:
    """The discriminators; those that R4 implies for extensions (by url) and choices (by type) if none are given."""
    stated: Sequence[Resource] = sliced.definition.get("slicing", {}).get("discriminator", ())
    if stated:
        return stated
    if sliced.path.endswith("[x]"):
        return [{"type": "type", "path": "$this"}]
    return _IMPLIED.get(sliced.name, ())


def slice_test(sliced: Element, one: Element, scope: Scope) -> Test | None:
    """Whether an element is in the slice `one` of `sliced`; None without any discriminator."""
    tests = [_test(each["type"], each["path"], one, scope) for each in discriminators_of(sliced)]
    if len(tests) < 2:
        return tests[0] if tests else None

    def test(value: Any, companion: Any, code: str, walk: Walk) -> bool | None:
        return _all(each(value, companion, code, walk) for each in tests)

    return test


def _all(answers: Iterable[bool | None]) -> bool | None:
    found: bool | None = True
    for answer in answers:
        if answer is False:
            return False
        found = found and answer
    return found


def _any(answers: Iterable[bool | None]) -> bool | None:
    found: bool | None = False
    for answer in answers:
        if answer:
            return True
        if answer is None:
            found = None
    return found


def _unknown(_value: Any, _companion: Any, _code: str, _walk: Walk) -> bool | None:
    return None


def _test(kind: str, path: str, one: Element, scope: Scope) -> Test:
    if path == "url" and kind in ("value", "pattern") and one.name in ("extension", "modifierExtension"):
        urls = urls_of(one)
        return lambda value, _companion, _code, _walk: value.get("url") in urls
    try:
        steps = steps_of(path)
    except ValueError:
        return _unknown
    if kind == "type" and not steps:
        return _of_own_type(one)
    defined = places(steps, one, scope)
    if kind in ("value", "pattern"):
        return _at(steps, _value_test(defined, scope))
    if kind == "type":
        return _at(steps, _type_test(defined, scope))
    if kind == "profile":
        return _at(steps, _profile_test(defined, scope))
    return _exists(steps, defined) if kind == "exists" else _unknown


def _of_own_type(one: Element) -> Test:
    return lambda _value, _companion, code, _walk: takes(one, code)


def takes(element: Element, code: str) -> bool:
    """Whether the element may have this type. A type stands for those that specialize it among resources only.

    A choice of string has no code, and one of Quantity no Age: their properties are others.
    """
    codes = element.type_codes
    if code in codes or not codes:
        return True
    return is_resource_type(code) and any(is_subtype(code, each) for each in codes)


def _at(steps: tuple[Step, ...], test: _NodeTest | None) -> Test:
    if test is None:
        return _unknown
    if not steps:
        return lambda value, companion, code, walk: test(Node(code, value, companion), walk)

    def check(value: Any, companion: Any, code: str, walk: Walk) -> bool | None:
        return _any(test(node, walk) for node in selected(steps, Node(code, value, companion), walk))

    return check


# value and pattern


def _value_test(defined: Sequence[Place], scope: Scope) -> _NodeTest | None:
    return _any_of([test for place in defined if (test := _place_test(place, scope))])


def _any_of(tests: Sequence[_NodeTest]) -> _NodeTest | None:
    if len(tests) < 2:
        return tests[0] if tests else None
    return lambda node, walk: _any(test(node, walk) for test in tests)


def _place_test(place: Place, scope: Scope) -> _NodeTest | None:
    if place.given:
        given = [containing((one, None)) for one in place.given]
        return lambda node, _walk: any(is_right(node.value, None) for is_right in given)
    return None if place.element is None else _element_test(place.element, scope)


def _element_test(element: Element, scope: Scope, within: Set[str] = frozenset()) -> _NodeTest | None:
    """What the element's definition fixes: itself, by a required value set, or in its children or its profile.

    `within` are the profiles that the element was reached through; one that leads back to itself says nothing more.
    """
    if element.fixed:
        return _matched(exactly(element.fixed))
    if element.pattern:
        return _matched(containing(element.pattern))
    needed = [(name, one) for name, child in element.children.items() for one in (child, *child.slices) if one.min > 0]
    tests = [(name, test) for name, one in needed if (test := _element_test(one, scope, within))]
    if tests:
        return lambda node, walk: _all(
            _any(test(one, walk) for one in _named(node, name, walk)) for name, test in tests
        )
    if element.binding.get("strength") == "required" and "valueSet" in element.binding:
        is_member = membership_test(element.binding["valueSet"], scope.profiles.conformance)
        return lambda node, _walk: is_member(node.value, node.type)
    profiles = [one for type_ in element.types for one in type_.get("profile", ()) if one not in within]
    roots = [(one, found.root) for one in profiles if (found := scope.profiles.get(one)) is not None]
    return _any_of([test for one, root in roots if (test := _element_test(root, scope, within | {one}))])


def _matched(is_right: Match) -> _NodeTest:
    return lambda node, _walk: is_right(node.value, node.companion)


def _named(node: Node, name: str, walk: Walk) -> Iterable[Node]:
    return selected((Step("name", name),), node, walk)


# type, profile, exists


def _type_test(defined: Sequence[Place], scope: Scope) -> _NodeTest | None:
    codes: set[str] = set()
    for place in defined:
        if place.targets:
            codes |= types_of(place.targets, scope) or {"Resource"}
        elif place.element is not None:
            codes |= place.element.type_codes
    if not codes:
        return None
    return lambda node, _walk: any(is_subtype(node.type, code) for code in codes)


def _profile_test(defined: Sequence[Place], scope: Scope) -> _NodeTest | None:
    profiles = [profile for place in defined for profile in _profiles_at(place)]
    if not profiles:
        return None
    return lambda node, walk: _any(_has_profile(node, profile, scope, walk) for profile in profiles)


def _profiles_at(place: Place) -> Sequence[str]:
    if place.targets:
        return place.targets
    return [] if place.element is None else [one for type_ in place.element.types for one in type_.get("profile", ())]


def _has_profile(node: Node, canonical: str, scope: Scope, walk: Walk) -> bool | None:
    if core := core_type(canonical):
        return is_subtype(node.type, core)
    profile = scope.profiles.get(canonical)
    if profile is None:
        return None
    if not is_subtype(node.type, profile.structure["type"]):
        return False
    if node.value is None and node.companion is None:
        # A target that is not at hand may have the profile: only its type is known.
        return None
    if isinstance(node.value, dict) and "resourceType" in node.value and node.value is not walk.holder:
        return fault_of(node.value, profile, walk.within_entry(node.value)) is None
    return not has_error(profile.findings(node.value, node.companion, walk))


def _exists(steps: tuple[Step, ...], defined: Sequence[Place]) -> Test:
    elements = [place.element for place in defined if place.element is not None]
    if not elements or all(element.min == 0 and element.max != 0 for element in elements):
        return _unknown
    is_wanted = any(element.max != 0 for element in elements)

    def test(value: Any, companion: Any, code: str, walk: Walk) -> bool | None:
        node = Node(code, value, companion)
        found = selected(steps, node, walk) if steps else children(node)
        return bool(found) == is_wanted

    return test
