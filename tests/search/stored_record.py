"""A drawn record in the database and in memory, and what each of the two answers to a query."""

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from typing import Any

from bhr_api.errors import ForbiddenError, RefusalError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.interactions.context import Context
from bhr_api.interactions.terminologies import search_context
from bhr_api.search.compiler import compile_count, compile_page
from bhr_api.search.criteria import AnyToken
from bhr_api.search.cursor import Position
from bhr_api.search.query import SearchQuery, parse_query
from tests.fixtures.record import Record
from tests.search.drawn_queries import Query
from tests.search.drawn_values import BASE_URL
from tests.search.reference_evaluator import found
from tests.search.reference_includes import Seen, included
from tests.search.reference_order import in_order, sort_keys
from tests.search.reference_paths import Resource
from tests.search.reference_record import Caller, SeenRecord
from tests.search.reference_refusals import NotAllowedError, UnknownTermsError, require_terms

_UNTYPED = re.compile(r"(^|[.:])[a-z][\w-]*\.")
EVERYTHING = Position((), 0, (1 << 63) - 1)
FORBIDDEN, UNKNOWN, MEANINGLESS = "forbidden", "of unknown terminology", "of no meaning"
Page = tuple[list[Any], set[tuple[str, str]]]


class StoredRecord:
    """Resources put into a tenant of their own, and kept as they were stored: with the time of the write."""

    def __init__(self, record: Record, resources: Sequence[Resource]) -> None:
        self.record = record
        everything = record.new_tenant()
        self.tenant = everything.tenant
        record.store(everything, resources)
        bodies = record.fetch("SELECT body FROM resource WHERE tenant = $1", [self.tenant])
        self.kept: list[Resource] = [json_text.parse(row[0]) for row in bodies]
        self.context = cache(self._context)
        self.seen = cache(self._seen)
        self.seen_for_includes = cache(self._seen_for_includes)

    def _context(self, caller: Caller) -> Context:
        return self.record.context(self.tenant, caller.scope, caller.patient)

    def _seen(self, caller: Caller) -> SeenRecord:
        return SeenRecord(self.kept, caller, BASE_URL)

    def _seen_for_includes(self, caller: Caller) -> Seen:
        return Seen.of(self.seen(caller))


