"""How many receipts may be open: so many that every signer's stake covers all of them."""

from __future__ import annotations

from collections.abc import Iterator

import boa
import pytest

from tests.support.system import OPERATOR, System


@pytest.fixture
def tight() -> Iterator[System]:
    """Two receipts at once; the stake covers no more."""

    class Tight(System):
        MAX_OPEN = 2
        RECEIPT_STAKE = System.MIN_STAKE // 2

    with boa.env.anchor():
        yield Tight()


def start_of_period(system: System) -> None:
    late = boa.env.evm.patch.timestamp % system.WINDOW
    boa.env.time_travel(seconds=system.WINDOW - late)


def test_post__as_many_as_the_stake_covers__refuses_another(tight: System) -> None:
    start_of_period(tight)
    campaigns = [tight.create() for _ in range(3)]
    for campaign in campaigns[:2]:
        tight.post(tight.receipt(campaign))
    assert tight.board.open_receipts() == tight.board.max_open() == 2
    with tight.refused("ReceiptBoard: too many open receipts"):
        tight.post(tight.receipt(campaigns[2]))
    # the next period still counts them: they may be challenged in it
    boa.env.time_travel(seconds=tight.WINDOW)
    with tight.refused("ReceiptBoard: too many open receipts"):
        tight.post(tight.receipt(campaigns[2]))
    boa.env.time_travel(seconds=tight.WINDOW)
    assert tight.board.open_receipts() == 0
    tight.post(tight.receipt(campaigns[2]))
    assert tight.board.open_receipts() == 1


def test_post__periods_pass_one_by_one__counts_two_of_them(tight: System) -> None:
    start_of_period(tight)
    counts = []
    for _ in range(3):
        tight.post(tight.receipt(tight.create()))
        counts.append(tight.board.open_receipts())
        boa.env.time_travel(seconds=2 * tight.WINDOW)
        counts.append(tight.board.open_receipts())
    assert counts == [1, 0] * 3


@pytest.mark.parametrize("second", [0, 1], ids=["even", "odd"])
def test_post__after_a_pause__counts_all_the_same(tight: System, second: int) -> None:
    """The end of the pause shares a word with the counts: at an even and an odd second."""
    end = boa.env.evm.patch.timestamp + tight.MAX_PAUSE
    boa.env.time_travel(seconds=2 + (second - end) % 2)
    tight.board.pause(sender=tight.guardian)
    assert tight.board.paused_until() % 2 == second
    boa.env.time_travel(seconds=tight.MAX_PAUSE)
    start_of_period(tight)
    campaigns = [tight.create() for _ in range(3)]
    for campaign in campaigns[:2]:
        tight.post(tight.receipt(campaign))
    assert tight.board.open_receipts() == 2
    with tight.refused("ReceiptBoard: too many open receipts"):
        tight.post(tight.receipt(campaigns[2]))


def test_post__receipts_under_challenge__count_until_closed(tight: System) -> None:
    start_of_period(tight)
    receipts = [tight.receipt(tight.create()) for _ in range(4)]
    for receipt in receipts[:2]:
        tight.post(receipt)
    cases = [tight.challenge(receipt) for receipt in receipts[:2]]
    boa.env.time_travel(seconds=2 * tight.WINDOW)
    assert tight.board.open_receipts() == 2
    with tight.refused("ReceiptBoard: too many open receipts"):
        tight.post(receipts[2])
    tight.rule(cases[0], 1)
    tight.post(receipts[2])
    with tight.refused("ReceiptBoard: too many open receipts"):
        tight.post(receipts[3])
    tight.rule(cases[1], 2)
    assert tight.board.open_receipts() == 1


def test_rule__every_open_receipt_upheld__finds_all_the_stake(tight: System) -> None:
    start_of_period(tight)
    receipts = [tight.receipt(tight.create()) for _ in range(2)]
    for receipt in receipts:
        tight.post(receipt)
    for operator in tight.operators:
        tight.vault.unbond(OPERATOR, tight.MIN_STAKE, sender=operator.address)
    for case in [tight.challenge(receipt) for receipt in receipts]:
        tight.rule(case, 2)
    for signer in tight.operators[:2]:
        position = tight.vault.position(OPERATOR, signer.address)
        assert (position.staked, position.unbonding, position.locked) == (0, 0, 0)


def test_rule__late__counts_the_receipt_anew(tight: System) -> None:
    start_of_period(tight)
    receipt = tight.receipt(tight.create())
    tight.post(receipt)
    case = tight.challenge(receipt)
    boa.env.time_travel(seconds=2 * tight.WINDOW)
    assert tight.board.open_receipts() == 1
    tight.rule(case, 3)
    assert tight.board.open_receipts() == 1
    boa.env.time_travel(seconds=2 * tight.WINDOW)
    assert tight.board.open_receipts() == 0
