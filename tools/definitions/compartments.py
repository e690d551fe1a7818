"""The table of compartments (compartmentdefinition.html)."""

import json
from pathlib import Path
from typing import Any

from tools.definitions.bundles import read_bundle


def compartment_table(source: Path) -> dict[str, Any]:
    """Compartment -> type -> search parameters that put a resource into it."""
    definitions = [
        resource
        for resource in read_bundle(source / "profiles-resources.json.gz")
        if resource["resourceType"] == "CompartmentDefinition"
    ]
    definitions.append(json.loads((source / "compartmentdefinition-patient.json").read_bytes()))
    return {
        definition["code"]: {one["code"]: one["param"] for one in definition["resource"] if "param" in one}
        for definition in sorted(definitions, key=lambda one: str(one["code"]))
    }
