"""Paths through JSON that are known when an expression is compiled: properties and filters, without nodes.

FHIRPath N1 (http://hl7.org/fhirpath/N1/#path-selection) on FHIR R4's types: a choice element is one path for each of its
types, `as` and `ofType` keep those of the type.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from bhr_api.fhir.definitions import PRIMITIVE_TYPES, Resource, is_subtype
from bhr_api.fhirpath.errors import FHIRPathError
from bhr_api.fhirpath.syntax import Call, Invocation, Member, Operation, Special, Syntax, TypeName, TypeOperation
from bhr_api.fhirpath.types import Property, children_of, is_known_type, is_of_type

Filter = Callable[[Any, Resource | None], bool]
"""(JSON value, the resource around it) -> whether the path goes on."""


class NotSimpleError(Exception):
    """The expression is more than this module's paths can say; it has to be evaluated."""


@dataclass(frozen=True, slots=True)
class Path:
    """One way through the JSON: properties and filters, in order, to values of `type`."""

    type: str
    steps: tuple[Property | Filter, ...] = ()

    @property
    def is_single(self) -> bool:
        """Whether it is one property with at most one value."""
        return len(self.steps) == 1 and isinstance(self.steps[0], Property) and not self.steps[0].is_array


def paths_of(syntax: Syntax, starts: list[Path], filter_of: Callable[[Syntax, str], Filter]) -> list[Path]:
    """The paths of an expression from each of `starts`; `filter_of` makes the filter of a criterion on a type.

    Raises `NotSimpleError`, and `FHIRPathError` for an unknown type.
    """
    match syntax:
        case Member(name) if name[0].isupper():
            return [path for path in starts if is_subtype(path.type, name)]
        case Invocation(source, step):
            return _continued(paths_of(source, starts, filter_of), step, filter_of)
        case TypeOperation("as", operand, type_name):
            return _of_type(paths_of(operand, starts, filter_of), type_name)
        case Operation("|", left, right):
            return [*paths_of(left, starts, filter_of), *paths_of(right, starts, filter_of)]
        case Member() | Call() | Special():
            return _continued(starts, syntax, filter_of)
    raise NotSimpleError


def has_union(syntax: Syntax) -> bool:
    """Whether the paths of an expression come from a union, whose values are distinct."""
    return isinstance(syntax, Operation) or (isinstance(syntax, Invocation) and has_union(syntax.source))


def _continued(
    paths: list[Path], step: Member | Call | Special, filter_of: Callable[[Syntax, str], Filter]
) -> list[Path]:
    match step:
        case Special("this"):
            return paths
        case Call("trace", _):
            return paths
        case Member(name):
            return [_child(path, prop) for path in paths for prop in children_of(path.type).get(name, ())]
        case Call("where", (criterion,)):
            return [replace(path, steps=(*path.steps, filter_of(criterion, path.type))) for path in paths]
        case Call("as" | "ofType", (Member(name),)):
            return _of_type(paths, TypeName(None, name))
    raise NotSimpleError


def _child(path: Path, prop: Property) -> Path:
    # What is declared as Resource says its type in the data only; a primitive keeps its children beside itself.
    if prop.type == "Resource" or path.type in PRIMITIVE_TYPES:
        raise NotSimpleError
    return Path(prop.type, (*path.steps, prop))


def _of_type(paths: list[Path], type_name: TypeName) -> list[Path]:
    if not is_known_type(type_name):
        raise FHIRPathError(f"There is no type {type_name.name}")
    return [path for path in paths if is_of_type(path.type, type_name)]
