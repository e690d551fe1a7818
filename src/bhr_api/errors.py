"""Every refusal: one class each, with its HTTP status and OperationOutcome issue code.

FHIR R4, http.html#rejecting-interactions and valueset-issue-type.html. This module alone builds the OperationOutcome
of a refusal; `routers/error_handler.py` alone sends it.

    RefusalError
    ├── MalformedRequestError 400      ├── NotFoundError 404           ├── MethodNotAllowedError 405
    │   ├── InvalidJsonError           │   ├── UnknownTypeError        ├── NotAcceptableError 406
    │   ├── InvalidParameterError      │   └── UnknownVersionError     ├── ConflictError 409
    │   └── UnsupportedParameterError  ├── GoneError 410               │   └── ReferencedError
    │       └── UnsupportedModifierError                               ├── PreconditionFailedError 412
    ├── UnauthenticatedError 401       ├── TooLargeError 413           │   ├── VersionConflictError
    ├── ForbiddenError 403             │                               │   └── MultipleMatchesError
    ├── AddressTooLongError 414        ├── UnsupportedMediaTypeError 415
    ├── InvalidResourceError 422       ├── TooCostlyError 422          ├── OverloadedError 503
    │   └── BrokenReferenceError       ├── TooManyJobsError 429        ├── BeingIndexedError 503
    └── InternalError 500                                              └── ReferencesNotIndexedError 503
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One OperationOutcome.issue: `code` from issue-type, `expression` a FHIRPath such as `Patient.name[0].family`."""

    severity: Severity
    code: str
    diagnostics: str
    expression: str | None = None


def operation_outcome(issues: Sequence[Issue]) -> dict[str, Any]:
    """The OperationOutcome of `issues`, which must not be empty (OperationOutcome.issue is 1..*)."""
    return {"resourceType": "OperationOutcome", "issue": [_issue_json(issue) for issue in issues]}


def _issue_json(issue: Issue) -> dict[str, Any]:
    json: dict[str, Any] = {"severity": issue.severity, "code": issue.code, "diagnostics": issue.diagnostics}
    # What a client sent may hold what R4's string may not; a place that cannot be written is left out.
    if issue.expression is not None and issue.expression.isprintable():
        json["expression"] = [issue.expression]
    return json


class RefusalError(Exception):
    """A request that is refused; `status` and `code` belong to the class, the sentence to the case."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "invalid"

    def __init__(self, diagnostics: str, *, expression: str | None = None, code: str | None = None) -> None:
        super().__init__(diagnostics)
        self.issues: list[Issue] = [Issue("error", code or self.code, diagnostics, expression)]

    @property
    def headers(self) -> Mapping[str, str]:
        """Response headers that belong to this refusal."""
        return {}

    @property
    def outcome(self) -> dict[str, Any]:
        """The OperationOutcome that tells the client what was wrong, where, and what would be right."""
        return operation_outcome(self.issues)


class MalformedRequestError(RefusalError):
    """The request cannot be understood."""


class InvalidJsonError(MalformedRequestError):
    """The body is not JSON as FHIR takes it: bad syntax or encoding, duplicate keys, NUL, too deep."""

    code = "structure"


class InvalidParameterError(MalformedRequestError):
    """A parameter's value is not of its form."""

    code = "value"

    def __init__(self, parameter: str, value: str, reason: str) -> None:
        shown = value if len(value) <= 60 else value[:57] + "..."
        super().__init__(f"{parameter}={shown!r}: {reason}.", expression=f"http.{parameter}")


class UnsupportedParameterError(MalformedRequestError):
    """A parameter that this server does not know for the type (R4 search.html#errors)."""

    code = "not-supported"

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"Search parameter {parameter!r}: {reason}.", expression=f"http.{parameter}")


class UnsupportedModifierError(UnsupportedParameterError):
    """A modifier or named query that this server does not know; no leniency passes over it (R4 search.html#modifiers)."""


class UnauthenticatedError(RefusalError):
    """No valid access token (RFC 6750 §3.1)."""

    status = 401
    code = "login"

    def __init__(self, diagnostics: str, *, error: str | None = None) -> None:
        super().__init__(diagnostics)
        self.error = error

    @property
    def headers(self) -> Mapping[str, str]:
        """The challenge; RFC 6750 §3.1: without any credentials in the request it names no error."""
        return {"WWW-Authenticate": "Bearer" + (f' error="{self.error}"' if self.error else "")}


class ForbiddenError(RefusalError):
    """The token does not allow this interaction."""

    status = 403
    code = "forbidden"


class NotFoundError(RefusalError):
    """The resource does not exist, or the caller may not know that it does: the two answers are the same."""

    status = 404
    code = "not-found"


class UnknownTypeError(NotFoundError):
    """The path names no R4 resource type."""

    code = "not-supported"


