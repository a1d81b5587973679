"""The gateway's intake: what it takes, what it refuses, and that a refusal changes nothing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.content.sealing import encryption_key, open_sealed, seal_opening
from oracle.errors import (
    ChainError,
    GatewayBusy,
    GatewayRefusal,
    InputError,
    ProtocolFault,
    StoreError,
)
from oracle.evidence import entries
from oracle.evidence.campaign import SealedOpening, commit_label, earlier_seed
from oracle.evidence.codec import Block, encode_json
from oracle.evidence.hashing import ZERO32, keccak256, sha256
from oracle.evidence.results import AGREED, Evidence, ItemResult
from oracle.evidence.signing import address_of, recover, sign
from oracle.evidence.structs import Receipt
from oracle.evidence.supplement import Supplement
from oracle.gateway import feed as feed_module
from oracle.gateway import gateway as module
from oracle.gateway.feed import GatewayFeed
from oracle.gateway.gateway import Gateway
from oracle.ports import ROW_BYTES
from oracle.protocol.ledger import Ledger, Secrets
from tests.support.gateway import OPERATORS, GatewayScene
from tests.support.world import TOKEN, key_of

ANN, BEN = address_of(key_of("ann")), address_of(key_of("ben"))


def state(scene: GatewayScene) -> tuple[Any, ...]:
    """Everything that a refusal must leave alone."""
    gateway = scene.gateway
    return (
        gateway.rows(),
        scene.store.submissions(7),
        gateway.status(ANN),
        gateway.status(BEN),
    )


def refused(
    scene: GatewayScene, code: str, call: Callable[..., Any], *arguments: Any, **named: Any
) -> GatewayRefusal:
    """Assert that a call is refused with `code`, names a remedy, and moves nothing."""
    before = state(scene)
    with pytest.raises(GatewayRefusal) as caught:
        call(*arguments, **named)
    assert caught.value.code == code
    assert ":" in caught.value.message
    assert state(scene) == before
    return caught.value


def replayed(scene: GatewayScene) -> Ledger:
    """The ledger that a stranger builds from the log."""
    secrets = scene.files.secrets
    ledger = Ledger(
        scene.files.manifest,
        scene.chain.known,
        closed={},
        secrets=Secrets(
            {epoch: secrets.seed(epoch) for epoch in range(1, 5)},
            {epoch: tuple(row.item for row in secrets.batch(epoch)) for epoch in (1, 2)},
            whole=True,
        ),
    )
    ledger.read(scene.gateway.rows())
    assert ledger.rejected == []
    assert ledger.gateway_faults == []
    return ledger


def work_until_none_is_left(scene: GatewayScene, name: str) -> list[int]:
    """Label whatever the gateway leases; return the items."""
    seen: list[int] = []
    while True:
        try:
            items = scene.lease(name, 10)
        except GatewayBusy as busy:
            if busy.code != "LEASE-NONE":
                raise
            return seen
        seen.extend(items)
        scene.gateway.submit(**scene.submission(name, items))


# --- the whole way --------------------------------------------------------------------------------


def test_submit__leased_items__are_logged_signed_and_opened(scene: GatewayScene) -> None:
    scene.join("ann")
    items = scene.lease("ann", 5)
    sent = scene.submission("ann", items)
    logged = scene.gateway.submit(**sent)

    assert logged.row == scene.gateway.head()
    assert logged.row.entry == sent["entry"]
    assert logged.row.head == entries.next_head(logged.before, logged.row.entry_hash)
    digest = logged.row.signed_head(7).digest(scene.chain.known.escrow_domain)
    assert recover(digest, logged.row.signature) == address_of(key_of("gateway"))

    assert scene.gateway.opening_block(sent["entry"].opening) == sent["opening"]
    for operator in OPERATORS:
        assert open_sealed(sent["opening"], operator) == (tuple(sent["answers"]), sent["seed"])
    openings = scene.gateway.openings_for(items)
    assert [row.item for row in openings] == sorted(items)
    for row in openings:
        label = sent["entry"].labels[row.index]
        assert commit_label(scene.gateway.item_ids[row.item], sha256(row.answer), row.salt) == label
    standing = scene.gateway.status(ANN)
    assert (standing.submitted, standing.pending, standing.running) == (5, 5, ())
    assert len(replayed(scene).labels) == 5


def test_rows__any_page__is_a_part_of_the_log(scene: GatewayScene) -> None:
    scene.join("ann")
    scene.work("ann")
    log = scene.gateway.rows()
    assert [row.position for row in log] == list(range(1, len(log) + 1))
    assert scene.gateway.rows(2, 3) == log[1:3]


def test_page__too_large_for_one_answer__has_fewer_rows_and_all_of_their_openings(
    scene: GatewayScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.join("ann")
    for _ in range(3):
        scene.work("ann", 2)
    feed, whole = GatewayFeed(scene.gateway), GatewayFeed(scene.gateway).page(0, 512)
    monkeypatch.setattr(feed_module, "PAGE_BYTES", 1_500)
    rows, openings, pages = [], [], 0
    while page := feed.page(len(rows), 512).rows and feed.page(len(rows), 512):
        rows += page.rows
        openings += page.openings
        pages += 1
    assert (tuple(rows), tuple(openings)) == (whole.rows, whole.openings)
    assert 2 < pages <= len(rows)


def test_gateway__after_a_restart__continues_the_same_chain(scene: GatewayScene) -> None:
    scene.join("ann", "ben")
    scene.work("ann")
    held = scene.lease("ben", 4)
    before = state(scene)

    scene.gateway = scene.start()
    assert state(scene) == before
    running = scene.gateway.running(BEN)
    assert running is not None
    assert [one.number for one in running.items] == held
    scene.gateway.submit(**scene.submission("ben", held))
    scene.work("ann")
    assert scene.gateway.rows()[: len(before[0])] == before[0]
    assert len(replayed(scene).labels) == 14


@pytest.mark.parametrize("moment", ["before the transaction", "after the transaction"])
def test_submit__killed__is_wholly_in_the_log_or_not_at_all(
    scene: GatewayScene, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    scene.join("ann")
    sent = scene.submission("ann", scene.lease("ann", 3))
    before = len(scene.gateway.rows())
    write = scene.store.append

    def killed(*arguments: Any, **named: Any) -> None:
        if moment == "after the transaction":
            write(*arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(scene.store, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            scene.gateway.submit(**sent)

    written = moment == "after the transaction"
    assert len(scene.gateway.rows()) == before + written
    assert len(scene.store.submissions(7)) == written
    assert scene.gateway.status(ANN).submitted == 3 * written
    # The page got no answer and sends it again, to this process or the next.
    first = scene.gateway.submit(**sent)
    scene.gateway = scene.start()
    assert scene.gateway.submit(**sent) == first
    assert len(scene.gateway.rows()) == before + 1
    assert len(replayed(scene).labels) == 3


def test_append__while_another_process_writes__gives_way(scene: GatewayScene) -> None:
    other = scene.start()
    scene.gateway.delegate(scene.delegation("ann"))
    delegation = scene.delegation("ben")
    with pytest.raises(GatewayBusy, match="another process"):
        other.delegate(delegation)
    assert scene.gateway.head() == other.head()
    assert other.delegate(delegation).row.position == scene.gateway.rows()[-1].position
    replayed(scene)


# --- delegations ----------------------------------------------------------------------------------


def test_delegate__the_same_twice__returns_the_first_head(scene: GatewayScene) -> None:
    entry = scene.delegation("ann")
    first = scene.gateway.delegate(entry)
    scene.gateway.delegate(scene.delegation("ben"))
    assert scene.gateway.delegate(entry) == first
    assert len(scene.gateway.rows()) == 3


def test_delegate__two_devices__both_may_act_until_a_new_generation(scene: GatewayScene) -> None:
    keys = [address_of(key_of(f"ann device {number}")) for number in range(3)]
    for key in keys[:2]:
        scene.gateway.delegate(scene.delegation("ann", session_key=key))
    assert scene.gateway.status(ANN).session_keys == tuple(keys[:2])
    scene.gateway.delegate(scene.delegation("ann", 1, session_key=keys[2]))
    assert scene.gateway.status(ANN).session_keys == (keys[2],)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"consent": ZERO32}, "CONSENT"),
        ({"valid_until": 1_600_000_000}, "DELEGATION-EXPIRED"),
        ({"contributor": BEN}, "DELEGATION-SIGNATURE"),
        ({"source": 1}, "DELEGATION-SOURCE"),
        ({"source": 2}, "DELEGATION-SOURCE"),
        ({"session_key": b"short"}, "ENTRY-FORMAT"),
        ({"generation": 2**64}, "ENTRY-FORMAT"),
    ],
)
def test_delegate__that_breaks_a_rule__is_refused(
    scene: GatewayScene, changes: dict[str, Any], code: str
) -> None:
    entry = replace(scene.delegation("ann"), **changes)
    if code in ("CONSENT", "DELEGATION-EXPIRED"):
        entry = scene.delegation("ann", **changes)
    refused(scene, code, scene.gateway.delegate, entry)
    scene.gateway.delegate(scene.delegation("ann"))


def test_delegate__an_older_generation__is_refused(scene: GatewayScene) -> None:
    scene.gateway.delegate(scene.delegation("ann", 3))
    refused(scene, "DELEGATION-REVOKED", scene.gateway.delegate, scene.delegation("ann", 2))


def test_follow__a_contract_wallet_delegates_on_chain__enters_the_log_once(
    scene: GatewayScene,
) -> None:
    session = address_of(key_of("contract session"))
    scene.chain.delegate(ANN, session, scene.files.manifest.consent)
    scene.chain.delegate(BEN, session, ZERO32)
    scene.pass_anchors(1)
    assert scene.gateway.status(ANN).session_keys == (session,)
    assert scene.gateway.status(BEN).generation == -1
    scene.gateway = scene.start()
    scene.pass_anchors(1)
    kinds = Counter(row.data[0] for row in scene.gateway.rows())
    assert kinds[entries.Delegation.KIND] == 1
    replayed(scene)


# --- anchors --------------------------------------------------------------------------------------


def test_follow__blocks_while_it_was_away__appends_every_anchor(scene: GatewayScene) -> None:
    scene.chain.mine(1000)
    scene.gateway = scene.start()
    followed = scene.gateway.follow()
    anchors = [row.entry for row in scene.gateway.rows()]
    numbers = [one.block_number for one in anchors if isinstance(one, entries.Anchor)]
    assert numbers == sorted(scene.chain.known.anchors)
    assert followed.anchors == len(numbers) - 1
    assert scene.gateway.follow().anchors == 0
    replayed(scene)


def test_follow__a_chain_that_lost_blocks__stops_and_writes_nothing(scene: GatewayScene) -> None:
    scene.join("ann")
    before, facts = state(scene), scene.chain.known
    kept = sorted(facts.anchors)[:-1]
    scene.chain.known = replace(facts, anchors={one: facts.anchors[one] for one in kept})
    with pytest.raises(ChainError, match="no longer has block"):
        scene.gateway.follow()
    with pytest.raises(ChainError, match="restore the chain's state"):
        scene.start()
    scene.chain.known = facts
    assert state(scene) == before
    scene.pass_anchors(1)
    replayed(scene)


# --- leases ---------------------------------------------------------------------------------------


def test_lease__drawn__pays_the_reward_until_the_lease_seconds(scene: GatewayScene) -> None:
    scene.join("ann")
    reply = scene.gateway.lease(ANN, 4)
    assert reply.lease is not None
    lease = reply.lease.row.entry
    assert isinstance(lease, entries.Lease)
    assert lease.items == tuple(one.number for one in reply.items)
    assert [one.item for one in reply.items] == [
        scene.gateway.item_ids[one.number] for one in reply.items
    ]
    assert lease.reward == TOKEN // 100
    assert lease.expiry == scene.chain.newest.timestamp + 600
    assert scene.gateway.running(ANN) == reply


def test_lease__no_delegation__is_refused(scene: GatewayScene) -> None:
    refused(scene, "LEASE-UNDELEGATED", scene.gateway.lease, ANN, 1)


def test_lease__delegation_expired__is_refused(scene: GatewayScene) -> None:
    until = scene.chain.newest.timestamp + 60
    scene.gateway.delegate(scene.delegation("ann", valid_until=until))
    scene.pass_anchors(2)
    refused(scene, "LEASE-UNDELEGATED", scene.gateway.lease, ANN, 1)


def test_lease__before_the_second_anchor__says_how_long_to_wait(scene: GatewayScene) -> None:
    scene.gateway.delegate(scene.delegation("ann"))
    scene.pass_anchors(1)
    error = refused(scene, "LEASE-EARLY", scene.gateway.lease, ANN, 1)
    assert isinstance(error, GatewayBusy)
    assert error.wait_seconds == 60
    scene.pass_time(error.wait_seconds)
    assert scene.lease("ann", 1)


@pytest.mark.parametrize("count", [0, -1, 101])
def test_lease__a_count_out_of_bounds__is_refused(scene: GatewayScene, count: int) -> None:
    scene.join("ann")
    refused(scene, "LEASE-COUNT", scene.gateway.lease, ANN, count)


def test_lease__more_than_ten_open_items__is_refused_until_some_are_done(
    scene: GatewayScene,
) -> None:
    scene.join("ann")
    items = scene.lease("ann", 100)
    assert len(items) == 10
    refused(scene, "LEASE-TOO-MANY", scene.gateway.lease, ANN, 1)
    scene.gateway.submit(**scene.submission("ann", items[:4]))
    assert len(scene.lease("ann", 100)) == 4


def test_lease__by_one_contributor__never_repeats_an_item(scene: GatewayScene) -> None:
    scene.join("ann")
    seen = work_until_none_is_left(scene, "ann")
    assert len(seen) == len(set(seen))
    # Everything but gold; gold of the first batch as far as it was drawn, none of the second.
    batches = [{row.item for row in scene.files.secrets.batch(epoch)} for epoch in (1, 2)]
    assert set(range(60)) - set(seen) <= batches[0] | batches[1]
    assert set(seen) & batches[0]
    assert not set(seen) & batches[1]


def test_lease__what_the_epoch_cap_backs__and_no_more(tmp_path: Path) -> None:
    # 7 labels and their fee: 7 * 0.01 * 1.05 tokens.
    scene = GatewayScene(tmp_path, epoch_cap=TOKEN * 7 * 105 // 10_000)
    scene.join("ann", "ben")
    assert len(scene.lease("ann", 5)) == 5
    assert len(scene.lease("ben", 5)) == 2
    refused(scene, "LEASE-UNBACKED", scene.gateway.lease, BEN, 1)
    replayed(scene)


def test_lease__lapsed_and_filed__leaves_its_budget_to_what_was_filed(tmp_path: Path) -> None:
    scene = GatewayScene(tmp_path, budget=TOKEN * 7 * 105 // 10_000)
    scene.join("ann", "ben")
    items = scene.lease("ann", 5)
    filed = scene.submission("ann", items[:2])["entry"]
    scene.pass_time(4000)  # all five lapse, and may be filed until a receipt is final
    assert len(scene.lease("ben", 5)) == 2
    refused(scene, "LEASE-UNBACKED", scene.gateway.lease, BEN, 1)
    ledger = scene.gateway._ledger
    cut, block = ledger.cut_positions[1], ledger.cut_anchors[1].number
    post_receipt(scene, [], position=cut, as_of=block, filings=[filed], publish=False)
    scene.pass_anchors(1)
    error = refused(scene, "EVIDENCE-UNREAD", scene.gateway.lease, BEN, 1)
    assert isinstance(error, GatewayBusy)
    for one in evidence_of(scene, [], 1, [filed])[1]:
        scene.content.put(one.data, one.codec)
    for gateway in (scene.gateway, scene.start()):
        gateway.follow()
        assert gateway._ledger.backed_items() == 3


def test_lease__items_named_by_the_caller__only_where_the_manifest_says_given(
    scene: GatewayScene, tmp_path: Path
) -> None:
    scene.join("ann")
    refused(scene, "LEASE-ASSIGNMENT", scene.gateway.lease, ANN, 2, [1, 2])
    given = GatewayScene(tmp_path / "given", assignment="given")
    given.gateway.delegate(given.delegation("ann"))
    refused(given, "LEASE-ASSIGNMENT", given.gateway.lease, ANN, 2)
    reply = given.gateway.lease(ANN, 2, [5, 3])
    assert [one.number for one in reply.items] == [5, 3]
    refused(given, "LEASE-REPEATED", given.gateway.lease, ANN, 1, [3])


def test_lease__after_one_lapsed__waits_for_the_cool_down(scene: GatewayScene) -> None:
    scene.join("ann")
    scene.lease("ann", 2)
    scene.pass_time(700)
    assert scene.gateway.running(ANN) is None
    error = refused(scene, "LEASE-COOLDOWN", scene.gateway.lease, ANN, 1)
    assert isinstance(error, GatewayBusy)
    scene.pass_time(error.wait_seconds + 60)
    assert scene.lease("ann", 1)


def test_lease__less_time_than_work__holds_what_can_be_labeled_before_it_ends(
    tmp_path: Path,
) -> None:
    scene = GatewayScene(tmp_path, secondsPerItem=100)
    scene.join("ann", "ben")
    manifest = scene.files.manifest
    assert len(scene.lease("ann", 10)) == manifest.lease_seconds // 100 < 10
    anchor = scene.gateway._ledger.anchor
    assert anchor is not None
    ends = scene.gateway.bounded.boundary(1) - manifest.grace_seconds
    scene.pass_time(ends - anchor.timestamp - 250)
    anchor = scene.gateway._ledger.anchor
    assert anchor is not None
    assert len(scene.lease("ben", 10)) == (ends - anchor.timestamp) // 100
    replayed(scene)


def test_lease__at_the_end_of_an_epoch__waits_for_the_next(scene: GatewayScene) -> None:
    scene.join("ann")
    scene.pass_time(3600 - 60 - 120)
    error = refused(scene, "LEASE-EPOCH-ENDS", scene.gateway.lease, ANN, 1)
    assert isinstance(error, GatewayBusy)
    scene.pass_time(error.wait_seconds)
    assert scene.lease("ann", 1)
    replayed(scene)


def test_lease__campaign_closed__is_refused_but_running_leases_are_taken(
    scene: GatewayScene,
) -> None:
    scene.join("ann")
    items = scene.lease("ann", 3)
    scene.chain.close()
    scene.pass_anchors(1)
    refused(scene, "LEASE-CLOSED", scene.gateway.lease, ANN, 1)
    scene.gateway.submit(**scene.submission("ann", items))
    assert scene.gateway.status(ANN).submitted == 3


def test_lease__two_threads__never_exceed_the_bounds(tmp_path: Path) -> None:
    # 40 labels are backed, an item takes five labels, a newcomer ten items at a time.
    scene = GatewayScene(tmp_path, items=20, gold=4, epoch_cap=TOKEN * 40 * 105 // 10_000)
    names = [f"contributor {number}" for number in range(6)]
    scene.join(*names)
    failures: list[BaseException] = []
    refusals: list[str] = []

    def draw(own: list[str]) -> None:
        try:
            for _ in range(4):
                for name in own:
                    try:
                        scene.gateway.lease(address_of(key_of(name)), 3)
                    except GatewayRefusal as refusal:
                        refusals.append(refusal.code)
        except BaseException as error:  # a thread's failure must fail the test
            failures.append(error)

    threads = [threading.Thread(target=draw, args=(names[part::2],)) for part in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert "LEASE-UNBACKED" in refusals
    ledger = replayed(scene)
    assert len(ledger.leases) == 40
    assert max(ledger.slots.values()) <= 5
    assert max(Counter(account for account, _ in ledger.leases).values()) <= 10


def test_lease__an_item_that_a_posted_receipt_opened__is_never_leased(
    scene: GatewayScene,
) -> None:
    opened = list(range(0, 60, 2))
    receipt = post_receipt(scene, opened)
    scene.join("ann", "ben")
    followed = scene.gateway.follow()
    assert (followed.anchors, followed.finalized) == (0, ())
    seen: set[int] = set()
    for name in ("ann", "ben"):
        for _ in range(3):
            items = scene.lease(name, 10)
            seen.update(items)
            scene.gateway.submit(**scene.submission(name, items))
    assert seen.isdisjoint(opened)
    assert receipt.epoch == 1


def test_lease__evidence_that_cannot_be_read__waits(scene: GatewayScene) -> None:
    scene.join("ann")
    receipt = post_receipt(scene, [1], publish=False)
    assert scene.gateway.follow().finalized == (receipt,)
    error = refused(scene, "EVIDENCE-UNREAD", scene.gateway.lease, ANN, 1)
    assert isinstance(error, GatewayBusy)


def post_receipt(
    scene: GatewayScene,
    items: list[int],
    *,
    epoch: int = 1,
    position: int = 1,
    as_of: int = 6,
    filings: Sequence[entries.Entry] = (),
    publish: bool = True,
) -> Receipt:
    """Settle a receipt that closed `items`, with its evidence in content."""
    index, blocks = evidence_of(scene, items, epoch, filings)
    for block in blocks if publish else ():
        scene.content.put(block.data, block.codec)
    receipt = Receipt(
        7, epoch, 0, False, index.digest, ZERO32, 0, 0, 0, ZERO32, position, ZERO32, as_of, 0,
        len(items), 0, TOKEN // 100, 950_000, ZERO32,
    )  # fmt: skip
    scene.chain.settle(receipt)
    return receipt


def evidence_of(
    scene: GatewayScene, items: list[int], epoch: int, filings: Sequence[entries.Entry]
) -> tuple[Block, list[Block]]:
    """The index of an epoch's evidence that closed `items`, and all of its blocks."""
    manifest = scene.files.manifest.link
    filed = tuple(sorted((entries.encode_entry(one) for one in filings), key=keccak256))
    supplement, parts = Supplement(7, epoch, False, ZERO32, (), filed, ()).encode()
    rows = tuple(ItemResult(item, epoch, AGREED, 0, 3, (1_000_000,) + (0,) * 9) for item in items)
    evidence = Evidence(7, epoch, 0, False, manifest, None, (), supplement.link, rows, (), (), ())
    index, shards = evidence.encode()
    return index, [index, *shards, supplement, *parts]


