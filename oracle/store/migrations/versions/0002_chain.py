"""What was read of the chain, and what was signed for it.

A migration states its tables itself and imports nothing of `schema.py`, which moves on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "chain_progress",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("deployment", sa.LargeBinary(32), nullable=False),
        sa.Column("read_to", sa.BigInteger, nullable=True),
        sa.Column("checkpoint", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_chain_progress"),
        sa.CheckConstraint("id = 1", name="ck_chain_progress_one_row"),
        sa.CheckConstraint(
            "(read_to IS NULL) = (checkpoint IS NULL)", name="ck_chain_progress_both_or_none"
        ),
    )
    op.create_table(
        "chain_blocks",
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_chain_blocks"),
    )
    op.create_table(
        "chain_logs",
        sa.Column("block", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("log_index", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("transaction_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("address", sa.LargeBinary(20), nullable=False),
        sa.Column("topics", sa.LargeBinary(128), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("block", "log_index", name="pk_chain_logs"),
    )
    op.create_table(
        "sent_transactions",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("chain_id", sa.BigInteger, nullable=False),
        sa.Column("sender", sa.LargeBinary(20), nullable=False),
        sa.Column("nonce", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("call", sa.LargeBinary(32), nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("max_fee", sa.LargeBinary(32), nullable=False),
        sa.Column("priority_fee", sa.LargeBinary(32), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_sent_transactions"),
        sa.UniqueConstraint("chain_id", "hash", name="uq_sent_transactions_chain_id_hash"),
        sa.CheckConstraint(
            "state IN ('signed', 'mined', 'replaced', 'refused')",
            name="ck_sent_transactions_state",
        ),
    )
    op.create_index(
        "ix_sent_transactions_chain_id_sender_state",
        "sent_transactions",
        ["chain_id", "sender", "state"],
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("sent_transactions", "chain_logs", "chain_blocks", "chain_progress"):
        op.drop_table(table)
