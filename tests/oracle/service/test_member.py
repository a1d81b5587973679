"""One operator among four: what it takes from gateway, peers and contributors; what it signs."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

import oracle.service.evidence
import oracle.service.follower
import oracle.service.member
from oracle.errors import GatewayRefusal
from oracle.evidence import entries as log
from oracle.evidence.codec import DAG_CBOR
from oracle.evidence.entries import SHARD_BYTES, LogRow
from oracle.evidence.hashing import ZERO32, keccak256
from oracle.evidence.signing import recover, sign
from oracle.evidence.structs import Acknowledgement, Confirmation
from oracle.ports import ROW_BYTES, Filing, LeaseCertificate, LogPage, Proposal
from oracle.protocol.campaign import EpochResult
from oracle.protocol.decide import decide
from oracle.service.follower import Follower
from oracle.service.member import Member, Step
from oracle.service.memory import MemoryOperatorStore
from oracle.service.round import Held, digest_of, lead
from tests.network.gateways import Feed
from tests.network.invariants import check
from tests.network.people import Contributor, Work
from tests.network.schedule import QUORUM, Plan, Schedule


def calm(gateway: str = "Honest", liar: str = "honest", seed: int = 1) -> Schedule:
    """A schedule without drops, voids or short money."""
    return Schedule(seed, Plan(seed, gateway, liar, 0.0, 0.0, "ample"))


@pytest.fixture
def scene() -> Schedule:
    """A campaign whose first labels are in every operator's log."""
    schedule = calm()
    while len(schedule.people[0].works) < 1:
        schedule.tick()
    schedule.tick()
    for member in schedule.members:
        member.follow()
    return schedule


def unfiled(schedule: Schedule, name: str = "person 90") -> tuple[Contributor, Work]:
    """A newcomer with a confirmed lease whose submission the gateway hasn't seen."""
    person = Contributor(schedule, name)
    person._delegate()
    for _ in range(5):
        schedule.chain.mine(60)
        schedule.gateways.follow()
    person._lease()
    work = person.works[0]
    arguments = person.submission(work.items, ["1"] * len(work.items))
    work.entry = arguments["entry"]
    work.filing = Filing(log.encode_entry(arguments["entry"]), arguments["opening"])
    for member in schedule.members:
        member.follow()
    return person, work


def state(member: Member) -> tuple[object, ...]:
    """What a refusal must leave as it was."""
    store = member._store
    return (
        store.rows(),
        store.filings(),
        store.opened(),
        store.notes("certificate"),
        store.notes("signed"),
        dict(member.intake.filings),
        member.intake.ledger(member._read_campaign(), member._previous).position,
    )


# -- the log ---------------------------------------------------------------------------------------


def test_follow__page_without_an_opening__ends_before_its_submission(scene: Schedule) -> None:
    gateway, member = scene.gateways.main, scene.members[0]
    known = len(member.log.rows)

    class Withholding(Feed):
        def page(self, after: int, limit: int) -> LogPage:
            return LogPage(super().page(after, limit).rows, ())

    member._feed = Withholding(scene.gateways, 0)
    newcomer = Contributor(scene, "person 91")
    newcomer._delegate()
    for _ in range(3):
        scene.chain.mine(60)
        scene.gateways.follow()
    newcomer._lease()
    lease = newcomer.works[0]
    gateway.submit(**newcomer.submission(lease.items, ["1"] * len(lease.items)))
    last = gateway.head()
    assert last is not None
    member.follow()
    assert known < len(member.log.rows) == last.position - 1


@pytest.mark.parametrize(
    "change",
    [
        {"data": b"\x07"},
        {"head": ZERO32},
        {"entry_hash": ZERO32},
        {"signature": b"\x1b" * 65},
        {"position": 999},
    ],
    ids=lambda change: next(iter(change)),
)
def test_follow__row_that_is_not_the_gateways__is_not_taken(
    scene: Schedule, change: dict[str, object]
) -> None:
    member = scene.members[0]
    scene.chain.mine(60)
    scene.gateways.follow()
    before = state(member)

    class Altering(Feed):
        def page(self, after: int, limit: int) -> LogPage:
            page = super().page(after, limit)
            rows = [replace(row, **change) for row in page.rows]  # type: ignore[arg-type]
            return LogPage(tuple(rows), page.openings)

    member._feed = Altering(scene.gateways, 0)
    member.follow()
    assert state(member) == before
    member._feed = Feed(scene.gateways, 0)
    member.follow()
    assert len(member.log.rows) > len(before[0])  # type: ignore[arg-type]


