"""Finding a token that someone presents to the introspection or revocation endpoint (RFC 7662 §2.1, RFC 7009 §2.1)."""

from bhr_api.auth.access_token import AccessToken
from bhr_api.auth.server_transaction import ServerTransaction
from bhr_api.opaque_strings import parse_opaque
from bhr_api.store import oauth


def find_token(server: ServerTransaction, text: str) -> AccessToken | None:
    """The token, live or not, or None for anything that is none."""
    opaque = parse_opaque(text, "at")
    if opaque is None:
        return None
    tenant = server.session.scalar(oauth.tenant_number(opaque.tenant_name))
    row = None if tenant is None else server.session.scalar(oauth.access_token(tenant, opaque.digest))
    return None if row is None else AccessToken(row, server.now)
