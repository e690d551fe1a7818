"""An authorization request that waits for its user (OpenID Connect Core §3.1.2.3 and §3.1.2.4)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bhr_api.auth.authorization_request import AuthorizationRequest
from bhr_api.auth.signed_in import SignedIn


@dataclass(frozen=True, slots=True)
class PendingAuthorization:
    """The request, the patient whom its user chose so far, and the session that took it up, if one did."""

    request_id: str
    request: AuthorizationRequest
    patient: str | None
    session_hash: bytes | None
    created_at: datetime

    @property
    def needs_patient(self) -> bool:
        """Whether a patient is still to be chosen."""
        return self.request.needs_patient and self.patient is None

    @property
    def is_silent(self) -> bool:
        """Whether no page may be shown (`prompt=none`); what would need one is refused by name."""
        return "none" in self.request.prompt

    def needs_sign_in(self, session: SignedIn | None, now: datetime) -> bool:
        """Whether the user must sign in, or do so again because the app asks for it.

        Also where somebody else's session took the request up, or the session is of another tenant.
        """
        if session is None or session.tenant != self.request.tenant:
            return True
        if self.session_hash not in (None, session.session_hash):
            return True
        if {"login", "select_account"} & set(self.request.prompt) and session.signed_in_at < self.created_at:
            return True
        # Who signed in for this very request is recent enough, whatever max_age says; or max_age=0 would never end.
        longest = self.request.max_age
        too_old = longest is not None and session.signed_in_at < now - timedelta(seconds=longest)
        return too_old and session.signed_in_at < self.created_at

    def is_for(self, session: SignedIn) -> bool:
        """Whether the launch is this user's, where the host EHR said whose it is."""
        return self.request.launch_user in (None, session.fhir_user)