def test_status__items_closed_by_a_finalized_receipt__are_no_longer_pending(
    scene: GatewayScene,
) -> None:
    scene.join("ann")
    items = scene.lease("ann", 4)
    scene.gateway.submit(**scene.submission("ann", items))
    post_receipt(scene, sorted(items[:3]))
    scene.pass_anchors(1)
    assert scene.gateway.status(ANN).pending == 1


# --- submissions ----------------------------------------------------------------------------------


def test_submit__the_same_twice__returns_the_first_head(scene: GatewayScene) -> None:
    scene.join("ann")
    sent = scene.submission("ann", scene.lease("ann", 2))
    first = scene.gateway.submit(**sent)
    scene.pass_anchors(1)
    assert scene.gateway.submit(**sent) == first
    assert scene.gateway.status(ANN).submitted == 2


def test_submit__a_used_sequence__is_refused(scene: GatewayScene) -> None:
    scene.join("ann")
    first, second = scene.lease("ann", 2)
    sent = scene.submission("ann", [first])
    scene.gateway.submit(**sent)
    conflicting = scene.submission("ann", [second], sequence=sent["entry"].sequence)
    refused(scene, "SUBMISSION-REPLAYED", scene.gateway.submit, **conflicting)
    scene.gateway.submit(**scene.submission("ann", [second]))


