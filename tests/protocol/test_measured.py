"""`decide` where answers are measured: boxes, spans and texts, from the lease to the leaf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from oracle.errors import ProtocolFault
from oracle.evidence.codec import decode_json, encode_json
from oracle.evidence.results import COLLECTED, FINAL, GOLD, Evidence
from oracle.evidence.signing import address_of
from oracle.evidence.supplement import Supplement
from oracle.protocol.decide import decide
from oracle.protocol.resume import resume
from oracle.quality.payment import payout
from tests.support.world import TOKEN, World, key_of

POOL: list[Any] = [[{"class": "car", "box": [20 * n, 0, 20 * n + 10, 10]}] for n in range(4)]
TASK = {
    "type": "boxes",
    "classes": ["car"],
    "scale": 100,
    "most": 5,
    "match": 500_000,
    "schema": {},
}
REWARD = TOKEN // 100


def world(**changes: Any) -> World:
    """A campaign of boxes: two labels an item, half of them gold."""
    return World(
        seed=3,
        epochs=2,
        items=24,
        gold_per_epoch=12,
        pool=POOL,
        changes={
            "task": TASK,
            "consensus__method": "none",
            "consensus__redundancyMin": 2,
            "consensus__redundancyMax": 3,
            "payment__policy": "gold",
            "gold__share": 500_000,
            "gold__newcomerShare": 500_000,
            "slashing": {"floor": 1_000_000, "cap": str(TOKEN)},
            **changes,
        },
    )


def wrong(made: World) -> Callable[[int], int]:
    """Answers that are always far from the truth."""
    return lambda item: (made.truth[item] + 1) % len(POOL)


def labeled(made: World, *, turns: int = 2) -> World:
    """Two honest people and one who draws anywhere label through the first epoch."""
    people = {
        "careful": lambda item: made.truth[item],
        "steady": lambda item: made.truth[item],
        "guesser": wrong(made),
    }
    for name in people:
        made.delegate(name)
    made.pass_time(180)
    for _ in range(turns):
        for name, answer in people.items():
            made.work(name, 10, answer)
        made.pass_time(60)
    return made


def account(name: str) -> bytes:
    return address_of(key_of(name))


@pytest.fixture(scope="module")
def first() -> World:
    made = labeled(world())
    made.pass_time(3600)
    made.cut()
    return made


def test_decide__boxes__gold_and_its_closeness_pay(first: World) -> None:
    result = first.results[0]
    rows = {row.account: row for row in result.evidence.contributors}
    careful, guesser = rows[account("careful")], rows[account("guesser")]
    assert careful.gold_total == careful.gold_right == careful.judged == careful.matches > 4
    assert careful.passed
    assert careful.agreement == careful.gold_total * 1_000_000 // (careful.gold_total + 4)
    assert guesser.gold_right == 0 < guesser.gold_total
    leaves = {leaf.account: leaf.cumulative for leaf in result.evidence.leaves}
    assert leaves[account("careful")] == payout(careful.rewards, 300_000, True, careful.agreement)
    assert account("guesser") not in leaves
    assert careful.rewards == careful.labels * REWARD


def test_decide__measured__nobody_is_slashed_whatever_the_floor(first: World) -> None:
    assert first.results[0].evidence.slashes == ()


def test_decide__measured__items_close_with_the_minimum_and_claim_no_answer(first: World) -> None:
    items = list(first.results[0].evidence.items)
    assert {row.status for row in items} <= {COLLECTED, GOLD}
    assert any(row.status == COLLECTED for row in items)
    assert all(row.labels >= 2 for row in items if row.status == COLLECTED)
    assert all(row.posterior == () and row.answer == 0 for row in items)


def test_decide__measured__evidence_reads_back_and_resumes(first: World) -> None:
    result = first.results[0]
    blocks = {block.digest: block.data for block in result.blocks}
    read = Evidence.decode(blocks[result.receipt.evidence], lambda link: blocks[link.digest])
    assert list(read.items) == list(result.evidence.items)
    supplement = first_supplement(first)
    again = resume(first.campaign, [(result.receipt, result.evidence, supplement)], first.rows)
    assert again is not None
    labels = [(one.item, one.contributor, again.labels.texts[one.klass]) for one in again.labels]
    assert labels == [
        (one.item, one.contributor, result.labels.texts[one.klass]) for one in result.labels
    ]


def first_supplement(made: World) -> Supplement:
    result = made.results[0]
    blocks = {block.digest: block.data for block in result.blocks}
    return Supplement.decode(
        blocks[result.evidence.supplement.digest], lambda link: blocks[link.digest]
    )


def test_decide__an_answer_that_is_none__its_opening_is_refused(first: World) -> None:
    supplement = first_supplement(first)
    rows = list(supplement.openings)
    rows[0] = replace(rows[0], answer=encode_json([{"class": "cat", "box": [0, 0, 1, 1]}]))
    with pytest.raises(ProtocolFault) as caught:
        decide(first.campaign, None, first.rows, replace(supplement, openings=tuple(rows)))
    assert caught.value.code == "OPENING-ANSWER"


def test_decide__gold_that_two_contradict__counts_for_nothing() -> None:
    # The requester's answers are right, and the three agree on other ones.
    made = world(consensus__redundancyMin=3)
    for name in ("one", "two", "three"):
        made.delegate(name)
    made.pass_time(180)
    for _ in range(3):
        for name in ("one", "two", "three"):
            made.work(name, 10, wrong(made))
        made.pass_time(60)
    made.pass_time(3600)
    result = made.cut()
    by_item = [len(made.ledger.by_item[row.item]) for row in made.gold_openings]
    assert max(by_item) == 3
    counted = sum(row.gold_total for row in result.evidence.contributors)
    assert counted == sum(count for count in by_item[:12] if count < 3)


def test_decide__final__who_met_no_gold_is_paid_the_base_share() -> None:
    made = world(gold__share=0, gold__newcomerShare=0)
    labeled(made, turns=1)
    made.close()
    made.pass_time(3600 + 600)
    result = made.cut(final=True)
    rows = {row.account: row for row in result.evidence.contributors}
    careful = rows[account("careful")]
    assert (careful.gold_total, careful.passed, careful.unjudged) == (0, True, 0)
    leaves = {leaf.account: leaf.cumulative for leaf in result.evidence.leaves}
    assert leaves[account("careful")] == careful.rewards * 3 // 10 > 0
    assert {row.status for row in result.evidence.items} <= {COLLECTED, FINAL, GOLD}


def test_openings__keep_their_answers_across_epochs(first: World) -> None:
    made = first
    made.work("careful", 10, lambda item: made.truth[item])
    made.pass_time(3600)
    result = made.cut()
    for label in result.labels:
        if label.contributor == account("careful"):
            assert decode_json(result.labels.texts[label.klass]) == POOL[made.truth[label.item]]
