"""Chained parameters and `_has`: criteria on other rows, which a reference leads to or comes from.

FHIR R4, search.html#chaining and #has. Every row on the way is under the caller's visibility condition, so that no answer
tells what the caller may not see; a type that the caller may not search is refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bhr_api.errors import (
    ForbiddenError,
    InvalidParameterError,
    MalformedRequestError,
    RefusalError,
    UnsupportedParameterError,
)
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, RESOURCE_TYPES
from bhr_api.search.criteria import Criterion, Either, Heavy, are_tokens, at_most_few, conditions, conjuncts, drivers
from bhr_api.search.joins import each_of, refers, ways
from bhr_api.search.parameters import Parameter, is_special
from bhr_api.search.served_parameters import ServedParameters
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.visibility import Visibility
from bhr_api.store.sql import Binder, all_of, any_of, hidden

MAXIMUM_HOPS = 100
"""Of one query in all, each type that an untyped chain may lead to counted."""
MAXIMUM_DEPTH = 10
"""Of one chain."""

# AuditEvents are kept apart from the record, where no reference leads (docs/audit.md).
_APART = frozenset({"AuditEvent"})

InnerParser = Callable[[str, str], Criterion]
"""From a type and a parameter's name, with whatever follows it, to the criterion on rows of that type."""


@dataclass(slots=True)
class Hops:
    """How many more rows a query may lead through."""

    left: int = MAXIMUM_HOPS

    def take(self) -> None:
        """One more. Raises MalformedRequestError when there are too many."""
        self.left -= 1
        if self.left < 0:
            raise MalformedRequestError(
                f"The chains of a search lead through at most {MAXIMUM_HOPS} types; name the type that is meant, as in"
                " subject:Patient.name.",
                code="too-costly",
            )


@dataclass(frozen=True, slots=True)
class _Hop(Criterion):
    """What both directions share: the other row's type, its criteria and what the caller may see of it."""

    parameter: Parameter
    other: str
    inner: Sequence[Criterion]
    visibility: Visibility
    hasher: TokenHasher

    def is_narrow(self, heavy: Heavy) -> bool:
        """Few other rows mean few rows."""
        return any(criterion.is_narrow(heavy) for criterion in self.inner)

    def has_seeds(self, heavy: Heavy) -> bool:
        """From many other rows it is better not to begin."""
        return self.is_narrow(heavy)

    def few(self, binder: Binder, heavy: Heavy) -> str:
        """Whether there are at most `FEW` other rows to begin from."""
        return at_most_few(f"SELECT FROM {self._others(binder.alias(), binder, heavy)}")

    def _others(self, alias: str, binder: Binder, heavy: Heavy) -> str:
        """The other rows as a table to begin from; OFFSET 0 keeps the planner from beginning elsewhere."""
        is_other = self._is_other(alias, binder)
        if are_tokens(drivers(self.inner, heavy)):
            is_other = hidden(is_other)
        where = [is_other, *conditions(self.inner, alias, binder, heavy)]
        return f"(SELECT {alias}.* FROM resource {alias} WHERE {all_of(where)} OFFSET 0) AS {alias}"

    def _filters(self, alias: str, binder: Binder) -> list[str]:
        return [criterion.sql(alias, binder) for criterion in self.inner]

    def _is_other(self, alias: str, binder: Binder) -> str:
        visible = self.visibility.of_type(self.other, "s", alias, binder)
        return f"{visible} AND {alias}.resource_type = {RESOURCE_TYPE_NUMBERS[self.other]}"


@dataclass(frozen=True, slots=True)
class Chained(_Hop):
    """The row refers by `parameter` to a row of type `other` that satisfies `inner`."""

    def sql(self, row: str, binder: Binder) -> str:
        """From each row to what it refers to."""
        other = binder.alias()
        filters = all_of([hidden(self._is_other(other, binder)), *self._filters(other, binder)])
        return any_of(
            [
                f"EXISTS (SELECT FROM resource {other} {way.tokens}"
                f" WHERE {way.of_row} AND {way.reaches(other, way.target)} AND {filters} OFFSET 0)"
                for way in ways(self.parameter, [self.other], row, self.hasher, binder)
            ]
        )

    def seeds(self, binder: Binder, heavy: Heavy) -> list[str]:
        """From the few other rows to what refers to them."""
        other, row = binder.alias(), binder.alias()
        number = self.parameter.resource_type_number
        refer = refers(self.parameter, row, other, number, self.hasher, binder, patient=self.other == "Patient")
        return [f"SELECT {row}.row_id FROM {self._others(other, binder, heavy)} {each_of('row_id', row, refer)}"]


