"""$everything told from the definition by walking over all resources: no index, no SQL, nothing of the server's code.

Patient compartment: compartmentdefinition-patient.html, with the parameters' paths written out for the types that are drawn.
"""

from collections.abc import Iterator
from typing import Any

Resource = dict[str, Any]
Name = tuple[str, str]
MEMBERSHIP: dict[str, tuple[str, ...]] = {
    "Observation": ("subject", "performer"),
    "Encounter": ("subject",),
    "Group": ("member.entity",),
    "Appointment": ("participant.actor",),
    "DocumentReference": ("subject", "author"),
    "Condition": ("subject", "asserter"),
    "Patient": ("link.other",),
    "RelatedPerson": ("patient",),
    "Task": ("for", "focus"),
}
WHOSE = {"RelatedPerson": "patient", "Task": "for", "Appointment": "participant.actor"}
DATES = {"Observation": "effectiveDateTime", "Condition": "recordedDate", "Patient": None}
HOPS = 3


def name_of(resource: Resource) -> Name:
    return resource["resourceType"], resource["id"]


def at(node: Any, path: str) -> Iterator[Any]:
    """Every value at a path of element names."""
    first, _, rest = path.partition(".")
    values = node.get(first, [])
    for value in values if isinstance(values, list) else [values]:
        yield from at(value, rest) if rest else [value]


def references(node: Any, base_url: str) -> Iterator[Name]:
    """What a resource names by `reference`, or as a Binary by `url`."""
    if isinstance(node, list):
        for item in node:
            yield from references(item, base_url)
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and key in ("reference", "url"):
                parts = value.removeprefix(f"{base_url}/").split("/")
                if len(parts) == 2 and (key == "reference" or parts[0] == "Binary"):
                    yield parts[0], parts[1]
            else:
                yield from references(value, base_url)


def patients_at(resource: Resource, path: str, base_url: str) -> set[str]:
    found = (name for value in at(resource, path) for name in references(value, base_url))
    return {id for kind, id in found if kind == "Patient"}


def owner(resource: Resource, base_url: str) -> str | None:
    """The one patient whose record it is in."""
    kind = resource["resourceType"]
    if kind == "Patient":
        return str(resource["id"])
    if kind not in MEMBERSHIP or kind == "Group":
        return None
    found = patients_at(resource, WHOSE.get(kind, "subject"), base_url)
    return found.pop() if len(found) == 1 else None


def whole_record(
    everything: list[Resource], patient: str, base_url: str, start: str = ""
) -> tuple[set[Name], set[Name]]:
    """(members, support) of the record; with `start`, of care that did not end before that day."""
    compartment = [one for one in everything if is_member(one, patient, base_url)]
    members = [one for one in compartment if not start or in_care(one, start)]
    inside = {name_of(one) for one in compartment}
    return {name_of(one) for one in members}, support_of(members, inside, everything, (None,), base_url)


def whole_encounter(everything: list[Resource], encounter: Resource, base_url: str) -> tuple[set[Name], set[Name]]:
    """(members, support) of the encounter; beside it may stand what is its patient's."""
    itself = name_of(encounter)
    members = [
        one
        for one in everything
        if name_of(one) == itself
        or (one["resourceType"] == "Observation" and itself in references(one.get("encounter"), base_url))
    ]
    inside = {name_of(one) for one in members}
    return inside, support_of(members, inside, everything, (None, owner(encounter, base_url)), base_url)


def support_of(
    members: list[Resource],
    inside: set[Name],
    everything: list[Resource],
    owners: tuple[str | None, ...],
    base_url: str,
) -> set[Name]:
    """What members name, and what those in nobody's record name in turn, as far as it is in the record of `owners`."""
    known = {name_of(one): one for one in everything}
    support: set[Name] = set()
    looked_at = members
    for _ in range(HOPS):
        named = {name for one in looked_at for name in references(one, base_url)} - inside - support
        fit = {name for name in named if name in known and owner(known[name], base_url) in owners}
        support |= fit
        looked_at = [known[name] for name in fit if owner(known[name], base_url) is None]
    return support


def is_member(resource: Resource, patient: str, base_url: str) -> bool:
    paths = MEMBERSHIP.get(resource["resourceType"], ())
    return name_of(resource) == ("Patient", patient) or any(
        patient in patients_at(resource, path, base_url) for path in paths
    )


def in_care(resource: Resource, start: str) -> bool:
    path = DATES.get(resource["resourceType"])
    date = resource.get(path) if path else None
    return date is None or str(date) >= start
