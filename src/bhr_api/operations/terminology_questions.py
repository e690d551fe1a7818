"""What the operations of terminology have in common: how they are asked, carried out, and answered.

FHIR R4, terminology-service.html. Each asks for scope `r` on the type that it is asked of.
"""

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from bhr_api.errors import InvalidParameterError, InvalidResourceError, MalformedRequestError, OverloadedError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.primitives import TESTS
from bhr_api.fhir.validation import validate
from bhr_api.interactions.context import Context
from bhr_api.interactions.offered import Operation
from bhr_api.interactions.read import require
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.operations.inputs import Inputs

Answer = TypeVar("Answer")

WAIT_SECONDS = 60.0
"""For a thread and for its work, which is bounded: some seconds where other threads are at work too."""

DATE = "definitions are kept as they are now, not as they were"
_NUMBER = re.compile(r"[0-9]{1,10}")
_WANTED = {
    "boolean": "true or false",
    "canonical": "a canonical URL",
    "code": "a code",
    "string": "text without control characters",
    "unsignedInt": "a whole number from 0",
    "uri": "a URI without white space",
}
_CODING = frozenset(
    form
    for name in ("id", "extension", "system", "version", "code", "display", "userSelected")
    for form in (name, f"_{name}")
)
_CONCEPT = frozenset({"id", "extension", "coding", "text", "_text"})
_COMPLEX = frozenset({"Coding", "CodeableConcept", "ValueSet", "CodeSystem"})


class Code(NamedTuple):
    """A code to be looked at, as the caller has it."""

    system: str | None
    version: str | None
    code: str
    display: str | None


class Question:
    """The parameters of one operation, each of the type that `types` gives it, and none that is `refused`.

    Raises what `Inputs` raises, ForbiddenError, and MalformedRequestError with the reason of `refused`.
    """

    def __init__(
        self,
        context: Context,
        request: Request,
        types: Mapping[str, str],
        refused: Mapping[str, str],
        resource_name: str | None = None,
    ) -> None:
        self.context = context
        self.request = request
        self.name = f"${request.operation}"
        require(context, "r", request.resource_type, self.name)
        self._inputs = Inputs(request, (*types, *refused), resource_name)
        self._types = types
        self.resource_name = resource_name
        for name, reason in refused.items():
            if self._inputs.all(name):
                self.refuse(name, reason)

    def refuse(self, name: str, reason: str) -> None:
        """Raises MalformedRequestError for a parameter that R4 has and this server does not follow."""
        raise MalformedRequestError(
            f"{self.name} does not take {name} here: {reason}.", expression=f"http.{name}", code="not-supported"
        )

    def all(self, name: str) -> list[Any]:
        """Every value of a primitive parameter, of its type."""
        return [_of_type(name, value, self._types[name]) for value in self._inputs.all(name)]

    def one(self, name: str) -> Any:
        """The only value of a primitive parameter, of its type, or None."""
        self._inputs.one(name)
        return next(iter(self.all(name)), None)

    async def resource(self) -> Resource | None:
        """The resource that was sent, valid R4, or None. Raises InvalidResourceError, InvalidParameterError."""
        if self.resource_name is None or (found := self._inputs.resource(self.resource_name)) is None:
            return None
        wanted = self._types[self.resource_name]
        if found["resourceType"] != wanted:
            raise InvalidParameterError(self.resource_name, str(found["resourceType"])[:60], f"it is a {wanted}")
        issues = await in_thread(lambda: validate(found))
        errors = [issue for issue in issues if issue.severity in ("error", "fatal")]
        if errors:
            raise InvalidResourceError(errors)
        return found

    def coding(self, name: str) -> Code | None:
        """The only Coding of this name."""
        found = self._inputs.one(name)
        if found is None:
            return None
        if not isinstance(found, dict) or found.keys() - _CODING or not isinstance(found.get("code"), str):
            raise InvalidParameterError(name, "", "it is a Coding with a code, in the body")
        return _code_of(found)

    def codeable_concept(self, name: str) -> list[Code] | None:
        """The codings of the only CodeableConcept of this name that have a code."""
        found = self._inputs.one(name)
        if found is None:
            return None
        if not isinstance(found, dict) or found.keys() - _CONCEPT:
            raise InvalidParameterError(name, "", "it is a CodeableConcept, in the body")
        return [_code_of(coding) for coding in found.get("coding", ()) if isinstance(coding.get("code"), str)]

    def given(self, *names: str) -> list[str]:
        """Those of `names` that have a value."""
        return [name for name in names if self._inputs.all(name)]

    def require_one(self, *names: str) -> str:
        """The only one of `names` that has a value. Raises MalformedRequestError for none and for several."""
        found = self.given(*names)
        if len(found) != 1:
            said = "none was given" if not found else f"{', '.join(found)} were given"
            raise MalformedRequestError(f"{self.name} needs one of {', '.join(names)}; {said}.", code="required")
        return found[0]

    def forbid(self, names: Collection[str], place: str) -> None:
        """Raises MalformedRequestError for one of `names`, which have no place where `place` says."""
        for name in self.given(*names):
            raise MalformedRequestError(f"{self.name} takes no {name} {place}.", expression=f"http.{name}")

    def primitives(self) -> list[tuple[str, str, Any]]:
        """(name, type, value) of every primitive parameter."""
        names = [name for name in self._types if self._types[name] not in _COMPLEX]
        return [(name, self._types[name], value) for name in names for value in self.all(name)]

    async def record(self) -> None:
        """Audit that the question was answered, with what it was by the address, and not what resources it brought."""
        asked = "&".join(f"{name}={quote(_text(value), safe=':/,|$*-_.')}" for name, _, value in self.primitives())
        request = self.request
        event = self.context.event(
            self.name, 200, resource_type=request.resource_type, resource_id=request.id or None, query=asked or None
        )
        await self.context.record(event)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_type(name: str, value: Any, type_name: str) -> Any:
    """The value of the address or the body as one of the primitive type."""
    if isinstance(value, str):
        if type_name == "boolean" and value in ("true", "false"):
            value = value == "true"
        elif type_name == "unsignedInt" and _NUMBER.fullmatch(value):
            value = int(value)
    if not TESTS[type_name](value):
        shown = "" if isinstance(value, dict | list) else _text(value)
        raise InvalidParameterError(name, shown, f"it is {_WANTED[type_name]}")
    return value


def _code_of(coding: Resource) -> Code:
    return Code(coding.get("system"), coding.get("version"), coding["code"], coding.get("display"))


async def in_thread(work: Callable[[], Answer]) -> Answer:
    """What `work` gives back, done in a thread so that other requests go on. Raises OverloadedError where it waits long."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return await asyncio.to_thread(work)
    except TimeoutError as error:
        raise OverloadedError("Too many questions of terminology are being answered.") from error


def parameters(*parameter: Resource | None) -> Result:
    """The answer of Parameters, without those that are None."""
    present = [one for one in parameter if one is not None]
    return Result(200, json_text.dumps({"resourceType": "Parameters", "parameter": present}))


def terminology_operation(
    resource_type: str, name: str, levels: Collection[str], run: Callable[[Context, Request], Any]
) -> Operation[Context]:
    """An operation of R4 that `run` carries out."""
    url = f"http://hl7.org/fhir/OperationDefinition/{resource_type}-{name}"
    return Operation(name, url, frozenset(levels), run, frozenset({resource_type}))
