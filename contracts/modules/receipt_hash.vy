# pragma version ==0.4.3
"""
@title The EIP-712 digest of a receipt
@author DDLP contributors
@license GNU Affero General Public License v3.0 only
@notice The domain is named `DDLP`, version `1`, with ReceiptBoard as its contract.
"""

from snekmate.utils import eip712_domain_separator
from ..interfaces import IReceiptBoard

initializes: eip712_domain_separator

RECEIPT_TYPE_HASH: constant(bytes32) = keccak256(
    "Receipt(uint256 campaign,uint64 epoch,uint32 attempt,bool final,bytes32 evidence,bytes32 payoutRoot,uint128 payoutTotal,uint128 feeTotal,uint128 bondCharge,bytes32 slashRoot,uint64 logPosition,bytes32 logHead,uint64 asOf,uint64 labelCount,uint64 itemCount,uint32 agreement,uint128 nextReward,uint32 nextThreshold,bytes32 previous)"
)


@deploy
def __init__():
    """
    @notice Fixes the domain to this chain and contract.
    """
    eip712_domain_separator.__init__("DDLP", "1")


@internal
@view
def _digest(receipt: IReceiptBoard.Receipt) -> bytes32:
    """
    @notice What operators sign, and what `previous` of the next receipt holds.
    @param receipt The receipt.
    @return Its EIP-712 digest.
    """
    # every member is one word, so the struct's ABI encoding is EIP-712's encodeData
    return eip712_domain_separator._hash_typed_data_v4(
        keccak256(abi_encode(RECEIPT_TYPE_HASH, receipt))
    )
