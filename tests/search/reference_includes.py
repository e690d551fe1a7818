"""_include and _revinclude over a record in memory (FHIR R4, search.html#include).

What references lead to, of what the caller may read, or come from, of what the caller may search, that is not already a
match. `:iterate` goes on from what was brought, eight steps in all (docs/search.md).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.search.reference_parameters import PARAMETERS
from tests.search.reference_paths import Parameter, Resource
from tests.search.reference_record import SeenRecord

STEPS = 8


@dataclass(frozen=True, slots=True)
class Include:
    """`_include` or `_revinclude`: the type that refers and its parameter ("*" for any) and the type referred to, if named."""

    reverse: bool
    source: str
    parameter: str
    target: str | None
    iterate: bool

    @classmethod
    def of(cls, name: str, value: str) -> "Include":
        """What `_include[:iterate]=value` asks."""
        word, _, modifier = name.partition(":")
        source, _, rest = value.partition(":")
        parameter, _, target = rest.partition(":")
        return cls(word == "_revinclude", source, parameter or "*", target or None, modifier == "iterate")

    def brought(self, seen: "Seen", start: Iterable[Resource], *, of_matches: bool) -> list[Resource]:
        """What one step from `start` brings; a reference of a match leads to the version that it names."""
        if not self.reverse:
            return [target for one in start for target in self._referred(seen.read, one, as_named=of_matches)]
        ends = {id(one) for one in start}
        return [
            one
            for one in seen.searched.of_type[self.source]
            if any(id(target) in ends for target in self._referred(seen.either, one))
        ]

    def _referred(self, record: SeenRecord, one: Resource, *, as_named: bool = False) -> list[Resource]:
        if self.source not in ("*", one["resourceType"]):
            return []
        asked = PARAMETERS.get(one["resourceType"], {})
        followed = asked.values() if self.parameter == "*" else [asked[self.parameter]]
        references = [parameter for parameter in followed if parameter.kind == "reference"]
        return [target for parameter in references for target in self._targets(record, parameter, one, as_named)]

    def _targets(self, record: SeenRecord, parameter: Parameter, one: Resource, as_named: bool) -> list[Resource]:
        targets = record.referred(parameter, one, as_named=as_named)
        return [target for target in targets if self.target in (None, target["resourceType"])]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the caller may search, read, or one of both."""

    searched: SeenRecord
    read: SeenRecord
    either: SeenRecord

    @classmethod
    def of(cls, record: SeenRecord) -> "Seen":
        """The three of one record."""
        return cls(record.by("s"), record.by("r"), record.by("rs"))


def included(seen: Seen, found: Sequence[Resource], asked: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """The (type, id) of what comes along with the matches `found`."""
    includes = [Include.of(name, value) for name, value in asked]
    everything = {id(one): one for one in found}
    last: list[Resource] = list(found)
    for step in range(STEPS):
        followed = [include for include in includes if include.iterate or not step]
        brought = [one for include in followed for one in include.brought(seen, last, of_matches=not step)]
        last = list({id(one): one for one in brought if id(one) not in everything}.values())
        everything |= {id(one): one for one in last}
    matches = {id(one) for one in found}
    return {(one["resourceType"], one["id"]) for key, one in everything.items() if key not in matches}
