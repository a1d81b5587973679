"""What is decided after a resumed receipt is what is decided after a decided one, to the byte."""

from __future__ import annotations

import pytest

from oracle.evidence.results import Evidence
from oracle.protocol.campaign import EpochResult
from oracle.protocol.decide import decide
from oracle.protocol.resume import resume
from tests.auditor.paper import NAMES, PaperRun


@pytest.fixture(scope="module")
def run() -> PaperRun:
    """Three epochs and a final receipt, of which each opens gold and labels."""
    made = PaperRun()
    for name in NAMES:
        made.delegate(name)
    made.pass_time(180)
    supplements.clear()
    for _ in range(3):
        made.label(NAMES)
        supplements.append(made.supplement())
        made.cut()
    made.close()
    made.pass_time(made.manifest.lease_seconds + 60)
    supplements.append(made.supplement(final=True))
    made.cut(final=True)
    return made


supplements: list = []  # type: ignore[type-arg]


def settled(result: EpochResult, number: int) -> tuple:  # type: ignore[type-arg]
    index, shards = result.evidence.encode()
    blocks = {block.link: block.data for block in (index, *shards)}
    return result.receipt, Evidence.decode(index.data, blocks.__getitem__), supplements[number]


@pytest.mark.parametrize("known", [1, 2, 3])
def test_resume__after_any_receipt__the_next_is_the_same(run: PaperRun, known: int) -> None:
    earlier = [settled(run.results[number], number) for number in range(known)]

    resumed = resume(run.campaign, earlier, run.rows)

    assert resumed is not None
    whole = run.results[known - 1]
    for name in ("receipt", "evidence", "labels", "filings", "gold", "secrets", "accounts"):
        assert getattr(resumed, name) == getattr(whole, name), name
    assert resumed.closed == whole.closed
    assert len(resumed.labels) > 20
    after = decide(run.campaign, resumed, run.rows, supplements[known])
    assert after.receipt == run.results[known].receipt
    assert after.blocks == run.results[known].blocks


def test_resume__no_receipt__nothing(run: PaperRun) -> None:
    assert resume(run.campaign, [], run.rows) is None
