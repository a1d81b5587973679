"""Claims: cumulative, by anybody for anybody, never more than the receipt says."""

from __future__ import annotations

import pytest

from tests.support.system import UNIT, System, events, payout_tree, slash_tree


@pytest.fixture
def earners(system: System) -> dict[str, int]:
    """Two accounts and what the first receipt says that they earned."""
    return {system.contributor: 50 * UNIT, system.gateway: 20 * UNIT}


def test_claim__first__pays_all(system: System, campaign: int, earners: dict[str, int]) -> None:
    receipt, tree = system.pay(campaign, earners)
    system.claim(receipt, tree, system.contributor, 50 * UNIT)
    assert [log for log in events(system.escrow) if log[0] == "Paid"] == [
        (
            "Paid",
            {
                "campaign": campaign,
                "account": system.contributor,
                "epoch": 1,
                "amount": 50 * UNIT,
                "accepted": 1,
                "submitted": 1,
            },
        )
    ]
    assert system.balance(system.contributor) == 50 * UNIT
    claimed = system.escrow.claimed(campaign, system.contributor)
    assert (claimed.cumulative, claimed.accepted, claimed.submitted) == (50 * UNIT, 1, 1)
    assert system.escrow.campaign(campaign).claimed == 50 * UNIT


def test_claim__again__changes_nothing(
    system: System, campaign: int, earners: dict[str, int]
) -> None:
    receipt, tree = system.pay(campaign, earners)
    system.claim(receipt, tree, system.contributor, 50 * UNIT)
    state = system.state()
    system.claim(receipt, tree, system.contributor, 50 * UNIT)
    assert system.state() == state
    assert events(system.escrow) == []


def test_claim__later_receipt__pays_the_difference(
    system: System, campaign: int, earners: dict[str, int]
) -> None:
    first, old_tree = system.pay(campaign, earners)
    system.claim(first, old_tree, system.contributor, 50 * UNIT)
    second, tree = system.pay(campaign, earners | {system.contributor: 80 * UNIT})
    system.claim(second, tree, system.contributor, 80 * UNIT)
    assert system.balance(system.contributor) == 80 * UNIT
    # an old root stays claimable, and pays what is left of it: nothing here, all there
    system.claim(first, old_tree, system.contributor, 50 * UNIT)
    system.claim(first, old_tree, system.gateway, 20 * UNIT)
    assert system.balance(system.contributor) == 80 * UNIT
    assert system.balance(system.gateway) == 20 * UNIT


def test_claim__counters__keep_the_maximum_of_each(system: System, campaign: int) -> None:
    leaves = [(system.contributor, 10, 7, 9), (system.gateway, 1, 1, 1)]
    more = [(system.contributor, 5, 2**64 - 1, 3), (system.gateway, 30, 1, 1)]
    for epoch, rows in enumerate((leaves, more), start=1):
        tree = payout_tree(rows)
        system.settle(
            system.receipt(campaign, payoutRoot=tree.root, payoutTotal=sum(row[1] for row in rows))
        )
        row = rows[0]
        system.escrow.claim(campaign, epoch, *row, tree.proof(row), sender=system.stranger)
    claimed = system.escrow.claimed(campaign, system.contributor)
    assert (claimed.cumulative, claimed.accepted, claimed.submitted) == (10, 2**64 - 1, 9)
    assert system.balance(system.contributor) == 10


@pytest.mark.parametrize("change", ["account", "cumulative", "accepted", "submitted"])
def test_claim__altered_leaf__is_refused(
    system: System, campaign: int, earners: dict[str, int], change: str
) -> None:
    receipt, tree = system.pay(campaign, earners)
    leaf = {"account": system.contributor, "cumulative": 50 * UNIT, "accepted": 1, "submitted": 1}
    proof = tree.proof(tuple(leaf.values()))
    altered = leaf | {change: system.stranger if change == "account" else leaf[change] + 1}
    with system.refused("CampaignEscrow: invalid proof"):
        system.escrow.claim(
            campaign, receipt.epoch, *altered.values(), proof, sender=system.stranger
        )


def test_claim__inner_node_or_other_tree__is_refused(
    system: System, campaign: int, earners: dict[str, int]
) -> None:
    tree = slash_tree(list(earners.items()))
    system.settle(system.receipt(campaign, payoutRoot=tree.root, payoutTotal=70 * UNIT))
    proof = tree.proof((system.contributor, 50 * UNIT))
    with system.refused("CampaignEscrow: invalid proof"):
        system.escrow.claim(
            campaign, 1, system.contributor, 50 * UNIT, 0, 0, proof, sender=system.stranger
        )


