"""The tables of added search parameters: what each tenant has besides R4's, and how far its index is."""

from sqlalchemy import BigInteger, Column, LargeBinary, SmallInteger
from sqlmodel import Field, SQLModel

from bhr_api.store.tables import CodePointText


class AddedParameterSet(SQLModel, table=True):
    """What a tenant's added parameters come to: `generation` rises with every change of what is extracted or answered.

    `packages` is the word for the packages that the set was made with. Its row is the lock under which the set changes.
    """

    __tablename__ = "added_parameter_set"

    tenant: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    generation: int = Field(sa_column=Column(BigInteger, nullable=False))
    packages: str = Field(sa_column=Column(CodePointText, nullable=False))


class AddedParameter(SQLModel, table=True):
    """A parameter that a tenant has for a type besides R4's; `definition` is what every write extracts by.

    `state` is building, complete or leaving; what is leaving answers no more and is still extracted, until nobody answers by
    it. `next_definition` then takes its place. `origin` is the id of the SearchParameter, "" for a package's. Of a building
    index `done` of `total` rows are made, in the order of their ids up to `after_id`.
    """

    __tablename__ = "added_parameter"

    tenant: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    resource_type: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    code: str = Field(sa_column=Column(CodePointText, primary_key=True))
    origin: str = Field(sa_column=Column(CodePointText, nullable=False))
    state: str = Field(sa_column=Column(CodePointText, nullable=False))
    definition: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    next_definition: bytes | None = Field(sa_column=Column(LargeBinary))
    after_id: str = Field(sa_column=Column(CodePointText, nullable=False))
    done: int
    total: int
