"""Build the fact tables that the package ships from HL7's R4 (4.0.1) definitions.

    python tools/build_definitions.py ../shared/fhir/r4 src/bhr_api/fhir/tables

Facts only (types, elements, cardinalities, codes, expressions); descriptions are left behind. The same sources give the
same bytes. Sources: FHIR R4, structuredefinition.html, searchparameter.html, valueset.html, codesystem.html,
compartmentdefinition.html.
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # The modules below are found from wherever this file is run.

from tools.definitions.compartments import compartment_table
from tools.definitions.elements import element_table
from tools.definitions.published_structures import structure_definitions
from tools.definitions.search_parameters import search_parameter_table
from tools.definitions.terminology import terminology_table
from tools.definitions.value_sets import required_value_sets, value_set_table


def tables(source: Path) -> dict[str, Any]:
    """Name of each table and its content."""
    structures = structure_definitions(source)
    types = {structure["id"]: structure for structure in structures if structure.get("derivation") != "constraint"}
    constraints = {
        structure["id"]: structure for structure in structures if structure.get("derivation") == "constraint"
    }
    elements = element_table(types, constraints)
    return {
        "elements": elements,
        "search_parameters": search_parameter_table(source),
        "value_sets": value_set_table(source, required_value_sets(elements)),
        "compartments": compartment_table(source),
        "code_systems": terminology_table(source),
    }


def table_bytes(table: Any) -> bytes:
    """Compact JSON in gzip without a time stamp, so that the same facts are the same bytes."""
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":"))
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def main(source: Path, target: Path) -> None:
    """Write every table below `target` and print its size."""
    target.mkdir(parents=True, exist_ok=True)
    for name, table in tables(source).items():
        written = (target / f"{name}.json.gz").write_bytes(table_bytes(table))
        print(f"{name}.json.gz: {written} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
