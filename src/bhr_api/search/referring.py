"""What refers to a resource, by any element at all: a token for each reference, besides those of search parameters.

Only rows that are written while integrity is strict have these tokens; their generation tells (docs/decisions/0008).
"""

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.links import located_references
from bhr_api.fhir.references import parse_local
from bhr_api.search.extract import INDEX_GENERATION
from bhr_api.search.tokens import TokenHasher

# Generations rise by two, so that the number between is of the rows of a generation that have these tokens.
GENERATION_WITH_REFERENCES = INDEX_GENERATION + 1
FOLLOWING_GENERATION = INDEX_GENERATION + 2


def reference_token(hasher: TokenHasher, self_token: int) -> int:
    """The token of whatever refers to the resource of that self_token."""
    return self_token ^ hasher.parameter("", "(any reference)")


def reference_tokens(resource: Resource, hasher: TokenHasher, base_url: str) -> set[int]:
    """The tokens of all references in `resource` that would break if their targets were deleted.

    A reference to a version does not: it leads to the history, which stays.
    """
    targets = {parse_local(literal, base_url) for _, literal in located_references(resource)}
    return {
        reference_token(hasher, hasher.resource(target.resource_type, target.id))
        for target in targets
        if target is not None and target.version is None
    }
