"""The operators' loop: what is due is done once, and nothing unsound is signed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from oracle.errors import ContentMissing, FormatError, ProtocolFault
from oracle.evidence.codec import DAG_CBOR, Block, Link
from oracle.evidence.entries import Submission
from oracle.evidence.hashing import keccak256, sha256
from oracle.evidence.signing import address_of, recover
from oracle.evidence.structs import Receipt
from oracle.evidence.supplement import GoldOpening
from oracle.ports import LogPage, Sent
from oracle.protocol.facts import Block as ChainBlock
from oracle.protocol.facts import Settlement
from oracle.service.epochs import EpochService, Operator, Step
from oracle.service.evidence import first_difference, recompute
from tests.support.world import BLOCK_SECONDS, START, World, key_of

NAMES = ("ann", "ben", "cat", "dan")


class MemoryContent:
    """Blocks in a dict."""

    def __init__(self) -> None:
        self.blocks: dict[tuple[int, bytes], bytes] = {}

    def put(self, data: bytes, codec: int) -> bytes:
        block = Block(codec, data)
        self.blocks[codec, block.digest] = data
        return block.digest

    def get(self, digest: bytes, codec: int) -> bytes:
        try:
            return self.blocks[codec, digest]
        except KeyError:
            raise ContentMissing(str(Link(codec, digest))) from None

    def has(self, digest: bytes, codec: int) -> bool:
        return (codec, digest) in self.blocks


class WorldChain:
    """Chain and gateway of a `World`, as the service sees them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.posted: list[tuple[Receipt, Sequence[bytes]]] = []
        self.withheld: set[bytes] = set()

    # ChainReader
    def head(self) -> ChainBlock:
        return self.block(self.world.block)

    def block(self, number: int) -> ChainBlock:
        time = START + (number - self.world.facts.created.number) * BLOCK_SECONDS
        return ChainBlock(number, b"\0" * 32, time)

    # LogFeed
    def page(self, after: int, limit: int) -> LogPage:
        rows = tuple(self.world.rows[after : after + limit])
        given = [
            row.entry
            for row in rows
            if isinstance(row.entry, Submission) and row.entry.opening not in self.withheld
        ]
        return LogPage(rows, tuple(map(block_of, given)))

    def reveal(self, epoch: int, *, final: bool) -> tuple[bytes, tuple[GoldOpening, ...]]:
        gold = tuple(row for row in self.world.gold_openings if final or row.epoch <= epoch)
        return self.world.seeds[epoch], gold

    # ReceiptPoster
    def post(self, receipt: Receipt, signatures: Sequence[bytes]) -> Sent:
        self.posted.append((receipt, signatures))
        self.world.block += 1
        settled = Settlement(receipt, self.world.block, None)
        facts = self.world.facts
        self.world._know(replace(facts, settlements=(*facts.settlements, settled)))
        return Sent(b"\x01" * 32, self.world.block, 1)

    def finalize(self, receipt: Receipt) -> Sent:
        self.world.block += 1
        facts = self.world.facts
        last = replace(facts.settlements[-1], finalized_block=self.world.block)
        assert last.receipt == receipt
        self.world._know(replace(facts, settlements=(*facts.settlements[:-1], last)))
        return Sent(b"\x02" * 32, self.world.block, 1)


def block_of(entry: Submission) -> bytes:
    """The "sealed" opening block of a world's submission."""
    name = next(one for one in NAMES if address_of(key_of(one)) == entry.contributor)
    return b"opening" + seed_of(name, entry.sequence)


