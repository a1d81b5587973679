"""Offers over a real gateway: pace by its clock, the requester's record by the chain, locks."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from oracle.errors import GatewayRefusal
from oracle.evidence import entries
from oracle.evidence.codec import RAW, Link
from oracle.evidence.hashing import ZERO32
from oracle.evidence.results import ContributorResult, Evidence
from oracle.evidence.signing import address_of
from oracle.evidence.structs import Receipt
from oracle.gateway.market import Market, pace
from oracle.gateway.receipts import Receipts
from oracle.ports import CampaignView, ChainEvent, TimedEntry
from tests.support.gateway import GatewayScene
from tests.support.world import TOKEN, key_of

ANN, BEN, CAT = (address_of(key_of(name)) for name in ("ann", "ben", "cat"))
REQUESTER, COIN = b"\x9e" * 20, b"\x70" * 20


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[GatewayScene]:
    opened = GatewayScene(tmp_path)
    yield opened
    opened.close()


def receipt(scene: GatewayScene, passed: Collection[bytes] = (), **changes: Any) -> Receipt:
    """Publish evidence in which `passed` have passed by gold; return a receipt of it."""
    link = Link(RAW, bytes(32))
    results = tuple(
        ContributorResult(one, 5, 5, 5, 5, 900_000, 3, 3, True, 0, 0) for one in sorted(passed)
    )
    evidence = Evidence(7, 1, 0, False, link, None, (), link, (), (), (), results)
    index, shards = evidence.encode()
    for block in (index, *shards):
        scene.content.put(block.data, block.codec)
    made = Receipt(
        7, 1, 0, False, index.digest, ZERO32, 0, 0, 0, ZERO32, 1, ZERO32, scene.chain.newest.number,
        0, 0, 0, TOKEN // 10, 0, ZERO32,
    )  # fmt: skip
    return replace(made, **changes)


def market(scene: GatewayScene, **changes: Any) -> Market:
    view = cast(
        CampaignView,
        type(
            "View",
            (),
            {
                "seconds_per_item": 4,
                "expected_reward": TOKEN // 100,
                "item_count": 60,
                "items_closed": 12,
                "accepting": True,
            },
        ),
    )
    arguments: dict[str, Any] = {
        "gateways": lambda: {7: scene.gateway},
        "campaign": lambda number: view,
        "reader": scene.chain,
        "store": scene.store,
        "receipts": Receipts(scene.chain, scene.content),
        "paused": tuple,
        "check_qualified": lambda campaign, contributor: None,
    }
    return Market(**{**arguments, **changes})


def happened(
    scene: GatewayScene, monkeypatch: pytest.MonkeyPatch, *events: tuple[str, dict[str, Any]]
) -> None:
    """Let the chain tell of events in its newest block, after the campaign's creation."""
    created = ("CampaignCreated", {"campaign": 7, "requester": REQUESTER, "token": COIN})
    told = [
        ChainEvent("CampaignEscrow", name, arguments, scene.chain.newest.number, at, ZERO32)
        for at, (name, arguments) in enumerate((created, *events))
    ]
    monkeypatch.setattr(scene.chain, "events", lambda to_block=None: told)


def timed(*steps: tuple[bytes, int, int]) -> list[TimedEntry]:
    """Entries by (contributor, time, labels); 0 labels are a lease."""
    made: list[entries.Entry] = [
        entries.Submission(
            who, at, ZERO32, ZERO32, 0, (ZERO32,) * count, tuple(range(count)), entries.NO_SIGNATURE
        )
        if count
        else entries.Lease(who, 1, 99, (0,))
        for at, (who, _, count) in enumerate(steps)
    ]
    return [
        TimedEntry(place, time, entries.encode_entry(entry))
        for place, (entry, (_, time, _)) in enumerate(zip(made, steps, strict=True), 1)
    ]  # fmt: skip


def test_pace__median_person_of_their_median_submission__who_passed() -> None:
    steps = timed(
        (ANN, 100, 0), (ANN, 110, 5), (ANN, 130, 5), (ANN, 9_000, 1),  # 2, 4, a break
        (BEN, 100, 0), (BEN, 106, 2),  # 3
        (CAT, 100, 0), (CAT, 190, 3),  # 30
    )  # fmt: skip
    assert pace(steps, {ANN, BEN, CAT}) == 4
    assert pace(steps, {ANN, BEN}) is None  # two people's median would tell on them
    assert pace(timed((ANN, 5, 1)), {ANN}) is None  # whose lease is out of sight


def test_pace__times_deleted__count_for_nobody() -> None:
    steps = timed(
        (ANN, 0, 0), (ANN, 0, 5), (ANN, 130, 5), (ANN, 140, 2),  # the last took 5 s for each
        (BEN, 100, 0), (BEN, 106, 2),
        (CAT, 100, 0), (CAT, 190, 3),
    )  # fmt: skip
    assert pace(steps, {ANN, BEN, CAT}) == 5
    assert pace(steps[:3] + steps[4:], {ANN, BEN, CAT}) is None


