"""The exact methods once more in plain floats, by formula and without the package's help."""

from __future__ import annotations

import numpy as np


def dirichlet_rates(counts, crowd):
    """Rows (w, t, l) of Dawid-Skene under a Dirichlet of one label, .7 of it right."""
    n_classes = counts.shape[1]
    prior = np.full((n_classes, n_classes), 0.3 / (n_classes - 1))
    np.fill_diagonal(prior, 0.7)
    return (counts + prior) / (counts + prior).sum(axis=2, keepdims=True)


def one_coin_rates(counts, crowd, weight=4.0):
    """One accuracy per worker, shrunk to the crowd's by so many labels."""
    n_classes = counts.shape[1]
    right, given = np.einsum("wtt->w", counts), counts.sum(axis=(1, 2))
    accuracy = ((right + weight * crowd) / (given + weight))[:, None, None]
    return np.where(np.eye(n_classes, dtype=bool), accuracy, (1 - accuracy) / (n_classes - 1))


def hierarchical_rates(counts, crowd, weight=16.0):
    """Rows shrunk to the worker's accuracy by so many labels."""
    smoothed = counts + weight * one_coin_rates(counts, crowd)
    return smoothed / smoothed.sum(axis=2, keepdims=True)


def ladder(counts, crowd):
    """The models that `auto` averages."""
    yield hierarchical_rates(counts, crowd, 4.0)
    yield hierarchical_rates(counts, crowd, 16.0)
    yield one_coin_rates(counts, crowd)


def _softmax(scores):
    posterior = np.exp(scores - scores.max(axis=1, keepdims=True))
    return posterior / posterior.sum(axis=1, keepdims=True)


def _counts(columns, sizes, posterior):
    items, workers, labels = columns
    counts = np.zeros((sizes["n_workers"], sizes["n_classes"], sizes["n_classes"]))
    for klass in range(sizes["n_classes"]):
        np.add.at(counts, (workers, klass, labels), posterior[items, klass])
    return counts


def float_em(columns, sizes, models, *, class_weight=1.0, correlation=0.0, iterations=30):
    """Expectation-maximisation from the shares of the vote: posteriors (n_items, n_classes).

    `models` map counts and the crowd's accuracy to a list of rates.
    """
    items, workers, labels = columns
    posterior = np.zeros((sizes["n_items"], sizes["n_classes"]))
    np.add.at(posterior, (items, labels), 1.0)
    n_labels = posterior.sum(axis=1, keepdims=True)
    discount = 1 / (1 + correlation * np.maximum(n_labels - 1, 0))
    posterior /= np.maximum(n_labels, 1)
    for _ in range(iterations):
        counts = _counts(columns, sizes, posterior)
        crowd = (np.einsum("wtt->", counts) + 0.7) / (counts.sum() + 1)
        shares = posterior.sum(axis=0) + class_weight
        found = []
        for rates in models(counts, crowd):
            scores = np.zeros(posterior.shape)
            np.add.at(scores, items, np.log(rates)[workers, :, labels])
            found.append(_softmax(scores * discount + np.log(shares / shares.sum())))
        posterior = np.mean(found, axis=0)
    return posterior


def float_log_likelihood(columns, sizes, posterior, models, *, class_weight, correlation):
    """Sum over labels of the log chance that the others give them, label by label."""
    n_items = len(posterior)
    counts = _counts(columns, sizes, posterior)
    crowd = (np.einsum("wtt->", counts) + 0.7) / (counts.sum() + 1)
    by_item = [[] for _ in range(n_items)]
    for item, worker, label in zip(*columns, strict=True):
        by_item[item].append((worker, label))
    total = 0.0
    for item, given in enumerate(by_item):
        chances = np.zeros(len(given))
        elsewhere = counts.copy()
        for worker, label in given:
            elsewhere[worker, :, label] -= posterior[item]
        shares = posterior.sum(axis=0) - posterior[item] + class_weight
        tables = list(models(elsewhere, crowd))
        for rates in tables:
            parts = np.array([np.log(rates[worker, :, label]) for worker, label in given])
            for row, part in enumerate(parts):
                rest = parts.sum(axis=0) - part
                rest = rest / (1 + correlation * max(len(given) - 2, 0)) + np.log(shares)
                chances[row] += (_softmax(rest[None])[0] * np.exp(part)).sum() / len(tables)
        total += np.log(chances).sum()
    return total


def float_auto(columns, sizes, correlations=(0, 0.02, 0.05, 0.1, 0.2, 0.4)):
    """Posteriors of the ladder under the correlation that foretells labels best, and which."""
    best = None
    for correlation in correlations:
        options = {"class_weight": 4.0, "correlation": correlation}
        posterior = float_em(columns, sizes, ladder, **options)
        likelihood = float_log_likelihood(columns, sizes, posterior, ladder, **options)
        if best is not None and likelihood <= best[0]:
            break
        best = likelihood, posterior, correlation
    return best[1:]


def float_votes(columns, sizes, weighted):
    """Shares of the vote; weighted by agreement with the plain vote where asked."""
    items, workers, labels = columns
    votes = np.zeros((sizes["n_items"], sizes["n_classes"]))
    np.add.at(votes, (items, labels), 1.0)
    if weighted:
        agrees = votes.argmax(axis=1)[items] == labels
        right = np.bincount(workers, weights=agrees, minlength=sizes["n_workers"])
        weight = right / np.maximum(np.bincount(workers, minlength=sizes["n_workers"]), 1)
        votes = np.zeros(votes.shape)
        np.add.at(votes, (items, labels), np.maximum(weight, 2.0**-14)[workers])
    return votes / np.maximum(votes.sum(axis=1, keepdims=True), 1e-300)
