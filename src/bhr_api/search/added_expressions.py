"""The expressions of added search parameters: in bounds, and cut to what concerns one type (FHIRPath N1; R4 search.html).

One SearchParameter of several bases has a union of their paths: `Patient.name | Practitioner.name`.
"""

from collections.abc import Iterator
from itertools import pairwise

from bhr_api.fhir.definitions import is_type
from bhr_api.fhirpath.bounds import LINEAR_FUNCTIONS, MAXIMUM_LENGTH, refuse_costly
from bhr_api.fhirpath.errors import FHIRPathError
from bhr_api.fhirpath.lexer import tokens_of
from bhr_api.fhirpath.parser import parse
from bhr_api.fhirpath.reached_types import reached_types

# A conversion would make values of no element of FHIR, in forms that FHIR does not have.
_FUNCTIONS = LINEAR_FUNCTIONS - {"toBoolean", "toDate", "toDateTime", "toDecimal", "toInteger"}


def check_expression(text: str) -> None:
    """Raise FHIRPathError for an expression that cannot be read, or could take more work than one resource may."""
    if len(text) > MAXIMUM_LENGTH:
        raise FHIRPathError(f"the expression is longer than {MAXIMUM_LENGTH} characters")
    refuse_costly(parse(text), _FUNCTIONS, may_test_targets=True)


def own_alternatives(text: str, resource_type: str) -> str:
    """The alternatives of a union that can find something in `resource_type`, each written from that type on.

    Raises FHIRPathError for one that cannot be read, and where no alternative is left.
    """
    if len(text) > MAXIMUM_LENGTH:
        raise FHIRPathError(f"the expression is longer than {MAXIMUM_LENGTH} characters")
    parse(text)
    found = [_from_type(part.strip(), resource_type) for part in _alternatives(text)]
    own = [part for part in found if reached_types(parse(part), resource_type) != frozenset()]
    if not own:
        raise FHIRPathError(f"the expression finds nothing in {resource_type}")
    return "\n| ".join(own)


def _alternatives(text: str) -> Iterator[str]:
    """The parts between the union operators that stand in no parentheses; one part where another operator binds less."""
    depth, cuts = 0, [-1]
    for token in tokens_of(text):
        if token.kind != "symbol" and token.text not in _LOOSER:
            continue
        if token.text in "([{":
            depth += 1
        elif token.text in ")]}":
            depth -= 1
        elif depth == 0 and token.text == "|":
            cuts.append(token.position)
        elif depth == 0 and token.text in _LOOSER:
            yield text
            return
    for start, end in pairwise([*cuts, len(text)]):
        yield text[start + 1 : end]


# N1 #operator-precedence: what binds less than the union.
_LOOSER = frozenset("> < >= <= = ~ != !~ in contains and or xor implies".split())


def _from_type(text: str, resource_type: str) -> str:
    head = text.partition(".")[0]
    is_relative = head.isidentifier() and head[0].islower() and not is_type(head)
    return f"{resource_type}.{text}" if is_relative else text
