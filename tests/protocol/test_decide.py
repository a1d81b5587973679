"""From log to money: what closes, who is paid what, and what no operator signs over."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from oracle.errors import InputError, ProtocolFault
from oracle.evidence import entries
from oracle.evidence.hashing import ZERO32, keccak256
from oracle.evidence.results import AGREED, AMBIGUOUS, FINAL, GOLD, Evidence
from oracle.evidence.signing import address_of
from oracle.evidence.supplement import Supplement, filing_of, filing_position
from oracle.protocol.campaign import EpochResult
from oracle.protocol.decide import decide, propose
from oracle.protocol.openings import cut_of
from oracle.quality.payment import fee_total
from tests.support.world import TOKEN, World, key_of

NAMES = ("ann", "ben", "cat", "dan", "eve")


def honest(world: World, name: str, skill: float = 0.9) -> Callable[[int], int]:
    """An answer function of stated accuracy; errors are spread evenly."""
    dice = random.Random(f"{name} {world.seed}")
    return lambda item: world.truth[item] if dice.random() < skill else dice.randrange(10)


def label_epoch(world: World, rounds: int = 3, names: tuple[str, ...] = NAMES) -> None:
    """Let everybody label until the epoch's cut is in the log."""
    answers = {name: honest(world, name) for name in names}
    epoch = world.ledger.epoch
    for _ in range(rounds):
        for name in names:
            world.work(name, 5, answers[name])
        world.pass_time(60)
    while world.ledger.epoch == epoch:
        world.pass_time(300)


def started(seed: int = 0, names: tuple[str, ...] = NAMES, **more: object) -> World:
    """A world whose contributors may draw."""
    world = World(seed=seed, **more)
    for name in names:
        world.delegate(name)
    world.pass_time(120)
    return world


@pytest.fixture(scope="module")
def run() -> World:
    """Two epochs and a final receipt of an honest campaign."""
    world = started()
    label_epoch(world)
    world.cut()
    label_epoch(world)
    world.cut()
    label_epoch(world, rounds=1)
    world.close()
    world.pass_time(900)
    world.cut(final=True)
    return world


def cumulative(result: EpochResult) -> dict[bytes, int]:
    return {leaf.account: leaf.cumulative for leaf in result.evidence.leaves}


# -- an honest campaign ----------------------------------------------------------------------------


def test_decide__honest_run__nothing_is_rejected_and_nothing_charged(run: World) -> None:
    for result in run.results:
        assert not result.rejected
        assert not result.gateway_faults
        assert result.receipt.bond_charge == 0
        assert not result.evidence.slashes


def test_decide__totals__are_those_of_leaves_and_never_fall(run: World) -> None:
    before: dict[bytes, int] = {}
    for result in run.results:
        leaves, receipt = cumulative(result), result.receipt
        assert sum(leaves.values()) == receipt.payout_total
        assert receipt.fee_total == fee_total(receipt.payout_total, 500)
        assert all(leaves[account] >= amount for account, amount in before.items())
        before = leaves
    assert before


def test_decide__receipts__chain_to_one_another(run: World) -> None:
    previous = ZERO32
    epoch = 0
    for result in run.results:
        assert result.receipt.epoch > epoch
        epoch = result.receipt.epoch
        assert result.receipt.previous == previous
        assert result.receipt.log_head == run.rows[result.receipt.log_position - 1].head
        previous = result.receipt.digest(run.facts.board_domain)


def test_decide__evidence__is_published_whole(run: World) -> None:
    for result in run.results:
        blocks = {block.link: block.data for block in result.blocks}
        index = next(block for block in result.blocks if block.digest == result.receipt.evidence)
        assert Evidence.decode(index.data, blocks.__getitem__) == result.evidence
        supplement = blocks[result.evidence.supplement]
        assert Supplement.decode(supplement, blocks.__getitem__).epoch == result.receipt.epoch
        assert all(link in blocks for link in result.evidence.log)


def test_decide__same_input__same_bytes(run: World) -> None:
    last = run.results[-1]
    blocks = {block.link: block.data for result in run.results for block in result.blocks}
    supplement = Supplement.decode(blocks[last.evidence.supplement], blocks.__getitem__)
    again = decide(run.campaign, run.results[-2], run.rows, supplement)
    assert again.receipt == last.receipt
    assert again.blocks == last.blocks


