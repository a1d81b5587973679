"""A padded payout fits in everything but the rules."""

from __future__ import annotations

import pytest

from oracle.errors import InputError
from oracle.evidence.results import Evidence
from oracle.evidence.signing import address_of, recover
from oracle.protocol.campaign import EpochResult
from oracle.replay.altered import pad_final_payout
from tests.support.world import World, key_of

FEE_BPS = 500


@pytest.fixture(scope="module")
def result() -> EpochResult:
    """The only receipt of a small campaign."""
    world = World(items=20, epochs=1, gold_per_epoch=6)
    names = [f"contributor {number}" for number in range(4)]
    for name in names:
        world.delegate(name)
    world.pass_time(120)
    for _ in range(2):
        for name in names:
            world.work(name, 10, world.truth.__getitem__)
        world.pass_time(60)
    world.pass_time(3_600)
    return world.cut()


def test_pad__one_account__only_its_leaf_root_total_and_fee_change(result: EpochResult) -> None:
    account = address_of(key_of("contributor 1"))
    padded = pad_final_payout(result, account, 10**18, FEE_BPS)
    honest = {leaf.account: leaf.cumulative for leaf in result.evidence.leaves}
    changed = {leaf.account: leaf.cumulative for leaf in padded.evidence.leaves}
    assert changed == honest | {account: honest[account] + 10**18}
    assert padded.receipt.payout_total == sum(changed.values())
    assert padded.receipt.fee_total == padded.receipt.payout_total * FEE_BPS // 10_000
    assert padded.receipt.payout_root == padded.evidence.payout_tree.root
    assert padded.receipt.payout_root != result.receipt.payout_root
    assert padded.receipt.slash_root == result.receipt.slash_root
    blocks = {block.digest: block.data for block in (*result.blocks, *padded.blocks)}
    read = Evidence.decode(blocks[padded.receipt.evidence], lambda link: blocks[link.digest])
    assert read == padded.evidence


def test_pad__signed__by_the_operators_named(result: EpochResult) -> None:
    account = address_of(key_of("contributor 1"))
    padded = pad_final_payout(result, account, 1, FEE_BPS)
    domain = result.ledger.facts.board_domain
    keys = [key_of("operator 1"), key_of("operator 2")]
    digest = padded.receipt.digest(domain)
    signers = [recover(digest, signature) for signature in padded.signatures(domain, keys)]
    assert signers == [address_of(key) for key in keys]


def test_pad__account_that_earned_nothing__is_refused(result: EpochResult) -> None:
    with pytest.raises(InputError, match="only an account with a leaf can be padded"):
        pad_final_payout(result, address_of(key_of("stranger")), 1, FEE_BPS)