class Unsealer:
    """Opens a world's "sealed" blocks, which say the seed in plain."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __call__(self, block: bytes) -> tuple[list[bytes], bytes]:
        for row in self.world.rows:
            entry = row.entry
            if isinstance(entry, Submission) and entry.opening == sha256(block):
                places = range(len(entry.items))
                answers = [self.world.held[row.position, at].answer for at in places]
                return answers, block.removeprefix(b"opening")
        raise FormatError("no box for this key")


def seed_of(name: str, sequence: int) -> bytes:
    return keccak256(f"{name} {sequence}".encode())


def label_epoch(world: World) -> None:
    dice = random.Random(world.sequence)
    epoch = world.ledger.epoch
    for _ in range(3):
        for name in NAMES:
            world.work(
                name,
                6,
                lambda item: world.truth[item] if dice.random() < 0.9 else dice.randrange(10),
            )
        world.pass_time(60)
    while world.ledger.epoch == epoch:
        world.pass_time(300)


@pytest.fixture
def scene() -> tuple[World, WorldChain, MemoryContent, EpochService]:
    world = World()
    for name in NAMES:
        world.delegate(name)
    world.pass_time(120)
    chain, content = WorldChain(world), MemoryContent()
    return world, chain, content, service_of(world, chain, content)


def service_of(world: World, chain: WorldChain, content: MemoryContent) -> EpochService:
    operators = [
        Operator.of_key(key_of(f"operator {number}"), Unsealer(world)) for number in range(3)
    ]
    return EpochService(
        lambda: world.campaign, chain, chain, content, chain, operators, threshold=2
    )


Scene = tuple[World, WorldChain, MemoryContent, EpochService]


def test_step__nothing_cut__does_nothing(scene: Scene) -> None:
    _, chain, content, service = scene
    assert service.step().step is Step.NOTHING
    assert not chain.posted
    assert not content.blocks


def test_step__epoch_over__posts_what_two_operators_signed_then_finalizes_it(scene: Scene) -> None:
    world, chain, content, service = scene
    label_epoch(world)
    progress = service.step()
    assert progress.step is Step.POSTED
    receipt, signatures = chain.posted[0]
    digest = receipt.digest(world.facts.board_domain)
    operators = {address_of(key_of(f"operator {number}")) for number in range(3)}
    assert len({recover(digest, one) for one in signatures} & operators) == 2
    assert (DAG_CBOR, receipt.evidence) in content.blocks

    assert service.step().step is Step.WAITING
    world.pass_time(world.facts.window_seconds + 60)
    assert service.step().step is Step.FINALIZED
    assert service.step().step is Step.NOTHING
    assert len(chain.posted) == 1


def run_epoch(world: World, service: EpochService) -> None:
    label_epoch(world)
    while service.step().step is not Step.FINALIZED:
        world.pass_time(120)


def test_step__restarted__recomputes_what_is_final_and_goes_on(scene: Scene) -> None:
    world, chain, content, service = scene
    run_epoch(world, service)
    again = service_of(world, chain, content)
    run_epoch(world, again)
    first, second = (receipt for receipt, _ in chain.posted)
    assert second.previous == first.digest(world.facts.board_domain)
    again.step()
    assert [one.receipt for one in again.results] == [first, second]


def test_step__closed__posts_one_final_receipt_and_stops(scene: Scene) -> None:
    world, chain, _, service = scene
    run_epoch(world, service)
    world.close()
    world.pass_time(1200)
    while service.step().step is not Step.FINALIZED:
        world.pass_time(120)
    assert chain.posted[-1][0].final
    world.pass_time(7200)
    assert service.step().step is Step.NOTHING


def test_step__final_that_fills_its_cap__is_followed_by_one_that_leaves_room() -> None:
    reward = 10**16
    cap = 10 * reward * 105 // 100  # ten labels in full, with their fee of 5 %
    world = World(gold_per_epoch=0, epoch_cap=cap, budget=cap, bond=cap)
    world.delegate("ann")
    world.pass_time(120)
    assert world.work("ann", 10, lambda item: world.truth[item]) == 10
    world.close()
    world.pass_time(1200)
    chain, content = WorldChain(world), MemoryContent()
    service = service_of(world, chain, content)
    for _ in range(2):
        while service.step().step is not Step.FINALIZED:
            world.pass_time(600)
    assert [receipt.final for receipt, _ in chain.posted] == [True, True]
    first, second = (receipt for receipt, _ in chain.posted)
    assert first.payout_total == second.payout_total == 10 * reward
    world.pass_time(7200)
    assert service.step().step is Step.NOTHING


def test_step__opening_withheld_from_all__ends_the_log_before_it(scene: Scene) -> None:
    world, chain, _, service = scene
    label_epoch(world)
    first = next(row for row in world.rows if isinstance(row.entry, Submission))
    assert isinstance(first.entry, Submission)
    chain.withheld = {first.entry.opening}
    assert service.step().step is Step.EXCHANGING  # the gateway may be slow
    world.pass_time(2 * world.manifest.grace_seconds + 60)
    progress = service.step()
    assert progress.step is Step.POSTED
    assert progress.receipt is not None
    assert progress.receipt.log_position == first.position - 1


def step_until_led(world: World, service: EpochService) -> None:
    while service.step().step is Step.EXCHANGING:
        world.pass_time(10)


def test_step__no_quorum__posts_nothing(scene: Scene) -> None:
    world, chain, content, _ = scene
    label_epoch(world)
    operators = [
        Operator.of_key(key_of(f"operator {number}"), Unsealer(world)) for number in range(3)
    ]
    liars = [replace(one, sign=lambda digest: b"\x1b" * 65) for one in operators[1:]]
    service = EpochService(
        lambda: world.campaign,
        chain,
        chain,
        content,
        chain,
        [operators[0], *liars],
        threshold=2,
    )
    for _ in range(3):  # whoever leads
        with pytest.raises(ProtocolFault, match="QUORUM"):
            step_until_led(world, service)
        world.pass_time(10)
    assert not chain.posted
    assert not content.blocks


def test_recompute__receipt_that_says_otherwise__is_named(scene: Scene) -> None:
    world, chain, content, service = scene
    label_epoch(world)
    service.step()
    receipt, _ = chain.posted[0]
    fetch = lambda link: content.get(link.digest, link.codec)  # noqa: E731
    assert recompute(world.campaign, None, receipt, fetch).receipt == receipt
    padded = replace(receipt, payout_total=receipt.payout_total + 1)
    with pytest.raises(ProtocolFault, match="RECEIPT-DIFFERS at epoch 1, payout_total"):
        recompute(world.campaign, None, padded, fetch)


def test_first_difference__item_then_account__is_named(scene: Scene) -> None:
    world, chain, content, service = scene
    label_epoch(world)
    service.step()
    receipt, _ = chain.posted[0]
    fetch = lambda link: content.get(link.digest, link.codec)  # noqa: E731
    result = recompute(world.campaign, None, receipt, fetch)
    evidence, items = result.evidence, list(result.evidence.items)
    leaf = evidence.leaves[1]
    padded = replace(evidence, leaves=(replace(leaf, cumulative=leaf.cumulative + 1),))
    assert first_difference(receipt, padded, result).startswith("leaves, 0x")
    items[2:5] = [replace(one, answer=one.answer + 1) for one in items[2:5]]
    altered = replace(padded, items=items)
    assert first_difference(receipt, altered, result) == f"item {items[2].item}"


@pytest.mark.parametrize("threshold", [0, 1, 4])
def test_service__threshold_of_no_quorum__is_refused(threshold: int) -> None:
    world = World()
    chain = WorldChain(world)
    operators = [
        Operator.of_key(key_of(f"operator {number}"), Unsealer(world)) for number in range(3)
    ]
    with pytest.raises(ValueError, match="quorum"):
        EpochService(
            lambda: world.campaign,
            chain,
            chain,
            MemoryContent(),
            chain,
            operators,
            threshold=threshold,
        )
