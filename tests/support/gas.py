"""What a transaction costs, as a chain would charge it, measured in process.

titanoboa runs calls, not transactions: here storage is committed and every slot made cold before
the call, and the transaction's base cost, calldata (EIP-2028), floor (EIP-7623) and capped refund
(EIP-3529) are added after it. Anvil charges the same to the unit. (Committing can't be undone:
tests that measure have an environment of their own.)
"""

from __future__ import annotations

from typing import Any

import boa
from eth_utils import to_canonical_address


def transaction_gas(contract: Any, function: str, *arguments: Any, sender: str) -> int:
    """Gas of one transaction from `sender`, which must succeed."""
    method = getattr(contract, function)
    data = method.prepare_calldata(*arguments)
    state = boa.env.evm.vm.state
    state.lock_changes()
    boa.env.evm.reset_access_counters()
    # EIP-2929, EIP-3651: sender, recipient, coinbase and precompiles are warm from the start
    warm = [to_canonical_address(sender), to_canonical_address(contract.address), state.coinbase]
    for address in warm + [n.to_bytes(20, "big") for n in range(1, 11)]:
        state.mark_address_warm(address)
    method(*arguments, sender=sender)
    computation = contract._computation
    zeros = data.count(0)
    tokens = zeros + 4 * (len(data) - zeros)
    used = 21_000 + 4 * tokens + computation.get_gas_used()
    refunded = used - min(computation.get_gas_refund(), used // 5)
    return max(int(refunded), 21_000 + 10 * tokens)
