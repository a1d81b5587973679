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
    at a time. Receipts are kept as digests: whoever finalizes brings the receipt again.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from .interfaces import ICampaignEscrow
from .interfaces import IReceiptBoard
from .interfaces import IStakeVault
from .modules import compact_signature
from .modules import leaves
from .modules import receipt_hash

# --------------------------------------------------------------- interfaces


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
LOW_32: constant(uint256) = 2**32 - 1

# The operator-set word: version (24) | threshold (32) | active seats (32).
SET_VERSION: constant(uint256) = 64
SET_THRESHOLD: constant(uint256) = 32
MAX_VERSION: constant(uint256) = 2**24 - 1

# The progress word. Of the newest receipt: posted_at (40) | quorum (56) | attempt (7) | pending
# (1); of the last finalized one: epoch (32) | logPosition (40) | asOf (40) | labelCount (40).
# A quorum is the set's version (24) | the signers' seats (32): it names the same people for ever.
POSTED_AT: constant(uint256) = 216
QUORUM: constant(uint256) = 160
ATTEMPT: constant(uint256) = 153
PENDING: constant(uint256) = 1 << 152
EPOCH: constant(uint256) = 120
LOG_POSITION: constant(uint256) = 80
AS_OF: constant(uint256) = 40
LOW_7: constant(uint256) = 2**7 - 1
LOW_40: constant(uint256) = 2**40 - 1
LOW_56: constant(uint256) = 2**56 - 1
FINALIZED: constant(uint256) = 2**152 - 1

# --------------------------------------------------------------- immutables

VAULT: immutable(IStakeVault)
ESCROW: immutable(ICampaignEscrow)
# From post to finalize.
WINDOW_SECONDS: immutable(uint256)

# ------------------------------------------------------------------ storage

# campaign -> digest of the newest receipt, pending or finalized; a receipt names its predecessor,
# so one word is enough; by post
_digests: HashMap[uint256, bytes32]
# campaign -> progress word; by post and finalize
_progress: HashMap[uint256, uint256]
# campaign -> epoch -> root of the slash tree; by finalize
_slash_roots: HashMap[uint256, HashMap[uint64, bytes32]]
# campaign -> account -> base units taken; by execute_slash
_slashed: HashMap[uint256, HashMap[address, uint256]]
# set's version -> members by seat; by the owner
_operators: HashMap[uint64, DynArray[address, MAX_OPERATORS]]
# set's version -> member -> seat + 1; by the owner
_seats: HashMap[uint64, HashMap[address, uint256]]
# the operator-set word; by the owner and sync
_set: uint256
# base units of operator stake that a member needs; by the owner
_min_operator_stake: uint256


@deploy
def __init__(vault: address, escrow: address, window_seconds: uint256, min_operator_stake: uint256):
    """
    @notice Fixes wiring and window; the deployer becomes owner. Deployed last: it checks that
        vault and escrow were wired to its address and to one another.
    @param vault StakeVault.
    @param escrow CampaignEscrow.
    @param window_seconds From post to finalize.
    @param min_operator_stake Base units of the stake token.
    """
    ownable.__init__()
    ownable_2step.__init__()
    receipt_hash.__init__()
    VAULT = IStakeVault(vault)
    ESCROW = ICampaignEscrow(escrow)
    WINDOW_SECONDS = window_seconds
    assert window_seconds != 0, "ReceiptBoard: window is zero"
    assert staticcall VAULT.board() == self, "ReceiptBoard: vault is wired elsewhere"
    assert staticcall VAULT.escrow() == escrow, "ReceiptBoard: vault is wired elsewhere"
    assert staticcall ESCROW.board() == self, "ReceiptBoard: escrow is wired elsewhere"
    assert staticcall ESCROW.vault() == vault, "ReceiptBoard: escrow is wired elsewhere"
    assert staticcall VAULT.unbonding_seconds() > window_seconds, "ReceiptBoard: window too long"
    self._min_operator_stake = min_operator_stake
    log IReceiptBoard.MinOperatorStakeSet(previous=0, current=min_operator_stake)


# ----------------------------------------------------------- permissionless

