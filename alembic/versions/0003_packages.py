"""Implementation guides: packages and their canonical resources, for the whole server.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE package (
    name text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    sort_key text COLLATE "C" NOT NULL,
    title text COLLATE "C" NOT NULL,
    dependencies text[] NOT NULL,
    digest bytea NOT NULL,
    added_at timestamptz NOT NULL,
    PRIMARY KEY (name, version)
);

CREATE TABLE package_resource (
    package text COLLATE "C" NOT NULL,
    package_version text COLLATE "C" NOT NULL,
    resource_type text COLLATE "C" NOT NULL,
    url text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    sort_key text COLLATE "C" NOT NULL,
    profiled_type text COLLATE "C",
    body bytea NOT NULL,
    PRIMARY KEY (package, package_version, resource_type, url, version)
);
CREATE INDEX package_resource_canonical ON package_resource (url, version);
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for table in ("package_resource", "package"):
        op.execute(f"DROP TABLE {table}")