@dataclass(frozen=True, slots=True)
class Referred(_Hop):
    """A row of type `other` that satisfies `inner` refers by `parameter` to the row, which is of type `own`."""

    own: str

    def sql(self, row: str, binder: Binder) -> str:
        """From each row to what refers to it."""
        other = binder.alias()
        number = RESOURCE_TYPE_NUMBERS[self.other]
        refer = refers(self.parameter, other, row, number, self.hasher, binder, patient=self.own == "Patient")
        filters = all_of([hidden(self._is_other(other, binder)), *self._filters(other, binder)])
        return f"EXISTS (SELECT FROM resource {other} WHERE {refer} AND {filters} OFFSET 0)"

    def seeds(self, binder: Binder, heavy: Heavy) -> list[str]:
        """From the few other rows to what they refer to."""
        other, row = binder.alias(), binder.alias()
        others = self._others(other, binder, heavy)
        is_own = hidden(f"{row}.resource_type = {RESOURCE_TYPE_NUMBERS[self.own]}")
        return [
            f"SELECT {row}.row_id FROM (SELECT DISTINCT {way.target} AS target FROM {others} {way.tokens}"
            f" WHERE {way.of_row}) AS w {each_of('row_id', row, way.reaches(row, 'w.target'), is_own)}"
            for way in ways(self.parameter, [self.own], other, self.hasher, binder)
        ]


def hops_of(criterion: Criterion) -> Sequence[Chained | Referred]:
    """The ways to other rows that `criterion` consists of; empty where it is something else."""
    parts = criterion.criteria if isinstance(criterion, Either) else [criterion]
    hops = [part for part in parts if isinstance(part, Chained | Referred)]
    return hops if len(hops) == len(parts) else []


@dataclass(frozen=True, slots=True)
class Chains:
    """Reads the chained parameters and `_has` of one query; `inner` reads what stands at their ends."""

    visibility: Visibility
    hasher: TokenHasher
    hops: Hops
    served: ServedParameters
    inner: InnerParser

    def chained(self, resource_type: str, name: str) -> Criterion:
        """`reference[:Type].parameter...` (search.html#chaining)."""
        _refuse_too_deep(name)
        first, _, rest = name.partition(".")
        code, _, modifier = first.partition(":")
        parameter = self._reference(resource_type, code, name)
        types = self._types(parameter, modifier, rest, name)
        found: list[Criterion] = []
        refused: list[RefusalError] = []
        for other in types:
            try:
                found.append(Chained(parameter, other, self._inner(other, rest), self.visibility, self.hasher))
            except (UnsupportedParameterError, InvalidParameterError, ForbiddenError) as error:
                refused.append(error)
        # Untyped, it goes on through each type for which the rest means something that the caller may ask.
        if not found:
            raise refused[0]
        return found[0] if len(found) == 1 else Either(found)

    def has(self, resource_type: str, name: str) -> Criterion:
        """`_has:Type:reference:parameter...` (search.html#has)."""
        _refuse_too_deep(name)
        _, *parts = name.split(":", 3)
        if len(parts) != 3 or not all(parts):
            raise InvalidParameterError("_has", name, "it is _has:Type:reference:parameter=value")
        source, code, rest = parts
        if source not in RESOURCE_TYPE_NUMBERS:
            raise InvalidParameterError("_has", name, f"{source!r} is no R4 resource type")
        parameter = self._reference(source, code, name)
        if parameter.targets and resource_type not in parameter.targets:
            raise InvalidParameterError("_has", name, f"{source}.{code} does not refer to {resource_type}")
        self._require(source, name)
        inner = self._inner(source, rest)
        return Referred(parameter, source, inner, self.visibility, self.hasher, resource_type)

    def _inner(self, resource_type: str, rest: str) -> Sequence[Criterion]:
        self.hops.take()
        return conjuncts(self.inner(resource_type, rest))

    def _types(self, parameter: Parameter, modifier: str, rest: str, name: str) -> list[str]:
        """The types that the chain leads through: as named, or all that have the next parameter."""
        targets = parameter.targets or RESOURCE_TYPES
        if modifier:
            if modifier not in targets:
                raise InvalidParameterError(name, modifier, f"{parameter.code} refers to {', '.join(targets)}")
            self._require(modifier, name)
            return [modifier]
        following = rest.partition(".")[0].partition(":")[0]
        types = [target for target in targets if target not in _APART and self._means_something(target, following)]
        if not types:
            raise UnsupportedParameterError(
                name, f"no type that {parameter.code} refers to has a parameter {following!r}"
            )
        allowed = [target for target in types if self.visibility.caller.may("s", target)]
        if not allowed:
            self._require(types[0], name)
        return allowed

    def _reference(self, resource_type: str, code: str, name: str) -> Parameter:
        parameter = self.served.find(resource_type, code)
        if parameter is None or parameter.type != "reference":
            raise UnsupportedParameterError(name, f"{resource_type} has no reference parameter {code!r} to follow")
        return parameter

    def _means_something(self, resource_type: str, following: str) -> bool:
        return following == "_has" or self.served.has(resource_type, following) or is_special(resource_type, following)

    def _require(self, resource_type: str, name: str) -> None:
        if resource_type in _APART:
            raise UnsupportedParameterError(name, f"no chain leads through {resource_type}")
        if not self.visibility.caller.may("s", resource_type):
            raise ForbiddenError(f"{name!r} searches {resource_type}; that needs a scope with s for {resource_type}.")


def _refuse_too_deep(name: str) -> None:
    if name.count(".") + name.count("_has:") > MAXIMUM_DEPTH:
        raise MalformedRequestError(
            f"A chain has at most {MAXIMUM_DEPTH} steps.", expression=f"http.{name[:100]}", code="too-costly"
        )
