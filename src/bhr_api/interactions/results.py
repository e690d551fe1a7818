"""What an interaction gives back, before it becomes an HTTP response or a bundle entry."""

from dataclasses import dataclass, field
from datetime import datetime

from bhr_api.errors import Issue
from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.store.versions import StoredVersion


@dataclass(slots=True)
class Result:
    """`status` as in HTTP; `body` JSON; version, time and location as of the headers or `Bundle.entry.response`.

    `issues` are information for the client who asked for an outcome; `headers` are further ones, of HTTP alone.
    """

    status: int
    body: bytes | None = None
    resource_type: str = ""
    id: str = ""
    version: int | None = None
    last_updated: datetime | None = None
    location: str | None = None
    issues: list[Issue] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str | None:
        """The weak ETag of the version (R4 http.html#versioning)."""
        return None if self.version is None else f'W/"{self.version}"'


def of_version(found: StoredVersion) -> Result:
    """The result of a read."""
    return Result(200, found.body, RESOURCE_TYPES[found.resource_type - 1], found.id, found.version, found.last_updated)
