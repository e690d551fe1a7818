"""The record: tenants, resources, history, search index, audit.

Revision ID: 0001
Revises: -
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE tenant (
    tenant serial PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    token_key bytea NOT NULL,
    created_at timestamptz NOT NULL
);

-- Tells the row ids of one process from those of another; it orders nothing.
CREATE SEQUENCE row_id_node AS integer MINVALUE 0 MAXVALUE 4095 CYCLE;

CREATE TABLE resource (
    tenant integer NOT NULL,
    resource_type smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    encoding smallint NOT NULL,
    method smallint NOT NULL,
    index_generation smallint NOT NULL,
    row_id bigint NOT NULL,
    self_token bigint NOT NULL,
    patient bigint,
    last_updated timestamptz NOT NULL,
    date_start timestamptz NOT NULL,
    date_end timestamptz NOT NULL,
    tokens bigint[] NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (tenant, resource_type, id)
);
CREATE UNIQUE INDEX resource_row ON resource (tenant, resource_type, row_id);
CREATE INDEX resource_self ON resource (tenant, self_token);
CREATE INDEX resource_tokens ON resource USING gin (tokens) WITH (fastupdate = off);
CREATE INDEX resource_patient ON resource (tenant, patient, resource_type, date_start, row_id);
CREATE INDEX resource_date ON resource (tenant, resource_type, date_start, row_id);
CREATE INDEX resource_updated ON resource (tenant, resource_type, last_updated, row_id);
ALTER TABLE resource ALTER tokens SET STATISTICS 1000;

CREATE TABLE resource_history (
    tenant integer NOT NULL,
    resource_type smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    encoding smallint NOT NULL,
    method smallint NOT NULL,
    row_id bigint NOT NULL,
    patient bigint,
    last_updated timestamptz NOT NULL,
    date_start timestamptz NOT NULL,
    date_end timestamptz NOT NULL,
    tokens bigint[] NOT NULL,
    body bytea,
    PRIMARY KEY (tenant, resource_type, id, version)
);
CREATE INDEX history_type ON resource_history (tenant, resource_type, last_updated DESC, row_id DESC, version DESC);
CREATE INDEX history_system ON resource_history (tenant, last_updated DESC, row_id DESC, version DESC);

CREATE TABLE posting (
    tenant integer NOT NULL,
    token bigint NOT NULL,
    row_id bigint NOT NULL,
    date_start timestamptz NOT NULL,
    PRIMARY KEY (tenant, token, row_id)
);
CREATE INDEX posting_date ON posting (tenant, token, date_start, row_id);

CREATE TABLE string_index (
    tenant integer NOT NULL,
    row_id bigint NOT NULL,
    parameter integer NOT NULL,
    ordinal smallint NOT NULL,
    resource_type smallint NOT NULL,
    value text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, row_id, parameter, ordinal)
);
CREATE INDEX string_value ON string_index (tenant, resource_type, parameter, left(value, 200), row_id);

CREATE TABLE number_index (
    tenant integer NOT NULL,
    row_id bigint NOT NULL,
    parameter integer NOT NULL,
    ordinal smallint NOT NULL,
    resource_type smallint NOT NULL,
    unit bigint NOT NULL,
    low numeric NOT NULL,
    high numeric NOT NULL,
    element bigint[],
    PRIMARY KEY (tenant, row_id, parameter, ordinal)
);
CREATE INDEX number_value ON number_index (tenant, resource_type, parameter, unit, low, high, row_id);

CREATE TABLE date_index (
    tenant integer NOT NULL,
    row_id bigint NOT NULL,
    parameter integer NOT NULL,
    ordinal smallint NOT NULL,
    resource_type smallint NOT NULL,
    date_start timestamptz NOT NULL,
    date_end timestamptz NOT NULL,
    PRIMARY KEY (tenant, row_id, parameter, ordinal)
);
CREATE INDEX date_value ON date_index (tenant, resource_type, parameter, date_start, date_end, row_id);

CREATE TABLE heavy_token (
    tenant integer NOT NULL,
    token bigint NOT NULL,
    PRIMARY KEY (tenant, token)
);

CREATE TABLE lock_stripe (
    tenant integer NOT NULL,
    stripe smallint NOT NULL,
    PRIMARY KEY (tenant, stripe)
);

CREATE TABLE audit_event (
    tenant integer NOT NULL,
    recorded timestamptz NOT NULL,
    event_id bigint NOT NULL,
    interaction text COLLATE "C" NOT NULL,
    status smallint NOT NULL,
    client_id text,
    fhir_user text,
    source text,
    request_id text COLLATE "C" NOT NULL,
    resource_type text COLLATE "C",
    resource_id text COLLATE "C",
    version integer,
    query text,
    patients bigint[] NOT NULL,
    PRIMARY KEY (tenant, recorded, event_id)
) PARTITION BY RANGE (recorded);
CREATE INDEX audit_request ON audit_event (tenant, request_id);
CREATE INDEX audit_resource ON audit_event (tenant, resource_type, resource_id, recorded);
-- Takes what no month's partition takes, so that an event is never lost for want of one.
CREATE TABLE audit_event_rest PARTITION OF audit_event DEFAULT;

CREATE TABLE audit_seal (
    tenant integer NOT NULL,
    sequence bigint NOT NULL,
    sealed_at timestamptz NOT NULL,
    events bigint[] NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (tenant, sequence)
);

CREATE VIEW resource_json AS
    SELECT tenant, resource_type, id, version, last_updated, convert_from(body, 'UTF8')::jsonb AS body
    FROM resource WHERE encoding = 0;
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP VIEW resource_json")
    op.execute("DROP SEQUENCE row_id_node")
    for table in (
        "audit_seal audit_event lock_stripe heavy_token date_index number_index string_index posting"
        " resource_history resource tenant"
    ).split():
        op.execute(f"DROP TABLE {table}")