def test_offer__before_any_receipt__is_at_the_requesters_pace(
    scene: GatewayScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened(scene, monkeypatch)
    (offer,) = market(scene).offers(None)
    assert (offer.seconds_per_item, offer.seconds_measured) == (4, False)
    assert offer.hourly == 900 * TOKEN // 100
    assert offer.remaining == 48
    assert offer.requester.requester == REQUESTER
    assert (offer.requester.campaigns, offer.requester.seconds_to_pay) == (1, None)
    assert offer.lock is None


def test_offer__three_who_passed__is_at_their_pace(
    scene: GatewayScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened(scene, monkeypatch)
    scene.join("ann", "ben", "cat")
    for name in ("ann", "ben", "cat"):
        scene.work(name)
    offers = market(scene)
    scene.chain.settle(receipt(scene, (ANN, BEN)))
    assert not offers.offers(None)[0].seconds_measured
    scene.chain.settle(receipt(scene, (ANN, BEN, CAT), epoch=2))
    (offer,) = offers.offers(None)
    assert offer.seconds_measured
    assert offer.seconds_per_item == 1  # the scene's clock stands still


def test_offer__requester__by_what_the_chain_tells(
    scene: GatewayScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = scene.chain.newest
    made = receipt(scene)
    scene.chain.mine(90)
    digest = made.digest(scene.chain.known.board_domain)
    happened(
        scene,
        monkeypatch,
        ("ReceiptPosted", {"campaign": 7, "digest": digest, "receipt": made.as_tuple()}),
        ("ReceiptFinalized", {"campaign": 7, "digest": digest, "epoch": 1}),
        ("Paid", {"campaign": 7, "account": ANN, "amount": 3 * TOKEN}),
        ("Paid", {"campaign": 7, "account": BEN, "amount": TOKEN}),
        ("CampaignCreated", {"campaign": 8, "requester": REQUESTER, "token": COIN}),
        ("CampaignCreated", {"campaign": 9, "requester": REQUESTER, "token": b"\x71" * 20}),
        ("Paid", {"campaign": 9, "account": BEN, "amount": 50 * TOKEN}),
        ("CampaignCreated", {"campaign": 10, "requester": ANN, "token": COIN}),
        ("Paid", {"campaign": 10, "account": BEN, "amount": 50 * TOKEN}),
    )
    record = market(scene).offers(None)[0].requester
    assert (record.campaigns, record.paid, record.receipts) == (2, 4 * TOKEN, 1)
    assert record.seconds_to_pay == scene.chain.newest.timestamp - cut.timestamp


def test_wait__until_the_cut_and_its_window__then_the_window__then_nothing(
    scene: GatewayScene,
) -> None:
    receipts, gateway, chain = Receipts(scene.chain, scene.content), scene.gateway, scene.chain
    bounded = gateway.bounded
    ends = bounded.boundary(1) + chain.known.window_seconds
    assert receipts.wait(gateway) == ends - chain.newest.timestamp
    chain.settle(receipt(scene, final=True))
    posted = replace(chain.known.settlements[0], finalized_block=None)
    chain.known = replace(chain.known, settlements=(posted,))
    assert receipts.wait(gateway) == chain.known.window_seconds
    chain.mine(2 * chain.known.window_seconds)
    assert receipts.wait(gateway) == 0
    final = replace(posted, finalized_block=chain.newest.number)
    chain.known = replace(chain.known, settlements=(final,))
    assert receipts.wait(gateway) is None


def test_lock__each_reason__is_named(scene: GatewayScene, monkeypatch: pytest.MonkeyPatch) -> None:
    happened(scene, monkeypatch)

    def unqualified(campaign: int, contributor: bytes) -> None:
        raise GatewayRefusal("unqualified", "this campaign has a short exam: pass it first")

    def code(contributor: bytes, **changes: Any) -> str | None:
        lock = market(scene, **changes).offers(contributor)[0].lock
        return lock.code if lock is not None else None

    scene.join("ann")
    assert code(ANN) is None
    assert code(ANN, check_qualified=unqualified) == "unqualified"
    assert code(ANN, paused=lambda: (7,)) == "paused"
    scene.gateway.delegate(scene.delegation("ben"))
    assert code(BEN) == "LEASE-EARLY"
    assert code(CAT) is None  # who hasn't agreed yet is asked to at the campaign
    scene.lease("ann")
    assert code(ANN, check_qualified=unqualified, paused=lambda: (7,)) is None  # work in hand
    scene.chain.close()
    scene.gateway.follow()
    assert code(BEN) == "LEASE-CLOSED"
