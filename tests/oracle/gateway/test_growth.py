"""Growth over a real gateway: by finalized receipts alone, what moved somebody's reputation, what
their labels changed, and where they stand among others."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.errors import GatewayBusy, UnknownCampaign
from oracle.evidence.codec import DAG_CBOR, RAW, Link
from oracle.evidence.hashing import ZERO32
from oracle.evidence.results import (
    AGREED,
    AMBIGUOUS,
    GOLD,
    ContributorResult,
    Evidence,
    ItemResult,
    PayoutLeaf,
)
from oracle.evidence.signing import address_of
from oracle.evidence.structs import Receipt
from oracle.gateway.growth import AGAINST, DECIDED, OUTVOTED, Growth, chance_of, effect_of
from oracle.gateway.receipts import Receipts
from oracle.ports import Progress
from tests.support.gateway import GatewayScene
from tests.support.world import TOKEN, key_of

ANN, BEN, CAT = (address_of(key_of(name)) for name in ("ann", "ben", "cat"))
REQUESTER = b"\x9e" * 20
MOST_SECONDS = 60  # for what needs milliseconds


class Scene:
    """Growth over one gateway, whose receipts tests write."""

    def __init__(self, folder: Path) -> None:
        self.gateway_scene = GatewayScene(folder, gold=6)
        self.gateway_scene.join("ann", "ben", "cat")
        self.growth = self.fresh()

    def fresh(self) -> Growth:
        """Growth that has read nothing yet, as after a restart."""
        scene = self.gateway_scene
        receipts = Receipts(scene.chain, scene.content)
        return Growth(lambda: {7: scene.gateway}, lambda campaign: REQUESTER, scene.store, receipts)

    def settle(
        self,
        epoch: int,
        people: Mapping[bytes, tuple[int, int]],
        items: Sequence[tuple[int, int, int, int]] = (),
        *,
        final: bool = True,
        fee: int = 1,
        earned: int = 0,
        gold: tuple[int, int] = (0, 0),
    ) -> Receipt:
        """Post a receipt: right and judged labels by account; items as (number, answer, labels,
        status); what each account earned."""
        scene, link = self.gateway_scene, Link(RAW, bytes(32))
        found = tuple(
            ItemResult(item, epoch, status, answer, labels, (0,) * 10)
            for item, answer, labels, status in sorted(items)
        )
        results = tuple(
            ContributorResult(one, judged, 0, right, judged, 600_000, *gold, True, 0, 0)
            for one, (right, judged) in sorted(people.items())
        )
        leaves = tuple(
            PayoutLeaf(one, earned, right, judged)
            for one, (right, judged) in sorted(people.items())
        )
        evidence = Evidence(7, epoch, 0, False, link, None, (), link, found, leaves, (), results)
        index, shards = evidence.encode()
        for block in (index, *shards):
            scene.content.put(block.data, block.codec)
        head = scene.gateway.head()
        assert head is not None
        receipt = Receipt(
            7, epoch, 0, False, index.digest, ZERO32, earned, fee, 0, ZERO32, head.position,
            ZERO32, scene.chain.newest.number, 0, len(found), 0, TOKEN // 10, 0, ZERO32,
        )  # fmt: skip
        scene.chain.settle(receipt)
        if not final:
            *before, last = scene.chain.known.settlements
            running = replace(last, finalized_block=None)
            scene.chain.known = replace(scene.chain.known, settlements=(*before, running))
        scene.pass_anchors(1)
        return receipt


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    opened = Scene(tmp_path)
    yield opened
    opened.gateway_scene.close()


def answers(count: int = 10) -> list[tuple[int, int, int, int]]:
    """Closed items with `count` different answers."""
    return [(20 + number, number, 3, AGREED) for number in range(count)]


def test_progress__nothing_judged__says_so(scene: Scene) -> None:
    found = scene.growth.progress(ANN)
    assert (found.overall.labels, found.overall.tier, found.level) == (0, 0, 0)
    assert (found.changes, found.points, found.effects, found.skills) == ((), (), (), ())
    assert found.readable
    assert not any(badge.earned for badge in found.badges)


def test_progress__by_receipts__each_change_has_its_cause(scene: Scene) -> None:
    scene.settle(1, {ANN: (8, 10), BEN: (10, 10)}, answers())
    scene.settle(2, {ANN: (17, 20), BEN: (10, 10)}, answers())
    found = scene.growth.progress(ANN)
    assert (found.overall.right, found.overall.wrong, found.overall.requesters) == (17, 3, 1)
    assert found.overall.chance_ppm == 100_000
    newest, first = found.changes
    assert (first.right, first.wrong, newest.right, newest.wrong) == (8, 2, 9, 1)
    assert first.before < first.after == newest.before < newest.after
    assert newest.after == found.overall.lower_ppm
    assert [(one.right, one.judged, one.agreement) for one in found.points] == [
        (8, 10, 600_000),
        (9, 10, 600_000),
    ]
    assert [one.kind for one in found.skills] == ["categorical"]
    assert (found.accepted, found.level, found.next_level) == (17, 1, 25)
    assert scene.growth.progress(CAT).overall.labels == 0


def test_progress__judged_anew__takes_back_what_was_right(scene: Scene) -> None:
    scene.settle(1, {ANN: (10, 10)}, answers())
    scene.settle(2, {ANN: (6, 10)}, answers())
    found = scene.growth.progress(ANN)
    assert (found.overall.right, found.overall.wrong) == (6, 4)
    assert found.changes[0].after < found.changes[0].before


def test_progress__posted_but_not_final__tells_nothing(scene: Scene) -> None:
    scene.settle(1, {ANN: (10, 10)}, answers(), final=False)
    found = scene.growth.progress(ANN)
    assert (found.overall.labels, found.points, found.accepted) == (0, (), 0)
    assert scene.growth.standings(None) == []
    assert scene.growth.kinds() == []
    assert not scene.growth.part(7, ANN).paid


def test_progress__campaign_that_paid_no_fee__counts_nothing(scene: Scene) -> None:
    scene.settle(1, {ANN: (10, 10)}, answers(), fee=0)
    assert scene.growth.progress(ANN).overall.labels == 0


def test_progress__all_items_answered_alike__tells_no_skill(scene: Scene) -> None:
    scene.settle(1, {ANN: (10, 10)}, answers(1))
    assert scene.growth.progress(ANN).overall.labels == 0


def test_progress__evidence_gone__says_so_and_keeps_the_rest(scene: Scene) -> None:
    first = scene.settle(1, {ANN: (8, 10)}, answers())
    scene.settle(2, {ANN: (17, 20)}, answers())
    for one in (scene.gateway_scene.folder / "content").rglob(
        f"*{Link(DAG_CBOR, first.evidence)}*"
    ):
        one.unlink()
    found = scene.fresh().progress(ANN)
    assert not found.readable
    assert (found.overall.right, found.overall.wrong, len(found.points)) == (17, 3, 1)


def test_progress__hourly__is_pay_by_ones_own_hours(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = scene.gateway_scene.gateway._clock
    times = iter([1_000, 1_900])
    monkeypatch.setattr(type(clock), "now", lambda self: next(times))
    items = scene.gateway_scene.lease("ann", 3)
    scene.gateway_scene.gateway.submit(**scene.gateway_scene.submission("ann", items))
    monkeypatch.undo()
    scene.settle(1, {ANN: (3, 3), BEN: (1, 1)}, answers(), earned=5 * TOKEN)
    assert [one.hourly for one in scene.growth.progress(ANN).points] == [20 * TOKEN]
    assert [one.hourly for one in scene.growth.progress(BEN).points] == [None]


def shared_item(scene: Scene) -> tuple[int, dict[bytes, int]]:
    """Let three people label until one item has three labels; return it, and who said what."""
    given: dict[int, dict[bytes, int]] = {}
    gateway = scene.gateway_scene.gateway
    for _ in range(40):
        for place, name in enumerate(("ann", "ben", "cat")):
            items = scene.gateway_scene.lease(name, 1)
            said = [place // 2 for _ in items]  # ann and ben say 0, cat says 1
            if items:
                gateway.submit(
                    **scene.gateway_scene.submission(name, items, [str(one) for one in said])
                )
            for item, one in zip(items, said, strict=True):
                given.setdefault(item, {})[address_of(key_of(name))] = one
                if len(given[item]) == 3:
                    return item, given[item]
    raise AssertionError("no item got three labels")


@pytest.mark.parametrize(
    ("found", "effects"),
    [
        (0, {ANN: DECIDED, BEN: DECIDED, CAT: OUTVOTED}),
        (1, {ANN: OUTVOTED, BEN: OUTVOTED, CAT: AGAINST}),
        (2, {ANN: OUTVOTED, BEN: OUTVOTED, CAT: OUTVOTED}),
    ],
)
def test_effects__of_a_released_item__by_plain_count(
    scene: Scene, found: int, effects: Mapping[bytes, str]
) -> None:
    item, _ = shared_item(scene)
    people = dict.fromkeys((ANN, BEN, CAT), (5, 9))
    scene.settle(1, people, [*answers(), (item, found, 3, AGREED)], final=False)
    assert all(scene.growth.progress(one).effects == () for one in people)
    scene.settle(2, people, [*answers(), (item, found, 3, AGREED)])
    for account, effect in effects.items():
        (told,) = scene.growth.progress(account).effects
        assert (told.item, told.effect, told.outcome, told.labels) == (item, effect, str(found), 3)
        assert scene.growth.progress(account).counts == {effect: 1}


@pytest.mark.parametrize("status", [GOLD, AMBIGUOUS])
def test_effects__of_gold_or_ambiguous_items__are_not_told(scene: Scene, status: int) -> None:
    item, _ = shared_item(scene)
    scene.settle(1, {CAT: (5, 9)}, [*answers(), (item, 0, 3, status)])
    assert scene.growth.progress(CAT).effects == ()


def test_effects__labels_missing_here__are_not_told(scene: Scene) -> None:
    item, _ = shared_item(scene)
    scene.gateway_scene.gateway.erase(ANN)
    scene.settle(1, {CAT: (5, 9)}, [*answers(), (item, 0, 3, AGREED)])
    assert scene.growth.progress(CAT).effects == ()


@pytest.mark.parametrize(
    ("own", "found", "counts", "effect"),
    [
        (0, 0, {0: 1}, None),
        (0, 0, {0: 3}, None),
        (0, 0, {0: 3, 1: 1}, None),
        (0, 0, {0: 2, 1: 1}, DECIDED),
        (0, 0, {0: 1, 1: 1}, AGAINST),
        (0, 0, {0: 2, 1: 2}, AGAINST),
        (1, 0, {0: 2, 1: 1}, OUTVOTED),
    ],
)
def test_effect__of_a_label__is_its_swing(
    own: int, found: int, counts: dict[int, int], effect: str | None
) -> None:
    assert effect_of(own, found, counts) == effect


def test_chance__commonest_answer__and_one_in_the_classes_at_least() -> None:
    link = Link(RAW, bytes(32))

    def evidence(*answers: int) -> Evidence:
        items = tuple(
            ItemResult(item, 1, AGREED, answer, 3, (0,) * 10) for item, answer in enumerate(answers)
        )
        return Evidence(7, 1, 0, False, link, None, (), link, items, (), (), ())

    assert chance_of(evidence(0, 1, 2), 10, measured=False) == 333_334
    assert chance_of(evidence(*range(10)), 10, measured=False) == 100_000
    assert chance_of(evidence(4, 4), 10, measured=False) == 1_000_000
    assert chance_of(evidence(), 3, measured=False) == 333_334
    assert chance_of(evidence(0, 0), 2, measured=True) == 500_000


def test_standings__everybody_judged__by_account_and_kind(scene: Scene) -> None:
    scene.settle(1, {ANN: (30, 40), BEN: (39, 40)}, answers())
    found = scene.growth.standings(None)
    assert [one.account for one in found] == sorted([ANN, BEN])
    assert scene.growth.standings("categorical") == found
    assert scene.growth.standings("boxes") == []
    assert scene.growth.kinds() == ["categorical"]
    by_account = {one.account: one.reputation for one in found}
    assert by_account[BEN].lower_ppm > by_account[ANN].lower_ppm
    assert by_account[ANN] == scene.growth.progress(ANN).overall
    assert scene.growth.standings(None) is found
    scene.settle(2, {ANN: (60, 60), BEN: (39, 60), CAT: (5, 5)}, answers())
    assert len(scene.growth.standings(None)) == 3


def test_badges__passed_by_gold__by_the_exact_test(scene: Scene) -> None:
    scene.settle(1, {ANN: (2, 2)}, answers(), gold=(1, 1))
    earned = {one.name for one in scene.growth.progress(ANN).badges if one.earned}
    assert earned == {"First light"}
    scene.settle(2, {ANN: (4, 4)}, answers(), gold=(3, 3))
    earned = {one.name for one in scene.growth.progress(ANN).badges if one.earned}
    assert earned == {"First light", "Passed by gold"}


def test_part__labeled_and_paid__by_log_and_receipt(scene: Scene) -> None:
    assert not scene.growth.part(7, ANN).labeled
    scene.gateway_scene.work("ann", 1)
    part = scene.growth.part(7, ANN)
    assert (part.requester, part.labeled, part.paid) == (REQUESTER, True, False)
    scene.settle(1, {ANN: (1, 1)}, answers())
    assert not scene.growth.part(7, ANN).paid
    scene.settle(2, {ANN: (1, 1)}, answers(), earned=TOKEN)
    assert scene.growth.part(7, ANN).paid
    assert not scene.growth.part(7, BEN).paid
    with pytest.raises(UnknownCampaign):
        scene.growth.part(8, ANN)


def test_progress__first_after_a_restart__keeps_nobody_waiting(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.settle(1, {ANN: (8, 10)})
    growth, receipts = scene.fresh(), Receipts.evidence
    under_way, go_on = threading.Event(), threading.Event()

    def evidence(self: Receipts, receipt: Receipt) -> Evidence:
        under_way.set()
        assert go_on.wait(MOST_SECONDS)
        return receipts(self, receipt)

    monkeypatch.setattr(Receipts, "evidence", evidence)
    found: list[Progress] = []
    first = threading.Thread(target=lambda: found.append(growth.progress(ANN)))
    first.start()
    try:
        assert under_way.wait(MOST_SECONDS)
        for ask in (lambda: growth.progress(BEN), growth.kinds, lambda: growth.standings(None)):
            with pytest.raises(GatewayBusy, match="reload this page") as busy:
                ask()
            assert busy.value.wait_seconds > 0
    finally:
        go_on.set()
        first.join(MOST_SECONDS)
    assert [one.overall.labels for one in found] == [10]
    assert growth.progress(ANN) == found[0]
    assert [one.account for one in growth.standings(None)] == [ANN]
