# pragma version ==0.4.3
# pragma optimize gas
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title StakeVault: stake by role, with unbonding, locks, slashes and bans
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice Holds stake in one token, for contributors, operators and jurors. Registered contracts lock
    part of it for one subject with a hard expiry, and may slash no more than that lock. Stake stays
    slashable while it unbonds. It never holds less than everybody's stake together; a lock never
    exceeds the stake behind it, unbonding stake included; and nothing but a running lock delays a
    withdrawal.
"""

from ethereum.ercs import IERC20
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from .interfaces import IReceiptBoard
from .interfaces import IStakeVault
from .interfaces import ITreasury
from .modules import words

# --------------------------------------------------------------- interfaces

implements: IStakeVault

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

# ---------------------------------------------------------------- constants

MAX_AMOUNT: constant(uint256) = 2**128 - 1

# --------------------------------------------------------------- immutables

TOKEN: immutable(IERC20)
# Receives what is slashed, where nobody else was harmed.
TREASURY: immutable(ITreasury)
# Both are registered for good.
ESCROW: immutable(address)
BOARD: immutable(IReceiptBoard)
UNBONDING_SECONDS: immutable(uint256)
# No lock may reach further into the future.
MAX_LOCK_SECONDS: immutable(uint256)

# ------------------------------------------------------------------ storage

# role -> account -> staked (128) | unbonding (128), base units; by account and slashes
_stakes: HashMap[IStakeVault.Role, HashMap[address, uint256]]
# role -> account -> locked base units (128) | ready_at (128), Unix seconds; by locks and unbond
_holds: HashMap[IStakeVault.Role, HashMap[address, uint256]]
# role -> account -> subject -> base units (128) | expires_at (128); by registered contracts
_locks: HashMap[IStakeVault.Role, HashMap[address, HashMap[bytes32, uint256]]]
# role -> account -> X25519 public key; by join
_encryption_keys: HashMap[IStakeVault.Role, HashMap[address, bytes32]]
# account -> Unix seconds; by registered contracts
_banned_until: HashMap[address, uint256]
# contract -> whether it may lock, slash and ban; by the owner, beside escrow and board
_registered: HashMap[address, bool]
# base units staked and unbonding in all positions together
_total: uint256


@deploy
def __init__(
    token: address,
    treasury: address,
    escrow: address,
    board: address,
    unbonding_seconds: uint256,
    max_lock_seconds: uint256,
):
    """
    @notice Fixes token, wiring and durations; the deployer becomes owner.
    @param token The stake token: an ERC-20 without transfer fee.
    @param treasury Treasury; receives slashed stake.
    @param escrow CampaignEscrow; its address is known before it is deployed.
    @param board ReceiptBoard; likewise.
    @param unbonding_seconds From unbond to withdraw.
    @param max_lock_seconds The longest lock.
    """
    assert token != empty(address), "StakeVault: token is zero"
    assert treasury != empty(address), "StakeVault: treasury is zero"
    assert escrow != empty(address), "StakeVault: escrow is zero"
    assert board != empty(address), "StakeVault: board is zero"
    assert unbonding_seconds != 0, "StakeVault: unbonding is zero"
    assert max_lock_seconds != 0, "StakeVault: lock is zero"
    ownable.__init__()
    ownable_2step.__init__()
    TOKEN = IERC20(token)
    TREASURY = ITreasury(treasury)
    ESCROW = escrow
    BOARD = IReceiptBoard(board)
    UNBONDING_SECONDS = unbonding_seconds
    MAX_LOCK_SECONDS = max_lock_seconds


# ----------------------------------------------------------- permissionless

@external
def join(role: IStakeVault.Role, encryption_key: bytes32):
    """
    @notice Publishes the key to which others seal what only this account may read. Joining again
        replaces it.
    @param role One role.
    @param encryption_key X25519 public key.
    """
    self._check_role(role)
    self._check_not_banned(msg.sender)
    assert encryption_key != empty(bytes32), "StakeVault: key is zero"
    self._encryption_keys[role][msg.sender] = encryption_key
    log IStakeVault.Joined(account=msg.sender, role=role, encryption_key=encryption_key)


@external
def stake(role: IStakeVault.Role, amount: uint256):
    """
    @notice Adds stake; the vault needs an allowance.
    @param role One role.
    @param amount Base units.
    """
    self._check_role(role)
    self._check_not_banned(msg.sender)
    assert amount != 0, "StakeVault: amount is zero"
    staked: uint256 = 0
    unbonding: uint256 = 0
    staked, unbonding = words._halves(self._stakes[role][msg.sender])
    assert amount <= MAX_AMOUNT - staked - unbonding, "StakeVault: amount too large"
    staked += amount
    self._stakes[role][msg.sender] = words._pair(staked, unbonding)
    self._total += amount
    assert extcall TOKEN.transferFrom(
        msg.sender, self, amount, default_return_value=True
    ), "StakeVault: transfer failed"
    log IStakeVault.Staked(account=msg.sender, role=role, amount=amount, staked=staked)
    self._sync(role, msg.sender)


@external
def unbond(role: IStakeVault.Role, amount: uint256):
    """
    @notice Starts to take stake out. What is unbonding already waits anew, and stays slashable.
    @param role One role.
    @param amount Base units.
    """
    self._check_role(role)
    staked: uint256 = 0
    unbonding: uint256 = 0
    staked, unbonding = words._halves(self._stakes[role][msg.sender])
    assert amount != 0, "StakeVault: amount is zero"
    assert amount <= staked, "StakeVault: not enough staked"
    ready_at: uint256 = block.timestamp + UNBONDING_SECONDS
    self._stakes[role][msg.sender] = words._pair(staked - amount, unbonding + amount)
    self._holds[role][msg.sender] = words._pair(self._holds[role][msg.sender] >> 128, ready_at)
    log IStakeVault.UnbondingStarted(
        account=msg.sender, role=role, amount=amount, ready_at=ready_at
    )
    self._sync(role, msg.sender)


@external
def withdraw(role: IStakeVault.Role) -> uint256:
    """
    @notice Pays out what has unbonded, less what a lock still needs; the rest may follow later.
    @param role One role.
    @return The base units paid.
    """
    self._check_role(role)
    staked: uint256 = 0
    unbonding: uint256 = 0
    staked, unbonding = words._halves(self._stakes[role][msg.sender])
    locked: uint256 = 0
    ready_at: uint256 = 0
    locked, ready_at = words._halves(self._holds[role][msg.sender])
    assert unbonding != 0, "StakeVault: nothing unbonding"
    assert block.timestamp >= ready_at, "StakeVault: still unbonding"
    amount: uint256 = min(unbonding, staked + unbonding - locked)
    assert amount != 0, "StakeVault: stake is locked"
    self._stakes[role][msg.sender] = words._pair(staked, unbonding - amount)
    self._total -= amount
    assert extcall TOKEN.transfer(
        msg.sender, amount, default_return_value=True
    ), "StakeVault: transfer failed"
    log IStakeVault.Withdrawn(account=msg.sender, role=role, amount=amount)
    return amount


@external
def release(role: IStakeVault.Role, account: address, subject: bytes32):
    """
    @notice Frees what an expired lock held; anybody may call.
    @param role One role.
    @param account The locked account.
    @param subject What the lock is for.
    """
    amount: uint256 = 0
    expires_at: uint256 = 0
    amount, expires_at = words._halves(self._locks[role][account][subject])
    assert amount != 0, "StakeVault: no lock"
    assert block.timestamp >= expires_at, "StakeVault: lock is running"
    self._release(role, account, subject, amount)


# --------------------------------------------------------- registered users

@external
def lock(
    role: IStakeVault.Role,
    account: address,
    subject: bytes32,
    amount: uint256,
    expires_at: uint256,
):
    """
    @notice Locks stake for a subject, on top of what is locked for it; the later expiry counts.
        A registered contract locks only what the account itself committed to it.
    @param role One role.
    @param account Whose stake.
    @param subject A campaign's id or a receipt's digest.
    @param amount Base units to add; only stake that isn't unbonding can back a lock.
    @param expires_at Unix seconds from which the lock can't be slashed.
    """
    self._check_registered()
    self._check_role(role)
    self._check_not_banned(account)
    self._check_expiry(expires_at)
    assert amount != 0, "StakeVault: amount is zero"
    held: uint256 = 0
    held_until: uint256 = 0
    held, held_until = self._running_lock(role, account, subject)
    locked: uint256 = (self._holds[role][account] >> 128) + amount
    assert locked <= self._stakes[role][account] >> 128, "StakeVault: not enough free stake"
    self._set_lock(role, account, subject, held, held + amount, max(held_until, expires_at))


@external
def lock_up_to(
    role: IStakeVault.Role,
    account: address,
    subject: bytes32,
    amount: uint256,
    expires_at: uint256,
) -> uint256:
    """
    @notice Raises the lock for a subject to `amount`, or as far as free stake goes: unbonding stake
        backs it too. The later expiry counts. Never fails for want of stake, nor for a ban.
    @param role One role.
    @param account Whose stake.
    @param subject A campaign's id or a receipt's digest.
    @param amount Base units.
    @param expires_at Unix seconds from which the lock can't be slashed.
    @return The base units locked for the subject.
    """
    self._check_registered()
    self._check_role(role)
    self._check_expiry(expires_at)
    held: uint256 = 0
    held_until: uint256 = 0
    held, held_until = self._running_lock(role, account, subject)
    staked: uint256 = 0
    unbonding: uint256 = 0
    staked, unbonding = words._halves(self._stakes[role][account])
    free: uint256 = staked + unbonding - (self._holds[role][account] >> 128)
    raised: uint256 = max(held, min(amount, held + free))
    if raised != 0:
        self._set_lock(role, account, subject, held, raised, max(held_until, expires_at))
    return raised


@external
def unlock(role: IStakeVault.Role, account: address, subject: bytes32):
    """
    @notice Frees what is locked for a subject before its expiry; nothing happens where nothing is.
    @param role One role.
    @param account The locked account.
    @param subject What the lock is for.
    """
    self._check_registered()
    amount: uint256 = self._locks[role][account][subject] >> 128
    if amount != 0:
        self._release(role, account, subject, amount)


@external
def slash(
    role: IStakeVault.Role,
    account: address,
    subject: bytes32,
    amount: uint256,
    recipient: address,
) -> uint256:
    """
    @notice Takes stake that is locked for a subject: at most the lock, nothing when it has
        expired. Never fails for want of stake.
    @param role One role.
    @param account Whose stake.
    @param subject What the lock is for.
    @param amount Base units demanded.
    @param recipient Who gets it; the zero address stands for the treasury's general balance.
    @return The base units taken.
    """
    self._check_registered()
    held: uint256 = 0
    expires_at: uint256 = 0
    held, expires_at = words._halves(self._locks[role][account][subject])
    taken: uint256 = 0
    if block.timestamp < expires_at:
        taken = min(amount, held)
    to: address = recipient
    if recipient == empty(address):
        to = TREASURY.address
    if taken != 0:
        staked: uint256 = 0
        unbonding: uint256 = 0
        staked, unbonding = words._halves(self._stakes[role][account])
        from_staked: uint256 = min(taken, staked)
        hold: uint256 = self._holds[role][account]
        self._stakes[role][account] = words._pair(
            staked - from_staked, unbonding - (taken - from_staked)
        )
        self._holds[role][account] = words._pair((hold >> 128) - taken, hold & words.LOW)
        self._locks[role][account][subject] = words._pair(held - taken, expires_at)
        self._total -= taken
        assert extcall TOKEN.transfer(
            to, taken, default_return_value=True
        ), "StakeVault: transfer failed"
        if recipient == empty(address):
            extcall TREASURY.credit(0, TOKEN.address, taken)
    log IStakeVault.Slashed(
        account=account,
        role=role,
        subject=subject,
        demanded=amount,
        taken=taken,
        recipient=to,
    )
    self._sync(role, account)
    return taken


@external
def ban(account: address, until: uint256):
    """
    @notice Keeps an account from joining, staking, locking and signing; never from withdrawing.
    @param account Who.
    @param until Unix seconds at which the ban ends, no further away than a lock's expiry; zero
        lifts it.
    """
    self._check_registered()
    assert until <= block.timestamp + MAX_LOCK_SECONDS, "StakeVault: ban too long"
    self._banned_until[account] = until
    log IStakeVault.Banned(account=account, until=until)
    self._sync(IStakeVault.Role.OPERATOR, account)


# -------------------------------------------------------------------- views

@external
@view
@reentrant
def position(role: IStakeVault.Role, account: address) -> IStakeVault.Position:
    """
    @notice An account's stake in a role.
    @param role One role.
    @param account Who.
    @return Staked, unbonding, locked (base units) and when unbonding ends (Unix seconds).
    """
    staked: uint256 = 0
    unbonding: uint256 = 0
    staked, unbonding = words._halves(self._stakes[role][account])
    locked: uint256 = 0
    ready_at: uint256 = 0
    locked, ready_at = words._halves(self._holds[role][account])
    return IStakeVault.Position(
        staked=staked, unbonding=unbonding, locked=locked, ready_at=ready_at
    )


@external
@view
@reentrant
def staked(role: IStakeVault.Role, account: address) -> uint256:
    """
    @notice An account's stake in a role, without what is unbonding.
    @param role One role.
    @param account Who.
    @return Base units.
    """
    return self._stakes[role][account] >> 128


@external
@view
@reentrant
def lock_of(role: IStakeVault.Role, account: address, subject: bytes32) -> IStakeVault.Lock:
    """
    @notice What is locked for a subject.
    @param role One role.
    @param account Who.
    @param subject A campaign's id or a receipt's digest.
    @return Amount (base units) and expiry (Unix seconds).
    """
    amount: uint256 = 0
    expires_at: uint256 = 0
    amount, expires_at = words._halves(self._locks[role][account][subject])
    return IStakeVault.Lock(amount=amount, expires_at=expires_at)


@external
@view
@reentrant
def encryption_key(role: IStakeVault.Role, account: address) -> bytes32:
    """
    @notice The key an account joined with.
    @param role One role.
    @param account Who.
    @return X25519 public key; zero when it never joined.
    """
    return self._encryption_keys[role][account]


@external
@view
@reentrant
def banned_until(account: address) -> uint256:
    """
    @notice When an account's ban ends.
    @param account Who.
    @return Unix seconds.
    """
    return self._banned_until[account]


@external
@view
@reentrant
def is_registered(user: address) -> bool:
    """
    @notice Whether a contract may lock, slash and ban.
    @param user The contract.
    @return True for escrow, board and what the owner registered.
    """
    return self._is_registered(user)


@external
@view
@reentrant
def total() -> uint256:
    """
    @notice All stake, unbonding included.
    @return Base units; the vault's balance is never below.
    """
    return self._total


@external
@view
@reentrant
def token() -> address:
    """
    @notice The stake token.
    @return Its address.
    """
    return TOKEN.address


@external
@view
@reentrant
def treasury() -> address:
    """
    @notice Who receives slashed stake.
    @return Its address.
    """
    return TREASURY.address


@external
@view
@reentrant
def escrow() -> address:
    """
    @notice CampaignEscrow.
    @return Its address.
    """
    return ESCROW


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
def unbonding_seconds() -> uint256:
    """
    @notice From unbond to withdraw.
    @return Seconds.
    """
    return UNBONDING_SECONDS


@external
@view
@reentrant
def max_lock_seconds() -> uint256:
    """
    @notice The longest lock.
    @return Seconds.
    """
    return MAX_LOCK_SECONDS


# -------------------------------------------------------------------- admin

@external
def register(user: address, registered: bool):
    """
    @notice Lets a further contract (a court) lock, slash and ban, or ends that. Owner only.
    @param user The contract; escrow and board can't be taken off.
    @param registered Whether it may.
    """
    ownable._check_owner()
    assert user != ESCROW and user != BOARD.address, "StakeVault: wiring is fixed"
    self._registered[user] = registered
    log IStakeVault.RegistrationSet(user=user, registered=registered)


# ---------------------------------------------------------------- internals

@internal
def _running_lock(
    role: IStakeVault.Role, account: address, subject: bytes32
) -> (uint256, uint256):
    # what has expired is released first, so that a new lock doesn't inherit it
    held: uint256 = 0
    held_until: uint256 = 0
    held, held_until = words._halves(self._locks[role][account][subject])
    if held != 0 and block.timestamp >= held_until:
        self._release(role, account, subject, held)
        return 0, 0
    return held, held_until


@internal
def _set_lock(
    role: IStakeVault.Role,
    account: address,
    subject: bytes32,
    held: uint256,
    amount: uint256,
    expires_at: uint256,
):
    hold: uint256 = self._holds[role][account]
    self._holds[role][account] = words._pair((hold >> 128) + amount - held, hold & words.LOW)
    self._locks[role][account][subject] = words._pair(amount, expires_at)
    log IStakeVault.LockSet(
        account=account, role=role, subject=subject, amount=amount, expires_at=expires_at
    )


@internal
def _release(role: IStakeVault.Role, account: address, subject: bytes32, amount: uint256):
    hold: uint256 = self._holds[role][account]
    self._holds[role][account] = words._pair((hold >> 128) - amount, hold & words.LOW)
    self._locks[role][account][subject] = 0
    log IStakeVault.LockReleased(account=account, role=role, subject=subject, amount=amount)


@internal
def _sync(role: IStakeVault.Role, account: address):
    # membership among the operators implies stake: the board learns of every change at once
    if role == IStakeVault.Role.OPERATOR:
        extcall BOARD.sync(account)


@internal
@view
def _is_registered(user: address) -> bool:
    return user == ESCROW or user == BOARD.address or self._registered[user]


@internal
@view
def _check_registered():
    assert self._is_registered(msg.sender), "StakeVault: not registered"


@internal
@view
def _check_expiry(expires_at: uint256):
    assert expires_at > block.timestamp, "StakeVault: lock has expired"
    assert expires_at <= block.timestamp + MAX_LOCK_SECONDS, "StakeVault: lock too long"


@internal
@view
def _check_not_banned(account: address):
    assert block.timestamp >= self._banned_until[account], "StakeVault: banned"


@internal
@view
def _check_role(role: IStakeVault.Role):
    # a flag can hold several roles at once; stake belongs to exactly one (view, not pure: the
    # compiler takes a flag of an interface for a read)
    assert (
        role == IStakeVault.Role.CONTRIBUTOR
        or role == IStakeVault.Role.OPERATOR
        or role == IStakeVault.Role.JUROR
    ), "StakeVault: not one role"
