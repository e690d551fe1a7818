"""FHIRPath Patches in short: one dictionary for each operation."""

from typing import Any

Json = dict[str, Any]

_KEYS = {
    "type": "valueCode",
    "path": "valueString",
    "name": "valueString",
    "index": "valueInteger",
    "source": "valueInteger",
    "destination": "valueInteger",
}


def operation(type: str, path: str, **parts: Any) -> Json:
    """One operation; `value` holds the members of its part, such as `{"valueDate": "1930-01-01"}`."""
    given = {"type": type, "path": path, **parts}
    return {
        "name": "operation",
        "part": [
            {"name": name, **value} if name == "value" else {"name": name, _KEYS[name]: value}
            for name, value in given.items()
        ],
    }


def patch_of(*operations: Json) -> Json:
    """The Parameters resource of these operations."""
    return (
        {"resourceType": "Parameters", "parameter": list(operations)} if operations else {"resourceType": "Parameters"}
    )


def patient(**members: Any) -> Json:
    """A Patient with these members."""
    return {"resourceType": "Patient", **members}
