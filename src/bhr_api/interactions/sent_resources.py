"""What a client sends to be stored, held against R4 and the profiles (FHIR R4, validation.html)."""

from bhr_api.errors import InvalidJsonError, InvalidResourceError, Issue, MalformedRequestError
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.profiles.walk import Entries
from bhr_api.fhir.validation import validate
from bhr_api.interactions.context import Context


def parse_resource(body: bytes, resource_type: str) -> Resource:
    """The resource of type `resource_type` in `body`, checked against R4.

    Raises InvalidJsonError, MalformedRequestError for another type than the address names, InvalidResourceError with every
    broken rule.
    """
    resource = json_text.parse(body)
    if not isinstance(resource, dict):
        raise InvalidJsonError("The body must be one JSON object: a FHIR resource.")
    check_resource(resource, resource_type)
    return resource


def check_resource(resource: Resource, resource_type: str) -> None:
    """Refuse a resource that is of another type or breaks a rule of R4."""
    sent = resource.get("resourceType")
    if sent != resource_type:
        shown = "without resourceType" if sent is None else f"a {str(sent)[:64]!r}"
        raise MalformedRequestError(
            f"The address is for {resource_type}, but the body is {shown}.", expression="resourceType"
        )
    errors = [issue for issue in validate(resource) if issue.severity in ("error", "fatal")]
    if errors:
        raise InvalidResourceError(errors)


async def notes_on(context: Context, resource: Resource, around: Entries | None = None) -> list[Issue]:
    """What the profiles note of a checked resource. Raises InvalidResourceError where it breaks one."""
    return [] if context.profiles is None else await context.profiles.notes_on(resource, around)
