"""Which expressions of clients are run on the server: those whose work grows no faster than the resource and the text do.

FHIRPath N1, http://hl7.org/fhirpath/N1/. A client writes the paths of a FHIRPath Patch and the expressions of a
SearchParameter; `descendants()`, `repeat()` and criteria that begin again from the whole resource for each item could be made
to take for ever.
"""

from collections.abc import Iterator

from bhr_api.fhirpath.errors import FHIRPathError
from bhr_api.fhirpath.syntax import Call, ExternalConstant, Indexer, Syntax, TypeOperation, walk

MAXIMUM_LENGTH = 2000
"""Of an expression, in characters."""

LINEAR_FUNCTIONS = frozenset(
    "all as contains count empty endsWith exists extension first getValue hasValue iif indexOf is last length lower not"
    " ofType resolve single skip startsWith substring tail take toBoolean toDate toDateTime toDecimal toInteger toString"
    " trim upper where".split()
)
# Within a criterion these would start again from the whole resource for each item.
_WHOLES = frozenset(("context", "resource", "rootResource"))


class CostlyFHIRPathError(FHIRPathError):
    """An expression that is right, but could take more work than one resource may."""


def refuse_costly(
    syntax: Syntax, functions: frozenset[str] = LINEAR_FUNCTIONS, *, may_test_targets: bool = False
) -> None:
    """Raise `CostlyFHIRPathError` for other functions than `functions`, and for wholes or resolve() within a criterion.

    `may_test_targets`: `where(resolve() is Patient)` asks the text of a reference alone, and is taken.
    """
    for node in walk(syntax):
        if isinstance(node, Call) and node.name not in functions:
            raise CostlyFHIRPathError(f"{node.name}() is not taken; these are: {', '.join(sorted(functions))}")
    for argument in _arguments_in(syntax):
        for node in _asked_in(argument, may_test_targets):
            if isinstance(node, ExternalConstant) and node.name in _WHOLES:
                raise CostlyFHIRPathError(f"%{node.name} is not taken within a criterion or an index")
            if isinstance(node, Call) and node.name == "resolve":
                raise CostlyFHIRPathError("resolve() is not taken within a criterion or an index")


def _asked_in(argument: Syntax, may_test_targets: bool) -> Iterator[Syntax]:
    if may_test_targets and isinstance(argument, TypeOperation) and argument.operand == Call("resolve", ()):
        return iter(())
    return walk(argument)


def _arguments_in(syntax: Syntax) -> Iterator[Syntax]:
    for node in walk(syntax):
        if isinstance(node, Call):
            yield from node.arguments
        elif isinstance(node, Indexer):
            yield node.index
