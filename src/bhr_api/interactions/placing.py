"""Whose record a version goes into, where its type has a hook for that (docs/decisions/0004-whose-record.md)."""

from collections.abc import Mapping, Sequence

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.references import parse_local
from bhr_api.interactions.context import Context
from bhr_api.interactions.relating import visibility_of
from bhr_api.resources import HOOKS
from bhr_api.store import versions
from bhr_api.store.database import Connection
from bhr_api.store.versions import NewVersion


async def place(
    context: Context,
    connection: Connection,
    hooked: Sequence[tuple[Resource, NewVersion]],
    known: Mapping[int, int | None],
) -> None:
    """Set the patient of each version whose type has a hook.

    `known` are the patients, by self_token, of what goes into the store together with them; others are looked up.
    """
    if not hooked:
        return
    wanted = [_wanted(context, resource) for resource, _ in hooked]
    unknown = {token for tokens in wanted for token in tokens.values()} - known.keys()
    found_there = await versions.patients_of(connection, context.tenant, sorted(unknown))
    patients = {**known, **await _visible(context, connection, found_there)}
    for (resource, new), tokens in zip(hooked, wanted, strict=True):
        found = {reference: patients.get(token) for reference, token in tokens.items()}
        new.patient = HOOKS[resource["resourceType"]].patient(resource, found)


async def _visible(
    context: Context, connection: Connection, patients: Mapping[int, int | None]
) -> Mapping[int, int | None]:
    """To one who does not reach a record, what lies in it is as absent as what does not exist."""
    visibility = await visibility_of(context, connection, patients.values())
    return {token: patient for token, patient in patients.items() if visibility.reaches_patient(patient)}


def _wanted(context: Context, resource: Resource) -> dict[str, int]:
    """The self_tokens of the local resources that the hook wants to know of, by reference."""
    found = {}
    for reference in HOOKS[resource["resourceType"]].needs(resource):
        local = parse_local(reference, context.base_url)
        if local is not None:
            found[reference] = context.hasher.resource(local.resource_type, local.id)
    return found