def test_submit__an_item_twice__is_refused(scene: GatewayScene) -> None:
    scene.join("ann")
    (item,) = scene.lease("ann", 1)
    scene.gateway.submit(**scene.submission("ann", [item]))
    again = scene.submission("ann", [item])
    refused(scene, "SUBMISSION-LEASE", scene.gateway.submit, **again)


def test_submit__another_contributors_lease__is_refused(scene: GatewayScene) -> None:
    scene.join("ann", "ben")
    item = next(item for item in scene.lease("ann", 10) if item not in scene.lease("ben", 1))
    refused(scene, "SUBMISSION-LEASE", scene.gateway.submit, **scene.submission("ben", [item]))


def test_submit__after_the_lease_ended__is_refused(scene: GatewayScene) -> None:
    scene.join("ann")
    sent = scene.submission("ann", scene.lease("ann", 1))
    scene.pass_time(700)
    refused(scene, "SUBMISSION-LEASE", scene.gateway.submit, **sent)


@pytest.mark.parametrize("signer", ["ann", "ben session 0", "nobody"])
def test_submit__not_signed_by_a_session_key__is_refused(scene: GatewayScene, signer: str) -> None:
    scene.join("ann", "ben")
    sent = scene.submission("ann", scene.lease("ann", 1))
    forged = {**sent, "entry": scene.sign(sent["entry"], signer)}
    refused(scene, "SUBMISSION-SIGNATURE", scene.gateway.submit, **forged)
    scene.gateway.submit(**sent)


