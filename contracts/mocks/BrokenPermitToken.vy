# pragma version ==0.4.3
"""
@title A token whose permit always fails
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
    erc20.transfer,
    erc20.transferFrom,
)


@deploy
def __init__():
    """
    @notice The deployer may mint.
    """
    ownable.__init__()
    erc20.__init__("Broken", "BROKE", 18, "Broken", "1")


@external
def permit(
    owner: address,
    spender: address,
    amount: uint256,
    deadline: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    """
    @notice Fails.
    @param owner Unused.
    @param spender Unused.
    @param amount Unused.
    @param deadline Unused.
    @param v Unused.
    @param r Unused.
    @param s Unused.
    """
    raise "BrokenPermitToken: no permits"
