"""The parameters of an operation: of the address, or of a Parameters resource in the body.

FHIR R4, operations.html#request.
"""

from collections.abc import Collection
from typing import Any

from bhr_api.errors import InvalidParameterError, InvalidResourceError, MalformedRequestError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.validation import validate
from bhr_api.interactions.requests import Request

_ANSWER_SHAPE = frozenset({"_format", "_pretty"})


class Inputs:
    """What an operation was given; `known` are the parameters that it has, None for one that takes those of a search.

    Raises InvalidParameterError for another parameter, MalformedRequestError for a body that is no Parameters resource, and
    InvalidResourceError for one that breaks R4's rules. With `resource_name`, a body of another type is the parameter of that
    name by itself (operations.html: "if there is exactly one in parameter, and it is a resource").
    """

    def __init__(self, request: Request, known: Collection[str] | None, resource_name: str | None = None) -> None:
        self._values: dict[str, list[Any]] = {}
        for name, value in request.parameters:
            if name not in _ANSWER_SHAPE and value:
                self._add(name, value, known)
        body = request.resource if request.resource is not None else _parsed(request.body)
        if body is None:
            return
        if body.get("resourceType") != "Parameters" and resource_name is not None:
            self._add(resource_name, body, known)
            return
        for parameter in _parameters(body):
            self._add(parameter["name"], _value(parameter), known)

    def _add(self, name: str, value: Any, known: Collection[str] | None) -> None:
        if known is not None and name not in known:
            raise InvalidParameterError(name, "", f"the operation takes {', '.join(sorted(known)) or 'no parameters'}")
        self._values.setdefault(name, []).append(value)

    def texts(self) -> list[tuple[str, str]]:
        """Every parameter with its value as an address has it. Raises InvalidParameterError for a value with parts."""
        return [(name, _text(name, value)) for name, values in self._values.items() for value in values]

    def all(self, name: str) -> list[Any]:
        """Every value: text of an address, JSON of a body."""
        return self._values.get(name, [])

    def one(self, name: str) -> Any:
        """The only value, or None. Raises InvalidParameterError for several."""
        values = self.all(name)
        if len(values) > 1:
            raise InvalidParameterError(name, "", "it is given once")
        return values[0] if values else None

    def text(self, name: str) -> str | None:
        """The only value as text."""
        value = self.one(name)
        if value is not None and not isinstance(value, str):
            raise InvalidParameterError(name, str(value)[:60], "it is a string")
        return value

    def resource(self, name: str) -> Resource | None:
        """The only value as a resource."""
        value = self.one(name)
        if value is not None and not (isinstance(value, dict) and "resourceType" in value):
            raise InvalidParameterError(name, "", "it is a resource, in the body")
        return value

    def flag(self, name: str) -> bool | None:
        """The only value as a boolean."""
        value = self.one(name)
        if value not in (None, True, False, "true", "false"):
            raise InvalidParameterError(name, str(value)[:60], "it is true or false")
        return None if value is None else value in (True, "true")


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        raise InvalidParameterError(name, "", "it is a simple value, as in an address")
    return str(value)


def _parsed(body: bytes | None) -> Resource | None:
    if not body:
        return None
    resource = json_text.parse(body)
    if not isinstance(resource, dict):
        raise MalformedRequestError("The body of an operation is one JSON object: a Parameters resource.")
    return resource


def _parameters(body: Resource) -> list[Resource]:
    if body.get("resourceType") != "Parameters":
        raise MalformedRequestError(
            "An operation takes its parameters in the address or in a Parameters resource.", expression="resourceType"
        )
    errors = [issue for issue in validate(body) if issue.severity in ("error", "fatal")]
    if errors:
        raise InvalidResourceError(errors)
    found: list[Resource] = body.get("parameter", [])
    return found


def _value(parameter: Resource) -> Any:
    """The resource, the value[x], or the parts by their names."""
    if "resource" in parameter:
        return parameter["resource"]
    if "part" in parameter:
        return parameter["part"]
    return next((value for name, value in parameter.items() if name.startswith("value")), None)
