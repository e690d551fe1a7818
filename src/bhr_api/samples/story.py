"""How one client's year goes: who, why, since when, and every score on the way.

Scores follow a trajectory in the sense of reliable change: PHQ-9 by 6 points, GAD-7 by 4 (NHS Talking Therapies).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final, Literal

from bhr_api.samples import people, staff
from bhr_api.samples.presentations import PRESENTATIONS, Presentation

Trajectory = Literal["improving", "plateau", "worsening"]
MeasureKey = Literal["phq-9", "gad-7", "routines", "coping"]

TRAJECTORIES: Final[tuple[Trajectory, ...]] = ("improving", "plateau", "improving", "worsening", "improving")
MAXIMA: Final[Mapping[MeasureKey, int]] = {"phq-9": 27, "gad-7": 21, "routines": 6, "coping": 14}
DAYS_BETWEEN_SCORES: Final = 28


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value, in points or in counts, on a day."""

    day: date
    value: int


@dataclass(frozen=True, slots=True)
class Story:
    """The facts that the whole chart of a client agrees on."""

    number: int
    today: date
    start: date
    person: people.Person
    relative: people.Person
    birth_date: date
    presentation: Presentation
    trajectory: Trajectory
    series: Mapping[MeasureKey, tuple[Point, ...]]

    @property
    def patient_id(self) -> str:
        """The id of the Patient, and the beginning of every other id of the chart."""
        return f"sample-{self.number:04}"

    @property
    def team(self) -> int:
        """The number of the team that looks after the client."""
        return staff.team_of(self.number)

    @property
    def organization(self) -> str:
        """The id of the Organization in whose care the client is."""
        return staff.RECOVERY_PROGRAM if self.presentation.part_2 else staff.AGENCY

    @property
    def lives_in_residence(self) -> bool:
        """Whether staff are in the house, so that medicines are given rather than prompted."""
        return self.number % 2 == 0 and not self.presentation.youth

    @property
    def review_is_overdue(self) -> bool:
        """Whether the last review of the care plan was missed."""
        return self.number % 6 == 1

    def phq_9_around(self, day: date) -> int:
        """The PHQ-9 total in force on `day`, which is the intake's before any other."""
        past = [point.value for point in self.series["phq-9"] if point.day <= day]
        return past[-1] if past else self.series["phq-9"][0].value


def story(number: int, *, seed: int, today: date) -> Story:
    """The story of client `number`, which does not depend on how many others there are."""
    random = Random(f"{seed}/{number}")
    presentation = PRESENTATIONS[(number - 1) % len(PRESENTATIONS)]
    trajectory = TRAJECTORIES[(number - 1) % len(TRAJECTORIES)]
    start = today - timedelta(days=random.randrange(370, 541))
    somebody = people.person(random)
    return Story(
        number=number,
        today=today,
        start=start,
        person=somebody,
        relative=people.person(random, family=somebody.family),
        birth_date=_birth_date(random, today, youth=presentation.youth),
        presentation=presentation,
        trajectory=trajectory,
        series={key: _series(random, key, trajectory, start, today) for key in MAXIMA},
    )


def _birth_date(random: Random, today: date, *, youth: bool) -> date:
    # A youth stays under 18 for the whole record, so that the guardian's access holds throughout.
    years = random.randrange(14, 17) if youth else random.randrange(20, 68)
    return today - timedelta(days=years * 365 + random.randrange(1, 360))


def _series(random: Random, key: MeasureKey, trajectory: Trajectory, start: date, today: date) -> tuple[Point, ...]:
    first, last = _ends(random, key, trajectory)
    # The last score is at most four weeks old, and never of today.
    times = ((today - start).days - 8) // DAYS_BETWEEN_SCORES + 1
    days = [start + timedelta(days=7 + DAYS_BETWEEN_SCORES * n) for n in range(times)]
    values = [_between(random, key, first, last, n / (times - 1)) for n in range(times)]
    values[0], values[-1] = first, last
    return tuple(map(Point, days, values))


def _ends(random: Random, key: MeasureKey, trajectory: Trajectory) -> tuple[int, int]:
    match key, trajectory:
        case "phq-9", _:
            first = random.randrange(12, 19)
            change = {"improving": 2 - first + random.randrange(first // 2 - 3), "worsening": random.randrange(6, 9)}
        case "gad-7", _:
            first = random.randrange(9, 16)
            change = {"improving": 1 - first + random.randrange(first // 2), "worsening": random.randrange(4, 7)}
        case "routines", _:
            first = random.randrange(2, 4)
            change = {"improving": 3, "worsening": -random.randrange(1, 3)}
        case _:
            first = random.randrange(1, 4)
            change = {"improving": random.randrange(3, 6), "worsening": -1}
    still = random.choice((-1, 0, 1)) if key in ("phq-9", "gad-7") else 0
    return first, first + change.get(trajectory, still)


def _between(random: Random, key: MeasureKey, first: int, last: int, share: float) -> int:
    # Change is fastest at first: the usual shape of response to treatment.
    eased = 1 - math.pow(1 - share, 1.6)
    noise = random.choice((-1, 0, 0, 1) if key in ("phq-9", "gad-7") else (0,))
    return max(0, min(MAXIMA[key], round(first + (last - first) * eased) + noise))
