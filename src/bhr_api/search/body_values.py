"""Values of a parameter as they stand in the stored JSON, for what the index does not hold: orders of codes, displays, paths.

Nothing here is indexed: it is for rows that something else has found, or for few of them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bhr_api.fhir.definitions import json_names
from bhr_api.search.criteria import Criterion
from bhr_api.search.parameters import Parameter
from bhr_api.store.sql import Binder

Inner = Mapping[str, Sequence[str]]
"""From a type to the places inside it, as JSON paths; a type that is not named stands for itself."""

# Where the code, literal or value stands inside each type that tokens, references and uris are made of.
CODES: Inner = {
    "CodeableConcept": [".coding.code"],
    "Coding": [".code"],
    "Identifier": [".value"],
    "ContactPoint": [".value"],
    "Reference": [".reference"],
    "Quantity": [".code"],
}
# search.html#token, :text: "text associated with the code/value - either CodeableConcept.text, Coding.display, or
# Identifier.type.text".
TEXTS: Inner = {
    "CodeableConcept": [".text", ".coding.display"],
    "Coding": [".display"],
    "Identifier": [".type.text"],
    "Reference": [".display"],
}

# Expressions that a JSON path can follow: names, one `where(name = 'text')` among them, and at the end a cast or the test of a
# reference's type.
_FOLLOWED = re.compile(
    r"\(?\s*(?P<names>[\w.]+?)(?:\.where\((?P<name>\w+)\s*=\s*'(?P<text>[\w-]+)'\)(?P<rest>(?:\.\w+)*))?"
    r"(?:\s+as\s+(?P<cast>\w+)|\.(?:as|ofType)\((?P<type>\w+)\))?\s*\)?(?:\.where\(resolve\(\) is \w+\))?"
)


def body_values(parameter: Parameter, inner: Inner, row: str, *, only: bool = False) -> str | None:
    """SELECT of the texts `value` in the body of the row; None for an expression that JSON paths cannot follow.

    `only`: only types that `inner` names.
    """
    paths = _json_paths(parameter, inner, only=only)
    if not paths:
        return None
    return " UNION ALL ".join(
        f"SELECT v #>> '{{}}' AS value FROM jsonb_path_query(convert_from({row}.body, 'UTF8')::jsonb, '{path}') AS v"
        for path in paths
    )


def _json_paths(parameter: Parameter, inner: Inner, *, only: bool) -> list[str] | None:
    """PostgreSQL JSON paths of a simple FHIRPath expression; lax mode walks through lists, but for the last one."""
    found: list[str] = []
    for alternative in parameter.expression.split("|"):
        match = _FOLLOWED.fullmatch(alternative.strip())
        if match is None:
            return None
        steps = [_Step(name) for name in match["names"].split(".")[1:]]
        if match["name"]:
            steps[-1] = _Step(steps[-1].name, f' ? (@.{match["name"]} == "{match["text"]}")')
            steps += [_Step(name) for name in match["rest"].split(".")[1:]]
        for path, type_name in _paths_of(parameter.resource_type, steps, match["cast"] or match["type"]):
            if type_name in inner:
                found += [f"${path}{place}[*]" for place in inner[type_name]]
            elif not only:
                found.append(f"${path}[*]")
    return found


class _Step(NamedTuple):
    """An element's name, and the JSON path's filter on it."""

    name: str
    filter: str = ""


def _paths_of(type_name: str, steps: Sequence[_Step], wanted: str | None) -> list[tuple[str, str]]:
    """(path, type of what is there) for the elements that `steps` lead to from a type."""
    if not steps:
        return [("", type_name)]
    found: list[tuple[str, str]] = []
    for json_name, (element, type_code) in json_names(type_name).items():
        if element.name != steps[0].name or (len(steps) == 1 and wanted not in (None, type_code)):
            continue
        here = f".{json_name}{steps[0].filter}"
        found += [(f"{here}{path}", reached) for path, reached in _paths_of(type_code, steps[1:], wanted)]
    return found


@dataclass(frozen=True, slots=True)
class InBody(Criterion):
    """The body holds a value of which `where`, SQL about `b.value`, is true.

    `parameter` must have body values by `inner` (`has_body_values`).
    """

    parameter: Parameter
    inner: Inner
    where: Callable[[Binder], str]

    def sql(self, row: str, binder: Binder) -> str:
        """Each row's body is read."""
        values = body_values(self.parameter, self.inner, row, only=self.inner is TEXTS)
        return f"EXISTS (SELECT FROM ({values}) AS b WHERE {self.where(binder)} OFFSET 0)"


def has_body_values(parameter: Parameter, inner: Inner) -> bool:
    """Whether a criterion can ask for the values of `parameter` in the body."""
    return bool(_json_paths(parameter, inner, only=inner is TEXTS))
