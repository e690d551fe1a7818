"""From whatever went wrong to a refusal; a fault of ours shows nothing of the inside (SECURITY: no stack trace, no SQL)."""

import asyncpg
import structlog

from bhr_api.errors import InternalError, RefusalError, TooCostlyError

log = structlog.get_logger(__name__)


def refusal_of(error: Exception, request_id: str) -> RefusalError:
    """The refusal that answers `error`. An unforeseen one is logged by type and place, without any value."""
    if isinstance(error, RefusalError):
        return error
    if isinstance(error, asyncpg.QueryCanceledError):
        return TooCostlyError("The request needs more work than one request may take.")
    log.error("internal_error", request_id=request_id, error=type(error).__qualname__, place=place_of(error))
    return InternalError(f"Something went wrong here. Tell the operator the request id {request_id}.")


def place_of(error: BaseException) -> str:
    """The file and line where `error` was raised."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}" if frame else ""
