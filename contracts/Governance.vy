# pragma version ==0.4.3
# pragma optimize gas
# pragma evm-version cancun
"""
@title Governance: owns the platform's contracts, and acts only after a delay
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice The council proposes and cancels; what it proposed waits out the delay, during which
    everybody can leave, and is then executed by anybody. Roles and delay are changed in the same
    way only. The mechanism is snekmate's, after OpenZeppelin's TimelockController.
"""

from snekmate.auth import access_control
from snekmate.governance import timelock_controller

# ------------------------------------------------------------------ modules

initializes: access_control
initializes: timelock_controller[access_control := access_control]

# The receivers of ERC-721 and ERC-1155 tokens are left out, as is the one of ether: it holds none.
exports: (
    timelock_controller.CANCELLER_ROLE,
    timelock_controller.DEFAULT_ADMIN_ROLE,
    timelock_controller.EXECUTOR_ROLE,
    timelock_controller.PROPOSER_ROLE,
    timelock_controller.cancel,
    timelock_controller.execute,
    timelock_controller.execute_batch,
    timelock_controller.getRoleAdmin,
    timelock_controller.get_minimum_delay,
    timelock_controller.get_operation_state,
    timelock_controller.get_timestamp,
    timelock_controller.grantRole,
    timelock_controller.hasRole,
    timelock_controller.hash_operation,
    timelock_controller.hash_operation_batch,
    timelock_controller.is_operation,
    timelock_controller.is_operation_done,
    timelock_controller.is_operation_pending,
    timelock_controller.is_operation_ready,
    timelock_controller.renounceRole,
    timelock_controller.revokeRole,
    timelock_controller.schedule,
    timelock_controller.schedule_batch,
    timelock_controller.set_role_admin,
    timelock_controller.supportsInterface,
    timelock_controller.update_delay,
)


@deploy
def __init__(council: address):
    """
    @notice Without delay at first, and with the deployer as a second proposer: the hand-over, one
        batch, sets the delay and takes the deployer's roles. Nobody is admin but this contract.
    @param council Who proposes and cancels.
    """
    assert council != empty(address), "Governance: council is zero"
    assert council != msg.sender, "Governance: council is the deployer"
    access_control.__init__()
    # the zero address as executor: what has waited is executed by anybody
    timelock_controller.__init__(0, [council, msg.sender], [empty(address)], empty(address))
