"""Before an erasure: what there is of a person's record, and what else names that person (docs/erasure.md).

A survey reads the tenant as of one moment and changes nothing. Its code stands for all that it found.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bhr_api.errors import InvalidParameterError
from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.fhir.references import ID
from bhr_api.interactions.context import Context
from bhr_api.interactions.mentions import Traces
from bhr_api.store import audit, erasure
from bhr_api.store.database import Connection
from bhr_api.store.erasure import RecordVersion
from bhr_api.store.versions import Key

_TELL_EVERY = 200
_CODE_DIGITS = 12

# Told how much is done, in percent, and of what.
Progress = Callable[[float, str], None]
Version = tuple[int, str, int]


class Count(NamedTuple):
    """How much of a type goes: live resources, all their versions with the deleted resources' ones, and index rows."""

    resources: int
    versions: int
    index_rows: int


@dataclass(slots=True)
class Mention:
    """A resource that stays and names the person: in its current version or in `past` older ones, and how."""

    resource: str
    is_current: bool = False
    past: int = 0
    reasons: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Holdings:
    """The versions of a record, by key.

    A resource is in the record that its last version is in. `moved_in` are resources of which older versions were in
    another record: they go whole. Of `moved_out`, which are elsewhere now, only the versions go that were in this one.
    """

    patient: int
    live: list[Version] = field(default_factory=list)
    past: list[Version] = field(default_factory=list)
    moved_in: list[Key] = field(default_factory=list)
    moved_out: list[Key] = field(default_factory=list)

    def take(self, versions: Sequence[RecordVersion]) -> None:
        """Take up all versions of one resource, oldest first."""
        last = versions[-1]
        if last.patient == self.patient:
            gone = versions
            if any(version.patient not in (None, self.patient) for version in versions):
                self.moved_in.append(last.key)
        else:
            gone = [version for version in versions if version.patient == self.patient]
            self.moved_out.append(last.key)
        for version in gone:
            (self.live if version.is_live else self.past).append((*version.key, version.version))

    def digest(self, context: Context) -> str:
        """SHA-256 over the sorted versions, a line each: the type, the keyed hash of `Type/id`, and the version."""
        lines = sorted(
            (RESOURCE_TYPES[kind - 1], context.hasher.resource(RESOURCE_TYPES[kind - 1], id), version)
            for kind, id, version in (*self.live, *self.past)
        )
        digest = hashlib.sha256()
        for name, token, version in lines:
            digest.update(f"{name} {token} {version}\n".encode())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Survey:
    """What an erasure would do: `counts` by type, the `mentions` that would stay, and the `code` that stands for all this."""

    holdings: Holdings
    counts: dict[str, Count]
    mentions: list[Mention]
    access_tokens: int
    audit_events: int
    digest: str
    code: str

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to erase."""
        return not self.counts and self.access_tokens == 0

    @property
    def moved_in(self) -> list[str]:
        """Resources that go whole, though older versions were in another record."""
        return [_name(key) for key in self.holdings.moved_in]

    @property
    def moved_out(self) -> list[str]:
        """Resources that stay, but for the versions that were in this record."""
        return [_name(key) for key in self.holdings.moved_out]

    @property
    def total(self) -> Count:
        """The counts of all types together."""
        return Count(*(sum(count[place] for count in self.counts.values()) for place in range(3)))


async def survey(context: Context, id: str, progress: Progress) -> Survey:
    """Look through the tenant as of one moment for the record of `Patient/[id]` and for what else names that person."""
    if not ID.fullmatch(id):
        raise InvalidParameterError("patient", id, "an id is 1 to 64 of A-Z, a-z, 0-9, - and .")
    patient, users = context.hasher.resource("Patient", id), users_of(context, id)
    traces = Traces(context.base_url.encode(), f"Patient/{id}".encode())
    async with (
        context.database.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        teller = _Teller(progress, await erasure.size(connection, context.tenant))
        holdings = await holdings_of(connection, context, patient, traces, teller)
        traces.keys = {_name(key).encode() for key in _keys(holdings)}
        mentions = await _mentions(connection, context, patient, holdings, traces, teller)
        digest = holdings.digest(context)
        return Survey(
            holdings=holdings,
            counts=_counts(holdings, await erasure.index_rows(connection, context.tenant, patient)),
            mentions=mentions,
            access_tokens=await erasure.access_tokens(connection, context.tenant, id, users),
            audit_events=await erasure.audit_events(connection, context.tenant, patient, id, users),
            digest=digest,
            code=_code(digest, holdings, mentions),
        )


async def record_survey(context: Context, id: str) -> None:
    """Leave the audit event of a survey that was shown."""
    event = context.event("erase-dry-run", 200, patients=[context.hasher.resource("Patient", id)])
    async with context.database.acquire() as connection:
        await audit.append(connection, [event])


class _Teller:
    """Tells of progress now and then."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, max(total, 1), 0

    def count(self, what: str) -> None:
        """One more version was looked at."""
        self._done += 1
        if self._done % _TELL_EVERY == 0:
            self._progress(min(100.0, 100 * self._done / self._total), what)


