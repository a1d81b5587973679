"""A campaign's whole life on a real anvil, through deployment, poster, reader and record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.chain.deployment import Deployment
from oracle.chain.poster import OPERATOR, Poster, claim_many_call
from oracle.errors import Reverted, UnknownCampaign
from oracle.evidence.results import PayoutLeaf
from oracle.evidence.signing import checksum
from tests.oracle.chain.conftest import OPERATOR_KEYS, UNIT, Platform, claims_of

pytestmark = pytest.mark.chain


def test_campaign__created_to_refunded__moves_exactly_the_money_of_its_receipts(
    platform: Platform,
) -> None:
    reader, token = platform.reader(), platform.deployment.token
    requester = platform.requester
    before = reader.balance(token, requester.address)
    campaign = platform.create()
    assert reader.balance(token, platform.deployment.escrow) == 1_200 * UNIT

    leaves = platform.leaves(5)
    first = platform.receipt(campaign, 1, leaves)
    platform.settle(first)
    platform.relayer.claim(claims_of(first, leaves)[0])
    platform.relayer.claim_batch(claims_of(first, leaves))
    assert [reader.balance(token, leaf.account) for leaf in leaves] == [UNIT] * 5

    requester.close(campaign)
    more = [replace(leaf, cumulative=3 * UNIT, accepted=5, submitted=8) for leaf in leaves]
    final = platform.receipt(
        campaign,
        2,
        more,
        final=True,
        previous=platform.digest(first),
        as_of=platform.devnet.block_number(),
    )
    platform.devnet.mine()
    platform.settle(final)
    platform.relayer.claim_many(claims_of(final, more))
    requester.refund(campaign)

    fees = 15 * UNIT // 20
    assert [reader.balance(token, leaf.account) for leaf in leaves] == [3 * UNIT] * 5
    assert reader.balance(token, platform.deployment.escrow) == fees
    assert reader.balance(token, requester.address) == before - 15 * UNIT - fees
    state = reader.campaign(campaign)
    assert state["refunded"]
    assert state["complete"]
    assert state["claimed"] == 15 * UNIT


def test_every_step__taken_twice__sends_nothing_and_moves_nothing(platform: Platform) -> None:
    campaign = platform.create()
    leaves = platform.leaves(70)
    receipt = platform.receipt(campaign, 1, leaves)
    claims = claims_of(receipt, leaves)
    platform.settle(receipt)
    assert len(platform.relayer.claim_batch(claims)) == 2
    platform.requester.close(campaign)
    final = platform.receipt(
        campaign,
        2,
        leaves,
        final=True,
        previous=platform.digest(receipt),
        as_of=platform.devnet.block_number(),
    )
    platform.devnet.mine()
    platform.settle(final)
    platform.requester.refund(campaign)
    height = platform.devnet.block_number()

    relayer, requester = platform.relayer, platform.requester
    assert platform.create() == campaign
    for one in (receipt, final):
        assert relayer.post(one, platform.sign(one, 0, 1)).transaction is None
        assert relayer.finalize(one).transaction is None
    assert relayer.claim(claims[0]).transaction is None
    assert relayer.claim_batch(claims) == []
    assert relayer.claim_many(claims) == []
    assert requester.close(campaign).transaction is None
    assert requester.refund(campaign).transaction is None
    operator = Poster(platform.devnet.w3, platform.wallets.operator(0), platform.deployment)
    assert operator.join(OPERATOR, OPERATOR_KEYS[0]).transaction is None
    assert operator.stake(OPERATOR, 10**21).transaction is None
    assert platform.devnet.block_number() == height


@pytest.mark.parametrize(
    ("operators", "reason"),
    [((0,), "ReceiptBoard: too few signatures"), ((), "ReceiptBoard: too few signatures")],
)
def test_post__without_quorum__carries_the_contracts_reason(
    platform: Platform, operators: tuple[int, ...], reason: str
) -> None:
    receipt = platform.receipt(platform.create(), 1, platform.leaves(2))
    with pytest.raises(Reverted, match=reason) as caught:
        platform.relayer.post(receipt, platform.sign(receipt, *operators))
    assert caught.value.reason == reason
    assert platform.reader().progress(receipt.campaign)["digest"] == bytes(32)


def test_finalize__in_the_window__is_refused_and_works_after_it(platform: Platform) -> None:
    receipt = platform.receipt(platform.create(), 1, platform.leaves(2))
    platform.relayer.post(receipt, platform.sign(receipt, 1, 2))
    with pytest.raises(Reverted, match="ReceiptBoard: window is open"):
        platform.relayer.finalize(receipt)
    assert platform.reader().progress(receipt.campaign)["pending"]
    platform.devnet.increase_time(30)
    assert platform.relayer.finalize(receipt).transaction is not None
    assert not platform.reader().progress(receipt.campaign)["pending"]


def test_facts__after_receipts__say_what_happened_and_when(platform: Platform) -> None:
    campaign = platform.create(manifest=b"\7" * 32)
    created = platform.devnet.block_number()
    reader = platform.reader()
    leaves = platform.leaves(2)
    receipt = platform.receipt(campaign, 1, leaves)
    posted = platform.relayer.post(receipt, platform.sign(receipt, 0, 1)).block
    session = bytes(range(20))
    delegated = platform.requester.delegate(campaign, session, 3, 1_800_000_000, b"\6" * 32).block
    funded = platform.requester.fund(campaign, 50 * UNIT).block
    capped = platform.requester.raise_bond(campaign, 300 * UNIT).block
    platform.requester.raise_epoch_cap(campaign, 250 * UNIT)
    platform.devnet.increase_time(30)
    finalized = platform.relayer.finalize(receipt).block
    platform.requester.close(campaign)

    facts = reader.facts(campaign, 4)
    assert facts.manifest == b"\7" * 32
    assert facts.gateway == bytes.fromhex(platform.wallets.gateway.address[2:])
    assert facts.token == platform.deployment.token
    assert (facts.fee_bps, facts.window_seconds, facts.chain_id) == (500, 30, 31337)
    assert facts.created == reader.block(created)
    assert facts.closed == reader.block(platform.devnet.block_number())
    (settlement,) = facts.settlements
    assert settlement.receipt == receipt
    assert (settlement.posted_block, settlement.finalized_block) == (posted, finalized)
    assert facts.last_finalized(finalized - 1) is None
    assert facts.last_finalized(finalized) == receipt
    (delegation,) = facts.delegations
    assert (delegation.block, delegation.session_key, delegation.generation) == (
        delegated,
        session,
        3,
    )
    assert facts.funding_at(created).budget == 1_000 * UNIT
    assert facts.funding_at(funded).budget == 1_050 * UNIT
    assert facts.funding_at(capped).bond == 300 * UNIT
    assert facts.funding_at(facts.closed.number).epoch_cap == 250 * UNIT
    head = reader.head().number
    assert sorted(facts.anchors) == [n for n in range(created, head + 1) if n % 4 == 0]
    assert all(facts.anchors[number] == reader.block(number) for number in facts.anchors)

    earlier = reader.facts(campaign, 4, posted)
    assert earlier.settlements[0].finalized_block is None
    assert earlier.closed is None
    with pytest.raises(UnknownCampaign):
        reader.facts(campaign, 4, created - 1)
    with pytest.raises(UnknownCampaign):
        reader.facts(campaign + 1, 4)
    with pytest.raises(UnknownCampaign):
        reader.campaign(campaign + 1)
    assert reader.manifest(campaign) == facts.manifest


def test_operators__after_one_loses_its_stake__counts_as_inactive(platform: Platform) -> None:
    reader = platform.reader()
    before = reader.head().number
    members = [bytes.fromhex(platform.wallets.operator(one).address[2:]) for one in range(3)]
    operators = reader.operators()
    seats = tuple(sorted(members))
    assert operators.members == seats != tuple(members)
    assert (operators.version, operators.threshold) == (1, 2)
    assert operators.active == set(members)
    assert operators.encryption_keys == dict(zip(members, OPERATOR_KEYS, strict=True))
    assert operators.signers(0b101) == (seats[0], seats[2])

    leaving = Poster(platform.devnet.w3, platform.wallets.operator(1), platform.deployment)
    leaving.unbond(OPERATOR, 1)
    assert reader.operators().active == {members[0], members[2]}
    assert reader.operators(before).active == set(members)


def test_head__finalized__stays_behind_the_newest_block(platform: Platform) -> None:
    reader = platform.reader("finalized")
    platform.devnet.mine(5)
    assert reader.head().number == reader.newest().number - 2
    assert all(event.block <= reader.head().number for event in reader.events())


def test_deployment__saved_and_loaded__is_equal(platform: Platform) -> None:
    path = platform.devnet.state_dir / "deployment.json"
    assert Deployment.load(path) == platform.deployment


def test_claim__padded_leaf__is_refused_and_pays_nothing(platform: Platform) -> None:
    leaves = platform.leaves(3)
    receipt = platform.receipt(platform.create(), 1, leaves)
    platform.settle(receipt)
    claim = claims_of(receipt, leaves)[1]
    padded = replace(claim, leaf=PayoutLeaf(claim.leaf.account, 2 * UNIT, 3, 4))
    with pytest.raises(Reverted, match="CampaignEscrow: invalid proof"):
        platform.relayer.claim(padded)
    assert platform.reader().balance(platform.deployment.token, claim.leaf.account) == 0
    platform.relayer.claim(claim)
    assert platform.reader().balance(platform.deployment.token, claim.leaf.account) == UNIT


def test_claim_many_call__sent_by_any_account__pays_every_leaf(platform: Platform) -> None:
    reader, token = platform.reader(), platform.deployment.token
    leaves = platform.leaves(2)
    receipts = [platform.receipt(platform.create(bytes([n]) * 32), 1, leaves) for n in (1, 2)]
    for receipt in receipts:
        platform.settle(receipt)
    claims = [claims_of(receipt, leaves)[0] for receipt in receipts]
    w3 = platform.devnet.w3
    sent = w3.eth.send_transaction(
        {
            "from": w3.eth.accounts[9],
            "to": checksum(platform.deployment.escrow),
            "data": claim_many_call(claims),
        }
    )
    assert w3.eth.wait_for_transaction_receipt(sent)["status"] == 1
    assert reader.balance(token, leaves[0].account) == 2 * UNIT
    assert platform.relayer.claim_many(claims) == []
