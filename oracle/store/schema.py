"""The tables of a gateway's database, as SQLAlchemy Core sees them.

What a label is lives in the log's entry bytes; every other column is an index of them, or a secret
beside them that can be erased (a submission's answers and seed). Migrations under `migrations/`
create the tables; a test holds both in step.

Accounts are 20 bytes, digests 32 bytes, times Unix seconds. Integers that a contract or a
stranger's signature may set as high as their type allows are big-endian bytes (`Uint64`,
`Uint256`), since databases stop at 2^63 - 1.
"""

from __future__ import annotations

from typing import Any

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
    TypeDecorator,
    UniqueConstraint,
)


class _Unsigned(TypeDecorator[int]):
    """A non-negative integer as big-endian bytes, which sort as the integers do."""

    impl = LargeBinary
    cache_ok = True
    width: int

    def __init__(self) -> None:
        super().__init__(self.width)

    def process_bind_param(self, value: int | None, dialect: Any) -> bytes | None:
        return None if value is None else value.to_bytes(self.width, "big")

    def process_result_value(self, value: bytes | None, dialect: Any) -> int | None:
        return None if value is None else int.from_bytes(value, "big")


class Uint64(_Unsigned):
    """Eight bytes."""

    cache_ok = True
    width = 8


class Uint256(_Unsigned):
    """32 bytes."""

    cache_ok = True
    width = 32


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
    Column("campaign", Uint256, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("escrow", LargeBinary(20), nullable=False),
    Column("manifest", LargeBinary(32), nullable=False),  # digest of its block
    Column("created_at", BigInteger, nullable=False),
)