async def holdings_of(
    connection: Connection,
    context: Context,
    patient: int,
    traces: Traces | None = None,
    teller: "_Teller | None" = None,
) -> Holdings:
    """The record; where `traces` are wanted, its bodies are read too, one after another."""
    holdings = Holdings(patient)
    versions: list[RecordVersion] = []
    async for version in erasure.record(connection, context.tenant, patient, with_bodies=traces is not None):
        if traces is not None and version.body is not None and version.patient == patient:
            traces.learn(_name(version.key).encode(), version.body)
        if teller is not None:
            teller.count("the record")
        if versions and versions[0].key != version.key:
            holdings.take(versions)
            versions = []
        versions.append(version._replace(body=None))
    if versions:
        holdings.take(versions)
    return holdings


async def _mentions(
    connection: Connection, context: Context, patient: int, holdings: Holdings, traces: Traces, teller: _Teller
) -> list[Mention]:
    found: dict[Key, Mention] = {}
    erased = _keys(holdings)
    async for version in erasure.outside(connection, context.tenant, patient):
        teller.count("everything else")
        if version.key in erased or version.body is None:
            continue
        name = _name(version.key)
        reasons = traces.reasons(name.encode(), version.body, is_nobodys=version.patient is None)
        if reasons:
            mention = found.setdefault(version.key, Mention(name))
            mention.is_current |= version.is_live
            mention.past += not version.is_live
            mention.reasons.update(reasons)
    return [found[key] for key in sorted(found)]


def _keys(holdings: Holdings) -> set[Key]:
    """The resources that go whole."""
    return {(kind, id) for kind, id, _ in (*holdings.live, *holdings.past)} - set(holdings.moved_out)


def _counts(holdings: Holdings, index_rows: dict[int, int]) -> dict[str, Count]:
    live = Counter(kind for kind, _, _ in holdings.live)
    past = Counter(kind for kind, _, _ in holdings.past)
    return {
        RESOURCE_TYPES[kind - 1]: Count(live[kind], live[kind] + past[kind], index_rows.get(kind, 0))
        for kind in sorted(live.keys() | past.keys(), key=lambda kind: RESOURCE_TYPES[kind - 1])
    }


def _code(digest: str, holdings: Holdings, mentions: Sequence[Mention]) -> str:
    """A short word for what was found: another record, or another mention, gives another one."""
    shown = [digest, len(holdings.live), holdings.moved_in, holdings.moved_out]
    shown += [(mention.resource, mention.is_current, mention.past, *sorted(mention.reasons)) for mention in mentions]
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:_CODE_DIGITS]


def _name(key: Key) -> str:
    return f"{RESOURCE_TYPES[key[0] - 1]}/{key[1]}"


def users_of(context: Context, id: str) -> list[str]:
    """How a token or event names the patient who signed in."""
    return [f"Patient/{id}", f"{context.base_url}/Patient/{id}"]
