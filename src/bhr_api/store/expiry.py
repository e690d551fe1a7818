"""The deletion of rows that are past their time, a few at once, beside other work."""

from datetime import datetime

from sqlalchemy import Column, Delete, delete, select, tuple_


def forget_before(moment: Column[datetime], tenant: int, before: datetime, limit: int) -> Delete:
    """Delete up to `limit` rows of the tenant whose `moment` is before `before`; never waits for another worker's deletion."""
    table = moment.table
    key = tuple(table.primary_key.columns)
    old = select(*key).where(table.c.tenant == tenant, moment < before).limit(limit).with_for_update(skip_locked=True)
    return delete(table).where(table.c.tenant == tenant, tuple_(*key).in_(old))
