from fractions import Fraction

import pytest

from oracle.errors import InputError
from oracle.quality.slashing import ALPHA_DEN, slash

TERMS = {"floor_ppm": 500_000, "n_classes": 2, "cap": 70}


@pytest.mark.parametrize(
    ("right", "total", "epoch", "amount"),
    [
        (0, 20, 1, 0),  # 2^-20 < 10^-6, but epoch 1 spends half of α only
        (0, 21, 1, 70),
        (0, 21, 2, 0),  # epoch 2 spends a sixth
        (0, 23, 2, 70),
        (30, 60, 1, 0),
        (0, 0, 1, 0),
    ],
)
def test_slash__golden__needs_proof_at_the_epochs_level(right, total, epoch, amount):
    assert slash(right, total, **TERMS, epoch=epoch, previous=0) == amount


def test_slash__proven_once__never_falls():
    assert slash(50, 60, **TERMS, epoch=3, previous=70) == 70
    assert slash(0, 60, **TERMS, epoch=3, previous=90) == 90


def test_slash__floor_above_halfway__is_clamped_so_honest_work_is_safe():
    # declared .99 in ten classes: .55 counts; 60 of 100 right is honest enough, 20 is not
    terms = {"floor_ppm": 990_000, "n_classes": 10, "cap": 70, "epoch": 1, "previous": 0}
    assert slash(60, 100, **terms) == 0
    assert slash(20, 100, **terms) == 70


def test_slash__levels_of_all_epochs__sum_to_less_than_alpha():
    # With none of n right against a floor of one half the level reached is 2^-n: the chance that
    # the fewest that slash in each epoch strike somebody at the floor.
    spent = Fraction(0)
    for epoch in range(1, 60):
        fewest = next(n for n in range(60) if slash(0, n, **TERMS, epoch=epoch, previous=0))
        spent += Fraction(1, 2**fewest)
    assert 0 < spent * ALPHA_DEN <= 1


@pytest.mark.parametrize("bad", [{"epoch": 0}, {"cap": -1}, {"previous": -1}])
def test_slash__out_of_range__raises(bad):
    with pytest.raises(InputError):
        slash(0, 30, **TERMS | {"epoch": 1, "previous": 0} | bad)
