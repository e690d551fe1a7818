"""Prints where HAPI's validator and this project differ over US Core's examples and the mutations of the tests.

    python tools/compare_with_hapi.py [VERSION ...]

Needs Java 17, Maven and the definitions beside the project (../shared/fhir); no part of `make test`. Only errors are
compared, by the element that they are at. docs/profiles.md explains what is left.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bhr_api.fhir import json_text  # noqa: E402
from bhr_api.fhir.definitions import Resource  # noqa: E402
from bhr_api.fhir.profiles.profile import LoadedProfiles, check_profiles  # noqa: E402
from bhr_api.fhir.validation import validate  # noqa: E402
from tests.fhir.profiles.definitions_at_hand import (  # noqa: E402
    VERSIONS,
    definitions_of,
    example,
    examples_of,
    r4_resources,
    us_core,
)
from tests.fhir.profiles.mutations import MUTATIONS  # noqa: E402
from tests.fhir.profiles.test_us_core import changed  # noqa: E402

HAPI = ROOT / "tools/hapi"


class Difference(NamedTuple):
    """An error that only one of the two tells."""

    teller: str
    place: str
    text: str


EXPLAINED = (
    ("HAPI", "CodeSystem is unknown|Unable to expand|None of the codings provided are in", "value set not expandable"),
    ("HAPI", "Unknown code", "unknown code of a known code system"),
    ("HAPI", "has not been checked because|Failed to retrieve profile", "profile of another guide"),
    ("here", "The reference is to", "type of a target that is not at hand"),
    ("here", "The modifier extension .* is not known", "unknown modifier extension"),
    ("here", "There is no code, but there must be", "no code at all for a required binding"),
)
"""(who tells, text, what docs/profiles.md says of it under this name)."""


def explanation(one: Difference) -> str | None:
    """The name under which docs/profiles.md explains the difference; None if it does not."""
    return next((name for who, text, name in EXPLAINED if one.teller == who and re.search(text, one.text)), None)


def resources_of(version: str) -> Mapping[str, Resource]:
    """File name -> example or mutation."""
    examples = dict(examples_of(version))
    mutations = (mutation for mutation in MUTATIONS if mutation.version == version)
    mutated = {
        f"m{number:03} {mutation.example} {mutation.change[:70]}": changed(
            example(version, mutation.example), mutation.change
        )
        for number, mutation in enumerate(mutations)
    }
    return examples | mutated


def classpath(folder: Path) -> str:
    """The jars of HAPI's validator, fetched by Maven."""
    listed = folder / "classpath"
    command = [
        "mvn",
        "-q",
        "-B",
        "-f",
        str(HAPI / "pom.xml"),
        "dependency:build-classpath",
        f"-Dmdep.outputFile={listed}",
    ]
    subprocess.run(command, check=True, timeout=600)
    return listed.read_text().strip()


def told_by_hapi(version: str, resources: Mapping[str, Resource], folder: Path) -> Mapping[str, set[tuple[str, str]]]:
    """File name -> (place, text) of HAPI's errors."""
    definitions, instances = folder / "definitions", folder / "instances"
    for path in (definitions, instances):
        path.mkdir()
    for number, one in enumerate((*r4_resources("extension-definitions"), *definitions_of(version))):
        (definitions / f"{number:04}.json").write_bytes(json_text.dumps(one))
    files = {f"{number:04}.json": name for number, name in enumerate(resources)}
    for file, name in files.items():
        (instances / file).write_bytes(json_text.dumps(resources[name]))
    command = ["java", "-cp", classpath(folder), str(HAPI / "Validate.java"), str(definitions), str(instances)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3000).stdout
    found: dict[str, set[tuple[str, str]]] = {name: set() for name in resources}
    for line in printed.splitlines():
        file, *parts = line.split("\t")
        if file in files and len(parts) == 4 and parts[0] in ("ERROR", "FATAL"):
            found[files[file]].add((parts[2], parts[3]))
    return found


def told_here(profiles: LoadedProfiles, resource: Resource) -> set[tuple[str, str]]:
    """(place, text) of this project's errors, those of R4 itself included."""
    declared = (profiles.get(canonical) for canonical in resource["meta"]["profile"])
    issues = [*validate(resource), *check_profiles(resource, [profile for profile in declared if profile])]
    return {(str(issue.expression), issue.diagnostics) for issue in issues if issue.severity == "error"}


def element(place: str) -> str:
    """The place as both write it: without types of choices and what HAPI adds in comments and brackets."""
    return re.sub(r"\.(ofType|as)\(\w+\)|/\*.*?\*/|\[url=.*?\]", "", place).split(" ")[0]


def is_near(one: str, other: str) -> bool:
    """Whether two places are one, or one holds the other: HAPI tells of what is missing or too much at its parent."""
    return one == other or one.rpartition(".")[0] == other or one == other.rpartition(".")[0]


def differences(ours: set[tuple[str, str]], theirs: set[tuple[str, str]]) -> Iterator[Difference]:
    """The errors near which the other tells none."""
    here, there = ([element(place) for place, _ in told] for told in (ours, theirs))
    for teller, told, others in (("here", ours, there), ("HAPI", theirs, here)):
        for place, text in sorted(told):
            if not any(is_near(element(place), other) for other in others):
                yield Difference(teller, place, text)


def main(versions: list[str]) -> None:
    """Print the differences of each version: those that are explained as counts, the others in full."""
    for version in versions:
        resources, profiles = resources_of(version), LoadedProfiles(us_core(version))
        with tempfile.TemporaryDirectory() as folder:
            theirs = told_by_hapi(version, resources, Path(folder))
        explained: Counter[str] = Counter()
        for name, resource in resources.items():
            for one in differences(told_here(profiles, resource), theirs[name]):
                if reason := explanation(one):
                    explained[reason] += 1
                else:
                    print(f"{version}\t{name}\tonly {one.teller}\t{one.place}\t{one.text[:200]}")
        print(f"{version}: {len(resources)} resources; explained: {dict(explained)}", flush=True)


if __name__ == "__main__":
    os.chdir(ROOT)
    main(sys.argv[1:] or list(VERSIONS))
