"""history of an instance, a type or the whole system (FHIR R4, http.html#history).

Every version is visible by its own patient and tokens, not by those of the current one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from bhr_api.access import Letter
from bhr_api.errors import ForbiddenError, InvalidParameterError, UnsupportedParameterError
from bhr_api.fhir import bundles
from bhr_api.fhir.dates import instant_text, interval_of
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, RESOURCE_TYPES
from bhr_api.interactions.context import Context
from bhr_api.interactions.read import not_found, require
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.search.cursor import Position
from bhr_api.search.query import DEFAULT_COUNT, MAXIMUM_COUNT
from bhr_api.search.visibility import Visibility
from bhr_api.store.history import HistoryFilter, Place, Seen, select, select_of_types
from bhr_api.store.sql import Binder
from bhr_api.store.versions import DELETE, METHODS


@dataclass(slots=True)
class _Asked:
    count: int = DEFAULT_COUNT
    since: datetime | None = None
    at: tuple[datetime, datetime] | None = None
    cursor: str | None = None


async def history(context: Context, request: Request) -> Result:
    """A history bundle, newest version first. Raises NotFoundError for an instance without any visible version."""
    _require_scope(context, request)
    asked = _parse(request, lenient=context.lenient)
    kept = [(name, value) for name, value in request.parameters if name in ("_count", "_since", "_at")]
    path = "/".join(part for part in (request.resource_type, request.id, "_history") if part)
    text = f"{path}?{urlencode(kept)}"
    place = None
    if asked.cursor is not None:
        position = context.words.seal.open(asked.cursor, text, context.holder)
        place = Place(datetime.fromisoformat(position.values[0]), position.row_id, position.bound)
    rows = await _rows(context, request, asked, place)
    if not rows and request.id and place is None and asked == _Asked(asked.count):
        raise not_found(request.resource_type, request.id)
    links = [("self", f"{context.base_url}/{path}" + (f"?{urlencode(kept)}" if kept else ""))]
    if len(rows) > asked.count:
        last = rows[asked.count - 1]
        position = Position((last["last_updated"].isoformat(),), last["row_id"], last["version"])
        cursor = context.words.seal.seal(position, text, context.holder)
        links.append(("next", f"{context.base_url}/{path}?{urlencode([*kept, ('_cursor', cursor)])}"))
    rows = rows[: asked.count]
    await _record(context, request, urlencode(kept), rows)
    entries = [_entry(context, row) for row in rows]
    body = bundles.bundle("history", instant_text(context.now()), total=None, links=links, entries=entries)
    return Result(200, body)


def check_history(context: Context, request: Request) -> None:
    """Refuse now what `history` would refuse before it looks at the record."""
    _require_scope(context, request)
    _parse(request, lenient=context.lenient)


def _require_scope(context: Context, request: Request) -> None:
    # SMART 2.2: instance history goes with read, type and system history with search.
    if request.interaction == "history-system":
        if not any(context.caller.may("s", name) for name in RESOURCE_TYPES):
            raise ForbiddenError("The token has no scope for the history of any type; it needs one such as system/*.s.")
        return
    letter = "r" if request.interaction == "history-instance" else "s"
    require(context, letter, request.resource_type, request.interaction)


def _parse(request: Request, *, lenient: bool) -> _Asked:
    asked = _Asked()
    named: set[str] = set()
    for name, value in request.parameters:
        if not value or name in ("_format", "_pretty"):
            continue
        if name in named:
            raise InvalidParameterError(name, value, "a parameter of a history appears once")
        named.add(name)
        try:
            match name:
                case "_count":
                    asked.count = _count(value)
                case "_since":
                    asked.since = interval_of(value)[0]
                case "_at":
                    asked.at = interval_of(value)
                case "_cursor":
                    asked.cursor = value
                case _ if not lenient:
                    raise UnsupportedParameterError(name, "a history takes _count, _since and _at")
        except ValueError as error:
            raise InvalidParameterError(name, value, str(error)) from error
    return asked


def _count(value: str) -> int:
    if not (value.isascii() and value.isdecimal()):
        raise ValueError("it is a whole number")
    return min(max(int(value[:9]), 1), MAXIMUM_COUNT)


async def _rows(context: Context, request: Request, asked: _Asked, place: Place | None) -> Sequence[Any]:
    letter: Letter = "r" if request.id else "s"
    visibility, binder, limit = context.visibility, context.visibility.binder(), asked.count + 1
    async with context.connection() as connection:
        if not request.resource_type:
            seen = _seen(visibility, binder)
            return await select_of_types(
                connection, HistoryFilter(None, asked.since, asked.at, place), seen, binder, limit
            )
        one_type = f"r.resource_type = {RESOURCE_TYPE_NUMBERS[request.resource_type]}"
        visible = f"{visibility.of_type(request.resource_type, letter, 'r', binder)} AND {one_type}"
        wanted = HistoryFilter(request.id or None, asked.since, asked.at, place)
        return await select(connection, wanted, visible, binder, limit)


def _seen(visibility: Visibility, binder: Binder) -> Seen:
    found, own = visibility.types("s")
    numbers = [RESOURCE_TYPE_NUMBERS[name] for name in found]
    return Seen(numbers, *(visibility.of_types(types, "s", "r", binder) if types else None for types in (found, own)))


def _entry(context: Context, row: Any) -> bytes:
    resource_type = RESOURCE_TYPES[row["resource_type"] - 1]
    local = f"{resource_type}/{row['id']}"
    method = METHODS[row["method"]]
    status = "204" if row["method"] == DELETE else "201" if row["version"] == 1 else "200"
    return bundles.history_entry(
        f"{context.base_url}/{local}",
        row["body"],
        method,
        resource_type if method == "POST" else local,
        status,
        f'W/"{row["version"]}"',
        instant_text(row["last_updated"]),
    )


async def _record(context: Context, request: Request, query: str, rows: Sequence[Any]) -> None:
    patients = [patient for patient in dict.fromkeys(row["patient"] for row in rows) if patient is not None]
    event = context.event(
        request.interaction,
        200,
        resource_type=request.resource_type or None,
        resource_id=request.id or None,
        query=query,
        patients=patients,
    )
    await context.record(event)
