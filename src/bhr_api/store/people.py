"""The tables of people: accounts, roles, browser sessions, and whom they are responsible for.

Usernames are kept in lower case. Passwords are argon2id hashes; session cookies are kept as SHA-256 digests, as all opaque
strings are. Every key starts with the tenant.
"""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import ARRAY, BigInteger, Column, Index, Integer, LargeBinary, Select, Text, select
from sqlmodel import Field, SQLModel

from bhr_api.store.database import Connection
from bhr_api.store.tables import CodePointText, Instant, table_of

# What access decisions need to know of somebody, by asyncpg.
LIVE_ACCOUNT = """
SELECT username, fhir_user, also, teams, roles FROM account WHERE tenant = $1 AND username = $2 AND disabled_at IS NULL
"""


class Account(SQLModel, table=True):
    """A person who signs in. `subject` is the OIDC `sub`; `fhir_user` is `Practitioner/1` and the like.

    `also` are references to other resources that stand for the same person (`PractitionerRole/2`), `teams` organizations whose
    clients a supervisor sees. `password_hash` is None for one who signs in elsewhere only. `totp_used` is the last time step
    whose code was taken, so that none works twice. Grants and sessions from before `changed_at` are dead.
    """

    __tablename__ = "account"
    __table_args__: ClassVar[tuple[Index, ...]] = (Index("account_by_subject", "tenant", "subject", unique=True),)

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    username: str = Field(sa_column=Column(CodePointText, primary_key=True))
    subject: str = Field(sa_column=Column(CodePointText, nullable=False))
    password_hash: str | None = Field(default=None, sa_column=Column(Text))
    fhir_user: str = Field(sa_column=Column(Text, nullable=False))
    also: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    roles: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    teams: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    totp_secret: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    totp_used: int | None = Field(default=None, sa_column=Column(BigInteger))
    created_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    changed_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    disabled_at: datetime | None = Field(default=None, sa_column=Column(Instant))


class ExternalIdentity(SQLModel, table=True):
    """Who somebody is at an identity provider: the account that signs in so."""

    __tablename__ = "external_identity"
    __table_args__: ClassVar[tuple[Index, ...]] = (Index("external_identity_by_account", "tenant", "username"),)

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    issuer: str = Field(sa_column=Column(CodePointText, primary_key=True))
    subject: str = Field(sa_column=Column(CodePointText, primary_key=True))
    username: str = Field(sa_column=Column(CodePointText, nullable=False))
    linked_at: datetime = Field(sa_column=Column(Instant, nullable=False))


class RoleRow(SQLModel, table=True):
    """A role that the operator defined, or changed from what it is by itself. `relation`: see `access.Role`."""

    __tablename__ = "role"

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    name: str = Field(sa_column=Column(CodePointText, primary_key=True))
    scope: str = Field(sa_column=Column(Text, nullable=False))
    relation: str = Field(sa_column=Column(Text, nullable=False))
    changed_at: datetime = Field(sa_column=Column(Instant, nullable=False))


class RelationRow(SQLModel, table=True):
    """Somebody is responsible for a patient, by what the resource `source` says, from one moment to another.

    All three are self_tokens: `person` of a Practitioner, PractitionerRole, RelatedPerson or Organization.
    """

    __tablename__ = "relation"
    __table_args__: ClassVar[tuple[Index, ...]] = (Index("relation_by_source", "tenant", "source"),)

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    person: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    patient: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    source: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    valid_from: datetime = Field(sa_column=Column(Instant, nullable=False))
    valid_until: datetime = Field(sa_column=Column(Instant, nullable=False))


class SignInFailure(SQLModel, table=True):
    """A wrong password or code; they are counted by account and address. `attempt` tells those of one moment apart."""

    __tablename__ = "sign_in_failure"
    __table_args__: ClassVar[tuple[Index, ...]] = (Index("sign_in_failure_by_time", "tenant", "failed_at"),)

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    username: str = Field(sa_column=Column(CodePointText, primary_key=True))
    address: str = Field(sa_column=Column(CodePointText, primary_key=True))
    failed_at: datetime = Field(sa_column=Column(Instant, primary_key=True))
    attempt: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))


class BrowserSession(SQLModel, table=True):
    """A person signed in at a browser. `methods` are the amr values of RFC 8176 (`pwd`, `otp`, `fed`)."""

    __tablename__ = "browser_session"
    __table_args__: ClassVar[tuple[Index, ...]] = (
        Index("browser_session_by_account", "tenant", "username"),
        Index("browser_session_by_expiry", "tenant", "expires_at"),
    )

    tenant: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    session_hash: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    username: str = Field(sa_column=Column(CodePointText, nullable=False))
    methods: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    signed_in_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    seen_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    expires_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    ended_at: datetime | None = Field(default=None, sa_column=Column(Instant))


_accounts = table_of(Account)


def fhir_user_of(tenant: int, username: str) -> Select[str]:
    """Which resource stands for the account."""
    return select(_accounts.c.fhir_user).where(_accounts.c.tenant == tenant, _accounts.c.username == username)


async def roles(connection: Connection, tenant: int) -> list[tuple[str, str, str]]:
    """(name, scope, relation) of the roles that the operator defined or changed."""
    return [
        tuple(row)
        for row in await connection.fetch(
            "SELECT name, scope, relation FROM role WHERE tenant = $1 ORDER BY name", tenant
        )
    ]


async def put_role(connection: Connection, tenant: int, name: str, scope: str, relation: str, now: datetime) -> None:
    """Define a role, or change it."""
    await connection.execute(
        """
        INSERT INTO role (tenant, name, scope, relation, changed_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (tenant, name) DO UPDATE
        SET scope = excluded.scope, relation = excluded.relation, changed_at = excluded.changed_at
        """,
        tenant,
        name,
        scope,
        relation,
        now,
    )


async def delete_role(connection: Connection, tenant: int, name: str) -> bool:
    """Forget what the operator said of a role; whether there was anything."""
    found = await connection.fetchval("DELETE FROM role WHERE tenant = $1 AND name = $2 RETURNING name", tenant, name)
    return found is not None
