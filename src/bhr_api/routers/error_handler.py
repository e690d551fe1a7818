"""From whatever went wrong to a refusal; a fault of ours shows nothing of the inside (SECURITY: no stack trace, no SQL)."""

import asyncpg
import structlog

from bhr_api.errors import InternalError, RefusalError, TooCostlyError
from bhr_api.telemetry import place_of

log = structlog.get_logger(__name__)


def refusal_of(error: Exception, request_id: str) -> RefusalError:
    """The refusal that answers `error`. An unforeseen one is logged by type and place, without any value."""
    if isinstance(error, RefusalError):
        return error
    if isinstance(error, asyncpg.QueryCanceledError):
        return TooCostlyError("The request needs more work than one request may take.")
    log.error("internal_error", request_id=request_id, error=type(error).__qualname__, place=place_of(error))
    return InternalError(f"Something went wrong here. Tell the operator the request id {request_id}.")
