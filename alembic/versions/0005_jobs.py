"""Jobs: durable work for later, and what it came to.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE job (
    tenant integer NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    key text COLLATE "C",
    client_id text,
    holder text,
    input bytea NOT NULL,
    progress bytea,
    created_at timestamptz NOT NULL,
    claimed_at timestamptz,
    heartbeat_at timestamptz,
    finished_at timestamptz,
    expires_at timestamptz,
    attempts integer NOT NULL,
    releases integer NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX job_unfinished ON job (tenant, created_at, id) WHERE state IN ('queued', 'running');
CREATE UNIQUE INDEX job_key ON job (tenant, key) WHERE state IN ('queued', 'running');
CREATE INDEX job_expiry ON job (tenant, expires_at);

CREATE TABLE job_output (
    tenant integer NOT NULL,
    job text COLLATE "C" NOT NULL,
    ordinal integer NOT NULL,
    media_type text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (tenant, job, ordinal),
    FOREIGN KEY (tenant, job) REFERENCES job (tenant, id) ON DELETE CASCADE
);
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for table in ("job_output", "job"):
        op.execute(f"DROP TABLE {table}")
