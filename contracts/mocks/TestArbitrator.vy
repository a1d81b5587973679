# pragma version ==0.4.3
"""
@title An ERC-792 arbitrator whose owner decides
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice For tests and development chains only: it stands in for a court. No appeals.
"""

from snekmate.auth import ownable
from ..interfaces import IArbitrable
from ..interfaces import IArbitrator

implements: IArbitrator

initializes: ownable

exports: ownable.owner

struct Dispute:
    arbitrable: address
    choices: uint256
    solved: bool
    ruling: uint256

SOLVED: constant(uint8) = 2

# wei that a dispute costs; by the owner
cost: public(uint256)
# the number of disputes, whose ids count from 0; by createDispute
dispute_count: public(uint256)
# id -> dispute; by createDispute, give_ruling
disputes: public(HashMap[uint256, Dispute])
# id -> what the arbitrable said of it; by createDispute
extra_data: public(HashMap[uint256, Bytes[160]])


@deploy
def __init__(cost: uint256):
    """
    @notice The deployer decides.
    @param cost Wei that a dispute costs.
    """
    ownable.__init__()
    self.cost = cost


@external
def set_cost(cost: uint256):
    """
    @notice Changes what a dispute costs. Owner only.
    @param cost Wei.
    """
    ownable._check_owner()
    self.cost = cost


@external
@payable
def createDispute(choices: uint256, extra_data: Bytes[160]) -> uint256:
    """
    @notice Opens a dispute of the caller.
    @param choices The highest ruling.
    @param extra_data Kept as it is.
    @return The dispute's id.
    """
    assert msg.value == self.cost, "TestArbitrator: wrong cost"
    id: uint256 = self.dispute_count
    self.dispute_count = id + 1
    self.disputes[id] = Dispute(
        arbitrable=msg.sender, choices=choices, solved=False, ruling=0
    )
    self.extra_data[id] = extra_data
    log IArbitrator.DisputeCreation(dispute=id, arbitrable=msg.sender)
    return id


@external
def give_ruling(dispute: uint256, ruling: uint256):
    """
    @notice Decides a dispute, once. Owner only.
    @param dispute Its id.
    @param ruling At most the dispute's choices.
    """
    ownable._check_owner()
    d: Dispute = self.disputes[dispute]
    assert d.arbitrable != empty(address), "TestArbitrator: no such dispute"
    assert not d.solved, "TestArbitrator: dispute is solved"
    assert ruling <= d.choices, "TestArbitrator: no such choice"
    self.disputes[dispute].solved = True
    self.disputes[dispute].ruling = ruling
    extcall IArbitrable(d.arbitrable).rule(dispute, ruling)


@external
@payable
def appeal(dispute: uint256, extra_data: Bytes[160]):
    """
    @notice Nothing can be appealed here.
    @param dispute A dispute.
    @param extra_data Unused.
    """
    raise "TestArbitrator: no appeals"


@external
@view
def arbitrationCost(extra_data: Bytes[160]) -> uint256:
    """
    @notice What a dispute costs.
    @param extra_data Unused.
    @return Wei.
    """
    return self.cost


@external
@view
def appealCost(dispute: uint256, extra_data: Bytes[160]) -> uint256:
    """
    @notice Out of reach: nothing can be appealed here.
    @param dispute A dispute.
    @param extra_data Unused.
    @return Wei.
    """
    return max_value(uint256)


@external
@view
def appealPeriod(dispute: uint256) -> (uint256, uint256):
    """
    @notice There is none.
    @param dispute A dispute.
    @return Twice zero.
    """
    return 0, 0


@external
@view
def disputeStatus(dispute: uint256) -> uint8:
    """
    @notice Whether a dispute waits (0) or is solved (2).
    @param dispute A dispute.
    @return 0 or 2.
    """
    if self.disputes[dispute].solved:
        return SOLVED
    return 0


@external
@view
def currentRuling(dispute: uint256) -> uint256:
    """
    @notice How a dispute was decided.
    @param dispute A dispute.
    @return The ruling; zero while it waits.
    """
    return self.disputes[dispute].ruling
