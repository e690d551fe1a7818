"""Search parameters that tenants and packages add, with the state of their indexes.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE added_parameter_set (
    tenant integer NOT NULL,
    generation bigint NOT NULL,
    packages text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant)
);

CREATE TABLE added_parameter (
    tenant integer NOT NULL,
    resource_type smallint NOT NULL,
    code text COLLATE "C" NOT NULL,
    origin text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    definition bytea NOT NULL,
    next_definition bytea,
    after_id text COLLATE "C" NOT NULL,
    done integer NOT NULL,
    total integer NOT NULL,
    PRIMARY KEY (tenant, resource_type, code)
);
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for table in ("added_parameter", "added_parameter_set"):
        op.execute(f"DROP TABLE {table}")
