# pragma version ==0.4.3
# pragma optimize gas
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title ReceiptBoard: where a quorum of operators posts validation receipts
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice A receipt signed by enough operators is posted by anybody, waits out the window, is
    finalized by anybody, and only then can be claimed against. One receipt per campaign is pending
    at a time. Receipts are kept as digests: whoever finalizes brings the receipt again. Within the
    window anybody may challenge it with a bond: it waits until an ERC-792 arbitrator, or a
    deadline, has closed every case. The stake of those who signed a voided receipt is slashed.
"""

from ethereum.ercs import IERC20
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from .interfaces import IArbitrable
from .interfaces import IArbitrator
from .interfaces import ICampaignEscrow
from .interfaces import IReceiptBoard
from .interfaces import IStakeVault
from .interfaces import ITreasury
from .modules import compact_signature
from .modules import leaves
from .modules import receipt_hash

# --------------------------------------------------------------- interfaces

implements: IArbitrable
implements: IReceiptBoard

# ------------------------------------------------------------------ modules

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: receipt_hash

exports: (
    ownable_2step.accept_ownership,
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.renounce_ownership,
    ownable_2step.transfer_ownership,
    receipt_hash.eip712_domain_separator.eip712Domain,
)

# ---------------------------------------------------------------- constants

MAX_OPERATORS: constant(uint256) = 32
MAX_CASES: constant(uint256) = 16
# Voids of one epoch; after them only a higher epoch's receipt is taken.
MAX_ATTEMPTS: constant(uint256) = 3
# A bond doubles no more often than so.
MAX_DOUBLINGS: constant(uint256) = 6
MAX_BOND: constant(uint256) = 2**128 - 1
# Keeps the counts of posts and open receipts far below their 16 bits.
MAX_MAX_OPEN: constant(uint256) = 2**14
PAUSE_LIMIT: constant(uint256) = 72 * 3_600

# What an arbitrator may rule, besides 0 (it refused to), which dismisses; and a case's outcomes.
CHOICES: constant(uint256) = 3
OPEN: constant(uint256) = 0
DISMISSED: constant(uint256) = 1
UPHELD: constant(uint256) = 2
LATE: constant(uint256) = 3
EXPIRED: constant(uint256) = 4

LOW_7: constant(uint256) = 2**7 - 1
LOW_16: constant(uint256) = 2**16 - 1
LOW_24: constant(uint256) = 2**24 - 1
LOW_32: constant(uint256) = 2**32 - 1
LOW_40: constant(uint256) = 2**40 - 1
LOW_56: constant(uint256) = 2**56 - 1

# The operator-set word, all that `post` needs beside the campaign: paused_until (40) | period (40)
# | receipts under challenge (16) | posts in the period before (16) | posts in this one (16) |
# version (24) | threshold (32) | active seats (32).
SET_VERSION: constant(uint256) = 64
SET_THRESHOLD: constant(uint256) = 32
SET_POSTS: constant(uint256) = 88
SET_POSTS_BEFORE: constant(uint256) = 104
SET_CHALLENGED: constant(uint256) = 120
SET_PERIOD: constant(uint256) = 136
SET_PAUSED: constant(uint256) = 176
ONE_POST: constant(uint256) = 1 << 88
ONE_CHALLENGED: constant(uint256) = 1 << 120

# The progress word. Of the newest receipt: posted_at (39) | quorum (56) | attempt (7) | frozen (1)
# | pending (1); of the last finalized one: epoch (32) | logPosition (40) | asOf (40) | labelCount
# (40). A quorum is the set's version (24) | the signers' seats (32): it names the same people for
# ever. A receipt is frozen while a case on it is open.
POSTED_AT: constant(uint256) = 217
QUORUM: constant(uint256) = 161
ATTEMPT: constant(uint256) = 154
ONE_ATTEMPT: constant(uint256) = 1 << 154
FROZEN: constant(uint256) = 1 << 153
PENDING: constant(uint256) = 1 << 152
EPOCH: constant(uint256) = 120
LOG_POSITION: constant(uint256) = 80
AS_OF: constant(uint256) = 40
FINALIZED: constant(uint256) = 2**152 - 1

# --------------------------------------------------------------- immutables

VAULT: immutable(IStakeVault)
ESCROW: immutable(ICampaignEscrow)
TREASURY: immutable(ITreasury)
# The stake token; bonds are in it.
TOKEN: immutable(IERC20)
# From post to finalize; a receipt can be challenged for so long.
WINDOW_SECONDS: immutable(uint256)
# From challenge to the case's deadline.
DISPUTE_SECONDS: immutable(uint256)
# How long one pause lasts, and how long after it no other can begin.
MAX_PAUSE_SECONDS: immutable(uint256)
PAUSE_COOLDOWN_SECONDS: immutable(uint256)
# Base units of each signer's stake that answer for one receipt.
RECEIPT_STAKE: immutable(uint256)
# Receipts that can be challenged or are, at once: a member's stake covers so many.
MAX_OPEN: immutable(uint256)
# Base units of the stake token.
MIN_CHALLENGE_BOND: immutable(uint256)

# ------------------------------------------------------------------ storage

# campaign -> digest of the newest receipt, pending or finalized; a receipt names its predecessor,
# so one word is enough; by post, voids
_digests: HashMap[uint256, bytes32]
# campaign -> progress word; by post, cosign, finalize, cases
_progress: HashMap[uint256, uint256]
# campaign -> epoch -> root of the slash tree; by finalize
_slash_roots: HashMap[uint256, HashMap[uint64, bytes32]]
# campaign -> account -> base units taken; by execute_slash
_slashed: HashMap[uint256, HashMap[address, uint256]]
# set's version -> members by seat; by the owner
_operators: HashMap[uint64, DynArray[address, MAX_OPERATORS]]
# set's version -> member -> seat + 1; by the owner
_seats: HashMap[uint64, HashMap[address, uint256]]
# hash of the current set's members: cheaper for `post` than a seat for each signer; by the owner
_members_hash: bytes32
# the operator-set word; by the owner, sync, post, cases, the guardian
_set: uint256
# base units of operator stake that a member needs; by the owner
_min_operator_stake: uint256
# the number of cases, which is the newest one's id; by challenge
_case_count: uint256
# id -> case; by challenge, rule, expire
_cases: HashMap[uint256, IReceiptBoard.Case]
# arbitrator -> its dispute -> case; by challenge
_case_of: HashMap[address, HashMap[uint256, uint256]]
# digest -> what is kept of a challenged receipt; by challenge, rule, expire
_contests: HashMap[bytes32, IReceiptBoard.Contest]
# hash of digest, fault and place -> whether a case named it; by challenge
_named: HashMap[bytes32, bool]
# campaign -> epoch -> receipts voided; by voids
_voids: HashMap[uint256, HashMap[uint64, uint256]]
# campaign -> Unix seconds of the newest void; by voids
_voided_at: HashMap[uint256, uint256]
# campaign -> cases that ran into their deadline; by expire
_expirations: HashMap[uint256, uint256]
# base units of the stake token; by the owner
_challenge_bond: uint256
# decides new cases; by the owner
_arbitrator: address
# what the arbitrator is told of its own terms (a court, a number of jurors); by the owner
_extra_data: Bytes[64]
# ERC-1497's number of the terms in force; by the owner
_meta_evidence: uint256
# who may pause; by the owner
_guardian: address


@deploy
def __init__(
    vault: address,
    escrow: address,
    window_seconds: uint256,
    dispute_seconds: uint256,
    max_pause_seconds: uint256,
    pause_cooldown_seconds: uint256,
    min_operator_stake: uint256,
    receipt_stake: uint256,
    max_open: uint256,
    min_challenge_bond: uint256,
):
    """
    @notice Fixes wiring, durations and stakes; the deployer becomes owner. Deployed last: it checks
        that the others were wired to its address and to one another.
    @param vault StakeVault.
    @param escrow CampaignEscrow.
    @param window_seconds From post to finalize.
    @param dispute_seconds From challenge to the case's deadline.
    @param max_pause_seconds How long one pause lasts; 72 hours at most.
    @param pause_cooldown_seconds From a pause's end to the next; so long that whoever wants to
        leave a campaign can.
    @param min_operator_stake Base units of the stake token; at least what receipts bind.
    @param receipt_stake Base units that each signer's stake answers with for one receipt.
    @param max_open Receipts that may be open at once.
    @param min_challenge_bond Base units; the first bond, and the least.
    """
    ownable.__init__()
    ownable_2step.__init__()
    receipt_hash.__init__()
    VAULT = IStakeVault(vault)
    ESCROW = ICampaignEscrow(escrow)
    TREASURY = ITreasury(staticcall VAULT.treasury())
    TOKEN = IERC20(staticcall VAULT.token())
    WINDOW_SECONDS = window_seconds
    DISPUTE_SECONDS = dispute_seconds
    MAX_PAUSE_SECONDS = max_pause_seconds
    PAUSE_COOLDOWN_SECONDS = pause_cooldown_seconds
    RECEIPT_STAKE = receipt_stake
    MAX_OPEN = max_open
    MIN_CHALLENGE_BOND = min_challenge_bond
    assert window_seconds != 0, "ReceiptBoard: window is zero"
    assert dispute_seconds != 0, "ReceiptBoard: dispute is zero"
    assert max_pause_seconds <= PAUSE_LIMIT, "ReceiptBoard: pause above 72 hours"
    assert receipt_stake != 0, "ReceiptBoard: receipt stake is zero"
    assert max_open != 0 and max_open <= MAX_MAX_OPEN, "ReceiptBoard: bad number of open receipts"
    assert staticcall VAULT.board() == self, "ReceiptBoard: vault is wired elsewhere"
    assert staticcall VAULT.escrow() == escrow, "ReceiptBoard: vault is wired elsewhere"
    assert staticcall ESCROW.board() == self, "ReceiptBoard: escrow is wired elsewhere"
    assert staticcall ESCROW.vault() == vault, "ReceiptBoard: escrow is wired elsewhere"
    assert staticcall TREASURY.board() == self, "ReceiptBoard: treasury is wired elsewhere"
    assert staticcall TREASURY.vault() == vault, "ReceiptBoard: treasury is wired elsewhere"
    assert staticcall TREASURY.escrow() == escrow, "ReceiptBoard: treasury is wired elsewhere"
    # stake that leaves stays slashable for everything it vouched for
    assert (
        staticcall VAULT.unbonding_seconds()
        > MAX_ATTEMPTS * (window_seconds + dispute_seconds) + max_pause_seconds
    ), "ReceiptBoard: unbonding too short"
    assert (
        staticcall VAULT.max_lock_seconds() >= window_seconds + dispute_seconds
    ), "ReceiptBoard: dispute too long"
    # between two pauses there is time to abandon a campaign and to wait out the notice
    assert pause_cooldown_seconds > (
        staticcall ESCROW.abandon_seconds() + staticcall ESCROW.notice_seconds()
    ), "ReceiptBoard: cooldown too short"
    self._set_min_operator_stake(min_operator_stake)
    self._set_challenge_bond(min_challenge_bond)


# ----------------------------------------------------------- permissionless

@external
def post(
    receipt: IReceiptBoard.Receipt,
    signatures: DynArray[IReceiptBoard.Signature, MAX_OPERATORS],
    members: DynArray[address, MAX_OPERATORS],
):
    """
    @notice Posts a receipt that a quorum signed; what it adds is reserved in the escrow at once.
        Refused while posting is paused, and while so many receipts are open that the stake behind
        them might not cover another.
    @param receipt The receipt.
    @param signatures EIP-2098, in ascending order of the signers' addresses.
    @param members The current set, all of it, as `operators` returns it.
    """
    campaign: uint256 = receipt.campaign
    word: uint256 = self._progress[campaign]
    attempt: uint256 = (word >> ATTEMPT) & LOW_7
    assert word & PENDING == 0, "ReceiptBoard: receipt pending"
    assert receipt.previous == self._digests[campaign], "ReceiptBoard: wrong predecessor"
    assert convert(receipt.attempt, uint256) == attempt, "ReceiptBoard: wrong attempt"
    if attempt != 0:
        assert (
            attempt < LOW_7 and self._voids[campaign][receipt.epoch] < MAX_ATTEMPTS
        ), "ReceiptBoard: attempts spent"
    self._check_progress(receipt, word)

    set: uint256 = self._set
    assert block.timestamp >= set >> SET_PAUSED, "ReceiptBoard: paused"
    digest: bytes32 = receipt_hash._digest(receipt)
    signers: uint256 = self._check_signers(set, digest, signatures, members)
    version: uint256 = self._version(set)
    assert (
        len(signatures) >= (set >> SET_THRESHOLD) & LOW_32
    ), "ReceiptBoard: too few signatures"
    quorum: uint256 = (version << 32) | signers
    set = self._counted(set)
    assert self._open_receipts(set) < MAX_OPEN, "ReceiptBoard: too many open receipts"
    self._set = set + ONE_POST
    self._digests[campaign] = digest
    self._progress[campaign] = (
        (block.timestamp << POSTED_AT)
        | (quorum << QUORUM)
        | (attempt << ATTEMPT)
        | PENDING
        | (word & FINALIZED)
    )
    extcall ESCROW.reserve(receipt)
    log IReceiptBoard.ReceiptPosted(
        campaign=campaign,
        digest=digest,
        poster=msg.sender,
        operator_set=convert(version, uint64),
        signers=signers,
        receipt=receipt,
        signatures=signatures,
    )


@external
def cosign(
    receipt: IReceiptBoard.Receipt,
    signatures: DynArray[IReceiptBoard.Signature, MAX_OPERATORS],
    members: DynArray[address, MAX_OPERATORS],
):
    """
    @notice Adds signers to the pending receipt, who then share its fee and answer for it; in the
        first half of the window, and never once it was challenged. Anybody may call.
    @param receipt The receipt that was posted.
    @param signatures EIP-2098, of others of the same set, in ascending order of their addresses.
    @param members That set, all of it, as `operators` returns it.
    """
    campaign: uint256 = receipt.campaign
    word: uint256 = self._progress[campaign]
    digest: bytes32 = receipt_hash._digest(receipt)
    self._check_pending(campaign, digest, word)
    assert self._contests[digest].campaign == 0, "ReceiptBoard: receipt was challenged"
    assert (
        block.timestamp < (word >> POSTED_AT) + WINDOW_SECONDS // 2
    ), "ReceiptBoard: too late to cosign"
    set: uint256 = self._set
    quorum: uint256 = (word >> QUORUM) & LOW_56
    assert quorum >> 32 == self._version(set), "ReceiptBoard: set was replaced"
    added: uint256 = self._check_signers(set, digest, signatures, members)
    assert added != 0, "ReceiptBoard: no signatures"
    assert added & quorum == 0, "ReceiptBoard: signed already"
    self._progress[campaign] = word | (added << QUORUM)
    log IReceiptBoard.ReceiptCosigned(
        campaign=campaign,
        digest=digest,
        signers=(quorum | added) & LOW_32,
        signatures=signatures,
    )


@external
def finalize(receipt: IReceiptBoard.Receipt):
    """
    @notice Settles the pending receipt once its window is over; anybody may call.
    @param receipt The receipt that was posted.
    """
    campaign: uint256 = receipt.campaign
    word: uint256 = self._progress[campaign]
    digest: bytes32 = receipt_hash._digest(receipt)
    self._check_pending(campaign, digest, word)
    assert word & FROZEN == 0, "ReceiptBoard: receipt is challenged"
    assert (
        block.timestamp >= (word >> POSTED_AT) + WINDOW_SECONDS
    ), "ReceiptBoard: window is open"

    # nothing is pending, and the next receipt starts again at attempt 0
    self._progress[campaign] = (
        ((word >> QUORUM) << QUORUM)
        | (convert(receipt.epoch, uint256) << EPOCH)
        | (convert(receipt.logPosition, uint256) << LOG_POSITION)
        | (convert(receipt.asOf, uint256) << AS_OF)
        | convert(receipt.labelCount, uint256)
    )
    if receipt.slashRoot != empty(bytes32):
        self._slash_roots[campaign][receipt.epoch] = receipt.slashRoot
    extcall ESCROW.settle(receipt, (word >> QUORUM) & LOW_56)
    log IReceiptBoard.ReceiptFinalized(campaign=campaign, digest=digest, epoch=receipt.epoch)


@external
def execute_slash(
    campaign: uint256,
    epoch: uint64,
    account: address,
    cumulative: uint256,
    proof: DynArray[bytes32, leaves.MAX_PROOF],
) -> uint256:
    """
    @notice Takes from a contributor's lock for the campaign what a finalized slash tree says, as
        far as it is locked; it goes to the treasury, for the campaign's contributors. Anybody may
        call.
    @param campaign The campaign.
    @param epoch Epoch of the finalized receipt.
    @param account Who is slashed.
    @param cumulative Base units of stake over the campaign's life.
    @param proof Proof of `(account, cumulative)`.
    @return The base units taken.
    """
    root: bytes32 = self._slash_roots[campaign][epoch]
    assert root != empty(bytes32), "ReceiptBoard: unknown root"
    assert leaves._verify(
        root, leaves._slash_leaf(account, cumulative), proof
    ), "ReceiptBoard: invalid proof"
    slashed: uint256 = self._slashed[campaign][account]
    assert cumulative > slashed, "ReceiptBoard: already slashed"
    # what isn't locked now stays due: nobody can void a slash by executing it at a bad moment
    taken: uint256 = extcall VAULT.slash(
        IStakeVault.Role.CONTRIBUTOR,
        account,
        convert(campaign, bytes32),
        cumulative - slashed,
        TREASURY.address,
    )
    extcall TREASURY.credit(campaign, TOKEN.address, taken)
    self._slashed[campaign][account] = slashed + taken
    log IReceiptBoard.SlashExecuted(
        campaign=campaign,
        account=account,
        epoch=epoch,
        demanded=cumulative - slashed,
        taken=taken,
    )
    return taken


@external
@payable
def challenge(
    receipt: IReceiptBoard.Receipt, fault: String[32], place: String[128]
) -> uint256:
    """
    @notice Disputes the pending receipt within its window: it can't be finalized until the case is
        closed, and its signers' stake is locked for it. Takes `next_bond` in the stake token, which
        needs an allowance, and exactly the arbitrator's cost in ether. Each fault at each place is
        a case of its own.
    @param receipt The receipt that was posted.
    @param fault The auditor's code of the fault.
    @param place Where in the receipt's evidence.
    @return The case's id.
    """
    campaign: uint256 = receipt.campaign
    word: uint256 = self._progress[campaign]
    digest: bytes32 = receipt_hash._digest(receipt)
    self._check_pending(campaign, digest, word)
    window_end: uint256 = (word >> POSTED_AT) + WINDOW_SECONDS
    assert block.timestamp < window_end, "ReceiptBoard: window is over"
    arbitrator: address = self._arbitrator
    assert arbitrator != empty(address), "ReceiptBoard: no arbitrator"
    named: bytes32 = keccak256(abi_encode(digest, fault, place))
    assert not self._named[named], "ReceiptBoard: fault was named"
    self._named[named] = True

    quorum: uint256 = (word >> QUORUM) & LOW_56
    contest: IReceiptBoard.Contest = self._contests[digest]
    assert contest.open_cases < MAX_CASES, "ReceiptBoard: too many cases"
    if contest.open_cases == 0:
        self._progress[campaign] = word | FROZEN
        self._set += ONE_CHALLENGED
    contest.campaign = campaign
    contest.epoch = receipt.epoch
    contest.previous = receipt.previous
    contest.quorum = quorum
    contest.open_cases += 1
    self._contests[digest] = contest

    id: uint256 = self._case_count + 1
    self._case_count = id
    bond: uint256 = self._next_bond(campaign)
    deadline: uint256 = block.timestamp + DISPUTE_SECONDS
    self._cases[id] = IReceiptBoard.Case(
        campaign=campaign,
        receipt=digest,
        challenger=msg.sender,
        bond=bond,
        arbitrator=arbitrator,
        dispute=0,
        deadline=deadline,
        outcome=OPEN,
    )
    # no case on this receipt can end later, unless the window starts anew
    self._lock_signers(quorum, digest, window_end + DISPUTE_SECONDS)
    assert extcall TOKEN.transferFrom(
        msg.sender, self, bond, default_return_value=True
    ), "ReceiptBoard: transfer failed"

    extra_data: Bytes[96] = self._arbitrator_data(id)
    assert (
        msg.value == staticcall IArbitrator(arbitrator).arbitrationCost(extra_data)
    ), "ReceiptBoard: not the arbitration cost"
    dispute: uint256 = extcall IArbitrator(arbitrator).createDispute(
        CHOICES, extra_data, value=msg.value
    )
    assert self._case_of[arbitrator][dispute] == 0, "ReceiptBoard: dispute not new"
    self._case_of[arbitrator][dispute] = id
    self._cases[id].dispute = dispute
    log IReceiptBoard.Challenged(
        campaign=campaign,
        digest=digest,
        challenger=msg.sender,
        case=id,
        fault=fault,
        place=place,
        bond=bond,
        arbitrator=arbitrator,
        dispute=dispute,
        deadline=deadline,
    )
    log IArbitrable.Dispute(
        arbitrator=arbitrator,
        dispute=dispute,
        meta_evidence=self._meta_evidence,
        evidence_group=id,
    )
    return id


@external
def rule(dispute: uint256, ruling: uint256):
    """
    @notice Closes a case as its arbitrator decided (ERC-792): 2 upholds the challenge, 3 says that
        evidence appeared only after it, anything less dismisses it. Arbitrator only, before the
        case's deadline.
    @param dispute The arbitrator's number of the dispute.
    @param ruling 0 to 3.
    """
    id: uint256 = self._case_of[msg.sender][dispute]
    case: IReceiptBoard.Case = self._open_case(id)
    assert block.timestamp < case.deadline, "ReceiptBoard: deadline is over"
    assert ruling <= CHOICES, "ReceiptBoard: no such ruling"
    log IArbitrable.Ruling(arbitrator=msg.sender, dispute=dispute, ruling=ruling)
    self._close(id, case, max(ruling, DISMISSED))


@external
def expire(case: uint256):
    """
    @notice Closes a case whose arbitrator let the deadline pass: the receipt is void, nobody is
        slashed, half the bond is forfeited, and the campaign's next bond doubles. Anybody may
        call.
    @param case The case.
    """
    c: IReceiptBoard.Case = self._open_case(case)
    assert block.timestamp >= c.deadline, "ReceiptBoard: deadline is not over"
    self._expirations[c.campaign] += 1
    self._close(case, c, EXPIRED)


@external
@reentrant
def sync(operator: address):
    """
    @notice Brings a member's right to sign into step with stake and ban. The vault calls it with
        every change, in the midst of its own calls; anybody may.
    @param operator Who; nothing happens for those outside the current set.
    """
    set: uint256 = self._set
    seat: uint256 = self._seats[convert(self._version(set), uint64)][operator]
    if seat == 0:
        return
    bit: uint256 = 1 << (seat - 1)
    active: bool = self._is_eligible(operator)
    if active == (set & bit != 0):
        return
    self._set = set ^ bit
    log IReceiptBoard.OperatorSynced(operator=operator, active=active)


# -------------------------------------------------------------------- views

@external
@view
@reentrant
def receipt_digest(receipt: IReceiptBoard.Receipt) -> bytes32:
    """
    @notice What operators sign.
    @param receipt A receipt.
    @return Its EIP-712 digest.
    """
    return receipt_hash._digest(receipt)


@external
@view
@reentrant
def progress(campaign: uint256) -> IReceiptBoard.Progress:
    """
    @notice How far a campaign's receipts have come.
    @param campaign The campaign.
    @return The newest receipt's digest, state and signers; the last finalized one's counters.
    """
    word: uint256 = self._progress[campaign]
    quorum: uint256 = (word >> QUORUM) & LOW_56
    return IReceiptBoard.Progress(
        digest=self._digests[campaign],
        pending=word & PENDING != 0,
        postedAt=convert(word >> POSTED_AT, uint64),
        attempt=convert((word >> ATTEMPT) & LOW_7, uint32),
        operatorSet=convert(quorum >> 32, uint64),
        signers=quorum & LOW_32,
        epoch=convert((word >> EPOCH) & LOW_32, uint64),
        logPosition=convert((word >> LOG_POSITION) & LOW_40, uint64),
        asOf=convert((word >> AS_OF) & LOW_40, uint64),
        labelCount=convert(word & LOW_40, uint64),
    )


@external
@view
@reentrant
def last_activity(campaign: uint256) -> uint256:
    """
    @notice From when on a campaign counts as idle: its newest receipt's window began, a receipt of
        it was voided, or a pause ended, whichever is latest.
    @param campaign The campaign.
    @return Unix seconds; zero before all that, in the future during a pause.
    """
    return max(
        max(self._progress[campaign] >> POSTED_AT, self._voided_at[campaign]),
        self._set >> SET_PAUSED,
    )


@external
@view
@reentrant
def is_pending(campaign: uint256) -> bool:
    """
    @notice Whether a receipt waits to be finalized.
    @param campaign The campaign.
    @return True from post to finalize.
    """
    return self._progress[campaign] & PENDING != 0


@external
@view
@reentrant
def is_challenged(campaign: uint256) -> bool:
    """
    @notice Whether a case on the pending receipt is open.
    @param campaign The campaign.
    @return True from the first challenge until all cases are closed.
    """
    return self._progress[campaign] & FROZEN != 0


@external
@view
@reentrant
def case_count() -> uint256:
    """
    @notice How many cases there are; their ids count from 1.
    @return The newest case's id.
    """
    return self._case_count


@external
@view
@reentrant
def case(id: uint256) -> IReceiptBoard.Case:
    """
    @notice A challenge.
    @param id The case.
    @return What is kept of it; all zero for an unknown id.
    """
    return self._cases[id]


@external
@view
@reentrant
def case_of(arbitrator: address, dispute: uint256) -> uint256:
    """
    @notice The case that an arbitrator's dispute decides.
    @param arbitrator The arbitrator.
    @param dispute Its number of the dispute.
    @return The case's id; zero where there is none.
    """
    return self._case_of[arbitrator][dispute]


@external
@view
@reentrant
def contest(digest: bytes32) -> IReceiptBoard.Contest:
    """
    @notice What is kept of a receipt that was challenged.
    @param digest The receipt's digest.
    @return Its state; all zero for a receipt that nobody challenged.
    """
    return self._contests[digest]


@external
@view
@reentrant
def voids(campaign: uint256, epoch: uint64) -> uint256:
    """
    @notice How many receipts of an epoch were voided; after three only a higher epoch's is taken.
    @param campaign The campaign.
    @param epoch The epoch.
    @return A number.
    """
    return self._voids[campaign][epoch]


@external
@view
@reentrant
def next_bond(campaign: uint256) -> uint256:
    """
    @notice What a challenger of a campaign's receipt puts up.
    @param campaign The campaign.
    @return Base units of the stake token.
    """
    return self._next_bond(campaign)


@external
@view
@reentrant
def challenge_bond() -> uint256:
    """
    @notice The bond of a campaign none of whose cases ran into its deadline.
    @return Base units of the stake token.
    """
    return self._challenge_bond


@external
@view
@reentrant
def arbitration_cost() -> uint256:
    """
    @notice The ether that a challenge has to bring.
    @return Wei.
    """
    return staticcall IArbitrator(self._arbitrator).arbitrationCost(
        self._arbitrator_data(self._case_count + 1)
    )


@external
@view
@reentrant
def arbitrator() -> address:
    """
    @notice Who decides new cases; a case stays with the arbitrator that it began with.
    @return Its address; zero before the first.
    """
    return self._arbitrator


@external
@view
@reentrant
def guardian() -> address:
    """
    @notice Who may pause.
    @return Its address.
    """
    return self._guardian


@external
@view
@reentrant
def paused_until() -> uint256:
    """
    @notice When the present or last pause ends.
    @return Unix seconds; zero before the first.
    """
    return self._set >> SET_PAUSED


@external
@view
@reentrant
def open_receipts() -> uint256:
    """
    @notice Receipts counted against `max_open`: posted in this or the period before, a period
        being as long as the window, or under challenge.
    @return Their number, never less than those that can still be slashed for.
    """
    return self._open_receipts(self._counted(self._set))


@external
@view
@reentrant
def slash_root(campaign: uint256, epoch: uint64) -> bytes32:
    """
    @notice Root of a finalized slash tree.
    @param campaign The campaign.
    @param epoch Epoch of the receipt.
    @return The root; zero where nobody is slashed.
    """
    return self._slash_roots[campaign][epoch]


@external
@view
@reentrant
def slashed(campaign: uint256, account: address) -> uint256:
    """
    @notice What was taken from an account for a campaign.
    @param campaign The campaign.
    @param account Who.
    @return Base units of stake.
    """
    return self._slashed[campaign][account]


@external
@view
@reentrant
def operator_set() -> uint64:
    """
    @notice Version of the current operator set.
    @return Counts from 1; zero before the first set.
    """
    return convert(self._version(self._set), uint64)


@external
@view
@reentrant
def operators(version: uint64) -> DynArray[address, MAX_OPERATORS]:
    """
    @notice Members of an operator set, old ones included.
    @param version The set's version.
    @return Addresses by seat.
    """
    return self._operators[version]


@external
@view
@reentrant
def seat_of(version: uint64, operator: address) -> uint256:
    """
    @notice A member's seat.
    @param version The set's version.
    @param operator Who.
    @return Seat + 1; zero for outsiders.
    """
    return self._seats[version][operator]


@external
@view
@reentrant
def threshold() -> uint256:
    """
    @notice Signatures that a receipt needs.
    @return More than half of the set's size.
    """
    return (self._set >> SET_THRESHOLD) & LOW_32


@external
@view
@reentrant
def is_active(operator: address) -> bool:
    """
    @notice Whether an operator's signature counts now.
    @param operator Who.
    @return True for members of the current set with enough stake and no ban.
    """
    set: uint256 = self._set
    seat: uint256 = self._seats[convert(self._version(set), uint64)][operator]
    return seat != 0 and set & (1 << (seat - 1)) != 0


@external
@view
@reentrant
def min_operator_stake() -> uint256:
    """
    @notice Operator stake that a member needs.
    @return Base units.
    """
    return self._min_operator_stake


@external
@view
@reentrant
def receipt_stake() -> uint256:
    """
    @notice What each signer's stake answers with for one receipt.
    @return Base units.
    """
    return RECEIPT_STAKE


@external
@view
@reentrant
def max_open() -> uint256:
    """
    @notice Receipts that may be open at once.
    @return Their number.
    """
    return MAX_OPEN


@external
@view
@reentrant
def min_challenge_bond() -> uint256:
    """
    @notice The least challenge bond that the owner may set.
    @return Base units of the stake token.
    """
    return MIN_CHALLENGE_BOND


@external
@view
@reentrant
def dispute_seconds() -> uint256:
    """
    @notice From challenge to the case's deadline.
    @return Seconds.
    """
    return DISPUTE_SECONDS


@external
@view
@reentrant
def max_pause_seconds() -> uint256:
    """
    @notice How long one pause lasts, unless it is ended.
    @return Seconds.
    """
    return MAX_PAUSE_SECONDS


@external
@view
@reentrant
def pause_cooldown_seconds() -> uint256:
    """
    @notice From a pause's end until the next may begin.
    @return Seconds.
    """
    return PAUSE_COOLDOWN_SECONDS


@external
@view
@reentrant
def window_seconds() -> uint256:
    """
    @notice From post to finalize.
    @return Seconds.
    """
    return WINDOW_SECONDS


@external
@view
@reentrant
def vault() -> address:
    """
    @notice StakeVault.
    @return Its address.
    """
    return VAULT.address


@external
@view
@reentrant
def escrow() -> address:
    """
    @notice CampaignEscrow.
    @return Its address.
    """
    return ESCROW.address


@external
@view
@reentrant
def treasury() -> address:
    """
    @notice Treasury.
    @return Its address.
    """
    return TREASURY.address


# ----------------------------------------------------------------- guardian

@external
def pause():
    """
    @notice Stops posting, and creating campaigns, for `max_pause_seconds`. Everything else goes
        on: challenges, rulings, finalization, claims, refunds, withdrawals. Guardian only.
    """
    assert msg.sender == self._guardian, "ReceiptBoard: not the guardian"
    set: uint256 = self._set
    assert (
        block.timestamp >= (set >> SET_PAUSED) + PAUSE_COOLDOWN_SECONDS
    ), "ReceiptBoard: paused too recently"
    until: uint256 = block.timestamp + MAX_PAUSE_SECONDS
    self._set_paused_until(set, until)
    log IReceiptBoard.Paused(until=until)


@external
def unpause():
    """
    @notice Ends a pause early; the cooldown runs from now. Guardian or owner.
    """
    assert (
        msg.sender == self._guardian or msg.sender == ownable.owner
    ), "ReceiptBoard: not the guardian"
    set: uint256 = self._set
    assert block.timestamp < set >> SET_PAUSED, "ReceiptBoard: not paused"
    self._set_paused_until(set, block.timestamp)
    log IReceiptBoard.Unpaused(caller=msg.sender)


# -------------------------------------------------------------------- admin

@external
def set_operators(operators: DynArray[address, MAX_OPERATORS], threshold: uint256):
    """
    @notice Replaces the operator set. A pending receipt keeps its signers. Owner only.
    @param operators Members by seat, in ascending order; each has joined and staked as operator.
    @param threshold Signatures that a receipt needs: more than half.
    """
    ownable._check_owner()
    size: uint256 = len(operators)
    assert threshold <= size, "ReceiptBoard: threshold above size"
    assert 2 * threshold > size, "ReceiptBoard: threshold not a majority"
    set: uint256 = self._set
    version: uint64 = convert(self._version(set), uint64) + 1
    assert convert(version, uint256) <= LOW_24, "ReceiptBoard: too many sets"
    seat: uint256 = 0
    last: uint256 = 0
    for operator: address in operators:
        number: uint256 = convert(operator, uint256)
        assert number > last, "ReceiptBoard: operators not ascending"
        assert self._is_eligible(operator), "ReceiptBoard: operator not eligible"
        last = number
        seat += 1
        self._seats[version][operator] = seat
    self._operators[version] = operators
    self._members_hash = keccak256(abi_encode(operators))
    self._set = (
        ((set >> SET_POSTS) << SET_POSTS)
        | (convert(version, uint256) << SET_VERSION)
        | (threshold << SET_THRESHOLD)
        | ((1 << size) - 1)
    )
    log IReceiptBoard.OperatorsSet(
        operator_set=version, operators=operators, threshold=threshold
    )


@external
def set_min_operator_stake(amount: uint256):
    """
    @notice Changes the stake that members need, never below what receipts bind; it counts when a
        set is named and at each sync. Owner only.
    @param amount Base units.
    """
    ownable._check_owner()
    self._set_min_operator_stake(amount)


@external
def set_challenge_bond(amount: uint256):
    """
    @notice Changes the bond of new cases. Owner only.
    @param amount Base units of the stake token.
    """
    ownable._check_owner()
    self._set_challenge_bond(amount)


@external
def set_arbitrator(arbitrator: address, extra_data: Bytes[64], meta_evidence: String[128]):
    """
    @notice Names who decides new cases; open ones stay where they are. Owner only.
    @param arbitrator An ERC-792 arbitrator.
    @param extra_data What it is told of each case, before the case's id: its own terms.
    @param meta_evidence Where the terms are described (ERC-1497).
    """
    ownable._check_owner()
    assert arbitrator != empty(address), "ReceiptBoard: arbitrator is zero"
    previous: address = self._arbitrator
    self._arbitrator = arbitrator
    self._extra_data = extra_data
    self._meta_evidence += 1
    log IReceiptBoard.ArbitratorSet(
        previous=previous, current=arbitrator, extra_data=extra_data
    )
    log IArbitrable.MetaEvidence(
        meta_evidence=self._meta_evidence, evidence=meta_evidence
    )


@external
def set_guardian(guardian: address):
    """
    @notice Names who may pause. The cooldown runs on whoever it is. Owner only.
    @param guardian The guardian; zero for none.
    """
    ownable._check_owner()
    previous: address = self._guardian
    self._guardian = guardian
    log IReceiptBoard.GuardianSet(previous=previous, current=guardian)


# ---------------------------------------------------------------- internals

@internal
@view
def _check_progress(receipt: IReceiptBoard.Receipt, word: uint256):
    # amounts are the escrow's to check: it knows the last totals
    epoch: uint256 = convert(receipt.epoch, uint256)
    position: uint256 = convert(receipt.logPosition, uint256)
    as_of: uint256 = convert(receipt.asOf, uint256)
    labels: uint256 = convert(receipt.labelCount, uint256)
    assert epoch > (word >> EPOCH) & LOW_32, "ReceiptBoard: epoch not new"
    assert position >= (word >> LOG_POSITION) & LOW_40, "ReceiptBoard: log position fell"
    assert as_of >= (word >> AS_OF) & LOW_40, "ReceiptBoard: anchor fell"
    assert as_of < block.number, "ReceiptBoard: anchor not in the past"
    assert labels >= word & LOW_40, "ReceiptBoard: label count fell"
    assert epoch <= LOW_32 and max(position, labels) <= LOW_40, "ReceiptBoard: counter too large"


@internal
@view
def _check_pending(campaign: uint256, digest: bytes32, word: uint256):
    assert word & PENDING != 0, "ReceiptBoard: nothing pending"
    assert digest == self._digests[campaign], "ReceiptBoard: not the pending receipt"


@internal
@view
def _check_signers(
    set: uint256,
    digest: bytes32,
    signatures: DynArray[IReceiptBoard.Signature, MAX_OPERATORS],
    members: DynArray[address, MAX_OPERATORS],
) -> uint256:
    # no list has the hash zero, which stands until the first set is named
    assert keccak256(abi_encode(members)) == self._members_hash, "ReceiptBoard: not the set"
    size: uint256 = len(members)
    signers: uint256 = 0
    seat: uint256 = 0
    for signature: IReceiptBoard.Signature in signatures:
        signer: address = compact_signature._recover(digest, signature.r, signature.vs)
        # members ascend, as signers must: each is found behind the one before
        for _: uint256 in range(MAX_OPERATORS):
            if seat == size or members[seat] == signer:
                break
            seat += 1
        if seat == size:
            assert signer not in members, "ReceiptBoard: signers not ascending"
            raise "ReceiptBoard: signer not an operator"
        signers |= 1 << seat
        seat += 1
    assert signers & set == signers, "ReceiptBoard: signer not active"
    return signers


@internal
@view
def _is_eligible(operator: address) -> bool:
    return (
        staticcall VAULT.staked(IStakeVault.Role.OPERATOR, operator) >= self._min_operator_stake
        and staticcall VAULT.encryption_key(IStakeVault.Role.OPERATOR, operator) != empty(bytes32)
        and staticcall VAULT.banned_until(operator) <= block.timestamp
    )


# --------------------------------------------------------- internals: cases

@internal
@view
def _open_case(id: uint256) -> IReceiptBoard.Case:
    case: IReceiptBoard.Case = self._cases[id]
    assert case.campaign != 0, "ReceiptBoard: no such case"
    assert case.outcome == OPEN, "ReceiptBoard: case is closed"
    return case


@internal
def _close(id: uint256, case: IReceiptBoard.Case, outcome: uint256):
    self._cases[id].outcome = outcome
    contest: IReceiptBoard.Contest = self._contests[case.receipt]
    contest.open_cases -= 1
    self._contests[case.receipt].open_cases = contest.open_cases
    # the first case to void a receipt does so for all; the others only settle their bonds
    if not contest.voided:
        if outcome == UPHELD or outcome == EXPIRED:
            self._void(case, contest, outcome == UPHELD)
        else:
            if outcome == LATE and not contest.restarted:
                self._restart_window(case)
            if contest.open_cases == 0:
                self._progress[case.campaign] ^= FROZEN
                self._set -= ONE_CHALLENGED
                self._unlock_signers(contest.quorum, case.receipt)
    self._settle_bond(id, case, outcome, contest.quorum)


@internal
def _void(case: IReceiptBoard.Case, contest: IReceiptBoard.Contest, slash: bool):
    campaign: uint256 = case.campaign
    word: uint256 = self._progress[campaign]
    self._progress[campaign] = (word ^ (PENDING | FROZEN)) + ONE_ATTEMPT
    self._digests[campaign] = contest.previous
    self._contests[case.receipt].voided = True
    self._voids[campaign][contest.epoch] += 1
    self._voided_at[campaign] = block.timestamp
    self._set -= ONE_CHALLENGED
    extcall ESCROW.release(campaign)

    slashed: uint256 = 0
    reward: uint256 = 0
    if slash:
        slashed = self._slash_signers(contest.quorum, case.receipt)
        reward = slashed // 2
        self._credit(campaign, slashed - reward)
        # nobody earns by having a receipt of their own voided
        if self._is_party(case.challenger, contest):
            self._credit(0, reward)
            reward = 0
        else:
            self._push(case.challenger, reward)
    else:
        self._unlock_signers(contest.quorum, case.receipt)
    log IReceiptBoard.ReceiptVoided(
        campaign=campaign,
        digest=case.receipt,
        epoch=contest.epoch,
        attempt=convert((word >> ATTEMPT) & LOW_7, uint32),
        slashed=slashed,
        reward=reward,
        to_treasury=slashed - reward,
    )


@internal
def _restart_window(case: IReceiptBoard.Case):
    # it can be challenged again, so it counts as a post of this period
    self._contests[case.receipt].restarted = True
    word: uint256 = self._progress[case.campaign]
    self._progress[case.campaign] = (
        (block.timestamp << POSTED_AT) | (word & (2**POSTED_AT - 1))
    )
    self._set = self._counted(self._set) + ONE_POST
    log IReceiptBoard.WindowRestarted(
        campaign=case.campaign,
        digest=case.receipt,
        ends_at=block.timestamp + WINDOW_SECONDS,
    )


@internal
def _settle_bond(id: uint256, case: IReceiptBoard.Case, outcome: uint256, quorum: uint256):
    half: uint256 = case.bond // 2
    returned: uint256 = 0
    to_signers: uint256 = 0
    if outcome == DISMISSED:
        to_signers = half
    elif outcome == EXPIRED:
        returned = half
    else:
        returned = case.bond
    to_treasury: uint256 = case.bond - returned - to_signers
    self._push(case.challenger, returned)
    if to_signers != 0:
        self._push(ESCROW.address, to_signers)
        extcall ESCROW.credit_fees(TOKEN.address, quorum, to_signers)
    self._credit(case.campaign, to_treasury)
    log IReceiptBoard.CaseClosed(
        campaign=case.campaign,
        digest=case.receipt,
        case=id,
        outcome=outcome,
        returned=returned,
        to_signers=to_signers,
        to_treasury=to_treasury,
    )


@internal
def _credit(campaign: uint256, amount: uint256):
    self._push(TREASURY.address, amount)
    if amount != 0:
        extcall TREASURY.credit(campaign, TOKEN.address, amount)


@internal
def _push(to: address, amount: uint256):
    if amount == 0:
        return
    assert extcall TOKEN.transfer(
        to, amount, default_return_value=True
    ), "ReceiptBoard: transfer failed"


@internal
@view
def _is_party(account: address, contest: IReceiptBoard.Contest) -> bool:
    seat: uint256 = self._seats[convert(contest.quorum >> 32, uint64)][account]
    if seat != 0 and contest.quorum & (1 << (seat - 1)) != 0:
        return True
    return (staticcall ESCROW.campaign(contest.campaign)).requester == account


@internal
@view
def _next_bond(campaign: uint256) -> uint256:
    return self._challenge_bond << min(self._expirations[campaign], MAX_DOUBLINGS)


@internal
@view
def _arbitrator_data(case: uint256) -> Bytes[96]:
    return concat(self._extra_data, convert(case, bytes32))


# ------------------------------------------------- internals: signers' stake

@internal
def _lock_signers(quorum: uint256, digest: bytes32, expires_at: uint256):
    version: uint64 = convert(quorum >> 32, uint64)
    for seat: uint256 in range(MAX_OPERATORS):
        if quorum & (1 << seat) != 0:
            extcall VAULT.lock_up_to(
                IStakeVault.Role.OPERATOR,
                self._operators[version][seat],
                digest,
                RECEIPT_STAKE,
                expires_at,
            )


@internal
def _unlock_signers(quorum: uint256, digest: bytes32):
    version: uint64 = convert(quorum >> 32, uint64)
    for seat: uint256 in range(MAX_OPERATORS):
        if quorum & (1 << seat) != 0:
            extcall VAULT.unlock(
                IStakeVault.Role.OPERATOR, self._operators[version][seat], digest
            )


@internal
def _slash_signers(quorum: uint256, digest: bytes32) -> uint256:
    version: uint64 = convert(quorum >> 32, uint64)
    taken: uint256 = 0
    for seat: uint256 in range(MAX_OPERATORS):
        if quorum & (1 << seat) != 0:
            taken += extcall VAULT.slash(
                IStakeVault.Role.OPERATOR,
                self._operators[version][seat],
                digest,
                RECEIPT_STAKE,
                self,
            )
    return taken


# ------------------------------------------------ internals: the set's word

@internal
@pure
def _version(set: uint256) -> uint256:
    return (set >> SET_VERSION) & LOW_24


@internal
@view
def _counted(set: uint256) -> uint256:
    # brings the counts of posts to the present period; a receipt can be challenged for as long as
    # a period, so never later than in the one after its post
    period: uint256 = block.timestamp // WINDOW_SECONDS
    last: uint256 = (set >> SET_PERIOD) & LOW_40
    if period == last:
        return set
    before: uint256 = 0
    if period == last + 1:
        before = (set >> SET_POSTS) & LOW_16
    kept: uint256 = ((set >> SET_PAUSED) << SET_PAUSED) | (set & (2**SET_POSTS - 1))
    challenged: uint256 = (set >> SET_CHALLENGED) & LOW_16
    return (
        kept
        | (period << SET_PERIOD)
        | (challenged << SET_CHALLENGED)
        | (before << SET_POSTS_BEFORE)
    )


@internal
@pure
def _open_receipts(set: uint256) -> uint256:
    return (
        ((set >> SET_POSTS) & LOW_16)
        + ((set >> SET_POSTS_BEFORE) & LOW_16)
        + ((set >> SET_CHALLENGED) & LOW_16)
    )


@internal
def _set_paused_until(set: uint256, until: uint256):
    self._set = (until << SET_PAUSED) | (set & (2**SET_PAUSED - 1))


@internal
def _set_min_operator_stake(amount: uint256):
    assert amount >= MAX_OPEN * RECEIPT_STAKE, "ReceiptBoard: stake below what receipts bind"
    previous: uint256 = self._min_operator_stake
    self._min_operator_stake = amount
    log IReceiptBoard.MinOperatorStakeSet(previous=previous, current=amount)


@internal
def _set_challenge_bond(amount: uint256):
    assert amount >= MIN_CHALLENGE_BOND, "ReceiptBoard: bond below its minimum"
    assert amount <= MAX_BOND, "ReceiptBoard: bond too large"
    previous: uint256 = self._challenge_bond
    self._challenge_bond = amount
    log IReceiptBoard.ChallengeBondSet(previous=previous, current=amount)