class Question:
    """One query, as the server parses it; `difference` is what its answers and the evaluator's do not share."""

    def __init__(self, stored: StoredRecord, query: Query) -> None:
        self.stored = stored
        self.asked = query
        self.context = stored.context(query.caller)
        self.seen = stored.seen(query.caller)
        self.now = self.context.now()

    @cached_property
    def expected(self) -> list[Resource] | str:
        """What the evaluator finds."""
        try:
            return found(self.seen, self.asked.resource_type, self.asked.criteria, now=self.now)
        except NotAllowedError:
            return FORBIDDEN
        except UnknownTermsError:
            return UNKNOWN

    def difference(self) -> str | None:
        """What is wrong in the server's answer, in the first respect in which something is."""
        parameters = self.asked.parameters
        try:
            meaning = self.stored.record.run(search_context(self.context, parameters, self.now))
            query = parse_query(self.asked.resource_type, parameters, meaning)
        except RefusalError as error:
            if error.issues[0].code == "too-costly":
                raise
            return None if self._is_to_be_refused_so(error) else f"refused by {error!r}"
        if isinstance(self.expected, str):
            return f"answered, though {self.expected}"
        tokens = frozenset(token for one in query.criteria if isinstance(one, AnyToken) for token in one.tokens)
        # Which tokens are heavy decides the road, never the answer.
        for heavy in {frozenset[int](), tokens}:
            if difference := self._whole(query, heavy):
                return difference
        return self._pages(query)

    def _is_to_be_refused_so(self, error: RefusalError) -> bool:
        # Where the types that a caller may not search are left out of an untyped link, what is left may mean nothing.
        untyped = any(_UNTYPED.search(name) or name.endswith("_filter") for name, _ in self.asked.criteria)
        return self.expected in (UNKNOWN, MEANINGLESS) or (
            self.expected == FORBIDDEN and (untyped or self._names_unknown_terms() or isinstance(error, ForbiddenError))
        )

    def _names_unknown_terms(self) -> bool:
        try:
            for name, value in self.asked.criteria:
                require_terms(self.seen.terminology, name, value)
        except UnknownTermsError:
            return True
        return False

    def _whole(self, query: SearchQuery, heavy: frozenset[int]) -> str | None:
        assert isinstance(self.expected, list)
        rows, brought = self._page(query, heavy, EVERYTHING)
        ids, wanted = [row["id"] for row in rows], [one["id"] for one in self.expected]
        if sorted(ids) != sorted(wanted):
            return f"found {sorted(ids)} instead of {sorted(wanted)}"
        counted = compile_count(query, self.context.visibility, heavy, EVERYTHING)
        total = self.stored.record.fetch(counted.sql, counted.values)[0][0]
        if total != len(wanted):
            return f"counted {total} instead of {len(wanted)}"
        return self._order(ids) or self._brought(self.expected, brought)

    def _order(self, ids: list[str]) -> str | None:
        if not self.asked.sort:
            return None
        assert isinstance(self.expected, list)
        keys = {one["id"]: sort_keys(self.seen, one, self.asked.sort) for one in self.expected}
        for one, other in itertools.pairwise(ids):
            if not in_order(keys[one], keys[other]):
                return f"{one} {keys[one]} came before {other} {keys[other]}"
        return None

    def _brought(self, matches: list[Resource], brought: set[tuple[str, str]]) -> str | None:
        if not self.asked.includes:
            return f"included {sorted(brought)} unasked" if brought else None
        wanted = included(self.stored.seen_for_includes(self.asked.caller), matches, self.asked.includes)
        if brought == wanted:
            return None
        return f"included {sorted(brought - wanted)} too many and {sorted(wanted - brought)} too few"

    def _pages(self, query: SearchQuery) -> str | None:
        """Whether small pages, forward and back, are the whole answer, each with what belongs to it."""
        assert isinstance(self.expected, list)
        if len(self.expected) <= 2:
            return None
        whole = [row["id"] for row in self._page(query, frozenset(), EVERYTHING)[0]]
        query.count = 2
        by_id = {one["id"]: one for one in self.expected}
        pages = list(self._walk(query, EVERYTHING))
        if [row["id"] for rows, _ in pages for row in rows] != whole:
            return f"pages of {[[row['id'] for row in rows] for rows, _ in pages]} instead of {whole}"
        for rows, brought in pages:
            if difference := self._brought([by_id[row["id"]] for row in rows], brought):
                return f"with the page of {[row['id'] for row in rows]} {difference}"
        last = pages[-1][0][-1]
        end = Position(tuple(last["sort"]), last["row_id"], EVERYTHING.bound, backward=True)
        back = [row["id"] for rows, _ in self._walk(query, end) for row in rows]
        return None if back == whole[-2::-1] else f"back {back} instead of {whole[-2::-1]}"

    def _walk(self, query: SearchQuery, position: Position) -> Iterator[Page]:
        more = True
        while more:
            rows, brought = self._page(query, frozenset(), position)
            page, more = rows[: query.count], len(rows) > query.count
            if page:
                position = position._replace(values=tuple(page[-1]["sort"]), row_id=page[-1]["row_id"])
                yield page, brought

    def _page(self, query: SearchQuery, heavy: frozenset[int], position: Position) -> Page:
        statement = compile_page(query, self.context.visibility, self.context.hasher, heavy, position)
        rows = self.stored.record.fetch(statement.sql, statement.values)
        brought = {(RESOURCE_TYPES[row["resource_type"] - 1], row["id"]) for row in rows if row["mode"] == "include"}
        return [row for row in rows if row["mode"] == "match"], brought