def test_submit__by_a_key_of_a_lower_generation__is_refused(scene: GatewayScene) -> None:
    scene.join("ann")
    items = scene.lease("ann", 2)
    scene.gateway.delegate(scene.delegation("ann", 1))
    refused(scene, "SUBMISSION-SIGNATURE", scene.gateway.submit, **scene.submission("ann", items))


def test_submit__delegation_expired_meanwhile__is_refused(scene: GatewayScene) -> None:
    until = scene.chain.newest.timestamp + 150
    scene.gateway.delegate(scene.delegation("ann", valid_until=until))
    scene.pass_anchors(2)
    sent = scene.submission("ann", scene.lease("ann", 1))
    scene.pass_anchors(1)
    refused(scene, "DELEGATION-EXPIRED", scene.gateway.submit, **sent)


def test_submit__answers_that_are_not_the_signed_ones__are_refused(scene: GatewayScene) -> None:
    scene.join("ann")
    sent = scene.submission("ann", scene.lease("ann", 2), ["1", "2"])
    submit = scene.gateway.submit
    other = [encode_json("3"), sent["answers"][1]]
    for code, changes in [
        ("SUBMISSION-COMMITMENT", {"answers": other}),
        ("SUBMISSION-COMMITMENT", {"answers": sent["answers"][::-1]}),
        ("SUBMISSION-COMMITMENT", {"seed": b"\1" * 32}),
        ("SUBMISSION-SEED", {"seed": b"\1" * 31}),
        ("SUBMISSION-ANSWERS", {"answers": sent["answers"][:1]}),
        ("SUBMISSION-ANSWERS", {"answers": []}),
        ("SUBMISSION-OPENING", {"opening": sent["opening"] + b"\0"}),
        ("SUBMISSION-OPENING", {"opening": b""}),
    ]:
        refused(scene, code, submit, **{**sent, **changes})
    submit(**sent)


