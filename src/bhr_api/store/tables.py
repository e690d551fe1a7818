"""The tables of the record: live resources, their history and their search index.

docs/storage.md tells why they are cut this way. Every key starts with the tenant (docs/decisions/0003-storage.md), but for
what belongs to the whole server; there is no trigger and no extension, and no sequence orders anything. OAuth's tables are
in `oauth.py`, audit's in `audit.py`.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    Table,
    Text,
    desc,
    text,
)
from sqlmodel import Field, SQLModel

# Comparison by code point: the same order as Python's, on any server and locale.
CodePointText = Text(collation="C")
Instant = DateTime(timezone=True)
STRING_HEAD = 200


def table_of(model: type[SQLModel]) -> Table:
    """The table of a model, whose columns statements name."""
    return SQLModel.metadata.tables[str(model.__tablename__)]


def _tenant() -> Any:
    return Field(primary_key=True, sa_column_kwargs={"autoincrement": False})


class Tenant(SQLModel, table=True):
    """An organisation whose records nobody else sees. `token_key` keys the hashes of its search tokens.

    `references_indexed`: all its rows are known to have the tokens of all their references (docs/references.md).
    """

    tenant: int = Field(primary_key=True)
    name: str = Field(sa_column=Column(CodePointText, nullable=False, unique=True))
    token_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = Field(sa_column=Column(Instant, nullable=False))
    references_indexed: bool = Field(
        default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false"))
    )


class ResourceRow(SQLModel, table=True):
    """A live resource: its current version with the index values that the most frequent searches need.

    `row_id` is made by the application from time and worker, is never reused and orders pages. `patient` is the
    `self_token` of the patient whose record this is (null: nobody's). `date_start` to `date_end` (half-open) is the
    type's main date, -infinity where it has none. `tokens` are keyed hashes of codes, references, uris and exact
    strings, with a marker for each parameter that is present. `body` is the JSON as sent, with id and meta, in UTF-8
    when `encoding` is 0.
    """

    __tablename__ = "resource"
    __table_args__ = (
        Index("resource_row", "tenant", "resource_type", "row_id", unique=True),
        Index("resource_self", "tenant", "self_token"),
        Index("resource_tokens", "tokens", postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
        Index("resource_patient", "tenant", "patient", "resource_type", "date_start", "row_id"),
        Index("resource_date", "tenant", "resource_type", "date_start", "row_id"),
        Index("resource_updated", "tenant", "resource_type", "last_updated", "row_id"),
    )

    tenant: int = _tenant()
    resource_type: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    id: str = Field(sa_column=Column(CodePointText, primary_key=True))
    version: int
    encoding: int = Field(sa_column=Column(SmallInteger, nullable=False))
    method: int = Field(sa_column=Column(SmallInteger, nullable=False))
    index_generation: int = Field(sa_column=Column(SmallInteger, nullable=False))
    row_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    self_token: int = Field(sa_column=Column(BigInteger, nullable=False))
    patient: int | None = Field(sa_column=Column(BigInteger))
    last_updated: datetime = Field(sa_column=Column(Instant, nullable=False))
    date_start: datetime = Field(sa_column=Column(Instant, nullable=False))
    date_end: datetime = Field(sa_column=Column(Instant, nullable=False))
    tokens: list[int] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class HistoryRow(SQLModel, table=True):
    """A superseded version, or the tombstone of a deleted resource (`body` null).

    It keeps the patient, tokens and main date of its version, so that visibility decides every version by itself; a
    tombstone keeps those of the last version.
    """

    __tablename__ = "resource_history"
    __table_args__ = (
        Index("history_type", "tenant", "resource_type", desc("last_updated"), desc("row_id"), desc("version")),
        Index("history_system", "tenant", desc("last_updated"), desc("row_id"), desc("version")),
    )

    tenant: int = _tenant()
    resource_type: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    id: str = Field(sa_column=Column(CodePointText, primary_key=True))
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    encoding: int = Field(sa_column=Column(SmallInteger, nullable=False))
    method: int = Field(sa_column=Column(SmallInteger, nullable=False))
    row_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    patient: int | None = Field(sa_column=Column(BigInteger))
    last_updated: datetime = Field(sa_column=Column(Instant, nullable=False))
    date_start: datetime = Field(sa_column=Column(Instant, nullable=False))
    date_end: datetime = Field(sa_column=Column(Instant, nullable=False))
    tokens: list[int] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False))
    body: bytes | None = Field(sa_column=Column(LargeBinary))


class Posting(SQLModel, table=True):
    """One row per value of a parameter that is flagged *ordered*: population lists by code, in any order, at any depth."""

    __table_args__ = (Index("posting_date", "tenant", "token", "date_start", "row_id"),)

    tenant: int = _tenant()
    token: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    row_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    date_start: datetime = Field(sa_column=Column(Instant, nullable=False))


class StringIndex(SQLModel, table=True):
    """Normalised string values (`search/types/string.py`), for prefix and order."""

    __tablename__ = "string_index"
    # A btree entry is limited to 2.7 kB, so only the head of a long value orders the index; the value itself decides.
    __table_args__ = (
        Index("string_value", "tenant", "resource_type", "parameter", text(f"left(value, {STRING_HEAD})"), "row_id"),
    )

    tenant: int = _tenant()
    row_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    parameter: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    ordinal: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    resource_type: int = Field(sa_column=Column(SmallInteger, nullable=False))
    value: str = Field(sa_column=Column(CodePointText, nullable=False))


class NumberIndex(SQLModel, table=True):
    """Numbers and quantities as closed ranges. `unit` is 0 for the bare number, else the keyed hash of a unit.

    `element` holds the code tokens of the same element, for composites such as component-code-value-quantity.
    """

    __tablename__ = "number_index"
    __table_args__ = (Index("number_value", "tenant", "resource_type", "parameter", "unit", "low", "high", "row_id"),)

    tenant: int = _tenant()
    row_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    parameter: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    ordinal: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    resource_type: int = Field(sa_column=Column(SmallInteger, nullable=False))
    unit: int = Field(sa_column=Column(BigInteger, nullable=False))
    low: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    high: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    element: list[int] | None = Field(sa_column=Column(ARRAY(BigInteger)))


class DateIndex(SQLModel, table=True):
    """Date values besides the type's main date, as half-open intervals."""

    __tablename__ = "date_index"
    __table_args__ = (Index("date_value", "tenant", "resource_type", "parameter", "date_start", "date_end", "row_id"),)

    tenant: int = _tenant()
    row_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    parameter: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    ordinal: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    resource_type: int = Field(sa_column=Column(SmallInteger, nullable=False))
    date_start: datetime = Field(sa_column=Column(Instant, nullable=False))
    date_end: datetime = Field(sa_column=Column(Instant, nullable=False))


class HeavyToken(SQLModel, table=True):
    """A token that more than 2 % of the tenant's rows carry: the compiler filters by it and never drives by it."""

    __tablename__ = "heavy_token"

    tenant: int = _tenant()
    token: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))


