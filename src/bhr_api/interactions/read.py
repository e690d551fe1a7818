"""read and vread (FHIR R4, http.html#read and #vread)."""

from collections.abc import Callable

from bhr_api.errors import ForbiddenError, GoneError, InvalidParameterError, NotFoundError, UnknownVersionError
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.fhir.subset import subset
from bhr_api.interactions.context import Context
from bhr_api.interactions.requests import SERVER_WRITTEN, Parameters
from bhr_api.store import versions
from bhr_api.store.versions import StoredVersion


def require(context: Context, letter: str, resource_type: str, interaction: str) -> None:
    """Refuse the caller who has no scope for the interaction on the type. Raises ForbiddenError."""
    if letter in "cud" and resource_type in SERVER_WRITTEN:
        raise ForbiddenError(f"{resource_type} is written by the server alone.")
    if not context.caller.may(letter, resource_type):  # type: ignore[arg-type]
        raise ForbiddenError(
            f"The token has no scope for {interaction} on {resource_type}; it needs one with {letter!r},"
            f" such as system/{resource_type}.{letter}."
        )


def part_asked(parameters: Parameters) -> Callable[[bytes], bytes]:
    """What `_summary` and `_elements` leave of a resource (search.html#summary); all of it where neither is asked for.

    Raises InvalidParameterError for a summary that is none, or none of a single resource.
    """
    asked = {name: value for name, value in parameters if name in ("_summary", "_elements") and value}
    summary = asked.get("_summary", "false")
    if summary not in ("true", "text", "data", "false"):
        raise InvalidParameterError("_summary", summary, "of one resource it is one of true, text, data, false")
    elements = [name for name in asked.get("_elements", "").split(",") if name]
    if not elements and summary == "false":
        return lambda body: body
    return lambda body: subset(body, summary=summary, elements=elements)


def not_found(resource_type: str, id: str) -> NotFoundError:
    """The one answer for what does not exist and for what the caller may not see."""
    return NotFoundError(f"{resource_type}/{id} is not known here.")


async def read(context: Context, resource_type: str, id: str) -> StoredVersion:
    """The current version. Raises NotFoundError, GoneError, ForbiddenError."""
    require(context, "r", resource_type, "read")
    key = (RESOURCE_TYPE_NUMBERS[resource_type], id)
    async with context.connection() as connection:
        binder = context.visibility.binder()
        visible = context.visibility.of_type(resource_type, "r", "r", binder)
        found = await versions.read(connection, key, visible, binder)
        if found is None:
            binder = context.visibility.binder()
            visible = context.visibility.of_type(resource_type, "r", "r", binder)
            past = await versions.read_past(connection, key, None, visible, binder)
    if found is None:
        raise not_found(resource_type, id) if past is None else _gone(resource_type, id)
    await _record(context, "read", found, resource_type)
    return found


async def vread(context: Context, resource_type: str, id: str, version_id: str) -> StoredVersion:
    """The version `version_id`. Raises UnknownVersionError, GoneError for the deletion itself, ForbiddenError."""
    require(context, "r", resource_type, "vread")
    if not (version_id.isascii() and version_id.isdecimal() and len(version_id) < 10):
        raise _unknown_version(resource_type, id, version_id)
    version = int(version_id)
    key = (RESOURCE_TYPE_NUMBERS[resource_type], id)
    async with context.connection() as connection:
        binder = context.visibility.binder()
        visible = context.visibility.of_type(resource_type, "r", "r", binder)
        found = await versions.read(connection, key, visible, binder)
        if found is None or found.version != version:
            binder = context.visibility.binder()
            visible = context.visibility.of_type(resource_type, "r", "r", binder)
            found = await versions.read_past(connection, key, version, visible, binder)
    if found is None:
        raise _unknown_version(resource_type, id, version_id)
    if found.body is None:
        raise _gone(resource_type, id)
    await _record(context, "vread", found, resource_type)
    return found


def _gone(resource_type: str, id: str) -> GoneError:
    return GoneError(f"{resource_type}/{id} was deleted; its history is at {resource_type}/{id}/_history.")


def _unknown_version(resource_type: str, id: str, version_id: str) -> UnknownVersionError:
    return UnknownVersionError(f"{resource_type}/{id} has no version {version_id[:64]!r} here.")


async def _record(context: Context, interaction: str, found: StoredVersion, resource_type: str) -> None:
    patients = () if found.patient is None else (found.patient,)
    await context.record(
        context.event(
            interaction,
            200,
            resource_type=resource_type,
            resource_id=found.id,
            version=found.version,
            patients=patients,
        )
    )
