"""The profiles, tags and security labels in use in a type or a whole tenant (FHIR R4, resource-operation-meta.html).

The index holds keyed hashes of them, so that the stored text has to be looked through: exactly, or not at all.
"""

from typing import Any

from bhr_api.errors import ForbiddenError, TooCostlyError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.interactions.context import Context
from bhr_api.interactions.read import require
from bhr_api.search.parameters import parameters_of
from bhr_api.store.database import Connection

MAXIMUM_RESOURCES = 20_000
_PARAMETERS = ("_profile", "_security", "_tag")


async def labels_in_use(context: Context, connection: Connection, resource_type: str) -> dict[str, Any]:
    """A Meta with each profile, security label and tag of what the caller may see; `resource_type` "" is any type.

    Raises TooCostlyError where more than MAXIMUM_RESOURCES resources have some.
    """
    types = _types(context, resource_type)
    binder = context.visibility.binder()
    marks = [
        context.hasher.present(name, code) for name in types for code in _PARAMETERS if code in parameters_of(name)
    ]
    sql = f"""
        WITH labelled AS MATERIALIZED (
            SELECT r.body FROM resource r
            WHERE {context.visibility.of_types(types, "s", "r", binder)}
                AND (r.tokens && {binder.bind(marks, "bigint[]")}) IS TRUE
            LIMIT {MAXIMUM_RESOURCES + 1}
        )
        SELECT NULL AS name, NULL AS value, count(*) AS number FROM labelled
        UNION ALL
        SELECT DISTINCT name, value::text, 0
        FROM labelled CROSS JOIN unnest(ARRAY['profile', 'security', 'tag']) AS list (name)
            CROSS JOIN jsonb_array_elements(convert_from(body, 'UTF8')::jsonb -> 'meta' -> name) AS item (value)
    """
    rows = await connection.fetch(sql, *binder.values)
    if max(row["number"] for row in rows) > MAXIMUM_RESOURCES:
        raise TooCostlyError(
            f"More than {MAXIMUM_RESOURCES} resources have profiles or labels; ask for $meta of one type or resource."
        )
    return _meta([(row["name"], json_text.parse(row["value"].encode())) for row in rows if row["name"] is not None])


def _types(context: Context, resource_type: str) -> list[str]:
    if resource_type:
        require(context, "s", resource_type, "$meta")
        return [resource_type]
    allowed = [name for name in RESOURCE_TYPES if context.caller.may("s", name)]
    if not allowed:
        raise ForbiddenError("The token has no scope to search any type, so there is nothing that $meta could tell.")
    return allowed


def _meta(found: list[tuple[str, Any]]) -> dict[str, Any]:
    """One of each system and code, in order; which display it has does not count."""
    lists: dict[str, dict[tuple[str, str], Any]] = {}
    for name, value in found:
        key = (value.get("system", ""), value.get("code", "")) if isinstance(value, dict) else ("", value)
        kept = lists.setdefault(name, {}).setdefault(key, value)
        # Of several spellings the same one each time.
        lists[name][key] = min(kept, value, key=json_text.dumps)
    return {name: [lists[name][key] for key in sorted(lists[name])] for name in sorted(lists)}
