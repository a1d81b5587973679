"""The table of Dawid and Skene's paper: 45 patients, 5 anaesthetists, 4 classes of fitness.

Applied Statistics 28(1), 1979, table 1. The first anaesthetist assessed everybody three times; as
in the paper, these count as three independent assessments.

Where the numbers come from. The 315 assessments are the paper's table 1, compared with a second
transcription (github.com/dallascard/dawid_skene). Class shares and the first anaesthetist's rates
are the paper's, as they are quoted of it; those of the other four, the classes and the doubtful
patients' probabilities are the maximum-likelihood fit of that table by two programs, crowd-kit
1.4.2 and ours, to the decimals that the paper prints: no copy of its other tables was at hand.
"""

import numpy as np
import pandas as pd
import pytest

from oracle.consensus.estimators import DawidSkene, Exact

# A word for each patient: three assessments by the first, then one by each of the others.
ASSESSMENTS = """
    1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223
    4444444 2223343 1111111 2223212 1211111 1112111 1111111 1111111 2222221 2221322
    2222222 2222221 2223222 2212222 1111111 1111111 2322222 1111111 1111111 1121121
    1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111
    1111111 1212111 2322222 1211111 2222222
"""
CLASS_SHARES = [0.40, 0.42, 0.11, 0.07]
# Rows: true class; columns: class given.
ERROR_RATES = {
    1: [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]],
    2: [[0.83, 0.17, 0, 0], [0.05, 0.63, 0.32, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    3: [[1, 0, 0, 0], [0.11, 0.79, 0.11, 0], [0, 0.40, 0.20, 0.40], [0, 0, 0.67, 0.33]],
    4: [[0.94, 0.06, 0, 0], [0.05, 0.84, 0.10, 0], [0, 0, 0.80, 0.20], [0, 0, 0.33, 0.67]],
    5: [[1, 0, 0, 0], [0.16, 0.73, 0.11, 0], [0, 0.21, 0.79, 0], [0, 0, 0.33, 0.67]],
}
# Patients whose class is in any doubt: probability of the likeliest, fitted to convergence.
DOUBTFUL = {3: 0.993, 7: 0.982, 12: 0.979, 30: 0.999, 35: 0.951, 38: 0.977}
CLASSES = "142222132243121111222222112111131224233111212"


@pytest.fixture(scope="module")
def assessments():
    rows = [
        (patient, anaesthetist, int(given))
        for patient, word in enumerate(ASSESSMENTS.split(), start=1)
        for anaesthetist, given in zip((1, 1, 1, 2, 3, 4, 5), word, strict=True)
    ]
    return pd.DataFrame(rows, columns=["task", "worker", "label"])


def test_dawid_skene__anaesthetists__gives_the_papers_classes_and_error_rates(assessments):
    model = DawidSkene().fit(assessments)
    assert len(assessments) == 45 * 7
    assert model.converged_
    assert model.priors_.to_numpy() == pytest.approx(CLASS_SHARES, abs=0.006)
    assert "".join(map(str, model.labels_)) == CLASSES
    for anaesthetist, rates in ERROR_RATES.items():
        found = np.zeros((4, 4))
        own = model.errors_.loc[anaesthetist]
        found[:, own.index.to_numpy() - 1] = own.to_numpy().T
        assert found == pytest.approx(np.array(rates), abs=0.011)


def test_dawid_skene__anaesthetists_to_convergence__doubts_the_same_patients(assessments):
    certainty = DawidSkene(n_iter=500, tol=1e-12).fit(assessments).probas_.max(axis=1)
    doubted = certainty[certainty < 0.9995]
    assert doubted.to_dict() == pytest.approx(DOUBTFUL, abs=0.0006)


@pytest.mark.parametrize(
    ("method", "most"),
    [("dawid-skene", 2), ("bayesian-dawid-skene", 4), ("one-coin", 4), ("auto", 4)],
)
def test_exact_method__anaesthetists__gives_nearly_all_classes(assessments, method, most):
    """Priors matter with 7 labels a patient: the more so, the more they draw rows together."""
    model = Exact(method).fit(assessments)
    differs = model.labels_.astype(str).to_numpy() != np.array(list(CLASSES))
    assert differs.sum() <= most
    assert (model.posterior_ppm_.sum(axis=1) == 1_000_000).all()


def test_exact_dawid_skene__anaesthetists__differs_only_where_in_doubt(assessments):
    model = Exact("dawid-skene").fit(assessments)
    differs = model.labels_.astype(str).to_numpy() != np.array(list(CLASSES))
    assert (model.posterior_ppm_.max(axis=1)[differs] < 999_000).all()
