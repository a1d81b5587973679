import numpy as np
import pytest

from oracle.consensus import PPM, Closing, closes, dawid_skene, item_posterior
from oracle.errors import InputError
from tests.support.crowd import crowd


def test_item_posterior__nothing_known_yet__is_bayes_with_the_prior():
    # accuracy .7, errors .15 each: 1,1,2 gives .7².15 : .7 .15² : .15³
    posterior = item_posterior([0, 0, 0], [0, 1, 2], [1, 1, 2], n_items=1, n_workers=3, n_classes=3)
    exact = np.array([0.15**3, 0.7**2 * 0.15, 0.7 * 0.15**2])
    assert np.abs(posterior[0] - exact / exact.sum() * PPM).max() <= 1
    assert posterior.sum() == PPM


def test_item_posterior__a_skill_seen_often__weighs_more_than_one_seen_once():
    sizes = {"n_items": 1, "n_workers": 1, "n_classes": 2}
    posteriors = []
    for labels_seen in (0, 1, 10, 1_000):
        skills = np.zeros((1, 2, 2), dtype=np.int64)
        skills[0, [0, 1], [0, 1]] = labels_seen * PPM
        posteriors.append(int(item_posterior([0], [0], [1], **sizes, skills=skills)[0, 1]))
    # (4 · .7 + n) / (4 + n) for either class
    exact = [(2.8 + n) / (4 + n) * PPM for n in (0, 1, 10, 1_000)]
    assert posteriors == sorted(posteriors)
    assert np.abs(np.array(posteriors) - exact).max() <= 1


def test_item_posterior__skills_of_the_wrong_shape_or_size__raises():
    sizes = {"n_items": 1, "n_workers": 1, "n_classes": 2}
    with pytest.raises(InputError, match="skills need shape"):
        item_posterior([0], [0], [0], **sizes, skills=np.zeros((2, 2, 2), dtype=np.int64))
    with pytest.raises(InputError, match="skills must be from 0"):
        item_posterior([0], [0], [0], **sizes, skills=np.full((1, 2, 2), -1, dtype=np.int64))


def test_closes__golden__needs_minimum_and_threshold_and_ends_at_maximum():
    posterior = np.array([[950_000, 50_000]] * 2 + [[949_999, 50_001]] * 3 + [[0, PPM]])
    n_labels = np.array([2, 3, 3, 4, 5, 9])
    result = closes(posterior, n_labels, 950_000, 3, 5)
    assert result.tolist() == [
        Closing.OPEN,
        Closing.AGREED,
        Closing.OPEN,
        Closing.OPEN,
        Closing.AMBIGUOUS,
        Closing.AGREED,
    ]


@pytest.mark.parametrize(
    ("threshold", "minimum", "maximum"), [(0, 3, 5), (PPM + 1, 3, 5), (PPM, 0, 5), (PPM, 4, 3)]
)
def test_closes__impossible_rule__raises(threshold, minimum, maximum):
    with pytest.raises(InputError):
        closes(np.array([[PPM, 0]]), np.array([3]), threshold, minimum, maximum)


def test_closing__skills_of_an_earlier_epoch__closes_items_that_are_right():
    """What closes at .95 is right in at least 95 of 100, for a crowd that the model describes."""
    people = crowd(7, n_items=2_000, gold_share=0)
    first = people.items < 1_000
    earlier = dawid_skene(*(column[first] for column in people.columns), **people.sizes)
    posterior = item_posterior(
        *people.columns, **people.sizes, skills=earlier.skills, class_counts=earlier.class_counts
    )
    n_labels = np.bincount(people.items, minlength=2_000)
    closed = closes(posterior, n_labels, 950_000, 3, 5) == Closing.AGREED
    closed[:1_000] = False
    assert closed.sum() > 700
    assert (posterior.argmax(axis=1) == people.truth)[closed].mean() >= 0.95
