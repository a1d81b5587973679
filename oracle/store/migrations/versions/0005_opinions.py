"""What people want and think: off the leaderboards, ratings, proposals for guidelines.

A migration states its tables itself and imports nothing of `schema.py`, which moves on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = ("unlisted", "campaign_ratings", "guideline_proposals", "proposal_supports")


def _contributor() -> sa.Column[bytes]:
    return sa.Column("contributor", sa.LargeBinary(20), nullable=False)


def _campaign() -> sa.Column[bytes]:
    return sa.Column("campaign", sa.LargeBinary(32), nullable=False)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "unlisted",
        _contributor(),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("contributor", name="pk_unlisted"),
    )
    op.create_table(
        "campaign_ratings",
        _contributor(),
        _campaign(),
        sa.Column("requester", sa.LargeBinary(20), nullable=False),
        sa.Column("clarity", sa.SmallInteger, nullable=False),
        sa.Column("fairness", sa.SmallInteger, nullable=False),
        sa.Column("pay", sa.SmallInteger, nullable=False),
        sa.Column("help", sa.SmallInteger, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("rated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("contributor", "campaign", name="pk_campaign_ratings"),
    )
    op.create_index("ix_campaign_ratings_requester", "campaign_ratings", ["requester"])
    op.create_table(
        "guideline_proposals",
        sa.Column("number", sa.Integer, nullable=False),
        _contributor(),
        _campaign(),
        sa.Column("passage", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("proposed_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=True),
        sa.Column("answered_by", sa.LargeBinary(20), nullable=True),
        sa.Column("answered_at", sa.BigInteger, nullable=True),
        sa.Column("version", sa.Integer, nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_guideline_proposals"),
        sa.CheckConstraint(
            "state IN ('open', 'accepted', 'declined')", name="ck_guideline_proposals_state"
        ),
    )
    op.create_index("ix_guideline_proposals_campaign", "guideline_proposals", ["campaign"])
    op.create_table(
        "proposal_supports",
        _contributor(),
        sa.Column("proposal", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("supported_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("contributor", "proposal", name="pk_proposal_supports"),
    )
    op.create_index("ix_proposal_supports_proposal", "proposal_supports", ["proposal"])


def downgrade() -> None:
    """Drop the tables, and with them what people thought."""
    for table in reversed(TABLES):
        op.drop_table(table)
