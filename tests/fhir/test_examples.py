"""Published resources, all of which the validator must take, but for those that break a rule."""

import bz2
import gzip
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.json_text import dumps, parse
from bhr_api.fhir.validation import validate

SHARED = Path(__file__).parents[2] / "../shared/fhir"
R4_EXAMPLES = SHARED / "r4/examples-behavioral-health.ndjson.gz"
US_CORE = sorted((SHARED / "us-core").glob("*.tgz"))
SYNTHEA = sorted((SHARED / "synthea").glob("*.json.bz2"))

pytestmark = pytest.mark.skipif(not R4_EXAMPLES.exists(), reason="the shared FHIR examples are not here")

# The examples of R4 that break R4.
INVALID = {
    # narrative.html, txt-2: "The narrative SHALL have some non-whitespace content"; the div holds a line break.
    "ActivityDefinition/heart-valve-replacement": [("invariant", "ActivityDefinition.text.div")],
    "ActivityDefinition/blood-tubes-supply": [("invariant", "ActivityDefinition.text.div")],
    # Observation.performer takes no Encounter; the example has "Encounter/example".
    "Observation/clinical-gender": [("value", "Observation.performer[0]")],
}


def found_in(resource: Resource, *, in_transaction: bool = False) -> list[tuple[str, str | None]]:
    return [(issue.code, issue.expression) for issue in validate(resource, in_transaction=in_transaction)]


def lines_of(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines()


def examples_of(package: Path) -> Iterator[Resource]:
    with tarfile.open(package) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.startswith("package/example/") else None
            resource = parse(content.read()) if content and member.name.endswith(".json") else {}
            if "resourceType" in resource:
                yield resource


def test_the_examples_of_r4_are_valid_but_for_three() -> None:
    resources = [parse(line) for line in lines_of(R4_EXAMPLES)]
    found = {f"{one['resourceType']}/{one['id']}": found_in(one) for one in resources}

    assert len(resources) == 323
    assert {name: issues for name, issues in found.items() if issues} == INVALID


@pytest.mark.parametrize("package", US_CORE, ids=lambda path: path.stem)
def test_the_examples_of_us_core_are_valid(package: Path) -> None:
    found = {f"{one['resourceType']}/{one['id']}": found_in(one) for one in examples_of(package)}

    assert len(found) >= 180
    assert {name: issues for name, issues in found.items() if issues} == {}


@pytest.mark.parametrize("bundle", SYNTHEA, ids=lambda path: path.name[:8])
def test_synthetic_patients_are_valid_as_bundles_and_by_entry(bundle: Path) -> None:
    transaction = parse(bz2.decompress(bundle.read_bytes()))

    assert found_in(transaction) == []
    # Entries refer to practitioners and organizations of other bundles by conditional reference.
    assert [found for one in transaction["entry"] if (found := found_in(one["resource"], in_transaction=True))] == []


def test_the_examples_are_written_as_they_were_read() -> None:
    for line in lines_of(R4_EXAMPLES):
        assert parse(dumps(parse(line))) == parse(line)
        assert dumps(parse(line)) == dumps(parse(dumps(parse(line))))
