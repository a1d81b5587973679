"""A receipt that waits out its window."""

from __future__ import annotations

import pytest

from tests.support.system import UNIT, Receipt, System, payout_tree


@pytest.fixture
def pending(system: System, campaign: int) -> Receipt:
    """The campaign's second receipt, signed by the first two operators; 105 units reserved."""
    system.settle(system.receipt(campaign))
    tree = payout_tree([(system.contributor, 100 * UNIT, 1, 1), (system.gateway, 0, 0, 1)])
    terms = {"payoutRoot": tree.root, "payoutTotal": 100 * UNIT, "feeTotal": 5 * UNIT}
    receipt = system.receipt(campaign, **terms)
    system.post(receipt)
    return receipt
