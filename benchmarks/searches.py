"""The searches whose statements are measured by themselves (DESIGN 12), and the bar of their 95th percentile."""

from dataclasses import dataclass

from benchmarks.work import PHQ9

_SURVEY = "http://terminology.hl7.org/CodeSystem/observation-category|survey"
_GAD7 = "http://loinc.org|70274-6"
_RARE = "http://loinc.org|93374-7"

Parameters = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Search:
    """A search; `{patient}` in a value is another patient each time. `is_deep` asks for a page far on."""

    name: str
    resource_type: str
    parameters: Parameters
    bar: float | None = None
    is_deep: bool = False


_PATIENT = ("patient", "{patient}")
_BY_DATE = ("_sort", "-date")
_MARCH = (("date", "ge2025-03-01"), ("date", "lt2025-04-01"))

SEARCHES = (
    Search("patient", "Observation", (_PATIENT, ("_count", "20")), 1),
    Search("patient, newest first", "Observation", (_PATIENT, _BY_DATE, ("_count", "20")), 1),
    Search("patient + code", "Observation", (_PATIENT, ("code", PHQ9), _BY_DATE, ("_count", "20")), 1),
    Search("patient + category + dates", "Observation", (_PATIENT, ("category", _SURVEY), *_MARCH, _BY_DATE), 1),
    Search("care plans, _include goal", "CarePlan", (_PATIENT, ("_include", "CarePlan:goal")), 1),
    Search("population by code", "Observation", (("code", PHQ9), _BY_DATE, ("_count", "50")), 5),
    Search("population by code, deep", "Observation", (("code", PHQ9), _BY_DATE, ("_count", "50")), 5, is_deep=True),
    Search("population by code, a month", "Observation", (("code", PHQ9), *_MARCH, _BY_DATE, ("_count", "50")), 5),
    Search("population by two codes", "Observation", (("code", f"{PHQ9},{_GAD7}"), _BY_DATE, ("_count", "50")), 5),
    Search("population by heavy category", "Observation", (("category", _SURVEY), ("_count", "50")), 5),
    Search("population, _include subject", "Observation", (("code", PHQ9), ("_include", "Observation:subject")), 5),
    Search("rare code", "Observation", (("code", _RARE), ("_count", "20")), 5),
    Search("identifier", "Patient", (("identifier", "http://example.org/nothing|{patient}"),), 5),
    Search("name prefix", "Patient", (("name", "So"), ("_count", "20")), 5),
    Search("one day, everybody", "Observation", (("date", "2025-03-03"), ("_count", "20")), 5),
    Search("changed since the load", "Observation", (("_lastUpdated", "gt{loaded}"), ("_count", "50")), 5),
    Search("score at least 20", "Observation", (("code-value-quantity", f"{PHQ9}$ge20"), ("_count", "20")), 5),
    Search("chain from a name", "Observation", (("patient.name", "So"), ("code", PHQ9), ("_count", "20")), 10),
    Search("chain through many", "Observation", (("patient.gender", "female"), ("code", PHQ9), ("_count", "20")), 10),
    Search(
        "_has a code", "Patient", (("_has:Observation:patient:code", PHQ9), ("gender", "female"), ("_count", "20")), 10
    ),
    Search("_has a rare code", "Patient", (("_has:Observation:patient:code", _RARE), ("_count", "20")), 10),
    Search("count by code", "Observation", (("code", PHQ9), ("_summary", "count"))),
    Search("count by heavy category", "Observation", (("category", _SURVEY), ("_summary", "count"))),
)
