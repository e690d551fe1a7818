"""Which search parameters a tenant has besides R4's, whenever a SearchParameter or a package comes, changes or goes.

FHIR R4, searchparameter.html. The set follows from what is stored: the active SearchParameters of the tenant, then those of
the loaded packages. It changes in the transaction of what it follows from; the indexing is a job (parameter_indexing.py).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from bhr_api.errors import InvalidResourceError, Issue
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, Resource, SearchParameter
from bhr_api.interactions.context import Context
from bhr_api.search.added_parameters import built_in, definitions_of, packed, parts_by_url, unresolved
from bhr_api.search.parameters import parameter_number
from bhr_api.store import added_parameters, jobs, packages
from bhr_api.store.added_parameters import AddedRow, State
from bhr_api.store.database import Connection

log = structlog.get_logger(__name__)

JOB = "index-search-parameters"
MAXIMUM_OF_TYPE = 100
"""Every write of the type extracts them all."""


class PackageParameters(NamedTuple):
    """The SearchParameters of the loaded packages; `generation` is the word for these packages."""

    generation: str
    resources: Sequence[Resource]


async def package_parameters(connection: Connection) -> PackageParameters:
    """Those of the packages that are loaded now."""
    generation = await packages.generation(connection)
    keys = await packages.newest_of_type(connection, "SearchParameter")
    bodies = await packages.bodies(connection, keys)
    return PackageParameters(generation, [json_text.parse(bodies[key]) for key in keys if key in bodies])


async def register_parameters(
    context: Context,
    connection: Connection,
    changed: Collection[str] = (),
    loaded: PackageParameters | None = None,
) -> bool:
    """Make the tenant's set what follows from what is stored, in the transaction of `connection`; whether it changed.

    `changed` are the ids of SearchParameters that are being written: one that cannot be served is refused with
    InvalidResourceError. What was stored before and what packages bring is passed over where it cannot.
    """
    tenant = context.tenant
    _, packages_before = await added_parameters.lock_set(connection, tenant)
    loaded = loaded or await package_parameters(connection)
    rows = await added_parameters.rows_of(connection, tenant)
    stored = [(id, json_text.parse(body)) for id, body in await added_parameters.stored_definitions(connection, tenant)]
    wanted = _wanted(stored, loaded.resources, rows, changed)
    kept = [_row_of(candidate, rows) for candidate in wanted.chosen.values()]
    left, gone = _leaving([row for row in rows if row.key not in wanted.chosen])
    changed_rows = [row for row in [*kept, *left] if row not in rows]
    if changed_rows or gone or packages_before != loaded.generation:
        await added_parameters.put(connection, tenant, changed_rows)
        await added_parameters.remove(connection, tenant, gone)
        await added_parameters.raise_generation(connection, tenant, loaded.generation)
    if any(row.state != "complete" for row in [*kept, *left]):
        await _add_job(context, connection)
    return bool(changed_rows or gone)


async def _add_job(context: Context, connection: Connection) -> None:
    await jobs.add(
        connection,
        tenant=context.tenant,
        tenant_name=context.words.name,
        kind=JOB,
        input=b"{}",
        now=context.now(),
        key=JOB,
    )


class _Candidate(NamedTuple):
    """A definition, with the id of the SearchParameter that it is from; "" for a package's."""

    definition: SearchParameter
    origin: str

    @property
    def key(self) -> tuple[int, str]:
        return RESOURCE_TYPE_NUMBERS[self.definition.resource_type], self.definition.code


