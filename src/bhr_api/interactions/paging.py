"""The pages of a search and the links between them (FHIR R4, http.html#paging)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from bhr_api.fhir.bundles import Link
from bhr_api.interactions.context import Context
from bhr_api.interactions.requests import Parameters
from bhr_api.search import include
from bhr_api.search.cursor import Position, Rest
from bhr_api.search.order import Order
from bhr_api.search.query import SearchQuery
from bhr_api.store.row_ids import first_row_id_at


class Walk:
    """One page of the walk through the matches of `query` at `path` below the base.

    `applied` is the query as it took effect, encoded; `links` are complete once the rows of the page are known.
    Raises InvalidParameterError for a cursor of another query, caller or order.
    """

    def __init__(self, context: Context, query: SearchQuery, path: str, now: datetime) -> None:
        self.applied = _encoded(query.applied)
        self._context = context
        self._query = query
        self._first = f"{context.base_url}/{path}".rstrip("/") + (f"?{self.applied}" if self.applied else "")
        # What a cursor belongs to: the order may come from the query's criteria, and a cursor holds that order's values.
        self._sealed_for = f"{path}?{self.applied} by {','.join(key.text for key in query.order)}"
        self._now = now
        self.position = self._position()
        own = self._first if query.cursor is None else self._with_cursor(query.cursor)
        self.links: list[Link] = [("self", own)]

    def _position(self) -> Position:
        context = self._context
        if self._query.cursor is not None:
            return context.words.seal.open(self._query.cursor, self._sealed_for, context.holder)
        return Position((), 0, self._bound())

    def _bound(self) -> int:
        """Rows made from now on have greater numbers: they stay out of a walk that begins."""
        return max(self._context.row_ids.next(), first_row_id_at(self._now.timestamp() + 0.001))

    def page(self, rows: Sequence[Any]) -> Sequence[Any]:
        """The rows of the page in their order, of those that were fetched: one more, if there is more to see."""
        count, position = self._query.count, self.position
        has_more = len(rows) > count
        rows = rows[:count]
        if position.backward:
            rows = rows[::-1]
        if self._query.summary == "count":
            return rows
        self.links.append(("first", self._first))
        if position.rest is not None:
            return rows
        if rows and (has_more if position.backward else position.row_id):
            self.links.append(("previous", self._beyond(rows[0], backward=True)))
        if rows and (has_more or position.backward):
            self.links.append(("next", self._beyond(rows[-1], backward=False)))
        if not rows and position.row_id:
            self.links.append(("next" if position.backward else "previous", self._back()))
        return rows

    def _back(self) -> str:
        """From a page of which every row is gone: the page that ends with the row next to which this one was."""
        position = self.position
        place = Order(self._query.order, "r.row_id", position.backward).place_after(position.row_id)
        return self._at(position._replace(row_id=place, backward=not position.backward))

    def included(self, matches: Sequence[Any], rows: Sequence[Any]) -> tuple[Sequence[Any], bool]:
        """What the page of `matches` holds of the included `rows`, in their order, and whether a link leads to more.

        On the page of the matches that link is `related`, as `next` leads to the next matches; on the pages that follow
        from it, which hold included resources only, it is `next`.
        """
        rows = sorted(rows, key=lambda row: (row["row_id"], row["pinned"]))
        held = rows[: include.MAXIMUM_INCLUDED]
        if len(rows) == len(held):
            return held, False
        last, pinned, rest = held[-1]["row_id"], held[-1]["pinned"], self.position.rest
        following = (
            rest._replace(last=last, pinned=pinned)
            if rest
            else Rest.of([row["row_id"] for row in matches], last, pinned, self._bound())
        )
        self.links.append(("next" if rest else "related", self._at(self.position._replace(rest=following))))
        return held, True

    def _beyond(self, row: Any, *, backward: bool) -> str:
        return self._at(Position(tuple(row["sort"]), row["row_id"], self.position.bound, backward))

    def _at(self, position: Position) -> str:
        return self._with_cursor(self._context.words.seal.seal(position, self._sealed_for, self._context.holder))

    def _with_cursor(self, cursor: str) -> str:
        return f"{self._first}{'&' if self.applied else '?'}_cursor={cursor}"


def _encoded(parameters: Parameters) -> str:
    return "&".join(f"{quote(name, safe=':*-_.')}={quote(value, safe=':/,|$*-_.')}" for name, value in parameters)
