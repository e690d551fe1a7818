"""The value set that an operation is asked about: of an instance, of a canonical, or sent along.

FHIR R4, valueset-operation-expand.html and valueset-operation-validate-code.html.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from bhr_api.errors import InvalidParameterError, MalformedRequestError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.packages import split_canonical
from bhr_api.fhir.terminology.mentions import mentions
from bhr_api.fhir.terminology.terminology import Terminology
from bhr_api.interactions.terminologies import terminology_of
from bhr_api.operations.focus import read_focus
from bhr_api.operations.terminology_questions import Question, in_thread

TYPES: Mapping[str, str] = MappingProxyType({"url": "uri", "valueSet": "ValueSet", "valueSetVersion": "string"})
CONTEXT = "give the value set of the binding by its url"


class ValueSetInQuestion(NamedTuple):
    """Its resource, its canonical where it was asked for by that, and a terminology that knows what it rests on."""

    definition: Resource
    canonical: str | None
    terminology: Terminology

    @property
    def question(self) -> Resource | str:
        """What to ask the terminology for; by a canonical it can give what it has answered before."""
        return self.canonical or self.definition


async def value_set_in_question(question: Question, more: Iterable[str] = ()) -> ValueSetInQuestion:
    """The value set; the terminology knows the canonicals `more` too.

    Raises NotFoundError, GoneError, UnknownValueSetError, MalformedRequestError, InvalidResourceError.
    """
    context, request, version = question.context, question.request, question.one("valueSetVersion")
    if request.id:
        question.forbid(("url", "valueSet"), "where it is asked of a ValueSet")
        async with context.connection() as connection:
            focus = await read_focus(context, connection, "ValueSet", request.id, question.name)
        stored: Resource = await in_thread(lambda: json_text.parse(focus.body))
        return await _of_resource(question, stored, version, more)
    if question.require_one("url", "valueSet") == "valueSet":
        sent = await question.resource()
        assert sent is not None
        return await _of_resource(question, sent, version, more)
    canonical = _canonical(question.one("url"), version)
    terminology = await terminology_of(context, {canonical, *more})
    return ValueSetInQuestion(terminology.value_set(canonical), canonical, terminology)


async def _of_resource(
    question: Question, definition: Resource, version: str | None, more: Iterable[str]
) -> ValueSetInQuestion:
    if version is not None and version != definition.get("version"):
        raise InvalidParameterError("valueSetVersion", version, "it is not the version of this value set")
    terminology = await terminology_of(question.context, mentions(definition).union(more))
    return ValueSetInQuestion(definition, None, terminology)


def _canonical(url: str, version: str | None) -> str:
    named = split_canonical(url)[1]
    if version is None or named == version:
        return url
    if named is not None:
        raise MalformedRequestError("url and valueSetVersion name two versions.", expression="http.valueSetVersion")
    return f"{url}|{version}"
