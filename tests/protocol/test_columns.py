"""Columns hold what objects held."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.protocol.columns import Labels, Leases, OpenLabel, OpenLabels, Pairs

ANN, BEN = b"\x01" * 20, b"\x02" * 20
NUMBERS = st.integers(0, 2**32 - 1)


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 2**64 - 1)), unique=True, max_size=200))
def test_pairs__any__found_where_they_were_added(pairs: list[tuple[int, int]]) -> None:
    rows = Pairs()
    for number, pair in enumerate(pairs):
        assert rows.find(*pair) == -1
        assert rows.place(*pair) == rows.place(*pair) == number
    assert [rows.find(*pair) for pair in pairs] == list(range(len(pairs)))
    assert len(rows) == len(pairs)


def lease(leases: Leases, account: bytes, item: int, epoch: int = 1) -> None:
    terms = {"reward": 10**30 + epoch, "expiry": 2**40, "epoch": epoch, "position": 7}
    leases.add(account, item, fault=None, **terms)


def test_leases__rows__read_and_written_as_objects() -> None:
    leases = Leases()
    lease(leases, ANN, 3)
    lease(leases, BEN, 3, epoch=2)

    held = leases[BEN, 3]

    assert (held.contributor, held.item, held.reward) == (BEN, 3, 10**30 + 2)
    assert (held.expiry, held.epoch, held.position) == (2**40, 2, 7)
    held.state, held.fault = "lapsed", "DRAW"
    assert leases[BEN, 3] == held
    assert (leases[BEN, 3].state, leases[BEN, 3].fault) == ("lapsed", "DRAW")
    assert (leases[ANN, 3].state, leases[ANN, 3].fault) == ("running", None)
    assert leases[ANN, 3] != held
    assert list(leases) == [(ANN, 3), (BEN, 3)]
    assert (ANN, 4) not in leases
    assert leases.count_faults() == {(2, "DRAW"): 1}
    leases.mark(1, "SEED-UNOPENED")
    leases.mark(2, "SEED-UNOPENED")
    assert [one.fault for one in leases.values()] == ["SEED-UNOPENED", "DRAW"]
    with pytest.raises(KeyError):
        leases[ANN, 4]


def labels() -> Labels:
    leases = Leases()
    for account, item in ((ANN, 0), (ANN, 2), (BEN, 2)):
        lease(leases, account, item)
    found = Labels(leases, 4)
    found.add(5, 0, b"a" * 32, leases[ANN, 2])
    found.add(5, 1, b"b" * 32, leases[ANN, 0])
    found.add(1 << 63, 0, b"c" * 32, leases[BEN, 2])
    return found


def test_labels__by_place_and_item__in_order() -> None:
    found = labels()
    assert list(found) == [(5, 0), (5, 1), (1 << 63, 0)]
    assert found[5, 1].commitment == b"b" * 32
    assert [one.contributor for one in found.by_item[2]] == [ANN, BEN]
    assert found.by_item[1] == found.by_item[99] == []
    assert list(found.by_item) == [0, 2]
    assert found.counts().tolist() == [1, 0, 2, 0]
    assert found.accounts() == [ANN, BEN]
    for place in ((5, 2), (4, 0), (6, 0), (5, -1)):
        assert place not in found


def test_labels__opened__the_rest_is_unopened() -> None:
    found = labels()
    opened = found.opened(*map(_column, ([0, 2], [1, 3])))
    assert list(opened) == [
        OpenLabel(5, 0, 2, ANN, 1),
        OpenLabel(1 << 63, 0, 2, BEN, 3),
    ]
    assert [one.item for one in found.unopened(opened, [0, 2, 10**6])] == [0]
    assert found.unopened(opened, [2]) == []
    with pytest.raises(KeyError):
        found.rows(_column([5, 1 << 63], "u8"), _column([7, 0]))


def test_open_labels__put_together__ordered_and_renumbered() -> None:
    first, second = OpenLabel(9, 0, 1, BEN, 0), OpenLabel(3, 1, 1, ANN, 2)
    third = OpenLabel(4, 0, 0, BEN, 1)
    joined = OpenLabels.of([first]).and_more(OpenLabels.of([second, third]))
    assert joined == [third, second, first]
    assert joined.accounts == (ANN, BEN)
    assert joined[1:] == OpenLabels.of([first, second])
    assert joined != OpenLabels.of([first])


def _column(values: list[int], kind: str = "i8"):  # type: ignore[no-untyped-def]
    import numpy as np

    return np.array(values, dtype=kind)
