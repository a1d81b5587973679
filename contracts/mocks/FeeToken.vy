# pragma version ==0.4.3
"""
@title A token that keeps a hundredth of every transfer
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice For tests only. It has no permit.
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


@deploy
def __init__():
    """
    @notice The deployer may mint.
    """
    ownable.__init__()
    erc20.__init__("Fee", "FEE", 18, "Fee", "1")


@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Moves 99 % and burns the rest.
    @param to The recipient.
    @param amount What the sender loses.
    @return True.
    """
    self._move(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    """
    @notice Moves 99 % and burns the rest.
    @param owner The sender.
    @param to The recipient.
    @param amount What the sender loses.
    @return True.
    """
    erc20._spend_allowance(owner, msg.sender, amount)
    self._move(owner, to, amount)
    return True


@internal
def _move(owner: address, to: address, amount: uint256):
    fee: uint256 = amount // 100
    erc20._burn(owner, fee)
    erc20._transfer(owner, to, amount - fee)