# The log. `position` counts from 1, `head` is keccak256(previous head ‖ entry hash), `signature` is
# the gateway's over it.
log_entries = Table(
    "log_entries",
    metadata,
    Column("campaign", Uint256, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Column("entry_hash", LargeBinary(32), nullable=False),
    Column("head", LargeBinary(32), nullable=False),
    Column("signature", LargeBinary(65), nullable=False),
    Column("written_at", BigInteger, nullable=False),  # 0 once its person had it deleted
    ForeignKeyConstraint(["campaign"], ["campaigns.campaign"]),
    # No entry can be valid twice, so its bytes tell whether it was taken before.
    UniqueConstraint("campaign", "entry_hash"),
    CheckConstraint("position > 0", name="position"),
)

# Logs that came from a backup, or from chain and content: heads may have been signed after what is
# here, so no further one is signed until somebody says that none was.
log_holds = Table(
    "log_holds",
    metadata,
    Column("campaign", Uint256, primary_key=True),
    Column("held_at", BigInteger, nullable=False),
    ForeignKeyConstraint(["campaign"], ["campaigns.campaign"]),
)

# A submission's index and its opening, sealed (`opening` is the block's digest) and plain:
# `answers` (a JSON list of canonical JSON texts) and `seed`. Both are null once erased, the sealed
# block once a receipt has settled it too.
submissions = Table(
    "submissions",
    metadata,
    Column("campaign", Uint256, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("contributor", LargeBinary(20), nullable=False),
    Column("session_key", LargeBinary(20), nullable=False),
    Column("sequence", Uint64, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),  # EIP-712 digest of the Submission
    Column("opening", LargeBinary(32), nullable=False),
    Column("opening_block", LargeBinary, nullable=True),  # sealed to the operators
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
    Index(None, "campaign", "opening"),
)

# Which wallet a session key labels for, and where in the log that was said.
delegations = Table(
    "delegations",
    metadata,
    Column("campaign", Uint256, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("contributor", LargeBinary(20), nullable=False),
    Column("session_key", LargeBinary(20), nullable=False),
    Column("generation", Uint64, nullable=False),
    Column("valid_until", Uint64, nullable=False),
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
    Column("campaign", Uint256, nullable=False),
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
    Column("campaign", Uint256, primary_key=True),
    Column("receipt", LargeBinary(32), primary_key=True),  # EIP-712 digest of the Receipt
    Column("operator", LargeBinary(20), primary_key=True),
    Column("signature", LargeBinary(65), nullable=False),
    Column("received_at", BigInteger, nullable=False),
    ForeignKeyConstraint(["campaign"], ["campaigns.campaign"]),
)

# --- the chain, as far as it was read ------------------------------------------------------------

# One row: whose logs these are, how far they were read, and the last block that can't be undone.
chain_progress = Table(
    "chain_progress",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("deployment", LargeBinary(32), nullable=False),  # digest of its deployment.json
    Column("read_to", BigInteger, nullable=True),
    Column("checkpoint", BigInteger, nullable=True),
    CheckConstraint("id = 1", name="one_row"),
    CheckConstraint("(read_to IS NULL) = (checkpoint IS NULL)", name="both_or_none"),
)

# The checkpoint, the blocks after it, and earlier ones that were asked for.
chain_blocks = Table(
    "chain_blocks",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("timestamp", BigInteger, nullable=False),
)

# Logs as the chain holds them; what they mean follows from the ABI. `topics` stand end to end, 32
# bytes each.
chain_logs = Table(
    "chain_logs",
    metadata,
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Column("transaction_hash", LargeBinary(32), nullable=False),
    Column("address", LargeBinary(20), nullable=False),
    Column("topics", LargeBinary(128), nullable=False),
    Column("data", LargeBinary, nullable=False),
)

# What was signed, written before it is sent. Of a nonce at most one call is ever open.
sent_transactions = Table(
    "sent_transactions",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("sender", LargeBinary(20), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("call", LargeBinary(32), nullable=False),  # keccak256(recipient ‖ data)
    Column("purpose", Text, nullable=False),
    Column("max_fee", Uint256, nullable=False),  # wei per gas
    Column("priority_fee", Uint256, nullable=False),
    Column("state", Text, nullable=False),  # signed, mined, replaced, refused
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("chain_id", "hash"),
    CheckConstraint("state IN ('signed', 'mined', 'replaced', 'refused')", name="state"),
    Index(None, "chain_id", "sender", "state"),
)

# --- what an operator keeps of a campaign ---------------------------------------------------------

# Its own copy of the log. `received_at` never falls with `position`.
operator_rows = Table(
    "operator_rows",
    metadata,
    Column("operator", LargeBinary(20), primary_key=True),
    Column("campaign", Uint256, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("entry", LargeBinary, nullable=False),
    Column("head", LargeBinary(32), nullable=False),
    Column("signature", LargeBinary(65), nullable=False),
    Column("received_at", BigInteger, nullable=False),
    CheckConstraint("position > 0", name="position"),
)

# What opens submissions: `answers` is a JSON list of canonical JSON texts.
operator_openings = Table(
    "operator_openings",
    metadata,
    Column("operator", LargeBinary(20), primary_key=True),
    Column("campaign", Uint256, primary_key=True),
    Column("entry_hash", LargeBinary(32), primary_key=True),
    Column("answers", Text, nullable=False),
    Column("seed", LargeBinary(32), nullable=False),
    Column("received_at", BigInteger, nullable=False),
)

# Submissions that contributors brought, with their sealed openings.
operator_filings = Table(
    "operator_filings",
    metadata,
    Column("operator", LargeBinary(20), primary_key=True),
    Column("campaign", Uint256, primary_key=True),
    Column("entry_hash", LargeBinary(32), primary_key=True),
    Column("entry", LargeBinary, nullable=False),
    Column("opening", LargeBinary, nullable=False),
    Column("received_at", BigInteger, nullable=False),
)

# Everything else that must survive: certificates of leases, and the inputs of receipts signed.
operator_notes = Table(
    "operator_notes",
    metadata,
    Column("operator", LargeBinary(20), primary_key=True),
    Column("campaign", Uint256, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("key", LargeBinary(32), primary_key=True),
    Column("data", LargeBinary, nullable=False),
    Column("noted_at", BigInteger, nullable=False),
)

# --- people, off chain: everything that has a contributor can be exported and deleted ------------

# One a day; a network address is kept only as a hash salted by its day's, and goes with the salt.
network_salts = Table(
    "network_salts",
    metadata,
    Column("day", BigInteger, primary_key=True, autoincrement=False),  # since 1970
    Column("salt", LargeBinary(32), nullable=False),
)

# `token_hash` is the SHA-256 of what the browser's cookie holds; `browser` is "Firefox on Linux".
web_sessions = Table(
    "web_sessions",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("contributor", LargeBinary(20), nullable=False),
    Column("browser", Text, nullable=False),
    Column("place", LargeBinary(8), nullable=True),  # salted hash of the network address
    Column("began_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Index(None, "contributor"),
)

# What somebody agreed to, by the SHA-256 of its text.
agreements = Table(
    "agreements",
    metadata,
    Column("contributor", LargeBinary(20), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("document", Text, nullable=False),
    Column("agreed_at", BigInteger, nullable=False),
)

profiles = Table(
    "profiles",
    metadata,
    Column("contributor", LargeBinary(20), primary_key=True),
    Column("language", Text, nullable=False),  # BCP 47, or empty
    Column("region", Text, nullable=False),  # ISO 3166-1 alpha-2, or empty
    Column("updated_at", BigInteger, nullable=False),
)

tutorial_steps = Table(
    "tutorial_steps",
    metadata,
    Column("contributor", LargeBinary(20), primary_key=True),
    Column("step", Text, primary_key=True),
    Column("done_at", BigInteger, nullable=False),
)

# A campaign's course by version: guidelines, training, exam (canonical JSON). Its answers are
# secret, so a course is no content block.
courses = Table(
    "courses",
    metadata,
    Column("campaign", Uint256, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
    Column("published_at", BigInteger, nullable=False),
)

# Answers to training questions; `correct` is 0 or 1.
training_answers = Table(
    "training_answers",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("contributor", LargeBinary(20), nullable=False),
    Column("campaign", Uint256, nullable=False),
    Column("question", Text, nullable=False),
    Column("choice", SmallInteger, nullable=False),
    Column("correct", SmallInteger, nullable=False),
    Column("answered_at", BigInteger, nullable=False),
    Index(None, "campaign", "contributor"),
)

# Attempts at a campaign's exam. `questions` (a JSON list of ids) is drawn at the
# start; `choices`, `correct` (how many) and `passed` are null until it is handed in.
exam_attempts = Table(
    "exam_attempts",
    metadata,
    Column("contributor", LargeBinary(20), primary_key=True),
    Column("campaign", Uint256, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("questions", Text, nullable=False),
    Column("choices", Text, nullable=True),
    Column("correct", Integer, nullable=True),
    Column("passed", SmallInteger, nullable=True),
    Column("began_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=True),
)

# A campaign's inbox: questions of contributors, answers of its experts.
inbox_questions = Table(
    "inbox_questions",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("contributor", LargeBinary(20), nullable=False),
    Column("campaign", Uint256, nullable=False),
    Column("text", Text, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("answer", Text, nullable=True),
    Column("answered_by", LargeBinary(20), nullable=True),
    Column("answered_at", BigInteger, nullable=True),
    Index(None, "campaign"),
)

# Who doesn't want to stand on leaderboards.
unlisted = Table(
    "unlisted",
    metadata,
    Column("contributor", LargeBinary(20), primary_key=True),
    Column("since", BigInteger, nullable=False),
)

# What contributors who were paid in a campaign say of its requester, 1 to 5 each.
campaign_ratings = Table(
    "campaign_ratings",
    metadata,
    Column("contributor", LargeBinary(20), primary_key=True),
    Column("campaign", Uint256, primary_key=True),
    Column("requester", LargeBinary(20), nullable=False),
    Column("clarity", SmallInteger, nullable=False),
    Column("fairness", SmallInteger, nullable=False),
    Column("pay", SmallInteger, nullable=False),
    Column("help", SmallInteger, nullable=False),
    Column("comment", Text, nullable=False),
    Column("rated_at", BigInteger, nullable=False),
    Index(None, "requester"),
)

# Proposed changes to a campaign's guidelines: `passage` of them (empty: their end) becomes `text`.
# An accepted one names the version that it led to.
guideline_proposals = Table(
    "guideline_proposals",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("contributor", LargeBinary(20), nullable=False),
    Column("campaign", Uint256, nullable=False),
    Column("passage", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("proposed_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # open, accepted, declined
    Column("answer", Text, nullable=True),
    Column("answered_by", LargeBinary(20), nullable=True),
    Column("answered_at", BigInteger, nullable=True),
    Column("version", Integer, nullable=True),
    CheckConstraint("state IN ('open', 'accepted', 'declined')", name="state"),
    Index(None, "campaign"),
)

proposal_supports = Table(
    "proposal_supports",
    metadata,
    Column("contributor", LargeBinary(20), primary_key=True),
    Column("proposal", Integer, primary_key=True, autoincrement=False),
    Column("supported_at", BigInteger, nullable=False),
    Index(None, "proposal"),
)
