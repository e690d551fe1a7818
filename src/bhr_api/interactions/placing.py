"""Whose record a version goes into, where its type has a hook for that (docs/decisions/0004-whose-record.md)."""

from collections.abc import Mapping, Sequence

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.references import parse_local
from bhr_api.interactions.context import Context
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
    patients = {**known, **_visible(context, found_there)}
    for (resource, new), tokens in zip(hooked, wanted, strict=True):
        found = {reference: patients.get(token) for reference, token in tokens.items()}
        new.patient = HOOKS[resource["resourceType"]].patient(resource, found)


def _visible(context: Context, patients: Mapping[int, int | None]) -> Mapping[int, int | None]:
    """To a patient's token, what lies in another record is as absent as what does not exist."""
    own = context.visibility.patient
    if own is None:
        return patients
    return {token: patient for token, patient in patients.items() if patient in (None, own)}


def _wanted(context: Context, resource: Resource) -> dict[str, int]:
    """The self_tokens of the local resources that the hook wants to know of, by reference."""
    found = {}
    for reference in HOOKS[resource["resourceType"]].needs(resource):
        local = parse_local(reference, context.base_url)
        if local is not None:
            found[reference] = context.hasher.resource(local.resource_type, local.id)
    return found
