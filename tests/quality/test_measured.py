"""The `gold` policy: who is paid for answers that nobody counts."""

from __future__ import annotations

from oracle.consensus.fixed import PPM
from oracle.quality.measured import GoldTally, expected_measured_ppm, gold_withstands
from oracle.quality.payment import expected_reward

MATCH = 500_000


def tally(*ppms: int) -> GoldTally:
    found = GoldTally()
    for ppm in ppms:
        found.add(ppm, MATCH)
    return found


def test_add__below_the_match__counts_and_earns_nothing() -> None:
    found = tally(800_000, MATCH, MATCH - 1)
    assert (found.total, found.right, found.closeness) == (3, 2, 1_300_000)
    assert found.agreement_ppm == 1_300_000 // 7


def test_agreement__one_lucky_label__is_shrunk_to_a_fifth() -> None:
    assert tally(PPM).agreement_ppm == PPM // 5
    assert tally().agreement_ppm == 0


def test_passed__five_of_five__not_four_of_four() -> None:
    assert tally(*[PPM] * 5).passed(final=False)  # 1/32 is below 5 %, 1/16 isn't
    assert not tally(*[PPM] * 4).passed(final=False)


def test_passed__at_final__half_suffices_and_who_met_no_gold_is_not_to_blame() -> None:
    assert tally().passed(final=True)
    assert not tally().passed(final=False)
    assert tally(PPM, 0).passed(final=True)
    assert not tally(PPM, 0, 0).passed(final=True)


def test_gold_withstands__two_who_miss_it_and_agree__it_counts_for_nothing() -> None:
    def same(one: int, other: int) -> int:
        return PPM

    def unlike(one: int, other: int) -> int:
        return 0

    to_gold = [0, 0, 0]
    assert not gold_withstands(0, to_gold, same, MATCH)
    assert gold_withstands(0, to_gold, unlike, MATCH)  # each is wrong in a way of its own
    assert gold_withstands(0, [0, 0], same, MATCH)  # one other isn't enough
    assert gold_withstands(0, [0, 0, 0, PPM, PPM], same, MATCH)  # as many match as miss
    assert not gold_withstands(0, [PPM, 0, 0, 0, PPM], same, MATCH)


def test_expected_reward__measured__between_base_and_all() -> None:
    assert 300_000 < expected_reward(PPM, 300_000, 0) < PPM
    assert expected_measured_ppm() == 637_500
