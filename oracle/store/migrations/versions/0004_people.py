"""People, off chain: sessions, agreements, profiles, what they learned, questions they asked.

A migration states its tables itself and imports nothing of `schema.py`, which moves on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = (
    *("network_salts", "web_sessions", "agreements", "profiles", "tutorial_steps", "courses"),
    *("training_answers", "exam_attempts", "inbox_questions"),
)


def _contributor() -> sa.Column[bytes]:
    return sa.Column("contributor", sa.LargeBinary(20), nullable=False)


def _campaign() -> sa.Column[bytes]:
    return sa.Column("campaign", sa.LargeBinary(32), nullable=False)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "network_salts",
        sa.Column("day", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("salt", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_network_salts"),
    )
    op.create_table(
        "web_sessions",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        _contributor(),
        sa.Column("browser", sa.Text, nullable=False),
        sa.Column("place", sa.LargeBinary(8), nullable=True),
        sa.Column("began_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_web_sessions"),
    )
    op.create_index("ix_web_sessions_contributor", "web_sessions", ["contributor"])
    op.create_table(
        "agreements",
        _contributor(),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("agreed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("contributor", "digest", name="pk_agreements"),
    )
    op.create_table(
        "profiles",
        _contributor(),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("region", sa.Text, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("contributor", name="pk_profiles"),
    )
    op.create_table(
        "tutorial_steps",
        _contributor(),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("done_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("contributor", "step", name="pk_tutorial_steps"),
    )
    op.create_table(
        "courses",
        _campaign(),
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("published_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("campaign", "version", name="pk_courses"),
    )
    op.create_table(
        "training_answers",
        sa.Column("number", sa.Integer, nullable=False),
        _contributor(),
        _campaign(),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("choice", sa.SmallInteger, nullable=False),
        sa.Column("correct", sa.SmallInteger, nullable=False),
        sa.Column("answered_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_training_answers"),
    )
    op.create_index(
        "ix_training_answers_campaign_contributor", "training_answers", ["campaign", "contributor"]
    )
    op.create_table(
        "exam_attempts",
        _contributor(),
        _campaign(),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("questions", sa.Text, nullable=False),
        sa.Column("choices", sa.Text, nullable=True),
        sa.Column("correct", sa.Integer, nullable=True),
        sa.Column("passed", sa.SmallInteger, nullable=True),
        sa.Column("began_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("contributor", "campaign", "number", name="pk_exam_attempts"),
    )
    op.create_table(
        "inbox_questions",
        sa.Column("number", sa.Integer, nullable=False),
        _contributor(),
        _campaign(),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("answer", sa.Text, nullable=True),
        sa.Column("answered_by", sa.LargeBinary(20), nullable=True),
        sa.Column("answered_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_inbox_questions"),
    )
    op.create_index("ix_inbox_questions_campaign", "inbox_questions", ["campaign"])


def downgrade() -> None:
    """Drop the tables, and with them what people told the page."""
    for table in reversed(TABLES):
        op.drop_table(table)
