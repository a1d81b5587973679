"""Blocks, jagged bands and threads change no bit of a sum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.consensus import dawid_skene, dawid_skene_in_chunks, item_posterior, labels, sums
from oracle.consensus.fixed import softmax_by_class, softmax_ppm
from oracle.consensus.labels import LabelTable, stable_order
from oracle.consensus.sums import CellScores, Jagged, blocks_of, with_nothing
from oracle.errors import InputError
from tests.support.crowd import crowd


@given(
    keys=st.lists(st.integers(0, 9), max_size=60),
    rows=st.sampled_from([1, 7, 1 << 15]),
    filling=st.sampled_from([1, 3, 8]),
)
def test_jagged_sum__any_groups__equals_adding_one_by_one(keys, rows, filling):
    entries = np.arange(len(keys)) * 7 % 11
    table = np.append(np.arange(33).reshape(11, 3) ** 3, [[0, 0, 0]], axis=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "BAND_ROWS", rows)
        patch.setattr(sums, "FILLING", filling)
        jagged = Jagged.by(np.array(keys, dtype=np.int64), entries, 10, nothing=11)
    expected = np.zeros((10, 3), dtype=np.int64)
    for key, entry in zip(keys, entries, strict=True):
        expected[key] += table[entry]
    found = np.zeros((10, 3), dtype=np.int64)
    found[jagged.keys] = jagged.sum(table)
    assert np.array_equal(found, expected)
    assert sorted(jagged.keys) == sorted(set(keys))


@given(st.lists(st.integers(0, 2**35), max_size=40))
def test_stable_order__wide_keys__is_numpys_stable_sort(keys):
    keys = np.array(keys, dtype=np.int64)
    assert np.array_equal(stable_order(keys, 2**36), np.argsort(keys, kind="stable"))


def test_blocks_of__small_bounds__cover_every_item_and_label_once(monkeypatch):
    monkeypatch.setattr(sums, "BLOCK_LABELS", 40)
    monkeypatch.setattr(sums, "BLOCK_NUMBERS", 60)
    monkeypatch.setattr(sums, "LABELS_A_CELL", 1)
    people = crowd(1, n_items=90, n_classes=3, pool=("ordinary",) * 6)
    blocks = blocks_of(LabelTable.of(*people.columns, **people.sizes))
    assert len(blocks) > 3
    items = np.concatenate([np.sort(block.items) for block in blocks])
    assert items.tolist() == list(range(90))
    ones = with_nothing(np.ones((18, 1), dtype=np.int64), np.int64)
    assert sum(block.by_item.sum(ones).sum() for block in blocks) == people.items.size


@pytest.mark.parametrize("method", ["fit", "posterior"])
@pytest.mark.parametrize(("size", "cores"), [(40, 1), (40, 2), (1 << 17, 2)])
def test_methods__other_blocks_and_threads__give_the_same_bits(monkeypatch, method, size, cores):
    people = crowd(2, n_items=300, n_classes=4)
    sizes = people.sizes | {"n_items": 310}  # some items have no label

    def result():
        if method == "fit":
            fitted = dawid_skene(*people.columns, **sizes)
            return [fitted.posterior_ppm, fitted.skills]
        return [item_posterior(*people.columns, **sizes)]

    expected = result()
    monkeypatch.setattr(sums, "BLOCK_LABELS", size)
    monkeypatch.setattr(sums, "LABELS_A_CELL", 1)
    monkeypatch.setattr(sums, "BAND_ROWS", 2)
    monkeypatch.setattr(sums, "_cores", lambda: cores)
    for found, before in zip(result(), expected, strict=True):
        assert np.array_equal(found, before)


@pytest.mark.parametrize("rows", [1, 7, 1 << 18])
@pytest.mark.parametrize("n_labels", [0, 700])
def test_dawid_skene_in_chunks__any_cut_and_width__gives_the_same_bits(rows, n_labels):
    people = crowd(3, n_items=200, n_classes=3)
    columns = [column[:n_labels] for column in people.columns]
    whole = dawid_skene(*columns, **people.sizes, gold=people.gold)
    narrow = [column.astype(np.int16) for column in columns]
    chunks = [tuple(c[i : i + rows] for c in narrow) for i in range(0, n_labels, rows)]
    found = dawid_skene_in_chunks(reversed(chunks), **people.sizes, gold=people.gold)
    assert np.array_equal(found.posterior_ppm, whole.posterior_ppm)
    assert np.array_equal(found.skills, whole.skills)
    assert found.n_iter == whole.n_iter


def test_dawid_skene_in_chunks__columns_mapped_from_files__gives_the_same_bits(tmp_path):
    people = crowd(3, n_items=200, n_classes=3)
    for name, column in zip("iwl", people.columns, strict=True):
        np.save(tmp_path / f"{name}.npy", column.astype(np.int32))
    mapped = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "iwl"]
    found = dawid_skene(*mapped, **people.sizes)
    assert np.array_equal(found.skills, dawid_skene(*people.columns, **people.sizes).skills)


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (([0], [0, 1], [0]), "same length"),
        (([9], [0], [0]), "items must lie"),
        (([0], [0], [0.5]), "labels must be"),
    ],
)
def test_dawid_skene_in_chunks__a_bad_chunk_after_a_good_one__raises(chunk, message):
    sizes = {"n_items": 2, "n_workers": 2, "n_classes": 2}
    good = ([0, 1], [0, 1], [1, 0])
    assert dawid_skene_in_chunks([good], **sizes).answer.tolist() == [1, 0]
    with pytest.raises(InputError, match=message):
        dawid_skene_in_chunks([good, chunk], **sizes)


def test_dawid_skene_in_chunks__too_many_labels__raises(monkeypatch):
    monkeypatch.setattr(labels, "MAX_LABELS", 3)
    good = ([0, 1], [0, 1], [1, 0])
    with pytest.raises(InputError, match="more than 3 labels"):
        dawid_skene_in_chunks([good, good], n_items=2, n_workers=2, n_classes=2)


@given(
    st.integers(2, 12).flatmap(
        lambda k: st.lists(
            st.lists(st.integers(-(2**30), 2**30 - 1), min_size=k, max_size=k),
            min_size=1,
            max_size=40,
        )
    )
)
def test_softmax_by_class__narrow_scores__equals_wide_ones(scores):
    scores = np.array(scores)
    nothing = np.zeros(len(scores[0]), dtype=np.int32)
    narrow = softmax_by_class(np.ascontiguousarray(scores.T, dtype=np.int32), nothing)
    assert np.array_equal(narrow.T, softmax_ppm(scores))


@pytest.mark.parametrize("copies", [1, 9, 400])
def test_posterior__scores_beyond_32_bits__equals_the_sum_in_python(copies):
    """Many labels of sure workers: below and above what 32 bits hold."""
    table = LabelTable.of(
        [0] * copies, [0] * copies, [1] * copies, n_items=2, n_workers=1, n_classes=2
    )
    [block] = blocks_of(table)
    log_rates = np.array([[0, -(1 << 28)], [-(1 << 28), -5]])
    log_prior = np.array([-7, -(1 << 24)])
    found = block.posterior(CellScores.of(log_rates), log_prior)
    scores = [[copies * -(1 << 28) - 7, copies * -5 - (1 << 24)], [-7, -(1 << 24)]]
    assert np.array_equal(found.T, softmax_ppm(np.array(scores)))
