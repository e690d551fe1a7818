"""$validate: what a create, update or delete of the resource would be told (FHIR R4, resource-operation-validate.html).

Nothing is stored. The answer is always an OperationOutcome with status 200, whatever it says.
"""

from collections.abc import Sequence

from bhr_api.errors import InvalidParameterError, Issue, MalformedRequestError, RefusalError, operation_outcome
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.validation import validate as issues_of
from bhr_api.interactions.context import Context
from bhr_api.interactions.offered import Operation
from bhr_api.interactions.read import read, require
from bhr_api.interactions.requests import Request
from bhr_api.interactions.results import Result
from bhr_api.operations.inputs import Inputs

_LETTERS = {"create": "c", "update": "u", "delete": "d"}


async def validate(context: Context, request: Request) -> Result:
    """The issues of a resource that is sent, or of the stored one at whose address it is asked, by `mode` and `profile`."""
    inputs = Inputs(request, ("resource", "mode", "profile"), resource_name="resource")
    mode = inputs.text("mode")
    if mode is not None and mode not in (*_LETTERS, "profile"):
        raise InvalidParameterError("mode", mode, "it is create, update, delete or profile")
    profile = inputs.text("profile")
    if mode == "profile" and profile is None:
        raise MalformedRequestError("The mode profile needs a profile to validate against.", expression="Parameters")
    resource = inputs.resource("resource")
    issues = await _issues(context, request, resource, mode, profile)
    await context.record(
        context.event("$validate", 200, resource_type=request.resource_type, resource_id=request.id or None)
    )
    answer = issues or [Issue("information", "informational", "No issues: the resource is valid.")]
    return Result(200, json_text.dumps(operation_outcome(answer)))


async def _issues(
    context: Context, request: Request, resource: Resource | None, mode: str | None, profile: str | None
) -> list[Issue]:
    letter = _LETTERS.get(mode or "")
    found = [] if letter is None else _refusal_of_scope(context, request, letter, mode or "")
    if resource is None:
        if not request.id:
            raise MalformedRequestError(
                "Send the resource to validate, by itself or in Parameters.", expression="resource"
            )
        stored = await read(context, request.resource_type, request.id)
        assert stored.body is not None
        resource = json_text.parse(stored.body)
    if mode == "delete":
        # R4: a deletion asks about the stored resource alone, and nothing here stands in its way.
        return found
    found += _of_place(request, resource, mode)
    own = [issue for issue in issues_of(resource) if issue not in found]
    found += own
    if any(issue.severity in ("error", "fatal") for issue in own):
        # Profiles speak of resources that are valid R4.
        return found
    return [*found, *await _of_profiles(context, resource, profile)]


def _refusal_of_scope(context: Context, request: Request, letter: str, mode: str) -> list[Issue]:
    try:
        require(context, letter, request.resource_type, mode)
    except RefusalError as error:
        return list(error.issues)
    return []


def _of_place(request: Request, resource: Resource, mode: str | None) -> list[Issue]:
    found: list[Issue] = []
    if resource.get("resourceType") != request.resource_type:
        sent = str(resource.get("resourceType"))[:64]
        found.append(
            Issue(
                "error", "invalid", f"The address is for {request.resource_type}, but this is a {sent}.", "resourceType"
            )
        )
    if mode == "update" and request.id and resource.get("id") != request.id:
        found.append(
            Issue(
                "error", "invalid", f"The address names the id {request.id!r}; the resource must have the same.", "id"
            )
        )
    return found


async def _of_profiles(context: Context, resource: Resource, profile: str | None) -> Sequence[Issue]:
    if context.profiles is None:
        return []
    declared = resource.get("meta", {}).get("profile", ())
    required = context.profiles.required.get(resource["resourceType"], ())
    asked = [*declared, *required] if profile is None else [profile]
    return await context.profiles.issues_of(resource, asked)


VALIDATE = Operation(
    "validate",
    "http://hl7.org/fhir/OperationDefinition/Resource-validate",
    frozenset({"type", "instance"}),
    validate,
)
