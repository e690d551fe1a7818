"""The abstract syntax of FHIRPath (N1, http://hl7.org/fhirpath/N1/#grammar): what the parser gives."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal as Choice
from typing import TypeAlias

from bhr_api.fhirpath.values import SystemValue


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant of a System type; `value` is None for the empty collection `{}`."""

    value: SystemValue | None


@dataclass(frozen=True, slots=True)
class ExternalConstant:
    """`%resource`, `%ucum`, %`vs-name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Special:
    """`$this`, `$index` or `$total`."""

    name: Choice["this", "index", "total"]


@dataclass(frozen=True, slots=True)
class Member:
    """A step to the child elements called `name`, or at the head of a path the type of that name."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    name: str
    arguments: tuple["Syntax", ...]


@dataclass(frozen=True, slots=True)
class Invocation:
    """`source.step`."""

    source: "Syntax"
    step: "Member | Call | Special"


@dataclass(frozen=True, slots=True)
class Indexer:
    """`source[index]`."""

    source: "Syntax"
    index: "Syntax"


@dataclass(frozen=True, slots=True)
class Polarity:
    """`+operand` or `-operand`."""

    sign: str
    operand: "Syntax"


@dataclass(frozen=True, slots=True)
class Operation:
    """A binary operator."""

    operator: str
    left: "Syntax"
    right: "Syntax"


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type specifier: `Patient`, `FHIR.Patient`, `System.String`."""

    namespace: str | None
    name: str


@dataclass(frozen=True, slots=True)
class TypeOperation:
    """`operand is type` or `operand as type`."""

    operator: Choice["is", "as"]
    operand: "Syntax"
    type: TypeName


Syntax: TypeAlias = (
    Literal | ExternalConstant | Special | Member | Call | Invocation | Indexer | Polarity | Operation | TypeOperation
)


def walk(syntax: Syntax) -> Iterator[Syntax]:
    """The syntax and everything in it, outermost first."""
    yield syntax
    match syntax:
        case Call(_, arguments):
            inner: tuple[Syntax, ...] = arguments
        case Invocation(source, step):
            inner = (source, step)
        case Indexer(source, index):
            inner = (source, index)
        case Operation(_, left, right):
            inner = (left, right)
        case Polarity(_, operand) | TypeOperation(_, operand, _):
            inner = (operand,)
        case _:
            inner = ()
    for part in inner:
        yield from walk(part)
