# pragma version ==0.4.3
# pragma optimize gas
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title Treasury: holds slashes and forfeits, and compensates those harmed first
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice What vault, escrow and board credit for a campaign is a pot for its contributors: each gets
    the share that a payout tree, finalized after the credit, gives them of all payouts. What
    nobody takes in time goes to the general balance, which only the owner may spend. It never pays
    more of a token than was credited in it.
"""

from ethereum.ercs import IERC20
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from .interfaces import ICampaignEscrow
from .interfaces import IReceiptBoard
from .interfaces import ITreasury
from .modules import leaves

# --------------------------------------------------------------- interfaces

implements: ITreasury

# ------------------------------------------------------------------ modules

initializes: ownable
initializes: ownable_2step[ownable := ownable]

exports: (
    ownable_2step.accept_ownership,
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.renounce_ownership,
    ownable_2step.transfer_ownership,
)

# --------------------------------------------------------------- immutables

VAULT: immutable(address)
ESCROW: immutable(ICampaignEscrow)
BOARD: immutable(IReceiptBoard)
# From the last credit, and again from the day its tree is fixed, until a pot may be swept.
COMPENSATION_SECONDS: immutable(uint256)

# ------------------------------------------------------------------ storage

# the number of pots, which is the newest one's id; by credit
_pot_count: uint256
# id -> pot; by credit, compensate, sweep
_pots: HashMap[uint256, ITreasury.Pot]
# campaign -> token -> id of the newest pot; by credit
_open_pots: HashMap[uint256, HashMap[address, uint256]]
# pot -> account -> whether it took its share; by compensate
_compensated: HashMap[uint256, HashMap[address, bool]]
# token -> base units credited and not paid, pots and general balance together
_held: HashMap[address, uint256]
# token -> base units that the owner may spend; by credit, sweep, spend
_general: HashMap[address, uint256]


@deploy
def __init__(vault: address, escrow: address, board: address, compensation_seconds: uint256):
    """
    @notice Fixes wiring and duration; the deployer becomes owner. The board, deployed last, checks
        the wiring.
    @param vault StakeVault; its address is known before it is deployed.
    @param escrow CampaignEscrow; likewise.
    @param board ReceiptBoard; likewise.
    @param compensation_seconds How long contributors may take their share.
    """
    assert vault != empty(address), "Treasury: vault is zero"
    assert escrow != empty(address), "Treasury: escrow is zero"
    assert board != empty(address), "Treasury: board is zero"
    assert compensation_seconds != 0, "Treasury: compensation is zero"
    ownable.__init__()
    ownable_2step.__init__()
    VAULT = vault
    ESCROW = ICampaignEscrow(escrow)
    BOARD = IReceiptBoard(board)
    COMPENSATION_SECONDS = compensation_seconds


# ----------------------------------------------------------- permissionless

@external
def compensate(
    pot: uint256,
    account: address,
    cumulative: uint256,
    accepted: uint64,
    submitted: uint64,
    proof: DynArray[bytes32, leaves.MAX_PROOF],
) -> uint256:
    """
    @notice Pays a contributor their share of a pot, once: as much of it as the account's payouts
        are of all payouts. Anybody may call. The first call fixes the tree: that of the newest
        finalized receipt, which must have come after the credit unless the campaign is refunded.
    @param pot The pot.
    @param account Who is paid.
    @param cumulative The payout leaf's base units.
    @param accepted The leaf's accepted labels.
    @param submitted The leaf's submitted labels.
    @param proof Proof of the leaf.
    @return The base units paid.
    """
    p: ITreasury.Pot = self._pots[pot]
    assert p.amount != 0, "Treasury: no such pot"
    assert not p.swept, "Treasury: pot is swept"
    if p.epoch == 0:
        p.epoch, p.payout_total = self._fix(pot, p.campaign, p.since)
    assert leaves._verify(
        staticcall ESCROW.payout_root(p.campaign, convert(p.epoch, uint64)),
        leaves._payout_leaf(account, cumulative, accepted, submitted),
        proof,
    ), "Treasury: invalid proof"
    assert not self._compensated[pot][account], "Treasury: already compensated"
    # even a tree whose leaves add up to more than its receipt pays out no more than the pot
    assert cumulative <= p.payout_total, "Treasury: leaf exceeds payouts"
    share: uint256 = min(p.amount * cumulative // p.payout_total, p.amount - p.paid)
    assert share != 0, "Treasury: nothing to pay"
    self._compensated[pot][account] = True
    self._pots[pot].paid = p.paid + share
    self._pay(p.token, account, share)
    log ITreasury.Compensated(pot=pot, account=account, amount=share)
    return share


@external
def sweep(pot: uint256) -> uint256:
    """
    @notice Moves what is left of a pot to the general balance, once its time is over or nobody can
        ever have a share. Anybody may call.
    @param pot The pot.
    @return The base units moved.
    """
    p: ITreasury.Pot = self._pots[pot]
    assert p.amount != 0, "Treasury: no such pot"
    assert not p.swept, "Treasury: pot is swept"
    assert (
        block.timestamp >= p.sweepable_at or self._is_nobodys(p.campaign)
    ), "Treasury: too early to sweep"
    rest: uint256 = p.amount - p.paid
    self._pots[pot].swept = True
    self._general[p.token] += rest
    log ITreasury.Swept(pot=pot, amount=rest)
    return rest


# -------------------------------------------- vault, escrow and board only

@external
def credit(campaign: uint256, token: address, amount: uint256):
    """
    @notice Takes note of what was just paid in: of `amount` as much as has arrived, since some
        tokens keep a fee. Vault, escrow and board only.
    @param campaign Whose contributors it is for; zero stands for the general balance.
    @param token The token.
    @param amount Base units sent.
    """
    assert (
        msg.sender == BOARD.address or msg.sender == VAULT or msg.sender == ESCROW.address
    ), "Treasury: not registered"
    balance: uint256 = staticcall IERC20(token).balanceOf(self)
    held: uint256 = self._held[token]
    # a token that shrinks balances must not make a slash or a refund fail
    arrived: uint256 = min(amount, max(balance, held) - held)
    if arrived == 0:
        return
    self._held[token] = held + arrived
    pot: uint256 = 0
    if campaign == 0:
        self._general[token] += arrived
    else:
        pot = self._fill(campaign, token, arrived)
    log ITreasury.Credited(campaign=campaign, token=token, pot=pot, amount=arrived)


# -------------------------------------------------------------------- views

@external
@view
@reentrant
def pot(id: uint256) -> ITreasury.Pot:
    """
    @notice What was credited for one campaign's contributors.
    @param id The pot; ids count from 1.
    @return Amounts in base units, times in Unix seconds; all zero for an unknown id.
    """
    return self._pots[id]


@external
@view
@reentrant
def pot_count() -> uint256:
    """
    @notice How many pots there are.
    @return The newest pot's id.
    """
    return self._pot_count


@external
@view
@reentrant
def open_pot(campaign: uint256, token: address) -> uint256:
    """
    @notice A campaign's newest pot in a token.
    @param campaign The campaign.
    @param token The token.
    @return Its id; zero where nothing was credited.
    """
    return self._open_pots[campaign][token]


@external
@view
@reentrant
def is_compensated(pot: uint256, account: address) -> bool:
    """
    @notice Whether an account took its share of a pot.
    @param pot The pot.
    @param account Who.
    @return True from its `compensate` on.
    """
    return self._compensated[pot][account]


@external
@view
@reentrant
def general(token: address) -> uint256:
    """
    @notice What the owner may spend.
    @param token The token.
    @return Base units.
    """
    return self._general[token]


@external
@view
@reentrant
def held(token: address) -> uint256:
    """
    @notice What was credited and not paid, pots and general balance together.
    @param token The token.
    @return Base units.
    """
    return self._held[token]


@external
@view
@reentrant
def vault() -> address:
    """
    @notice StakeVault.
    @return Its address.
    """
    return VAULT


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
def board() -> address:
    """
    @notice ReceiptBoard.
    @return Its address.
    """
    return BOARD.address


@external
@view
@reentrant
def compensation_seconds() -> uint256:
    """
    @notice How long contributors may take their share.
    @return Seconds.
    """
    return COMPENSATION_SECONDS


# -------------------------------------------------------------------- admin

@external
def spend(token: address, recipient: address, amount: uint256):
    """
    @notice Pays from the general balance. Owner only.
    @param token The token.
    @param recipient Who is paid.
    @param amount Base units.
    """
    ownable._check_owner()
    general: uint256 = self._general[token]
    assert amount <= general, "Treasury: not enough"
    self._general[token] = general - amount
    self._pay(token, recipient, amount)
    log ITreasury.Spent(token=token, recipient=recipient, amount=amount)


# ---------------------------------------------------------------- internals

@internal
def _fill(campaign: uint256, token: address, amount: uint256) -> uint256:
    # one tree divides one pot: what comes after a tree was fixed or finalized waits for the next
    since: uint256 = self._finalized_epoch(campaign)
    id: uint256 = self._open_pots[campaign][token]
    p: ITreasury.Pot = self._pots[id]
    if id == 0 or p.epoch != 0 or p.swept or p.since != since:
        id = self._pot_count + 1
        self._pot_count = id
        self._open_pots[campaign][token] = id
        p = empty(ITreasury.Pot)
    p.campaign = campaign
    p.token = token
    p.amount += amount
    p.since = since
    p.sweepable_at = block.timestamp + COMPENSATION_SECONDS
    self._pots[id] = p
    return id


@internal
def _fix(pot: uint256, campaign: uint256, since: uint256) -> (uint256, uint256):
    epoch: uint256 = self._finalized_epoch(campaign)
    c: ICampaignEscrow.Campaign = staticcall ESCROW.campaign(campaign)
    assert epoch > since or c.refunded, "Treasury: no receipt since the credit"
    assert c.payout_total != 0, "Treasury: nobody has earned"
    self._pots[pot].epoch = epoch
    self._pots[pot].payout_total = c.payout_total
    self._pots[pot].sweepable_at = block.timestamp + COMPENSATION_SECONDS
    log ITreasury.PotFixed(pot=pot, epoch=epoch, payout_total=c.payout_total)
    return epoch, c.payout_total


@internal
def _pay(token: address, to: address, amount: uint256):
    self._held[token] -= amount
    assert extcall IERC20(token).transfer(
        to, amount, default_return_value=True
    ), "Treasury: transfer failed"


@internal
@view
def _finalized_epoch(campaign: uint256) -> uint256:
    return convert((staticcall BOARD.progress(campaign)).epoch, uint256)


@internal
@view
def _is_nobodys(campaign: uint256) -> bool:
    c: ICampaignEscrow.Campaign = staticcall ESCROW.campaign(campaign)
    return c.refunded and c.payout_total == 0
