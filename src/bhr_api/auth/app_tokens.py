"""The tokens of an app that a person let in (RFC 6749 §5.1 and §6; SMART App Launch 2.2, app-launch.html#response-4)."""

from collections.abc import Collection
from typing import Any

from bhr_api.auth.access_token import IssuedToken, issue_token
from bhr_api.auth.id_token import id_token_claims
from bhr_api.auth.launch_context import stored_context
from bhr_api.auth.server_transaction import ServerTransaction
from bhr_api.opaque_strings import mint
from bhr_api.store import grant_statements
from bhr_api.store.grants import OAuthGrant, OAuthRefreshToken
from bhr_api.store.people import Account

_REFRESHING = frozenset({"offline_access", "online_access"})


def live_grant(server: ServerTransaction, tenant: int, grant_id: str) -> tuple[OAuthGrant, Account] | None:
    """The grant and its account, if nothing has ended it."""
    found = server.session.execute(grant_statements.live_grant(tenant, grant_id, server.now)).one_or_none()
    return None if found is None else (found[0], found[1])


def revoke_family(server: ServerTransaction, tenant: int, grant_id: str) -> None:
    """Revoke whatever came from one decision of a user (RFC 6749 §4.1.2, RFC 9700 §4.14.2)."""
    server.session.execute(grant_statements.revoke_grant(tenant, grant_id, server.now))
    server.session.execute(grant_statements.revoke_tokens_of_grant(tenant, grant_id, server.now))


def issue_app_tokens(
    server: ServerTransaction, grant: OAuthGrant, account: Account, scope: str, *, nonce: str | None
) -> dict[str, Any]:
    """The token response; its tokens are stored, and the grant is noted for the audit."""
    parts = scope.split()
    issued = _access_token(server, grant, account, scope)
    response = issued.response() | stored_context(grant.context).members()
    if not _REFRESHING.isdisjoint(grant.scope.split()):
        response["refresh_token"] = _refresh_token(server, grant)
    if "openid" in parts:
        response["id_token"] = _id_token(server, grant, account, parts, issued, nonce)
    server.user = account.fhir_user
    server.note("grant", "success", scope)
    return response


def _access_token(server: ServerTransaction, grant: OAuthGrant, account: Account, scope: str) -> IssuedToken:
    issued = issue_token(
        tenant=grant.tenant,
        tenant_name=server.tenant_name,
        client_id=grant.client_id,
        scope=scope,
        now=server.now,
        lifetime=min(server.circumstances.lifetimes.access_token, grant.expires_at - server.now),
        patient=grant.patient,
        fhir_user=account.fhir_user,
        grant_id=grant.grant_id,
        username=grant.username,
    )
    server.session.add(issued.row)
    return issued


def _refresh_token(server: ServerTransaction, grant: OAuthGrant) -> str:
    text = mint("refresh", server.tenant_name)
    server.session.add(
        OAuthRefreshToken(
            tenant=grant.tenant,
            token_hash=text.digest,
            grant_id=grant.grant_id,
            client_id=grant.client_id,
            issued_at=server.now,
            expires_at=min(server.now + server.circumstances.lifetimes.refresh_token, grant.expires_at),
        )
    )
    return text.text


def _id_token(
    server: ServerTransaction,
    grant: OAuthGrant,
    account: Account,
    scope: Collection[str],
    issued: IssuedToken,
    nonce: str | None,
) -> str:
    circumstances = server.circumstances
    claims = id_token_claims(
        issuer=circumstances.issuer,
        base_url=circumstances.base_url,
        grant=grant,
        account=account,
        scope=scope,
        access_token=issued.text,
        now=server.now,
        lifetime=circumstances.lifetimes.access_token,
        nonce=nonce,
    )
    return circumstances.signing_keys.sign(claims)
