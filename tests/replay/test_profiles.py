"""What the simulated contributors answer, and that one seed always gives the same answers."""

from __future__ import annotations

from collections import Counter

import pytest

from oracle.replay.profiles import COLLUSION_PPM, PPM, Crowd, digit_profiles, guessing, skilled

PINNED = [
    "01234567890123456789",
    "01289567890123456789",
    "01284567890123416789",
    "83839398577203460083",
    "04834527090123856469",
    "04884527026123856469",
]  # items 0 to 19, seed 7: truth 0 to 9 twice
ROSTER = {"expert": 1, "ordinary": 1, "careless": 1, "spammer": 1, "colluder": 2}
TRUTH = [item % 10 for item in range(4_000)]


def crowd_of(seed: int) -> Crowd:
    return Crowd(seed, digit_profiles(), ROSTER, TRUTH)


def answers_of(crowd: Crowd, name: str) -> list[int]:
    member = next(one for one in crowd.members if one.name == name)
    return [crowd.answer(member, item) for item in range(len(TRUTH))]


@pytest.mark.parametrize("name", list(digit_profiles()))
def test_confusion__every_profile__each_row_is_a_distribution(name: str) -> None:
    profile = digit_profiles()[name]
    assert len(profile.confusion) == 10
    for row in profile.confusion:
        assert len(row) == 10
        assert min(row) >= 0
        assert sum(row) == PPM


@pytest.mark.parametrize("classes", [3, 4, 7, 10])
def test_skilled__any_number_of_classes__errors_go_to_other_classes(classes: int) -> None:
    for truth, row in enumerate(skilled(800_000, classes)):
        assert sum(row) == PPM
        assert row[truth] == 800_000
        assert max(share for klass, share in enumerate(row) if klass != truth) >= 100_000
    assert all(sum(row) == PPM for row in guessing(classes))


def test_profiles__stated_skill__is_ordered_and_only_three_are_honest() -> None:
    profiles = digit_profiles()
    honest = [one.accuracy_ppm for one in profiles.values() if one.honest]
    assert honest == sorted(honest, reverse=True)
    assert [one.name for one in profiles.values() if one.honest] == [
        "expert",
        "ordinary",
        "careless",
    ]
    assert profiles["spammer"].accuracy_ppm == PPM // 10
    assert profiles["colluder"].confusion == profiles["ordinary"].confusion


@pytest.mark.parametrize("name", ["expert", "ordinary", "careless", "spammer"])
def test_answers__many_items__come_by_the_confusion_matrix(name: str) -> None:
    confusion = digit_profiles()[name].confusion
    counts = Counter(zip(TRUTH, answers_of(crowd_of(3), f"{name}-1"), strict=True))
    for truth in range(10):
        for answer in range(10):
            share = counts[truth, answer] / 400
            # Five standard errors of 400 draws of the likeliest variance.
            assert share == pytest.approx(confusion[truth][answer] / PPM, abs=0.125)
    right = sum(counts[klass, klass] for klass in range(10)) / len(TRUTH)
    assert right == pytest.approx(digit_profiles()[name].accuracy_ppm / PPM, abs=0.025)


def test_colluders__two_of_fifths_of_the_items__give_one_shared_random_answer() -> None:
    crowd = crowd_of(5)
    first, second = answers_of(crowd, "colluder-1"), answers_of(crowd, "colluder-2")
    both_wrong_alike = [
        item
        for item, pair in enumerate(zip(first, second, strict=True))
        if pair[0] == pair[1] != TRUTH[item]
    ]
    # Nine in ten of the shared answers are wrong; ordinary people seldom err alike.
    shared = len(both_wrong_alike) / len(TRUTH)
    assert shared == pytest.approx(0.9 * COLLUSION_PPM / PPM, abs=0.03)
    # A shared answer says nothing of the item.
    spread = Counter(first[item] for item in both_wrong_alike)
    assert max(spread.values()) < 1.5 * min(spread.values())
    alone = sum(a != b for a, b in zip(first, second, strict=True)) / len(TRUTH)
    assert alone == pytest.approx(0.6 * 0.21, abs=0.03)


def test_answers__same_seed_in_any_order__are_the_same() -> None:
    crowd = crowd_of(7)
    forward = {
        (member.name, item): crowd.answer(member, item)
        for member in crowd.members
        for item in range(200)
    }
    again = crowd_of(7)
    backward = {
        (member.name, item): again.answer(member, item)
        for item in reversed(range(200))
        for member in reversed(again.members)
    }
    assert forward == backward
    other = crowd_of(8)
    assert forward != {
        (member.name, item): other.answer(member, item)
        for member in other.members
        for item in range(200)
    }


def test_answers__pinned__are_those_of_every_machine() -> None:
    crowd = crowd_of(7)
    assert [
        "".join(str(crowd.answer(member, item)) for item in range(20)) for member in crowd.members
    ] == PINNED