def test_decide__final__closes_every_labeled_item_and_opens_all_gold(run: World) -> None:
    last = run.results[-1]
    labeled = {label.item for label in last.ledger.labels.values()}
    assert labeled <= set(last.closed)
    assert set(last.gold) == {item for batch in run.gold for item in batch}
    statuses = {row.status for row in last.evidence.items}
    assert {AGREED, GOLD, FINAL} <= statuses <= {AGREED, GOLD, FINAL, AMBIGUOUS}
    assert last.secrets.whole


def test_decide__final__pays_in_full_what_no_two_others_can_judge(run: World) -> None:
    last = run.results[-1]
    lonely = {
        item
        for item, labels in last.ledger.by_item.items()
        if len(labels) < 3 and item not in last.gold
    }
    owed = sum(label.leased.reward for item in lonely for label in last.ledger.by_item[item])
    assert owed > 0
    assert sum(row.unjudged for row in last.evidence.contributors) >= owed


def test_decide__closed_items__get_no_further_lease(run: World) -> None:
    for (_, item), leased in run.results[-1].ledger.leases.items():
        closed = run.results[-1].closed.get(item)
        if closed is not None:
            assert leased.epoch <= closed


# -- the cap and terms -----------------------------------------------------------------------------


def test_decide__cap_reached__the_rest_waits_for_the_next_receipt() -> None:
    # Twelve labels' worth: leases stop there, and late agreement with earlier epochs must wait too.
    world = started(epoch_cap=TOKEN // 8)
    label_epoch(world)
    first = world.cut()
    total = first.receipt.payout_total + first.receipt.fee_total
    assert total <= TOKEN // 8
    world._know(
        replace(
            world.facts,
            funding=(
                *world.facts.funding,
                replace(world.facts.funding[-1], block=world.block, epoch_cap=TOKEN // 100),
            ),
        )
    )
    label_epoch(world)
    second = world.cut()
    rise = second.receipt.payout_total + second.receipt.fee_total - total
    assert rise <= TOKEN // 100


def test_decide__terms__take_effect_one_epoch_after_their_receipt(run: World) -> None:
    rewards = {leased.epoch: leased.reward for leased in run.results[-1].ledger.leases.values()}
    assert rewards[1] == rewards[2] == run.manifest.reward
    assert rewards[3] == run.results[0].receipt.next_reward


# -- what the gateway's bond pays ------------------------------------------------------------------


def steer(world: World, name: str) -> int:
    """The gateway leases an item outside the contributor's draw; it is labeled."""
    contributor = address_of(key_of(name))
    allowed = set(world.ledger.draw(contributor))
    gold = {item for batch in world.gold for item in batch}
    item = next(
        one
        for one in range(world.manifest.item_count)
        if one not in allowed | gold and world.ledger.eligible(contributor, one)
    )
    world.append(
        entries.Lease(contributor, world.ledger.reward(), world.ledger.latest_expiry(), (item,))
    )
    world.submit(name, [item], [0])
    return item


def test_decide__steered_draw__is_paid_by_the_bond_and_decides_nothing() -> None:
    world = started()
    item = steer(world, "ann")
    label_epoch(world)
    world.close()
    world.pass_time(900)
    result = world.cut(final=True)
    assert "DRAW" in {fault.code for _, fault in result.gateway_faults}
    assert result.receipt.bond_charge == world.manifest.reward
    row = {one.account: one for one in result.evidence.contributors}[address_of(key_of("ann"))]
    assert row.faulted == world.manifest.reward
    counted = next((one.labels for one in result.evidence.items if one.item == item), 0)
    assert counted == len(result.ledger.by_item[item]) - 1


def test_decide__seed_unopened__every_label_of_the_epoch_is_the_bonds() -> None:
    world = started()
    label_epoch(world)
    honest_proposal = world.supplement()
    silent = replace(honest_proposal, seed=ZERO32, gold=(), openings=())
    result = decide(world.campaign, None, world.rows, silent)
    labels = len(result.ledger.labels)
    assert result.receipt.bond_charge == labels * world.manifest.reward
    assert result.receipt.payout_total == result.receipt.bond_charge


def test_decide__campaign_without_gold__owes_nothing_from_the_bond() -> None:
    world = started(gold_per_epoch=0)
    label_epoch(world)
    result = world.cut()
    assert result.receipt.bond_charge == 0
    assert not result.gateway_faults
    assert result.secrets.whole


def test_decide__epoch_after_the_last_batch__needs_no_gold() -> None:
    world = started(epochs=1)
    label_epoch(world)
    world.cut()
    label_epoch(world)
    assert world.cut().receipt.bond_charge == 0


def test_decide__bond_too_small__pays_in_log_order_while_it_lasts() -> None:
    world = started(bond=TOKEN // 10)
    label_epoch(world, rounds=1)
    silent = replace(world.supplement(), seed=ZERO32, gold=(), openings=())
    world._know(replace(world.facts, funding=(replace(world.facts.funding[0], bond=TOKEN // 50),)))
    result = decide(world.campaign, None, world.rows, silent)
    assert result.receipt.bond_charge == TOKEN // 50
    first = min(result.ledger.labels.values(), key=lambda one: (one.position, one.index))
    paid = {row.account: row.faulted for row in result.evidence.contributors}
    assert paid[first.contributor] == TOKEN // 50


@pytest.mark.parametrize("epoch_cap", [1, TOKEN // 1000, TOKEN])
def test_decide__any_cap__gives_a_receipt_that_the_escrow_takes(epoch_cap: int) -> None:
    world = started(epoch_cap=epoch_cap)
    for name in NAMES:
        steer(world, name)
    label_epoch(world)
    silent = replace(world.supplement(), seed=ZERO32, gold=(), openings=())
    receipt = decide(world.campaign, None, world.rows, silent).receipt
    assert 0 < receipt.bond_charge <= receipt.payout_total
    assert receipt.payout_total + receipt.fee_total <= epoch_cap + receipt.bond_charge
    assert receipt.fee_total * 10_000 <= receipt.payout_total * 500


# -- cheats ----------------------------------------------------------------------------------------


def test_decide__always_wrong_on_gold__is_slashed_up_to_the_cap_and_nobody_else() -> None:
    world = started(
        gold_per_epoch=20, changes={"gold__share": 900_000, "gold__newcomerShare": 900_000}
    )
    answers: dict[str, Callable[[int], int]] = {name: honest(world, name) for name in NAMES}
    answers["eve"] = lambda item: (world.truth[item] + 1) % 10
    for _ in range(3):
        for _ in range(4):
            for name in NAMES:
                world.work(name, 10, answers[name])
            world.pass_time(60)
        epoch = world.ledger.epoch
        while world.ledger.epoch == epoch:
            world.pass_time(300)
        world.cut()
    slashed = {leaf.account: leaf.cumulative for leaf in world.results[-1].evidence.slashes}
    assert slashed == {address_of(key_of("eve")): world.manifest.slash_cap}


# -- what nobody signs -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cut() -> tuple[World, Supplement]:
    """A world with one uncut epoch and its honest supplement."""
    world = started()
    label_epoch(world)
    return world, world.supplement()


def tampered(cut: tuple[World, Supplement], change: str) -> Supplement:
    world, supplement = cut
    first = supplement.openings[0]
    gold = supplement.gold[0]
    wrong = world.answers[(world.answers.index(first.answer) + 1) % 10]
    held = sorted(set(world.held.values()) - set(supplement.openings))
    changes: dict[str, dict[str, object]] = {
        "campaign": {"campaign": 2},
        "seed": {"seed": keccak256(b"another")},
        "answer": {"openings": (replace(first, answer=wrong), *supplement.openings[1:])},
        "salt": {"openings": (replace(first, salt=ZERO32), *supplement.openings[1:])},
        "class": {"openings": (replace(first, answer=b'"eleven"'), *supplement.openings[1:])},
        "nowhere": {"openings": (replace(first, position=10**6), *supplement.openings[1:])},
        "open item": {"openings": tuple(sorted({*supplement.openings, held[0]}))},
        "gold answer": {
            "gold": (
                replace(gold, answer=world.answers[0]),
                replace(supplement.gold[1], answer=world.answers[1]),
                *supplement.gold[2:],
            )
        },
        "gold part": {"gold": supplement.gold[1:]},
        "gold early": {"gold": tuple(world.gold_openings)},
        "gold nowhere": {"gold": (replace(gold, epoch=99), *supplement.gold[1:])},
        "epoch": {"epoch": 0, "seed": world.seeds[0], "gold": ()},
        "filing": {"filings": (b"\xee",)},
        "filed anchor": {"filings": (world.rows[0].data,)},
    }
    return replace(supplement, **changes[change])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("campaign", "SUPPLEMENT"),
        ("seed", "DRAW-SEED"),
        ("answer", "OPENING-COMMITMENT"),
        ("salt", "OPENING-COMMITMENT"),
        ("class", "OPENING-ANSWER"),
        ("nowhere", "OPENING-LABEL"),
        ("open item", "ITEM-OPEN"),
        ("gold answer", "GOLD-OPENING"),
        ("gold part", "GOLD-PARTIAL"),
        ("gold early", "GOLD-BATCH"),
        ("gold nowhere", "GOLD-BATCH"),
        ("epoch", "EPOCH"),
        ("filing", "FILING"),
        ("filed anchor", "FILING"),
    ],
)
def test_decide__tampered_supplement__is_a_fault_of_its_own(
    cut: tuple[World, Supplement], change: str, code: str
) -> None:
    world, _ = cut
    with pytest.raises(ProtocolFault) as caught:
        decide(world.campaign, None, world.rows, tampered(cut, change))
    assert caught.value.code == code


def test_decide__chain_or_log_not_at_the_cut__asks_to_follow_further(
    cut: tuple[World, Supplement],
) -> None:
    world, supplement = cut
    with pytest.raises(InputError, match="follow them further"):
        decide(world.campaign, None, [], supplement)
    early = {number: block for number, block in world.facts.anchors.items() if number < 60}
    campaign = replace(world.campaign, facts=replace(world.facts, anchors=early))
    with pytest.raises(InputError, match="follow them further"):
        decide(campaign, None, world.rows[:3], supplement)


def test_decide__log_that_stopped__is_cut_where_it_ends_and_pays_what_is_filed() -> None:
    world = World(gold_per_epoch=0)
    world.delegate("ann")
    world.pass_time(120)
    items = world.lease("ann", 4)
    entry, openings = world.submission("ann", items, [world.truth[item] for item in items])
    stopped = len(world.rows)
    world.pass_time(7200)
    rows, epoch = world.rows[:stopped], world.newest_epoch(final=False)
    filings = (entries.encode_entry(entry),)
    opened = tuple(sorted(replace(one, position=filing_position(epoch, 0)) for one in openings))
    held = Supplement(1, epoch, False, world.seeds[epoch], (), filings, opened)
    supplement = propose(world.campaign, None, rows, held)
    result = decide(world.campaign, None, rows, supplement)
    assert (result.receipt.log_position, result.receipt.log_head) == (stopped, rows[-1].head)
    named = result.cuts[-1][1]
    assert result.receipt.as_of == named.number
    assert named.timestamp >= result.ledger.bounded.boundary(epoch) > named.timestamp - 60
    # The anchors between were skipped: what was leased then is the bond's to pay in full.
    owed = 4 * world.manifest.reward
    assert result.receipt.bond_charge == result.receipt.payout_total == owed

    # Told on as if nothing had been cut, the log's late anchors and entries count for nothing.
    world.results.append(result)
    world.settle(result.receipt)
    world.append(entry, check=False)
    world.pass_time(3600)
    later = world.newest_epoch(final=False)
    assert later > epoch
    second = decide(
        world.campaign,
        result,
        world.rows,
        Supplement(1, later, False, world.seeds[later], (), (), ()),
    )
    assert second.receipt.payout_total == owed
    assert {fault.code for _, fault in second.rejected} == {"ANCHOR-ORDER", "SUBMISSION-REPLAYED"}


def test_decide__key_revoked_after_a_filing__leaves_what_was_filed() -> None:
    """Found by reading: filings were checked anew at the end of each later log."""
    world = World(gold_per_epoch=0)
    world.delegate("ann")
    world.pass_time(120)
    items = world.lease("ann", 4)
    entry, _ = world.submission("ann", items, [world.truth[item] for item in items])
    world.pass_time(3600)
    filings = (entries.encode_entry(entry),)
    first = decide(
        world.campaign,
        None,
        world.rows,
        Supplement(1, 1, False, world.seeds[1], (), filings, ()),
    )
    assert not first.rejected
    world.results.append(first)
    world.settle(first.receipt)
    world.delegate("ann", generation=1)
    world.pass_time(3600)
    second = decide(
        world.campaign,
        first,
        world.rows,
        Supplement(1, 2, False, world.seeds[2], (), (), ()),
    )
    assert not second.rejected
    assert len(second.ledger.labels) == 4


def test_decide__filing_before_its_lease_is_in_the_cut__counts_with_the_next_receipt_alone() -> (
    None
):
    """Found by the fuzz: what one receipt had passed over, a later one counted in its place."""
    world = World(gold_per_epoch=0)
    world.delegate("ann")
    world.pass_time(3700)
    items = world.lease("ann", 4)
    entry, _ = world.submission("ann", items, [world.truth[item] for item in items])
    world.pass_time(3600)
    filings = (entries.encode_entry(entry),)
    early = Supplement(1, 1, False, world.seeds[1], (), filings, ())
    first = decide(world.campaign, None, world.rows, early)
    assert [fault.code for _, fault in first.rejected] == ["SUBMISSION-LEASE"]
    world.results.append(first)
    world.settle(first.receipt)
    again = Supplement(1, 2, False, world.seeds[2], (), filings, ())
    second = decide(world.campaign, first, world.rows, again)
    assert {filing_of(label.position) for label in second.ledger.labels.values()} == {(2, 0)}


def test_cut__anchor_of_another_hash__is_passed_over(cut: tuple[World, Supplement]) -> None:
    world, supplement = cut
    cut_there = cut_of(world.campaign, None, supplement.epoch, final=False, rows=world.rows)
    assert cut_there is not None
    at, block = cut_there
    data = entries.encode_entry(entries.Anchor(block.number, b"\1" * 32))
    rows = [*world.rows[: at - 1], replace(world.rows[at - 1], data=data), *world.rows[at:]]
    found = cut_of(world.campaign, None, supplement.epoch, final=False, rows=rows)
    assert found is None or found[0] > at


def test_decide__item_closed_before__is_not_opened_again(run: World) -> None:
    blocks = {block.link: block.data for result in run.results for block in result.blocks}
    first, second = (
        Supplement.decode(blocks[result.evidence.supplement], blocks.__getitem__)
        for result in run.results[:2]
    )
    again = tuple(sorted({*second.openings, first.openings[0]}))
    with pytest.raises(ProtocolFault, match="OPENING-CLOSED"):
        decide(run.campaign, run.results[0], run.rows, replace(second, openings=again))


def test_decide__log_that_forks_from_the_last_receipt__is_refused(run: World) -> None:
    blocks = {block.link: block.data for result in run.results for block in result.blocks}
    second = Supplement.decode(blocks[run.results[1].evidence.supplement], blocks.__getitem__)
    first = run.results[0]
    other = replace(first, receipt=replace(first.receipt, log_head=keccak256(b"fork")))
    with pytest.raises(ProtocolFault, match="LOG-FORK"):
        decide(run.campaign, other, run.rows, second)


def test_campaign__other_manifest_than_on_chain__is_refused() -> None:
    world = World()
    with pytest.raises(ProtocolFault, match="MANIFEST"):
        replace(world.campaign, facts=replace(world.facts, manifest=ZERO32))


# -- filings ---------------------------------------------------------------------------------------


def test_decide__withheld_submission_that_is_filed__counts_from_its_cut_on() -> None:
    world = started(names=(*NAMES, "fay"))
    items = world.lease("fay", 5)
    entry, openings = world.submission("fay", items, [world.truth[item] for item in items])
    label_epoch(world)
    place = filing_position(1, 0)
    filed = [replace(one, position=place) for one in openings]
    plain = world.supplement()
    held = replace(
        plain,
        filings=(entries.encode_entry(entry),),
        openings=tuple(sorted({*world.held.values(), *filed})),
    )
    supplement = propose(world.campaign, None, world.rows, held)
    first = decide(world.campaign, None, world.rows, supplement)
    assert not first.rejected
    labels = {label.item for label in first.ledger.labels.values() if label.position == place}
    assert labels == set(items)
    world.results.append(first)
    world.settle(first.receipt)

    # Later epochs still know the filing: what it labels closes and is paid, whoever filed it.
    label_epoch(world)
    for one in filed:
        world.held[place, one.index] = one
    world.close()
    world.pass_time(900)
    last = world.cut(final=True)
    assert not last.rejected
    assert set(items) == {row.item for row in last.labels if row.position == place}
    fay = address_of(key_of("fay"))
    assert cumulative(last)[fay] > 0
    row = next(one for one in last.evidence.contributors if one.account == fay)
    assert row.labels == len(items)


def test_decide__filing_of_a_covered_epoch__is_rejected_and_named() -> None:
    world = started()
    items = world.lease("ann", 2)
    entry, _ = world.submission("ann", items, [0, 0])
    label_epoch(world)
    world.cut()
    label_epoch(world)
    late = replace(world.supplement(), filings=(entries.encode_entry(entry),))
    result = decide(world.campaign, world.previous, world.rows, late)
    assert [fault.code for _, fault in result.rejected] == ["SUBMISSION-LEASE"]


def test_decide__gold_unopened__blames_no_draw() -> None:
    world = started()
    label_epoch(world)
    silent = replace(world.supplement(), gold=(), openings=())
    result = decide(world.campaign, None, world.rows, silent)
    assert not result.gateway_faults
    faults = {label.leased.fault for label in result.ledger.labels.values()}
    assert faults == {"GOLD-UNOPENED"}
