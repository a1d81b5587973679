# pragma version ==0.4.3
"""
@title An arbitrator that misbehaves as it is told
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice For tests only. It can refuse every dispute, give two the same number, or call back into the
    arbitrable in the midst of `createDispute`; whether that succeeded is kept.
"""

from ..interfaces import IArbitrable

# refuses every dispute
reverting: public(bool)
# the number that the next dispute gets; never counted up
dispute: public(uint256)
# what to call in `createDispute`, if anything
payload: public(Bytes[4096])
# calls back, and those that succeeded
calls: public(uint256)
successes: public(uint256)


@external
def set_reverting(reverting: bool):
    """
    @notice Whether it refuses disputes.
    @param reverting True to refuse.
    """
    self.reverting = reverting


@external
def set_dispute(dispute: uint256):
    """
    @notice Names the number of all disputes to come.
    @param dispute The number.
    """
    self.dispute = dispute


@external
def set_payload(payload: Bytes[4096]):
    """
    @notice Names the call back.
    @param payload Its calldata; empty for none.
    """
    self.payload = payload


@external
@payable
def createDispute(choices: uint256, extra_data: Bytes[160]) -> uint256:
    """
    @notice Misbehaves.
    @param choices Unused.
    @param extra_data Unused.
    @return The same number, until it is told another.
    """
    assert not self.reverting, "HostileArbitrator: refused"
    if len(self.payload) != 0:
        self.calls += 1
        success: bool = raw_call(msg.sender, self.payload, revert_on_failure=False)
        if success:
            self.successes += 1
    return self.dispute


@external
def give_ruling(arbitrable: address, dispute: uint256, ruling: uint256):
    """
    @notice Rules anything, as often as asked.
    @param arbitrable The contract.
    @param dispute Any number.
    @param ruling Any ruling.
    """
    extcall IArbitrable(arbitrable).rule(dispute, ruling)


@external
@view
def arbitrationCost(extra_data: Bytes[160]) -> uint256:
    """
    @notice Nothing.
    @param extra_data Unused.
    @return Zero.
    """
    return 0
