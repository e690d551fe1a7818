"""A request to an identity provider, tied to one browser by a cookie (OpenID Connect Core §3.1.2.1; RFC 7636; RFC 9700 §4.7).

The cookie is a random key. `state` says which provider and which of our pending requests it is about, under a MAC by that
key; nonce and code_verifier are made from both. So nothing is stored, and a state proves nothing in another browser.
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import urlencode

from bhr_api.auth.code_challenge import challenge_of
from bhr_api.auth.identity_providers import IdentityProvider
from bhr_api.auth.lifetimes import AUTHORIZATION_REQUEST

# As long as the request that it serves waits.
LIFETIME = AUTHORIZATION_REQUEST
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATE = re.compile(r"([0-9a-f]{16})\.([0-9]{1,18})\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class FederatedRequest:
    """What a browser was sent to a provider for. `request_id` is our pending request, or empty for a sign-in without an app."""

    provider_key: str
    request_id: str
    started_at: datetime
    state: str
    nonce: str
    code_verifier: str

    def is_alive(self, now: datetime) -> bool:
        """Whether the answer comes in time."""
        return self.started_at <= now < self.started_at + LIFETIME


def new_browser_key() -> str:
    """The value of the cookie; a fresh one for each request, so that nobody can have put it there before."""
    return secrets.token_urlsafe(32)


def begin(browser_key: str, provider: IdentityProvider, request_id: str, now: datetime) -> FederatedRequest:
    """A new request of the browser that holds the key."""
    microseconds = (now - _EPOCH) // timedelta(microseconds=1)
    said = f"{provider.key}.{microseconds}.{request_id}.{secrets.token_urlsafe(16)}"
    return _request(browser_key, f"{said}.{_mac(browser_key, 'state', said)}", provider.key, request_id, now)


def read_state(browser_key: str | None, state: str) -> FederatedRequest | None:
    """The request that a state is about, or None where it was not made by us for the browser that holds the key."""
    found = _STATE.fullmatch(state)
    if not browser_key or found is None:
        return None
    said = state.rpartition(".")[0]
    if not hmac.compare_digest(_mac(browser_key, "state", said), found[5]):
        return None
    try:
        started_at = _EPOCH + timedelta(microseconds=int(found[2]))
    except OverflowError:
        return None
    return _request(browser_key, state, found[1], found[3], started_at)


def _request(key: str, state: str, provider_key: str, request_id: str, started_at: datetime) -> FederatedRequest:
    nonce, verifier = _mac(key, "nonce", state), _mac(key, "code_verifier", state)
    return FederatedRequest(provider_key, request_id, started_at, state, nonce, verifier)


def _mac(key: str, purpose: str, text: str) -> str:
    """43 characters of base64url, which is also what RFC 7636 §4.1 wants of a code_verifier."""
    digest = hmac.digest(key.encode("utf-8", "surrogatepass"), f"{purpose}\0{text}".encode(), sha256)
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Freshness:
    """How recently the person must have signed in at the provider, as the app asked (OpenID Connect Core §3.1.2.1).

    `asked_at` is when the app did so, as this server stored it: what a browser says of that proves nothing.
    """

    is_anew: bool = False
    max_age: int | None = None
    asked_at: datetime | None = None
    login_hint: str | None = None

    @property
    def max_age_at_provider(self) -> int | None:
        """Who asks for max_age gets auth_time, without which a new sign-in could not be told from an old one."""
        return 0 if self.is_anew else self.max_age


def address_at_provider(
    provider: IdentityProvider, request: FederatedRequest, callback: str, freshness: Freshness
) -> str:
    """Where the browser goes."""
    parameters = {
        "response_type": "code",
        "response_mode": "query",
        "client_id": provider.client_id,
        "redirect_uri": callback,
        "scope": provider.scope,
        "state": request.state,
        "nonce": request.nonce,
        "code_challenge": challenge_of(request.code_verifier),
        "code_challenge_method": "S256",
    }
    if freshness.is_anew:
        parameters["prompt"] = "login"
    if freshness.max_age_at_provider is not None:
        parameters["max_age"] = str(freshness.max_age_at_provider)
    if freshness.login_hint:
        parameters["login_hint"] = freshness.login_hint
    # RFC 6749 §3.1: a query that the endpoint has already stays.
    joint = "&" if "?" in provider.authorization_endpoint else "?"
    return f"{provider.authorization_endpoint}{joint}{urlencode(parameters)}"
