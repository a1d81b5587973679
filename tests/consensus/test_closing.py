import numpy as np
import pytest

from oracle.consensus import PPM, Closing, closes, dawid_skene, item_posterior
from oracle.consensus.closing import CROWD_PPM, log_crowd_weights
from oracle.errors import InputError
from tests.support.crowd import crowd


def by_the_book(labels, skills, n_classes):
    """The posterior of one item in floats: Bayes over classes and over the crowd's quality.

    `labels`: (worker, class) pairs; `skills`: (workers, classes, classes) counts of labels.
    """
    right = np.trace(skills, axis1=1, axis2=2)
    total = skills.sum(axis=(1, 2))
    tells = 4 / np.maximum(np.floor(total), 4)
    joint = np.zeros(n_classes)
    for quality in np.arange(0.05, 1, 0.1):
        hits, misses = (right * tells).sum(), ((total - right) * tells).sum()
        belief = quality ** (1.8 + hits) * (1 - quality) ** (0.2 + misses)
        rows = np.full((n_classes, n_classes), 4 * (1 - quality) / (n_classes - 1))
        np.fill_diagonal(rows, 4 * quality)
        for klass in range(n_classes):
            likelihood = belief
            for worker, label in labels:
                counts = skills[worker, klass] + rows[klass]
                likelihood *= counts[label] / counts.sum()
            joint[klass] += likelihood
    return joint / joint.sum() * PPM


def exact(labels, skills, n_classes):
    workers, classes = np.array(labels).T
    return item_posterior(
        np.zeros(len(labels), dtype=np.int64),
        workers,
        classes,
        n_items=1,
        n_workers=len(skills),
        n_classes=n_classes,
        skills=(skills * PPM).astype(np.int64),
    )[0]


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_item_posterior__strangers_and_known__is_bayes_over_classes_and_crowds(n_classes):
    random = np.random.default_rng(n_classes)
    for n_labels in range(1, 8):
        skills = random.integers(0, 6, (n_labels, n_classes, n_classes)).astype(float)
        skills[random.random(n_labels) < 0.5] = 0
        labels = [(worker, random.integers(n_classes)) for worker in range(n_labels)]
        posterior = exact(labels, skills, n_classes)
        # what the crowd did counts in thousandths of a label
        assert np.abs(posterior - by_the_book(labels, skills, n_classes)).max() <= 200
        assert posterior.sum() == PPM


def test_item_posterior__strangers_agree__are_believed_by_a_power_of_their_number():
    """Were the crowd's quality known to be .7, ten would leave a doubt of (3/7)^10, .0002."""
    posteriors = [
        int(exact([(worker, 1) for worker in range(count)], np.zeros((count, 2, 2)), 2)[1])
        for count in range(1, 11)
    ]
    assert posteriors == sorted(posteriors)
    assert 0.95 < posteriors[-1] / PPM < 0.97


def test_item_posterior__a_crowd_seen_often__is_believed_where_strangers_are_not():
    skills = np.zeros((23, 2, 2))
    skills[3:, [0, 1], [0, 1]] = 19
    skills[3:, [0, 1], [1, 0]] = 1
    strangers = [(0, 1), (1, 1), (2, 1)]
    unknown = exact(strangers, np.zeros((3, 2, 2)), 2)[1]
    of_a_good_crowd = exact(strangers, skills, 2)[1]
    assert unknown < 870_000
    assert of_a_good_crowd > 990_000
    known = exact([(3, 1), (4, 1), (5, 1)], skills, 2)[1]
    assert known > of_a_good_crowd


def test_item_posterior__workers_renamed_and_rows_shuffled__changes_no_bit():
    people = crowd(5, n_items=200)
    random = np.random.default_rng(1)
    fit = dawid_skene(*people.columns, **people.sizes)
    names = random.permutation(people.n_workers)
    rows = random.permutation(people.items.size)
    renamed = np.empty_like(fit.skills)
    renamed[names] = fit.skills
    items, workers, labels = (column[rows] for column in people.columns)
    again = item_posterior(
        items, names[workers], labels, **people.sizes, skills=renamed, class_counts=fit.class_counts
    )
    once = item_posterior(
        *people.columns, **people.sizes, skills=fit.skills, class_counts=fit.class_counts
    )
    assert np.array_equal(once, again)


def test_log_crowd_weights__as_much_as_a_table_may_hold__does_not_overflow():
    counts = np.zeros((1_000, 2, 2), dtype=np.int64)
    counts[:, 0, 0] = 10**8 * PPM // 1_000
    weights = log_crowd_weights(counts)
    assert weights.argmax() == len(CROWD_PPM) - 1
    assert (np.diff(weights) > 0).all()
    assert weights.min() > -(2**62)


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
