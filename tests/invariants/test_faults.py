"""The machine can fail: with a fault in contract or books it soon finds that money is amiss."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.invariants.books import Books
from tests.invariants.life import Life, play
from tests.support import system
from tests.support.system import CONTRACTS, boa

pytestmark = pytest.mark.timeout(900)  # each compiles a contract anew

CALLS = 3_000  # within so many each fault is found

FAULTS = {
    "a claim pays twice": (
        "CampaignEscrow",
        "self._push(self._draw(campaign, owed), account, owed)",
        "self._push(self._draw(campaign, owed), account, 2 * owed)",
    ),
    "claims of one campaign draw on all others": (
        "CampaignEscrow",
        'assert amount <= purse >> AMOUNT, "CampaignEscrow: claims exceed payouts"',
        "pass",
    ),
    "a locked stake can be withdrawn": (
        "StakeVault",
        "min(unbonding, staked + unbonding - locked)",
        "unbonding",
    ),
    "a void keeps its reserve": ("ReceiptBoard", "extcall ESCROW.release(campaign)", "pass"),
    "a challenged receipt becomes final": (
        "ReceiptBoard",
        'assert word & FROZEN == 0, "ReceiptBoard: receipt is challenged"',
        "pass",
    ),
    "a pot compensates again": ("Treasury", "self._compensated[pot][account] = True", "pass"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the contracts; what is deployed from it is forgotten after the test."""
    monkeypatch.setattr(system, "_compiled", system._compiled)
    shutil.copytree(CONTRACTS, tmp_path / "contracts")
    yield tmp_path / "contracts"
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("fault", FAULTS)
def test_lives__contract_with_a_fault__found(
    fault: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, right, wrong = FAULTS[fault]
    path = folder / f"{name}.vy"
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    original = system._compiled
    altered = boa.load_partial(str(path))
    monkeypatch.setattr(system, "_compiled", lambda n: altered if n == name else original(n))

    class Faulty(Life):
        pass

    with pytest.raises(AssertionError):
        play(Faulty, CALLS, seed=1, shrink=False)


def test_lives__books_with_a_fault__found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other side is checked as well: books that forget a refund differ from the chain."""

    class Faulty(Life):
        pass

    monkeypatch.setattr(Books, "refund", lambda books, number, now: None)
    with pytest.raises(AssertionError):
        play(Faulty, CALLS, seed=1, shrink=False)
