"""Protocols between the pure rules and the adapters: one section per adapter family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from oracle.evidence.codec import Link
from oracle.evidence.entries import LogRow
from oracle.evidence.results import PayoutLeaf, SlashLeaf
from oracle.evidence.structs import Receipt
from oracle.evidence.supplement import GoldOpening, Supplement
from oracle.protocol.facts import Block, ChainFacts
from oracle.quality.badges import Badge
from oracle.quality.reputation import Reputation, Tier

# --- time (adapter: oracle/bootstrap)
# --------------------------------------------------------------


class Clock(Protocol):
    """The gateway's and services' own clock; nothing it says reaches a hash or a payment."""

    def now(self) -> int:
        """Return Unix seconds."""
        ...


# --- content and labels (adapters: oracle/content, oracle/store) ----------------------------------


class ContentStore(Protocol):
    """Blocks by their SHA-256. `codec` is `RAW` or `DAG_CBOR` of oracle.evidence.codec; a block is
    at most 1 MiB.

    Errors: ContentMissing, ContentCorrupt (bytes that aren't the digest's), ContentUnavailable (the
    place can't be used).
    """

    def get(self, digest: bytes, codec: int) -> bytes:
        """Return the verified bytes of a block."""
        ...

    def put(self, data: bytes, codec: int) -> bytes:
        """Store a block durably and return its 32-byte digest; FormatError where it is over 1
        MiB."""
        ...

    def has(self, digest: bytes, codec: int) -> bool:
        """Say whether this place itself holds the block, without reading it."""
        ...

    def iterate(self) -> Iterator[Link]:
        """Yield the CID of every block held, sorted."""
        ...


@dataclass(frozen=True)
class StoredSubmission:
    """A submission's index and plain opening. `answers` are canonical JSON texts; None once erased,
    together with `seed`.

    `opening` is the digest of the sealed block, `digest` the EIP-712 digest of the Submission.
    """

    position: int
    contributor: bytes
    session_key: bytes
    sequence: int
    digest: bytes
    opening: bytes
    answers: tuple[bytes, ...] | None
    seed: bytes | None


@dataclass(frozen=True)
class NewEntry:
    """A log row to be written; for a submission also its openings, plain and sealed."""

    row: LogRow
    submission: StoredSubmission | None = None
    opening_block: bytes | None = None


@dataclass(frozen=True)
class ClaimJob:
    """A claim whose gas the relayer pays; `state` is queued, sent, done or failed."""

    job: int
    campaign: int
    epoch: int
    account: bytes
    state: str
    transaction_hash: bytes | None
    error: str | None


@dataclass(frozen=True)
class TimedEntry:
    """A log entry's bytes, where it stands, and when it was written by the gateway's clock (0 once
    its person had that deleted)."""

    position: int
    written_at: int
    entry: bytes


class LabelStore(Protocol):
    """A gateway's database. Every method is one transaction; `now` is in Unix seconds.

    Errors: StoreConflict where another writer was first, StoreError where the database can't be
    used.
    """

    def register(
        self, campaign: int, *, chain_id: int, escrow: bytes, manifest: bytes, now: int
    ) -> None:
        """Note a campaign once; StoreConflict where it is known with another chain, escrow or
        manifest."""
        ...

    def campaigns(self) -> list[int]:
        """Return the ids of the campaigns registered, ascending."""
        ...

    def append(self, campaign: int, entries: Sequence[NewEntry], *, now: int) -> None:
        """Write consecutive log rows with their openings durably, all or none.

        StoreConflict unless the first row is next and every submission's session key and sequence
        are new.
        """
        ...

    def is_held(self, campaign: int) -> bool:
        """Say whether the log may lack rows whose heads were signed (it came from a backup), so
        that the gateway must sign none."""
        ...

    def hold(self, campaign: int, *, now: int) -> None:
        """Note that rows may be missing at the log's end; again does nothing."""
        ...

    def release(self, campaign: int) -> None:
        """Note that nothing is missing at the log's end."""
        ...

    def rows(self, campaign: int, first: int = 1, last: int | None = None) -> list[LogRow]:
        """Return the log's rows at positions `first` to `last` (both included), ascending."""
        ...

    def last_row(self, campaign: int) -> LogRow | None:
        """Return the newest row; None for an empty log."""
        ...

    def timed_entries(
        self, campaign: int, kinds: Sequence[int], after: int = 0
    ) -> list[TimedEntry]:
        """Return the entries of these kinds behind position `after`, ascending."""
        ...

    def submissions(
        self,
        campaign: int,
        *,
        positions: Sequence[int] | None = None,
        contributor: bytes | None = None,
        session: tuple[bytes, int] | None = None,
    ) -> list[StoredSubmission]:
        """Return submissions by position, narrowed by what is given; `session` is (session key,
        sequence)."""
        ...

    def opening_block(self, campaign: int, digest: bytes) -> bytes | None:
        """Return a sealed opening block; None where it is unknown or erased."""
        ...

    def opening_blocks(self, campaign: int, first: int, last: int) -> list[bytes]:
        """Return the sealed opening blocks of submissions at positions `first` to `last` (both
        included), by position; erased ones are absent."""
        ...

    def erase(self, campaign: int, positions: Sequence[int], *, settled: int, now: int) -> int:
        """Delete answers and seed of the submissions at `positions`, and return how many were not
        erased before; and the sealed blocks of all that were ever erased up to the position
        `settled`, behind which operators still follow."""
        ...

    def find_row(self, campaign: int, entry_hash: bytes) -> LogRow | None:
        """Return the row of an entry (its keccak256); None where the log doesn't hold it."""
        ...

    def queue_claim(self, campaign: int, epoch: int, account: bytes, *, now: int) -> ClaimJob:
        """Queue a relayed claim once per epoch and account; a failed one is queued again."""
        ...

    def claim_jobs(
        self, *, state: str | None = None, account: bytes | None = None
    ) -> list[ClaimJob]:
        """Return claim jobs, oldest first."""
        ...

    def update_claim(
        self,
        job: int,
        state: str,
        *,
        now: int,
        transaction_hash: bytes | None = None,
        error: str | None = None,
    ) -> None:
        """Note what became of a claim job."""
        ...

    def add_receipt_signature(
        self, campaign: int, receipt: bytes, operator: bytes, signature: bytes, *, now: int
    ) -> None:
        """Keep an operator's signature of a receipt digest; the first one kept stays."""
        ...

    def receipt_signatures(self, campaign: int, receipt: bytes) -> dict[bytes, bytes]:
        """Return signatures of a receipt digest by operator address."""
        ...


# --- chain (adapters: oracle/chain) ---------------------------------------------------------------


@dataclass(frozen=True)
class ChainEvent:
    """One event of DDLP's contracts.

    `arguments` are by name: addresses and fixed bytes as bytes, numbers as int, arrays and structs
    as tuples. `transaction` is the transaction's hash, `index` the event's place in the block.
    """

    contract: str
    name: str
    arguments: Mapping[str, Any]
    block: int
    index: int
    transaction: bytes


@dataclass(frozen=True)
class ChainLog:
    """A log as the chain holds it, not decoded: topics 32 bytes each; `index` is its place in the
    block, `transaction` the transaction's hash.
    """

    block: int
    index: int
    transaction: bytes
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


class EventStore(Protocol):
    """The logs of one deployment as far as they were read, and the blocks that say from which
    chain (adapters: oracle/store/events, oracle/chain/memory).

    Every method is one transaction. Errors: StoreConflict where another writer was first, or the
    store is another deployment's; StoreError where the database can't be used.
    """

    def open(self, deployment: bytes) -> None:
        """Note the 32-byte digest of the deployment whose logs these are; StoreConflict where they
        are another's."""
        ...

    def recent(self) -> list[Block]:
        """Return the checkpoint (the last block read that can't be undone) and the blocks read
        after it, ascending; empty before the first. The last one is how far the chain was read."""
        ...

    def logs(self, first: int = 0) -> list[ChainLog]:
        """Return the logs of block `first` and later ones, in chain order."""
        ...

    def append(
        self, after: Block | None, blocks: Sequence[Block], logs: Sequence[ChainLog], final: int
    ) -> None:
        """Add what was read behind `after` (None: nothing was): logs in chain order and blocks,
        ascending, the last of which is how far it was read.

        Of these blocks and those known, the newest one up to number `final` becomes the checkpoint,
        and blocks since the last one are forgotten. StoreConflict unless `after` is the last known.
        """
        ...

    def rollback(self, to: Block) -> None:
        """Forget all blocks and logs after `to`, one of the recent; StoreConflict where it isn't
        known."""
        ...

    def blocks(self, first: int, last: int) -> list[Block]:
        """Return the blocks `first` to `last` that were kept, and the recent ones, ascending."""
        ...

    def keep(self, blocks: Sequence[Block]) -> None:
        """Keep blocks up to the checkpoint, for `blocks`, all or none; StoreConflict for others."""
        ...


@dataclass(frozen=True)
class SentTransaction:
    """A transaction that was signed, and what became of it.

    `raw` is as signed, `call` the keccak-256 of recipient and data, `purpose` for people. `state`:
    signed (may have been sent), mined, replaced (another of its nonce was mined), refused (by the
    node, before anybody had it). Fees are wei per gas.
    """

    sender: bytes
    nonce: int
    hash: bytes
    raw: bytes
    call: bytes
    purpose: str
    max_fee: int
    priority_fee: int
    state: str = "signed"


class TransactionStore(Protocol):
    """What accounts of one chain have signed (adapters: oracle/store/transactions,
    oracle/chain/memory). Every method is one transaction. Errors as for EventStore."""

    def add(self, transaction: SentTransaction, *, now: int) -> None:
        """Keep a signed transaction, durably, before it is sent; StoreConflict where its nonce is
        another call's that is still open. One that was closed and is signed again is open again."""
        ...

    def open(self, sender: bytes) -> list[SentTransaction]:
        """Return the sender's transactions of state signed, by nonce, then in the order signed."""
        ...

    def close(self, sender: bytes, nonce: int, mined: bytes | None, *, now: int) -> None:
        """Close what is open of a nonce: the transaction of hash `mined` as mined, the others as
        replaced; all as refused where `mined` is None."""
        ...

    def history(self, sender: bytes) -> list[SentTransaction]:
        """Return all of the sender's transactions, by nonce, then in the order signed."""
        ...


@dataclass(frozen=True)
class OperatorSet:
    """The operators who may sign receipts, as of some block.

    `members` stand by seat; those in `active` have enough stake and no ban. `encryption_keys`
    (X25519, 32 bytes) are by member.
    """

    version: int
    threshold: int
    members: tuple[bytes, ...]
    active: frozenset[bytes]
    encryption_keys: Mapping[bytes, bytes]

    def signers(self, bitmap: int) -> tuple[bytes, ...]:
        """Return the members whose seats are set in `bitmap`, as ReceiptPosted carries it."""
        return tuple(one for seat, one in enumerate(self.members) if bitmap >> seat & 1)


@dataclass(frozen=True)
class PayoutClaim:
    """A leaf of a finalized receipt's payout tree, with where it stands and its proof."""

    campaign: int
    epoch: int
    leaf: PayoutLeaf
    proof: tuple[bytes, ...]


@dataclass(frozen=True)
class Claimed:
    """What an account has drawn from a campaign: cumulative base units, counters of labels."""

    cumulative: int
    accepted: int
    submitted: int


class ChainReader(Protocol):
    """The chain as it stands. Addresses are 20 bytes, amounts base units, times Unix seconds.

    Every method may raise ChainError: the node can't be reached, answers nonsense, or what was read
    before is no longer on its chain (a reorg, or a development chain that lost blocks).
    """

    def head(self) -> Block:
        """Return the newest block that counts: finalized or latest, as configured."""
        ...

    def block(self, number: int) -> Block:
        """Return one block's number, hash and time."""
        ...

    def events(self, to_block: int | None = None) -> Sequence[ChainEvent]:
        """Return all events of DDLP's contracts up to a block (the head by default), in order."""
        ...

    def facts(self, campaign: int, anchor_blocks: int, to_block: int | None = None) -> ChainFacts:
        """Return what the rules need of a campaign up to a block (the head by default).

        `anchor_blocks` is the manifest's: blocks at its multiples are anchors. UnknownCampaign
        where no event up to the block has created the campaign.
        """
        ...

    def operators(self, to_block: int | None = None) -> OperatorSet:
        """Return the operator set as of the end of a block (the head by default)."""
        ...

    def balance(self, token: bytes, account: bytes) -> int:
        """Return an account's tokens at the newest block."""
        ...

    def claimed(self, campaign: int, account: bytes) -> Claimed:
        """Return what an account has drawn, at the newest block."""
        ...


@dataclass(frozen=True)
class Sent:
    """A transaction that stands on chain.

    `transaction` (its hash) and `gas_used` are None and 0 where nothing had to be sent, since the
    chain already was where the call leads.
    """

    transaction: bytes | None
    block: int
    gas_used: int


class ReceiptPoster(Protocol):
    """Sends what anybody may send. Calling twice does no harm and costs nothing.

    ChainError names the contract's reason where it refuses.
    """

    def post(self, receipt: Receipt, signatures: Sequence[bytes]) -> Sent:
        """Post a receipt with operators' 65-byte signatures, in any order."""
        ...

    def finalize(self, receipt: Receipt) -> Sent:
        """Finalize a posted receipt whose window is over."""
        ...

    def execute_slash(
        self, campaign: int, epoch: int, leaf: SlashLeaf, proof: Sequence[bytes]
    ) -> Sent:
        """Take from an account's lock what a finalized slash tree says."""
        ...

    def prove_fork(self, campaign: int, first: LogRow, second: LogRow) -> Sent:
        """Show two rows of one position whose Heads the gateway signed; the campaign closes."""
        ...

    def claim(self, claim: PayoutClaim) -> Sent:
        """Pay one leaf out to its account."""
        ...

    def claim_batch(self, claims: Sequence[PayoutClaim]) -> list[Sent]:
        """Pay out leaves of one receipt, up to 64 in a transaction; paid ones are passed over."""
        ...

    def claim_many(self, claims: Sequence[PayoutClaim]) -> list[Sent]:
        """Pay out leaves of several campaigns, up to 16 in a transaction; paid ones are passed
        over."""
        ...


# --- operators (oracle/service; adapters: oracle/gateway/feed, oracle/store/operators) ------------


@dataclass(frozen=True)
class LogPage:
    """Consecutive log rows with the gateway's signature of every Head, and the sealed opening
    blocks of the submissions among them, in any order."""

    rows: tuple[LogRow, ...]
    openings: tuple[bytes, ...]


# How many bytes of rows operators follow a log behind the last final receipt: a proposal brings
# them all, with the openings of what closes, and must stay below what a request may have.
MAX_UNSETTLED = 32 << 20
ROW_BYTES = 140  # of a row beside its entry: position, head, signature, length


class LogFeed(Protocol):
    """A campaign's gateway, as an operator sees it. What it says is checked before it is kept.

    Any DDLPError means that it can't or won't answer now.
    """

    def page(self, after: int, limit: int) -> LogPage:
        """Return up to `limit` (1 to 512) rows behind position `after`; none at the log's end."""
        ...

    def reveal(self, epoch: int, *, final: bool) -> tuple[bytes, tuple[GoldOpening, ...]]:
        """Return the draw seed of `epoch` and the gold of all batches up to it (all there are when
        `final`), in order.

        GatewayRefusal before the cut: a seed that is known early steers draws.
        """
        ...


@dataclass(frozen=True)
class Filing:
    """A submission that its contributor brings to operators: the log entry's bytes as the gateway
    should have taken them, and the sealed opening block (empty between operators where the
    submission comes from a branch of the log that was left, and who left it opened it)."""

    entry: bytes
    opening: bytes


@dataclass(frozen=True)
class OpenedSubmission:
    """What opens a submission: its entry's keccak-256, answers (canonical JSON each) and seed."""

    entry_hash: bytes
    answers: tuple[bytes, ...]
    seed: bytes


@dataclass(frozen=True)
class LeaseCertificate:
    """That a quorum of operators confirmed a lease: its row, and their signatures of Confirmation
    (65 bytes each)."""

    row: LogRow
    signatures: tuple[bytes, ...]


@dataclass(frozen=True)
class Holding:
    """What an operator tells its peers of: the newest row of its log (None: it has none), entry
    hashes of its filings and, while a cut is exchanged, of submissions to open items that it can
    open, sorted; and the certificates of leases behind the last receipt."""

    newest: LogRow | None
    filings: tuple[bytes, ...]
    opened: tuple[bytes, ...]
    certificates: tuple[LeaseCertificate, ...]


@dataclass(frozen=True)
class Proposal:
    """A leader's inputs for a receipt: the log behind the last finalized receipt's position up to
    the cut, and the supplement. `signature` is the leader's of EIP-712 `Proposal`."""

    campaign: int
    epoch: int
    attempt: int
    round: int
    final: bool
    rows: tuple[LogRow, ...]
    supplement: Supplement
    signature: bytes


@dataclass(frozen=True)
class Missing:
    """What a peer held within the time of exchange and a proposal left out, handed over."""

    rows: tuple[LogRow, ...] = ()
    filings: tuple[Filing, ...] = ()
    opened: tuple[OpenedSubmission, ...] = ()
    certificates: tuple[LeaseCertificate, ...] = ()
    seed: bytes = b""
    gold: tuple[GoldOpening, ...] = ()


@dataclass(frozen=True)
class Vote:
    """A peer's answer to a proposal: 65 bytes over the Receipt that it derived, or a refusal with
    its reason (`code` and `place` of a ProtocolFault) and what was left out.

    A `code` of NOT-YET means: ask again, for this peer isn't there yet.
    """

    signature: bytes | None
    code: str = ""
    place: str = ""
    message: str = ""
    missing: Missing = Missing()


class Peer(Protocol):
    """One campaign at another operator. The transport authenticates both sides: only members of the
    operator set may ask. Answers are checked before they are kept; any DDLPError means that the
    peer can't be reached now.
    """

    @property
    def address(self) -> bytes:
        """The operator's 20-byte address."""
        ...

    def holding(self) -> Holding:
        """Say what the peer holds."""
        ...

    def rows(self, after: int, limit: int) -> tuple[LogRow, ...]:
        """Return up to `limit` (1 to 512) rows of the peer's log behind position `after`."""
        ...

    def filings(self, wanted: Sequence[bytes]) -> tuple[Filing, ...]:
        """Return the filings of up to 256 entry hashes, as far as the peer has them."""
        ...

    def openings(self, wanted: Sequence[bytes]) -> tuple[OpenedSubmission, ...]:
        """Return what opens up to 256 submissions (by entry hash), as far as the peer has it."""
        ...

    def vote(self, proposal: Proposal) -> Vote:
        """Derive the proposal's receipt and sign it, or refuse."""
        ...


class FilingDesk(Protocol):
    """What one operator offers contributors beside the gateway; anybody may call.

    GatewayRefusal, with a stable code, for what it declines; nothing has changed then.
    """

    def confirm(self, position: int, entry_hash: bytes) -> bytes:
        """Sign (65 bytes, EIP-712 `Confirmation`) that this operator's log has the lease at
        `position`, and that it is backed."""
        ...

    def certify(self, certificate: LeaseCertificate) -> None:
        """Keep a quorum's confirmations: from then on the operator signs no log that lacks the
        lease. Work starts when a quorum has taken it."""
        ...

    def holds(self, wanted: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return those of up to 256 entry hashes that stand in this operator's log or filings: what
        a quorum holds nobody need file."""
        ...

    def file(self, filing: Filing) -> bytes:
        """Take a submission that the gateway doesn't log; return a signature (65 bytes) of EIP-712
        `Acknowledgement` over it, once it is stored durably."""
        ...

    def open_epoch(
        self, epoch: int, *, final: bool, seed: bytes, gold: tuple[GoldOpening, ...]
    ) -> None:
        """Take the draw seed and gold of the epoch that is being cut, which the gateway doesn't
        open; whoever brings them, the campaign's commitments tell whether they are true."""
        ...


class OperatorStore(Protocol):
    """What one operator keeps of one campaign. Every method is one durable transaction; `now` is in
    Unix seconds. Errors: StoreConflict, StoreError.
    """

    def rows(self, first: int = 1, last: int | None = None) -> list[LogRow]:
        """Return the rows kept at positions `first` to `last` (both included), ascending."""
        ...

    def last_row(self) -> LogRow | None:
        """Return the newest row; None for an empty log."""
        ...

    def append(
        self, rows: Sequence[LogRow], opened: Sequence[OpenedSubmission], *, now: int
    ) -> None:
        """Add consecutive rows and what opens submissions, all or none; StoreConflict unless the
        first row is next."""
        ...

    def adopt(self, rows: Sequence[LogRow], *, now: int) -> None:
        """Replace what the log holds from the first row's position on by `rows`."""
        ...

    def position_at(self, time: int) -> int:
        """Return the last position of those received at `time` or before, 0 where there is none."""
        ...

    def add_filing(self, filing: Filing, opened: OpenedSubmission | None, *, now: int) -> None:
        """Keep a filing once, and what opens it."""
        ...

    def filings(self) -> dict[bytes, Filing]:
        """Return the filings by entry hash."""
        ...

    def add_opened(self, opened: Sequence[OpenedSubmission], *, now: int) -> None:
        """Keep what opens submissions; the first one kept stays."""
        ...

    def opened(self) -> dict[bytes, OpenedSubmission]:
        """Return what opens submissions, by entry hash."""
        ...

    def forget(
        self,
        *,
        filings: Sequence[bytes] = (),
        opened: Sequence[bytes] = (),
        certificates: Sequence[bytes] = (),
    ) -> None:
        """Delete filings, what opens submissions, and certificates (by entry hash) that no receipt
        needs any more."""
        ...

    def note(self, kind: str, key: bytes, data: bytes, *, now: int) -> None:
        """Keep bytes under a kind and key; the first one kept stays."""
        ...

    def find_note(self, kind: str, key: bytes) -> bytes | None:
        """Return what is kept under a kind and key; None where nothing is."""
        ...

    def notes(self, kind: str) -> dict[bytes, bytes]:
        """Return everything kept under a kind, by key."""
        ...


# --- the contributor's page (implemented in oracle/bootstrap, used by webapp) ---------------------


@dataclass(frozen=True)
class Network:
    """The chain and token that a page works on. `genesis` is block 0's hash: it tells a restarted
    devnet from the one before."""

    chain_id: int
    name: str
    development: bool
    genesis: bytes
    escrow: bytes
    token: bytes
    symbol: str
    decimals: int


@dataclass(frozen=True)
class CampaignView:
    """What the page shows of a campaign and needs to sign for it.

    `task` is the manifest's: its type and taxonomy (docs/FORMATS.md, section 3).
    `gateway` (address) signs Heads; `operator_keys` are X25519 keys, 32 bytes each, to which
    openings are sealed. `guideline` and `consent` are digests, beside their texts. `reward` and
    `expected_reward` are base units per label for a lease drawn now: nominal, and what an honest
    contributor got at the end in the model of SPEC section 7. `base_share` is in ppm. `accepting`
    says whether new leases are drawn at all, `measured` whether answers are held against gold
    instead of those of others.
    """

    number: int
    title: str
    description: str
    task: Mapping[str, Any]
    guideline: bytes
    guideline_text: str
    consent: bytes
    consent_text: str
    gateway: bytes
    operator_keys: tuple[bytes, ...]
    reward: int
    expected_reward: int
    base_share: int
    seconds_per_item: int
    item_count: int
    items_closed: int
    accepting: bool
    measured: bool = False


@dataclass(frozen=True)
class OperatorsView:
    """Whom a page asks that trusts no gateway: the addresses of the operators of the moment,
    `threshold` of whom sign, and the ReceiptBoard in whose domain they do. Epochs of the campaign
    begin at `begun` (Unix seconds of the chain) and last `epoch_seconds`."""

    board: bytes
    members: tuple[bytes, ...]
    threshold: int
    begun: int
    epoch_seconds: int


@dataclass(frozen=True)
class LoggedEntry:
    """A log row with the head before it, so that a browser can check the chain and the signed Head
    on its own."""

    before: bytes
    row: LogRow


@dataclass(frozen=True)
class LeasedItem:
    """An item to label: its number in the item index and its 32-byte id. Gold items look no
    different."""

    number: int
    item: bytes


@dataclass(frozen=True)
class LeaseReply:
    """A running lease with those of its items that still wait for an answer; or none, why, and when
    to ask again.

    With a lease `reason` is empty and `wait_seconds` 0; `wait_seconds` 0 without a lease means that
    asking again won't help.
    """

    lease: LoggedEntry | None
    items: tuple[LeasedItem, ...]
    reason: str = ""
    wait_seconds: int = 0


@dataclass(frozen=True)
class ContributorStatus:
    """A contributor's standing in one campaign, money in base units.

    `generation` is the highest delegated (0: none), `session_keys` are that generation's unexpired
    keys. `pending` labels are submitted and in no finalized receipt yet; `earned` is the finalized
    cumulative, `claimed` what the escrow paid, `balance` the wallet's tokens. The newest finalized
    receipt covers the log up to position `covered` (0: there is none).
    """

    generation: int
    session_keys: tuple[bytes, ...]
    submitted: int
    pending: int
    accepted: int
    earned: int
    claimed: int
    balance: int
    reward: int
    expected_reward: int
    covered: int


@dataclass(frozen=True)
class ClaimResult:
    """A relayed claim that stands on chain: transaction hash, what it moved, and the wallet's
    balance after it (base units)."""

    transaction: bytes
    amount: int
    balance: int


@dataclass(frozen=True)
class Media:
    """An item's media: its MIME type and bytes. What isn't `public` is kept nowhere on the way."""

    type: str
    data: bytes
    public: bool = True


@dataclass(frozen=True)
class ItemPart:
    """What is shown of an item, or of one side of a comparison: text, the MIME type of its media
    (whose bytes `media` returns), or both."""

    text: str | None
    media_type: str | None


@dataclass(frozen=True)
class ItemView:
    """An item as it is labeled; `second` is the other side of a comparison. Its name isn't shown:
    names can tell gold."""

    first: ItemPart
    second: ItemPart | None


@dataclass(frozen=True)
class RequesterRecord:
    """What the chain tells of a requester (address) and campaigns in this one's token: how many
    they created, what was paid out of them (base units), how many receipts were finalized, and the
    median seconds from a round's cut to its receipt being final; None before the first."""

    requester: bytes
    campaigns: int
    paid: int
    receipts: int
    seconds_to_pay: int | None


@dataclass(frozen=True)
class Lock:
    """Why somebody can't label in a campaign now, with the remedy: a stable code, a sentence, and
    in how many seconds asking again may help (0: something must be done first)."""

    code: str
    reason: str
    wait_seconds: int = 0


@dataclass(frozen=True)
class Offer:
    """A campaign as work. `seconds_per_item` is the median of those who passed by gold where
    `seconds_measured`, else what the requester declared; `hourly` base units an hour are to be
    expected at that pace; `remaining` items are open; the next receipt may be final in
    `wait_seconds` (None: no more is to come). `lock` is None for who may label now."""

    campaign: CampaignView
    seconds_per_item: int
    seconds_measured: bool
    hourly: int
    remaining: int
    wait_seconds: int | None
    requester: RequesterRecord
    lock: Lock | None


class WorkMarket(Protocol):
    """The work that there is. Errors as for `LabelingDesk`."""

    def offers(self, contributor: bytes | None) -> Sequence[Offer]:
        """Return an offer for every campaign served, newest first; what is in the way of
        `contributor`, or of anybody where None."""
        ...


@dataclass(frozen=True)
class CampaignEarnings:
    """What somebody earned in one campaign, base units. `pending` labels are in no finalized
    receipt yet and likely to bring `expected`; `locked` is in a posted receipt that may be final at
    `locked_until` (Unix seconds of the chain); the next receipt may be final in `wait_seconds`
    (None: no more is to come). Not `readable` where the evidence can't be read just now: sums are
    missing then."""

    campaign: int
    title: str
    submitted: int
    pending: int
    expected: int
    accepted: int
    earned: int
    claimed: int
    locked: int
    locked_until: int | None
    wait_seconds: int | None
    readable: bool

    @property
    def claimable(self) -> int:
        """What may be claimed now."""
        return max(0, self.earned - self.claimed)


@dataclass(frozen=True)
class Earnings:
    """The wallet's tokens (base units), and a line for every campaign labeled in."""

    balance: int
    campaigns: tuple[CampaignEarnings, ...]

    @property
    def claimable(self) -> int:
        """What may be claimed now, in all campaigns."""
        return sum(one.claimable for one in self.campaigns)

    @property
    def locked(self) -> int:
        """What posted receipts add, in all campaigns."""
        return sum(one.locked for one in self.campaigns)


@dataclass(frozen=True)
class ClaimedAll:
    """Relayed claims that stand on chain: transaction hashes, of how many campaigns, what they
    moved, and the wallet's balance after them (base units)."""

    transactions: tuple[bytes, ...]
    campaigns: int
    amount: int
    balance: int


@dataclass(frozen=True)
class ReceiptView:
    """A receipt to look up: its epoch, its evidence's CID, its EIP-712 digest."""

    epoch: int
    cid: str
    digest: bytes


@dataclass(frozen=True)
class AppealView:
    """An appeal in the log at `position`; `answer` is the `expert`'s (the first adjudication of the
    item after it) with its reason, `verdict`; None until there is one."""

    position: int
    reason: str
    answer: str | None
    verdict: str | None
    expert: bytes | None


@dataclass(frozen=True)
class AppealCase:
    """An open appeal in the log at `position` as an expert sees it: the item by number and id, the
    `reason` given, the label's `answer` (None once erased), the `outcome` found, and the `answers`
    that stand with how many gave each, the most frequent first. It names nobody."""

    position: int
    item: int
    item_id: bytes
    reason: str
    answer: str | None
    outcome: str
    answers: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class LabelRecord:
    """A label and what became of it.

    It is label `index` of the submission at log `position` with EIP-712 digest `submission`;
    `reward` is the nominal one of its lease (base units), `answer` one's own (None once erased).
    `status`: waiting (its item is open), locked (in a posted receipt, until `final_at`), agreed,
    differed (from `outcome`, found from `labels` labels), ambiguous, collected (measured tasks),
    closed (one's own answer is erased). It can be appealed until `appeal_until` (Unix seconds of
    the chain), where that isn't None.
    """

    position: int
    index: int
    submission: bytes
    item: int
    submitted_at: int
    reward: int
    answer: str | None
    status: str
    outcome: str | None
    labels: int
    receipt: ReceiptView | None
    final_at: int | None
    appeal: AppealView | None
    appeal_until: int | None


class EarningsDesk(Protocol):
    """What somebody earned, and what they may do about it. Nobody is told of anybody else. Errors
    as for `LabelingDesk`."""

    def overview(self, contributor: bytes) -> Earnings:
        """Return the wallet's balance, and a line for every campaign labeled in, newest first."""
        ...

    def claim_all(self, contributor: bytes) -> ClaimedAll:
        """Claim everything final in every campaign, the relayer paying gas; InputError where there
        is nothing."""
        ...

    def claim_call(self, contributor: bytes) -> bytes:
        """Return the call data with which the wallet itself claims from the escrow, up to 16
        campaigns at once; InputError where there is nothing."""
        ...

    def history(
        self, campaign: int, contributor: bytes, before: int | None = None
    ) -> tuple[Sequence[LabelRecord], int | None]:
        """Return the labels of a contributor's newest submissions before log position `before`,
        newest first, and the position to go on from (None: these are the oldest)."""
        ...


class AppealsDesk(Protocol):
    """Objections to how labels were judged, and experts' answers. Errors as for `LabelingDesk`."""

    @property
    def reasons(self) -> Mapping[bytes, str]:
        """What an appeal may say, by the 32-byte digest that is signed."""
        ...

    @property
    def verdicts(self) -> Mapping[bytes, str]:
        """What an answer may give as its reason, by the 32-byte digest that is signed."""
        ...

    def choices(self, campaign: int) -> Mapping[bytes, str]:
        """Return the answers that an expert may find, by the 32-byte digest that is signed."""
        ...

    def appeal(self, campaign: int, contributor: bytes, entry: bytes) -> LoggedEntry:
        """Take an appeal entry (kind 6) into the log; the same one again returns where it stands.
        GatewayRefusal where the label can't be appealed."""
        ...

    def waiting(self, campaign: int, expert: bytes) -> Sequence[AppealCase]:
        """Return the oldest open appeals that an expert may answer; GatewayRefusal for whoever is
        no expert of the campaign."""
        ...

    def answer(self, campaign: int, expert: bytes, entry: bytes) -> LoggedEntry:
        """Take an adjudication entry (kind 5) into the log; the same one again returns where it
        stands. GatewayRefusal from anybody but an expert who was never given the item, and where no
        appeal about it waits."""
        ...


# --- growing (adapters: oracle/gateway/growth.py; oracle/community shows who agreed) --------------


@dataclass(frozen=True)
class SkillRecord:
    """Somebody's reputation in one kind of task (a task's type)."""

    kind: str
    reputation: Reputation


@dataclass(frozen=True)
class ReputationChange:
    """What the finalized receipt of `epoch`, cut at `at` (Unix seconds), changed for somebody: the
    labels it newly found right and wrong, and the lower bound of their skill before and after it,
    ppm. What age takes from older labels stands in the next receipt's change."""

    at: int
    campaign: int
    title: str
    epoch: int
    right: int
    wrong: int
    before: int
    after: int


@dataclass(frozen=True)
class ProgressPoint:
    """Where somebody stood at a finalized receipt: the right ones among the labels it newly judged,
    the agreement that pay is multiplied by (ppm, over all campaigns by judged labels), and base
    units an hour, over all work handed in until then; None without a measured time."""

    at: int
    campaign: int
    epoch: int
    right: int
    judged: int
    agreement: int
    hourly: int | None


@dataclass(frozen=True)
class LabelEffect:
    """A label on an item that a finalized receipt closed in `epoch`, and what it changed by plain
    count of the item's labels: `against` (right, though most others differed), `decided` (right,
    and without it there was a tie), `outvoted` (from `outcome`)."""

    campaign: int
    title: str
    epoch: int
    item: int
    answer: str
    outcome: str
    labels: int
    effect: str


@dataclass(frozen=True)
class Progress:
    """Somebody's record by finalized receipts alone. `changes` and `effects` are newest first,
    `points` oldest first; `counts` holds how many effects there are of each kind, `hourly` base
    units an hour so far. `next_level` is the accepted labels that the next level takes. Not
    `readable` where some evidence can't be read just now."""

    overall: Reputation
    skills: tuple[SkillRecord, ...]
    changes: tuple[ReputationChange, ...]
    points: tuple[ProgressPoint, ...]
    effects: tuple[LabelEffect, ...]
    counts: Mapping[str, int]
    accepted: int
    level: int
    next_level: int | None
    badges: tuple[Badge, ...]
    readable: bool


@dataclass(frozen=True)
class Standing:
    """An account's reputation, overall or in one kind of task."""

    account: bytes
    reputation: Reputation


@dataclass(frozen=True)
class CampaignPart:
    """Somebody's part in a campaign of `requester`: whether they handed labels in, and whether a
    finalized receipt pays them."""

    campaign: int
    requester: bytes
    labeled: bool
    paid: bool


class GrowthDesk(Protocol):
    """What people have become, by finalized receipts. Errors as for `LabelingDesk`."""

    @property
    def tiers(self) -> Sequence[Tier]:
        """The tiers there are, the lowest first."""
        ...

    def progress(self, contributor: bytes) -> Progress:
        """Return somebody's own record."""
        ...

    def kinds(self) -> Sequence[str]:
        """Return the kinds of task in which somebody has judged labels, sorted."""
        ...

    def standings(self, kind: str | None) -> Sequence[Standing]:
        """Return everybody's reputation, overall or in one kind of task, by account."""
        ...

    def part(self, campaign: int, contributor: bytes) -> CampaignPart:
        """Return somebody's part in a campaign."""
        ...


class LabelingDesk(Protocol):
    """Everything the contributor's page needs of the platform: campaigns, one's standing, the log's
    intake, relayed claims.

    Methods may be called from several threads. `contributor` is the signed-in wallet, 20 bytes; an
    entry that names another one is refused (InputError). Errors: UnknownCampaign for a number that
    the platform doesn't serve, GatewayRefusal for what the gateway declines, FormatError,
    SignatureError and InputError for what can't be taken, ChainError, StoreError and the content
    errors where a part can't be reached.
    """

    @property
    def market(self) -> WorkMarket:
        """The work that there is."""
        ...

    @property
    def earnings(self) -> EarningsDesk:
        """What people earned."""
        ...

    @property
    def appeals(self) -> AppealsDesk:
        """Objections and their answers."""
        ...

    @property
    def growth(self) -> GrowthDesk:
        """What people have become."""
        ...

    def network(self) -> Network:
        """Return the chain and token served; ChainError where the chain can't be reached."""
        ...

    def campaigns(self) -> Sequence[CampaignView]:
        """Return the campaigns served, newest first."""
        ...

    def campaign(self, campaign: int) -> CampaignView:
        """Return one campaign."""
        ...

    def operators(self, campaign: int) -> OperatorsView:
        """Return who vouches for a campaign's log besides its gateway."""
        ...

    def delegate(self, campaign: int, contributor: bytes, entry: bytes) -> LoggedEntry:
        """Take a delegation entry (kind 1, source 0) into the log; the same entry again returns
        where it stands."""
        ...

    def lease(self, campaign: int, contributor: bytes, count: int) -> LeaseReply:
        """Return the running lease with what is unanswered, else draw a new one of up to `count` (1
        to 10) items."""
        ...

    def submit(
        self,
        campaign: int,
        contributor: bytes,
        entry: bytes,
        answers: Sequence[bytes],
        seed: bytes,
        opening: bytes,
    ) -> LoggedEntry:
        """Take a submission entry (kind 3) with its plain answers (canonical JSON each), seed and
        sealed opening block.

        The same entry again returns where it stands, so that a page may resend what it got no reply
        to.
        """
        ...

    def skip(self, campaign: int, contributor: bytes, item: int, reason: int) -> LoggedEntry:
        """Give a leased item back (reasons of docs/FORMATS.md, section 4)."""
        ...

    def status(self, campaign: int, contributor: bytes) -> ContributorStatus:
        """Return the contributor's standing at the newest block."""
        ...

    def claim(self, campaign: int, contributor: bytes) -> ClaimResult:
        """Claim everything finalized for the contributor, the relayer paying gas; InputError where
        there is nothing."""
        ...

    def item(self, campaign: int, item: int, viewer: bytes | None) -> ItemView:
        """Return what an item shows, by item number; InputError for an item that the campaign
        doesn't have. A restricted campaign shows it to those whom it was leased to, and to experts
        whom an appeal about it waits for: AccessRefusal for others."""
        ...

    def media(
        self, campaign: int, item: int, viewer: bytes | None, *, second: bool = False
    ) -> Media:
        """Return an item's media by item number, or those of its second side, to whom `item` shows
        it; InputError where it has none."""
        ...
