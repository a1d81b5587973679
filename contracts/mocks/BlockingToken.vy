# pragma version ==0.4.3
"""
@title A token that refuses to move for blocked accounts, as stablecoins with a blacklist do
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice For tests only.
"""

from snekmate.auth import ownable
from snekmate.tokens import erc20

initializes: ownable
initializes: erc20[ownable := ownable]

exports: (
    erc20.allowance,
    erc20.approve,
    erc20.balanceOf,
    erc20.mint,
    erc20.totalSupply,
)

# who can neither send nor receive; by anybody
is_blocked: public(HashMap[address, bool])


@deploy
def __init__():
    """
    @notice The deployer may mint.
    """
    ownable.__init__()
    erc20.__init__("Blocking", "BLOCK", 18, "Blocking", "1")


@external
def set_blocked(account: address, blocked: bool):
    """
    @notice Blocks an account, or lifts that.
    @param account Who.
    @param blocked Whether it is blocked.
    """
    self.is_blocked[account] = blocked


@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Moves tokens unless one of both is blocked.
    @param to The recipient.
    @param amount Base units.
    @return True.
    """
    self._move(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    """
    @notice Moves tokens unless one of both is blocked.
    @param owner The sender.
    @param to The recipient.
    @param amount Base units.
    @return True.
    """
    erc20._spend_allowance(owner, msg.sender, amount)
    self._move(owner, to, amount)
    return True


@internal
def _move(owner: address, to: address, amount: uint256):
    assert not (self.is_blocked[owner] or self.is_blocked[to]), "BlockingToken: blocked"
    erc20._transfer(owner, to, amount)
