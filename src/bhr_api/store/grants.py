"""The tables of what people grant: authorization requests, grants, codes, refresh tokens, launches (RFC 6749; SMART 2.2).

Secrets are kept as SHA-256 digests. Whatever came from one decision carries its `grant_id`, so that it can be revoked together
(RFC 9700 §4.14). Every key starts with the tenant.
"""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import ARRAY, Column, Index, Integer, LargeBinary, Text
from sqlmodel import Field, SQLModel

from bhr_api.store.tables import CodePointText, Instant


class OAuthAuthorization(SQLModel, table=True):
    """An authorization request that was found right and waits for its user. `parameters` are JSON, as they were checked.

    `session_hash` is the session that took it up, `patient` the client whom the user chose. It is decided once.
    """

    __tablename__ = "oauth_authorization"
    __table_args__: ClassVar[tuple[Index, ...]] = (Index("oauth_authorization_by_expiry", "tenant", "expires_at"),)

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    request_hash: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    client_id: str = Field(sa_column=Column(Text, nullable=False))
    parameters: str = Field(sa_column=Column(Text, nullable=False))
    session_hash: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    patient: str | None = Field(default=None, sa_column=Column(CodePointText))
    created_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    expires_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    decided_at: datetime | None = Field(default=None, sa_column=Column(Instant))


class OAuthGrant(SQLModel, table=True):
    """What a user allowed a client. `context` is the launch context as the token response tells it, in JSON.

    `session_hash` is set where the grant ends with the browser session (`online_access`, or no refresh token at all).
    `methods` are how the user had signed in, as amr values (RFC 8176).
    """

    __tablename__ = "oauth_grant"
    __table_args__: ClassVar[tuple[Index, ...]] = (
        Index("oauth_grant_by_account", "tenant", "username"),
        Index("oauth_grant_by_client", "tenant", "client_id"),
        Index("oauth_grant_by_expiry", "tenant", "expires_at"),
    )

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    grant_id: str = Field(sa_column=Column(CodePointText, primary_key=True))
    client_id: str = Field(sa_column=Column(Text, nullable=False))
    username: str = Field(sa_column=Column(CodePointText, nullable=False))
    session_hash: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    scope: str = Field(sa_column=Column(Text, nullable=False))
    patient: str | None = Field(default=None, sa_column=Column(CodePointText))
    encounter: str | None = Field(default=None, sa_column=Column(CodePointText))
    context: str = Field(sa_column=Column(Text, nullable=False))
    nonce: str | None = Field(default=None, sa_column=Column(Text))
    methods: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    signed_in_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    created_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    expires_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    revoked_at: datetime | None = Field(default=None, sa_column=Column(Instant))


class OAuthCode(SQLModel, table=True):
    """An authorization code: good once, for a minute, for its client, redirect URI and verifier."""

    __tablename__ = "oauth_code"
    __table_args__: ClassVar[tuple[Index, ...]] = (Index("oauth_code_by_expiry", "tenant", "expires_at"),)

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    code_hash: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    grant_id: str = Field(sa_column=Column(CodePointText, nullable=False))
    client_id: str = Field(sa_column=Column(Text, nullable=False))
    redirect_uri: str = Field(sa_column=Column(Text, nullable=False))
    code_challenge: str = Field(sa_column=Column(Text, nullable=False))
    expires_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    used_at: datetime | None = Field(default=None, sa_column=Column(Instant))


class OAuthRefreshToken(SQLModel, table=True):
    """A refresh token: good once; its use gives the next one of the grant."""

    __tablename__ = "oauth_refresh_token"
    __table_args__: ClassVar[tuple[Index, ...]] = (
        Index("oauth_refresh_token_by_grant", "tenant", "grant_id"),
        Index("oauth_refresh_token_by_expiry", "tenant", "expires_at"),
    )

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    token_hash: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    grant_id: str = Field(sa_column=Column(CodePointText, nullable=False))
    client_id: str = Field(sa_column=Column(Text, nullable=False))
    issued_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    expires_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    used_at: datetime | None = Field(default=None, sa_column=Column(Instant))


class OAuthLaunch(SQLModel, table=True):
    """A `launch` value that a host EHR minted: the context that an app is to start in. Good once.

    `client_id` and `fhir_user` bind it, where the EHR said so.
    """

    __tablename__ = "oauth_launch"
    __table_args__: ClassVar[tuple[Index, ...]] = (Index("oauth_launch_by_expiry", "tenant", "expires_at"),)

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    launch_hash: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    minted_by: str = Field(sa_column=Column(Text, nullable=False))
    client_id: str | None = Field(default=None, sa_column=Column(Text))
    fhir_user: str | None = Field(default=None, sa_column=Column(Text))
    patient: str | None = Field(default=None, sa_column=Column(CodePointText))
    encounter: str | None = Field(default=None, sa_column=Column(CodePointText))
    context: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    expires_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    used_at: datetime | None = Field(default=None, sa_column=Column(Instant))


class RememberedConsent(SQLModel, table=True):
    """A user's choice to allow a client the same again without being asked."""

    __tablename__ = "remembered_consent"

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    username: str = Field(sa_column=Column(CodePointText, primary_key=True))
    client_id: str = Field(sa_column=Column(Text, primary_key=True))
    scope: str = Field(sa_column=Column(Text, nullable=False))
    decided_at: datetime = Field(sa_column=Column(Instant, nullable=False))


class RegistrationToken(SQLModel, table=True):
    """RFC 7591 §1.2: an initial access token; its holder may register clients within `scope`."""

    __tablename__ = "registration_token"

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    token_hash: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    scope: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    expires_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    uses_left: int = Field(sa_column=Column(Integer, nullable=False))
