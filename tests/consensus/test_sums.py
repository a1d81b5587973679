"""Blocks, jagged levels and threads change no bit of a sum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.consensus import dawid_skene, item_posterior, sums
from oracle.consensus.labels import LabelTable, stable_order
from oracle.consensus.sums import Jagged, blocks_of
from tests.support.crowd import crowd


@given(
    keys=st.lists(st.integers(0, 9), max_size=60),
    short=st.sampled_from([1, 3, 256]),
)
def test_jagged_sum__any_groups__equals_adding_one_by_one(keys, short):
    entries = np.arange(len(keys)) * 7 % 11
    table = np.arange(33).reshape(11, 3) ** 3
    old, sums.SHORT = sums.SHORT, short
    try:
        jagged = Jagged.by(np.array(keys, dtype=np.int64), entries, 10)
    finally:
        sums.SHORT = old
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
    people = crowd(1, n_items=90, n_classes=3, pool=("ordinary",) * 6)
    blocks = blocks_of(LabelTable.of(*people.columns, **people.sizes))
    assert len(blocks) > 3
    assert [block.items.start for block in blocks[1:]] == [b.items.stop for b in blocks[:-1]]
    assert (blocks[0].items.start, blocks[-1].items.stop) == (0, 90)
    ones = np.ones((18, 1), dtype=np.int64)
    assert sum(block.by_item.sum(ones).sum() for block in blocks) == people.items.size


@pytest.mark.parametrize("method", ["fit", "posterior"])
@pytest.mark.parametrize(("labels", "cores"), [(40, 1), (40, 2), (1 << 17, 2)])
def test_methods__other_blocks_and_threads__give_the_same_bits(monkeypatch, method, labels, cores):
    people = crowd(2, n_items=300, n_classes=4)
    sizes = people.sizes | {"n_items": 310}  # some items have no label

    def result():
        if method == "fit":
            fitted = dawid_skene(*people.columns, **sizes)
            return [fitted.posterior_ppm, fitted.skills]
        return [item_posterior(*people.columns, **sizes)]

    expected = result()
    monkeypatch.setattr(sums, "BLOCK_LABELS", labels)
    monkeypatch.setattr(sums, "SHORT", 2)
    monkeypatch.setattr(sums, "_cores", lambda: cores)
    for found, before in zip(result(), expected, strict=True):
        assert np.array_equal(found, before)
