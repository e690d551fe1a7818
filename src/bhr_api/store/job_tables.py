"""The tables of durable jobs: what is to be done, by whom it was asked for, how far it is and what it came to."""

from datetime import datetime

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

from bhr_api.store.tables import CodePointText, Instant

UNFINISHED = "state IN ('queued', 'running')"


class JobRow(SQLModel, table=True):
    """A job: `state` is queued, running, completed, failed or cancelled.

    `client_id` is who asked, with user and patient in `holder`; null for the server's own work. No two unfinished jobs of
    a tenant have the same `key`. `input` and `progress` are JSON. `attempts` counts the claims, so that its value is the
    fence by which only the last claimant writes; `releases` counts those given back because a server stopped.
    """

    __tablename__ = "job"
    __table_args__ = (
        Index("job_unfinished", "tenant", "created_at", "id", postgresql_where=text(UNFINISHED)),
        Index("job_key", "tenant", "key", unique=True, postgresql_where=text(UNFINISHED)),
        Index("job_expiry", "tenant", "expires_at"),
    )

    tenant: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    id: str = Field(sa_column=Column(CodePointText, primary_key=True))
    kind: str = Field(sa_column=Column(CodePointText, nullable=False))
    state: str = Field(sa_column=Column(CodePointText, nullable=False))
    key: str | None = Field(sa_column=Column(CodePointText))
    client_id: str | None = Field(sa_column=Column(Text))
    holder: str | None = Field(sa_column=Column(Text))
    input: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    progress: bytes | None = Field(sa_column=Column(LargeBinary))
    created_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    claimed_at: datetime | None = Field(sa_column=Column(Instant))
    heartbeat_at: datetime | None = Field(sa_column=Column(Instant))
    finished_at: datetime | None = Field(sa_column=Column(Instant))
    expires_at: datetime | None = Field(sa_column=Column(Instant))
    attempts: int
    releases: int


class JobOutputRow(SQLModel, table=True):
    """A part of what a job came to, gone with its job."""

    __tablename__ = "job_output"
    __table_args__ = (ForeignKeyConstraint(["tenant", "job"], ["job.tenant", "job.id"], ondelete="CASCADE"),)

    tenant: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    job: str = Field(sa_column=Column(CodePointText, primary_key=True))
    ordinal: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    media_type: str = Field(sa_column=Column(Text, nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
