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


def _softmax(scores):
    posterior = np.exp(scores - scores.max(axis=1, keepdims=True))
    return posterior / posterior.sum(axis=1, keepdims=True)


def _counts(columns, sizes, posterior):
    items, workers, labels = columns
    counts = np.zeros((sizes["n_workers"], sizes["n_classes"], sizes["n_classes"]))
    for klass in range(sizes["n_classes"]):
        np.add.at(counts, (workers, klass, labels), posterior[items, klass])
    return counts


def _crowd(counts):
    return (np.einsum("wtt->", counts) + 0.7) / (counts.sum() + 1)


def float_em(columns, sizes, model, *, class_weight=1.0, iterations=30):
    """Expectation-maximisation from the shares of the vote: posteriors (n_items, n_classes).

    `model` maps counts and the crowd's accuracy to rates. Items without labels count for nothing.
    """
    items, workers, labels = columns
    posterior = np.zeros((sizes["n_items"], sizes["n_classes"]))
    np.add.at(posterior, (items, labels), 1.0)
    n_labels = posterior.sum(axis=1, keepdims=True)
    posterior /= np.maximum(n_labels, 1)
    for _ in range(iterations):
        counts = _counts(columns, sizes, posterior)
        shares = (posterior * (n_labels > 0)).sum(axis=0) + class_weight
        scores = np.zeros(posterior.shape)
        np.add.at(scores, items, np.log(model(counts, _crowd(counts)))[workers, :, labels])
        posterior = _softmax(scores + np.log(shares / shares.sum()))
    return posterior * (n_labels > 0)


def float_chances(columns, counted, own, model, *, class_weight):
    """Chance that the others give each label (L,), label by label.

    `counted`: soft counts and class sums; `own`: what each item (n_items, n_classes) has in them.
    """
    counts, class_sums = counted
    by_item = {}
    for row, (item, worker, label) in enumerate(zip(*columns, strict=True)):
        by_item.setdefault(item, []).append((row, worker, label))
    chances = np.zeros(len(columns[0]))
    for item, given in by_item.items():
        elsewhere = counts.copy()
        for _, worker, label in given:
            elsewhere[worker, :, label] -= own[item]
        shares = class_sums - own[item] + class_weight
        rates = model(elsewhere, _crowd(counts))
        parts = np.array([np.log(rates[worker, :, label]) for _, worker, label in given])
        for (row, _, _), part in zip(given, parts, strict=True):
            rest = parts.sum(axis=0) - part
            chances[row] = (_softmax((rest + np.log(shares))[None])[0] * np.exp(part)).sum()
    return chances


def _fitted(columns, sizes, model):
    posterior = float_em(columns, sizes, model, class_weight=4.0)
    return posterior, (_counts(columns, sizes, posterior), posterior.sum(axis=0))


def _unseen_chances(columns, sizes, model):
    """Chances by skills from the other three quarters of the items."""
    fold = np.array([(item * 0x9E3779B97F4A7C15) % 2**64 >> 62 for item in columns[0].tolist()])
    chances = np.zeros(len(columns[0]))
    for number in range(4):
        inside = fold == number
        _, counted = _fitted([c[~inside] for c in columns], sizes, model)
        nothing = np.zeros((sizes["n_items"], sizes["n_classes"]))
        held = [c[inside] for c in columns]
        chances[inside] = float_chances(held, counted, nothing, model, class_weight=4.0)
    return chances


def float_auto(columns, sizes):
    """Posteriors, and weights of the three models."""
    models = one_coin_rates, dirichlet_rates, hierarchical_rates
    posteriors = [_fitted(columns, sizes, model)[0] for model in models]
    unseen = np.array([_unseen_chances(columns, sizes, model) for model in models])
    weights = np.full(3, 1 / 3)
    for _ in range(60):
        parts = weights[:, None] * unseen
        weights = (parts / parts.sum(axis=0)).mean(axis=1)
    return np.tensordot(weights, posteriors, 1), weights


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
