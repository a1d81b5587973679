# pragma version ==0.4.3
# pragma optimize gas
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title CampaignEscrow: locks budgets and bonds, pays against receipts only
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice A requester locks a budget, a gateway's bond stands beside it; receipts that the board
    finalized say who earned what, and anybody may have it paid out to them. What is neither
    committed nor reserved goes back once the campaign is over; what was earned stays claimable for
    ever. Campaigns never touch one another's money.
"""

from ethereum.ercs import IERC20
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from .interfaces import ICampaignEscrow
from .interfaces import IReceiptBoard
from .interfaces import IStakeVault
from .interfaces import ITreasury
from .modules import compact_signature
from .modules import head_hash
from .modules import leaves
from .modules import words

# --------------------------------------------------------------- interfaces

implements: ICampaignEscrow

# ------------------------------------------------------------------ modules

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: head_hash

exports: (
    head_hash.eip712_domain_separator.eip712Domain,
    ownable_2step.accept_ownership,
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.renounce_ownership,
    ownable_2step.transfer_ownership,
)

# ---------------------------------------------------------------- constants

# 79 billion tokens of 18 decimals; so bounded, an amount fits beside an address.
MAX_AMOUNT: constant(uint256) = 2**96 - 1
MAX_BPS: constant(uint256) = 10_000
MAX_BATCH: constant(uint256) = 64
MAX_QUORUMS: constant(uint256) = 32
LOW_16: constant(uint256) = 2**16 - 1
LOW_38: constant(uint256) = 2**38 - 1
LOW_40: constant(uint256) = 2**40 - 1
LOW_64: constant(uint256) = 2**64 - 1
LOW_96: constant(uint256) = 2**96 - 1
LOW_160: constant(uint256) = 2**160 - 1

# The head word: refunded (1) | complete (1) | closed_block (38) | closed_at (40) | fee_bps (16) |
# requester (160).
HEAD_FEE: constant(uint256) = 160
HEAD_CLOSED_AT: constant(uint256) = 176
HEAD_CLOSED_BLOCK: constant(uint256) = 216
COMPLETE: constant(uint256) = 1 << 254
REFUNDED: constant(uint256) = 1 << 255

# The money word: forked (1) | free (23) | created_at (40) | bond (96) | budget (96). Two more words
# hold an amount (96) above an address (160).
MONEY_BOND: constant(uint256) = 96
MONEY_CREATED_AT: constant(uint256) = 192
FORKED: constant(uint256) = 1 << 255
# A fork costs the gateway one part in so many of its bond.
FORK_DIVISOR: constant(uint256) = 4
AMOUNT: constant(uint256) = 160
# The key of a claim: campaign (96) | account (160).
CLAIM_CAMPAIGN: constant(uint256) = 160

# --------------------------------------------------------------- immutables

VAULT: immutable(IStakeVault)
BOARD: immutable(IReceiptBoard)
# Gets a share of the fees, and what a fork forfeits; the vault's treasury too.
TREASURY: immutable(ITreasury)
# Of the fees, in hundredths of a percent.
TREASURY_BPS: immutable(uint256)
# Without a receipt for so long, anybody may close; after close, its payers may give it up.
ABANDON_SECONDS: immutable(uint256)
# Between giving up and refund; a receipt can still come.
NOTICE_SECONDS: immutable(uint256)
# How long committed stake stays locked.
LOCK_SECONDS: immutable(uint256)

# ------------------------------------------------------------------ storage

# the id that the next campaign gets; by create
_next_campaign: uint256
# campaign -> head word; by create, close, settle, refund
_heads: HashMap[uint256, uint256]
# campaign -> payable (96) | token (160): base units finalized and not yet claimed; all that a claim
# needs of its campaign; by create, settle, claims
_purses: HashMap[uint256, uint256]
# campaign -> epoch_cap (96), base units | gateway (160); by create, raise_epoch_cap
_gateways: HashMap[uint256, uint256]
# campaign -> money word, base units; by create, fund, raise_bond, prove_fork, refund
_moneys: HashMap[uint256, uint256]
# campaign -> SHA-256 of the manifest; by create
_manifests: HashMap[uint256, bytes32]
# campaign -> payout_total (128) | bond_charge (128), base units; by settle
_totals: HashMap[uint256, uint256]
# campaign -> fee_total (128) | reserved (128), base units; by reserve, release, settle
_reserves: HashMap[uint256, uint256]
# campaign -> Unix seconds of the abandonment's notice; by abandon
_notices: HashMap[uint256, uint256]
# campaign -> who gets the bond back; zero stands for the requester; by create
_bond_payers: HashMap[uint256, address]
# campaign -> epoch -> root of the payout tree; by settle
_payout_roots: HashMap[uint256, HashMap[uint64, bytes32]]
# campaign (96) | account (160) -> cumulative (128) | accepted (64) | submitted (64); by claims. One
# key for both, since a nested slot would be computed twice. Ids are counted: they stay below 2**96
_claims: HashMap[uint256, uint256]
# payer -> requester -> token -> base units; by pledge_bond, withdraw_pledge, create
_pledges: HashMap[address, HashMap[address, HashMap[address, uint256]]]
# token -> quorum -> base units that its members and the treasury earned together; by settle and
# credit_fees. Quorums that sign again share one slot, however many members they have
_fee_pools: HashMap[address, HashMap[uint256, uint256]]
# token -> quorum -> operator or treasury -> base units; by withdraw_fees, withdraw_treasury_fees
_fees_taken: HashMap[address, HashMap[uint256, HashMap[address, uint256]]]
# token -> whether campaigns may be created and funded in it; by the owner
_allowed: HashMap[address, bool]
# hundredths of a percent of payouts; by the owner
_min_fee_bps: uint256


@deploy
def __init__(
    vault: address,
    board: address,
    abandon_seconds: uint256,
    notice_seconds: uint256,
    lock_seconds: uint256,
    min_fee_bps: uint256,
    treasury_bps: uint256,
):
    """
    @notice Fixes wiring and durations; the deployer becomes owner.
    @param vault StakeVault, wired to this contract's address.
    @param board ReceiptBoard; its address is known before it is deployed.
    @param abandon_seconds Without a receipt for so long, a campaign may be closed by anybody.
    @param notice_seconds From abandon to refund.
    @param lock_seconds How long committed stake stays locked.
    @param min_fee_bps The least fee, in hundredths of a percent of payouts.
    @param treasury_bps The treasury's share of fees, in hundredths of a percent.
    """
    ownable.__init__()
    ownable_2step.__init__()
    head_hash.__init__()
    VAULT = IStakeVault(vault)
    BOARD = IReceiptBoard(board)
    TREASURY = ITreasury(staticcall IStakeVault(vault).treasury())
    TREASURY_BPS = treasury_bps
    ABANDON_SECONDS = abandon_seconds
    NOTICE_SECONDS = notice_seconds
    LOCK_SECONDS = lock_seconds
    assert abandon_seconds != 0, "CampaignEscrow: abandon is zero"
    assert notice_seconds != 0, "CampaignEscrow: notice is zero"
    assert lock_seconds != 0, "CampaignEscrow: lock is zero"
    assert min_fee_bps <= MAX_BPS, "CampaignEscrow: fee above 100 %"
    assert treasury_bps <= MAX_BPS, "CampaignEscrow: share above 100 %"
    assert staticcall VAULT.escrow() == self, "CampaignEscrow: vault is wired elsewhere"
    assert staticcall VAULT.board() == board, "CampaignEscrow: vault is wired elsewhere"
    assert staticcall VAULT.max_lock_seconds() >= lock_seconds, "CampaignEscrow: lock too long"
    # not zero, so that the first campaign costs no more than the others
    self._next_campaign = 1
    self._min_fee_bps = min_fee_bps
    log ICampaignEscrow.MinFeeSet(previous=0, current=min_fee_bps)


# ------------------------------------------------------- create and fund

@external
def create(
    token: address,
    budget: uint256,
    bond: uint256,
    epoch_cap: uint256,
    fee_bps: uint256,
    gateway: address,
    manifest: bytes32,
    bond_payer: address,
) -> uint256:
    """
    @notice Opens a campaign. The caller pays the budget, and the bond unless another has pledged
        it. Of what a token with a transfer fee lets arrive, the bond is filled first.
    @param token An allowed ERC-20.
    @param budget Base units for payouts and fees.
    @param bond Base units that vouch for the gateway; at least `epoch_cap`.
    @param epoch_cap The most base units that one receipt may add.
    @param fee_bps Operators' fee, in hundredths of a percent of payouts.
    @param gateway The key that signs the campaign's log.
    @param manifest SHA-256 of the manifest.
    @param bond_payer Who gets the bond back; zero stands for the caller. Another one must have
        pledged it to the caller.
    @return The campaign's id.
    """
    return self._create(
        token, budget, bond, epoch_cap, fee_bps, gateway, manifest, bond_payer
    )


@external
def create_with_permit(
    token: address,
    budget: uint256,
    bond: uint256,
    epoch_cap: uint256,
    fee_bps: uint256,
    gateway: address,
    manifest: bytes32,
    bond_payer: address,
    deadline: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
) -> uint256:
    """
    @notice As `create`, after an EIP-2612 permit for exactly what the caller pays. A permit that
        fails, since somebody used it first, is passed over: the allowance decides.
    @param token An allowed ERC-20.
    @param budget Base units for payouts and fees.
    @param bond Base units that vouch for the gateway; at least `epoch_cap`.
    @param epoch_cap The most base units that one receipt may add.
    @param fee_bps Operators' fee, in hundredths of a percent of payouts.
    @param gateway The key that signs the campaign's log.
    @param manifest SHA-256 of the manifest.
    @param bond_payer Who gets the bond back; zero stands for the caller.
    @param deadline Of the permit, Unix seconds.
    @param v Of the permit's signature.
    @param r Of the permit's signature.
    @param s Of the permit's signature.
    @return The campaign's id.
    """
    amount: uint256 = budget
    if not self._is_pledged(bond_payer):
        amount += bond
    self._permit(token, amount, deadline, v, r, s)
    return self._create(
        token, budget, bond, epoch_cap, fee_bps, gateway, manifest, bond_payer
    )


@external
def fund(campaign: uint256, amount: uint256):
    """
    @notice Adds to a campaign's budget; anybody may, the requester gets back what is left.
    @param campaign The campaign.
    @param amount Base units; what arrives counts.
    """
    self._fund(campaign, amount)


@external
def fund_with_permit(
    campaign: uint256, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32
):
    """
    @notice As `fund`, after an EIP-2612 permit; one that fails is passed over.
    @param campaign The campaign.
    @param amount Base units; what arrives counts.
    @param deadline Of the permit, Unix seconds.
    @param v Of the permit's signature.
    @param r Of the permit's signature.
    @param s Of the permit's signature.
    """
    self._permit(self._token(campaign), amount, deadline, v, r, s)
    self._fund(campaign, amount)


@external
def pledge_bond(requester: address, token: address, amount: uint256):
    """
    @notice Sets money aside as the bond of a campaign that `requester` will create.
    @param requester Who may use it.
    @param token The campaign's token.
    @param amount Base units; what arrives counts.
    """
    arrived: uint256 = self._pull(token, amount)
    self._pledges[msg.sender][requester][token] += arrived
    log ICampaignEscrow.Pledged(
        payer=msg.sender, requester=requester, token=token, amount=arrived
    )


@external
def withdraw_pledge(requester: address, token: address, amount: uint256):
    """
    @notice Takes back a pledge that no campaign has used.
    @param requester Whom it was pledged to.
    @param token The token.
    @param amount Base units.
    """
    self._unpledge(msg.sender, requester, token, amount)
    self._push(token, msg.sender, amount)
    log ICampaignEscrow.PledgeWithdrawn(
        payer=msg.sender, requester=requester, token=token, amount=amount
    )


@external
def raise_bond(campaign: uint256, amount: uint256):
    """
    @notice Adds to the gateway's bond; anybody may, the bond's payer gets back what is left.
    @param campaign The campaign.
    @param amount Base units; what arrives counts.
    """
    self._check_running(campaign)
    arrived: uint256 = self._pull(self._token(campaign), amount)
    money: uint256 = self._moneys[campaign]
    bond: uint256 = self._bond(money) + arrived
    self._check_amount(bond)
    self._moneys[campaign] = money + (arrived << MONEY_BOND)
    log ICampaignEscrow.BondRaised(
        campaign=campaign, payer=msg.sender, amount=arrived, bond=bond
    )


@external
def raise_epoch_cap(campaign: uint256, epoch_cap: uint256):
    """
    @notice Raises what one receipt may add, up to the bond. Requester only, and not after close:
        whether a final receipt was bound by the cap must stay decidable.
    @param campaign The campaign.
    @param epoch_cap Base units.
    """
    head: uint256 = self._check_open(campaign)
    assert msg.sender == self._requester(head), "CampaignEscrow: not the requester"
    gateway: uint256 = self._gateways[campaign]
    previous: uint256 = gateway >> AMOUNT
    assert epoch_cap > previous, "CampaignEscrow: cap not raised"
    assert (
        epoch_cap <= self._bond(self._moneys[campaign])
    ), "CampaignEscrow: bond below cap"
    self._gateways[campaign] = (epoch_cap << AMOUNT) | (gateway & LOW_160)
    log ICampaignEscrow.EpochCapRaised(campaign=campaign, previous=previous, current=epoch_cap)


# ------------------------------------------------------------- contributors

@external
def delegate(
    campaign: uint256,
    session_key: address,
    generation: uint64,
    valid_until: uint64,
    consent: bytes32,
):
    """
    @notice Lets a session key label for a contract wallet; other wallets sign a Delegation.
    @param campaign The campaign.
    @param session_key The key that signs submissions.
    @param generation A higher one ends all keys of lower ones.
    @param valid_until Unix seconds.
    @param consent Digest of the terms agreed to.
    """
    self._check_running(campaign)
    log ICampaignEscrow.Delegated(
        campaign=campaign,
        contributor=msg.sender,
        session_key=session_key,
        generation=generation,
        valid_until=valid_until,
        consent=consent,
    )


@external
def commit_stake(campaign: uint256, amount: uint256):
    """
    @notice Locks part of the caller's contributor stake for a campaign, where its rules may slash
        it; committing again adds to the lock and renews its expiry.
    @param campaign The campaign.
    @param amount Base units of the stake token.
    """
    self._check_open(campaign)
    expires_at: uint256 = block.timestamp + LOCK_SECONDS
    extcall VAULT.lock(
        IStakeVault.Role.CONTRIBUTOR,
        msg.sender,
        convert(campaign, bytes32),
        amount,
        expires_at,
    )
    log ICampaignEscrow.StakeCommitted(
        campaign=campaign, contributor=msg.sender, amount=amount, expires_at=expires_at
    )


@external
def claim(
    campaign: uint256,
    epoch: uint64,
    account: address,
    cumulative: uint256,
    accepted: uint64,
    submitted: uint64,
    proof: DynArray[bytes32, leaves.MAX_PROOF],
):
    """
    @notice Pays an account what a finalized receipt says, less what it has drawn; anybody may
        call. A leaf that brings nothing new changes nothing.
    @param campaign The campaign.
    @param epoch Epoch of any finalized receipt.
    @param account Who is paid.
    @param cumulative The leaf's base units.
    @param accepted The leaf's accepted labels.
    @param submitted The leaf's submitted labels.
    @param proof Proof of the leaf.
    """
    # An epoch without receipt has the root zero, to which no proof leads. The loop is that of
    # leaves._verify, written out: the call costs 320 gas, since it copies the proof.
    node: bytes32 = leaves._payout_leaf(account, cumulative, accepted, submitted)
    for sibling: bytes32 in proof:
        if convert(node, uint256) < convert(sibling, uint256):
            node = keccak256(abi_encode(node, sibling))
        else:
            node = keccak256(abi_encode(sibling, node))
    assert node == self._payout_roots[campaign][epoch], "CampaignEscrow: invalid proof"
    owed: uint256 = self._record(campaign, epoch, account, cumulative, accepted, submitted)
    self._push(self._draw(campaign, owed), account, owed)


@external
def claim_many(claims: DynArray[ICampaignEscrow.Claim, 16]):
    """
    @notice Claims from several campaigns at once.
    @param claims Up to 16 leaves with place and proof.
    """
    for c: ICampaignEscrow.Claim in claims:
        hash: bytes32 = leaves._payout_leaf(c.account, c.cumulative, c.accepted, c.submitted)
        assert leaves._verify(
            self._payout_roots[c.campaign][c.epoch], hash, c.proof
        ), "CampaignEscrow: invalid proof"
        owed: uint256 = self._record(
            c.campaign, c.epoch, c.account, c.cumulative, c.accepted, c.submitted
        )
        self._push(self._draw(c.campaign, owed), c.account, owed)


@external
def claim_batch(
    campaign: uint256,
    epoch: uint64,
    batch: DynArray[ICampaignEscrow.Leaf, MAX_BATCH],
    proofs: DynArray[DynArray[bytes32, leaves.MAX_PROOF], MAX_BATCH],
):
    """
    @notice Claims for many accounts of one campaign at once.
    @param campaign The campaign.
    @param epoch Epoch of any finalized receipt.
    @param batch Up to 64 leaves.
    @param proofs One proof per leaf.
    """
    assert len(batch) == len(proofs), "CampaignEscrow: leaves and proofs differ"
    root: bytes32 = self._payout_roots[campaign][epoch]
    owed: DynArray[uint256, MAX_BATCH] = []
    sum: uint256 = 0
    i: uint256 = 0
    for leaf: ICampaignEscrow.Leaf in batch:
        hash: bytes32 = leaves._payout_leaf(
            leaf.account, leaf.cumulative, leaf.accepted, leaf.submitted
        )
        assert leaves._verify(root, hash, proofs[i]), "CampaignEscrow: invalid proof"
        amount: uint256 = self._record(
            campaign, epoch, leaf.account, leaf.cumulative, leaf.accepted, leaf.submitted
        )
        owed.append(amount)
        sum += amount
        i += 1
    token: address = self._draw(campaign, sum)
    i = 0
    for leaf: ICampaignEscrow.Leaf in batch:
        self._push(token, leaf.account, owed[i])
        i += 1


# ---------------------------------------------------------------- operators

@external
def withdraw_fees(token: address, quorums: DynArray[uint256, MAX_QUORUMS]) -> uint256:
    """
    @notice Pays the caller its equal share of the fees of quorums that it was part of.
    @param token The token.
    @param quorums Version of the operator set << 32 | bitmap of the signers' seats, as in Settled.
    @return The base units paid.
    """
    due: uint256 = self._take_fees(msg.sender, token, quorums)
    self._push(token, msg.sender, due)
    return due


@external
def withdraw_treasury_fees(token: address, quorums: DynArray[uint256, MAX_QUORUMS]) -> uint256:
    """
    @notice Pays the treasury its share of the fees of quorums, and what a refund holds for it;
        anybody may call.
    @param token The token.
    @param quorums As in Settled.
    @return The base units paid.
    """
    due: uint256 = self._take_fees(TREASURY.address, token, quorums)
    held: uint256 = self._pledges[TREASURY.address][TREASURY.address][token]
    if held != 0:
        self._pledges[TREASURY.address][TREASURY.address][token] = 0
        log ICampaignEscrow.PledgeWithdrawn(
            payer=TREASURY.address, requester=TREASURY.address, token=token, amount=held
        )
        due += held
    self._forfeit(token, due)
    return due


# --------------------------------------------------------------- the end

@external
def prove_fork(
    campaign: uint256,
    position: uint64,
    first: ICampaignEscrow.SignedHead,
    second: ICampaignEscrow.SignedHead,
):
    """
    @notice Shows two heads that the gateway signed for one position of its log. The campaign
        closes, and at refund a part of the bond stays behind. Anybody may call, once per campaign.
    @param campaign The campaign, not yet refunded.
    @param position The entry's place in the log.
    @param first What the gateway signed for it.
    @param second What else it signed for it.
    """
    head: uint256 = self._check_running(campaign)
    money: uint256 = self._moneys[campaign]
    assert money & FORKED == 0, "CampaignEscrow: fork is proven"
    assert first.head != second.head, "CampaignEscrow: heads don't differ"
    self._check_head(campaign, position, first)
    self._check_head(campaign, position, second)
    self._moneys[campaign] = money | FORKED
    log ICampaignEscrow.ForkProven(
        campaign=campaign, caller=msg.sender, position=position, first=first, second=second
    )
    if self._closed_at(head) == 0:
        self._close(campaign, head)


@external
def close(campaign: uint256):
    """
    @notice Ends a campaign: no new leases, final receipts from now on. By the requester at any
        time, by anybody when no receipt came for `abandon_seconds`.
    @param campaign The campaign.
    """
    head: uint256 = self._check_open(campaign)
    if msg.sender != self._requester(head):
        last: uint256 = max(
            self._created_at(self._moneys[campaign]), staticcall BOARD.last_activity(campaign)
        )
        assert block.timestamp >= last + ABANDON_SECONDS, "CampaignEscrow: not the requester"
    self._close(campaign, head)


@external
def abandon(campaign: uint256):
    """
    @notice Announces that the payers will leave a closed campaign to which no complete final
        receipt came for `abandon_seconds`. A receipt posted or voided within the notice, or a
        pause, ends it. By the requester or the bond's payer.
    @param campaign The campaign.
    """
    head: uint256 = self._check_running(campaign)
    self._check_payer(campaign, head)
    closed_at: uint256 = self._check_closed(head)
    assert head & COMPLETE == 0, "CampaignEscrow: campaign is complete"
    self._check_not_pending(campaign)
    last: uint256 = max(closed_at, staticcall BOARD.last_activity(campaign))
    assert block.timestamp >= last + ABANDON_SECONDS, "CampaignEscrow: too early to abandon"
    self._notices[campaign] = block.timestamp
    log ICampaignEscrow.AbandonAnnounced(
        campaign=campaign, caller=msg.sender, refundable_at=block.timestamp + NOTICE_SECONDS
    )


@external
def refund(campaign: uint256):
    """
    @notice Pays back what is not committed, budget and bond each to its payer: after a complete
        final receipt (anybody may call), or after an abandonment's notice (one of the payers). Of
        a gateway's bond that forked, a part goes to the treasury. What the token doesn't let a
        payer receive is held for them as a pledge to themselves: see `withdraw_pledge`.
    @param campaign The campaign.
    """
    head: uint256 = self._check_running(campaign)
    self._check_closed(head)
    self._check_not_pending(campaign)
    if head & COMPLETE == 0:
        self._check_payer(campaign, head)
        notice_at: uint256 = self._notices[campaign]
        assert notice_at != 0, "CampaignEscrow: no complete final receipt"
        assert (
            staticcall BOARD.last_activity(campaign) < notice_at
        ), "CampaignEscrow: a receipt came"
        assert block.timestamp >= notice_at + NOTICE_SECONDS, "CampaignEscrow: notice is running"

    payout_total: uint256 = 0
    charge: uint256 = 0
    payout_total, charge = words._halves(self._totals[campaign])
    committed: uint256 = payout_total + (self._reserves[campaign] >> 128) - charge
    money: uint256 = self._moneys[campaign]
    budget: uint256 = money & LOW_96
    bond: uint256 = self._bond(money)
    self._heads[campaign] = head | REFUNDED
    self._moneys[campaign] = (
        ((money >> MONEY_CREATED_AT) << MONEY_CREATED_AT) | (charge << MONEY_BOND) | committed
    )

    requester: address = self._requester(head)
    bond_payer: address = self._bond_payer(campaign, head)
    token: address = self._token(campaign)
    forfeited: uint256 = 0
    if money & FORKED != 0:
        forfeited = min(bond // FORK_DIVISOR, bond - charge)
    held: bool = self._push_or_hold(campaign, token, requester, budget - committed)
    held = self._push_or_hold(campaign, token, bond_payer, bond - charge - forfeited)
    if self._push_or_hold(campaign, token, TREASURY.address, forfeited):
        extcall TREASURY.credit(campaign, token, forfeited)
    log ICampaignEscrow.Refunded(
        campaign=campaign,
        requester=requester,
        bond_payer=bond_payer,
        budget=budget - committed,
        bond=bond - charge - forfeited,
        forfeited=forfeited,
    )


# -------------------------------------------------------------- board only

@external
def reserve(receipt: IReceiptBoard.Receipt):
    """
    @notice Checks a posted receipt's money and reserves what it adds. Board only.
    @param receipt The receipt.
    """
    self._check_board()
    campaign: uint256 = receipt.campaign
    head: uint256 = self._check_running(campaign)
    if receipt.final:
        self._check_closed(head)
        assert (
            convert(receipt.asOf, uint256) >= self._closed_block(head)
        ), "CampaignEscrow: anchor before close"

    payout_total: uint256 = convert(receipt.payoutTotal, uint256)
    fee_total: uint256 = convert(receipt.feeTotal, uint256)
    charge: uint256 = convert(receipt.bondCharge, uint256)
    assert (
        receipt.payoutRoot != empty(bytes32) or payout_total == 0
    ), "CampaignEscrow: payouts without root"
    assert (
        fee_total * MAX_BPS <= payout_total * self._fee_bps(head)
    ), "CampaignEscrow: fee too high"
    assert charge <= payout_total, "CampaignEscrow: charge exceeds payouts"
    self._check_amount(payout_total)

    last_payout: uint256 = 0
    last_charge: uint256 = 0
    last_payout, last_charge = words._halves(self._totals[campaign])
    last_fee: uint256 = self._reserves[campaign] >> 128
    money: uint256 = self._moneys[campaign]
    assert payout_total >= last_payout, "CampaignEscrow: payouts fell"
    assert fee_total >= last_fee, "CampaignEscrow: fees fell"
    assert charge >= last_charge, "CampaignEscrow: charge fell"
    assert charge <= self._bond(money), "CampaignEscrow: bond exceeded"
    epoch_cap: uint256 = self._gateways[campaign] >> AMOUNT
    added: uint256 = payout_total + fee_total - last_payout - last_fee
    assert added <= epoch_cap + charge - last_charge, "CampaignEscrow: cap exceeded"
    assert payout_total + fee_total - charge <= money & LOW_96, "CampaignEscrow: budget exceeded"
    self._reserves[campaign] = words._pair(last_fee, added)
    log ICampaignEscrow.Reserved(campaign=campaign, epoch=receipt.epoch, amount=added)


@external
def release(campaign: uint256):
    """
    @notice Frees what a receipt reserved that was voided. Board only.
    @param campaign The campaign.
    """
    self._check_board()
    fee_total: uint256 = 0
    reserved: uint256 = 0
    fee_total, reserved = words._halves(self._reserves[campaign])
    self._reserves[campaign] = words._pair(fee_total, 0)
    log ICampaignEscrow.Released(campaign=campaign, amount=reserved)


@external
def credit_fees(token: address, quorum: uint256, amount: uint256):
    """
    @notice Adds what the board has just paid in to a quorum's fees: the signers' part of a
        forfeited bond. Board only.
    @param token The stake token, which keeps no transfer fee.
    @param quorum As in Settled.
    @param amount Base units.
    """
    self._check_board()
    self._fee_pools[token][quorum] += amount
    log ICampaignEscrow.FeesCredited(token=token, quorum=quorum, amount=amount)


@external
def settle(receipt: IReceiptBoard.Receipt, quorum: uint256):
    """
    @notice Makes a finalized receipt's payouts claimable and credits its signers. Board only.
    @param receipt The receipt, checked by `reserve`.
    @param quorum Version of the operator set << 32 | bitmap of the signers' seats.
    """
    self._check_board()
    campaign: uint256 = receipt.campaign
    payout_total: uint256 = convert(receipt.payoutTotal, uint256)
    fee_total: uint256 = convert(receipt.feeTotal, uint256)
    charge: uint256 = convert(receipt.bondCharge, uint256)
    last_payout: uint256 = 0
    last_charge: uint256 = 0
    last_payout, last_charge = words._halves(self._totals[campaign])
    last_fee: uint256 = self._reserves[campaign] >> 128

    # a final receipt that the cap bound may leave something owed: another must follow
    head: uint256 = self._heads[campaign]
    complete: bool = False
    if receipt.final:
        room: uint256 = (self._gateways[campaign] >> AMOUNT) + charge - last_charge
        one_more: uint256 = payout_total + 1 + (payout_total + 1) * self._fee_bps(head) // MAX_BPS
        complete = one_more <= room + last_payout + last_fee
    if complete != (head & COMPLETE != 0):
        self._heads[campaign] = head ^ COMPLETE

    self._payout_roots[campaign][receipt.epoch] = receipt.payoutRoot
    self._totals[campaign] = words._pair(payout_total, charge)
    self._reserves[campaign] = words._pair(fee_total, 0)
    purse: uint256 = self._purses[campaign]
    self._purses[campaign] = purse + ((payout_total - last_payout) << AMOUNT)
    if fee_total != last_fee:
        token: address = convert(purse & LOW_160, address)
        self._fee_pools[token][quorum] += fee_total - last_fee
    log ICampaignEscrow.Settled(
        campaign=campaign,
        epoch=receipt.epoch,
        payout_root=receipt.payoutRoot,
        payout_total=payout_total,
        fee_total=fee_total,
        bond_charge=charge,
        fee=fee_total - last_fee,
        quorum=quorum,
        complete=complete,
    )


# -------------------------------------------------------------------- views

@external
@view
@reentrant
def campaign(id: uint256) -> ICampaignEscrow.Campaign:
    """
    @notice All that is kept of a campaign.
    @param id The campaign.
    @return Amounts in base units, times in Unix seconds; all zero for an unknown id.
    """
    head: uint256 = self._heads[id]
    purse: uint256 = self._purses[id]
    gateway: uint256 = self._gateways[id]
    money: uint256 = self._moneys[id]
    payout_total: uint256 = 0
    charge: uint256 = 0
    payout_total, charge = words._halves(self._totals[id])
    fee_total: uint256 = 0
    reserved: uint256 = 0
    fee_total, reserved = words._halves(self._reserves[id])
    return ICampaignEscrow.Campaign(
        requester=self._requester(head),
        token=convert(purse & LOW_160, address),
        gateway=convert(gateway & LOW_160, address),
        bond_payer=self._bond_payer(id, head),
        manifest=self._manifests[id],
        fee_bps=self._fee_bps(head),
        budget=money & LOW_96,
        epoch_cap=gateway >> AMOUNT,
        bond=self._bond(money),
        bond_charge=charge,
        payout_total=payout_total,
        fee_total=fee_total,
        reserved=reserved,
        claimed=payout_total - (purse >> AMOUNT),
        created_at=self._created_at(money),
        closed_at=self._closed_at(head),
        closed_block=self._closed_block(head),
        notice_at=self._notices[id],
        complete=head & COMPLETE != 0,
        forked=money & FORKED != 0,
        refunded=head & REFUNDED != 0,
    )


@external
@view
@reentrant
def campaign_count() -> uint256:
    """
    @notice How many campaigns exist; their ids count from 1.
    @return The newest campaign's id.
    """
    return self._next_campaign - 1


@external
@view
@reentrant
def claimed(campaign: uint256, account: address) -> ICampaignEscrow.Claimed:
    """
    @notice What an account has drawn from a campaign.
    @param campaign The campaign.
    @param account Who.
    @return Cumulative base units, accepted and submitted labels.
    """
    word: uint256 = self._claims[(campaign << CLAIM_CAMPAIGN) | convert(account, uint256)]
    return ICampaignEscrow.Claimed(
        cumulative=word >> 128,
        accepted=convert((word >> 64) & LOW_64, uint64),
        submitted=convert(word & LOW_64, uint64),
    )


@external
@view
@reentrant
def payout_root(campaign: uint256, epoch: uint64) -> bytes32:
    """
    @notice Root of a finalized payout tree.
    @param campaign The campaign.
    @param epoch Epoch of the receipt.
    @return The root; zero where no receipt was finalized, or nobody earned.
    """
    return self._payout_roots[campaign][epoch]


@external
@view
@reentrant
def pledge(payer: address, requester: address, token: address) -> uint256:
    """
    @notice What is pledged as bond and not used.
    @param payer Who pledged.
    @param requester To whom.
    @param token The token.
    @return Base units.
    """
    return self._pledges[payer][requester][token]


@external
@view
@reentrant
def fees_of(
    operator: address, token: address, quorums: DynArray[uint256, MAX_QUORUMS]
) -> uint256:
    """
    @notice What `withdraw_fees` would pay; name each quorum once.
    @param operator Who: one of the signers, or the treasury.
    @param token The token.
    @param quorums As in Settled.
    @return Base units.
    """
    due: uint256 = 0
    for quorum: uint256 in quorums:
        due += (
            self._share(operator, token, quorum) - self._fees_taken[token][quorum][operator]
        )
    return due


@external
@view
@reentrant
def fee_pool(token: address, quorum: uint256) -> uint256:
    """
    @notice What a quorum's members and the treasury have earned together.
    @param token The token.
    @param quorum As in Settled.
    @return Base units, withdrawn ones included.
    """
    return self._fee_pools[token][quorum]


@external
@view
@reentrant
def is_allowed(token: address) -> bool:
    """
    @notice Whether campaigns may be created and funded in a token.
    @param token The token.
    @return True while the owner allows it.
    """
    return self._allowed[token]


@external
@view
@reentrant
def min_fee_bps() -> uint256:
    """
    @notice The least fee of new campaigns.
    @return Hundredths of a percent of payouts.
    """
    return self._min_fee_bps


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
def board() -> address:
    """
    @notice ReceiptBoard.
    @return Its address.
    """
    return BOARD.address


@external
@view
@reentrant
def treasury() -> address:
    """
    @notice Treasury.
    @return Its address.
    """
    return TREASURY.address


@external
@view
@reentrant
def treasury_bps() -> uint256:
    """
    @notice The treasury's share of fees.
    @return Hundredths of a percent.
    """
    return TREASURY_BPS


@external
@view
@reentrant
def abandon_seconds() -> uint256:
    """
    @notice Without a receipt for so long, a campaign may be closed by anybody.
    @return Seconds.
    """
    return ABANDON_SECONDS


@external
@view
@reentrant
def notice_seconds() -> uint256:
    """
    @notice From abandon to refund.
    @return Seconds.
    """
    return NOTICE_SECONDS


@external
@view
@reentrant
def lock_seconds() -> uint256:
    """
    @notice How long committed stake stays locked.
    @return Seconds.
    """
    return LOCK_SECONDS


# -------------------------------------------------------------------- admin

@external
def set_token(token: address, allowed: bool):
    """
    @notice Allows a token, or stops creating and funding in it. Owner only.
    @param token An ERC-20.
    @param allowed Whether campaigns may be created and funded in it.
    """
    ownable._check_owner()
    assert token != empty(address), "CampaignEscrow: token is zero"
    self._allowed[token] = allowed
    log ICampaignEscrow.TokenSet(token=token, allowed=allowed)


@external
def set_min_fee(fee_bps: uint256):
    """
    @notice Changes the least fee of new campaigns. Owner only.
    @param fee_bps Hundredths of a percent of payouts.
    """
    ownable._check_owner()
    assert fee_bps <= MAX_BPS, "CampaignEscrow: fee above 100 %"
    previous: uint256 = self._min_fee_bps
    self._min_fee_bps = fee_bps
    log ICampaignEscrow.MinFeeSet(previous=previous, current=fee_bps)


# ------------------------------------------------- internals: money in and out

@internal
def _create(
    token: address,
    budget: uint256,
    bond: uint256,
    epoch_cap: uint256,
    fee_bps: uint256,
    gateway: address,
    manifest: bytes32,
    bond_payer: address,
) -> uint256:
    self._check_allowed(token)
    assert block.timestamp >= staticcall BOARD.paused_until(), "CampaignEscrow: paused"
    assert budget != 0, "CampaignEscrow: budget is zero"
    assert epoch_cap != 0, "CampaignEscrow: cap is zero"
    assert bond >= epoch_cap, "CampaignEscrow: bond below cap"
    assert fee_bps >= self._min_fee_bps, "CampaignEscrow: fee below minimum"
    assert fee_bps <= MAX_BPS, "CampaignEscrow: fee above 100 %"
    assert gateway != empty(address), "CampaignEscrow: gateway is zero"
    assert manifest != empty(bytes32), "CampaignEscrow: manifest is zero"

    campaign: uint256 = self._next_campaign
    self._next_campaign = campaign + 1
    payer: address = msg.sender
    arrived: uint256 = 0
    if self._is_pledged(bond_payer):
        payer = bond_payer
        self._unpledge(bond_payer, msg.sender, token, bond)
        self._bond_payers[campaign] = bond_payer
        arrived = self._pull(token, budget)
    else:
        arrived = self._pull(token, budget + bond)
        assert arrived > bond, "CampaignEscrow: bond did not arrive"
        arrived -= bond
    self._check_amount(max(arrived, bond))

    self._heads[campaign] = (fee_bps << HEAD_FEE) | convert(msg.sender, uint256)
    self._purses[campaign] = convert(token, uint256)
    self._gateways[campaign] = (epoch_cap << AMOUNT) | convert(gateway, uint256)
    self._moneys[campaign] = (
        (block.timestamp << MONEY_CREATED_AT) | (bond << MONEY_BOND) | arrived
    )
    self._manifests[campaign] = manifest
    log ICampaignEscrow.CampaignCreated(
        campaign=campaign,
        requester=msg.sender,
        token=token,
        budget=arrived,
        bond=bond,
        epoch_cap=epoch_cap,
        fee_bps=fee_bps,
        gateway=gateway,
        manifest=manifest,
        bond_payer=payer,
    )
    return campaign


@internal
def _fund(campaign: uint256, amount: uint256):
    self._check_running(campaign)
    token: address = self._token(campaign)
    self._check_allowed(token)
    arrived: uint256 = self._pull(token, amount)
    money: uint256 = self._moneys[campaign]
    budget: uint256 = (money & LOW_96) + arrived
    self._check_amount(budget)
    self._moneys[campaign] = money + arrived
    log ICampaignEscrow.Funded(
        campaign=campaign, payer=msg.sender, amount=arrived, budget=budget
    )


@internal
def _permit(token: address, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32):
    self._check_allowed(token)
    # anybody can take the permit from the mempool and use it first; then the allowance stands
    success: bool = raw_call(
        token,
        abi_encode(
            msg.sender,
            self,
            amount,
            deadline,
            v,
            r,
            s,
            method_id=method_id(
                "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)"
            ),
        ),
        revert_on_failure=False,
    )


@internal
def _pull(token: address, amount: uint256) -> uint256:
    # what arrived counts, not what was announced: some tokens keep a fee
    before: uint256 = staticcall IERC20(token).balanceOf(self)
    assert extcall IERC20(token).transferFrom(
        msg.sender, self, amount, default_return_value=True
    ), "CampaignEscrow: transfer failed"
    arrived: uint256 = staticcall IERC20(token).balanceOf(self) - before
    assert arrived != 0, "CampaignEscrow: nothing arrived"
    return arrived


@internal
def _push(token: address, to: address, amount: uint256):
    if amount == 0:
        return
    assert extcall IERC20(token).transfer(
        to, amount, default_return_value=True
    ), "CampaignEscrow: transfer failed"


@internal
def _push_or_hold(campaign: uint256, token: address, to: address, amount: uint256) -> bool:
    # a payee whom the token refuses (a blacklist) must not keep the others from what is theirs
    if amount == 0:
        return False
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        token,
        abi_encode(to, amount, method_id=method_id("transfer(address,uint256)")),
        max_outsize=32,
        revert_on_failure=False,
    )
    if success:
        # only a call that failed has surely moved nothing
        assert (
            len(answer) == 0 or convert(answer, uint256) == 1
        ), "CampaignEscrow: transfer failed"
        return True
    self._pledges[to][to][token] += amount
    log ICampaignEscrow.RefundHeld(campaign=campaign, payee=to, token=token, amount=amount)
    return False


@internal
def _unpledge(payer: address, requester: address, token: address, amount: uint256):
    pledged: uint256 = self._pledges[payer][requester][token]
    assert amount <= pledged, "CampaignEscrow: pledge too small"
    self._pledges[payer][requester][token] = pledged - amount


@internal
def _forfeit(token: address, amount: uint256):
    if amount == 0:
        return
    self._push(token, TREASURY.address, amount)
    extcall TREASURY.credit(0, token, amount)


# ---------------------------------------------------- internals: claims, fees

@internal
def _record(
    campaign: uint256,
    epoch: uint64,
    account: address,
    cumulative: uint256,
    accepted: uint64,
    submitted: uint64,
) -> uint256:
    # one word per campaign and account, each part the maximum seen
    assert cumulative < 2**128, "CampaignEscrow: cumulative too large"
    key: uint256 = (campaign << CLAIM_CAMPAIGN) | convert(account, uint256)
    last: uint256 = self._claims[key]
    drawn: uint256 = last >> 128
    word: uint256 = (
        (max(cumulative, drawn) << 128)
        | (max(convert(accepted, uint256), (last >> 64) & LOW_64) << 64)
        | max(convert(submitted, uint256), last & LOW_64)
    )
    if word == last:
        return 0
    self._claims[key] = word
    # the word holds the maximum of drawn and cumulative, so nothing can underflow
    owed: uint256 = unsafe_sub(word >> 128, drawn)
    log ICampaignEscrow.Paid(
        campaign=campaign,
        account=account,
        epoch=epoch,
        amount=owed,
        accepted=accepted,
        submitted=submitted,
    )
    return owed


@internal
def _draw(campaign: uint256, amount: uint256) -> address:
    # even a tree that says more than its receipt pays no more than its receipt
    purse: uint256 = self._purses[campaign]
    if amount != 0:
        assert amount <= purse >> AMOUNT, "CampaignEscrow: claims exceed payouts"
        self._purses[campaign] = unsafe_sub(purse, amount << AMOUNT)
    return convert(purse & LOW_160, address)


@internal
def _take_fees(
    account: address, token: address, quorums: DynArray[uint256, MAX_QUORUMS]
) -> uint256:
    due: uint256 = 0
    for quorum: uint256 in quorums:
        share: uint256 = self._share(account, token, quorum)
        taken: uint256 = self._fees_taken[token][quorum][account]
        if share == taken:
            continue
        self._fees_taken[token][quorum][account] = share
        due += share - taken
        log ICampaignEscrow.FeesWithdrawn(
            operator=account, token=token, quorum=quorum, amount=share - taken
        )
    return due


@internal
@view
def _share(account: address, token: address, quorum: uint256) -> uint256:
    pool: uint256 = self._fee_pools[token][quorum]
    of_treasury: uint256 = pool * TREASURY_BPS // MAX_BPS
    if account == TREASURY.address:
        return of_treasury
    seat: uint256 = staticcall BOARD.seat_of(convert(quorum >> 32, uint64), account)
    assert seat != 0 and quorum & (1 << (seat - 1)) != 0, "CampaignEscrow: not a signer"
    members: uint256 = 0
    for i: uint256 in range(32):
        members += (quorum >> i) & 1
    # the remainder, less than one base unit per member, stays in the pool for the next fee
    return (pool - of_treasury) // members


# ---------------------------------------------------- internals: the end

@internal
def _close(campaign: uint256, head: uint256):
    self._heads[campaign] = (
        head | (block.number << HEAD_CLOSED_BLOCK) | (block.timestamp << HEAD_CLOSED_AT)
    )
    log ICampaignEscrow.CampaignClosed(campaign=campaign, caller=msg.sender)


@internal
@view
def _check_head(campaign: uint256, position: uint64, signed: ICampaignEscrow.SignedHead):
    digest: bytes32 = head_hash._digest(campaign, position, signed.entry, signed.head)
    signer: address = compact_signature._recover(digest, signed.r, signed.vs)
    assert (
        signer == convert(self._gateways[campaign] & LOW_160, address)
    ), "CampaignEscrow: not the gateway's"


# ------------------------------------------------------ internals: the words

@internal
@view
def _check_running(campaign: uint256) -> uint256:
    head: uint256 = self._heads[campaign]
    assert head != 0, "CampaignEscrow: no such campaign"
    assert head & REFUNDED == 0, "CampaignEscrow: campaign is refunded"
    return head


@internal
@view
def _check_open(campaign: uint256) -> uint256:
    head: uint256 = self._check_running(campaign)
    assert self._closed_at(head) == 0, "CampaignEscrow: campaign is closed"
    return head


@internal
@pure
def _check_closed(head: uint256) -> uint256:
    closed_at: uint256 = self._closed_at(head)
    assert closed_at != 0, "CampaignEscrow: campaign is open"
    return closed_at


@internal
@view
def _check_not_pending(campaign: uint256):
    assert not staticcall BOARD.is_pending(campaign), "CampaignEscrow: receipt pending"


@internal
@pure
def _check_amount(amount: uint256):
    assert amount <= MAX_AMOUNT, "CampaignEscrow: amount too large"


@internal
@view
def _check_allowed(token: address):
    assert self._allowed[token], "CampaignEscrow: token not allowed"


@internal
@view
def _check_board():
    assert msg.sender == BOARD.address, "CampaignEscrow: not the board"


@internal
@view
def _check_payer(campaign: uint256, head: uint256):
    assert (
        msg.sender == self._requester(head) or msg.sender == self._bond_payer(campaign, head)
    ), "CampaignEscrow: not a payer"


@internal
@view
def _is_pledged(bond_payer: address) -> bool:
    return bond_payer != empty(address) and bond_payer != msg.sender


@internal
@view
def _token(campaign: uint256) -> address:
    return convert(self._purses[campaign] & LOW_160, address)


@internal
@view
def _bond_payer(campaign: uint256, head: uint256) -> address:
    bond_payer: address = self._bond_payers[campaign]
    if bond_payer == empty(address):
        return self._requester(head)
    return bond_payer


@internal
@pure
def _requester(head: uint256) -> address:
    return convert(head & LOW_160, address)


@internal
@pure
def _fee_bps(head: uint256) -> uint256:
    return (head >> HEAD_FEE) & LOW_16


@internal
@pure
def _closed_at(head: uint256) -> uint256:
    return (head >> HEAD_CLOSED_AT) & LOW_40


@internal
@pure
def _closed_block(head: uint256) -> uint256:
    return (head >> HEAD_CLOSED_BLOCK) & LOW_38


@internal
@pure
def _created_at(money: uint256) -> uint256:
    return (money >> MONEY_CREATED_AT) & LOW_40


@internal
@pure
def _bond(money: uint256) -> uint256:
    return (money >> MONEY_BOND) & LOW_96
