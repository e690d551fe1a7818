"""The resource that an operation was asked of: `[type]/[id]/$name` (FHIR R4, operations.html#request)."""

from datetime import datetime
from typing import NamedTuple

from bhr_api.errors import GoneError
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.interactions.context import Context
from bhr_api.interactions.read import not_found, require
from bhr_api.store import versions
from bhr_api.store.database import Connection


class Focus(NamedTuple):
    """The live row of the resource; `patient` is the self_token of the patient whose record it is in."""

    resource_type: str
    id: str
    row_id: int
    self_token: int
    patient: int | None
    version: int
    last_updated: datetime
    body: bytes


async def read_focus(context: Context, connection: Connection, resource_type: str, id: str, operation: str) -> Focus:
    """The resource, as the caller may read it. Raises NotFoundError, GoneError, ForbiddenError, as a read does."""
    require(context, "r", resource_type, operation)
    number = RESOURCE_TYPE_NUMBERS[resource_type]
    binder = context.visibility.binder()
    visible = context.visibility.of_type(resource_type, "r", "r", binder)
    sql = f"""
        SELECT r.row_id, r.self_token, r.patient, r.version, r.last_updated, r.body FROM resource r
        WHERE {visible} AND r.resource_type = {number} AND r.id = {binder.bind(id, "text")}
    """
    row = await connection.fetchrow(sql, *binder.values)
    if row is not None:
        return Focus(resource_type, id, *row)
    binder = context.visibility.binder()
    visible = context.visibility.of_type(resource_type, "r", "r", binder)
    if await versions.read_past(connection, (number, id), None, visible, binder) is None:
        raise not_found(resource_type, id)
    raise GoneError(f"{resource_type}/{id} was deleted.")
