"""Whether a resource obeys FHIR R4: every broken rule is one located issue.

FHIR R4, validation.html (structure, cardinality, value domains, required bindings, invariants), json.html, and the
rules of references.html, narrative.html and extensibility.html that bind every resource. Each type of the definitions
becomes one checker, when it is first met. What is checked and what is not: docs/validation.md.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from bhr_api.errors import Issue
from bhr_api.fhir import contained
from bhr_api.fhir.definitions import (
    PRIMITIVE_TYPES,
    RESOURCE_TYPE_NUMBERS,
    ElementDefinition,
    Resource,
    constraints_of,
    elements_of,
    is_resource_type,
    json_names,
)
from bhr_api.fhir.element_checks import (
    bound,
    constrained,
    element_id,
    primitive,
    referring,
    repeated,
    repeated_extension,
    repeated_primitive,
    single,
    single_extension,
)
from bhr_api.fhir.invariants import Invariant, compiled
from bhr_api.fhir.problems import NO_PROBLEMS, Check, Context, Item, Problem

MAX_ISSUES = 1000


def validate(resource: Resource, *, in_transaction: bool = False) -> list[Issue]:
    """The rules that `resource` breaks, each with its place; empty if it is valid R4.

    `resource` is what `json_text.parse` gives: decimals are Decimal, not float. The resource of an entry is validated
    `in_transaction` while its references may still be conditional (`Patient?identifier=...`, http.html#trules). No more
    than `MAX_ISSUES` are told.
    """
    found = _resource_problems(resource, in_transaction)
    if not found:
        return []
    root = str(resource["resourceType"]) if _type_of(resource) else ""
    issues = [_issue(problem.within(root) if root else problem) for problem in found[:MAX_ISSUES]]
    if len(found) > MAX_ISSUES:
        issues[-1] = Issue("error", "too-costly", f"{len(found) - MAX_ISSUES + 1} more rules are broken.")
    return issues


def _issue(problem: Problem) -> Issue:
    return Issue("error", problem.code, problem.sentence, problem.path or None)


# Resources


def _resource_problems(value: Any, in_transaction: bool) -> list[Problem]:
    """The problems of a resource that stands alone: at the top, in an entry or in a parameter."""
    resource_type = _type_of(value)
    if resource_type is None:
        return [_not_a_resource(value)]
    in_transaction = in_transaction or (resource_type == "Bundle" and value.get("type") == "transaction")
    context = Context(value, contained.by_id(value), None, in_transaction)
    return [*checker_of(resource_type).check(value, context), *contained.problems_of(value)]


def _independent_problems(value: Any, context: Context) -> Sequence[Problem]:
    return _resource_problems(value, context.in_transaction)


def _contained_problems(value: Any, context: Context) -> Sequence[Problem]:
    resource_type = _type_of(value)
    if resource_type is None:
        return [_not_a_resource(value)]
    inner = Context(context.container, context.contained, value, context.in_transaction)
    return checker_of(resource_type).check(value, inner)


def _type_of(value: Any) -> str | None:
    name = value.get("resourceType") if isinstance(value, dict) else None
    return name if isinstance(name, str) and name in RESOURCE_TYPE_NUMBERS else None


def _not_a_resource(value: Any) -> Problem:
    if not isinstance(value, dict):
        return Problem("structure", "A resource is a JSON object with a resourceType.")
    if "resourceType" not in value:
        return Problem("structure", "There is no resourceType; it names the type of the resource.")
    return Problem("structure", f"resourceType {str(value['resourceType'])[:60]!r} is no R4 resource type.")


def _nested_resource(element: ElementDefinition) -> Item:
    """The check of a resource that is the value of an element."""
    inner = _contained_problems if element.name == "contained" else _independent_problems

    def check(value: Any, context: Context) -> Sequence[Problem]:
        found = inner(value, context)
        for problem in found:
            problem.is_nested = True
        return found

    return check


# Types


class Checker:
    """Checks the objects of one resource type, data type or backbone."""

    def __init__(self, type_name: str) -> None:
        elements = elements_of(type_name).values()
        self.type_name = type_name
        self.members = _Members(type_name)
        self.required = tuple(element.name for element in elements if element.min and not element.is_choice)
        self.choices = tuple((element, _choice_names(element)) for element in elements if element.is_choice)
        self._invariants: tuple[Invariant, ...] | None = None

    @property
    def invariants(self) -> tuple[Invariant, ...]:
        """The invariants of this type, compiled when they are first needed."""
        if self._invariants is None:
            self._invariants = compiled(constraints_of(self.type_name), self.type_name)
        return self._invariants

    def check(self, value: Any, context: Context) -> Sequence[Problem]:
        """What is wrong with a value that stands for this type; paths start at its members."""
        if type(value) is not dict:
            return [_not_an_object(value, self.type_name)]
        found: list[Problem] = []
        faulty: list[str] = []
        members = self.members
        for name, content in value.items():
            if problems := members[name](content, value, context):
                found += problems
                if not all(problem.is_nested for problem in problems):
                    faulty.append(name)
        for name in self.required:
            if name not in value and f"_{name}" not in value:
                found.append(Problem("required", f"{name} is missing; {_label(self.type_name)} needs it.", name))
        for element, names in self.choices:
            if element.min or not names.isdisjoint(value):
                found += _choice_problems(element, names, value)
        # ele-1: "All FHIR elements must have a @value or children", and an id alone does not count.
        if not value or (len(value) == 1 and "id" in value):
            found.append(Problem("invariant", "The element is empty; ele-1 wants a value or children. Leave it out."))
        if found:
            return found + self._broken_despite(faulty, value, context)
        for invariant in self.invariants:
            if invariant.is_broken(value, context):
                found.append(Problem("invariant", invariant.sentence))
        return found

    def _broken_despite(self, faulty: Iterable[str], value: Mapping[str, Any], context: Context) -> list[Problem]:
        """The invariants that are broken whatever the faulty members hold.

        An invariant may fail only because a member is faulty, or hold only thanks to it; so it must fail on the element
        as it is and on the element without those members. Faults within nested resources do not count.
        """
        without = frozenset(faulty)
        sound = {name: content for name, content in value.items() if name not in without}
        return [
            Problem("invariant", invariant.sentence)
            for invariant in self.invariants
            if invariant.is_broken(value, context) and invariant.is_broken(sound, context)
        ]


@cache
def checker_of(type_name: str) -> Checker:
    """The one checker of a type."""
    return Checker(type_name)


def _choice_names(element: ElementDefinition) -> frozenset[str]:
    """The JSON names of a choice, those of primitive extensions included (formats.html#choice)."""
    names = [element.name + code[0].upper() + code[1:] for code in element.types]
    return frozenset(names) | {f"_{name}" for name in names}


def _choice_problems(element: ElementDefinition, names: frozenset[str], value: Mapping[str, Any]) -> Iterator[Problem]:
    present = {name.removeprefix("_") for name in names & value.keys()}
    if len(present) > 1:
        shown = ", ".join(sorted(present))
        yield Problem("structure", f"{element.name}[x] may be given once, but there are {shown}.", element.name)
    elif not present and element.min:
        yield Problem("required", f"{element.name}[x] is missing; one of its types must be given.", element.name)


def _not_an_object(value: Any, type_name: str) -> Problem:
    what = "null" if value is None else "an array" if isinstance(value, list) else f"the value {str(value)[:40]!r}"
    return Problem("structure", f"Here stands {what}, but {_label(type_name)} is a JSON object.")


def _label(type_name: str) -> str:
    return f"the element {type_name}" if "." in type_name else type_name


# Members


class _Members(dict[str, Check]):
    """JSON property -> its check, made when the property is first met; unknown ones are not kept."""

    def __init__(self, type_name: str) -> None:
        super().__init__()
        self.type_name = type_name

    def __missing__(self, name: str) -> Check:
        known = json_names(self.type_name)
        if name in known:
            check = _member(self.type_name, name, *known[name])
        elif name.startswith("_") and name[1:] in known and known[name[1:]][1] in PRIMITIVE_TYPES:
            check = _extensions_of(name[1:], *known[name[1:]])
        elif name == "resourceType" and is_resource_type(self.type_name):
            check = _no_problem
        else:
            return _unknown_property(name, self.type_name)
        self[name] = check
        return check


def _no_problem(_value: Any, _holder: Any, _context: Context) -> Sequence[Problem]:
    return NO_PROBLEMS


def _unknown_property(name: str, type_name: str) -> Check:
    # An unknown name need not be one that FHIRPath can write; the element that has it is the place then.
    path = name if name.isidentifier() and len(name) <= 60 else ""
    problem = Problem("structure", f"{_label(type_name)} has no property {name[:60]!r} in R4.", path)
    return lambda _value, _holder, _context: [problem]


def _member(type_name: str, name: str, element: ElementDefinition, code: str) -> Check:
    """The check of one JSON property."""
    segment = _segment(name, element, code)
    if code in PRIMITIVE_TYPES:
        is_element_id = name == "id" and code == "string"
        item = element_id if is_element_id else primitive(type_name, element, code)
        if element.constraints:
            item = constrained(item, compiled(element.constraints, code))
        return single(segment, item) if element.max == 1 else repeated_primitive(name, item)
    item = _complex(element, code)
    return single(segment, item) if element.max == 1 else repeated(segment, item)


def _segment(name: str, element: ElementDefinition, code: str) -> str:
    return f"{element.name}.ofType({code})" if element.is_choice else name


def _complex(element: ElementDefinition, code: str) -> Item:
    """The check of one object: its type's rules, and what the element adds to them."""
    if is_resource_type(code):
        return _nested_resource(element)
    item: Item = checker_of(code).check
    if code == "Reference":
        item = referring(item, element)
    if element.binding and code in ("Coding", "CodeableConcept"):
        item = bound(item, element, code)
    if element.constraints:
        item = constrained(item, compiled(element.constraints, code))
    return item


def _extensions_of(name: str, element: ElementDefinition, code: str) -> Check:
    """The check of the property `_name` with id and extensions of a primitive (json.html#primitive)."""
    checker = checker_of(code)

    def has_only_id(value: Any, context: Context) -> Sequence[Problem]:
        return checker.members["id"](value["id"], value, context)

    if element.max == 1:
        return single_extension(name, _segment(name, element, code), has_only_id, checker.check)
    return repeated_extension(name, has_only_id, checker.check)
