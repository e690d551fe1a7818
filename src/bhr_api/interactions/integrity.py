"""Referential integrity: what a write refers to is here, and what is deleted is referred to by nothing (docs/references.md).

FHIR R4, references.html#literal and http.html#transactional-integrity. The final state of a transaction counts, so that its
entries may refer to one another in any order. A caller refers to what the caller may read: to others it is not there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from bhr_api.errors import BrokenReferenceError, Issue, ReferencedError, ReferencesNotIndexedError
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, RESOURCE_TYPES, Resource
from bhr_api.fhir.links import located_references
from bhr_api.fhir.references import LocalReference, parse_local
from bhr_api.interactions.context import BrokenReference, Context
from bhr_api.interactions.requests import SERVER_WRITTEN
from bhr_api.search.referring import reference_token
from bhr_api.store import references
from bhr_api.store.database import Connection
from bhr_api.store.sql import Binder
from bhr_api.store.versions import Key

_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class Write(NamedTuple):
    """A change as far as its references go: `place` is where its resource stands; None for `resource` is a deletion."""

    key: Key
    place: str
    resource: Resource | None


class Deletion(NamedTuple):
    """A resource that goes: `shown` is its `Type/id`, `place` where the request says so."""

    self_token: int
    shown: str
    place: str


class _Located(NamedTuple):
    """A reference in the resource of the write at `position`."""

    position: int
    expression: str
    target: LocalReference

    @property
    def key(self) -> Key:
        return RESOURCE_TYPE_NUMBERS[self.target.resource_type], self.target.id


@dataclass(frozen=True, slots=True)
class IntegrityCheck:
    """The references of a request's writes, whose targets are locked until its transaction ends.

    `live` are the targets that are there, as far as the caller may know, when nothing is written yet.
    """

    context: Context
    located: Sequence[_Located]
    live: Set[Key]

    async def require(
        self, connection: Connection, becoming: Mapping[Key, int | None], deleted: Sequence[Deletion]
    ) -> None:
        """Refuse the writes if one breaks a reference; `becoming` are the versions that they make, None for what they delete.

        Raises BrokenReferenceError and ReferencedError; what refers to nothing yet within an import is only noted.
        """
        broken = await self.broken(connection, becoming)
        if self.context.unresolved is not None:
            self.context.unresolved.extend(broken)
        elif broken:
            raise BrokenReferenceError([broken_issue(one) for one in broken])
        if deleted and self.context.integrity == "strict":
            await _refuse_referenced(self.context, connection, becoming, deleted)

    async def broken(self, connection: Connection, becoming: Mapping[Key, int | None]) -> list[BrokenReference]:
        """The references that lead nowhere when the resources have become what `becoming` says."""
        past = await self._past_versions(connection, becoming)
        return [
            BrokenReference(located.position, located.expression, located.target)
            for located in self.located
            if not self._leads_somewhere(located, becoming, past)
        ]

    def _leads_somewhere(
        self, located: _Located, becoming: Mapping[Key, int | None], past: set[tuple[Key, int]]
    ) -> bool:
        if located.target.version is None:
            return becoming[located.key] is not None if located.key in becoming else located.key in self.live
        version = _number(located.target.version)
        return version is not None and (becoming.get(located.key) == version or (located.key, version) in past)

    async def _past_versions(self, connection: Connection, becoming: Mapping[Key, int | None]) -> set[tuple[Key, int]]:
        """The versions that are named and there: those of a deleted resource too, since its history can be read."""
        named = ((one.key, _number(one.target.version or "")) for one in self.located)
        wanted = {(key, number) for key, number in named if number is not None and becoming.get(key) != number}
        if not wanted:
            return set()
        visible, binder = _visible(self.context, [key for key, _ in wanted])
        return await references.existing_versions(connection, sorted(wanted), visible, binder)


async def lock_targets(context: Context, connection: Connection, writes: Sequence[Write]) -> IntegrityCheck:
    """What `writes` refer to, found and locked by one statement; none where they refer to nothing here."""
    located = list(_located(writes, context.base_url))
    targets = {one.key for one in located if one.target.version is None}
    changed = {write.key for write in writes}
    if not targets - changed:
        return IntegrityCheck(context, located, frozenset())
    keys = {key: key in changed for key in sorted(targets | changed)}
    visible, binder = _visible(context, sorted(targets))
    deletes = any(write.resource is None for write in writes)
    live = await references.lock(connection, keys, visible, binder, against_each_other=deletes)
    return IntegrityCheck(context, located, live)


async def leading_nowhere(
    context: Context, connection: Connection, unresolved: Sequence[BrokenReference]
) -> set[BrokenReference]:
    """Those of `unresolved`, stored meanwhile, that still lead to nothing."""
    located = [_Located(0, one.expression, one.target) for one in unresolved]
    keys = dict.fromkeys(sorted({one.key for one in located if one.target.version is None}), False)
    live: Set[Key] = frozenset()
    if keys:
        visible, binder = _visible(context, list(keys))
        live = await references.lock(connection, keys, visible, binder, against_each_other=False)
    check = IntegrityCheck(context, located, live)
    return set(await check.broken(connection, {}))


def broken_issue(broken: BrokenReference) -> Issue:
    """What is wrong with a reference, and what would be right."""
    target = broken.target
    if target.version is not None:
        said = f"There is no version {target.version} of {target}, or it may not be read with this token"
        return Issue("error", "not-found", f"{said}; name a version of its history.", broken.expression)
    said = f"There is no {target}, or it may not be read with this token"
    return Issue(
        "error", "not-found", f"{said}; refer to what is here, or write it in the same transaction.", broken.expression
    )


def _located(writes: Sequence[Write], base_url: str) -> Iterator[_Located]:
    for position, write in enumerate(writes):
        for place, literal in located_references(write.resource) if write.resource is not None else ():
            target = parse_local(literal, base_url)
            # Audit events are no rows of the record, and are kept for a time only.
            if target is not None and target.resource_type not in SERVER_WRITTEN:
                yield _Located(position, write.place + place, target)


def _number(version: str) -> int | None:
    return int(version) if _VERSION.fullmatch(version) else None


def _visible(context: Context, keys: Sequence[Key]) -> tuple[str, Binder]:
    """The condition on what the caller may refer to among `keys`: what may be read, and the patient in context.

    Who may write that patient's record and not read it knows who the patient is; without this it could write nothing.
    """
    binder = context.visibility.binder()
    names = sorted({RESOURCE_TYPES[kind - 1] for kind, _ in keys})
    readable = context.visibility.of_types(names, "r", "r", binder)
    if context.caller.patient is None:
        return readable, binder
    patient = (
        f"r.resource_type = {RESOURCE_TYPE_NUMBERS['Patient']} AND r.id = {binder.bind(context.caller.patient, 'text')}"
    )
    return f"r.tenant = $1 AND ({readable} OR {patient})", binder


async def _refuse_referenced(
    context: Context, connection: Connection, becoming: Mapping[Key, int | None], deleted: Sequence[Deletion]
) -> None:
    """Raise ReferencedError if anything that stays as it is refers to one of `deleted`."""
    tokens = {reference_token(context.hasher, deletion.self_token): deletion for deletion in deleted}
    asked = sorted(tokens)
    are_indexed, found = await references.referred_to(connection, context.tenant, asked, becoming)
    if not are_indexed and not await references.note_indexed(connection, context.tenant, context.index_generation):
        raise ReferencesNotIndexedError
    if not found:
        return
    binder = context.visibility.binder()
    visible = context.visibility.of_any_type("r", "r", binder)
    referrers = await references.visible_referrers(connection, sorted(found), becoming, visible, binder)
    counts = {
        token: [(RESOURCE_TYPES[row.resource_type - 1], row.rows) for row in referrers if row.token == token]
        for token in found
    }
    raise ReferencedError([_referenced_issue(tokens[token], counts[token]) for token in asked if token in found])


def _referenced_issue(deletion: Deletion, counts: Sequence[tuple[str, int]]) -> Issue:
    """Whoever may see none of what refers to it learns no more than that something does, be it one or many."""
    seen = ", ".join(f"{count} {resource_type}" for resource_type, count in counts)
    more = " or more" if sum(count for _, count in counts) >= references.MOST_REFERRERS else ""
    said = f"{deletion.shown} is referred to by other resources{f': {seen}{more}' if seen else ''}"
    sentence = f"{said}. Change or delete what refers to it first, or in the same transaction."
    return Issue("error", "conflict", sentence, deletion.place)
