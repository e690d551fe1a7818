"""`ne` of `_filter` for tokens, references and uris: a row has a value that is not the one asked for.

FHIR R4, search_filter.html: "An item in the set has an unequal value". The index knows which values a row has, not whether
it has others too, so where there may be several the stored JSON of the rows that have the asked one is read. An item is an
element: a CodeableConcept is equal by any of its codings.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from bhr_api.errors import UnsupportedParameterError
from bhr_api.fhir.definitions import RESOURCE_TYPES, elements_of, is_type
from bhr_api.fhir.references import ID, parse_local
from bhr_api.search.body_values import Inner, body_values
from bhr_api.search.criteria import Both, Criterion, Either, Not, Written
from bhr_api.search.escapes import split_pipes
from bhr_api.search.parameters import Parameter, implied_systems
from bhr_api.store.sql import Binder, any_of

# Of each type that holds codes: the JSON path to its codings, and the names of code and system there (search.html#token).
_CODINGS = {
    "CodeableConcept": ("$.coding[*]", "code", "system"),
    "Coding": ("$", "code", "system"),
    "Identifier": ("$", "value", "system"),
    "ContactPoint": ("$", "value", "use"),
}
_PLAIN: Inner = {name: [] for name in _CODINGS}
_LITERALS: Inner = {"Reference": [".reference"]}
_ELEMENTS: Inner = {"Reference": [""]}

_SIMPLE = re.compile(r"\(?([\w.]+)(?: as \w+\)|\)|\.(?:as|ofType)\(\w+\)|\.where\(resolve\(\) is \w+\))?")


def unequal(parameter: Parameter, value: str, equal: Criterion, present: Criterion, base_url: str) -> Criterion:
    """Rows with a value of `parameter` that is not `value`; `equal` and `present` are the rows that have it, or any.

    Raises UnsupportedParameterError where the parameter's values cannot be told apart.
    """
    if _is_single(parameter):
        return Both([present, Not(equal)])
    if body_values(parameter, {}, "r") is None:
        raise UnsupportedParameterError(
            parameter.code, 'its values are held as hashes only; ask by "not" and eq instead'
        )
    if parameter.type == "token":
        other = Written(lambda row, binder: _has_other_code(parameter, value, row, binder))
    else:
        other = Written(lambda row, binder: _has_other_literal(parameter, value, base_url, row, binder))
    return Both([present, Either([Not(equal), other])])


def _is_single(parameter: Parameter) -> bool:
    return _is_single_path(parameter.expression)


@lru_cache(maxsize=4096)
def _is_single_path(expression: str) -> bool:
    """Whether the path leads to one element at most."""
    match = _SIMPLE.fullmatch(expression.strip())
    if match is None:
        return False
    head, *names = match[1].split(".")
    if not is_type(head):
        return False
    types: Sequence[str] = [head]
    for name in names:
        element = elements_of(types[0]).get(name) if len(types) == 1 else None
        if element is None or element.max != 1:
            return False
        types = element.types
    return True


def _has_other_code(parameter: Parameter, value: str, row: str, binder: Binder) -> str:
    system, code = _asked(value)
    found = [
        f"EXISTS (SELECT FROM ({values}) AS b WHERE NOT {_holds(type_name, system, code, binder)} OFFSET 0)"
        for type_name in _CODINGS
        if (values := body_values(parameter, {type_name: [""]}, row, only=True))
    ]
    plain = body_values(parameter, _PLAIN, row)
    if plain:
        # A `code` has the system of its value set, if any.
        is_equal = system in (None, "") or system in implied_systems(parameter)
        differs = f"b.value <> {binder.bind(code, 'text')}" if is_equal and code else str(not is_equal).upper()
        found.append(f"EXISTS (SELECT FROM ({plain}) AS b WHERE {differs} OFFSET 0)")
    return f"({' OR '.join(found)})"


def _asked(value: str) -> tuple[str | None, str]:
    """(system, code) of `code`, `system|code`, `|code` and `system|`; the form is known to be right."""
    parts = split_pipes(value)
    return (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _holds(type_name: str, system: str | None, code: str, binder: Binder) -> str:
    """SQL that an element, `b.value`, has the coding."""
    path, code_name, system_name = _CODINGS[type_name]
    conditions = [f"@.{code_name} == $code" if code else f"exists (@.{code_name})"]
    if system is not None:
        conditions.append(f"@.{system_name} == $system" if system else f"!exists (@.{system_name})")
    names = f"jsonb_build_object('code', {binder.bind(code, 'text')}, 'system', {binder.bind(system or '', 'text')})"
    return f"jsonb_path_exists(b.value::jsonb, '{path} ? ({' && '.join(conditions)})', {names})"


def _has_other_literal(parameter: Parameter, value: str, base_url: str, row: str, binder: Binder) -> str:
    """references.html: a versioned reference is about the same resource, and so is one under the server's own base."""
    forms, written = [value], "b.value"
    if parameter.type == "reference":
        forms = _forms(parameter, value, base_url)
        written = "split_part(b.value, '/_history/', 1)"
        if parameter.is_canonical and "|" not in value:
            written = f"split_part({written}, '|', 1)"
    values = body_values(parameter, _LITERALS if parameter.type == "reference" else {}, row)
    found = [f"EXISTS (SELECT FROM ({values}) AS b WHERE {written} <> ALL({binder.bind(forms, 'text[]')}) OFFSET 0)"]
    elements = body_values(parameter, _ELEMENTS, row, only=True)
    # What is named by an identifier alone is another item, but for a parameter of what can be resolved to some type.
    if elements and "resolve()" not in parameter.expression:
        found.append(f"EXISTS (SELECT FROM ({elements}) AS b WHERE NOT b.value::jsonb ? 'reference' OFFSET 0)")
    return any_of(found)


def _forms(parameter: Parameter, value: str, base_url: str) -> list[str]:
    local = parse_local(value, base_url)
    if local is not None:
        names = [str(local)]
    elif ID.fullmatch(value):
        names = [f"{target}/{value}" for target in parameter.targets or RESOURCE_TYPES]
    else:
        return [value]
    return [*names, *(f"{base_url}/{name}" for name in names)]
