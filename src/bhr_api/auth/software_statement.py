"""Software statements: what a trusted issuer signed about an app (RFC 7591 §2.3, §3.1.1)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError

from bhr_api.auth.client_assertion import ClientAssertion, verify_signature
from bhr_api.auth.jwks import InvalidKeySetError, VerificationKey, check_key_set, usable_keys
from bhr_api.auth.scopes import InvalidScopeTextError, check_registrable
from bhr_api.auth.strict_jwt import JwtError, parse_jwt

_MEMBERS = {"issuer", "tenant", "scope", "jwks"}


class StatementIssuersError(ValueError):
    """The file of trusted issuers cannot be used; the message is one line for the operator."""


class InvalidStatementError(ValueError):
    """A statement that says nothing here; `error` is a code of RFC 7591 §3.2.2."""

    def __init__(self, message: str, error: str = "invalid_software_statement") -> None:
        super().__init__(message)
        self.error = error


@dataclass(frozen=True, slots=True)
class StatementIssuer:
    """Somebody who vouches for apps of a tenant, within `scope`."""

    issuer: str
    tenant_name: str
    scope: str
    keys: Mapping[str, VerificationKey]


def read_statement_issuers(path: Path | None) -> Sequence[StatementIssuer]:
    """The issuers that the file at `path` lists, none without a file. Raises `StatementIssuersError`."""
    if path is None:
        return ()
    try:
        listed = json.loads(path.expanduser().read_text(encoding="utf-8"))["issuers"]
        return tuple(_issuer(one) for one in listed)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StatementIssuersError(f"{path} lists no issuers of software statements: {error}.") from error


def _issuer(members: Mapping[str, Any]) -> StatementIssuer:
    if members.keys() != _MEMBERS or not all(isinstance(members[name], str) for name in _MEMBERS - {"jwks"}):
        raise ValueError(f"each has the members {', '.join(sorted(_MEMBERS))}")
    try:
        keys = usable_keys(check_key_set(json.dumps(members["jwks"])))
        scope = check_registrable(members["scope"])
    except (InvalidKeySetError, InvalidScopeTextError) as error:
        raise ValueError(str(error)) from error
    return StatementIssuer(members["issuer"], members["tenant"], scope, keys)


def verified_statement(
    text: str, issuers: Sequence[StatementIssuer], now: datetime
) -> tuple[StatementIssuer, Mapping[str, Any]]:
    """Who signed a statement, and what it says. Raises `InvalidStatementError`."""
    try:
        statement = parse_jwt(text)
        issuer = next((one for one in issuers if one.issuer == statement.claims.get("iss")), None)
        if issuer is None:
            raise InvalidStatementError("Its issuer is not trusted here.", "unapproved_software_statement")
        if (key := issuer.keys.get(statement.kid)) is None:
            raise InvalidStatementError("Its issuer has no key of that kid.")
        verify_signature(ClientAssertion(text, "", statement.kid, statement.header, statement.claims), key, None)
    except (JwtError, InvalidClientError) as error:
        raise InvalidStatementError("It is no JWT that its issuer signed with RS384 or ES384.") from error
    expires_at = statement.claims.get("exp")
    # A statement is used many times; one without an end could never be taken back.
    if isinstance(expires_at, bool) or not isinstance(expires_at, int) or expires_at <= now.timestamp():
        raise InvalidStatementError("It has no exp, or has expired.")
    return issuer, statement.claims
