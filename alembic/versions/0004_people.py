"""People: accounts, roles, sessions, relations to clients; and what they grant: codes, grants, refresh tokens, launches.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE account (
    tenant integer NOT NULL,
    username text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    password_hash text,
    fhir_user text NOT NULL,
    also text[] NOT NULL,
    roles text[] NOT NULL,
    teams text[] NOT NULL,
    totp_secret bytea,
    totp_used bigint,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    disabled_at timestamptz,
    PRIMARY KEY (tenant, username)
);
CREATE UNIQUE INDEX account_by_subject ON account (tenant, subject);

CREATE TABLE external_identity (
    tenant integer NOT NULL,
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    username text COLLATE "C" NOT NULL,
    linked_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, issuer, subject)
);
CREATE INDEX external_identity_by_account ON external_identity (tenant, username);

CREATE TABLE role (
    tenant integer NOT NULL,
    name text COLLATE "C" NOT NULL,
    scope text NOT NULL,
    relation text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE relation (
    tenant integer NOT NULL,
    person bigint NOT NULL,
    patient bigint NOT NULL,
    source bigint NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    PRIMARY KEY (tenant, person, patient, source)
);
CREATE INDEX relation_by_source ON relation (tenant, source);

CREATE TABLE sign_in_failure (
    tenant integer NOT NULL,
    username text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,
    failed_at timestamptz NOT NULL,
    attempt bigint NOT NULL,
    PRIMARY KEY (tenant, username, address, failed_at, attempt)
);
CREATE INDEX sign_in_failure_by_time ON sign_in_failure (tenant, failed_at);

CREATE TABLE browser_session (
    tenant integer NOT NULL,
    session_hash bytea NOT NULL,
    username text COLLATE "C" NOT NULL,
    methods text[] NOT NULL,
    signed_in_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (tenant, session_hash)
);
CREATE INDEX browser_session_by_account ON browser_session (tenant, username);
CREATE INDEX browser_session_by_expiry ON browser_session (tenant, expires_at);

CREATE TABLE oauth_authorization (
    tenant integer NOT NULL,
    request_hash bytea NOT NULL,
    client_id text NOT NULL,
    parameters text NOT NULL,
    session_hash bytea,
    patient text COLLATE "C",
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    decided_at timestamptz,
    PRIMARY KEY (tenant, request_hash)
);
CREATE INDEX oauth_authorization_by_expiry ON oauth_authorization (tenant, expires_at);

CREATE TABLE oauth_grant (
    tenant integer NOT NULL,
    grant_id text COLLATE "C" NOT NULL,
    client_id text NOT NULL,
    username text COLLATE "C" NOT NULL,
    session_hash bytea,
    scope text NOT NULL,
    patient text COLLATE "C",
    encounter text COLLATE "C",
    context text NOT NULL,
    nonce text,
    methods text[] NOT NULL,
    signed_in_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (tenant, grant_id)
);
CREATE INDEX oauth_grant_by_account ON oauth_grant (tenant, username);
CREATE INDEX oauth_grant_by_client ON oauth_grant (tenant, client_id);
CREATE INDEX oauth_grant_by_expiry ON oauth_grant (tenant, expires_at);

CREATE TABLE oauth_code (
    tenant integer NOT NULL,
    code_hash bytea NOT NULL,
    grant_id text COLLATE "C" NOT NULL,
    client_id text NOT NULL,
    redirect_uri text NOT NULL,
    code_challenge text NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (tenant, code_hash)
);
CREATE INDEX oauth_code_by_expiry ON oauth_code (tenant, expires_at);

CREATE TABLE oauth_refresh_token (
    tenant integer NOT NULL,
    token_hash bytea NOT NULL,
    grant_id text COLLATE "C" NOT NULL,
    client_id text NOT NULL,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (tenant, token_hash)
);
CREATE INDEX oauth_refresh_token_by_grant ON oauth_refresh_token (tenant, grant_id);
CREATE INDEX oauth_refresh_token_by_expiry ON oauth_refresh_token (tenant, expires_at);

CREATE TABLE oauth_launch (
    tenant integer NOT NULL,
    launch_hash bytea NOT NULL,
    minted_by text NOT NULL,
    client_id text,
    fhir_user text,
    patient text COLLATE "C",
    encounter text COLLATE "C",
    context text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (tenant, launch_hash)
);
CREATE INDEX oauth_launch_by_expiry ON oauth_launch (tenant, expires_at);

CREATE TABLE remembered_consent (
    tenant integer NOT NULL,
    username text COLLATE "C" NOT NULL,
    client_id text NOT NULL,
    scope text NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, username, client_id)
);

CREATE TABLE registration_token (
    tenant integer NOT NULL,
    token_hash bytea NOT NULL,
    scope text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    uses_left integer NOT NULL,
    PRIMARY KEY (tenant, token_hash)
);

ALTER TABLE oauth_client ADD COLUMN is_public boolean NOT NULL DEFAULT false;
ALTER TABLE oauth_client ADD COLUMN software_id text;
ALTER TABLE oauth_access_token ADD COLUMN grant_id text COLLATE "C";
ALTER TABLE oauth_access_token ADD COLUMN username text COLLATE "C";
CREATE INDEX oauth_access_token_by_grant ON oauth_access_token (tenant, grant_id) WHERE grant_id IS NOT NULL;
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX oauth_access_token_by_grant")
    op.execute("ALTER TABLE oauth_access_token DROP COLUMN grant_id, DROP COLUMN username")
    op.execute("ALTER TABLE oauth_client DROP COLUMN is_public, DROP COLUMN software_id")
    for table in (
        "registration_token",
        "remembered_consent",
        "oauth_launch",
        "oauth_refresh_token",
        "oauth_code",
        "oauth_grant",
        "oauth_authorization",
        "browser_session",
        "sign_in_failure",
        "relation",
        "role",
        "external_identity",
        "account",
    ):
        op.execute(f"DROP TABLE {table}")
