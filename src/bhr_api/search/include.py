"""_include and _revinclude: further resources that come with the matches (FHIR R4, search.html#revinclude).

Each included row is under the same visibility condition as a match. Nothing is cut off silently: what a page does not hold of
them follows on pages of its own, in the order of the row ids, which never change. A match's
reference to a version brings that version (search.html#versions), if the caller may see it.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bhr_api.errors import InvalidParameterError
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, RESOURCE_TYPES
from bhr_api.search.body_values import CODES, body_values
from bhr_api.search.joins import Way, each_of, refers, ways
from bhr_api.search.parameters import Parameter
from bhr_api.search.served_parameters import ServedParameters
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.visibility import Visibility
from bhr_api.store.sql import Binder, hidden

MAXIMUM_DEPTH = 8
MAXIMUM_INCLUDED = 10_000
"""Of one page."""


@dataclass(frozen=True, slots=True)
class Include:
    """One `_include` or (`reverse`) `_revinclude` by `parameters` of type reference; `target` limits the type.

    `base_url` is this server's FHIR base, under which absolute references are local ones.
    """

    reverse: bool
    iterate: bool
    source: str
    parameters: tuple[Parameter, ...]
    target: str | None
    base_url: str


def parse_include(
    name: str, modifier: str, value: str, resource_type: str, served: ServedParameters, base_url: str
) -> Include:
    """The include that `Source:parameter[:Target]` or `*` spells, among the parameters `served`.

    Raises InvalidParameterError, and BeingIndexedError for a parameter that does not answer yet; `*` is those that do.
    """
    if modifier not in ("", "iterate", "recurse"):
        raise InvalidParameterError(f"{name}:{modifier}", value, "the only modifier is :iterate")
    reverse = name == "_revinclude"
    iterate = modifier != ""
    if value == "*" and not reverse:
        return Include(reverse, iterate, resource_type, _references(resource_type, served), None, base_url)
    parts = value.split(":")
    if not 2 <= len(parts) <= 3:
        raise InvalidParameterError(name, value, "it is Type:parameter or Type:parameter:TargetType")
    source, code, target = parts[0], parts[1], parts[2] if len(parts) == 3 else None
    for type_name in (source, target or source):
        if type_name not in RESOURCE_TYPE_NUMBERS:
            raise InvalidParameterError(name, value, f"{type_name!r} is no R4 resource type")
    if code == "*":
        return Include(reverse, iterate, source, _references(source, served), target, base_url)
    parameter = served.find(source, code)
    if parameter is None or parameter.type != "reference":
        raise InvalidParameterError(name, value, f"{source} has no reference parameter {code!r}")
    return Include(reverse, iterate, source, (parameter,), target, base_url)


def _references(resource_type: str, served: ServedParameters) -> tuple[Parameter, ...]:
    return tuple(parameter for parameter in served.of(resource_type).values() if parameter.type == "reference")


def reached_sql(includes: Sequence[Include], visibility: Visibility, hasher: TokenHasher, binder: Binder) -> str:
    """A table `reached (row_id, resource_type, id, tokens, self_token, patient, pinned, depth)` from the rows of `page`.

    `pinned` is the past version that a reference names, 0 for the current one. It may
    hold a row several times. Depth 0 are the matches themselves. Every include starts from these; from what it reaches only
    those with :iterate.
    """
    steps = [
        _Step(include, parameter, visibility, hasher, binder)
        for include in includes
        for parameter in include.parameters
    ]
    direct = " UNION ALL ".join([step.from_rows("page") for step in steps])
    base = f"SELECT {_CURRENT}, 0 AS depth FROM page t"
    if direct:
        base += f" UNION ALL SELECT t.*, 1 FROM ({direct}) AS t"
    iterated = " UNION ALL ".join([step.from_row("s") for step in steps if step.include.iterate])
    if not iterated:
        return f"reached AS ({base})"
    return f"""
        reached AS (
            ({base})
            UNION
            SELECT t.*, s.depth + 1 FROM reached s CROSS JOIN LATERAL ({iterated}) AS t
            WHERE s.depth BETWEEN 1 AND {MAXIMUM_DEPTH - 1}
        )
    """


_COLUMNS = "t.row_id, t.resource_type, t.id, t.tokens"
_CURRENT = f"{_COLUMNS}, t.self_token, t.patient, 0 AS pinned"
# History has no self_token: what refers to a past version refers to the resource.
_PAST = f"{_COLUMNS}, NULL::bigint, t.patient, t.version"

# Whether a stored body has the text "/_history/".
_NAMES_VERSION = "position('\\x2f5f686973746f72792f'::bytea IN s.body) > 0"


@dataclass(frozen=True, slots=True)
class _Step:
    """What one include brings by one parameter, from a set of rows at once or from the row at hand."""

    include: Include
    parameter: Parameter
    visibility: Visibility
    hasher: TokenHasher
    binder: Binder

    def from_rows(self, rows: str) -> str:
        """SELECT of what the rows of the table `rows` bring; each target of theirs is looked up once."""
        if self.include.reverse:
            return f"SELECT t.* FROM {rows} s CROSS JOIN LATERAL ({self._backward('s')}) AS t"
        values = None if self.parameter.is_canonical else body_values(self.parameter, CODES, "s")
        unversioned = "TRUE" if values is None else f"NOT {_NAMES_VERSION}"
        found = [
            f"SELECT {_CURRENT} FROM (SELECT DISTINCT {way.target} AS target FROM {rows} s {way.tokens}"
            f" WHERE s.resource_type = {self._source} AND {unversioned} AND {way.of_row}) AS w"
            f" {each_of(_CURRENT, 't', way.reaches('t', 'w.target'), self._visible(way.targets))}"
            for way in self._ways("s")
        ]
        return " UNION ALL ".join(found if values is None else [*found, self._versions(rows, values)])

    def _versions(self, rows: str, values: str) -> str:
        """The same of the rows whose bodies name versions, by what stands there: tokens tell of no version.

        Each version is under the visibility condition by its own patient and tokens.
        """
        types = sorted(self._targets or RESOURCE_TYPES)
        local = rf"^(?:{re.escape(self.include.base_url)}/)?([A-Za-z]+)/([A-Za-z0-9.-]{{1,64}})(?:/_history/([0-9]{{1,9}}))?$"
        names, numbers = self.binder.bind(types, "text[]"), _numbers(types, self.binder)
        # Hidden and behind OFFSET 0, the types lure nobody away from the primary keys.
        named = f"t.tenant = $1 AND t.resource_type = k.number AND t.id = w.found[2] AND {self._visible(types)}"
        version = "w.found[3]::integer"
        return f"""
            SELECT t.* FROM (
                SELECT DISTINCT m.found FROM {rows} s CROSS JOIN LATERAL ({values}) AS v
                    CROSS JOIN LATERAL regexp_match(v.value, {self.binder.bind(local, "text")}) AS m (found)
                WHERE s.resource_type = {self._source} AND {_NAMES_VERSION}
            ) AS w JOIN unnest({names}, {numbers}) AS k (name, number) ON k.name = w.found[1]
            CROSS JOIN LATERAL (
                SELECT {_CURRENT} FROM resource t WHERE {named} AND coalesce({version}, t.version) = t.version
                UNION ALL SELECT {_PAST} FROM resource_history t WHERE {named} AND t.version = {version} AND t.body IS NOT NULL
                OFFSET 0
            ) AS t
        """

    def from_row(self, row: str) -> str:
        """SELECT of what the row under the alias `row` brings."""
        if self.include.reverse:
            return self._backward(row)
        return " UNION ALL ".join(
            f"SELECT {_CURRENT} FROM resource t {way.tokens} WHERE {row}.resource_type = {self._source}"
            f" AND {way.of_row} AND {way.reaches('t', way.target)} AND {self._visible(way.targets)}"
            for way in self._ways(row)
        )

    @property
    def _source(self) -> int:
        return RESOURCE_TYPE_NUMBERS[self.include.source]

    @property
    def _targets(self) -> Sequence[str]:
        return [self.include.target] if self.include.target else self.parameter.targets

    def _ways(self, row: str) -> Iterator[Way]:
        return ways(self.parameter, self._targets, row, self.hasher, self.binder)

    def _visible(self, types: Collection[str]) -> str:
        return hidden(self.visibility.of_types(sorted(types), "r", "t", self.binder))

    def _backward(self, row: str) -> str:
        """From a target to what refers to it."""
        types = f"AND {row}.resource_type = ANY({_numbers(self._targets, self.binder)})" if self._targets else ""
        patient = set(self._targets) == {"Patient"}
        refer = refers(self.parameter, "t", row, self._source, self.hasher, self.binder, patient=patient)
        visible = hidden(self.visibility.of_type(self.include.source, "s", "t", self.binder))
        return f"SELECT {_CURRENT} FROM resource t WHERE {refer} {types} AND {visible}"


def _numbers(types: Sequence[str], binder: Binder) -> str:
    return binder.bind([RESOURCE_TYPE_NUMBERS[name] for name in types], "smallint[]")
