"""References: whether all rows of a tenant have the tokens of all their references.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nothing is known of the rows that are there."""
    op.execute("ALTER TABLE tenant ADD COLUMN references_indexed boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE tenant DROP COLUMN references_indexed")