@pytest.mark.parametrize("answer", ["11", "", 7, None, ["7"], {"a": "7"}])
def test_submit__an_answer_outside_the_schema__is_refused(scene: GatewayScene, answer: Any) -> None:
    scene.join("ann")
    sent = scene.submission("ann", scene.lease("ann", 1), [answer])
    refused(scene, "SUBMISSION-ANSWER", scene.gateway.submit, **sent)


@pytest.mark.parametrize("text", [b"", b"7", b' "7"', b'"7', b"\xff", b'"\\u0037"', b"[" * 100_000])
def test_submit__an_answer_that_is_not_canonical__is_refused(
    scene: GatewayScene, text: bytes
) -> None:
    scene.join("ann")
    sent = scene.submission("ann", scene.lease("ann", 1))
    refused(scene, "SUBMISSION-ANSWER", scene.gateway.submit, **{**sent, "answers": [text]})


def test_submit__another_guideline__is_refused(scene: GatewayScene) -> None:
    scene.join("ann")
    sent = scene.submission("ann", scene.lease("ann", 1), guideline=ZERO32)
    refused(scene, "SUBMISSION-GUIDELINE", scene.gateway.submit, **sent)


def test_submit__an_item_that_does_not_exist__is_refused(scene: GatewayScene) -> None:
    scene.join("ann")
    sent = scene.submission("ann", scene.lease("ann", 1))
    entry = replace(sent["entry"], items=(4_000_000_000,))
    refused(scene, "SUBMISSION-ITEMS", scene.gateway.submit, **{**sent, "entry": entry})


