"""OAuth clients, access tokens and used assertions: their tables and statements (RFC 6749, RFC 7523).

Secrets are never stored: tokens, client secrets and assertion ids are kept as SHA-256 digests, which is enough
because each holds at least 128 random bits. Every statement names its tenant.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Delete,
    Index,
    Integer,
    LargeBinary,
    Select,
    Text,
    Update,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlmodel import Field, SQLModel

from bhr_api.store.expiry import forget_before
from bhr_api.store.tables import CodePointText, Instant, Tenant, table_of

# The look-up of every FHIR request, by asyncpg. The tokens of a disabled client, a changed or disabled account, a revoked grant
# or an ended session are dead without a write to any of them; the outer joins let the operator's own tokens, which belong to
# no registered client, and those of clients that act for themselves through.
LOOK_UP_BEARER = """
SELECT token.client_id, token.scope, token.patient, token.fhir_user, token.expires_at, account.username, account.also,
       account.teams, account.roles
  FROM oauth_access_token AS token
  LEFT JOIN oauth_client AS client ON client.tenant = token.tenant AND client.client_id = token.client_id
  LEFT JOIN account ON account.tenant = token.tenant AND account.username = token.username
  LEFT JOIN oauth_grant AS granted ON granted.tenant = token.tenant AND granted.grant_id = token.grant_id
  LEFT JOIN browser_session AS session
    ON session.tenant = granted.tenant AND session.session_hash = granted.session_hash
 WHERE token.tenant = $1 AND token.token_hash = $2 AND token.revoked_at IS NULL AND client.disabled_at IS NULL
   AND (token.username IS NULL OR (account.disabled_at IS NULL AND account.changed_at <= token.issued_at))
   AND (token.grant_id IS NULL
        OR (granted.created_at IS NOT NULL AND granted.revoked_at IS NULL
            AND (account.changed_at <= granted.created_at) IS NOT FALSE))
   AND (granted.session_hash IS NULL OR (session.ended_at IS NULL AND session.expires_at > now()))
"""
# Who somebody is that another issuer vouches for.
LOOK_UP_IDENTITY = """
SELECT account.username, account.fhir_user, account.also, account.teams, account.roles, account.disabled_at
  FROM external_identity AS identity
  JOIN account ON account.tenant = identity.tenant AND account.username = identity.username
 WHERE identity.tenant = $1 AND identity.issuer = $2 AND identity.subject = $3
"""
CHANGED_ROLES = "SELECT name, scope, relation FROM role WHERE tenant = $1 AND name = ANY($2::text[])"
TENANT_NUMBER = "SELECT tenant FROM tenant WHERE name = $1"


class OAuthClient(SQLModel, table=True):
    """A registered client; it authenticates by one of `jwks`, `jwks_url` and `secret_hash`."""

    __tablename__ = "oauth_client"

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    client_id: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = Field(sa_column=Column(Text, nullable=False))
    scope: str = Field(sa_column=Column(Text, nullable=False))
    jwks: str | None = Field(default=None, sa_column=Column(Text))
    jwks_url: str | None = Field(default=None, sa_column=Column(Text))
    secret_hash: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    redirect_uris: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    origins: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    is_public: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    software_id: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    disabled_at: datetime | None = Field(default=None, sa_column=Column(Instant))


class OAuthAccessToken(SQLModel, table=True):
    """An access token that was issued, by the digest of its text."""

    __tablename__ = "oauth_access_token"
    __table_args__: ClassVar[tuple[Index, ...]] = (
        Index("oauth_access_token_by_client", "tenant", "client_id"),
        Index("oauth_access_token_by_expiry", "tenant", "expires_at"),
        Index("oauth_access_token_by_grant", "tenant", "grant_id", postgresql_where=text("grant_id IS NOT NULL")),
    )

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    token_hash: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    client_id: str = Field(sa_column=Column(Text, nullable=False))
    scope: str = Field(sa_column=Column(Text, nullable=False))
    patient: str | None = Field(default=None, sa_column=Column(Text))
    fhir_user: str | None = Field(default=None, sa_column=Column(Text))
    issued_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    expires_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    revoked_at: datetime | None = Field(default=None, sa_column=Column(Instant))
    grant_id: str | None = Field(default=None, sa_column=Column(CodePointText))
    username: str | None = Field(default=None, sa_column=Column(CodePointText))


class OAuthUsedAssertion(SQLModel, table=True):
    """A client assertion's `jti`, kept until the assertion could no longer be accepted (RFC 7523 §3, point 7)."""

    __tablename__ = "oauth_used_assertion"
    __table_args__: ClassVar[tuple[Index, ...]] = (Index("oauth_used_assertion_by_expiry", "tenant", "expires_at"),)

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    client_id: str = Field(sa_column=Column(Text, primary_key=True))
    jti_hash: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    expires_at: datetime = Field(sa_column=Column(Instant, nullable=False))


TABLES: Sequence[type[SQLModel]] = (OAuthClient, OAuthAccessToken, OAuthUsedAssertion)

_tenants, _clients = table_of(Tenant), table_of(OAuthClient)
_tokens, _assertions = table_of(OAuthAccessToken), table_of(OAuthUsedAssertion)


def tenant_number(name: str) -> Select[int]:
    """The number of the tenant called `name`."""
    return select(_tenants.c.tenant).where(_tenants.c.name == name)


def client(tenant: int, client_id: str) -> Select[OAuthClient]:
    """One client, disabled or not."""
    return select(OAuthClient).where(_clients.c.tenant == tenant, _clients.c.client_id == client_id)


def clients(tenant: int) -> Select[OAuthClient]:
    """The clients of a tenant, oldest first."""
    return select(OAuthClient).where(_clients.c.tenant == tenant).order_by(_clients.c.created_at, _clients.c.client_id)


def access_token(tenant: int, token_hash: bytes) -> Select[OAuthAccessToken]:
    """One token, whatever its state."""
    return select(OAuthAccessToken).where(_tokens.c.tenant == tenant, _tokens.c.token_hash == token_hash)


def revoke_access_token(tenant: int, token_hash: bytes, now: datetime) -> Update:
    """Revoke one token; the first revocation's time stays."""
    return (
        update(_tokens)
        .where(_tokens.c.tenant == tenant, _tokens.c.token_hash == token_hash, _tokens.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def revoke_tokens_of_client(tenant: int, client_id: str, now: datetime) -> Update:
    """Revoke every token of a client."""
    return (
        update(_tokens)
        .where(_tokens.c.tenant == tenant, _tokens.c.client_id == client_id, _tokens.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def use_assertion(tenant: int, client_id: str, jti_hash: bytes, expires_at: datetime) -> Insert:
    """Use up a `jti`: one row is inserted by the first use, none by any other, however simultaneous."""
    return (
        insert(_assertions)
        .values(tenant=tenant, client_id=client_id, jti_hash=jti_hash, expires_at=expires_at)
        .on_conflict_do_nothing(index_elements=["tenant", "client_id", "jti_hash"])
    )


def forget_expired_assertions(tenant: int, before: datetime, limit: int) -> Delete:
    """Delete up to `limit` used assertions that expired before `before`."""
    return forget_before(_assertions.c.expires_at, tenant, before, limit)


def forget_expired_tokens(tenant: int, before: datetime, limit: int) -> Delete:
    """Delete up to `limit` tokens that expired before `before`."""
    return forget_before(_tokens.c.expires_at, tenant, before, limit)
