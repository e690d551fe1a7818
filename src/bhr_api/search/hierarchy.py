""":above and :below on references: what refers to a place in a hierarchy, or to anything over or under it.

FHIR R4, search.html#modifiers. A hierarchy is that of the types whose resources are part of others of their type: Location,
Organization, Encounter and the like. Each step on the way is under the caller's visibility condition.
"""

from dataclasses import dataclass

from bhr_api.errors import InvalidParameterError, UnsupportedModifierError
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.search.criteria import Criterion, either
from bhr_api.search.joins import each_of, reference_key, refers
from bhr_api.search.parameters import Parameter, parameters_of
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types import reference
from bhr_api.search.visibility import Visibility
from bhr_api.store.sql import Binder, hidden

MODIFIERS = frozenset({"above", "below"})
MAXIMUM_DEPTH = 20

_PARENTS = ("partof", "part-of")


def parent_of(resource_type: str) -> Parameter | None:
    """The parameter by which resources of the type refer to those that they are part of."""
    served = parameters_of(resource_type)
    return next((served[code] for code in _PARENTS if code in served and resource_type in served[code].targets), None)


def match(
    parameter: Parameter,
    modifier: str,
    values: list[str],
    hasher: TokenHasher,
    base_url: str,
    visibility: Visibility,
) -> Criterion:
    """Rows that refer by `parameter` to one of `values` or to what is `below` or `above` it."""
    return either(
        [
            _InHierarchy(parameter, resource_type, root, modifier == "below", hasher, visibility)
            for value in values
            for resource_type, root in _roots(parameter, modifier, value, hasher, base_url)
        ]
    )


def _roots(
    parameter: Parameter, modifier: str, value: str, hasher: TokenHasher, base_url: str
) -> list[tuple[str, int]]:
    found = reference.asked_targets(parameter, None, value, hasher, base_url)
    roots = [(name, token) for name, token in found if name and parent_of(name) is not None]
    if not any(parent_of(name) for name in parameter.targets):
        raise UnsupportedModifierError(
            f"{parameter.code}:{modifier}", f"nothing that {parameter.code} refers to is in a hierarchy of its type"
        )
    if not roots:
        raise InvalidParameterError(
            f"{parameter.code}:{modifier}", value, "it is the id or Type/id of a resource in a hierarchy of its type"
        )
    return roots


@dataclass(frozen=True, slots=True)
class _InHierarchy(Criterion):
    """The row refers by `parameter` to the resource `root` (a self_token) of `other`, or to one below or above it."""

    parameter: Parameter
    other: str
    root: int
    is_below: bool
    hasher: TokenHasher
    visibility: Visibility

    def sql(self, row: str, binder: Binder) -> str:
        """The places of the hierarchy, found once, against the tokens of each row."""
        key = reference_key(self.parameter, self.hasher, binder)
        places = f"ARRAY(SELECT place # {key} FROM ({self._places(binder)}) AS places)"
        return hidden(f"{row}.tokens && {places}")

    def _places(self, binder: Binder) -> str:
        """The self_tokens of the root and of all that is below or above it."""
        child, parent = binder.alias(), binder.alias()
        parameter = parent_of(self.other)
        assert parameter is not None
        number = RESOURCE_TYPE_NUMBERS[self.other]
        refer = refers(parameter, child, parent, number, self.hasher, binder, patient=False)
        known, found = (parent, child) if self.is_below else (child, parent)
        root = binder.bind(self.root, "bigint")
        seen = self._is_other(found, binder)
        return (
            f"WITH RECURSIVE h (place, depth) AS (SELECT {root}, 0"
            f" UNION SELECT {found}.self_token, depth + 1 FROM h"
            f" {each_of('*', known, _is(known, 'place'), self._is_other(known, binder))}"
            f" {each_of('self_token', found, self._found(child, parent, parameter, refer, binder), seen)}"
            f" WHERE depth < {MAXIMUM_DEPTH}) SELECT place FROM h"
        )

    def _found(self, child: str, parent: str, parameter: Parameter, refer: str, binder: Binder) -> str:
        """How the next step is come by: children by their token, parents by the tokens of the child."""
        if self.is_below:
            return refer
        key = reference_key(parameter, self.hasher, binder)
        return _is(parent, f"ANY(ARRAY(SELECT u # {key} FROM unnest({child}.tokens) AS u))")

    def _is_other(self, row: str, binder: Binder) -> str:
        visible = self.visibility.of_type(self.other, "s", row, binder)
        return hidden(f"{visible} AND {row}.resource_type = {RESOURCE_TYPE_NUMBERS[self.other]}")


def _is(row: str, self_token: str) -> str:
    return f"{row}.tenant = $1 AND {row}.self_token = {self_token}"
