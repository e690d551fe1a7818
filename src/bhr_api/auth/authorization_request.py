"""The authorization request, checked whole before anybody is asked to sign in (RFC 6749 §4.1.1; SMART App Launch 2.2).

app-launch.html#obtain-authorization-code; RFC 9700 §2.1; OpenID Connect Core §3.1.2.1.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from bhr_api.auth.app_scope import app_scope, needs_patient
from bhr_api.auth.code_challenge import METHOD, is_challenge
from bhr_api.auth.launch_context import LaunchContext, launch_context
from bhr_api.auth.redirect_uri import is_registered, response_url

MOST_BYTES = 64 * 1024
_MOST_FIELDS = 50
# RFC 6749 appendix A: VSCHAR; nothing else may reach a header, a page or the database.
_VISIBLE = re.compile(r"[\x20-\x7e]*")
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_SECONDS = re.compile(r"[0-9]{1,9}")
# OpenID Connect Core §6 and §7.2.1: who does not offer these says so by name.
_NOT_OFFERED = {"request": "request_not_supported", "request_uri": "request_uri_not_supported"}
_READ = (
    "response_type",
    "response_mode",
    "scope",
    "aud",
    "launch",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "prompt",
    "max_age",
    "login_hint",
)


class AuthorizationPageError(Exception):
    """A request that must not be sent back to where it claims to come from: our own page tells the person.

    `status` is the page's, `error` an error code of OAuth, the message a sentence for the person.
    """

    def __init__(self, error: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.error, self.status = error, status


class AuthorizationError(Exception):
    """An error for the client, given back by its redirect URI (RFC 6749 §4.1.2.1)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request in which nothing is wrong.

    `scope` is narrowed to the registration. `context` is that of the launch, empty where the app starts by itself;
    `launch_hash` (hexadecimal) names that launch, and `launch_user` is who alone may take it up, as `Practitioner/1`.
    """

    tenant: int
    tenant_name: str
    client_id: str
    client_name: str
    is_public: bool
    redirect_uri: str
    state: str
    scope: str
    code_challenge: str
    nonce: str | None = None
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    login_hint: str | None = None
    launch_hash: str | None = None
    launch_user: str | None = None
    context: LaunchContext = field(default_factory=LaunchContext)

    @property
    def needs_patient(self) -> bool:
        """Whether the user is to choose a patient."""
        return self.context.patient is None and needs_patient(self.scope)

    @property
    def may_be_remembered(self) -> bool:
        """Whether the user's consent may stand for the next time.

        RFC 9700 §4.2 and RFC 8252 §8.6: a public client is known by its redirect URI alone, which only https makes its own.
        """
        return not self.is_public or self.redirect_uri.startswith("https://")

    def to_json(self) -> str:
        """The request as JSON text, as it is stored."""
        return json.dumps(asdict(self) | {"context": self.context.members()}, ensure_ascii=False)

    def response(self, issuer: str, **parameters: str | None) -> str:
        """The address that takes `parameters` back to the client, with state and issuer (RFC 6749 §4.1.2, RFC 9207)."""
        return response_url(self.redirect_uri, {**parameters, "state": self.state or None, "iss": issuer})


def stored_request(text: str) -> AuthorizationRequest:
    """The request that `to_json` wrote."""
    members: dict[str, Any] = json.loads(text)
    context, prompt = launch_context(members.pop("context")), tuple(members.pop("prompt"))
    return AuthorizationRequest(**members, context=context, prompt=prompt)


@dataclass(frozen=True, slots=True)
class SentParameters:
    """The parameters as they arrived; one without a value is as good as absent (RFC 6749 §3.1)."""

    values: Mapping[str, str]
    repeated: frozenset[str]

    def once(self, name: str) -> str | None:
        """The value of a parameter that was sent once and is printable ASCII, else None."""
        value = self.values.get(name)
        return value if value is not None and name not in self.repeated and _VISIBLE.fullmatch(value) else None


def read_parameters(encoded: bytes) -> SentParameters:
    """The parameters of a query or form. Raises `AuthorizationPageError` for what is neither."""
    try:
        pairs = parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise AuthorizationPageError("invalid_request", "The address of this page is damaged.") from error
    counts = Counter(name for name, _ in pairs)
    return SentParameters(
        {name: value for name, value in pairs if value}, frozenset(name for name, count in counts.items() if count > 1)
    )


def check_redirect_uri(sent: SentParameters, registered: Sequence[str], *, is_public: bool) -> str:
    """The redirect URI, which is registered. Raises `AuthorizationPageError`: what is not registered gets no answer."""
    uri = sent.once("redirect_uri")
    if uri is None or not is_registered(uri, registered, is_public=is_public):
        raise AuthorizationPageError(
            "invalid_request", "The app asked to continue at an address that it has not registered."
        )
    return uri


def check_request(
    sent: SentParameters, known: AuthorizationRequest, registered_scope: str, base_url: str
) -> AuthorizationRequest:
    """`known`, whose client and redirect URI are right, with all else that was sent; the launch is looked up afterwards.

    `base_url` is the FHIR base, which `aud` must name. Raises `AuthorizationError`.
    """
    _refuse_malformed(sent)
    _check_response_type(sent)
    if known.state == "":
        raise AuthorizationError("invalid_request", "state is missing.")
    scope = _checked_scope(sent, registered_scope)
    challenge = _checked_challenge(sent)
    _check_audience(sent, base_url)
    return replace(
        known,
        scope=scope,
        code_challenge=challenge,
        nonce=sent.once("nonce"),
        prompt=_checked_prompt(sent),
        max_age=_checked_max_age(sent),
        login_hint=sent.once("login_hint"),
    )


def _refuse_malformed(sent: SentParameters) -> None:
    if sent.repeated:
        # RFC 6749 §3.1: request parameters MUST NOT be included more than once.
        raise AuthorizationError("invalid_request", "A parameter is repeated.")
    for name, error in _NOT_OFFERED.items():
        if name in sent.values:
            raise AuthorizationError(error, "Send the parameters by themselves.")
    if any(name in sent.values and sent.once(name) is None for name in (*_READ, "state")):
        raise AuthorizationError("invalid_request", "Parameters consist of printable ASCII characters.")


def _check_response_type(sent: SentParameters) -> None:
    response_type = sent.once("response_type")
    if response_type is None:
        raise AuthorizationError("invalid_request", "response_type is missing.")
    if response_type != "code":
        raise AuthorizationError("unsupported_response_type", "The response_type offered here is code.")
    if sent.once("response_mode") not in (None, "query"):
        raise AuthorizationError("invalid_request", "The response_mode offered here is query.")


def _checked_challenge(sent: SentParameters) -> str:
    challenge = sent.once("code_challenge")
    if challenge is None:
        # RFC 7636 §4.4.1.
        raise AuthorizationError("invalid_request", "code_challenge is required.")
    # RFC 7636 §4.3: no method means plain, which SMART forbids.
    if sent.once("code_challenge_method") != METHOD:
        raise AuthorizationError("invalid_request", "The code_challenge_method offered here is S256.")
    if not is_challenge(challenge):
        raise AuthorizationError("invalid_request", "code_challenge is the base64url of a SHA-256, 43 characters.")
    return challenge


def _check_audience(sent: SentParameters, base_url: str) -> None:
    audience = sent.once("aud")
    if audience is None or audience.removesuffix("/") != base_url:
        # SMART: the app tells which server it will send the token to, so that a counterfeit one gets none.
        raise AuthorizationError("invalid_request", f"aud is the base URL of the FHIR server, {base_url}.")


def _checked_prompt(sent: SentParameters) -> tuple[str, ...]:
    prompts = tuple((sent.once("prompt") or "").split())
    if not _PROMPTS.issuperset(prompts) or ("none" in prompts and len(prompts) > 1):
        raise AuthorizationError("invalid_request", "prompt is none alone, or of login, consent and select_account.")
    return prompts


def _checked_max_age(sent: SentParameters) -> int | None:
    text = sent.once("max_age")
    if text is None:
        return None
    if not _SECONDS.fullmatch(text):
        raise AuthorizationError("invalid_request", "max_age is a number of seconds.")
    return int(text)


def _checked_scope(sent: SentParameters, registered_scope: str) -> str:
    scope = app_scope(sent.once("scope") or "", registered_scope)
    if not scope:
        raise AuthorizationError("invalid_scope", "Nothing that the app asks for is in its registration.")
    if sent.once("launch") is not None and "launch" not in scope.split():
        raise AuthorizationError("invalid_scope", "A launch value comes with the scope launch, which is registered.")
    return scope
