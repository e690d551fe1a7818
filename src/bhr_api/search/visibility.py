"""What the caller may see, as one SQL condition (DESIGN promise 2).

Wherever a row of `resource` or `resource_history` is read, this condition is part of the statement: matches, includes,
counts, history, conditional criteria. It is never a filter over a page. Rows are in the caller's tenant and one of the
caller's permissions holds for them: it covers the type, the row lies in a record that it reaches or is of a shared type, and
carries the codes that its scope is restricted to.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from bhr_api.access import Caller, Letter
from bhr_api.fhir.compartments import SHARED_TYPES
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, RESOURCE_TYPES
from bhr_api.search.restrictions import Demands, are_met, demands
from bhr_api.search.tokens import TokenHasher
from bhr_api.store.relations import Related, is_related
from bhr_api.store.sql import Binder, all_of, any_of, hidden


class Rule(NamedTuple):
    """A permission in the words of the tables: rows of `patient`, if there is one, of whoever `persons` are responsible for,
    if there are any, that carry what `wanted` asks for."""

    patient: int | None = None
    persons: tuple[int, ...] = ()
    wanted: Demands = ()


# Whatever the tenant has of the type.
_ALL = Rule()


@dataclass(frozen=True, slots=True)
class Visibility:
    """The rows that `caller` may see.

    `related` are pairs of somebody who stands for the caller's person and a patient, of those that were asked about, for whom
    they are responsible: what is in hand is compared with it (`allows_version`), and `store/relations.py` finds it.
    """

    caller: Caller
    hasher: TokenHasher
    related: Related = frozenset()
    # A statement asks for the rules of a type up to a dozen times.
    _known: dict[tuple[str, Letter], tuple[Rule, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def of(cls, caller: Caller, hasher: TokenHasher) -> "Visibility":
        """The visibility of a caller."""
        return cls(caller, hasher)

    @property
    def persons(self) -> tuple[int, ...]:
        """The self_tokens of all that stands for the caller's person, whose relations some permission may depend on."""
        person = self.caller.person
        return () if person is None else self._tokens((*person.selves, *person.teams))

    def knowing(self, related: Related) -> "Visibility":
        """The same with what is known of relations."""
        return replace(self, related=related)

    def _are_responsible(self, persons: Iterable[int], patient: int | None) -> bool:
        return any((person, patient) in self.related for person in persons)

    def binder(self) -> Binder:
        """A binder whose `$1` is the tenant, as every statement has it."""
        binder = Binder()
        binder.bind(self.caller.tenant, "integer")
        return binder

    def of_type(self, resource_type: str, letter: Letter, row: str, binder: Binder) -> str:
        """The condition on a row of `resource_type` under alias `row`, tenant included."""
        return f"{row}.tenant = $1 AND {_any_rule(self.rules(resource_type, letter), row, binder)}"

    def of_types(self, resource_types: Iterable[str], letter: Letter, row: str, binder: Binder) -> str:
        """The condition on a row of any of `resource_types`, tenant and types included."""
        alike: dict[tuple[Rule, ...], list[int]] = {}
        for name in resource_types:
            if rules := self.rules(name, letter):
                alike.setdefault(rules, []).append(RESOURCE_TYPE_NUMBERS[name])
        conditions = []
        for rules, types in alike.items():
            is_one = f"{row}.resource_type = ANY({binder.bind(types, 'smallint[]')})"
            allowed = _any_rule(rules, row, binder)
            conditions.append(is_one if allowed == "TRUE" else f"({is_one} AND {allowed})")
        return f"{row}.tenant = $1 AND {any_of(conditions)}"

    def of_any_type(self, letter: Letter, row: str, binder: Binder) -> str:
        """The condition on a row of any type at all."""
        return self.of_types(RESOURCE_TYPES, letter, row, binder)

    def types(self, letter: Letter) -> tuple[list[str], list[str]]:
        """The types of which something can be seen: those in any record, and those in one record alone."""
        found = [name for name in RESOURCE_TYPES if self.rules(name, letter)]
        own = [name for name in found if self.is_of_one_patient(name, letter)]
        return [name for name in found if name not in own], own

    def allows_version(
        self, resource_type: str, letter: Letter, patient: int | None, tokens: Callable[[], Collection[int]]
    ) -> bool:
        """Whether a version may be written (or was visible) with `letter`, by its patient column and its tokens.

        The Python twin of `of_type`, for rows that are in hand; `tokens` is called where a scope is restricted.
        """
        return any(
            (rule.patient is None or rule.patient == patient)
            and (not rule.persons or self._are_responsible(rule.persons, patient))
            and (not rule.wanted or are_met(rule.wanted, tokens()))
            for rule in self.rules(resource_type, letter)
        )

    def reaches_patient(self, patient: int | None) -> bool:
        """Whether anything is allowed with the record of `patient`, as far as relations are known (None: nobody's record)."""
        return patient is None or any(
            (reach.patient is None or self.hasher.resource("Patient", reach.patient) == patient)
            and (not reach.persons or self._are_responsible(self._tokens(reach.persons), patient))
            for reach in self.caller.reaches
        )

    def is_tenant_wide(self, resource_type: str, letter: Letter) -> bool:
        """Whether every row of `resource_type` in the tenant can be seen."""
        return _ALL in self.rules(resource_type, letter)

    def is_of_one_patient(self, resource_type: str, letter: Letter) -> bool:
        """Whether all that can be seen of the type is in one record."""
        found = {rule.patient for rule in self.rules(resource_type, letter)}
        return len(found) == 1 and None not in found

    def rules(self, resource_type: str, letter: Letter) -> tuple[Rule, ...]:
        """The ways in which a row of the type may be allowed; the one for all rows stands alone."""
        known = self._known.get((resource_type, letter))
        if known is None:
            found = dict.fromkeys(self._rules(resource_type, letter))
            known = self._known[resource_type, letter] = (_ALL,) if _ALL in found else tuple(found)
        return known

    def _rules(self, resource_type: str, letter: Letter) -> Iterator[Rule]:
        # Types about nobody in particular: whoever may read them reads all of them, and nobody confined writes them.
        is_shared = resource_type in SHARED_TYPES
        for permission in self.caller.permissions(letter, resource_type):
            wanted = demands(permission.resource_type, permission.restriction, self.hasher)
            if wanted is None:
                continue
            reach = permission.reach
            if is_shared and letter in ("r", "s"):
                yield Rule(wanted=wanted)
            elif not is_shared or (reach.patient is None and not reach.persons):
                patient = None if reach.patient is None else self.hasher.resource("Patient", reach.patient)
                yield Rule(patient, self._tokens(reach.persons), wanted)

    def _tokens(self, references: Iterable[str]) -> tuple[int, ...]:
        parts = (reference.partition("/") for reference in references)
        return tuple(self.hasher.resource(resource_type, id) for resource_type, _, id in parts)


def _any_rule(rules: Iterable[Rule], row: str, binder: Binder) -> str:
    return any_of([_condition(rule, row, binder) for rule in rules])


def _condition(rule: Rule, row: str, binder: Binder) -> str:
    conditions = []
    patient = f"{row}.patient"
    if rule.patient is not None:
        bound = binder.bind(rule.patient, "bigint")
        conditions.append(f"{patient} = {bound}")
        # It is the same for every row, so it is looked up once.
        patient = bound
    if rule.persons:
        conditions.append(is_related(rule.persons, patient, binder))
    # A restriction narrows a search, and does not drive it.
    conditions += [hidden(f"{row}.tokens && {binder.bind(list(tokens), 'bigint[]')}") for tokens in rule.wanted]
    return f"({all_of(conditions)})" if len(conditions) > 1 else all_of(conditions)
