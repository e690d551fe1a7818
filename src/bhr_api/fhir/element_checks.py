"""Checks of one element: repetition, primitive values and their extensions, bindings, references, constraints.

FHIR R4, json.html#primitive (pairs of `name` and `_name`, null in arrays) and terminologies.html#required.
"""

from collections.abc import Sequence
from typing import Any

from bhr_api.fhir import literal_references, narrative, primitives
from bhr_api.fhir.bindings import code_test, examples_of, is_coding_in
from bhr_api.fhir.definitions import ElementDefinition
from bhr_api.fhir.invariants import Invariant
from bhr_api.fhir.problems import NO_PROBLEMS, Check, Context, Item, Problem


def single(segment: str, item: Item) -> Check:
    """The check of an element that may stand once."""

    def check(value: Any, _holder: Any, context: Context) -> Sequence[Problem]:
        if found := item(value, context):
            return [problem.within(segment) for problem in found]
        return NO_PROBLEMS

    return check


MAX_OF_ARRAY = 1000


def repeated(segment: str, item: Item) -> Check:
    """The check of a complex element that may repeat."""

    def check(value: Any, _holder: Any, context: Context) -> Sequence[Problem]:
        if type(value) is not list or not value:
            return [_bad_array(value, segment)]
        found: list[Problem] = []
        for index, one in enumerate(value):
            if problems := item(one, context):
                found += [problem.within(f"{segment}[{index}]") for problem in problems]
                if len(found) > MAX_OF_ARRAY:
                    return [*found, _too_many(segment, index)]
        return found

    return check


def repeated_primitive(name: str, item: Item) -> Check:
    """The check of a primitive element that may repeat; null stands for a value that is absent beside its extension."""

    def check(value: Any, holder: Any, context: Context) -> Sequence[Problem]:
        if type(value) is not list or not value:
            return [_bad_array(value, name)]
        found: list[Problem] = []
        for index, one in enumerate(value):
            if one is None and _at(holder.get(f"_{name}"), index) is not None:
                continue
            if problems := item(one, context):
                found += [problem.within(f"{name}[{index}]") for problem in problems]
                if len(found) > MAX_OF_ARRAY:
                    return [*found, _too_many(name, index)]
        return found

    return check


def _too_many(segment: str, index: int) -> Problem:
    # Millions of faults would take seconds to tell, and nobody reads on after so many.
    return Problem("too-costly", f"What follows {segment}[{index}] was not looked at, for so much was wrong.", segment)


def _at(values: Any, index: int) -> Any:
    return values[index] if isinstance(values, list) and index < len(values) else None


def _bad_array(value: Any, segment: str) -> Problem:
    if isinstance(value, list):
        # json.html: "an array can't be empty"; a property without a value is left out.
        return Problem("structure", f"The array {segment} is empty; leave the property out.", segment)
    return Problem("structure", f"{segment} may repeat, so it is a JSON array, also with one value.", segment)


# Primitive values


def primitive(type_name: str, element: ElementDefinition, code: str) -> Item:
    """The check of one value of the primitive type `code`, and of its code if the element is bound."""
    if code == "xhtml":
        return _narrative
    if element.binding and (is_code := code_test(element.binding, type_name)):
        return _coded(element, code, is_code)
    test = primitives.TESTS[code]

    def check(value: Any, _context: Context) -> Sequence[Problem]:
        return NO_PROBLEMS if test(value) else [Problem(*primitives.explanation(value, code))]

    return check


def element_id(value: Any, _context: Context) -> Sequence[Problem]:
    """Element.id: "any string value that does not contain spaces" (element.html)."""
    if not primitives.TESTS["string"](value):
        return [Problem(*primitives.explanation(value, "string"))]
    return [Problem("value", "The id of an element has no spaces.")] if " " in value else NO_PROBLEMS


def _coded(element: ElementDefinition, code: str, is_code: primitives.Test) -> Item:
    test = primitives.TESTS[code]
    wanted = examples_of(element.binding or "")

    def check(value: Any, _context: Context) -> Sequence[Problem]:
        if not test(value):
            return [Problem(*primitives.explanation(value, code))]
        if not is_code(value):
            return [Problem("code-invalid", f"{value[:60]!r} is not a code of {element.name}; it takes {wanted}.")]
        return NO_PROBLEMS

    return check


def _narrative(value: Any, _context: Context) -> Sequence[Problem]:
    if not primitives.TESTS["xhtml"](value):
        return [Problem(*primitives.explanation(value, "xhtml"))]
    return [Problem("invariant", sentence) for sentence in narrative.problems_of(value)]


# Extensions of primitive values


def single_extension(name: str, segment: str, has_only_id: Item, extended: Item) -> Check:
    """The check of `_name` for a primitive that may stand once.

    `extended` checks an element without a value, for which an id alone is too little; `has_only_id` one with a value.
    """

    def check(value: Any, holder: Any, context: Context) -> Sequence[Problem]:
        item = has_only_id if name in holder and _is_only_id(value) else extended
        return [problem.within(segment) for problem in item(value, context)]

    return check


def repeated_extension(name: str, has_only_id: Item, extended: Item) -> Check:
    """The check of `_name` for a primitive that may repeat: its entries go with those of `name`, by position."""

    def check(value: Any, holder: Any, context: Context) -> Sequence[Problem]:
        if type(value) is not list or not value:
            return [_bad_array(value, name)]
        found: list[Problem] = []
        values = holder.get(name)
        for index, one in enumerate(value):
            has_value = _at(values, index) is not None
            if one is None and has_value:
                continue
            item = has_only_id if has_value and _is_only_id(one) else extended
            found += [problem.within(f"{name}[{index}]") for problem in item(one, context)]
        if isinstance(values, list) and len(values) != len(value):
            sentence = f"{name} and _{name} have {len(values)} and {len(value)} entries; fill the shorter with null."
            found.append(Problem("structure", sentence, name))
        return found

    return check


def _is_only_id(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"id"}


# What an element adds to its complex type


def referring(item: Item, element: ElementDefinition) -> Item:
    """`item` for a Reference, and whether it names one of the element's targets."""
    targets = frozenset(element.targets)

    def check(value: Any, context: Context) -> Sequence[Problem]:
        if found := item(value, context):
            return found
        wrong = literal_references.problem_of(value, targets, context)
        return [wrong] if wrong else NO_PROBLEMS

    return check


def bound(item: Item, element: ElementDefinition, code: str) -> Item:
    """`item` for a Coding or CodeableConcept, and whether it has a code of the element's required value set."""
    value_set = element.binding or ""

    def check(value: Any, context: Context) -> Sequence[Problem]:
        if found := item(value, context):
            return found
        codings = [value] if code == "Coding" else value.get("coding", [])
        if any(is_coding_in(coding, value_set) for coding in codings):
            return NO_PROBLEMS
        if "extension" in value and not any("code" in coding for coding in codings):
            # extensibility.html: an extension such as data-absent-reason may stand for the value.
            return NO_PROBLEMS
        sentence = f"{element.name} must have a code of its required value set; it takes {examples_of(value_set)}."
        return [Problem("code-invalid", sentence)]

    return check


def constrained(item: Item, invariants: Sequence[Invariant]) -> Item:
    """`item`, and the invariants that the element adds to those of its type."""

    def check(value: Any, context: Context) -> Sequence[Problem]:
        if found := item(value, context):
            return found
        return [
            Problem("invariant", invariant.sentence) for invariant in invariants if invariant.is_broken(value, context)
        ]

    return check
