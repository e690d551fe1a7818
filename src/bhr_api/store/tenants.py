"""Tenants: the organisations of one deployment."""

import re
import secrets
from datetime import datetime
from typing import NamedTuple

from bhr_api.store.database import Connection
from bhr_api.store.versions import STRIPES

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
DEFAULT = "default"


class TenantRow(NamedTuple):
    """A tenant: its number, name and the key of its search tokens."""

    tenant: int
    name: str
    token_key: bytes


class InvalidTenantNameError(ValueError):
    """The name is not of the form that tokens and addresses can carry."""


async def add(connection: Connection, name: str, now: datetime) -> TenantRow:
    """The tenant called `name`, made if need be. Raises InvalidTenantNameError."""
    if not NAME.fullmatch(name):
        raise InvalidTenantNameError(f"{name!r}: a tenant's name is 1 to 32 of a-z, 0-9 and -, not starting with -.")
    await connection.execute(
        "INSERT INTO tenant (name, token_key, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
        name,
        secrets.token_bytes(32),
        now,
    )
    row = await find(connection, name)
    assert row is not None
    await connection.execute(
        "INSERT INTO lock_stripe (tenant, stripe) SELECT $1, generate_series(0, $2 - 1) ON CONFLICT DO NOTHING",
        row.tenant,
        STRIPES,
    )
    return row


async def find(connection: Connection, name: str) -> TenantRow | None:
    """The tenant called `name`."""
    row = await connection.fetchrow("SELECT tenant, name, token_key FROM tenant WHERE name = $1", name)
    return None if row is None else TenantRow(*row)


async def get(connection: Connection, tenant: int) -> TenantRow | None:
    """The tenant of that number."""
    row = await connection.fetchrow("SELECT tenant, name, token_key FROM tenant WHERE tenant = $1", tenant)
    return None if row is None else TenantRow(*row)


async def all_tenants(connection: Connection) -> list[TenantRow]:
    """Every tenant, by number."""
    return [
        TenantRow(*row) for row in await connection.fetch("SELECT tenant, name, token_key FROM tenant ORDER BY tenant")
    ]
