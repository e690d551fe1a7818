"""A value of a search parameter that finds a given resource, as a client would write it (FHIR R4, search.html#ptypes)."""

from collections.abc import Callable, Mapping
from typing import Any

from bhr_api.fhir.definitions import Resource
from bhr_api.search.parameters import Parameter
from bhr_api.search.types.token import codings

_FIRST = 60


def search_value(parameter: Parameter, resource: Resource) -> str | None:
    """The value, or None where the resource has nothing that the parameter looks at."""
    write = _WRITERS.get(parameter.type)
    if write is None:
        return None
    for type_code, value in parameter.extract(resource):
        if (written := write(type_code, value)) is not None:
            return written
    return None


def _token(type_code: str, value: Any) -> str | None:
    for system, code in codings([(type_code, value)]):
        return _escaped(code) if not system else f"{_escaped(system)}|{_escaped(code)}"
    return None


def _reference(_type_code: str, value: Any) -> str | None:
    if isinstance(value, str):
        return _escaped(value)
    literal = value.get("reference")
    return literal if isinstance(literal, str) else None


def _string(_type_code: str, value: Any) -> str | None:
    if isinstance(value, dict):
        value = next((value[name] for name in ("family", "city", "text") if name in value), None)
    return _escaped(value[:_FIRST]) if isinstance(value, str) else None


def _date(_type_code: str, value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("start")
    return f"ge{value[:10]}" if isinstance(value, str) else None


def _quantity(_type_code: str, value: Any) -> str | None:
    number, system, code = value.get("value"), value.get("system"), value.get("code")
    if number is None:
        return None
    return f"{number}|{_escaped(system)}|{_escaped(code)}" if system and code else str(number)


def _plain(_type_code: str, value: Any) -> str | None:
    return _escaped(str(value)) if isinstance(value, str | int) else None


def _escaped(text: str) -> str:
    # search.html#escaping
    for character in "\\,|$":
        text = text.replace(character, f"\\{character}")
    return text


_WRITERS: Mapping[str, Callable[[str, Any], str | None]] = {
    "token": _token,
    "reference": _reference,
    "string": _string,
    "date": _date,
    "number": _plain,
    "quantity": _quantity,
    "uri": _plain,
}
