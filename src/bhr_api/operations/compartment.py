"""The rows of a patient's or an encounter's whole record, as SQL (FHIR R4, compartmentdefinition.html).

A member names the focus by a parameter of the compartment, or lies in the patient's record by its row's patient column. What
supports the members (practitioners, places, medications) lies in nobody's record: who is named beside the patient in a group
or as a relative keeps a record of their own (docs/named-operations.md).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from bhr_api.access import Letter
from bhr_api.fhir.dates import Interval
from bhr_api.fhir.definitions import COMPARTMENTS, RESOURCE_TYPE_NUMBERS, RESOURCE_TYPES
from bhr_api.operations.focus import Focus
from bhr_api.search.parameters import parameters_of
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.visibility import Visibility
from bhr_api.store.sql import Binder, all_of

# Kept apart from the record, in the audit's own tables.
TYPES = tuple(name for name in RESOURCE_TYPES if name != "AuditEvent")
_PATIENT = RESOURCE_TYPE_NUMBERS["Patient"]
_QUESTIONNAIRE = RESOURCE_TYPE_NUMBERS["Questionnaire"]
ASSOCIATED_ENCOUNTER = "http://hl7.org/fhir/StructureDefinition/encounter-associatedEncounter"


def naming_tokens(compartment: str, focus: int, hasher: TokenHasher) -> list[int]:
    """The tokens of every reference to the focus (its self_token) that puts a resource into its compartment.

    References to the patient that the row's own column tells are left out: each of the record has such a one.
    """
    keys: dict[int, None] = {}
    for resource_type, codes in COMPARTMENTS[compartment].items():
        served = parameters_of(resource_type)
        for code in codes:
            if code in served and not served[code].is_patient:
                own = served[code].made_of[0] if served[code].made_of else code
                keys[hasher.parameter(resource_type, own)] = None
    return [focus ^ key for key in keys]


class Statement(NamedTuple):
    """SQL with its values."""

    sql: str
    values: list[object]


@dataclass(frozen=True, slots=True)
class Filters:
    """What of the record is asked for: `types`, empty for all; changes `since`; care within `care` (a type's main date)."""

    types: tuple[str, ...] = ()
    since: datetime | None = None
    care: Interval | None = None

    @property
    def is_cut(self) -> bool:
        """Whether members may be left out of the answer whose references count all the same."""
        return bool(self.types) or self.since is not None


@dataclass(frozen=True, slots=True)
class CompartmentRows:
    """Writes the statements about one compartment; `bound` keeps rows made after the walk began out of it."""

    focus: Focus
    filters: Filters
    visibility: Visibility
    hasher: TokenHasher
    base_url: str
    bound: int

    def page(self, after: int, limit: int) -> Statement:
        """The members that are asked for, the focus first and then the newest; `after` is the row id of the last one or 0."""
        binder = self.visibility.binder()
        first = binder.bind(self.focus.row_id, "bigint")
        beyond = ["TRUE"]
        if after:
            beyond = [f"r.row_id <> {first}"]
        if after and after != self.focus.row_id:
            beyond.append(f"r.row_id < {binder.bind(after, 'bigint')}")
        sql = f"""
            WITH members AS MATERIALIZED (
                SELECT m.resource_type, m.row_id FROM ({self._members(self.filters.types or TYPES, beyond, binder)}) AS m
                ORDER BY m.row_id = {first} DESC, m.row_id DESC LIMIT {limit}
            )
            SELECT r.resource_type, r.id, r.patient, r.row_id, r.self_token, r.last_updated, r.body,
                TRUE AS is_member
            FROM members m
            JOIN resource r ON r.tenant = $1 AND r.resource_type = m.resource_type AND r.row_id = m.row_id
            ORDER BY r.row_id = {first} DESC, r.row_id DESC
        """
        return Statement(sql, binder.values)

    def whole(self) -> Statement:
        """(self_token, body) of every member of the time of care that is asked for, also of those that are cut out."""
        binder = self.visibility.binder()
        sql = f"""
            SELECT r.self_token, r.body FROM ({self._members(TYPES, [], binder, is_cut=False)}) AS m
            JOIN resource r ON r.tenant = $1 AND r.resource_type = m.resource_type AND r.row_id = m.row_id
        """
        return Statement(sql, binder.values)

    def supporting(self, targets: Sequence[int], urls: Collection[str]) -> Statement:
        """What stands behind the self_tokens `targets`, or the questionnaires of `urls`, as far as it may come along."""
        binder = self.visibility.binder()
        if urls:
            tokens = binder.bind([self.hasher.url(url) for url in urls], "bigint[]")
            wanted = f"(r.resource_type = {_QUESTIONNAIRE} AND r.tokens && {tokens})"
        else:
            wanted = f"r.self_token = ANY({binder.bind(list(targets), 'bigint[]')})"
        conditions = [
            self.visibility.of_types(TYPES, "r", "r", binder),
            wanted,
            f"r.row_id <= {binder.bind(self.bound, 'bigint')}",
            self._is_free(binder),
            f"(r.tokens && {self._naming(binder)}) IS NOT TRUE",
        ]
        sql = f"""
            SELECT r.resource_type, r.id, r.patient, r.row_id, r.self_token, r.last_updated, r.body,
                FALSE AS is_member
            FROM resource r WHERE {all_of(conditions)}
        """
        return Statement(sql, binder.values)

    def _is_free(self, binder: Binder) -> str:
        """Nobody's; beside an encounter also what is its patient's, as the conditions that it was for."""
        if self.focus.resource_type == "Encounter" and self.focus.patient is not None:
            return f"(r.patient IS NULL OR r.patient = {binder.bind(self.focus.patient, 'bigint')})"
        return "r.patient IS NULL"

    def _naming(self, binder: Binder) -> str:
        tokens = naming_tokens(self.focus.resource_type, self.focus.self_token, self.hasher)
        return binder.bind(tokens, "bigint[]")

    def _members(self, types: Collection[str], more: list[str], binder: Binder, *, is_cut: bool = True) -> str:
        """SELECTs of (resource_type, row_id) of each member, once. Each has an index of its own, so no OR joins them."""

        def where(road: str, types: Collection[str], letter: Letter = "s") -> str:
            conditions = [
                self.visibility.of_types(types, letter, "r", binder),
                f"r.row_id <= {binder.bind(self.bound, 'bigint')}",
                *more,
                *self._asked(binder, is_cut=is_cut),
            ]
            return all_of([road, *conditions])

        found = [
            f"SELECT r.resource_type, r.row_id FROM resource r WHERE {where(*road)}"
            for road in self._roads(types, binder)
        ]
        # One look into the index for each token: the planner takes many at once for many rows, and reads the whole tenant.
        tokens = f"unnest({self._naming(binder)}) AS named (token)"
        naming = where(f"r.tokens @> ARRAY[named.token] AND {self._is_elsewhere(binder)}", types)
        found.append(
            f"SELECT DISTINCT n.resource_type, n.row_id FROM {tokens}"
            f" CROSS JOIN LATERAL (SELECT r.resource_type, r.row_id FROM resource r WHERE {naming}) AS n"
        )
        return " UNION ALL ".join(found)

    def _roads(self, types: Collection[str], binder: Binder) -> Iterator[tuple[str, Collection[str], Letter]]:
        """The conditions by which members are found besides their naming the focus: of which types, and by which scope."""
        itself = binder.bind(self.focus.self_token, "bigint")
        # The focus was read, and is told to who may not search for it.
        yield f"r.self_token = {itself}", [name for name in types if name == self.focus.resource_type], "r"
        if self.focus.resource_type == "Patient":
            yield f"r.patient = {itself} AND r.row_id <> {binder.bind(self.focus.row_id, 'bigint')}", types, "s"
        elif self.focus.patient is not None:
            # R4: the extension is for resources "where no reference element exists".
            others = [name for name in types if name not in COMPARTMENTS["Encounter"]]
            yield f"r.patient = {binder.bind(self.focus.patient, 'bigint')} AND {self._associated(binder)}", others, "s"

    def _associated(self, binder: Binder) -> str:
        """Named by the standard extension, which has no index: the patient's record is looked through for its url first."""
        url = binder.bind(ASSOCIATED_ENCOUNTER.encode(), "bytea")
        relative = f"Encounter/{self.focus.id}"
        literals = binder.bind([relative, f"{self.base_url}/{relative}"], "text[]")
        path = f'$.extension[*] ? (@.url == "{ASSOCIATED_ENCOUNTER}").valueReference.reference'
        return (
            f"CASE WHEN position({url} IN r.body) > 0 THEN jsonb_path_query_array(convert_from(r.body, 'UTF8')::jsonb,"
            f" '{path}') ?| {literals} ELSE FALSE END"
        )

    def _is_elsewhere(self, binder: Binder) -> str:
        """Not found on another road."""
        column = "patient" if self.focus.resource_type == "Patient" else "self_token"
        return f"r.{column} IS DISTINCT FROM {binder.bind(self.focus.self_token, 'bigint')}"

    def _asked(self, binder: Binder, *, is_cut: bool) -> list[str]:
        found = []
        if is_cut and self.filters.since is not None:
            found.append(f"r.last_updated >= {binder.bind(self.filters.since, 'timestamptz')}")
        if self.filters.care is not None:
            start, end = self.filters.care
            # A patient's main date is the birth; what has no date cannot be said to lie outside.
            found.append(
                f"(r.resource_type = {_PATIENT} OR r.date_start = '-infinity'"
                f" OR (r.date_start < {binder.bind(end, 'timestamptz')}"
                f" AND r.date_end > {binder.bind(start, 'timestamptz')}))"
            )
        return found
