"""Relations between people and patients: kept with the resources that say so, and asked for what is in hand."""

from collections.abc import Iterable, Sequence

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.references import parse_local
from bhr_api.interactions.context import Context
from bhr_api.resources.responsibility import RESPONSIBILITIES
from bhr_api.search.visibility import Visibility
from bhr_api.store import relations
from bhr_api.store.database import Connection
from bhr_api.store.relations import Relation

# Whom a relation can be of: those who can have an account or be somebody's team.
_PERSONS = frozenset({"Practitioner", "PractitionerRole", "RelatedPerson", "Organization"})


async def relate(context: Context, connection: Connection, written: Sequence[tuple[str, str, Resource | None]]) -> None:
    """Keep what each of `written` (type, id, resource; None once it is deleted) says of relations, and nothing older."""
    sources = [(kind, id, resource) for kind, id, resource in written if kind in RESPONSIBILITIES]
    if not sources:
        return
    found: dict[tuple[int, int, int], Relation] = {}
    for kind, id, resource in sources:
        for relation in _relations(context, kind, id, resource):
            key = relation[:3]
            found[key] = _joined(found[key], relation) if key in found else relation
    tokens = [context.hasher.resource(kind, id) for kind, id, _ in sources]
    await relations.put(connection, context.tenant, tokens, list(found.values()))


def _relations(context: Context, kind: str, id: str, resource: Resource | None) -> list[Relation]:
    if resource is None:
        return []
    source = context.hasher.resource(kind, id)
    return [
        Relation(person, patient, source, each.start, each.end)
        for each in RESPONSIBILITIES[kind]({**resource, "id": id})
        if (person := _token(context, each.person, _PERSONS)) is not None
        and (patient := _token(context, each.patient, frozenset({"Patient"}))) is not None
    ]


def _joined(first: Relation, second: Relation) -> Relation:
    """Of somebody who is named twice: from the first beginning to the last end."""
    return first._replace(
        valid_from=min(first.valid_from, second.valid_from), valid_until=max(first.valid_until, second.valid_until)
    )


def _token(context: Context, reference: str, types: frozenset[str]) -> int | None:
    local = parse_local(reference, context.base_url)
    return context.hasher.resource(local.resource_type, local.id) if local and local.resource_type in types else None


async def visibility_of(context: Context, connection: Connection, patients: Iterable[int | None]) -> Visibility:
    """The caller's visibility with what it takes to judge versions in the records of `patients`."""
    persons = context.visibility.persons
    asked = {patient for patient in patients if patient is not None}
    if not persons or not asked:
        return context.visibility
    return context.visibility.knowing(await relations.related(connection, context.tenant, persons, asked))
