"""Posting: a quorum's signatures, a receipt that follows the last, money that is there."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from eth_account import Account
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.system import (
    OPERATOR,
    UNIT,
    ZERO,
    Receipt,
    System,
    compact,
    events,
    payout_tree,
)

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_post__by_quorum__reserves_what_it_adds(system: System, campaign: int) -> None:
    receipt = system.receipt(
        campaign, payoutRoot=b"\x01" * 32, payoutTotal=100 * UNIT, feeTotal=5 * UNIT
    )
    signatures = system.sign(receipt)
    system.board.post(receipt.values(), signatures, system.members(), sender=system.stranger)
    logs = events(system.board)
    assert [name for name, _ in logs] == ["Reserved", "ReceiptPosted"]
    assert logs[0][1] == {"campaign": campaign, "epoch": 1, "amount": 105 * UNIT}
    posted = logs[1][1]
    assert tuple(posted.pop("receipt")) == receipt.values()
    assert [tuple(pair) for pair in posted.pop("signatures")] == signatures
    assert posted == {
        "campaign": campaign,
        "digest": system.digest(receipt),
        "poster": system.stranger,
        "operator_set": 1,
        "signers": 0b011,
    }
    progress = system.board.progress(campaign)
    assert progress.digest == system.digest(receipt)
    assert progress.pending
    assert progress.postedAt == boa.env.evm.patch.timestamp
    assert (progress.epoch, progress.logPosition, progress.labelCount) == (0, 0, 0)
    state = system.escrow.campaign(campaign)
    assert (state.reserved, state.payout_total, state.fee_total) == (105 * UNIT, 0, 0)


@settings(max_examples=25)
@given(
    big=st.integers(0, 2**256 - 1),
    small=st.integers(0, 2**32 - 1),
    flag=st.booleans(),
    word=st.binary(min_size=32, max_size=32),
)
def test_receipt_digest__any_receipt__equals_eth_accounts(
    deployed: System, big: int, small: int, flag: bool, word: bytes
) -> None:
    receipt = Receipt(
        campaign=big,
        epoch=big % 2**64,
        attempt=small,
        final=flag,
        evidence=word,
        payoutTotal=big % 2**128,
        agreement=small,
        previous=word[::-1],
    )
    assert deployed.board.receipt_digest(receipt.values()) == deployed.digest(receipt)


def test_post__signatures_of_others__are_refused(system: System, campaign: int) -> None:
    receipt = system.receipt(campaign)
    first, second, third = system.operators
    for signers, reason in (
        ([], "too few signatures"),
        ([first], "too few signatures"),
        ([second, first], "signers not ascending"),
        ([first, first], "signers not ascending"),
        ([third, third], "signers not ascending"),
        ([first, third, second], "signers not ascending"),
        ([system.outsider], "signer not an operator"),
        ([first, system.outsider], "signer not an operator"),
        ([third, system.outsider], "signer not an operator"),
    ):
        with system.refused(f"ReceiptBoard: {reason}"):
            system.post(receipt, signers)
    system.post(receipt, [first, second, third])
    assert system.board.progress(campaign).signers == 0b111


@pytest.mark.parametrize(
    ("seats", "bitmap"), [((0, 1), 0b011), ((0, 2), 0b101), ((1, 2), 0b110), ((0, 1, 2), 0b111)]
)
def test_post__any_quorum__stands_in_its_seats(
    system: System, campaign: int, seats: tuple[int, ...], bitmap: int
) -> None:
    system.post(system.receipt(campaign), [system.operators[seat] for seat in seats])
    assert system.board.progress(campaign).signers == bitmap


def test_post__outsider_before_between_or_after_members__is_refused(
    system: System, campaign: int
) -> None:
    receipt = system.receipt(campaign)
    accounts = sorted(
        [*system.operators, system.outsider], key=lambda account: int(account.address, 16)
    )
    for outsider in accounts:
        members = [account for account in accounts if account != outsider]
        if outsider != system.outsider:
            system.stake(system.outsider.address, system.MIN_STAKE, OPERATOR)
        system.set_operators([account.address for account in members], 2)
        with system.refused("ReceiptBoard: signer not an operator"):
            system.post(receipt, [outsider])
        with system.refused("ReceiptBoard: signer not an operator"):
            system.post(receipt, accounts)


def test_post__members_of_no_such_set__is_refused(system: System, campaign: int) -> None:
    receipt = system.receipt(campaign)
    signatures, members = system.sign(receipt), system.members()
    first, second, third = members
    for wrong in (
        [],
        [first, second],
        [second, third],
        [first, third, second],
        [first, second, third, third],
        [first, second, third, system.outsider.address],
        [first, second, system.outsider.address],
    ):
        with system.refused("ReceiptBoard: not the set"):
            system.board.post(receipt.values(), signatures, wrong)
    system.board.post(receipt.values(), signatures, members)


def test_post__17_of_32_members__stand_in_their_seats(system: System, campaign: int) -> None:
    accounts = sorted(
        (Account.from_key(keccak(text=f"one of many {i}")) for i in range(32)),
        key=lambda account: int(account.address, 16),
    )
    for account in accounts:
        system.stake(account.address, system.MIN_STAKE, OPERATOR)
    system.set_operators([account.address for account in accounts], 17)
    receipt = system.receipt(campaign)
    signers = [accounts[0], *accounts[16:]]
    for wrong, reason in (
        ([*signers, system.outsider], "signer not an operator"),
        ([*signers, accounts[31]], "signers not ascending"),
        (signers[1:], "too few signatures"),
    ):
        with system.refused(f"ReceiptBoard: {reason}"):
            system.post(receipt, wrong)
    system.post(receipt, signers)
    assert system.board.progress(campaign).signers == 0xFFFF_0001


def test_post__signature_of_another_receipt__is_refused(system: System, campaign: int) -> None:
    signatures = system.sign(system.receipt(campaign))
    altered = system.receipt(campaign, payoutTotal=1, payoutRoot=b"\x01" * 32)
    with system.refused("ReceiptBoard: signer not an operator"):
        system.board.post(altered.values(), signatures, system.members())


def test_post__malleable_signature__is_refused(system: System, campaign: int) -> None:
    receipt = system.receipt(campaign)
    signatures = system.sign(receipt)
    for i, signer in enumerate(system.operators[:2]):
        signed = signer.unsafe_sign_hash(system.digest(receipt))
        twin = signed._replace(s=ORDER - signed.s, v=55 - signed.v)
        r, vs = compact(signed)
        # the twin's s doesn't fit beside the parity unless it is below 2^255
        if twin.s >> 255:
            vs = (int.from_bytes(vs, "big") & 1 << 255 | twin.s % 2**255).to_bytes(32, "big")
        else:
            r, vs = compact(twin)
        bad = [*signatures]
        bad[i] = (r, vs)
        with system.refused("ReceiptBoard: signer not an operator"):
            system.board.post(receipt.values(), bad, system.members())
    system.board.post(receipt.values(), signatures, system.members())


def test_post__operator_without_stake__is_refused_until_staked(
    system: System, campaign: int
) -> None:
    receipt = system.receipt(campaign)
    operator = system.operators[0].address
    system.vault.unbond(2, 1, sender=operator)
    with system.refused("ReceiptBoard: signer not active"):
        system.post(receipt)
    system.mint(operator, 1)
    system.vault.stake(2, 1, sender=operator)
    system.post(receipt)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"previous": ZERO}, "ReceiptBoard: wrong predecessor"),
        ({"attempt": 1}, "ReceiptBoard: wrong attempt"),
        ({"epoch": 1}, "ReceiptBoard: epoch not new"),
        ({"epoch": 2**32}, "ReceiptBoard: counter too large"),
        ({"logPosition": 9}, "ReceiptBoard: log position fell"),
        ({"logPosition": 2**40}, "ReceiptBoard: counter too large"),
        ({"labelCount": 9}, "ReceiptBoard: label count fell"),
        ({"labelCount": 2**40}, "ReceiptBoard: counter too large"),
        ({"asOf": 0}, "ReceiptBoard: anchor fell"),
        ({"asOf": 10**9}, "ReceiptBoard: anchor not in the past"),
        (
            {"payoutTotal": 100 * UNIT - 1, "feeTotal": 4 * UNIT},
            "CampaignEscrow: payouts fell",
        ),
        ({"payoutTotal": 200 * UNIT, "feeTotal": 4 * UNIT}, "CampaignEscrow: fees fell"),
        ({"bondCharge": 10 * UNIT - 1}, "CampaignEscrow: charge fell"),
        ({"feeTotal": 5 * UNIT + 1}, "CampaignEscrow: fee too high"),
        ({"payoutTotal": 300 * UNIT + 1}, "CampaignEscrow: cap exceeded"),
        ({"payoutTotal": 310 * UNIT, "bondCharge": 310 * UNIT}, "CampaignEscrow: bond exceeded"),
        (
            {"payoutTotal": 200 * UNIT, "bondCharge": 201 * UNIT},
            "CampaignEscrow: charge exceeds payouts",
        ),
        ({"payoutTotal": 2**96}, "CampaignEscrow: amount too large"),
        ({"payoutRoot": ZERO}, "CampaignEscrow: payouts without root"),
        ({"final": True}, "CampaignEscrow: campaign is open"),
    ],
)
def test_post__not_following_the_last_receipt__is_refused(
    system: System, campaign: int, changes: dict[str, Any], reason: str
) -> None:
    boa.env.time_travel(blocks=10)
    earned = {system.contributor: 50 * UNIT, system.stranger: 50 * UNIT}
    system.pay(campaign, earned, bondCharge=10 * UNIT)
    good = {"payoutRoot": b"\x01" * 32}
    with system.refused(reason):
        system.post(system.receipt(campaign, **good | changes))
    system.post(system.receipt(campaign, **good))


def test_post__unknown_campaign__is_refused(system: System) -> None:
    with system.refused("CampaignEscrow: no such campaign"):
        system.post(system.receipt(7))


def test_post__cap_grows_by_the_charge__exactly(system: System, campaign: int) -> None:
    terms = {"payoutRoot": b"\x01" * 32, "bondCharge": 50 * UNIT}
    with system.refused("CampaignEscrow: cap exceeded"):
        system.post(system.receipt(campaign, payoutTotal=250 * UNIT + 1, **terms))
    system.post(system.receipt(campaign, payoutTotal=250 * UNIT, **terms))


def test_post__budget_is_the_limit__exactly(system: System) -> None:
    campaign = system.create(budget=100 * UNIT)
    with system.refused("CampaignEscrow: budget exceeded"):
        system.post(system.receipt(campaign, payoutRoot=b"\x01" * 32, payoutTotal=100 * UNIT + 1))
    system.post(system.receipt(campaign, payoutRoot=b"\x01" * 32, payoutTotal=100 * UNIT))


def test_post__one_pending__refuses_a_second(system: System, campaign: int) -> None:
    receipt = system.receipt(campaign)
    system.post(receipt)
    with system.refused("ReceiptBoard: receipt pending"):
        system.post(receipt)
    other = system.create()
    system.post(system.receipt(other))
    assert system.board.is_pending(campaign)
    assert system.board.is_pending(other)


def test_post__final_with_anchor_before_close__is_refused(system: System, campaign: int) -> None:
    boa.env.time_travel(blocks=5)
    early = boa.env.evm.patch.block_number - 1
    system.close(campaign)
    with system.refused("CampaignEscrow: anchor before close"):
        system.post(system.receipt(campaign, final=True, asOf=early))
    system.post(system.receipt(campaign, final=True))


def test_post__before_the_first_operator_set__is_refused() -> None:
    with boa.env.anchor():
        fresh = System(seated=False)
        campaign = fresh.create()
        with fresh.refused("ReceiptBoard: not the set"):
            fresh.post(fresh.receipt(campaign), [])


def test_post__old_set__loses_its_right(system: System, campaign: int) -> None:
    receipt, old = system.receipt(campaign), system.members()
    system.set_operators([operator.address for operator in system.operators[1:]], 2)
    with system.refused("ReceiptBoard: not the set"):
        system.board.post(receipt.values(), system.sign(receipt), old)
    with system.refused("ReceiptBoard: signer not an operator"):
        system.post(receipt)
    system.post(receipt, system.operators[1:])
    assert system.board.progress(campaign).operatorSet == 2


def test_post__payout_tree__is_what_claims_need(system: System, campaign: int) -> None:
    tree = payout_tree([(system.contributor, 1, 1, 1), (system.stranger, 1, 1, 1)])
    system.settle(system.receipt(campaign, payoutRoot=tree.root, payoutTotal=2))
    assert system.escrow.payout_root(campaign, 1) == tree.root
