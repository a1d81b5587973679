# pragma version ==0.4.3
"""
@title A token that can fail silently: it returns False and moves nothing
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

# whether transfers fail; by anybody
broken: public(bool)


@deploy
def __init__():
    """
    @notice The deployer may mint.
    """
    ownable.__init__()
    erc20.__init__("False", "FALSE", 18, "False", "1")


@external
def set_broken(broken: bool):
    """
    @notice Makes transfers fail, or work again.
    @param broken Whether they fail.
    """
    self.broken = broken


@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Moves tokens unless broken.
    @param to The recipient.
    @param amount Base units.
    @return False when broken.
    """
    if self.broken:
        return False
    erc20._transfer(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    """
    @notice Moves tokens unless broken.
    @param owner The sender.
    @param to The recipient.
    @param amount Base units.
    @return False when broken.
    """
    if self.broken:
        return False
    erc20._spend_allowance(owner, msg.sender, amount)
    erc20._transfer(owner, to, amount)
    return True