@pytest.mark.parametrize("keys", [OPERATORS[:2], [*OPERATORS, key_of("outsider")]])
def test_submit__not_sealed_to_exactly_the_operators__is_refused(
    scene: GatewayScene, keys: list[bytes]
) -> None:
    scene.join("ann")
    sent = scene.submission("ann", scene.lease("ann", 1))
    public = [encryption_key(key) for key in keys]
    opening = seal_opening(sent["answers"], sent["seed"], public).block.data
    entry = scene.sign(replace(sent["entry"], opening=sha256(opening)), "ann session 0")
    changed = {**sent, "opening": opening, "entry": entry}
    refused(scene, "SUBMISSION-OPENING", scene.gateway.submit, **changed)


def test_seal_to__other_operators__takes_what_was_sealed_before_and_nothing_older(
    scene: GatewayScene,
) -> None:
    scene.join("ann")
    before = scene.submission("ann", scene.lease("ann", 1))
    older = scene.submission("ann", scene.lease("ann", 1))
    newcomer = encryption_key(key_of("newcomer"))
    scene.gateway.seal_to([newcomer])
    scene.gateway.seal_to([newcomer])  # the same again changes nothing
    assert scene.gateway.submit(**before).row.entry == before["entry"]
    scene.gateway.seal_to([newcomer, encryption_key(key_of("another"))])
    refused(scene, "SUBMISSION-OPENING", scene.gateway.submit, **older)


def test_submit__a_box_that_holds_more__is_refused(scene: GatewayScene) -> None:
    scene.join("ann")
    sent = scene.submission("ann", scene.lease("ann", 1))
    boxes = SealedOpening.decode(sent["opening"]).boxes
    opening = SealedOpening(tuple((key, box + bytes(9)) for key, box in boxes)).block.data
    entry = scene.sign(replace(sent["entry"], opening=sha256(opening)), "ann session 0")
    changed = {**sent, "opening": opening, "entry": entry}
    refused(scene, "SUBMISSION-OPENING", scene.gateway.submit, **changed)


