"""The tables of a gateway's database, as SQLAlchemy Core sees them.

What a label is lives in the log's entry bytes; every other column is an index of them, or a secret beside them that can be
erased (a submission's answers and seed). Migrations under `migrations/` create the tables; a test holds both in step.

Campaigns are 32-byte big-endian integers, accounts 20 bytes, digests 32 bytes, times Unix seconds.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

# Named constraints, so that a later migration can drop one on SQLite as on PostgreSQL.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("campaign", LargeBinary(32), primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("escrow", LargeBinary(20), nullable=False),
    Column("manifest", LargeBinary(32), nullable=False),  # digest of its block
    Column("created_at", BigInteger, nullable=False),
)

# The log. `position` counts from 1; `head` is keccak256(previous head ‖ entry hash), `signature` the gateway's over it.
log_entries = Table(
    "log_entries",
    metadata,
    Column("campaign", LargeBinary(32), primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Column("entry_hash", LargeBinary(32), nullable=False),
    Column("head", LargeBinary(32), nullable=False),
    Column("signature", LargeBinary(65), nullable=False),
    Column("written_at", BigInteger, nullable=False),
    ForeignKeyConstraint(["campaign"], ["campaigns.campaign"]),
    CheckConstraint("position > 0", name="position"),
)

# A submission's index and its plain opening. `answers` (JSON list of canonical JSON texts) and `seed` are null once erased.
submissions = Table(
    "submissions",
    metadata,
    Column("campaign", LargeBinary(32), primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("contributor", LargeBinary(20), nullable=False),
    Column("session_key", LargeBinary(20), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),  # EIP-712 digest of the Submission
    Column("opening", LargeBinary(32), nullable=False),
    Column("answers", Text, nullable=True),
    Column("seed", LargeBinary(32), nullable=True),
    Column("erased_at", BigInteger, nullable=True),
    ForeignKeyConstraint(
        ["campaign", "position"], ["log_entries.campaign", "log_entries.position"]
    ),
    UniqueConstraint("campaign", "session_key", "sequence"),
    UniqueConstraint("campaign", "digest"),
    CheckConstraint("(answers IS NULL) = (seed IS NULL)", name="erased_together"),
    Index(None, "campaign", "contributor"),
)

# Blocks of openings sealed to the operators, by digest; erased together with the plain opening.
opening_blocks = Table(
    "opening_blocks",
    metadata,
    Column("campaign", LargeBinary(32), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("block", LargeBinary, nullable=True),
    ForeignKeyConstraint(["campaign"], ["campaigns.campaign"]),
)

# Which wallet a session key labels for, and where in the log that was said.
delegations = Table(
    "delegations",
    metadata,
    Column("campaign", LargeBinary(32), primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("contributor", LargeBinary(20), nullable=False),
    Column("session_key", LargeBinary(20), nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("valid_until", BigInteger, nullable=False),
    Column("consent", LargeBinary(32), nullable=False),
    ForeignKeyConstraint(
        ["campaign", "position"], ["log_entries.campaign", "log_entries.position"]
    ),
    Index(None, "campaign", "session_key"),
    Index(None, "campaign", "contributor"),
)

# Claims that the page asked the relayer to pay the gas of.
claim_jobs = Table(
    "claim_jobs",
    metadata,
    Column("job", Integer, primary_key=True),
    Column("campaign", LargeBinary(32), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("account", LargeBinary(20), nullable=False),
    Column("state", Text, nullable=False),  # queued, sent, done, failed
    Column("transaction_hash", LargeBinary(32), nullable=True),
    Column("error", Text, nullable=True),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    ForeignKeyConstraint(["campaign"], ["campaigns.campaign"]),
    UniqueConstraint("campaign", "epoch", "account"),
    CheckConstraint("state IN ('queued', 'sent', 'done', 'failed')", name="state"),
    Index(None, "state"),
)

# Operators' signatures of receipts, as they arrive before a receipt is posted.
receipt_signatures = Table(
    "receipt_signatures",
    metadata,
    Column("campaign", LargeBinary(32), primary_key=True),
    Column("receipt", LargeBinary(32), primary_key=True),  # EIP-712 digest of the Receipt
    Column("operator", LargeBinary(20), primary_key=True),
    Column("signature", LargeBinary(65), nullable=False),
    Column("received_at", BigInteger, nullable=False),
    ForeignKeyConstraint(["campaign"], ["campaigns.campaign"]),
)
