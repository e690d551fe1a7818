"""The audit table: one narrow, append-only row per request, partitioned by month (DESIGN promise 6; docs/audit.md)."""

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Column, Index, SmallInteger, Text
from sqlmodel import Field, SQLModel

from bhr_api.store.tables import CodePointText, Instant


class AuditRow(SQLModel, table=True):
    """What one request did: `interaction` is the restful-interaction code or an OAuth action.

    `patients` are the `self_token`s of the patients whose records the answer disclosed or the write changed. `status`
    is the HTTP status. `query` holds search parameters as sent.
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("audit_request", "tenant", "request_id"),
        Index("audit_resource", "tenant", "resource_type", "resource_id", "recorded"),
        {"postgresql_partition_by": "RANGE (recorded)"},
    )

    tenant: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    recorded: datetime = Field(sa_column=Column(Instant, primary_key=True))
    event_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    interaction: str = Field(sa_column=Column(CodePointText, nullable=False))
    status: int = Field(sa_column=Column(SmallInteger, nullable=False))
    client_id: str | None = Field(sa_column=Column(Text))
    fhir_user: str | None = Field(sa_column=Column(Text))
    source: str | None = Field(sa_column=Column(Text))
    request_id: str = Field(sa_column=Column(CodePointText, nullable=False))
    resource_type: str | None = Field(sa_column=Column(CodePointText))
    resource_id: str | None = Field(sa_column=Column(CodePointText))
    version: int | None
    query: str | None = Field(sa_column=Column(Text))
    patients: list[int] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False))


class AuditSeal(SQLModel, table=True):
    """A link of a tenant's hash chain: the events it seals, in order, and a hash over them and the link before."""

    __tablename__ = "audit_seal"

    tenant: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    sequence: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    sealed_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    events: list[int] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False))
    hash: bytes
