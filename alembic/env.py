"""Alembic's environment: runs the migrations on the connection that `store/migrations.py` hands over."""

from sqlmodel import SQLModel

import bhr_api.store.added_parameter_tables
import bhr_api.store.audit_table
import bhr_api.store.grants
import bhr_api.store.job_tables
import bhr_api.store.oauth
import bhr_api.store.people
import bhr_api.store.tables  # noqa: F401  (registers the tables that autogenerate compares)
from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata)
with context.begin_transaction():
    context.run_migrations()
