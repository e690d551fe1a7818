"""HL7's own files of definitions: one bundle each, compressed."""

import gzip
import json
from pathlib import Path
from typing import Any

Resource = dict[str, Any]

STRUCTURE_URL = "http://hl7.org/fhir/StructureDefinition/"


def read_bundle(path: Path) -> list[Resource]:
    """The resources of one bundle of definitions."""
    return [entry["resource"] for entry in json.loads(gzip.decompress(path.read_bytes()))["entry"]]
