"""The table of search parameters by type (searchparameter.html)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.definitions.bundles import Resource, read_bundle


def search_parameter_table(source: Path) -> dict[str, Any]:
    """Type -> code -> parameter, where Resource and DomainResource hold those of every resource."""
    table: dict[str, Any] = {}
    for parameter in read_bundle(source / "search-parameters.json.gz"):
        for base in parameter["base"]:
            table.setdefault(base, {})[parameter["code"]] = search_parameter_entry(parameter, base)
    return {base: dict(sorted(parameters.items())) for base, parameters in sorted(table.items())}


def search_parameter_entry(parameter: Resource, base: str) -> dict[str, Any]:
    """The facts of one parameter as they are for `base`."""
    entry: dict[str, Any] = {
        "url": parameter["url"],
        "type": parameter["type"],
        "expression": expression_for(parameter, base),
    }
    if "target" in parameter:
        entry["targets"] = sorted(parameter["target"])
    if "component" in parameter:
        entry["components"] = [[one["definition"], one["expression"]] for one in components_of(parameter)]
    return entry


def components_of(parameter: Resource) -> list[Resource]:
    """The components; R4 swaps the two expressions of DocumentReference-relationship, which is put right here."""
    components: list[Resource] = parameter["component"]
    if parameter["id"] == "DocumentReference-relationship":
        relatesto, relation = components
        assert (relatesto["expression"], relation["expression"]) == ("code", "target"), "The source no longer errs."
        return [{**relatesto, "expression": "target"}, {**relation, "expression": "code"}]
    return components


def expression_for(parameter: Resource, base: str) -> str:
    """The alternatives of the expression that start at `base`; "" for a parameter without expression."""
    expression: str = parameter.get("expression", "")
    if len(parameter["base"]) == 1:
        return expression
    alternatives = [one for one in top_level_alternatives(expression) if one.lstrip("(").split(".")[0] == base]
    if not alternatives:
        raise ValueError(f"{parameter['url']} says nothing about {base}.")
    return " | ".join(alternatives)


def top_level_alternatives(expression: str) -> Iterator[str]:
    """The parts between the `|` that stand outside all parentheses."""
    depth = start = 0
    for position, character in enumerate(expression):
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            yield expression[start:position].strip()
            start = position + 1
    yield expression[start:].strip()
