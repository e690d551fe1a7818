"""Values of a parameter as they stand in the stored JSON, for what the index does not hold: orders of codes, displays, paths.

Nothing here is indexed: it is for rows that something else has found, or for few of them.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from bhr_api.fhir.definitions import is_subtype, json_names
from bhr_api.fhirpath.parser import parse
from bhr_api.fhirpath.syntax import Call, Invocation, Literal, Member, Operation, Syntax, TypeName, TypeOperation
from bhr_api.search.criteria import Criterion
from bhr_api.search.parameters import Parameter
from bhr_api.search.value_types import is_made_of
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

# What may stand in a filter of a JSON path, which is part of the statement's text.
_PLAIN_TEXT = re.compile(r"[\w\-:/.#?=&%+~]*", re.ASCII)


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
    followed = _followed(parameter.expression, parameter.resource_type)
    if followed is None:
        return None
    found: list[str] = []
    for steps, cast in followed:
        for path, type_name in _paths_of(parameter.resource_type, steps, cast):
            if not is_made_of(parameter.type, type_name):
                continue
            if type_name in inner:
                found += [f"${path}{place}[*]" for place in inner[type_name]]
            elif not only:
                found.append(f"${path}[*]")
    return found


class _Step(NamedTuple):
    """An element's name, and the JSON path's filters on it."""

    name: str
    filter: str = ""


class _Followed(NamedTuple):
    """One alternative of an expression that a JSON path can follow: its steps, and the type that it is cast to at the end."""

    steps: tuple[_Step, ...] = ()
    cast: str | None = None


class _NotFollowedError(Exception):
    """A JSON path cannot say the expression."""


@lru_cache(maxsize=4096)
def _followed(expression: str, resource_type: str) -> tuple[_Followed, ...] | None:
    """The alternatives: names, filters by an equal text among them, and at the end a cast or the test of a reference's type."""
    try:
        return tuple(_alternatives(parse(expression), resource_type)) if expression else None
    except _NotFollowedError:
        return None


def _alternatives(syntax: Syntax, resource_type: str) -> Iterator[_Followed]:
    match syntax:
        case Operation("|", left, right):
            yield from _alternatives(left, resource_type)
            yield from _alternatives(right, resource_type)
        case _:
            yield _along(syntax, resource_type)


def _along(syntax: Syntax, resource_type: str) -> _Followed:
    match syntax:
        case Member(name) if is_subtype(resource_type, name):
            return _Followed()
        case TypeOperation("as", operand, TypeName(_, type_name)):
            return _uncast(operand, resource_type)._replace(cast=type_name)
        case Invocation(source, Call("as" | "ofType", (Member(type_name),))):
            return _uncast(source, resource_type)._replace(cast=type_name)
        case Invocation(source, Call("where", (TypeOperation("is", Call("resolve", ()), _),))):
            return _along(source, resource_type)
        case Invocation(source, Member(name)):
            steps, _ = _uncast(source, resource_type)
            return _Followed((*steps, _Step(name)))
        case Invocation(source, Call("where", (Operation("=", Member(name), Literal(str(text))),))):
            return _filtered(_uncast(source, resource_type), name, text)
        case Invocation(source, Call("extension", (Literal(str(text)),))):
            steps, _ = _uncast(source, resource_type)
            return _filtered(_Followed((*steps, _Step("extension"))), "url", text)
    raise _NotFollowedError


def _uncast(syntax: Syntax, resource_type: str) -> _Followed:
    """What goes on: a cast is followed at the end only."""
    followed = _along(syntax, resource_type)
    if followed.cast is not None:
        raise _NotFollowedError
    return followed


def _filtered(followed: _Followed, name: str, text: str) -> _Followed:
    if not followed.steps or not name.isidentifier() or not name.isascii() or not _PLAIN_TEXT.fullmatch(text):
        raise _NotFollowedError
    *before, last = followed.steps
    return _Followed((*before, _Step(last.name, f'{last.filter} ? (@.{name} == "{text}")')))


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
