"""A US Core package as published: its examples, and the searches that its CapabilityStatement asks of a server.

The pairs and triples of parameters are in the extension capabilitystatement-search-parameter-combination.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource

FOLDER = Path(__file__).parents[2] / "../shared/fhir/us-core"
EXPECTATION = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation"
COMBINATION = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter of a type, with US Core's own expression of where its values are."""

    code: str
    type: str
    expression: str


@dataclass(frozen=True, slots=True)
class Search:
    """Parameters that US Core wants to be asked together; `expectation` is SHALL, SHOULD or MAY."""

    version: str
    resource_type: str
    parameters: tuple[Parameter, ...]
    expectation: str

    def __str__(self) -> str:
        codes = "&".join(parameter.code for parameter in self.parameters)
        return f"{self.version}-{self.resource_type}?{codes}-{self.expectation}"


def contents(version: str, prefix: str) -> Iterator[Resource]:
    """The resources of a package whose file names begin with `prefix`."""
    with tarfile.open(FOLDER / f"hl7.fhir.us.core-{version}.tgz") as archive:
        for member in archive:
            if member.name.startswith(f"package/{prefix}") and member.name.endswith(".json"):
                content = archive.extractfile(member)
                assert content is not None
                yield json_text.parse(content.read())


def served_types(version: str) -> list[Resource]:
    """What the CapabilityStatement says of each type."""
    (statement,) = contents(version, "CapabilityStatement-us-core-server")
    served: list[Resource] = statement["rest"][0]["resource"]
    return served


def searches(version: str) -> Iterator[Search]:
    """Every search that US Core lists, by one parameter or by several."""
    known = {
        (base, parameter["code"]): Parameter(parameter["code"], parameter["type"], parameter["expression"])
        for parameter in contents(version, "SearchParameter-us-core-")
        for base in parameter["base"]
    }
    for served in served_types(version):
        resource_type = served["type"]
        for parameter in served.get("searchParam", []):
            yield Search(version, resource_type, (known[resource_type, parameter["name"]],), expectation_of(parameter))
        for extension in served.get("extension", []):
            if extension["url"] == COMBINATION:
                codes = [part["valueString"] for part in extension["extension"] if part["url"] == "required"]
                yield Search(
                    version,
                    resource_type,
                    tuple(known[resource_type, code] for code in codes),
                    expectation_of(extension),
                )


def expectation_of(element: Resource) -> str:
    """The code of an element's expectation."""
    (code,) = (part["valueCode"] for part in element["extension"] if part["url"] == EXPECTATION)
    return str(code)
