"""_sort: what a search's pages are ordered by (FHIR R4, search.html#sort).

Every order ends with the row id, newest first, so that no two rows tie. A missing value counts as the smallest: first when
ascending, last when descending. Several values: the smallest of them ascending, the greatest descending.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bhr_api.errors import UnsupportedParameterError
from bhr_api.search.body_values import CODES, body_values
from bhr_api.search.parameters import Parameter
from bhr_api.search.served_parameters import ServedParameters
from bhr_api.store.sql import Binder, all_of, any_of

KeyType = Literal["timestamptz", "text", "numeric"]
Pick = Literal["min", "max"]

_OF_PATIENT = "(^|/)Patient/[^/]+(/_history/[^/]+)?$"

_MISSING = {"timestamptz": "'-infinity'", "text": "''", "numeric": "'-Infinity'"}


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key: `expression` is SQL about the row `r`, never null; `code` and `descending` as they were asked for."""

    code: str
    descending: bool
    expression: str
    type: KeyType

    @property
    def text(self) -> str:
        """The key as `_sort` spells it."""
        return f"-{self.code}" if self.descending else self.code


LAST_UPDATED = SortKey("_lastUpdated", False, "r.last_updated", "timestamptz")
LAST_CHANGED = replace(LAST_UPDATED, descending=True)
NEWEST_DATED = SortKey("date", True, "r.date_start", "timestamptz")


def parse_sort(resource_type: str, text: str, base_url: str, served: ServedParameters) -> tuple[SortKey, ...]:
    """The keys of a `_sort` value, among the parameters `served`.

    References to this server, whose base is `base_url`, sort the same however they are written. Raises
    UnsupportedParameterError for what cannot be sorted by.
    """
    return tuple(_key(resource_type, part, base_url, served) for part in text.split(",") if part)


def _key(resource_type: str, text: str, base_url: str, served: ServedParameters) -> SortKey:
    descending = text.startswith("-")
    code = text.removeprefix("-")
    if code == "_id":
        return SortKey(code, descending, "r.id", "text")
    if code == "_lastUpdated":
        return replace(LAST_UPDATED, descending=descending)
    parameter = served.find(resource_type, code)
    only_patients = parameter is not None and parameter.is_patient and bool(parameter.made_of)
    if parameter is not None and parameter.made_of:
        parameter = served.of(resource_type)[parameter.made_of[0]]
    if parameter is None:
        raise UnsupportedParameterError("_sort", f"{resource_type} has no search parameter {code!r} to sort by")
    if parameter.is_main_date:
        return replace(NEWEST_DATED, code=code, descending=descending)
    pick: Pick = "max" if descending else "min"
    expression, type = _value(parameter, pick, base_url)
    if only_patients:
        # `patient` leaves out what `subject` may be besides.
        expression = _in_body(parameter, pick, base_url, f"value ~ '{_OF_PATIENT}'")
    return SortKey(code, descending, f"coalesce(({expression}), {_MISSING[type]}::{type})", type)


def _value(parameter: Parameter, pick: Pick, base_url: str) -> tuple[str, KeyType]:
    match parameter.type:
        case "date":
            return _indexed("date_index", "date_start", parameter, pick), "timestamptz"
        case "string":
            return _indexed("string_index", "value", parameter, pick), "text"
        case "number" | "quantity":
            return _indexed("number_index", "low", parameter, pick, "AND i.unit = 0"), "numeric"
        case "token" | "reference" | "uri":
            return _in_body(parameter, pick, base_url), "text"
        case _:
            raise UnsupportedParameterError(
                "_sort", f"{parameter.type} parameters have no order to sort {parameter.code!r} by"
            )


def _indexed(table: str, column: str, parameter: Parameter, pick: Pick, more: str = "") -> str:
    return (
        f"SELECT {pick}(i.{column}) FROM {table} i WHERE i.tenant = $1 AND i.row_id = r.row_id"
        f" AND i.parameter = {parameter.number} {more}"
    )


def _in_body(parameter: Parameter, pick: Pick, base_url: str, only: str = "value IS NOT NULL") -> str:
    """The index holds hashes only, so the order of codes is read from the stored JSON of the rows that match."""
    values = body_values(parameter, CODES, "r")
    if values is None:
        raise UnsupportedParameterError("_sort", f"{parameter.code!r} cannot be sorted by")
    value = "value"
    if parameter.type == "reference":
        base = "'" + f"{base_url}/".replace("'", "''") + "'"
        value = f"CASE WHEN starts_with(value, {base}) THEN substr(value, length({base}) + 1) ELSE value END"
        # A version of a resource is found as the resource is.
        value = f"regexp_replace({value}, '/_history/[^/]+$', '')"
    return f'SELECT {pick}(({value}) COLLATE "C") FROM ({values}) AS found WHERE {only}'


@dataclass(frozen=True, slots=True)
class Order:
    """How a page is ordered: by `keys`, then by the column `row_id`; `backward` walks the same order from its end."""

    keys: tuple[SortKey, ...]
    row_id: str
    backward: bool = False

    @property
    def _directed(self) -> list[tuple[SortKey, bool]]:
        """Each key with whether it descends in this walk."""
        return [(key, key.descending is not self.backward) for key in self.keys]

    @property
    def _ties_descend(self) -> bool:
        """Ties follow the direction of a single key, so that one index gives both when walked either way; else newest first."""
        return (len(self.keys) != 1 or self.keys[0].descending) is not self.backward

    def sql(self) -> str:
        """The ORDER BY of a page."""
        parts = [f"{key.expression} {'DESC' if descends else 'ASC'}" for key, descends in self._directed]
        return ", ".join([*parts, f"{self.row_id} {'DESC' if self._ties_descend else 'ASC'}"])

    def place_after(self, row_id: int) -> int:
        """The row id of a place right after the row `row_id`, among rows of the same values, with no row between the two."""
        return row_id - 1 if self._ties_descend else row_id + 1

    def after(self, values: Sequence[str], last: int, binder: Binder) -> str:
        """The condition that a row comes after the one with these key values (as text) and the row id `last`."""
        place = binder.bind(last, "bigint")
        tie_sign = "<" if self._ties_descend else ">"
        if len(self.keys) == 1:
            # A row comparison is one range of the index.
            key = self.keys[0]
            return f"({key.expression}, {self.row_id}) {tie_sign} ({_place(key, values[0], binder)}, {place})"
        alternatives: list[str] = []
        equal: list[str] = []
        for (key, descends), value in zip(self._directed, values, strict=True):
            sign = "<" if descends else ">"
            alternatives.append(all_of([*equal, f"{key.expression} {sign} {_place(key, value, binder)}"]))
            equal.append(f"{key.expression} = {_place(key, value, binder)}")
        alternatives.append(all_of([*equal, f"{self.row_id} {tie_sign} {place}"]))
        return any_of([f"({alternative})" for alternative in alternatives])


def _place(key: SortKey, value: str, binder: Binder) -> str:
    # The value is bound as text and cast in SQL, so that what left the database as text comes back as it was.
    return f"({binder.bind(value, 'text')})::{key.type}"
