"""A code for an id_token at the provider's token endpoint (OpenID Connect Core §3.1.3; RFC 6749 §4.1.3, §2.3.1)."""

import asyncio
import base64
import json
from dataclasses import dataclass
from urllib.parse import quote_plus

import httpx

from bhr_api.auth.federated_request import FederatedRequest
from bhr_api.auth.identity_providers import IdentityProvider
from bhr_api.auth.outgoing import ANSWER_SECONDS, TooLongAnswerError, bounded_body, outgoing_http


class CodeExchangeError(Exception):
    """The provider gave no token for the code; the message is for the log and the audit."""


@dataclass(frozen=True, slots=True)
class ProviderTokens:
    """What the provider gave. Its access token is good for comparing at_hash only."""

    id_token: str
    access_token: str


async def exchange_code(
    provider: IdentityProvider, request: FederatedRequest, code: str, callback: str
) -> ProviderTokens:
    """The tokens for a code. Raises `CodeExchangeError`."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": callback,
        "code_verifier": request.code_verifier,
    }
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    secret = _secret(provider)
    if secret is None:
        form["client_id"] = provider.client_id
    else:
        headers["Authorization"] = _basic(provider.client_id, secret)
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            outgoing_http() as http,
            http.stream("POST", provider.token_endpoint, data=form, headers=headers) as response,
        ):
            if response.status_code != httpx.codes.OK or "content-encoding" in response.headers:
                raise CodeExchangeError(f"the token endpoint answered {response.status_code}")
            return _tokens(await bounded_body(response))
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, UnicodeError, TooLongAnswerError) as error:
        raise CodeExchangeError(f"the token endpoint could not be asked: {type(error).__name__}") from error


def _secret(provider: IdentityProvider) -> str | None:
    try:
        return provider.client_secret()
    except (OSError, UnicodeError) as error:
        raise CodeExchangeError(f"the client secret cannot be read: {type(error).__name__}") from error


def _basic(client_id: str, secret: str) -> str:
    # RFC 6749 §2.3.1: both are form-encoded before they are joined.
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _tokens(body: bytes) -> ProviderTokens:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise CodeExchangeError("the token endpoint did not answer JSON") from error
    found = [answer.get(name) if isinstance(answer, dict) else None for name in ("id_token", "access_token")]
    id_token, access_token = found
    if not isinstance(id_token, str) or not isinstance(access_token, str) or not access_token.isascii():
        raise CodeExchangeError("the token endpoint gave no id_token and access_token")
    return ProviderTokens(id_token, access_token)
