"""The types that an expression leads to, told from its text: whether a path exists in R4 at all.

FHIRPath N1 (http://hl7.org/fhirpath/N1/#path-selection) finds nothing by a name that no type has, which hides a misspelled
path; an expression that is kept, as a SearchParameter's is, should be told of.
"""

from bhr_api.fhir.definitions import is_subtype
from bhr_api.fhirpath.errors import FHIRPathError
from bhr_api.fhirpath.syntax import (
    Call,
    Indexer,
    Invocation,
    Literal,
    Member,
    Operation,
    Special,
    Syntax,
    TypeName,
    TypeOperation,
)
from bhr_api.fhirpath.types import children_of, is_known_type, is_of_type

_SAME = frozenset(("where", "first", "last", "tail", "skip", "take", "single", "trace"))

Types = frozenset[str] | None
"""Type codes and backbone paths; None where the text does not tell."""


def reached_types(syntax: Syntax, type_name: str) -> Types:
    """What the expression can lead to from an element of `type_name`.

    Raises `FHIRPathError` for a name that none of the types has that it is asked of. Empty: it is about other types only.
    """
    return _reached(syntax, frozenset({type_name}))


def _reached(syntax: Syntax, starts: Types) -> Types:
    match syntax:
        case Member(name) if name[0].isupper() and starts is not None:
            return frozenset(start for start in starts if is_subtype(start, name))
        case Invocation(source, step):
            return _stepped(step, _reached(source, starts))
        case Indexer(source, _):
            return _reached(source, starts)
        case TypeOperation("as", operand, type_name):
            return _cast(_reached(operand, starts), type_name)
        case Operation("|", left, right):
            ours, theirs = _reached(left, starts), _reached(right, starts)
            return None if ours is None or theirs is None else ours | theirs
        case Member() | Call() | Special():
            return _stepped(syntax, starts)
        case Literal():
            raise FHIRPathError("a constant is the same for every resource")
    return None


def _stepped(step: Member | Call | Special, types: Types) -> Types:
    if types is None:
        return None
    match step:
        case Special("this"):
            return types
        case Member(name):
            return _children(name, types)
        case Call("as" | "ofType", (Member(name),)):
            return _cast(types, TypeName(None, name))
        case Call("extension", _):
            return frozenset({"Extension"}) if types else types
        case Call(name, _) if name in _SAME:
            return types
    return None


def _children(name: str, types: frozenset[str]) -> Types:
    if "Resource" in types:
        # What is contained says its type in the data only.
        return None
    found = frozenset(prop.type for one in types for prop in children_of(one).get(name, ()))
    if types and not found:
        raise FHIRPathError(f"{' and '.join(sorted(types))} has no element {name!r}")
    return found


def _cast(types: Types, wanted: TypeName) -> Types:
    if not is_known_type(wanted):
        raise FHIRPathError(f"there is no type {wanted.name}")
    if types is None:
        return None
    found = frozenset(one for one in types if is_of_type(one, wanted))
    if types and not found:
        raise FHIRPathError(f"what is there is {', '.join(sorted(types))}, and never {wanted.name}")
    return found
