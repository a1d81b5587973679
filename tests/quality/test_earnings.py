"""What each profile earns per label by the whole chain of rules, without a chain of blocks."""

import numpy as np
import pytest

from oracle.consensus import dawid_skene, leave_one_out, majority_vote
from oracle.quality.agreement import judged_labels, measure_agreement
from oracle.quality.gold import gold_stands, gold_tallies, passed
from oracle.quality.payment import payout
from tests.support.crowd import HONEST_ACCURACY, POOL, crowd

SEEDS = range(10)
REWARD = 10**18


def earnings_per_label(people, method):
    """Pay of each contributor per label as a share of the reward, at the final receipt."""
    consensus = method(*people.columns, **people.sizes, gold=people.gold)
    reference, others = leave_one_out(consensus, *people.columns, **people.sizes)
    expected = people.gold[people.items]
    stands = gold_stands(expected, reference, others)
    right, total = gold_tallies(people.workers, people.labels, expected, stands, people.n_workers)
    agreement = measure_agreement(
        people.workers,
        people.labels,
        np.where(expected >= 0, expected, reference),
        judged_labels(expected, stands, others),
        n_workers=people.n_workers,
        n_classes=people.n_classes,
        answer_counts=np.bincount(consensus.answer, minlength=people.n_classes),
        final=True,
    )
    labels = np.bincount(people.workers, minlength=people.n_workers)
    pay = []
    for worker in range(people.n_workers):
        beats_chance = passed(int(right[worker]), int(total[worker]), people.n_classes)
        reward = int(labels[worker]) * REWARD
        amount = payout(reward, 300_000, beats_chance, int(agreement.ppm[worker]))
        pay.append(amount / reward)
    return np.array(pay)


@pytest.mark.parametrize("method", [dawid_skene, majority_vote])
@pytest.mark.parametrize("seed", SEEDS)
def test_earnings__spammer_and_colluders__earn_less_than_everybody_honest(seed, method):
    people = crowd(seed, n_items=900)
    pay = earnings_per_label(people, method)
    profile = np.array(POOL)
    honest = pay[np.isin(profile, list(HONEST_ACCURACY))]
    assert honest.min() > pay[profile == "colluder"].max()
    assert honest.min() > pay[profile == "spammer"].max() + 0.3
    means = [pay[profile == name].mean() for name in ("expert", "ordinary", "careless")]
    assert means == sorted(means, reverse=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_consensus__same_crowds__is_more_accurate_than_majority(seed):
    people = crowd(seed, n_items=900)
    ordinary = people.gold < 0
    exact, majority = (
        (method(*people.columns, **people.sizes).answer == people.truth)[ordinary].mean()
        for method in (dawid_skene, majority_vote)
    )
    assert exact > majority