def test_claim__posted_but_not_final__is_refused(
    system: System, campaign: int, earners: dict[str, int]
) -> None:
    tree = payout_tree([(account, amount, 1, 1) for account, amount in earners.items()])
    receipt = system.receipt(campaign, payoutRoot=tree.root, payoutTotal=70 * UNIT)
    system.post(receipt)
    with system.refused("CampaignEscrow: invalid proof"):
        system.claim(receipt, tree, system.contributor, 50 * UNIT)
    system.finalize(receipt)
    system.claim(receipt, tree, system.contributor, 50 * UNIT)
    assert system.balance(system.contributor) == 50 * UNIT


def test_claim__tree_above_its_receipt__never_pays_more_than_the_total(
    system: System, campaign: int, earners: dict[str, int]
) -> None:
    other = system.create()
    receipt, tree = system.pay(campaign, earners, payoutTotal=60 * UNIT, feeTotal=0)
    system.claim(receipt, tree, system.contributor, 50 * UNIT)
    with system.refused("CampaignEscrow: claims exceed payouts"):
        system.claim(receipt, tree, system.gateway, 20 * UNIT)
    assert system.escrow.campaign(other).budget == system.BUDGET


def test_claim__cumulative_of_2_to_128__is_refused(system: System, campaign: int) -> None:
    rows = [(system.contributor, 2**128, 1, 1), (system.gateway, 5, 1, 1)]
    tree = payout_tree(rows)
    system.settle(system.receipt(campaign, payoutRoot=tree.root, payoutTotal=5))
    with system.refused("CampaignEscrow: cumulative too large"):
        system.escrow.claim(campaign, 1, *rows[0], tree.proof(rows[0]), sender=system.stranger)
    system.escrow.claim(campaign, 1, *rows[1], tree.proof(rows[1]), sender=system.stranger)
    assert system.balance(system.gateway) == 5


def test_claim_many__two_campaigns__pays_from_each(
    system: System, campaign: int, earners: dict[str, int]
) -> None:
    other = system.create()
    claims = []
    for place in (campaign, other):
        receipt, tree = system.pay(place, earners)
        leaf = (system.contributor, 50 * UNIT, 1, 1)
        claims.append((place, receipt.epoch, *leaf, tree.proof(leaf)))
    system.escrow.claim_many(claims, sender=system.stranger)
    assert system.balance(system.contributor) == 100 * UNIT
    assert system.escrow.campaign(other).claimed == 50 * UNIT
    bad = [claims[0], (*claims[1][:3], 51 * UNIT, *claims[1][4:])]
    with system.refused("CampaignEscrow: invalid proof"):
        system.escrow.claim_many(bad, sender=system.stranger)


def test_claim_batch__many_accounts__pays_each_once(
    system: System, campaign: int, earners: dict[str, int]
) -> None:
    receipt, tree = system.pay(campaign, earners)
    rows = [(account, amount, 1, 1) for account, amount in earners.items()]
    proofs = [tree.proof(row) for row in rows]
    system.escrow.claim_batch(
        campaign, receipt.epoch, rows + rows, proofs + proofs, sender=system.stranger
    )
    assert [system.balance(account) for account in earners] == list(earners.values())
    assert system.escrow.campaign(campaign).claimed == 70 * UNIT
    with system.refused("CampaignEscrow: leaves and proofs differ"):
        system.escrow.claim_batch(campaign, 1, rows, proofs[:1], sender=system.stranger)
    with system.refused("CampaignEscrow: invalid proof"):
        system.escrow.claim_batch(campaign, 1, rows, proofs[::-1], sender=system.stranger)
    with system.refused("CampaignEscrow: invalid proof"):
        system.escrow.claim_batch(campaign, 2, rows, proofs, sender=system.stranger)


def test_claim__after_refund__still_pays(
    system: System, campaign: int, earners: dict[str, int]
) -> None:
    system.close(campaign)
    receipt, tree = system.pay(campaign, earners, final=True)
    system.escrow.refund(campaign, sender=system.stranger)
    system.claim(receipt, tree, system.contributor, 50 * UNIT)
    assert system.balance(system.contributor) == 50 * UNIT