@dataclass(slots=True)
class _Wanted:
    """What is chosen so far, by type and code; `urls` are of the SearchParameters that are chosen from."""

    changed: Collection[str]
    chosen: dict[tuple[int, str], _Candidate] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)

    def take(self, candidate: _Candidate) -> None:
        """Choose the candidate, or say why not if it is being written."""
        reason = self._reason(candidate)
        if reason is None:
            self.chosen[candidate.key] = candidate
        elif candidate.origin in self.changed and candidate.origin:
            raise InvalidResourceError([Issue("error", *reason)])

    def _reason(self, candidate: _Candidate) -> tuple[str, str, str] | None:
        """(issue code, sentence, place) of why it cannot be served."""
        number, code = candidate.key
        base = candidate.definition.resource_type
        of_type = {key[1]: one.definition for key, one in self.chosen.items() if key[0] == number}
        # search.html#Summary: "Servers SHALL NOT define parameters that differ only by case".
        holders = [one for one in [*built_in(base).values(), *of_type.values()] if one.code.lower() == code.lower()]
        if holders:
            held = holders[0]
            sentence = (
                f"{base} has a search parameter {held.code!r} already, {held.url}; another one needs another code."
            )
            return "duplicate", sentence, "SearchParameter.code"
        if any(parameter_number(other) == parameter_number(code) for other in [*built_in(base), *of_type]):
            return (
                "duplicate",
                f"The index cannot tell {code!r} from another parameter of {base}.",
                "SearchParameter.code",
            )
        if len(of_type) >= MAXIMUM_OF_TYPE:
            return "too-costly", f"At most {MAXIMUM_OF_TYPE} parameters are added to {base}.", "SearchParameter.base"
        return None

    def without_unresolved(self) -> None:
        """Leave out the composites whose parts are not there."""
        for key, candidate in list(self.chosen.items()):
            definition = candidate.definition
            own = [
                one.definition
                for one in self.chosen.values()
                if one.definition.resource_type == definition.resource_type
            ]
            reason = unresolved(definition, parts_by_url(definition.resource_type, own))
            if reason is not None:
                if candidate.origin in self.changed and candidate.origin:
                    sentence = f"The search parameter cannot be served: {reason}."
                    raise InvalidResourceError([Issue("error", "not-supported", sentence, "SearchParameter.component")])
                del self.chosen[key]


def _wanted(
    stored: Sequence[tuple[str, Resource]],
    of_packages: Sequence[Resource],
    rows: Sequence[AddedRow],
    changed: Collection[str],
) -> _Wanted:
    """What is to be served: of several for one code what holds it already, then the tenant's own before a package's."""
    holders = {(row.key, json_text.parse(row.next_definition or row.definition)["url"]) for row in rows}
    own = list(_candidates(stored, changed))
    own_urls = {resource["url"] for _, resource in stored if resource["status"] == "active"}
    loaded = _candidates([("", resource) for resource in of_packages if resource.get("url") not in own_urls], ())
    found = _Wanted(changed)
    for candidate in sorted(
        [*own, *loaded], key=lambda one: ((one.key, one.definition.url) not in holders, not one.origin)
    ):
        found.take(candidate)
    found.without_unresolved()
    return found


def _candidates(resources: Sequence[tuple[str, Resource]], changed: Collection[str]) -> Iterator[_Candidate]:
    urls: dict[str, str] = {}
    # What is being written comes last, so that it is told of what was there before.
    for origin, resource in sorted(resources, key=lambda pair: pair[0] in changed):
        if origin and resource["status"] == "active" and urls.setdefault(resource["url"], origin) != origin:
            if origin in changed:
                sentence = (
                    f"SearchParameter/{urls[resource['url']]} is active under this url; of one url one is served."
                )
                raise InvalidResourceError([Issue("error", "duplicate", sentence, "SearchParameter.url")])
            continue
        try:
            definitions = definitions_of(resource)
        except InvalidResourceError as error:
            if origin and origin in changed:
                raise
            log.info("search_parameter_passed_over", reasons=[issue.diagnostics for issue in error.issues][:3])
            continue
        yield from (_Candidate(definition, origin) for definition in definitions)


def _row_of(candidate: _Candidate, rows: Sequence[AddedRow]) -> AddedRow:
    """The row of what is to be served, made of the one that is there."""
    kept = packed(candidate.definition)
    before = next((row for row in rows if row.key == candidate.key), None)
    if before is None:
        return AddedRow(*candidate.key, candidate.origin, "building", kept)
    if before.definition == kept:
        state: State = "building" if before.state == "building" else "complete"
        return before._replace(origin=candidate.origin, state=state, next_definition=None)
    if before.state == "building":
        # Nobody answers by it yet.
        return AddedRow(*candidate.key, candidate.origin, "building", kept)
    return before._replace(origin=candidate.origin, state="leaving", next_definition=kept)


def _leaving(rows: Sequence[AddedRow]) -> tuple[list[AddedRow], list[tuple[int, str]]]:
    """Of what is no longer to be served: the rows that nobody may answer by from now on, and the keys of the others."""
    gone = [row.key for row in rows if row.state == "building"]
    left = [row._replace(state="leaving", next_definition=None) for row in rows if row.state != "building"]
    return left, gone
