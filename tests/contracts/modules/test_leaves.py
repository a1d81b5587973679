"""Merkle proofs at their limits: no sibling, the most siblings, one more."""

from __future__ import annotations

import boa
import pytest
from eth_utils import keccak

from tests.support.system import UNIT, System, payout_tree, slash_tree

MAX_PROOF = 24
AMOUNT = 5 * UNIT


def chain(leaf: bytes, length: int) -> tuple[bytes, list[bytes]]:
    """Root and proof of a leaf that stands so many levels deep."""
    siblings = [keccak(text=f"sibling {i}") for i in range(length)]
    node = leaf
    for sibling in siblings:
        node = keccak(b"".join(sorted((node, sibling))))
    return node, siblings


@pytest.mark.parametrize("length", [0, 1, MAX_PROOF])
def test_claim__proof_of_any_length__pays(system: System, campaign: int, length: int) -> None:
    leaf = (system.contributor, AMOUNT, 1, 1)
    root, proof = chain(payout_tree([leaf]).leaf(leaf), length)
    system.settle(system.receipt(campaign, payoutRoot=root, payoutTotal=AMOUNT))
    system.escrow.claim(campaign, 1, *leaf, proof, sender=system.stranger)
    assert system.balance(system.contributor) == AMOUNT


def test_claim__proof_one_too_long__is_refused(system: System, campaign: int) -> None:
    leaf = (system.contributor, AMOUNT, 1, 1)
    root, proof = chain(payout_tree([leaf]).leaf(leaf), MAX_PROOF + 1)
    system.settle(system.receipt(campaign, payoutRoot=root, payoutTotal=AMOUNT))
    with boa.reverts():
        system.escrow.claim(campaign, 1, *leaf, proof, sender=system.stranger)
    assert system.balance(system.contributor) == 0


def test_claim__sibling_missing_or_changed__is_refused(system: System, campaign: int) -> None:
    leaf = (system.contributor, AMOUNT, 1, 1)
    root, proof = chain(payout_tree([leaf]).leaf(leaf), 3)
    system.settle(system.receipt(campaign, payoutRoot=root, payoutTotal=AMOUNT))
    for bad in (proof[:-1], proof[1:], [proof[1], proof[0], proof[2]], [*proof, proof[0]]):
        with system.refused("CampaignEscrow: invalid proof"):
            system.escrow.claim(campaign, 1, *leaf, bad, sender=system.stranger)
    system.escrow.claim(campaign, 1, *leaf, proof, sender=system.stranger)


@pytest.mark.parametrize("length", [0, 1, MAX_PROOF])
def test_execute_slash__proof_of_any_length__takes(
    system: System, campaign: int, length: int
) -> None:
    system.stake(system.contributor, AMOUNT)
    system.escrow.commit_stake(campaign, AMOUNT, sender=system.contributor)
    leaf = (system.contributor, UNIT)
    root, proof = chain(slash_tree([leaf]).leaf(leaf), length)
    system.settle(system.receipt(campaign, slashRoot=root))
    if length:
        with system.refused("ReceiptBoard: invalid proof"):
            system.board.execute_slash(campaign, 1, *leaf, proof[1:], sender=system.stranger)
    assert system.board.execute_slash(campaign, 1, *leaf, proof, sender=system.stranger) == UNIT


def test_execute_slash__proof_one_too_long__is_refused(system: System, campaign: int) -> None:
    system.stake(system.contributor, AMOUNT)
    system.escrow.commit_stake(campaign, AMOUNT, sender=system.contributor)
    leaf = (system.contributor, UNIT)
    root, proof = chain(slash_tree([leaf]).leaf(leaf), MAX_PROOF + 1)
    system.settle(system.receipt(campaign, slashRoot=root))
    with boa.reverts():
        system.board.execute_slash(campaign, 1, *leaf, proof, sender=system.stranger)
    assert system.board.slashed(campaign, system.contributor) == 0