class UnknownVersionError(NotFoundError):
    """The resource has no such version."""


class MethodNotAllowedError(RefusalError):
    """The path does not take this method; Allow names those that it takes (RFC 9110 §15.5.6)."""

    status = 405
    code = "not-supported"

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{method} is not offered here; this address takes {', '.join(allowed)}.")
        self.allowed = allowed

    @property
    def headers(self) -> Mapping[str, str]:
        """The Allow header."""
        return {"Allow": ", ".join(self.allowed)}


class NotAcceptableError(RefusalError):
    """No format that the client accepts is offered."""

    status = 406
    code = "not-supported"


class ConflictError(RefusalError):
    """The request collides with what is stored."""

    status = 409
    code = "conflict"


class ReferencedError(ConflictError):
    """A resource cannot be deleted while others refer to it, where referential integrity is strict."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(issues[0].diagnostics)
        self.issues = list(issues)


class GoneError(RefusalError):
    """The resource was deleted."""

    status = 410
    code = "deleted"


class PreconditionFailedError(RefusalError):
    """A condition of the request is not met."""

    status = 412
    code = "conflict"


class VersionConflictError(PreconditionFailedError):
    """If-Match names another version than the current one (R4 http.html#concurrency)."""

    def __init__(self, resource: str, *, sent: str, current: str) -> None:
        super().__init__(
            f'{resource} is at version {current}, not {sent}. Read it again, merge, and send If-Match: W/"{current}".'
        )


class MultipleMatchesError(PreconditionFailedError):
    """A conditional interaction's criteria match several resources."""

    code = "multiple-matches"


class TooLargeError(RefusalError):
    """The body is over the limit."""

    status = 413
    code = "too-long"


class AddressTooLongError(RefusalError):
    """The address is over the limit; a search can be sent by POST instead (R4 http.html#search)."""

    status = 414
    code = "too-long"


class UnsupportedMediaTypeError(RefusalError):
    """The body's Content-Type or Content-Encoding is not taken."""

    status = 415
    code = "not-supported"


class InvalidResourceError(RefusalError):
    """The resource breaks rules of R4; every broken rule is one located issue."""

    status = 422
    code = "invalid"

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(issues[0].diagnostics)
        self.issues = list(issues)


class BrokenReferenceError(InvalidResourceError):
    """A reference leads to nothing that is here and may be read, where referential integrity is asked for."""

    code = "not-found"


class TooCostlyError(RefusalError):
    """The query needs more work than one request may take."""

    status = 422
    code = "too-costly"


class OverloadedError(RefusalError):
    """The server sheds load: no database connection within the bounded wait."""

    status = 503
    code = "throttled"

    def __init__(self, diagnostics: str, *, retry_after_seconds: int = 2) -> None:
        super().__init__(diagnostics)
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> Mapping[str, str]:
        """When to come back, in seconds."""
        return {"Retry-After": str(self.retry_after_seconds)}


class RateLimitedError(RefusalError):
    """The client, or the person who uses it, makes more requests than the operator allows."""

    status = 429
    code = "throttled"

    def __init__(self, per_minute: int, *, retry_after_seconds: int) -> None:
        super().__init__(f"At most {per_minute} requests a minute are taken; wait {retry_after_seconds} seconds.")
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> Mapping[str, str]:
        """When to come back, in seconds."""
        return {"Retry-After": str(self.retry_after_seconds)}


class BeingIndexedError(RefusalError):
    """The search parameter is defined, but its index is not complete yet; `percent` of it are made."""

    status = 503
    code = "transient"

    def __init__(self, resource_type: str, code: str, percent: int) -> None:
        super().__init__(
            f"Search parameter {code!r} of {resource_type} is being indexed, {percent} % done; it answers when the index is"
            " complete.",
            expression=f"http.{code}",
        )

    @property
    def headers(self) -> Mapping[str, str]:
        """When to come back, in seconds."""
        return {"Retry-After": "5"}


class TooManyJobsError(RefusalError):
    """The client has as many unfinished jobs as it may (R4 async.html: the client should back off)."""

    status = 429
    code = "throttled"

    def __init__(self, most: int) -> None:
        super().__init__(f"A client has at most {most} unfinished requests at a time; wait for one, or cancel it.")

    @property
    def headers(self) -> Mapping[str, str]:
        """When to come back, in seconds."""
        return {"Retry-After": "10"}


class ReferencesNotIndexedError(RefusalError):
    """What refers to a resource cannot be told: some were stored before referential integrity was strict."""

    status = 503
    code = "transient"

    def __init__(self) -> None:
        super().__init__(
            "What refers to this resource is not indexed yet, so it cannot be deleted; the operator runs `bhr-api reindex`."
        )


class InternalError(RefusalError):
    """A fault of the server: the request may be right."""

    status = 500
    code = "exception"