@external
def post(
    receipt: IReceiptBoard.Receipt,
    signatures: DynArray[IReceiptBoard.Signature, MAX_OPERATORS],
):
    """
    @notice Posts a receipt that a quorum signed; what it adds is reserved in the escrow at once.
    @param receipt The receipt.
    @param signatures EIP-2098, in ascending order of the signers' addresses.
    """
    campaign: uint256 = receipt.campaign
    word: uint256 = self._progress[campaign]
    attempt: uint256 = (word >> ATTEMPT) & LOW_7
    assert word & PENDING == 0, "ReceiptBoard: receipt pending"
    assert receipt.previous == self._digests[campaign], "ReceiptBoard: wrong predecessor"
    assert convert(receipt.attempt, uint256) == attempt, "ReceiptBoard: wrong attempt"
    self._check_progress(receipt, word)

    digest: bytes32 = receipt_hash._digest(receipt)
    quorum: uint256 = self._check_quorum(digest, signatures)
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
        operator_set=convert(quorum >> 32, uint64),
        signers=quorum & LOW_32,
        receipt=receipt,
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
    digest: bytes32 = self._digests[campaign]
    assert word & PENDING != 0, "ReceiptBoard: nothing pending"
    assert receipt_hash._digest(receipt) == digest, "ReceiptBoard: not the pending receipt"
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
        far as it is locked; proceeds go to the treasury. Anybody may call.
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
        empty(address),
    )
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
@reentrant
def sync(operator: address):
    """
    @notice Brings a member's right to sign into step with stake and ban. The vault calls it with
        every change, in the midst of its own calls; anybody may.
    @param operator Who; nothing happens for those outside the current set.
    """
    set: uint256 = self._set
    seat: uint256 = self._seats[convert(set >> SET_VERSION, uint64)][operator]
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
def last_posted_at(campaign: uint256) -> uint256:
    """
    @notice When the campaign's newest receipt was posted.
    @param campaign The campaign.
    @return Unix seconds; zero before the first.
    """
    return self._progress[campaign] >> POSTED_AT


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
    return convert(self._set >> SET_VERSION, uint64)


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
    seat: uint256 = self._seats[convert(set >> SET_VERSION, uint64)][operator]
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


# -------------------------------------------------------------------- admin

@external
def set_operators(operators: DynArray[address, MAX_OPERATORS], threshold: uint256):
    """
    @notice Replaces the operator set. A pending receipt keeps its signers. Owner only.
    @param operators Members by seat; each has joined and staked as operator.
    @param threshold Signatures that a receipt needs: more than half.
    """
    ownable._check_owner()
    size: uint256 = len(operators)
    assert threshold <= size, "ReceiptBoard: threshold above size"
    assert 2 * threshold > size, "ReceiptBoard: threshold not a majority"
    version: uint64 = convert(self._set >> SET_VERSION, uint64) + 1
    assert convert(version, uint256) <= MAX_VERSION, "ReceiptBoard: too many sets"
    seat: uint256 = 0
    for operator: address in operators:
        assert self._seats[version][operator] == 0, "ReceiptBoard: operator named twice"
        assert self._is_eligible(operator), "ReceiptBoard: operator not eligible"
        seat += 1
        self._seats[version][operator] = seat
    self._operators[version] = operators
    self._set = (
        (convert(version, uint256) << SET_VERSION)
        | (threshold << SET_THRESHOLD)
        | ((1 << size) - 1)
    )
    log IReceiptBoard.OperatorsSet(
        operator_set=version, operators=operators, threshold=threshold
    )


@external
def set_min_operator_stake(amount: uint256):
    """
    @notice Changes the stake that members need; it counts when a set is named and at each sync.
        Owner only.
    @param amount Base units.
    """
    ownable._check_owner()
    previous: uint256 = self._min_operator_stake
    self._min_operator_stake = amount
    log IReceiptBoard.MinOperatorStakeSet(previous=previous, current=amount)


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
def _check_quorum(
    digest: bytes32, signatures: DynArray[IReceiptBoard.Signature, MAX_OPERATORS]
) -> uint256:
    set: uint256 = self._set
    version: uint256 = set >> SET_VERSION
    signers: uint256 = 0
    last: uint256 = 0
    for signature: IReceiptBoard.Signature in signatures:
        signer: address = compact_signature._recover(digest, signature.r, signature.vs)
        seat: uint256 = self._seats[convert(version, uint64)][signer]
        assert seat != 0, "ReceiptBoard: signer not an operator"
        number: uint256 = convert(signer, uint256)
        assert number > last, "ReceiptBoard: signers not ascending"
        last = number
        signers |= 1 << (seat - 1)
    assert signers & set == signers, "ReceiptBoard: signer not active"
    # before the first set the threshold is zero, and so is the version
    assert version != 0, "ReceiptBoard: no operators"
    assert (
        len(signatures) >= (set >> SET_THRESHOLD) & LOW_32
    ), "ReceiptBoard: too few signatures"
    return (version << 32) | signers


@internal
@view
def _is_eligible(operator: address) -> bool:
    return (
        staticcall VAULT.staked(IStakeVault.Role.OPERATOR, operator) >= self._min_operator_stake
        and staticcall VAULT.encryption_key(IStakeVault.Role.OPERATOR, operator) != empty(bytes32)
        and staticcall VAULT.banned_until(operator) <= block.timestamp
    )
