"""Microseconds per resource: all search expressions of some types of R4, extracted and evaluated.

Run `python benchmarks/extraction.py`. The resources are HL7's examples (../shared/fhir/r4); the figures are the best of
several rounds, so that other work on the machine disturbs them least. DESIGN section 6: about 4 us for an Observation's
search values.
"""

import gzip
import json
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from time import perf_counter

from bhr_api.fhir.definitions import SEARCH_PARAMETERS, Resource
from bhr_api.fhirpath.compiler import compile_expression
from bhr_api.fhirpath.extraction import compile_extractor

EXAMPLES = Path(__file__).parents[1] / "../shared/fhir/r4/examples-behavioral-health.ndjson.gz"
RESOURCE_TYPES = ("Observation", "Patient", "CarePlan", "QuestionnaireResponse")
ROUNDS = 7
REPETITIONS = 100


def microseconds(acts: Sequence[Callable[[Resource], object]], resources: list[Resource], repetitions: int) -> float:
    """Time of all `acts` on one resource, the best of `ROUNDS`."""
    times = []
    for _ in range(ROUNDS):
        start = perf_counter()
        for _ in range(repetitions):
            for resource in resources:
                for act in acts:
                    act(resource)
        times.append(perf_counter() - start)
    return min(times) / repetitions / len(resources) * 1e6


def main() -> None:
    """Print one line per type: expressions, extraction, and the same by general evaluation."""
    if not EXAMPLES.exists():
        sys.exit("The published R4 examples are not here (../shared/fhir/r4).")
    lines = gzip.decompress(EXAMPLES.read_bytes()).splitlines()
    examples: list[Resource] = [json.loads(line, parse_float=Decimal) for line in lines]
    print(f"{'type':24}{'examples':>9}{'expressions':>12}{'extracted us':>14}{'evaluated us':>14}")
    for name in RESOURCE_TYPES:
        resources = [resource for resource in examples if resource["resourceType"] == name]
        texts = [parameter.expression for parameter in SEARCH_PARAMETERS[name].values() if parameter.expression]
        extracted = microseconds([compile_extractor(text, name) for text in texts], resources, REPETITIONS)
        evaluated = microseconds([compile_expression(text, name) for text in texts], resources, REPETITIONS // 20)
        print(f"{name:24}{len(resources):9}{len(texts):12}{extracted:14.2f}{evaluated:14.1f}")


if __name__ == "__main__":
    main()
