"""The userinfo endpoint: who the holder of a token is (OpenID Connect Core §5.3)."""

from bhr_api.auth.app_tokens import live_grant
from bhr_api.auth.id_token import identity_claims
from bhr_api.auth.server_transaction import OAuthResponse, ServerTransaction
from bhr_api.auth.stored_tokens import find_token


def userinfo(server: ServerTransaction, bearer: str | None) -> OAuthResponse:
    """The claims about the user of an access token with the scope `openid`; 401 and 403 as RFC 6750 §3.1 says."""
    token = None if bearer is None else find_token(server, bearer)
    found = None
    if token is not None and token.row.grant_id is not None and not token.is_expired() and not token.is_revoked():
        server.query_client(token.row.client_id)
        found = live_grant(server, token.row.tenant, token.row.grant_id)
    if token is None or found is None:
        challenge = "Bearer" if bearer is None else 'Bearer error="invalid_token"'
        return server.refuse(401, "invalid_token", "Send an access token with the scope openid.", challenge)
    scope, account = token.row.scope.split(), found[1]
    if "openid" not in scope:
        challenge = 'Bearer error="insufficient_scope", scope="openid"'
        return server.refuse(403, "insufficient_scope", "The token lacks the scope openid.", challenge)
    server.user = account.fhir_user
    server.note("userinfo", "success", " ".join(scope))
    return OAuthResponse(200, identity_claims(account, scope, server.circumstances.base_url), {})