class LockStripe(SQLModel, table=True):
    """Rows to lock so that conditional writes on one criterion follow one another (advisory locks are node-local on Citus)."""

    __tablename__ = "lock_stripe"

    tenant: int = _tenant()
    stripe: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))


class PackageRow(SQLModel, table=True):
    """An implementation guide that the operator loaded, for every tenant. `dependencies` are `name@version`.

    `sort_key` orders versions as text (`fhir/packages.py`); `digest` tells whether another archive says the same.
    """

    __tablename__ = "package"

    name: str = Field(sa_column=Column(CodePointText, primary_key=True))
    version: str = Field(sa_column=Column(CodePointText, primary_key=True))
    sort_key: str = Field(sa_column=Column(CodePointText, nullable=False))
    title: str = Field(sa_column=Column(CodePointText, nullable=False))
    dependencies: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    added_at: datetime = Field(sa_column=Column(Instant, nullable=False))


class PackageResource(SQLModel, table=True):
    """A canonical resource of a package; `version` is "" where it has none, `body` compact JSON in UTF-8.

    `profiled_type` is the resource type that a profile constrains. There is no foreign key: one would have to be checked
    from every node of a distributed database.
    """

    __tablename__ = "package_resource"
    __table_args__ = (Index("package_resource_canonical", "url", "version"),)

    package: str = Field(sa_column=Column(CodePointText, primary_key=True))
    package_version: str = Field(sa_column=Column(CodePointText, primary_key=True))
    resource_type: str = Field(sa_column=Column(CodePointText, primary_key=True))
    url: str = Field(sa_column=Column(CodePointText, primary_key=True))
    version: str = Field(sa_column=Column(CodePointText, primary_key=True))
    id: str = Field(sa_column=Column(CodePointText, nullable=False))
    sort_key: str = Field(sa_column=Column(CodePointText, nullable=False))
    profiled_type: str | None = Field(sa_column=Column(CodePointText))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
