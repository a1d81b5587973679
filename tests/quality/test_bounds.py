import pytest

from oracle.errors import InputError
from oracle.quality import bounds


@pytest.mark.parametrize(
    ("declared", "counts"), [(0, 300_000), (400_000, 400_000), (2 * 10**6, 10**6)]
)
def test_base_ppm__any__is_at_least_three_tenths(declared, counts):
    assert bounds.base_ppm(declared) == counts


@pytest.mark.parametrize(
    ("declared", "policy", "counts"),
    [
        ((1, 2), "agreement", (3, 3)),
        ((1, 2), "gold", (1, 2)),
        ((4, 7), "agreement", (4, 7)),
        ((5, 3), "agreement", (5, 5)),
        ((0, 0), "gold", (1, 1)),
    ],
)
def test_redundancy__any__leaves_two_judges_where_agreement_pays(declared, policy, counts):
    assert bounds.redundancy(*declared, policy) == counts


@pytest.mark.parametrize(
    ("declared", "n_classes", "counts"),
    [(990_000, 2, 750_000), (990_000, 10, 550_000), (400_000, 2, 400_000), (-5, 2, 0)],
)
def test_slashing_floor__any__is_at_most_halfway_to_one(declared, n_classes, counts):
    assert bounds.slashing_floor_ppm(declared, n_classes) == counts


def test_threshold__any__lies_above_chance():
    assert bounds.threshold_ppm(100, 4) == 250_001
    assert bounds.threshold_ppm(950_000, 4) == 950_000
    assert bounds.threshold_ppm(2_000_000, 4) == 1_000_000


def test_fee_and_epoch__any__keep_to_the_chain():
    assert [bounds.fee_bps(fee, 10, 500) for fee in (0, 100, 900)] == [10, 100, 500]
    assert [bounds.epoch_seconds(seconds, 60) for seconds in (1, 90)] == [60, 90]


def test_bounds__one_class__raises():
    for bound in (bounds.threshold_ppm, bounds.slashing_floor_ppm):
        with pytest.raises(InputError):
            bound(500_000, 1)
