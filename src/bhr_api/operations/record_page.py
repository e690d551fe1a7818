"""One page of a record: its members, and when these are through, what supports them (operation-patient-everything.html).

What supports the record is worked out anew for each page that shows some of it, since others may write meanwhile; one look
through the members' bodies, in portions, gives what they refer to.
"""

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.operations.compartment import CompartmentRows, Statement
from bhr_api.operations.references import Canonical, ReferenceReader
from bhr_api.search.cursor import Position
from bhr_api.store.database import Connection

# A place, what manages it and what that belongs to; a role, its practitioner and who qualified them.
HOPS = 3
_TARGETS_AT_ONCE = 1000
_BODIES_AT_ONCE = 200
_SUPPORT = "support"
_BEFORE_ALL = (1 << 63) - 1


class Row(NamedTuple):
    """A resource of the page."""

    resource_type: int
    id: str
    patient: int | None
    row_id: int
    self_token: int
    last_updated: datetime
    body: bytes
    is_member: bool


class Named:
    """What was found to be referred to: self_tokens, and questionnaires by their url; `through` are those looked up."""

    def __init__(self, reader: ReferenceReader) -> None:
        self.reader = reader
        self.tokens: set[int] = set()
        self.canonicals: set[Canonical] = set()
        self.through: set[int | Canonical] = set()

    def take(self) -> tuple[list[int], list[Canonical]]:
        """Those that have not been looked up; from now on they have."""
        tokens = sorted(self.tokens - self.through)
        canonicals = sorted(self.canonicals - self.through)
        self.through.update(tokens, canonicals)
        return tokens, canonicals


class RecordPage:
    """The page beyond `position`; once read, `rows` are on it and `following` is where the next one begins, if there is one."""

    def __init__(self, record: CompartmentRows, position: Position, count: int) -> None:
        self.rows: list[Row] = []
        self.following: Position | None = None
        self._record = record
        self._position = position
        self._count = count

    async def read(self, connection: Connection) -> None:
        """Fetch what is on the page."""
        after = self._position.row_id
        if self._position.values != (_SUPPORT,):
            found = await _rows(connection, self._record.page(after, self._count + 1))
            self.rows = found[: self._count]
            if len(found) > self._count:
                self.following = self._position._replace(row_id=self.rows[-1].row_id)
                return
            has_whole_record = after == 0 and not self._record.filters.is_cut
            after = _BEFORE_ALL
        else:
            has_whole_record = False
        await self._add_support(connection, after, has_whole_record=has_whole_record)

    async def _add_support(self, connection: Connection, after: int, *, has_whole_record: bool) -> None:
        named = Named(ReferenceReader(self._record.base_url))
        if has_whole_record:
            for row in self.rows:
                self._note(named, row.self_token, row.body)
        else:
            await self._look_through(connection, named)
        room = self._count - len(self.rows)
        supporting = await self._supporting(connection, named, after, room + 1)
        self.rows += supporting[:room]
        if len(supporting) > room:
            last = supporting[room - 1].row_id if room else after
            self.following = Position((_SUPPORT,), last, self._position.bound)

    async def _look_through(self, connection: Connection, named: Named) -> None:
        """Note what any member refers to, with no more than a portion of the bodies in memory."""
        statement = self._record.whole()
        async with connection.transaction():
            rows = connection.cursor(statement.sql, *statement.values, prefetch=_BODIES_AT_ONCE)
            async for self_token, body in rows:
                self._note(named, self_token, body)

    def _note(self, named: Named, self_token: int, body: bytes) -> None:
        # A member is not looked up again as what it supports.
        named.through.add(self_token)
        for target in named.reader.named_in(body):
            if isinstance(target, Canonical):
                named.canonicals.add(target)
            else:
                named.tokens.add(self._record.hasher.resource(target.resource_type, target.id))

    async def _supporting(self, connection: Connection, named: Named, after: int, limit: int) -> list[Row]:
        """The newest `limit` of what supports the record, of those made before the row `after`."""
        kept: list[Row] = []
        for _ in range(HOPS):
            tokens, canonicals = named.take()
            if not tokens and not canonicals:
                break
            for statement in self._statements(tokens, canonicals):
                found = [row for row in await _rows(connection, statement) if _is_named(row, tokens, canonicals)]
                for row in found:
                    if row.patient is None:
                        self._note(named, row.self_token, row.body)
                shown = [row for row in found if row.row_id < after and self._is_asked_for(row)]
                kept = heapq.nlargest(limit, {row.row_id: row for row in [*kept, *shown]}.values(), key=_age)
        return kept

    def _statements(self, tokens: Sequence[int], canonicals: Sequence[Canonical]) -> Iterator[Statement]:
        for start in range(0, len(tokens), _TARGETS_AT_ONCE):
            yield self._record.supporting(tokens[start : start + _TARGETS_AT_ONCE], ())
        if canonicals:
            yield self._record.supporting((), {canonical.url for canonical in canonicals})

    def _is_asked_for(self, row: Row) -> bool:
        filters = self._record.filters
        types = [RESOURCE_TYPE_NUMBERS[name] for name in filters.types]
        return (not types or row.resource_type in types) and (
            filters.since is None or row.last_updated >= filters.since
        )


def _age(row: Row) -> int:
    return row.row_id


async def _rows(connection: Connection, statement: Statement) -> list[Row]:
    return [Row(*row) for row in await connection.fetch(statement.sql, *statement.values)]


def _is_named(row: Row, tokens: Sequence[int], canonicals: Sequence[Canonical]) -> bool:
    """Whether a questionnaire that was found by its url is of the version that is wanted."""
    if not canonicals or row.self_token in tokens:
        return True
    resource = json_text.parse(row.body)
    return any(
        canonical.url == resource.get("url") and canonical.version in ("", resource.get("version"))
        for canonical in canonicals
    )
