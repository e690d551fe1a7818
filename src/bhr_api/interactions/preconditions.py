"""Conditional read: If-None-Match and If-Modified-Since (FHIR R4, http.html#cread; RFC 9110 §13)."""

from datetime import timedelta
from email.utils import parsedate_to_datetime

from bhr_api.interactions.requests import Request
from bhr_api.store.versions import StoredVersion


def is_named(tag: str, if_none_match: str) -> bool:
    """Whether the entity tag is among those of If-None-Match, compared weakly (RFC 9110 §13.1.2)."""
    tags = {sent.strip().removeprefix("W/").strip('"') for sent in if_none_match.split(",")}
    return "*" in tags or tag in tags


def is_not_modified(request: Request, found: StoredVersion) -> bool:
    """Whether the client has this version already. RFC 9110 §13.1.3: If-None-Match, where given, decides alone."""
    if request.if_none_match is not None:
        return is_named(str(found.version), request.if_none_match)
    if request.if_modified_since is not None:
        try:
            since = parsedate_to_datetime(request.if_modified_since)
        except (ValueError, OverflowError):
            # RFC 9110 §13.1.3: a recipient ignores a value that is no HTTP date.
            return False
        # HTTP dates have whole seconds: a version of the same second counts as seen.
        return since.tzinfo is not None and found.last_updated - timedelta(seconds=1) < since
    return False
