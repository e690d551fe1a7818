"""Finding a token that someone presents to the introspection or revocation endpoint (RFC 7662 §2.1, RFC 7009 §2.1)."""

from bhr_api.auth.access_token import AccessToken
from bhr_api.auth.app_tokens import live_grant
from bhr_api.auth.refresh_token import RefreshToken
from bhr_api.auth.server_transaction import ServerTransaction
from bhr_api.opaque_strings import parse_opaque
from bhr_api.store import grant_statements, oauth


def find_any_token(server: ServerTransaction, text: str) -> AccessToken | RefreshToken | None:
    """The access or refresh token, live or not; RFC 7009 §2.1: whatever kind the client takes it for."""
    return find_refresh_token(server, text) or find_token(server, text)


def find_refresh_token(server: ServerTransaction, text: str) -> RefreshToken | None:
    """The refresh token, used or not, or None for anything that is none."""
    opaque = parse_opaque(text, "refresh")
    if opaque is None:
        return None
    tenant = server.session.scalar(oauth.tenant_number(opaque.tenant_name))
    row = None if tenant is None else server.session.scalar(grant_statements.refresh_token(tenant, opaque.digest))
    return None if row is None else RefreshToken(row, server.now)


def is_alive(server: ServerTransaction, token: AccessToken | RefreshToken) -> bool:
    """Whether the token may be used: it, and the grant that it came from, where a person made one."""
    if token.is_expired() or token.is_revoked():
        return False
    grant_id = token.row.grant_id
    return grant_id is None or live_grant(server, token.row.tenant, grant_id) is not None


def find_token(server: ServerTransaction, text: str) -> AccessToken | None:
    """The token, live or not, or None for anything that is none."""
    opaque = parse_opaque(text, "at")
    if opaque is None:
        return None
    tenant = server.session.scalar(oauth.tenant_number(opaque.tenant_name))
    row = None if tenant is None else server.session.scalar(oauth.access_token(tenant, opaque.digest))
    return None if row is None else AccessToken(row, server.now)
