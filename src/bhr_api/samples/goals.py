"""Measurable goals and how far they have come (FHIR R4 goal.html, goal-achievement)."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bhr_api.fhir import canonical
from bhr_api.fhir.definitions import Resource
from bhr_api.samples.chart import Chart
from bhr_api.samples.datatypes import HL7, code_only, coded, concept, moment, period, quantity, sample_code
from bhr_api.samples.instruments import GAD_7, PHQ_9
from bhr_api.samples.measurement import SURVEY
from bhr_api.samples.story import MeasureKey, Point

ACTIVITIES_OF_DAILY_LIVING: Final = ("bathing", "dressing", "grooming", "meals", "housekeeping", "medication")


@dataclass(frozen=True, slots=True)
class Aim:
    """A target for one measure; `reliable` is the change, in the measure's unit, that counts as a change."""

    key: MeasureKey
    description: str
    measure: Resource
    comparator: str
    target: int
    unit: tuple[str, str]
    reliable: int
    category: str

    def is_met(self, value: int) -> bool:
        """Whether `value` fulfils the target."""
        return value < self.target if self.comparator == "<" else value >= self.target

    def achievement(self, first: int, latest: int) -> str:
        """The goal-achievement code: met, or the direction of a change that is large enough to count."""
        if self.is_met(latest):
            return "achieved"
        gain = first - latest if self.comparator == "<" else latest - first
        if abs(gain) < self.reliable:
            return "no-change"
        return "improving" if gain > 0 else "worsening"


_SCORE: Final = ("{score}", "{score}")
AIMS: Final = (
    # Below 5 is remission for both scales (HEDIS DRR-E for PHQ-9; by analogy for GAD-7).
    Aim(
        "phq-9", "My mood lets me do what matters to me: PHQ-9 below 5",
        coded(canonical.LOINC, *PHQ_9.total), "<", 5, _SCORE, 6, "behavioral",
    ),
    Aim(
        "gad-7", "Worry takes up less of my day: GAD-7 below 5",
        coded(canonical.LOINC, *GAD_7.total), "<", 5, _SCORE, 4, "behavioral",
    ),
    Aim(
        "routines", "I manage five of six daily routines on my own",
        sample_code("measure", "independent-routines", "Daily routines done without help"),
        ">=", 5, ("routines", "{routines}"), 1, "nursing",
    ),
    Aim(
        "coping", "I use a coping skill at least four times a week",
        sample_code("measure", "coping-skill-uses", "Coping skills used in a week"),
        ">=", 4, ("per week", "/wk"), 1, "behavioral",
    ),
)  # fmt: skip


def add_goals(chart: Chart) -> None:
    """Adds the four goals, and the observations of the two that no questionnaire measures."""
    for point_number, point in enumerate(chart.story.series["routines"], start=1):
        chart.add("Observation", f"routines-{point_number:02}", _routines(chart, point))
    for point_number, point in enumerate(chart.story.series["coping"], start=1):
        chart.add("Observation", f"coping-{point_number:02}", _coping(chart, point))
    for aim in AIMS:
        chart.add("Goal", f"goal-{aim.key}", _goal(chart, aim))


def _goal(chart: Chart, aim: Aim) -> Resource:
    points = chart.story.series[aim.key]
    achievement = aim.achievement(points[0].value, points[-1].value)
    return {
        "lifecycleStatus": "completed" if achievement == "achieved" else "active",
        "achievementStatus": code_only(f"{HL7}/goal-achievement", achievement),
        "category": [code_only(f"{HL7}/goal-category", aim.category)],
        "priority": code_only(f"{HL7}/goal-priority", "high-priority" if aim.key == "phq-9" else "medium-priority"),
        "description": concept(aim.description),
        "subject": chart.patient,
        # A goal starts with its baseline: earlier measurements would not count towards it.
        "startDate": points[0].day.isoformat(),
        "target": [
            {
                "measure": aim.measure,
                "detailQuantity": {"comparator": aim.comparator} | quantity(aim.target, *aim.unit),
                "dueDate": (chart.story.today + timedelta(days=60)).isoformat(),
            }
        ],
        "statusDate": points[-1].day.isoformat(),
        "expressedBy": chart.patient,
        "addresses": [chart.refer("Condition", "condition-1")],
        "outcomeReference": [
            chart.refer("Observation", f"{aim.key}-{number:02}") for number in (1, len(points) // 2, len(points))
        ],
    }


def _routines(chart: Chart, point: Point) -> Resource:
    aim = AIMS[2]
    alone = chart.random.sample(ACTIVITIES_OF_DAILY_LIVING, point.value)
    levels = {name: "Independent" if name in alone else "With prompts or help" for name in ACTIVITIES_OF_DAILY_LIVING}
    us_core_category = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category"
    return {
        "status": "final",
        "category": [SURVEY, coded(us_core_category, "functional-status", "Functional Status")],
        "code": aim.measure,
        "subject": chart.patient,
        "focus": [chart.refer("Goal", "goal-routines")],
        "effectiveDateTime": moment(point.day, 19, 30),
        "issued": moment(point.day, 20),
        "performer": [chart.practitioner("support-worker-1")],
        "valueQuantity": quantity(point.value, *aim.unit),
        "component": [
            {
                "code": sample_code("daily-living", name, name.capitalize()),
                "valueCodeableConcept": concept(level),
            }
            for name, level in levels.items()
        ],
    }


def _coping(chart: Chart, point: Point) -> Resource:
    aim = AIMS[3]
    return {
        "status": "final",
        "category": [coded(f"{HL7}/observation-category", "activity", "Activity")],
        "code": aim.measure,
        "subject": chart.patient,
        "focus": [chart.refer("Goal", "goal-coping")],
        "effectivePeriod": period(point.day - timedelta(days=6), point.day),
        "issued": moment(point.day, 20, 10),
        "performer": [chart.practitioner("support-worker-2")],
        "valueQuantity": quantity(point.value, *aim.unit),
    }
