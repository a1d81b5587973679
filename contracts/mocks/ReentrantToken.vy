# pragma version ==0.4.3
"""
@title A token that calls back in the midst of every transfer
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice For tests only. What it calls, and whether that succeeded, is kept.
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

# what to call during a transfer; by anybody
target: public(address)
payload: public(Bytes[4096])
# how often it was called, and how often that succeeded
calls: public(uint256)
successes: public(uint256)


@deploy
def __init__():
    """
    @notice The deployer may mint.
    """
    ownable.__init__()
    erc20.__init__("Reentrant", "RE", 18, "Reentrant", "1")


@external
def set_attack(target: address, payload: Bytes[4096]):
    """
    @notice Names the call to make; the zero address ends it.
    @param target The contract.
    @param payload Its calldata.
    """
    self.target = target
    self.payload = payload


@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Moves tokens and calls back.
    @param to The recipient.
    @param amount Base units.
    @return True.
    """
    erc20._transfer(msg.sender, to, amount)
    self._attack()
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    """
    @notice Moves tokens and calls back.
    @param owner The sender.
    @param to The recipient.
    @param amount Base units.
    @return True.
    """
    erc20._spend_allowance(owner, msg.sender, amount)
    erc20._transfer(owner, to, amount)
    self._attack()
    return True


@internal
def _attack():
    if self.target == empty(address):
        return
    self.calls += 1
    success: bool = raw_call(self.target, self.payload, revert_on_failure=False)
    if success:
        self.successes += 1
