"""A person who has signed in at a browser, as a value."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who signed in, when and how. `methods` are amr values (RFC 8176), `fhir_user` is `Practitioner/1` and the like.

    `session_hash` is the digest of the session's cookie, under which the session is stored.
    """

    tenant: int
    tenant_name: str
    username: str
    subject: str
    fhir_user: str
    roles: Sequence[str]
    methods: Sequence[str]
    signed_in_at: datetime
    session_hash: bytes
