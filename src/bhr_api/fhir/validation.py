"""Whether a resource obeys FHIR R4: every broken rule is one located issue.

FHIR R4, validation.html: structure, cardinality, value domains, required bindings, invariants; json.html; and the rules of
references.html, narrative.html and extensibility.html that bind every resource. The definitions are compiled into
one checker for each type, when the type is first met.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from bhr_api.errors import Issue
from bhr_api.fhir import contained, literal_references, narrative, primitives
from bhr_api.fhir.bindings import code_test, examples_of, is_coding_in
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
from bhr_api.fhir.invariants import Invariant, compiled

MAX_ISSUES = 1000


def validate(resource: Resource, *, in_transaction: bool = False) -> list[Issue]:
    """The rules that `resource` breaks, each with its place; empty if it is valid R4.

    `resource` is what `json_text.parse` gives: decimals are Decimal, not float. An entry's resource validated alone is
    `in_transaction` if its references may still be conditional (`Patient?identifier=...`, http.html#trules). At most
    `MAX_ISSUES` are told.
    """
    found = resource_problems(resource, None, in_transaction=in_transaction)
    if not found:
        return []
    issues = [Issue("error", problem.code, problem.sentence, problem.path or None) for problem in found[:MAX_ISSUES]]
    if len(found) > MAX_ISSUES:
        issues[-1] = Issue("error", "too-costly", f"{len(found) - MAX_ISSUES + 1} more rules are broken.")
    return issues


@dataclass(slots=True)
class Problem:
    """A broken rule; `path` grows from the element outwards while the walk returns."""

    code: str
    sentence: str
    path: str = ""
    is_nested: bool = False
    """Whether it is a fault of a resource within this one, and so none of the elements around that."""

    def within(self, segment: str) -> "Problem":
        """The same problem, seen from the parent that holds it as `segment`."""
        self.path = f"{segment}.{self.path}" if self.path else segment
        return self


Problems = list[Problem]
Nothing: Sequence[Problem] = ()


@dataclass(slots=True)
class Context:
    """Where the walk is: `resource` is the contained resource that it is in, None in the `container` itself."""

    container: Resource
    resource: Resource | None
    in_transaction: bool


Check = Callable[[Any, Any, Context], Sequence[Problem]]
"""(value, object that holds it, context) -> problems, whose paths start at the holder."""


# Resources


def resource_problems(
    value: Any, outer: Context | None, *, is_contained: bool = False, in_transaction: bool = False
) -> Problems:
    """The problems of a resource of any type; their paths start with the type if `outer` is None, else within it."""
    resource_type = value.get("resourceType") if isinstance(value, dict) else None
    if not isinstance(resource_type, str) or resource_type not in RESOURCE_TYPE_NUMBERS:
        return [_not_a_resource(value)]
    in_transaction = in_transaction or (resource_type == "Bundle" and value.get("type") == "transaction")
    if outer is not None and is_contained:
        return list(checker_of(resource_type).check(value, Context(outer.container, value, in_transaction)))
    found = list(checker_of(resource_type).check(value, Context(value, None, in_transaction)))
    found += [Problem(*problem) for problem in contained.problems_of(value)]
    return found if outer is not None else [problem.within(resource_type) for problem in found]


def _not_a_resource(value: Any) -> Problem:
    if not isinstance(value, dict):
        return Problem("structure", "A resource is a JSON object with a resourceType.")
    if "resourceType" not in value:
        return Problem("structure", "There is no resourceType; it names the type of the resource.")
    return Problem("structure", f"resourceType {str(value['resourceType'])[:60]!r} is no R4 resource type.")


# Complex types


class Checker:
    """Checks the objects of one resource type, data type or backbone."""

    def __init__(self, type_name: str) -> None:
        elements = elements_of(type_name).values()
        self.type_name = type_name
        self.members = Members(type_name)
        self.required = tuple(element for element in elements if element.min and not element.is_choice)
        self.required_names = tuple(element.name for element in self.required)
        self.choices = tuple(
            (element, choice_names(element)) for element in elements if element.is_choice and len(element.types) > 1
        )
        self._invariants: tuple[Invariant, ...] | None = None

    @property
    def invariants(self) -> tuple[Invariant, ...]:
        """The invariants of this type, compiled when they are first needed."""
        if self._invariants is None:
            self._invariants = compiled(constraints_of(self.type_name), self.type_name)
        return self._invariants

    def check(self, value: Any, context: Context) -> Sequence[Problem]:
        """What is wrong with an object that stands for this type; paths start at its members."""
        if type(value) is not dict:
            return [_not_an_object(value, self.type_name)]
        found: Problems = []
        faulty: list[str] = []
        members = self.members
        for name, content in value.items():
            if problems := members[name](content, value, context):
                found += problems
                if not all(problem.is_nested for problem in problems):
                    faulty.append(name)
        for name in self.required_names:
            if name not in value:
                found += self._missing(name, value)
        for element, names in self.choices:
            if not names.isdisjoint(value) or element.min:
                found += _choice_problems(element, names, value)
        # ele-1: "All FHIR elements must have a @value or children", and an id alone does not count.
        if not value or (len(value) == 1 and "id" in value):
            found.append(Problem("invariant", "The element is empty; ele-1 wants a value or children. Leave it out."))
        if found:
            found += self._broken_despite(faulty, value, context)
        else:
            for invariant in self._invariants if self._invariants is not None else self.invariants:
                if not invariant.holds(context.container, value, context.resource):
                    found.append(Problem("invariant", invariant.sentence))
        return found

    def _missing(self, name: str, value: Mapping[str, Any]) -> Iterator[Problem]:
        if f"_{name}" not in value:
            yield Problem("required", f"{name} is missing; {_label(self.type_name)} needs it.", name)

    def _broken_despite(self, faulty: Iterable[str], value: Mapping[str, Any], context: Context) -> Problems:
        """The invariants that are broken whatever the faulty members hold.

        An invariant may fail only because a member is faulty, or hold only thanks to it; so it must fail on the element
        as it is and on the element without those members. Faults within nested resources do not count.
        """
        sound = {name: content for name, content in value.items() if name not in faulty}
        return [
            Problem("invariant", invariant.sentence)
            for invariant in self.invariants
            if _fails(invariant, value, context) and _fails(invariant, sound, context)
        ]


def _fails(invariant: Invariant, value: Any, context: Context) -> bool:
    try:
        return not invariant.holds(context.container, value, context.resource)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # FHIRPath is evaluated on data that are known to have the wrong shape: the answer is unknown.
        return False


def choice_names(element: ElementDefinition) -> frozenset[str]:
    """The JSON names of a choice element, those of primitive extensions included."""
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
    return Problem("structure", f"{what} stands where {_label(type_name)} should, which is a JSON object.")


def _label(type_name: str) -> str:
    return f"an element {type_name}" if "." in type_name else type_name


@cache
def checker_of(type_name: str) -> Checker:
    """The one checker of a type."""
    return Checker(type_name)


class Members(dict[str, Check]):
    """JSON property -> its check, made when the property is first met; unknown ones are not kept."""

    def __init__(self, type_name: str) -> None:
        super().__init__()
        self.type_name = type_name

    def __missing__(self, name: str) -> Check:
        known = json_names(self.type_name)
        if name in known:
            check = member_check(self.type_name, name, *known[name])
        elif name.startswith("_") and name[1:] in known and known[name[1:]][1] in PRIMITIVE_TYPES:
            check = extension_check(name[1:], *known[name[1:]])
        elif name == "resourceType" and is_resource_type(self.type_name):
            check = _no_problem
        else:
            return _unknown_property(name, self.type_name)
        self[name] = check
        return check


def _no_problem(value: Any, holder: Any, context: Context) -> Sequence[Problem]:
    return Nothing


def _unknown_property(name: str, type_name: str) -> Check:
    problem = f"{_label(type_name)} has no property {name[:60]!r} in R4."
    # The name of an unknown property need not be one that FHIRPath could write.
    path = name if name.isidentifier() and len(name) <= 60 else ""
    return lambda value, holder, context: [Problem("structure", problem, path)]


# Members


def member_check(type_name: str, name: str, element: ElementDefinition, code: str) -> Check:
    """The check of one JSON property."""
    segment = f"{element.name}.ofType({code})" if element.is_choice else name
    if code in PRIMITIVE_TYPES:
        if element.max == 1:
            return _primitive(segment, primitive_item(type_name, element, code))
        return _primitives(segment, name, primitive_item(type_name, element, code), element)
    item = complex_item(element, code)
    return _one(segment, item) if element.max == 1 else _many(segment, item, element)


Item = Callable[[Any, Context], Sequence[Problem]]
"""(value of one repetition, context) -> problems, whose paths start at the value."""


def _one(segment: str, item: Item) -> Check:
    def check(value: Any, holder: Any, context: Context) -> Sequence[Problem]:
        if found := item(value, context):
            return [problem.within(segment) for problem in found]
        return Nothing

    return check


def _many(segment: str, item: Item, element: ElementDefinition) -> Check:
    def check(value: Any, holder: Any, context: Context) -> Sequence[Problem]:
        if type(value) is not list or not value:
            return [_bad_array(value, segment)]
        found: Problems = []
        for index, one in enumerate(value):
            if problems := item(one, context):
                found += [problem.within(f"{segment}[{index}]") for problem in problems]
        return found

    return check


def _bad_array(value: Any, segment: str) -> Problem:
    if value == [] and isinstance(value, list):
        # json.html: "an array ... SHALL NOT be empty".
        return Problem("structure", f"The array {segment} is empty; leave the property out.", segment)
    return Problem("structure", f"{segment} may repeat, so it is a JSON array, also with one value.", segment)


def _primitive(segment: str, item: Item) -> Check:
    def check(value: Any, holder: Any, context: Context) -> Sequence[Problem]:
        if found := item(value, context):
            return [problem.within(segment) for problem in found]
        return Nothing

    return check


def _primitives(segment: str, name: str, item: Item, element: ElementDefinition) -> Check:
    def check(value: Any, holder: Any, context: Context) -> Sequence[Problem]:
        if type(value) is not list or not value:
            return [_bad_array(value, segment)]
        found: Problems = []
        for index, one in enumerate(value):
            if one is None and _has_extension(holder.get(f"_{name}"), index):
                continue
            if problems := item(one, context):
                found += [problem.within(f"{segment}[{index}]") for problem in problems]
        return found

    return check


def _has_extension(extensions: Any, index: int) -> bool:
    """json.html#primitive: null in an array stands for a value that is absent beside its extension."""
    return isinstance(extensions, list) and index < len(extensions) and extensions[index] is not None


def primitive_item(type_name: str, element: ElementDefinition, code: str) -> Item:
    """The check of one primitive value: its form, and its code if it is bound."""
    test = primitives.TESTS[code]
    is_code = code_test(element.binding, type_name) if element.binding else None
    if code == "xhtml":
        return _narrative
    if is_code is None:

        def check(value: Any, context: Context) -> Sequence[Problem]:
            return Nothing if test(value) else [Problem(*primitives.explanation(value, code))]

        return check
    wanted = examples_of(element.binding or "")

    def check_code(value: Any, context: Context) -> Sequence[Problem]:
        if not test(value):
            return [Problem(*primitives.explanation(value, code))]
        if not is_code(value):
            return [Problem("code-invalid", f"{value[:60]!r} is not a code of {element.name}; it takes {wanted}.")]
        return Nothing

    return check_code


def _narrative(value: Any, context: Context) -> Sequence[Problem]:
    if not primitives.TESTS["xhtml"](value):
        return [Problem(*primitives.explanation(value, "xhtml"))]
    return [Problem("invariant", sentence) for sentence in narrative.problems_of(value)]


def complex_item(element: ElementDefinition, code: str) -> Item:
    """The check of one object: its type's rules, and what the element adds to them."""
    if code == "Resource" or is_resource_type(code):
        return _nested_resource(element, code)
    item: Item = checker_of(code).check
    if code == "Reference":
        item = _reference(item, element)
    if element.binding and code in ("Coding", "CodeableConcept"):
        item = _bound(item, element, code)
    if element.constraints:
        item = _constrained(item, compiled(element.constraints, code))
    return item


def _nested_resource(element: ElementDefinition, code: str) -> Item:
    is_contained = element.name == "contained"

    def check(value: Any, context: Context) -> Sequence[Problem]:
        problems = resource_problems(value, context, is_contained=is_contained, in_transaction=context.in_transaction)
        for problem in problems:
            problem.is_nested = True
        return problems

    return check


def _reference(item: Item, element: ElementDefinition) -> Item:
    targets = frozenset(element.targets)

    def check(value: Any, context: Context) -> Sequence[Problem]:
        found = item(value, context)
        if found or type(value) is not dict:
            return found
        wrong = literal_references.problem_of(value, targets, context.container, context.in_transaction)
        return [Problem(*wrong)] if wrong else Nothing

    return check


def _bound(item: Item, element: ElementDefinition, code: str) -> Item:
    value_set = element.binding or ""

    def check(value: Any, context: Context) -> Sequence[Problem]:
        if found := item(value, context):
            return found
        codings = [value] if code == "Coding" else value.get("coding", [])
        if any(is_coding_in(coding, value_set) for coding in codings):
            return Nothing
        if "extension" in value and not any("code" in coding for coding in codings):
            return Nothing
        sentence = f"{element.name} must have a code of its required value set; it takes {examples_of(value_set)}."
        return [Problem("code-invalid", sentence)]

    return check


def _constrained(item: Item, invariants: Sequence[Invariant]) -> Item:
    def check(value: Any, context: Context) -> Sequence[Problem]:
        if found := item(value, context):
            return found
        return [
            Problem("invariant", invariant.sentence)
            for invariant in invariants
            if not invariant.holds(context.container, value, context.resource)
        ]

    return check


# Extensions of primitives


def extension_check(name: str, element: ElementDefinition, code: str) -> Check:
    """The check of the property that holds id and extensions of a primitive (json.html#primitive)."""
    segment = f"{element.name}.ofType({code})" if element.is_choice else name
    checker = checker_of(code)

    def one(value: Any, holder: Any, context: Context) -> Sequence[Problem]:
        return [problem.within(segment) for problem in _extended(checker, value, name in holder, context)]

    def many(value: Any, holder: Any, context: Context) -> Sequence[Problem]:
        if type(value) is not list or not value:
            return [_bad_array(value, segment)]
        found: Problems = []
        values = holder.get(name)
        for index, item in enumerate(value):
            has_value = isinstance(values, list) and index < len(values) and values[index] is not None
            if item is None and has_value:
                continue
            problems = _extended(checker, item, has_value, context)
            found += [problem.within(f"{segment}[{index}]") for problem in problems]
        if isinstance(values, list) and len(values) != len(value):
            sentence = f"{name} and _{name} have {len(values)} and {len(value)} entries; fill the shorter with null."
            found.append(Problem("structure", sentence, segment))
        return found

    return one if element.max == 1 else many


def _extended(checker: Checker, value: Any, has_value: bool, context: Context) -> Sequence[Problem]:
    if has_value and type(value) is dict and len(value) == 1 and "id" in value:
        # With a value beside it, an id alone is enough for ele-1.
        return checker.members["id"](value["id"], value, context)
    return checker.check(value, context)
