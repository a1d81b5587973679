"""The log's rules: who may label, which leases hold, which labels count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from oracle.errors import ProtocolFault
from oracle.evidence import entries
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import address_of, sign
from oracle.protocol.facts import Block, ChainDelegation, Funding
from oracle.protocol.ledger import Filings, Ledger, Secrets
from oracle.quality.reputation import TIERS
from tests.support.world import START, TOKEN, World, key_of

ANN = address_of(key_of("ann"))


@pytest.fixture
def world() -> World:
    """A campaign in which one contributor, ann, may draw."""
    world = World()
    world.delegate("ann")
    world.pass_time(120)
    return world


def state(ledger: Ledger) -> tuple[object, ...]:
    """What an entry may change, to show that a refused one changed nothing."""
    return (
        dict(ledger.labels),
        {key: one.state for key, one in ledger.leases.items()},
        dict(ledger.slots),
        ledger.epoch,
        ledger.anchor,
        ledger.generation(ANN),
        ledger.open_allowance(ANN),
        ledger.backed_items(),
    )


def refuses(world: World, code: str, act: Callable[[], object]) -> None:
    """`act` must raise the fault and leave the ledger as it was."""
    before = state(world.ledger)
    with pytest.raises(ProtocolFault) as caught:
        act()
    assert caught.value.code == code
    assert state(world.ledger) == before


# -- delegations -----------------------------------------------------------------------------------


def test_delegate__signed__key_lives_until_its_date() -> None:
    world = World()
    world.delegate("ann", valid_until=START + 100)
    session = address_of(key_of("ann session 0"))
    assert session in world.ledger.live_keys(ANN)
    world.pass_time(200)
    assert session not in world.ledger.live_keys(ANN)


def test_delegate__higher_generation__kills_lower_keys_for_good(world: World) -> None:
    items = world.lease("ann", 2)
    world.delegate("ann", generation=1)
    refuses(world, "SUBMISSION-SIGNATURE", lambda: world.submit("ann", items, [0, 0]))
    refuses(world, "DELEGATION-REVOKED", lambda: world.delegate("ann", generation=0))
    world.submit("ann", items, [0, 0], generation=1)
    assert len(world.ledger.labels) == 2


def test_delegate__same_generation__keys_live_side_by_side(world: World) -> None:
    entry = entries.Delegation(
        0, ANN, b"\x07" * 20, 0, 2**40, world.manifest.consent, entries.NO_SIGNATURE
    )
    digest = entry.struct(1).digest(world.facts.escrow_domain)
    world.append(replace(entry, signature=sign(key_of("ann"), digest)))
    assert b"\x07" * 20 in world.ledger.live_keys(ANN)
    assert address_of(key_of("ann session 0")) in world.ledger.live_keys(ANN)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"consent": b"\x22" * 32}, "CONSENT"),
        ({"valid_until": START - 1}, "DELEGATION-EXPIRED"),
        ({"signature": sign(key_of("eve"), b"\x01" * 32)}, "DELEGATION-SIGNATURE"),
        ({"source": 1}, "DELEGATION-SOURCE"),
        ({"source": 2}, "DELEGATION-SOURCE"),
    ],
)
def test_delegate__broken__is_refused(change: dict[str, object], code: str) -> None:
    world = World()
    entry = entries.Delegation(
        0, ANN, b"\x07" * 20, 0, 2**40, world.manifest.consent, entries.NO_SIGNATURE
    )
    entry = replace(entry, **change)
    if "signature" not in change:
        digest = entry.struct(1).digest(world.facts.escrow_domain)
        entry = replace(entry, signature=sign(key_of("ann"), digest))
    refuses(world, code, lambda: world.append(entry))


def test_delegate__event_on_chain__counts_from_the_anchor_on() -> None:
    world = World()
    entry = entries.Delegation(
        1, ANN, b"\x07" * 20, 0, 2**40, world.manifest.consent, entries.NO_SIGNATURE
    )
    refuses(world, "DELEGATION-SOURCE", lambda: world.append(entry))
    fact = ChainDelegation(world.block + 1, ANN, b"\x07" * 20, 0, 2**40, world.manifest.consent)
    world.ledger.follow(replace(world.facts, delegations=(fact,)), {})
    refuses(world, "DELEGATION-SOURCE", lambda: world.append(entry))
    world.facts = replace(world.facts, delegations=(fact,))
    world.pass_time(60)
    world.append(entry)
    assert b"\x07" * 20 in world.ledger.live_keys(ANN)


# -- anchors ---------------------------------------------------------------------------------------


def test_anchor__unknown_or_repeated__is_refused(world: World) -> None:
    last = world.ledger.anchor
    assert last is not None
    unknown = entries.Anchor(last.number + 6, keccak256(b"other chain"))
    refuses(world, "ANCHOR-UNKNOWN", lambda: world.append(unknown))
    again = entries.Anchor(last.number, last.hash)
    refuses(world, "ANCHOR-ORDER", lambda: world.append(again))


def test_anchor__skipped__is_the_gateways_fault_until_the_cut() -> None:
    world = World()
    world.delegate("ann")
    world.pass_time(120)
    before = world.lease("ann", 2)
    late = Block(world.block + 12, keccak256(b"late"), START + 300)
    world._know(replace(world.facts, anchors={**world.facts.anchors, late.number: late}))
    world.append(entries.Anchor(late.number, late.hash))
    assert [fault.code for _, fault in world.ledger.gateway_faults] == ["ANCHOR-SKIPPED"]
    world.submit("ann", before, [0, 0])
    assert {label.leased.fault for label in world.ledger.labels.values()} == {"ANCHOR-SKIPPED"}


def test_clock__entry_before_first_anchor__is_refused() -> None:
    world = World()
    fresh = Ledger(world.manifest, world.facts, closed={}, secrets=Secrets({}, {}, False))
    with pytest.raises(ProtocolFault) as caught:
        fresh.apply(entries.Lease(ANN, 1, 1, (1,)), 1)
    assert caught.value.code == "CLOCK"


# -- leases ----------------------------------------------------------------------------------------


def test_lease__before_second_anchor__draws_nothing_and_a_forced_one_is_a_fault() -> None:
    world = World()
    world.delegate("ann")
    assert world.lease("ann", 5) == []
    world.append(entries.Lease(ANN, world.ledger.reward(), world.ledger.latest_expiry(), (1,)))
    assert [fault.code for _, fault in world.ledger.gateway_faults] == ["LEASE-EARLY"]


def test_lease__tier_0__at_most_ten_unsubmitted(world: World) -> None:
    assert len(world.lease("ann", 50)) == TIERS[0].open_items
    assert world.lease("ann", 1) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"reward": 1}, "LEASE-REWARD"),
        ({"expiry": START + 10**6}, "LEASE-EXPIRY"),
        ({"expiry": 1}, "LEASE-EXPIRY"),
        ({"items": tuple(range(11))}, "LEASE-TOO-MANY"),
    ],
)
def test_lease__beyond_its_terms__is_the_gateways_fault(
    world: World, change: dict[str, object], code: str
) -> None:
    allowed = tuple(world.ledger.draw(ANN))[:1]
    lease = entries.Lease(ANN, world.ledger.reward(), world.ledger.latest_expiry(), allowed)
    world.append(replace(lease, **change))
    assert {fault.code for _, fault in world.ledger.gateway_faults} == {code}


def test_lease__outside_its_draw__is_the_gateways_fault(world: World) -> None:
    allowed = set(world.ledger.draw(ANN))
    other = next(
        item
        for item in range(world.manifest.item_count)
        if item not in allowed and not any(item in batch for batch in world.gold)
    )
    world.append(entries.Lease(ANN, world.ledger.reward(), world.ledger.latest_expiry(), (other,)))
    assert [fault.code for _, fault in world.ledger.gateway_faults] == ["DRAW"]


@pytest.mark.parametrize("items", [(), (1, 1), (10**6,), tuple(range(101))])
def test_lease__of_impossible_items__is_refused(world: World, items: tuple[int, ...]) -> None:
    lease = entries.Lease(ANN, world.ledger.reward(), world.ledger.latest_expiry(), items)
    refuses(world, "LEASE-ITEMS", lambda: world.append(lease))


def test_lease__seen_before_or_undelegated__is_refused(world: World) -> None:
    items = world.lease("ann", 1)
    again = entries.Lease(ANN, world.ledger.reward(), world.ledger.latest_expiry(), tuple(items))
    refuses(world, "LEASE-REPEATED", lambda: world.append(again))
    stranger = replace(again, contributor=address_of(key_of("eve")))
    refuses(world, "LEASE-UNDELEGATED", lambda: world.append(stranger))


@pytest.mark.parametrize("scarce", ["budget", "bond", "epoch_cap"])
def test_lease__beyond_what_is_backed__stops(scarce: str) -> None:
    reward = TOKEN // 100
    world = World(**{scarce: 3 * reward + reward * 3 * 500 // 10_000}, fee_bps=500)
    world.delegate("ann")
    world.pass_time(120)
    assert len(world.lease("ann", 10)) == 3
    assert world.lease("ann", 1) == []
    item = next(one for one in world.ledger.draw(ANN))
    world.append(entries.Lease(ANN, world.ledger.reward(), world.ledger.latest_expiry(), (item,)))
    assert [fault.code for _, fault in world.ledger.gateway_faults] == ["LEASE-UNBACKED"]


def test_lease__lapsed__frees_its_slot_and_what_cap_and_bond_back(world: World) -> None:
    backed = world.ledger.backed_items()
    items = world.lease("ann", 4)
    assert world.ledger.backed_items() == backed - 4
    world.pass_time(900)
    assert world.ledger.backed_items() == backed
    assert all(world.ledger.slots[item] == 0 for item in items)
    refuses(world, "SUBMISSION-LEASE", lambda: world.submit("ann", items, [0] * 4))


def test_lease__lapsed__keeps_its_budget_until_its_work_cannot_be_filed() -> None:
    world = short_of_money(labels=8)
    world.lease("ann", 5)
    world.pass_time(900)
    assert world.ledger.backed_items() == 3
    world.pass_time(3600)
    world.cut()
    assert world.ledger.backed_items() == 3  # the log hasn't come to the receipt yet
    world.pass_time(60)
    assert world.ledger.backed_items() == 8


@pytest.mark.parametrize("heard", ["before the next anchor", "after it", "with the log"])
def test_lease__lapsed_and_filed__keeps_its_budget_for_good(heard: str) -> None:
    world = short_of_money(labels=8)
    items = world.lease("ann", 5)
    entry, _ = world.submission("ann", items[:2], [1, 2])
    world.append(entries.Skip(ANN, items[4], 0))
    skipped, _ = world.submission("ann", items[4:], [1])
    world.pass_time(4000)
    position, block = len(world.rows), world.ledger.anchor
    assert block is not None
    filings = Filings(1, 0, tuple(entries.encode_entry(one) for one in (entry, skipped)))
    world.cut()
    if heard == "before the next anchor":
        world.ledger.note_filed(filings)
    world.pass_time(60)
    if heard == "after it":
        assert world.ledger.backed_items() == 8
        world.ledger.note_filed(filings)
    if heard == "with the log":
        cuts = [(position, block, filings)]
        secrets = world.ledger.secrets
        world.ledger = Ledger(world.manifest, world.facts, closed={}, secrets=secrets, cuts=cuts)
        world.ledger.read(world.rows)
    assert world.ledger.backed_items() == 6
    assert world.ledger.slots[items[4]] == 0


def short_of_money(labels: int) -> World:
    """A campaign whose budget is for so many labels; ann may draw."""
    world = World(budget=labels * (TOKEN // 100) * 105 // 100)
    world.delegate("ann")
    world.pass_time(120)
    return world


def test_lease__after_close__is_the_gateways_fault(world: World) -> None:
    world.close()
    world.pass_time(60)
    item = world.ledger.draw(ANN)[0]
    world.append(entries.Lease(ANN, world.ledger.reward(), world.ledger.latest_expiry(), (item,)))
    assert [fault.code for _, fault in world.ledger.gateway_faults] == ["LEASE-AFTER-CLOSE"]


def test_lease__raised_budget__counts_from_the_next_anchor_on() -> None:
    world = World(budget=0)
    world.delegate("ann")
    world.pass_time(120)
    assert world.lease("ann", 1) == []
    funding = (*world.facts.funding, Funding(world.block + 1, TOKEN, 1000 * TOKEN, 500 * TOKEN))
    world._know(replace(world.facts, funding=funding))
    assert world.lease("ann", 1) == []
    world.pass_time(60)
    assert len(world.lease("ann", 1)) == 1


# -- submissions -----------------------------------------------------------------------------------


def test_submit__valid__labels_count_once(world: World) -> None:
    items = world.lease("ann", 3)
    world.submit("ann", items, [1, 2, 3])
    assert sorted(label.item for label in world.ledger.labels.values()) == sorted(items)
    refuses(world, "SUBMISSION-LEASE", lambda: world.submit("ann", items, [1, 2, 3]))


def test_submit__replayed__is_refused_by_its_own_code(world: World) -> None:
    items = world.lease("ann", 1)
    entry, _ = world.submission("ann", items, [1])
    world.append(entry)
    refuses(world, "SUBMISSION-REPLAYED", lambda: world.append(entry))


def test_submit__altered_label_or_foreign_key__is_refused(world: World) -> None:
    items = world.lease("ann", 1)
    entry, _ = world.submission("ann", items, [1])
    altered = replace(entry, labels=(b"\x09" * 32,))
    refuses(world, "SUBMISSION-SIGNATURE", lambda: world.append(altered))
    foreign = replace(entry, signature=sign(key_of("eve"), b"\x02" * 32))
    refuses(world, "SUBMISSION-SIGNATURE", lambda: world.append(foreign))
    broken = replace(entry, signature=b"\xff" * 65)
    refuses(world, "SUBMISSION-SIGNATURE", lambda: world.append(broken))


def test_submit__after_delegation_expired__is_refused_by_its_own_code() -> None:
    world = World()
    world.delegate("ann", valid_until=START + 200)
    world.pass_time(120)
    items = world.lease("ann", 1)
    world.pass_time(120)
    refuses(world, "DELEGATION-EXPIRED", lambda: world.submit("ann", items, [1]))


def test_submit__no_labels_or_repeated_items__is_refused(world: World) -> None:
    items = world.lease("ann", 2)
    refuses(world, "SUBMISSION-ITEMS", lambda: world.submit("ann", [], []))
    twice = [items[0], items[0]]
    refuses(world, "SUBMISSION-ITEMS", lambda: world.submit("ann", twice, [1, 1]))


def test_skip__running_lease__frees_the_slot(world: World) -> None:
    items = world.lease("ann", 2)
    world.append(entries.Skip(ANN, items[0], 1))
    assert world.ledger.slots[items[0]] == 0
    refuses(world, "SKIP-LEASE", lambda: world.append(entries.Skip(ANN, items[0], 1)))
    refuses(world, "SUBMISSION-LEASE", lambda: world.submit("ann", items, [0, 0]))


def test_file__lapsed_lease__counts_at_the_cut(world: World) -> None:
    items = world.lease("ann", 2)
    entry, _ = world.submission("ann", items, [1, 2])
    world.pass_time(900)
    world.ledger.file(entry, 2**63, after_epoch=0)
    with pytest.raises(ProtocolFault):
        world.ledger.file(entry, 2**63 + 1, after_epoch=0)
    assert not world.ledger.labels
    world.ledger.count_filed()
    assert {label.item for label in world.ledger.labels.values()} == set(items)


def test_file__lease_of_a_covered_epoch__is_refused(world: World) -> None:
    items = world.lease("ann", 1)
    entry, _ = world.submission("ann", items, [1])
    refuses(world, "SUBMISSION-LEASE", lambda: world.ledger.file(entry, 2**63, after_epoch=1))


# -- the log itself --------------------------------------------------------------------------------


def test_read__honest_log__ends_where_the_gateway_stands(world: World) -> None:
    world.submit("ann", world.lease("ann", 3), [1, 2, 3])
    fresh = Ledger(world.manifest, world.facts, closed={}, secrets=world.ledger.secrets)
    fresh.read(world.rows)
    assert state(fresh) == state(world.ledger)
    assert (fresh.position, fresh.head) == (len(world.rows), world.rows[-1].head)
    assert not fresh.rejected
    assert not fresh.gateway_faults


@pytest.mark.parametrize("seeds_known", [False, True])
def test_read__with_less_known_gold__finds_no_fault_in_an_honest_log(seeds_known: bool) -> None:
    world = World(seed=3)
    for name in ("ann", "ben", "eve"):
        world.delegate(name)
    world.pass_time(120)
    for _ in range(4):
        for name in ("ann", "ben", "eve"):
            world.work(name, 5, lambda item: world.truth[item])
        world.pass_time(60)
    seeds = dict(enumerate(world.seeds)) if seeds_known else {}
    partial = Secrets(seeds, {1: world.gold[0]}, whole=False)
    fresh = Ledger(world.manifest, world.facts, closed={}, secrets=partial)
    fresh.read(world.rows)
    assert not fresh.gateway_faults


def test_read__altered_entry_or_gap__is_a_broken_chain(world: World) -> None:
    fresh = Ledger(world.manifest, world.facts, closed={}, secrets=world.ledger.secrets)
    altered = replace(world.rows[1], head=b"\x01" * 32)
    with pytest.raises(ProtocolFault, match="LOG-CHAIN"):
        fresh.read([world.rows[0], altered])
    fresh = Ledger(world.manifest, world.facts, closed={}, secrets=world.ledger.secrets)
    with pytest.raises(ProtocolFault, match="LOG-CHAIN"):
        fresh.read([world.rows[0], world.rows[2]])
    fresh = Ledger(world.manifest, world.facts, closed={}, secrets=world.ledger.secrets)
    with pytest.raises(ProtocolFault, match="LOG-CHAIN"):
        fresh.read([world.rows[0], replace(world.rows[1], data=world.rows[2].data)])


def test_read__head_of_another_key__is_not_the_gateways(world: World) -> None:
    world.gateway_key = key_of("impostor")
    world.pass_time(60)
    fresh = Ledger(world.manifest, world.facts, closed={}, secrets=world.ledger.secrets)
    with pytest.raises(ProtocolFault, match="LOG-SIGNATURE"):
        fresh.read(world.rows)


def test_read__entry_that_is_no_entry__is_skipped_and_named(world: World) -> None:
    row = world.rows[-1]
    data = b"\xee garbage"
    head = entries.next_head(row.head, keccak256(data))
    bad = entries.LogRow(row.position + 1, data, keccak256(data), head, b"")
    digest = bad.signed_head(1).digest(world.facts.escrow_domain)
    bad = replace(bad, signature=sign(world.gateway_key, digest))
    fresh = Ledger(world.manifest, world.facts, closed={}, secrets=world.ledger.secrets)
    fresh.read([*world.rows, bad])
    assert [fault.code for _, fault in fresh.rejected] == ["ENTRY-FORMAT"]
