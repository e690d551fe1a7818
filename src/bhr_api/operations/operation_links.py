"""The walk through the pages of an operation's answer, by sealed cursors (FHIR R4, http.html#paging)."""

from collections.abc import Sequence
from urllib.parse import quote

from bhr_api.fhir.bundles import Link
from bhr_api.interactions.context import Context
from bhr_api.operations.inputs import Inputs
from bhr_api.search.cursor import Position
from bhr_api.store.row_ids import first_row_id_at


class OperationWalk:
    """Where the walk of the operation at `path` stands, with the parameters `names` of its `inputs`.

    `applied` is the query of its address. Raises InvalidParameterError for a cursor of another walk or caller.
    """

    def __init__(self, context: Context, path: str, inputs: Inputs, names: Sequence[str]) -> None:
        given = [(name, str(value)) for name in names for value in inputs.all(name)]
        self.applied = "&".join(f"{name}={quote(value, safe=':/,|-_.')}" for name, value in given)
        self._context = context
        self._sealed_for = f"{path}?{self.applied}"
        self._first = f"{context.base_url}/{path}" + (f"?{self.applied}" if self.applied else "")
        cursor = inputs.text("_cursor")
        self._own = self._first if cursor is None else self._with(cursor)
        self.position = self._beginning() if cursor is None else self._open(cursor)

    def _open(self, cursor: str) -> Position:
        return self._context.words.seal.open(cursor, self._sealed_for, self._context.holder)

    def _beginning(self) -> Position:
        # Rows made from now on have greater numbers: they stay out of this walk.
        newest = max(self._context.row_ids.next(), first_row_id_at(self._context.now().timestamp() + 0.001))
        return Position((), 0, newest)

    def links(self, following: Position | None) -> list[Link]:
        """Of the page: itself, the first, and the next one, if there is one at `following`."""
        found = [("self", self._own), ("first", self._first)]
        if following is not None:
            sealed = self._context.words.seal.seal(following, self._sealed_for, self._context.holder)
            found.append(("next", self._with(sealed)))
        return found

    def _with(self, cursor: str) -> str:
        return f"{self._first}{'&' if self.applied else '?'}_cursor={cursor}"
