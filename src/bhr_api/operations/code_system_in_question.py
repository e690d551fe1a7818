"""The code system that an operation is asked about: of an instance, of a canonical, or sent along.

FHIR R4, codesystem-operations.html.
"""

from collections.abc import Iterable
from typing import NamedTuple

from bhr_api.errors import MalformedRequestError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology.errors import CannotExpandError
from bhr_api.fhir.terminology.terminology import Terminology
from bhr_api.interactions.terminologies import terminology_of
from bhr_api.operations.focus import read_focus
from bhr_api.operations.terminology_questions import Question, in_thread


class CodeSystemInQuestion(NamedTuple):
    """The url of its codes, and a terminology that knows it."""

    url: str
    terminology: Terminology


class _Alone:
    """The source of a terminology that knows one code system more than HL7's."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    def value_set(self, canonical: str) -> Resource | None:  # noqa: ARG002
        """None."""
        return None

    def code_system(self, canonical: str) -> Resource | None:
        """The one, by its url with its version or without."""
        url, version = self._resource["url"], self._resource.get("version")
        return self._resource if canonical in (url, f"{url}|{version}") else None


async def code_system_of(question: Question, url: str, versions: Iterable[str | None] = ()) -> CodeSystemInQuestion:
    """The code system of a canonical, of which the terminology may know nothing, in these versions and the newest."""
    names = {url, *(f"{url}|{version}" for version in versions if version)}
    return CodeSystemInQuestion(url, await terminology_of(question.context, names))


async def code_system_of_instance(question: Question) -> CodeSystemInQuestion:
    """The stored CodeSystem that the question is asked of. Raises what a read and `code_system_by_itself` raise."""
    async with question.context.connection() as connection:
        focus = await read_focus(question.context, connection, "CodeSystem", question.request.id, question.name)
    return await in_thread(lambda: _by_itself(json_text.parse(focus.body)))


async def code_system_by_itself(resource: Resource) -> CodeSystemInQuestion:
    """A code system that answers with its own content.

    Raises CannotExpandError where another goes before it, MalformedRequestError without a url.
    """
    return await in_thread(lambda: _by_itself(resource))


def _by_itself(resource: Resource) -> CodeSystemInQuestion:
    if "url" not in resource:
        raise MalformedRequestError("The CodeSystem has no url, so no code can be said to be of it.", code="required")
    terminology = Terminology(_Alone(resource))
    if resource.get("content") == "supplement" or terminology.code_system(resource["url"]).resource is not resource:
        raise CannotExpandError(
            f"This CodeSystem does not stand for {resource['url']}: it is a stub or a supplement, or R4 defines that itself."
        )
    return CodeSystemInQuestion(resource["url"], terminology)
