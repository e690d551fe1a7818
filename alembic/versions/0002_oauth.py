"""OAuth: clients, access tokens, used assertions.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE oauth_client (
    tenant integer NOT NULL,
    client_id text NOT NULL,
    name text NOT NULL,
    scope text NOT NULL,
    jwks text,
    jwks_url text,
    secret_hash bytea,
    redirect_uris text[] NOT NULL,
    origins text[] NOT NULL,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    PRIMARY KEY (tenant, client_id)
);

CREATE TABLE oauth_access_token (
    tenant integer NOT NULL,
    token_hash bytea NOT NULL,
    client_id text NOT NULL,
    scope text NOT NULL,
    patient text,
    fhir_user text,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (tenant, token_hash)
);
CREATE INDEX oauth_access_token_by_client ON oauth_access_token (tenant, client_id);
CREATE INDEX oauth_access_token_by_expiry ON oauth_access_token (tenant, expires_at);

CREATE TABLE oauth_used_assertion (
    tenant integer NOT NULL,
    client_id text NOT NULL,
    jti_hash bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, client_id, jti_hash)
);
CREATE INDEX oauth_used_assertion_by_expiry ON oauth_used_assertion (tenant, expires_at);
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for table in ("oauth_used_assertion", "oauth_access_token", "oauth_client"):
        op.execute(f"DROP TABLE {table}")
