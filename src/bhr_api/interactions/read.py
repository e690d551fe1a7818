"""read and vread (FHIR R4, http.html#read and #vread)."""

from bhr_api.errors import ForbiddenError, GoneError, NotFoundError, UnknownVersionError
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.interactions.context import Context
from bhr_api.interactions.requests import SERVER_WRITTEN
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
