"""Microseconds to read and to validate one resource, against the pydantic models of fhir.resources (R4B).

Run `python benchmarks/validation.py`. The first row is an Observation of about 900 bytes as a screening leaves it; the
others are HL7's examples (../shared/fhir/r4), all of a type. Best of several rounds, so that other work on the machine
disturbs the figures least. The bar is 60 us for the Observation, invariants included.
"""

import gzip
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from bhr_api.fhir.json_text import dumps, parse, splice
from bhr_api.fhir.validation import validate

EXAMPLES = Path(__file__).parents[1] / "../shared/fhir/r4/examples-behavioral-health.ndjson.gz"
RESOURCE_TYPES = ("Observation", "Patient", "CarePlan", "Goal", "QuestionnaireResponse", "Questionnaire", "Consent")
ROUNDS = 5

SCREENING: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "phq9-1",
    "meta": {"profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-screening-assessment"]},
    "status": "final",
    "category": [
        {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                    "code": "survey",
                    "display": "Survey",
                }
            ]
        }
    ],
    "code": {
        "coding": [
            {
                "system": "http://loinc.org",
                "code": "44261-6",
                "display": "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]",
            }
        ],
        "text": "PHQ-9 total score",
    },
    "subject": {"reference": "Patient/p1"},
    "encounter": {"reference": "Encounter/e1"},
    "effectiveDateTime": "2026-03-01T09:30:00-05:00",
    "issued": "2026-03-01T09:31:00.000-05:00",
    "performer": [{"reference": "Practitioner/d1"}],
    "valueQuantity": {"value": 14, "unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}"},
    "interpretation": [{"text": "moderate"}],
    "derivedFrom": [{"reference": "QuestionnaireResponse/q1"}],
}


def microseconds(act: Callable[[Any], object], inputs: list[Any], repetitions: int) -> float:
    """Time of one `act` on one input, the best of `ROUNDS`."""
    times = []
    for _ in range(ROUNDS):
        start = perf_counter()
        for _ in range(repetitions):
            for one in inputs:
                act(one)
        times.append(perf_counter() - start)
    return min(times) / repetitions / len(inputs) * 1e6


def row(name: str, bodies: list[bytes]) -> None:
    """Print the figures of resources of one type."""
    resources = [parse(body) for body in bodies]
    model = get_fhir_model_class(resources[0]["resourceType"])
    taken = [resource for resource in resources if not _is_refused(model, resource)]
    repetitions = max(1, 2_000 // len(bodies))
    pairs = list(zip(bodies, resources, strict=True))
    own = microseconds(validate, resources, repetitions)
    theirs = microseconds(model.model_validate, taken, max(1, repetitions // 10))
    figures = (
        sum(map(len, bodies)) / len(bodies),
        microseconds(parse, bodies, repetitions),
        microseconds(_spliced, pairs, repetitions),
        own,
        theirs,
        theirs / own,
    )
    print(f"{name:24}{len(bodies):5}" + "".join(f"{figure:11.1f}" for figure in figures))


def _is_refused(model: Any, resource: dict[str, Any]) -> bool:
    try:
        model.model_validate(resource)
    except ValueError:
        return True
    return False


def _spliced(pair: tuple[bytes, dict[str, Any]]) -> bytes:
    return splice(*pair, id="a1", version_id="2", last_updated="2026-03-01T09:31:00.000Z")


def main() -> None:
    """Print one row for the screening and, where the examples are, one for each type."""
    print(f"fhir.resources {version('fhir.resources')}; microseconds per resource")
    columns = ("bytes", "parse", "splice", "validate", "R4B model", "ratio")
    print(f"{'resources':24}{'n':>5}" + "".join(f"{column:>11}" for column in columns))
    row("Observation (screening)", [dumps(SCREENING)])
    if not EXAMPLES.exists():
        print("The shared examples are not here.")
        return
    examples = [json.loads(line) for line in gzip.decompress(EXAMPLES.read_bytes()).splitlines()]
    for resource_type in RESOURCE_TYPES:
        row(resource_type, [dumps(one) for one in examples if one["resourceType"] == resource_type])


if __name__ == "__main__":
    main()
