"""The log with its signed heads and holds on it, openings, delegations, relayed claims and receipt
signatures.

A migration states its tables itself and imports nothing of `schema.py`, which moves on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "campaigns",
        sa.Column("campaign", sa.LargeBinary(32), nullable=False),
        sa.Column("chain_id", sa.BigInteger, nullable=False),
        sa.Column("escrow", sa.LargeBinary(20), nullable=False),
        sa.Column("manifest", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("campaign", name="pk_campaigns"),
    )
    op.create_table(
        "log_entries",
        sa.Column("campaign", sa.LargeBinary(32), nullable=False),
        sa.Column("position", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("entry", sa.LargeBinary, nullable=False),
        sa.Column("entry_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("head", sa.LargeBinary(32), nullable=False),
        sa.Column("signature", sa.LargeBinary(65), nullable=False),
        sa.Column("written_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("campaign", "position", name="pk_log_entries"),
        sa.ForeignKeyConstraint(
            ["campaign"], ["campaigns.campaign"], name="fk_log_entries_campaigns"
        ),
        sa.UniqueConstraint("campaign", "entry_hash", name="uq_log_entries_campaign_entry_hash"),
        sa.CheckConstraint("position > 0", name="ck_log_entries_position"),
    )
    op.create_table(
        "log_holds",
        sa.Column("campaign", sa.LargeBinary(32), nullable=False),
        sa.Column("held_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("campaign", name="pk_log_holds"),
        sa.ForeignKeyConstraint(
            ["campaign"], ["campaigns.campaign"], name="fk_log_holds_campaigns"
        ),
    )
    op.create_table(
        "submissions",
        sa.Column("campaign", sa.LargeBinary(32), nullable=False),
        sa.Column("position", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("contributor", sa.LargeBinary(20), nullable=False),
        sa.Column("session_key", sa.LargeBinary(20), nullable=False),
        sa.Column("sequence", sa.LargeBinary(8), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("opening", sa.LargeBinary(32), nullable=False),
        sa.Column("opening_block", sa.LargeBinary, nullable=True),
        sa.Column("answers", sa.Text, nullable=True),
        sa.Column("seed", sa.LargeBinary(32), nullable=True),
        sa.Column("erased_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("campaign", "position", name="pk_submissions"),
        sa.ForeignKeyConstraint(
            ["campaign", "position"],
            ["log_entries.campaign", "log_entries.position"],
            name="fk_submissions_log_entries",
        ),
        sa.UniqueConstraint(
            "campaign",
            "session_key",
            "sequence",
            name="uq_submissions_campaign_session_key_sequence",
        ),
        sa.UniqueConstraint("campaign", "digest", name="uq_submissions_campaign_digest"),
        sa.CheckConstraint(
            "(answers IS NULL) = (seed IS NULL)", name="ck_submissions_erased_together"
        ),
    )
    op.create_index(
        "ix_submissions_campaign_contributor", "submissions", ["campaign", "contributor"]
    )
    op.create_index("ix_submissions_campaign_opening", "submissions", ["campaign", "opening"])
    op.create_table(
        "delegations",
        sa.Column("campaign", sa.LargeBinary(32), nullable=False),
        sa.Column("position", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("contributor", sa.LargeBinary(20), nullable=False),
        sa.Column("session_key", sa.LargeBinary(20), nullable=False),
        sa.Column("generation", sa.LargeBinary(8), nullable=False),
        sa.Column("valid_until", sa.LargeBinary(8), nullable=False),
        sa.Column("consent", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("campaign", "position", name="pk_delegations"),
        sa.ForeignKeyConstraint(
            ["campaign", "position"],
            ["log_entries.campaign", "log_entries.position"],
            name="fk_delegations_log_entries",
        ),
    )
    op.create_index(
        "ix_delegations_campaign_session_key", "delegations", ["campaign", "session_key"]
    )
    op.create_index(
        "ix_delegations_campaign_contributor", "delegations", ["campaign", "contributor"]
    )
    op.create_table(
        "claim_jobs",
        sa.Column("job", sa.Integer, nullable=False),
        sa.Column("campaign", sa.LargeBinary(32), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("account", sa.LargeBinary(20), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("transaction_hash", sa.LargeBinary(32), nullable=True),
        sa.Column("error", sa.Text, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("job", name="pk_claim_jobs"),
        sa.ForeignKeyConstraint(
            ["campaign"], ["campaigns.campaign"], name="fk_claim_jobs_campaigns"
        ),
        sa.UniqueConstraint(
            "campaign", "epoch", "account", name="uq_claim_jobs_campaign_epoch_account"
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'sent', 'done', 'failed')", name="ck_claim_jobs_state"
        ),
    )
    op.create_index("ix_claim_jobs_state", "claim_jobs", ["state"])
    op.create_table(
        "receipt_signatures",
        sa.Column("campaign", sa.LargeBinary(32), nullable=False),
        sa.Column("receipt", sa.LargeBinary(32), nullable=False),
        sa.Column("operator", sa.LargeBinary(20), nullable=False),
        sa.Column("signature", sa.LargeBinary(65), nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("campaign", "receipt", "operator", name="pk_receipt_signatures"),
        sa.ForeignKeyConstraint(
            ["campaign"], ["campaigns.campaign"], name="fk_receipt_signatures_campaigns"
        ),
    )


def downgrade() -> None:
    """Drop the tables, and with them the log."""
    for table in (
        "receipt_signatures",
        "claim_jobs",
        "delegations",
        "submissions",
        "log_holds",
        "log_entries",
        "campaigns",
    ):
        op.drop_table(table)