def test_follow__row_that_no_evidence_could_hold__is_not_taken(scene: Schedule) -> None:
    gateway, member = scene.gateways.main, scene.members[0]
    last = member.log.rows[-1]

    class Stuffing(Feed):
        size = SHARD_BYTES + 1

        def page(self, after: int, limit: int) -> LogPage:
            data = bytes(self.size)  # no entry, which counts for nothing, but stands in the log
            entry_hash = keccak256(data)
            head = log.next_head(last.head, entry_hash)
            row = LogRow(last.position + 1, data, entry_hash, head, b"")
            digest = row.signed_head(7).digest(scene.chain.known.escrow_domain)
            signed = replace(row, signature=sign(gateway._key, digest))
            return LogPage((signed,) if after == last.position else (), ())

    stuffing = Stuffing(scene.gateways, 0)
    member._feed = stuffing
    before = state(member)
    member.follow()
    assert state(member) == before
    stuffing.size = SHARD_BYTES
    member.follow()
    assert len(member.log.rows) == last.position + 1


def test_follow__more_than_a_receipt_takes__ends_there_until_one_is_final(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedule = calm()
    monkeypatch.setattr(oracle.service.follower, "MAX_UNSETTLED", 12_000)
    ends = set()
    while len(schedule.members[0].results) < 2:
        schedule.tick()
        rows = schedule.members[0].log.rows
        size = sum(len(row.data) + ROW_BYTES for row in rows[schedule.members[0].log.settled :])
        assert size <= 12_000
        ends.add(len(rows))
    settled = [one.receipt.log_position for one in schedule.members[0].results]
    assert settled[0] < settled[1] <= max(ends)
    head = schedule.gateways.main.head()
    assert head is not None
    assert head.position > settled[1]  # the gateway wrote more, and receipts came all the same


def test_openings__more_than_one_answer_takes__come_in_several(
    scene: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    giver = scene.members[0]
    for _ in range(30):
        scene.tick()
    giver.follow()
    wanted = list(giver.log.opened)
    assert giver.openings(wanted) == tuple(giver.log.opened[one] for one in wanted)
    monkeypatch.setattr(oracle.service.member, "ANSWER_BYTES", 1)
    assert giver.openings(wanted) == (giver.log.opened[wanted[0]],)
    taker = Follower(MemoryOperatorStore(), giver.log._unseal, threading.RLock())
    taker.settled = giver.log.settled
    taker.learn(giver, giver.log.rows[-1], giver._read_campaign(), now=0)
    assert taker.rows == giver.log.rows
    behind = {row.entry_hash for row in giver.log.rows[taker.settled :]}
    assert set(taker.opened) == set(wanted) & behind
    assert len(taker.opened) > 1


def test_step__receipt_is_final__drops_certificates_up_to_its_cut() -> None:
    schedule = calm()
    member = schedule.members[0]
    while len(member.results) < 2:
        schedule.tick()
        member = schedule.members[0]
        held = member.intake.certificates
        assert set(member._store.notes("certificate")) == set(held)
        assert all(one.row.position > member.log.settled for one in held.values())
    old = next(row for row in member.log.rows if isinstance(row.entry, log.Lease))
    member.certify(LeaseCertificate(old, ()))  # too late to matter, so not even looked at
    assert old.entry_hash not in member._store.notes("certificate")


def test_exchange__two_logs__are_proven_on_chain_and_close_the_campaign() -> None:
    schedule = calm("ForksUnevenly")
    while not schedule.chain.forked:
        schedule.tick()
    assert schedule.chain.known.closed is not None
    assert any(member.log.fork is not None for member in schedule.members)
    check(schedule.run())


# -- leases ----------------------------------------------------------------------------------------


def test_confirm__backed_lease__is_signed_and_certified_by_a_quorum(scene: Schedule) -> None:
    _, work = unfiled(scene)
    row = work.row
    struct = Confirmation(7, row.position, row.entry_hash, row.head)
    digest = struct.digest(scene.chain.known.board_domain)
    words = [one.confirm(row.position, row.entry_hash) for one in scene.members]
    assert [recover(digest, one) for one in words] == [one.address for one in scene.members]
    member = scene.members[0]
    before = state(member)
    for few in (words[: QUORUM - 1], [words[0]] * QUORUM, [b"\x1b" * 65] * QUORUM):
        with pytest.raises(GatewayRefusal, match="CERTIFICATE"):
            member.certify(LeaseCertificate(row, tuple(few)))
    forged = replace(row, data=row.data + b"\0")
    with pytest.raises(GatewayRefusal, match="CERTIFICATE"):
        member.certify(LeaseCertificate(forged, tuple(words)))
    assert state(member) == before
    member.certify(LeaseCertificate(row, tuple(words[:QUORUM])))
    assert row.entry_hash in member._store.notes("certificate")
    again = scene.start(0)  # what was certified survives a restart
    assert again.intake.certificates[row.entry_hash].row == row


def test_confirm__unknown_or_faulty_lease__is_refused(scene: Schedule) -> None:
    _, work = unfiled(scene)
    member, row = scene.members[0], work.row
    for position, entry_hash in ((row.position, ZERO32), (999, row.entry_hash), (0, ZERO32)):
        with pytest.raises(GatewayRefusal, match="LEASE-UNKNOWN"):
            member.confirm(position, entry_hash)
    with pytest.raises(GatewayRefusal, match="no lease"):
        member.confirm(1, member.log.rows[0].entry_hash)

    lease = work.row.entry
    assert isinstance(lease, log.Lease)
    items = tuple(item for item in range(30) if item not in work.items)[:2]
    scene.gateways.behaviour.forge(
        log.encode_entry(replace(lease, items=items, reward=lease.reward + 1))
    )
    head = scene.gateways.main.head()
    assert head is not None
    with pytest.raises(GatewayRefusal, match="LEASE-REWARD"):
        member.confirm(head.position, head.entry_hash)


# -- filings ---------------------------------------------------------------------------------------


def test_file__submission_that_the_gateway_does_not_log__is_acknowledged_and_kept(
    scene: Schedule,
) -> None:
    _, work = unfiled(scene)
    member = scene.members[0]
    assert work.filing is not None
    assert member.holds([work.entry_hash]) == ()
    word = member.file(work.filing)
    assert member.file(work.filing) == word
    epoch = member.intake.ledger(scene.read_campaign(), None).epoch
    digest = Acknowledgement(7, work.entry_hash, epoch).digest(scene.chain.known.board_domain)
    assert recover(digest, word) == member.address
    assert member.holds([ZERO32, work.entry_hash]) == (work.entry_hash,)
    assert scene.start(0).holds([work.entry_hash]) == (work.entry_hash,)


def test_holds__submission_logged_where_it_counts_for_nothing__is_not_held(
    scene: Schedule,
) -> None:
    """A gateway that logs a submission after its lease hasn't logged it, and it can be filed."""
    member, behaviour = scene.members[0], scene.gateways.behaviour
    _, work = unfiled(scene)
    assert work.filing is not None
    assert work.entry is not None
    behaviour.forge_submission(work.entry, work.filing.opening)
    member.follow()
    assert member.holds([work.entry_hash]) == (work.entry_hash,)

    _, late = unfiled(scene, "person 92")
    assert late.filing is not None
    assert late.entry is not None
    lease = late.row.entry
    assert isinstance(lease, log.Lease)
    scene.chain.mine(lease.expiry - scene.chain.newest.timestamp + 70)
    scene.gateways.follow()
    behaviour.forge_submission(late.entry, late.filing.opening)
    member.follow()
    assert late.entry_hash in member.log.places
    assert member.holds([late.entry_hash, work.entry_hash]) == (work.entry_hash,)
    word = member.file(late.filing)
    epoch = scene.gateways.main.bounded.epoch_at(lease.expiry)
    digest = Acknowledgement(7, late.entry_hash, epoch).digest(scene.chain.known.board_domain)
    assert recover(digest, word) == member.address
    assert member.holds([late.entry_hash]) == (late.entry_hash,)


def test_file__anything_else__is_refused_and_changes_nothing(scene: Schedule) -> None:
    person, work = unfiled(scene)
    member = scene.members[0]
    assert work.filing is not None
    entry = work.entry
    assert entry is not None
    delegation = log.encode_entry(scene.delegation(person.wallet, person.session))
    other = person.submission([one for one in range(30) if one not in work.items][:2], ["1", "1"])
    stranger = replace(entry, signature=other["entry"].signature)
    garbled = person.submission(work.items, ["1"] * len(work.items))
    answers = person.submission(work.items, ["nobody's answer"] * len(work.items))
    cases = {
        "FILING-FORMAT": Filing(b"\x03", b""),
        "FILING-KIND": Filing(delegation, b""),
        "signed": replace(work.filing, opening=b"other"),
        "SUBMISSION-LEASE": Filing(log.encode_entry(other["entry"]), other["opening"]),
        "SUBMISSION-SIGNATURE": Filing(log.encode_entry(stranger), work.filing.opening),
        "doesn't open": Filing(log.encode_entry(answers["entry"]), answers["opening"]),
    }
    before = state(member)
    for reason, filing in cases.items():
        with pytest.raises(GatewayRefusal, match=reason):
            member.file(filing)
    assert state(member) == before
    member.file(work.filing)
    with pytest.raises(GatewayRefusal, match="FILING-REPEATED"):
        member.file(Filing(log.encode_entry(garbled["entry"]), garbled["opening"]))


def test_file__after_the_grace__is_too_late(scene: Schedule) -> None:
    _, work = unfiled(scene)
    assert work.filing is not None
    boundary = scene.gateways.main.bounded.boundary(1)
    scene.chain.mine(boundary - scene.chain.newest.timestamp + 60)
    scene.members[0].file(work.filing)
    scene.chain.mine(120)
    before = state(scene.members[1])
    with pytest.raises(GatewayRefusal, match="FILING-LATE"):
        scene.members[1].file(work.filing)
    assert state(scene.members[1]) == before


# -- rounds ----------------------------------------------------------------------------------------


def at_cut(schedule: Schedule) -> None:
    """Let everybody follow until the first cut may be proposed, and nobody propose."""
    timing = schedule.members[0].timing
    boundary = schedule.gateways.main.bounded.boundary(1)
    while schedule.chain.newest.timestamp < boundary + 60:
        schedule.chain.mine(30)
        schedule.gateways.follow()
        for person in schedule.people:
            person.act()
    schedule.chain.mine(timing.exchange)
    schedule.gateways.follow()
    for _ in range(2):
        for member in schedule.members:
            member.follow()


def leader(schedule: Schedule, round_number: int = 0) -> Member:
    return schedule.members[(1 + round_number) % len(schedule.members)]


def proposed(schedule: Schedule, member: Member, **changes: object) -> Proposal:
    """What a member would propose for epoch 1, altered and signed."""
    campaign = schedule.read_campaign()
    held = member._held(campaign, 1, final=False, until=None)
    proposal = lead(
        campaign,
        None,
        Held(**{**vars(held), **{k: v for k, v in changes.items() if k in vars(held)}}),
        epoch=1,
        attempt=0,
        round=int(str(changes.get("round", 0))),
        final=False,
        sign=member._signer,
    )
    rows = changes.get("log")
    if isinstance(rows, tuple):
        proposal = replace(proposal, rows=rows)
        proposal = replace(proposal, signature=member._signer(digest_of(proposal, campaign, None)))
    return proposal


def test_vote__whole_proposal__is_signed_and_the_same_again(scene: Schedule) -> None:
    at_cut(scene)
    proposal = proposed(scene, leader(scene))
    votes = [member.vote(proposal) for member in scene.members]
    assert all(vote.signature is not None for vote in votes)
    assert [member.vote(proposal) for member in scene.members] == votes
    digests = {next(iter(member._derived)) for member in scene.members}
    assert len(digests) == 1
    assert not scene.chain.money.history
    assert not [key for key in scene.content.blocks if key[1] == next(iter(digests))]


def test_open_epoch__in_the_gateways_stead__is_taken_at_the_cut_alone(scene: Schedule) -> None:
    member, secrets = scene.members[0], scene.files.secrets
    gold = tuple(one for one in secrets.gold if one.epoch == 1)
    with pytest.raises(GatewayRefusal, match="OPEN-NOT-DUE"):
        member.open_epoch(1, final=False, seed=secrets.seed(1), gold=gold)
    assert not member._reveals
    at_cut(scene)
    member._reveals.clear()  # as if the gateway had opened nothing
    with pytest.raises(GatewayRefusal, match="OPEN-WRONG"):
        member.open_epoch(1, final=False, seed=b"\x01" * 32, gold=())
    assert member._reveals[1, False] == (ZERO32, ())
    member.open_epoch(1, final=False, seed=secrets.seed(1), gold=gold)
    assert member._reveals[1, False] == (secrets.seed(1), tuple(sorted(gold)))


def test_vote__before_a_quorum_has_answered__is_put_off(scene: Schedule) -> None:
    at_cut(scene)
    proposal = proposed(scene, leader(scene))
    scene.restart(0)
    vote = scene.members[0].vote(proposal)
    assert (vote.signature, vote.code) == (None, "NOT-YET")
    assert not scene.members[0]._store.notes("signed")
    scene.members[0].follow()
    assert scene.members[0].vote(proposal).signature is not None


def test_vote__opening_left_out__is_refused_and_handed_over(scene: Schedule) -> None:
    at_cut(scene)
    head = leader(scene)
    proposal = proposed(scene, head, opened={})
    voter = scene.members[0]
    vote = voter.vote(proposal)
    assert (vote.signature, vote.code) == (None, "PROPOSAL-OMITS")
    assert vote.missing.opened
    assert all(one in voter.log.opened.values() for one in vote.missing.opened)
    assert not voter._store.notes("signed")


def test_vote__filing_left_out__is_refused_and_handed_over(scene: Schedule) -> None:
    _, work = unfiled(scene)
    voter = scene.members[0]
    assert work.filing is not None
    voter.file(work.filing)
    at_cut(scene)
    proposal = proposed(scene, leader(scene), filings={})
    vote = voter.vote(proposal)
    assert (vote.signature, vote.code) == (None, "PROPOSAL-FILING")
    assert vote.missing.filings == (work.filing,)
    assert voter.vote(proposed(scene, leader(scene))).signature is not None


def test_vote__shorter_log_or_no_secrets__is_refused_and_handed_over(scene: Schedule) -> None:
    at_cut(scene)
    head, voter = leader(scene), scene.members[0]
    proposal = proposed(scene, head)
    short = proposed(scene, head, log=proposal.rows[:-1])
    vote = voter.vote(short)
    assert (vote.signature, vote.code) == (None, "PROPOSAL-LOG")
    assert vote.missing.rows == proposal.rows
    vote = voter.vote(proposed(scene, head, reveal=(ZERO32, ())))
    assert (vote.signature, vote.code) == (None, "PROPOSAL-SECRETS")
    assert vote.missing.seed == proposal.supplement.seed


def test_vote__log_without_a_certified_lease__is_refused(scene: Schedule) -> None:
    _, work = unfiled(scene)
    row = work.row
    words = tuple(one.confirm(row.position, row.entry_hash) for one in scene.members)
    voter = scene.members[0]
    voter.certify(LeaseCertificate(row, words))
    at_cut(scene)
    rows = proposed(scene, leader(scene)).rows
    short = proposed(scene, leader(scene), log=rows[: row.position - 1])
    voter._store = type(voter._store)()  # it came late, so it asks for no longer log
    vote = voter.vote(short)
    assert (vote.signature, vote.code) == (None, "PROPOSAL-LEASE")


def test_vote__by_another_than_the_leader_or_early__is_refused(scene: Schedule) -> None:
    at_cut(scene)
    voter = scene.members[0]
    other = next(one for one in scene.members if one is not leader(scene))
    assert voter.vote(proposed(scene, other)).code == "PROPOSAL-LEADER"
    later = scene.members[(1 + 3) % 4]
    assert voter.vote(proposed(scene, later, round=3)).code == "NOT-YET"
    proposal = replace(proposed(scene, leader(scene)), attempt=1)
    assert voter.vote(proposal).code == "NOT-YET"
    assert not voter._store.notes("signed")


def test_step__leader_gone__next_round_posts(scene: Schedule) -> None:
    at_cut(scene)
    first = scene.members[0]
    start = first._start(scene.read_campaign(), 1, final=False)
    assert start is not None
    away = leader(scene, (scene.chain.newest.timestamp - start) // first.timing.round)
    others = [one for one in scene.members if one is not away]
    for member in others:
        member.peers = [peer for peer in others if peer is not member]
    assert all(one.step().step is Step.EXCHANGING for one in others)
    scene.chain.mine(others[0].timing.round)
    steps = [one.step().step for one in others]
    assert Step.POSTED in steps
    assert len(scene.chain.money.history) == 1


def test_step__killed_after_signing__goes_on_with_what_it_kept(scene: Schedule) -> None:
    at_cut(scene)
    proposal = proposed(scene, leader(scene))
    votes = [member.vote(proposal) for member in scene.members]
    result = next(iter(scene.members[0]._derived.values()))
    scene.chain.post(result.receipt, [one.signature for one in votes if one.signature][:QUORUM])
    for seat in range(len(scene.members)):  # all at once, before anything was published
        scene.restart(seat)
    assert not scene.content.has(result.receipt.evidence, 0x71)
    scene.members[2].step()
    assert scene.content.has(result.receipt.evidence, 0x71)
    scene.chain.mine(120)
    while not scene.chain.finalized():
        scene.chain.mine(60)
        for member in scene.members:
            member.step()
    for member in scene.members:
        member.follow()
        assert [one.receipt for one in member.results] == [result.receipt]


def test_step__away_for_an_epoch__takes_log_and_result_from_the_evidence() -> None:
    schedule = calm(liar="Crashed", seed=2)
    assert schedule.liar is not None
    away = schedule.members[schedule.liar]
    while not schedule.chain.finalized():
        schedule.tick()
    assert not away.results
    away._feed = Feed(calm("Dies").gateways, 3)  # its gateway's log is of no use
    away.peers = []
    away.follow()
    assert [one.receipt for one in away.results] == schedule.chain.finalized()
    assert len(away.log.rows) == schedule.chain.finalized()[-1].log_position


# -- restarts --------------------------------------------------------------------------------------


class Lean(Member):
    """An operator as its own process runs it: it keeps the newest result alone."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named, keeps_results=False)


def settled(count: int) -> Schedule:
    """A campaign with so many finalized receipts, which everybody has followed."""
    schedule = Schedule(1, Plan(1, "Honest", "honest", 0.0, 0.0, "ample"), Lean)
    while len(schedule.chain.finalized()) < count:
        schedule.tick()
    for member in schedule.members:
        member.follow()
    return schedule


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs that operators decide from here on."""
    epochs: list[int] = []

    def counting(*arguments: Any, **named: Any) -> EpochResult:
        result = decide(*arguments, **named)
        epochs.append(result.receipt.epoch)
        return result

    for module in (oracle.service.member, oracle.service.evidence):
        monkeypatch.setattr(module, "decide", counting)
    return epochs


def test_follow__restarted_behind_several_receipts__judges_the_last_alone_and_goes_on(
    decided: list[int],
) -> None:
    schedule = settled(3)
    receipts = schedule.chain.finalized()
    decided.clear()
    for seat in range(len(schedule.members)):
        schedule.restart(seat)
        schedule.members[seat].follow()
        assert [one.receipt for one in schedule.members[seat].results] == receipts[-1:]
    assert decided == [receipts[-1].epoch] * len(schedule.members)
    while len(schedule.chain.finalized()) == len(receipts):
        schedule.tick()
    for member in schedule.members:
        member.follow()
        assert [one.receipt for one in member.results] == schedule.chain.finalized()[-1:]
        assert member.tally.disagreements == 0


def test_follow__restarted_where_evidence_is_gone__judges_all_by_what_it_kept(
    decided: list[int],
) -> None:
    schedule = settled(3)
    receipts = schedule.chain.finalized()
    first = receipts[0].digest(schedule.chain.known.board_domain)
    seat = next(
        number for number, store in enumerate(schedule.stores) if first in store.notes("signed")
    )
    del schedule.content.blocks[DAG_CBOR, receipts[0].evidence]
    decided.clear()
    schedule.restart(seat)
    schedule.members[seat].follow()
    assert decided == [one.epoch for one in receipts]
    assert [one.receipt for one in schedule.members[seat].results] == receipts[-1:]


def test_follow__restarted_on_notes_that_say_nothing__judges_all(decided: list[int]) -> None:
    schedule = settled(2)
    receipts = schedule.chain.finalized()
    schedule.stores[0]._notes.pop("judged")
    decided.clear()
    schedule.restart(0)
    schedule.members[0].follow()
    assert decided == [one.epoch for one in receipts]
