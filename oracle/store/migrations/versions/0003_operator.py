"""What an operator keeps of a campaign: its copy of the log, openings, filings, notes.

A migration states its tables itself and imports nothing of `schema.py`, which moves on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _owner() -> list[sa.Column[bytes]]:
    return [
        sa.Column("operator", sa.LargeBinary(20), nullable=False),
        sa.Column("campaign", sa.LargeBinary(32), nullable=False),
    ]


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "operator_rows",
        *_owner(),
        sa.Column("position", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("entry", sa.LargeBinary, nullable=False),
        sa.Column("head", sa.LargeBinary(32), nullable=False),
        sa.Column("signature", sa.LargeBinary(65), nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("operator", "campaign", "position", name="pk_operator_rows"),
        sa.CheckConstraint("position > 0", name="ck_operator_rows_position"),
    )
    op.create_table(
        "operator_openings",
        *_owner(),
        sa.Column("entry_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("answers", sa.Text, nullable=False),
        sa.Column("seed", sa.LargeBinary(32), nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("operator", "campaign", "entry_hash", name="pk_operator_openings"),
    )
    op.create_table(
        "operator_filings",
        *_owner(),
        sa.Column("entry_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("entry", sa.LargeBinary, nullable=False),
        sa.Column("opening", sa.LargeBinary, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("operator", "campaign", "entry_hash", name="pk_operator_filings"),
    )
    op.create_table(
        "operator_notes",
        *_owner(),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("noted_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("operator", "campaign", "kind", "key", name="pk_operator_notes"),
    )


def downgrade() -> None:
    """Drop the tables, and with them what no receipt holds yet."""
    for table in ("operator_notes", "operator_filings", "operator_openings", "operator_rows"):
        op.drop_table(table)
