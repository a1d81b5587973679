"""A dishonest quorum: a receipt that pays one account more than its labels earned.

Signatures, roots, totals and blocks all fit one another, so that the contracts accept it. Only who
recomputes the pay can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from oracle.errors import InputError
from oracle.evidence.codec import Block
from oracle.evidence.results import Evidence
from oracle.evidence.signing import sign
from oracle.evidence.structs import Domain, Receipt
from oracle.protocol.campaign import EpochResult
from oracle.quality.payment import fee_total


@dataclass(frozen=True)
class Padded:
    """A padded receipt with its evidence and the blocks that differ from the honest ones."""

    receipt: Receipt
    evidence: Evidence
    blocks: tuple[Block, ...]

    def signatures(self, domain: Domain, keys: Sequence[bytes]) -> list[bytes]:
        """Sign the receipt with operators' keys."""
        return [sign(key, self.receipt.digest(domain)) for key in keys]


def pad_final_payout(result: EpochResult, account: bytes, amount: int, fee_bps: int) -> Padded:
    """Return the receipt of `result` with `amount` (base units) more for `account`."""
    if account not in {leaf.account for leaf in result.evidence.leaves}:
        raise InputError(
            "only an account with a leaf can be padded: name one that earned something"
        )
    leaves = tuple(
        replace(leaf, cumulative=leaf.cumulative + amount) if leaf.account == account else leaf
        for leaf in result.evidence.leaves
    )
    evidence = replace(result.evidence, leaves=leaves)
    index, shards = evidence.encode()
    total = result.receipt.payout_total + amount
    receipt = replace(
        result.receipt,
        evidence=index.digest,
        payout_root=evidence.payout_tree.root,
        payout_total=total,
        fee_total=fee_total(total, fee_bps),
    )
    return Padded(receipt, evidence, (index, *shards))
