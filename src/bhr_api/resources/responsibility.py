"""Who becomes responsible for a patient by what a resource says (DESIGN 5: relations, for roles and caseloads).

CareTeam names those who take part in the care of its subject, EpisodeOfCare its manager, RelatedPerson a relative or guardian;
the organization that manages a team or an episode is responsible too, which is how a supervisor sees its clients. FHIR R4,
careteam.html, episodeofcare.html, relatedperson.html.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from bhr_api.fhir.dates import BEGINNING, FOREVER, period_interval
from bhr_api.fhir.definitions import Resource


class Responsibility(NamedTuple):
    """`person` is responsible for `patient`, both literal references, in [`start`, `end`)."""

    person: str
    patient: str
    start: datetime
    end: datetime


def of_care_team(team: Resource) -> Iterator[Responsibility]:
    """Participants and managing organizations of an active team, for the time of their part in it."""
    if team.get("status") != "active":
        return
    for participant in team.get("participant", ()):
        yield from _during([participant.get("member")], team.get("subject"), team, participant)
    yield from _during(team.get("managingOrganization", ()), team.get("subject"), team)


def of_episode(episode: Resource) -> Iterator[Responsibility]:
    """Care manager and managing organization, as long as the episode is not over."""
    if episode.get("status") not in ("planned", "waitlist", "active", "onhold"):
        return
    responsible = [episode.get("careManager"), episode.get("managingOrganization")]
    yield from _during(responsible, episode.get("patient"), episode)


def of_related_person(relative: Resource) -> Iterator[Responsibility]:
    """The relative, unless the relation is marked as ended."""
    if relative.get("active") is False:
        return
    yield from _during([{"reference": f"RelatedPerson/{relative['id']}"}], relative.get("patient"), relative)


def _during(persons: Any, patient: Any, *bounded: Resource) -> Iterator[Responsibility]:
    """For the time that is within the `period` of each of `bounded`."""
    periods = [one.get("period") or {} for one in bounded]
    intervals = [period_interval(period.get("start"), period.get("end")) for period in periods]
    start = max((start for start, _ in intervals), default=BEGINNING)
    end = min((end for _, end in intervals), default=FOREVER)
    whose = _literal(patient)
    for person in persons:
        who = _literal(person)
        if who is not None and whose is not None and start < end:
            yield Responsibility(who, whose, start, end)


def _literal(reference: Any) -> str | None:
    found = reference.get("reference") if isinstance(reference, dict) else None
    return found if isinstance(found, str) else None


RESPONSIBILITIES: Mapping[str, Callable[[Resource], Iterator[Responsibility]]] = {
    "CareTeam": of_care_team,
    "EpisodeOfCare": of_episode,
    "RelatedPerson": of_related_person,
}
