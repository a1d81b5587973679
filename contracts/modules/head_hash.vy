# pragma version ==0.4.3
"""
@title The EIP-712 digest of a log's head
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice The domain is named `DDLP`, version `1`, with CampaignEscrow as its contract.
"""

from snekmate.utils import eip712_domain_separator

initializes: eip712_domain_separator

HEAD_TYPE_HASH: constant(bytes32) = keccak256(
    "Head(uint256 campaign,uint64 position,bytes32 entry,bytes32 head)"
)


@deploy
def __init__():
    """
    @notice Fixes the domain to this chain and contract.
    """
    eip712_domain_separator.__init__("DDLP", "1")


@internal
@view
def _digest(campaign: uint256, position: uint64, entry: bytes32, head: bytes32) -> bytes32:
    """
    @notice What the gateway signs for every entry of a campaign's log.
    @param campaign The campaign.
    @param position The entry's place, counted from 1.
    @param entry Hash of the entry.
    @param head Hash of the log up to and with the entry.
    @return Its EIP-712 digest.
    """
    return eip712_domain_separator._hash_typed_data_v4(
        keccak256(abi_encode(HEAD_TYPE_HASH, campaign, position, entry, head))
    )