def test_log__as_full_as_a_receipt_takes__waits_with_all_but_labels_of_running_leases(
    scene: GatewayScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.join("ann", "ben")
    items = scene.lease("ann", 2)
    delegated = scene.delegation("ann")
    full = sum(len(row.data) + ROW_BYTES for row in scene.gateway.rows())
    monkeypatch.setattr(module, "FULL_LOG", full - 1)
    refused(scene, "LOG-FULL", scene.gateway.lease, address_of(key_of("ben")), 1)
    refused(scene, "LOG-FULL", scene.gateway.delegate, scene.delegation("cid"))
    assert scene.gateway.delegate(delegated).row.entry == delegated  # known, and nothing new
    submitted = scene.gateway.submit(**scene.submission("ann", items))
    scene.pass_anchors(1)
    head = scene.gateway.rows()[-1]
    assert head.position == submitted.row.position + 1
    assert isinstance(head.entry, entries.Anchor)
    post_receipt(scene, [], position=head.position, as_of=head.entry.block_number)
    scene.gateway.follow()
    assert scene.lease("ben", 1)


def test_submit__the_same_from_many_threads__is_logged_once(scene: GatewayScene) -> None:
    scene.join("ann")
    sent = scene.submission("ann", scene.lease("ann", 3))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(scene.gateway.submit(**sent)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len({logged.row.position for logged in found}) == 1


# --- skips, appeals, adjudications ----------------------------------------------------------------


def test_skip__a_leased_item__frees_its_place_once(scene: GatewayScene) -> None:
    scene.join("ann")
    items = scene.lease("ann", 2)
    first = scene.gateway.skip(ANN, items[0], 1)
    assert scene.gateway.skip(ANN, items[0], 1) == first
    assert scene.gateway.status(ANN).running == (items[1],)
    refused(scene, "SKIP-LEASE", scene.gateway.skip, ANN, items[0], 2)
    refused(scene, "SKIP-LEASE", scene.gateway.skip, BEN, items[1], 0)
    refused(scene, "SKIP-REASON", scene.gateway.skip, ANN, items[1], 4)
    refused(scene, "SUBMISSION-LEASE", scene.gateway.submit, **scene.submission("ann", items[:1]))


def test_appeal__against_ones_own_label__is_recorded_once(scene: GatewayScene) -> None:
    scene.join("ann", "ben")
    entry = scene.submission("ann", scene.lease("ann", 2))
    scene.gateway.submit(**entry)
    submission = entry["entry"].struct(7).digest(scene.chain.known.escrow_domain)

    def appeal(name: str, index: int, digest: bytes = submission) -> entries.Appeal:
        one = entries.Appeal(address_of(key_of(name)), digest, index, ZERO32, b"\0" * 65)
        signed = one.struct(7).digest(scene.chain.known.escrow_domain)
        return replace(one, signature=sign(key_of(name), signed))

    first = scene.gateway.appeal(appeal("ann", 1))
    assert scene.gateway.appeal(appeal("ann", 1)) == first
    refused(scene, "APPEAL-LABEL", scene.gateway.appeal, appeal("ann", 2))
    refused(scene, "APPEAL-LABEL", scene.gateway.appeal, appeal("ben", 0))
    refused(scene, "APPEAL-LABEL", scene.gateway.appeal, appeal("ann", 0, ZERO32))
    forged = replace(appeal("ann", 0), signature=appeal("ben", 0).signature)
    refused(scene, "APPEAL-SIGNATURE", scene.gateway.appeal, forged)
    replayed(scene)


def test_adjudicate__an_item_not_labeled_by_oneself__is_recorded_once(scene: GatewayScene) -> None:
    scene.join("ann", "ben")
    (labeled,) = scene.lease("ann", 1)
    other = next(item for item in range(60) if item != labeled)
    seven = sha256(encode_json("7"))

    def adjudicate(name: str, item: bytes, answer: bytes = seven) -> entries.Adjudication:
        one = entries.Adjudication(address_of(key_of(name)), item, answer, ZERO32, b"\0" * 65)
        signed = one.struct(7).digest(scene.chain.known.escrow_domain)
        return replace(one, signature=sign(key_of(name), signed))

    ids = scene.gateway.item_ids
    first = scene.gateway.adjudicate(adjudicate("ann", ids[other]))
    assert scene.gateway.adjudicate(adjudicate("ann", ids[other])) == first
    intake = scene.gateway.adjudicate
    refused(scene, "ADJUDICATION-EXPERT", intake, adjudicate("ann", ids[labeled]))
    refused(scene, "ADJUDICATION-EXPERT", intake, adjudicate("eve", ids[other]))
    refused(scene, "ADJUDICATION-ITEM", intake, adjudicate("ben", ZERO32))
    refused(scene, "ADJUDICATION-ANSWER", intake, adjudicate("ben", ids[other], ZERO32))
    forged = replace(adjudicate("ben", ids[other]), reason=keccak256(b"another"))
    refused(scene, "ADJUDICATION-SIGNATURE", intake, forged)
    replayed(scene)


# --- what is opened, and erased -------------------------------------------------------------------


def test_reveal__before_the_cut__is_refused(scene: GatewayScene) -> None:
    refused(scene, "CUT", scene.gateway.reveal, 1, final=False)
    refused(scene, "CUT", scene.gateway.reveal, 1, final=True)


def test_reveal__after_the_cut__gives_the_seed_and_gold_up_to_the_epoch(
    scene: GatewayScene,
) -> None:
    scene.pass_time(3660)
    seed, gold = scene.gateway.reveal(1, final=False)
    assert earlier_seed(seed, 1) == scene.files.manifest.draw_seed
    assert {row.epoch for row in gold} == {1}
    refused(scene, "CUT", scene.gateway.reveal, 2, final=False)
    scene.chain.close()
    scene.pass_time(700)
    _, everything = scene.gateway.reveal(2, final=True)
    assert len(everything) == 12
    assert list(everything) == sorted(everything)


def test_erase__answers_and_seeds__are_gone_and_the_log_stays(scene: GatewayScene) -> None:
    scene.join("ann", "ben")
    scene.work("ann")
    scene.work("ben")
    log = scene.gateway.rows()
    everything = range(60)
    assert {row.position for row in scene.gateway.openings_for(everything)} == {7, 9}
    assert scene.gateway.erase(ANN) == 1
    assert scene.gateway.erase(ANN) == 0
    assert {row.position for row in scene.gateway.openings_for(everything)} == {9}
    assert scene.gateway.rows() == log
    scene.gateway = scene.start()
    scene.work("ann")
    replayed(scene)


def test_erase__before_a_receipt_covers_it__operators_still_get_the_sealed_opening(
    scene: GatewayScene,
) -> None:
    scene.join("ann", "ben")
    scene.work("ann")
    scene.work("ben")
    feed = GatewayFeed(scene.gateway)
    before = feed.page(0, 100)
    assert len(before.openings) == 2
    scene.gateway.erase(ANN)
    assert feed.page(0, 100) == before
    post_receipt(scene, [1], position=6)  # before what was erased
    scene.gateway.follow()
    assert feed.page(0, 100).openings == before.openings
    post_receipt(scene, [1], epoch=2, position=9)
    scene.gateway.follow()
    assert len(feed.page(0, 100).openings) == 1
    scene.gateway.erase(BEN)
    assert feed.page(0, 100).openings == ()
    assert feed.page(0, 100).rows == tuple(scene.gateway.rows())
    assert len(scene.start().rows()) == len(scene.gateway.rows())


# --- starting -------------------------------------------------------------------------------------


def start_with(scene: GatewayScene, **changes: Any) -> Gateway:
    arguments = {
        "manifest": scene.files.manifest,
        "reader": scene.chain,
        "content": scene.content,
        "store": scene.store,
        "secrets": scene.files.secrets,
        "key": key_of("gateway"),
        "clock": scene.gateway._clock,
    }
    return Gateway(7, **{**arguments, **changes})


def test_start__another_key__is_refused(scene: GatewayScene) -> None:
    with pytest.raises(InputError, match="another gateway"):
        start_with(scene, key=key_of("ann"))


@pytest.mark.parametrize(
    "change",
    [
        lambda secrets: replace(secrets, last_seed=ZERO32),
        lambda secrets: replace(secrets, gold=secrets.gold[:-1]),
        lambda secrets: replace(
            secrets, gold=(replace(secrets.gold[0], item=4_000), *secrets.gold[1:])
        ),
        lambda secrets: replace(
            secrets, gold=(replace(secrets.gold[0], answer=b'"x"'), *secrets.gold[1:])
        ),
    ],
)
def test_start__another_campaigns_secrets__are_refused(
    scene: GatewayScene, change: Callable[[Any], Any]
) -> None:
    with pytest.raises(InputError, match="another campaign's secrets"):
        start_with(scene, secrets=change(scene.files.secrets))


def test_start__another_manifest_than_on_chain__is_refused(scene: GatewayScene) -> None:
    scene.chain.known = replace(scene.chain.known, manifest=ZERO32)
    with pytest.raises(ProtocolFault, match="MANIFEST"):
        start_with(scene)


def test_start__a_database_of_another_deployment__is_refused(scene: GatewayScene) -> None:
    scene.chain.known = replace(scene.chain.known, escrow=ANN)
    with pytest.raises(StoreError, match="database of its own"):
        start_with(scene)


def test_start__a_log_that_was_tampered_with__is_refused(scene: GatewayScene) -> None:
    scene.join("ann")
    engine = scene.store._engine
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE log_entries SET entry = X'0700000000000000060000000000000000000000000000000000"
            "000000000000000000000000000000' WHERE position = 1"
        )
    with pytest.raises(ProtocolFault):
        scene.start()


def test_item__by_number__is_the_published_record(scene: GatewayScene) -> None:
    item = scene.gateway.item(3)
    assert item.name == f"item {scene.files.order[3]}"
    with pytest.raises(InputError, match="no item 60"):
        scene.gateway.item(60)
    with pytest.raises(InputError, match="no media"):
        scene.gateway.media(3)
