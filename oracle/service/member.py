"""One operator of one campaign: follows chain, log and peers, and brings the next receipt about.

`step` does what is due and returns; nothing waits. What must survive a restart is in the store, on
chain or in published content, so that a step may be cut off anywhere and taken again. Times are the
chain's (the newest block's), which all operators share.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from itertools import accumulate, takewhile
from typing import TypeVar

from oracle.content.batch import put_all
from oracle.errors import (
    ContentMissing,
    DDLPError,
    GatewayRefusal,
    InputError,
    ProtocolFault,
    Reverted,
)
from oracle.evidence.codec import DAG_CBOR, Link
from oracle.evidence.entries import LogRow
from oracle.evidence.hashing import ZERO32, keccak256
from oracle.evidence.signing import recover
from oracle.evidence.structs import Receipt
from oracle.evidence.supplement import GoldOpening, Supplement
from oracle.ports import (
    ChainReader,
    ContentStore,
    Filing,
    Holding,
    LeaseCertificate,
    LogFeed,
    Missing,
    OpenedSubmission,
    OperatorStore,
    Peer,
    Proposal,
    ReceiptPoster,
    Vote,
)
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.protocol.decide import decide
from oracle.protocol.facts import ChainFacts, Settlement
from oracle.protocol.openings import cut_of, named_block
from oracle.protocol.resume import resume
from oracle.quality.payment import fills_cap
from oracle.service.asking import Asking, one_by_one
from oracle.service.evidence import read_log, read_published, recompute
from oracle.service.follower import MORE, Follower, Unseal, opens, submission_of
from oracle.service.intake import Intake, Signer
from oracle.service.round import (
    Held,
    LeftOut,
    Reveal,
    checked_reveal,
    derive,
    due,
    lead,
    leader_of,
    stands,
)

logger = logging.getLogger(__name__)
Value = TypeVar("Value")

TRIES = 8  # proposals of one leader in one round, each with more of what was left out
ANSWER_BYTES = 16 << 20  # of filings, or of openings, in one answer; what doesn't fit comes next


class Step(Enum):
    """What a call of `step` did."""

    NOTHING = "nothing is due"
    POSTED = "posted a receipt"
    FINALIZED = "finalized a receipt"
    WAITING = "a posted receipt waits for its window"
    EXCHANGING = "a cut waits for what operators exchange, or for its leader"


@dataclass(frozen=True)
class Progress:
    """What a step did, and the receipt it did it to."""

    step: Step
    receipt: Receipt | None = None
    result: EpochResult | None = None
    refusals: tuple[str, ...] = ()  # why no quorum signed what this operator proposed


@dataclass(frozen=True)
class Timing:
    """Seconds of chain time. `exchange`: from a cut to its first proposal; `patience`: the same
    where the log lacks the cut's anchor; `round`: how long each leader has."""

    exchange: int
    patience: int
    round: int

    @classmethod
    def of(cls, grace: int) -> Timing:
        """Times that leave filings their grace and operators as long again to exchange them."""
        return cls(exchange=2 * grace, patience=2 * grace, round=max(grace, 60))


@dataclass
class Tally:
    """What an operator has done since its process began, for its metrics."""

    signatures: int = 0
    posts: int = 0
    disagreements: int = 0
    last_disagreement: str = ""


class Member:
    """One operator in one campaign; a `Peer` to other operators, a `FilingDesk` to contributors.

    `read_campaign` returns the campaign with fresh chain facts; `members` are the operator set's
    addresses by seat, `threshold` of whom must sign. `signer` signs 32-byte digests as `address`;
    `unseal` opens opening blocks sealed to this operator. `execute_slashes` also takes what a
    finalized receipt's slash tree says. `first_signer` is the seat that is asked to sign first; by
    default the leader's own, so that fees go round. `keeps_results` keeps every receipt's result,
    for whoever asks for `results`; without it only the newest, and a restart goes on behind what
    was judged before. `asking` puts a proposal to peers, by default to one after another.
    """

    def __init__(
        self,
        read_campaign: Callable[[], Campaign],
        *,
        address: bytes,
        signer: Signer,
        unseal: Unseal,
        members: Sequence[bytes],
        threshold: int,
        reader: ChainReader,
        feed: LogFeed,
        store: OperatorStore,
        content: ContentStore,
        poster: ReceiptPoster,
        timing: Timing,
        peers: Sequence[Peer] = (),
        execute_slashes: bool = True,
        first_signer: int | None = None,
        keeps_results: bool = True,
        asking: Asking | None = None,
    ) -> None:
        if not members or not len(members) < 2 * threshold <= 2 * len(members):
            raise ValueError("a quorum is more than half of the operators, and at most all")
        self.address, self.members, self.threshold = address, tuple(members), threshold
        self.peers: Sequence[Peer] = peers
        self.timing, self.tally = timing, Tally()
        self._read_campaign, self._reader, self._feed = read_campaign, reader, feed
        self._store, self._content, self._poster = store, content, poster
        self._signer, self._execute_slashes = signer, execute_slashes
        self._first_signer, self._keeps_results = first_signer, keeps_results
        self._asking = asking if asking is not None else one_by_one
        self._lock = threading.RLock()
        self.log = Follower(store, unseal, self._lock)
        self.intake = Intake(store, self.log, signer)
        self._followed = 0  # finalized receipts
        self._results: list[EpochResult] = []  # behind the last of them, or all
        self._derived: dict[bytes, EpochResult] = {}  # by receipt digest, since the last finalized
        self._votes: dict[bytes, Vote] = {}
        self._tries: dict[tuple[bytes, int, int, int], int] = {}
        self._reveals: dict[tuple[int, bool], Reveal] = {}
        self._slashed = 0  # the epoch up to whose receipt slashes are executed
        self._campaign: Campaign | None = None
        self._now = 0
        self._cutting = False  # whether a cut's inputs are being exchanged
        self._heard = {address}  # who has told what it holds since the process began

    @property
    def results(self) -> Sequence[EpochResult]:
        """The results behind the finalized receipts, oldest first, as far as `step` has followed
        them; the newest alone unless all are kept."""
        return tuple(self._results)

    # -- the loop ----------------------------------------------------------------------------

    def step(self, now: int | None = None) -> Progress:
        """Follow, then do the one thing that is due: finalize, exchange, propose.

        `now` is the newest block's time, read from the chain by default.
        """
        self.follow(now)
        return self.act(now)

    def follow(self, now: int | None = None) -> None:
        """Take in what chain, gateway and peers have."""
        campaign = self._refresh(now)
        self._follow_log(campaign)
        self._exchange(campaign)
        self._prove_fork(campaign)
        cut = self._due(campaign)
        self._cutting = cut is not None
        if cut is not None and _pending(campaign.facts) is None:
            self._ask_reveal(campaign, cut[0], final=cut[1])

    def act(self, now: int | None = None) -> Progress:
        """Do the one thing that is due."""
        campaign = self._refresh(now)
        self._slash(campaign)
        pending = _pending(campaign.facts)
        if pending is not None:
            self._publish(campaign, pending.receipt)
            return self._finalize(campaign, pending)
        cut = self._due(campaign)
        if cut is None:
            return Progress(Step.NOTHING)
        epoch, final = cut
        start = self._start(campaign, epoch, final=final)
        if start is None or self._now < start:
            return Progress(Step.EXCHANGING)
        round_number = (self._now - start) // self.timing.round
        if self.members[self._seat(campaign, epoch, round_number)] != self.address:
            return Progress(Step.EXCHANGING)
        return self._lead(campaign, epoch, final, round_number)

    def _refresh(self, now: int | None = None) -> Campaign:
        """Read the chain, and follow what is finalized on it."""
        campaign = self._read_campaign()
        with self._lock:
            self._now = self._reader.head().timestamp if now is None else now
            self._campaign = campaign
            self._catch_up(campaign)
        return campaign

    def _due(self, campaign: Campaign) -> tuple[int, bool] | None:
        with self._lock:
            complete = self._is_complete(campaign.facts)
            return due(campaign, self._previous, self.log.rows, complete)

    @property
    def is_over(self) -> bool:
        """Say whether nothing is left to do here: all is settled, and slashed."""
        with self._lock:
            if self._campaign is None or not self._is_complete(self._campaign.facts):
                return False
            return not self._execute_slashes or self._slashed >= self._results[-1].receipt.epoch

    def _is_complete(self, facts: ChainFacts) -> bool:
        """Say whether nothing can be owed any more, by a receipt whose result is taken."""
        return bool(self._results) and self._results[-1].receipt.final and is_complete(facts)

    @property
    def _previous(self) -> EpochResult | None:
        return self._results[-1] if self._results else None

    def _seat(self, campaign: Campaign, epoch: int, round_number: int) -> int:
        return (epoch + self._attempt(campaign.facts) + round_number) % len(self.members)

    def _attempt(self, facts: ChainFacts) -> int:
        previous = self._previous
        digest = previous.receipt.digest(facts.board_domain) if previous is not None else ZERO32
        return facts.attempt(digest)

    def _start(self, campaign: Campaign, epoch: int, *, final: bool) -> int | None:
        """The time of a cut's first proposal; None before the chain has come to the cut."""
        named = named_block(campaign, self._previous, epoch, final=final)
        if named is None or not self.log.rows:
            return None
        cut = cut_of(campaign, self._previous, epoch, final=final, rows=self.log.rows)
        wait = self.timing.exchange if cut is not None else self.timing.patience
        return max(named.timestamp, self._last_void(campaign.facts)) + wait

    def _last_void(self, facts: ChainFacts) -> int:
        voided = [one.voided_block for one in facts.settlements if one.voided_block is not None]
        return self._reader.block(max(voided)).timestamp if voided else 0

    # -- what is finalized -------------------------------------------------------------------

    def _catch_up(self, campaign: Campaign) -> None:
        """Take the results of finalized receipts: derived here before, else from their evidence."""
        finalized = [one for one in campaign.facts.settlements if one.finalized_block is not None]
        settled = sorted((one.receipt for one in finalized), key=lambda one: one.epoch)
        if settled and not self._followed and not self._keeps_results:
            self._resume(campaign, settled)
        for receipt in settled[self._followed :]:
            digest = receipt.digest(campaign.facts.board_domain)
            result = self._derived.get(digest)
            if result is None:
                result = self._kept(campaign, digest)
            if result is None:
                result = recompute(campaign, self._previous, receipt, self._fetch)
                rows = read_log(campaign, result.evidence, self._fetch)
                if rows:
                    self._adopt(rows)
            self._store.note("judged", digest, b"", now=self._now)
            self._results = [*(self._results if self._keeps_results else ()), result]
            self._followed += 1
            self.log.settled = receipt.log_position
            self._derived, self._votes, self._tries, self._reveals = {}, {}, {}, {}
            filed = [entry for filings in result.filings for entry in filings.entries]
            self.log.forget(result.closed.keys(), filed)
            self.intake.forget(campaign, result)

    def _resume(self, campaign: Campaign, settled: Sequence[Receipt]) -> None:
        """Go on behind the last receipt but one of those that were judged before the process began:
        the last one is derived anew, which shows that nothing is amiss."""
        domain, judged = campaign.facts.board_domain, self._store.notes("judged")
        known = [*takewhile(lambda one: one.digest(domain) in judged, settled)][:-1]
        try:
            published = [read_published(receipt, self._fetch) for receipt in known]
            result = resume(campaign, published, self.log.rows)
        except DDLPError as error:
            logger.warning("every receipt is judged anew, since one can't be read: %s", error)
            return
        if result is not None:
            self._results, self._followed = [result], len(known)
            self.log.settled = result.receipt.log_position

    def _kept(self, campaign: Campaign, digest: bytes) -> EpochResult | None:
        """Derive again, from what was kept when it was signed, the result of a receipt."""
        index = self._store.find_note("signed", digest)
        if index is None:
            return None
        position = int.from_bytes(index[:8], "big")
        try:
            data = self._signed_block(index[8:])
            supplement = Supplement.decode(data, lambda link: self._signed_block(link.digest))
            rows = self.log.rows[:position]
            result = decide(campaign, self._previous, rows, supplement)
        except (DDLPError, KeyError):
            return None  # signed on a branch that we left since: its evidence tells
        matches = result.receipt.digest(campaign.facts.board_domain) == digest
        return result if matches else None

    def _signed_block(self, digest: bytes) -> bytes:
        block = self._store.find_note("supplement", digest)
        if block is None:
            raise KeyError(digest)
        return block

    def _fetch(self, link: Link) -> bytes:
        return self._content.get(link.digest, link.codec)

    def _publish(self, campaign: Campaign, receipt: Receipt) -> None:
        """Put the evidence of a posted receipt where everybody can read it, its index last.

        Not before it stands on chain: until then nobody may read an opened answer.
        """
        if self._content.has(receipt.evidence, DAG_CBOR):
            return
        digest = receipt.digest(campaign.facts.board_domain)
        result = self._derived.get(digest) or self._kept(campaign, digest)
        if result is None:
            return
        put_all(self._content, result.blocks[::-1])

    def _slash(self, campaign: Campaign) -> None:
        """Take what finalized slash trees say, where the account has stake locked."""
        if not self._execute_slashes:
            return
        for result in self._results:
            tree, receipt = result.evidence.slash_tree, result.receipt
            if receipt.epoch <= self._slashed:
                continue
            for number, leaf in enumerate(result.evidence.slashes):
                try:
                    self._poster.execute_slash(
                        receipt.campaign, receipt.epoch, leaf, tree.proof(number)
                    )
                except Reverted as error:  # nothing is locked, or a later tree was taken
                    logger.info("a slash takes nothing: %s", error)
            self._slashed = receipt.epoch

    def _finalize(self, campaign: Campaign, pending: Settlement) -> Progress:
        receipt = pending.receipt
        self._check_posted(campaign, receipt)
        over = self._reader.block(pending.posted_block).timestamp + campaign.facts.window_seconds
        rank = (self.members.index(self.address) - receipt.epoch) % len(self.members)
        if self._now < over + rank * self.timing.round:
            return Progress(Step.WAITING, receipt)
        self._poster.finalize(receipt)
        return Progress(Step.FINALIZED, receipt)

    def _check_posted(self, campaign: Campaign, receipt: Receipt) -> None:
        """Say loudly where a posted receipt isn't what its own evidence comes to."""
        digest = receipt.digest(campaign.facts.board_domain)
        if digest in self._derived:
            return
        try:
            result = recompute(campaign, self._previous, receipt, self._fetch)
        except ContentMissing:
            return  # not published yet
        except ProtocolFault as fault:
            self._disagree(receipt.epoch, str(fault))
            return
        self._derived[digest] = result

    def _disagree(self, epoch: int, why: str) -> None:
        if self.tally.last_disagreement != why:
            self.tally.disagreements += 1
            self.tally.last_disagreement = why
            campaign = self._campaign.facts.campaign if self._campaign is not None else 0
            logger.error("disagreement: %s", why, extra={"campaign": campaign, "epoch": epoch})

    # -- log, peers, gateway -----------------------------------------------------------------

    def _follow_log(self, campaign: Campaign) -> None:
        try:
            self.log.follow(self._feed, campaign, now=self._now)
        except DDLPError as error:
            logger.warning("the gateway's log can't be followed: %s", error)

    def _exchange(self, campaign: Campaign) -> None:
        """Ask every peer for what it holds and we don't."""
        for peer in self.peers:
            try:
                holding = peer.holding()
                self._learn(peer, holding, campaign)
            except DDLPError as error:
                logger.info("peer 0x%s can't be asked: %s", peer.address.hex(), error)
            else:
                self._heard.add(peer.address)

    def _learn(self, peer: Peer, holding: Holding, campaign: Campaign) -> None:
        self.log.learn(peer, holding.newest, campaign, now=self._now)
        with self._lock:
            for certificate in holding.certificates:
                self._take_certificate(certificate, campaign)
            filings = [one for one in holding.filings if one not in self.intake.filings]
            opened = [one for one in holding.opened if one not in self.log.opened]
        for first in range(0, len(filings), MORE):
            for filing in peer.filings(filings[first : first + MORE]):
                with self._lock:
                    self.intake.take(filing, campaign, self._previous, now=self._now)
        wanted = self._entries(opened)
        for first in range(0, len(wanted), MORE):
            found = peer.openings(list(wanted)[first : first + MORE])
            with self._lock:
                self._take_opened(found, campaign)

    def _entries(self, wanted: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the entry bytes of submissions that our log or filings have."""
        if not wanted:
            return {}
        asked = set(wanted)
        with self._lock:
            known = {row.entry_hash: row.data for row in self.log.rows if row.entry_hash in asked}
            known.update(
                (one, self.intake.filings[one].entry) for one in asked & set(self.intake.filings)
            )
            filed = self._previous.filings if self._previous is not None else ()
            for data in (entry for filings in filed for entry in filings.entries):
                if keccak256(data) in asked:
                    known[keccak256(data)] = data
        return known

    def _take_opened(self, opened: Sequence[OpenedSubmission], campaign: Campaign) -> bool:
        """Keep what opens submissions of ours; say whether any was new."""
        entries = self._entries([one.entry_hash for one in opened])
        good = []
        for one in opened:
            data = entries.get(one.entry_hash)
            if data is None or one.entry_hash in self.log.opened:
                continue
            row = LogRow(0, data, one.entry_hash, b"", b"")
            entry = submission_of(row)
            if entry is not None and opens(one, entry, campaign):
                good.append(one)
        self.log.add_opened(good, now=self._now)
        return bool(good)

    def _take_certificate(self, certificate: LeaseCertificate, campaign: Campaign) -> bool:
        known = certificate.row.entry_hash in self.intake.certificates
        try:
            self.intake.certify(certificate, campaign, self.members, self.threshold, now=self._now)
        except DDLPError:
            return False
        return not known

    def _prove_fork(self, campaign: Campaign) -> None:
        if self.log.fork is None or campaign.facts.closed is not None:
            return
        try:
            self._poster.prove_fork(campaign.facts.campaign, *self.log.fork)
        except DDLPError as error:
            logger.warning("the gateway's fork can't be shown on chain now: %s", error)

    def _ask_reveal(self, campaign: Campaign, epoch: int, *, final: bool) -> None:
        """Ask the gateway for an epoch's seed and gold, again where some may be missing."""
        seed, gold = self._reveals.get((epoch, final), (ZERO32, ()))
        if seed != ZERO32 and (gold or not campaign.manifest.gold_count):
            return
        try:
            told = self._feed.reveal(epoch, final=final)
        except DDLPError as error:
            logger.warning("the gateway doesn't open epoch %d: %s", epoch, error)
            return
        with self._lock:
            self._take_reveal(told, campaign, epoch, final=final)

    def _take_reveal(self, told: Reveal, campaign: Campaign, epoch: int, *, final: bool) -> None:
        known = self._reveals.get((epoch, final), (ZERO32, ()))
        seed, gold = told
        both = (
            known[0] if known[0] != ZERO32 else seed,
            tuple(sorted({*known[1], *gold})) if isinstance(gold, tuple) else known[1],
        )
        good = checked_reveal(campaign, self._previous, epoch, final, both)
        self._reveals[epoch, final] = good

    # -- the round ---------------------------------------------------------------------------

    def _held(self, campaign: Campaign, epoch: int, *, final: bool, until: int | None) -> Held:
        rows: Sequence[LogRow] = self.log.rows
        if until is not None:
            rows = rows[: max(self.log.settled, self._store.position_at(until))]
        return Held(
            rows,
            self.intake.filings,
            self.log.opened,
            self.intake.certificates,
            self._reveals.get((epoch, final), (ZERO32, ())),
        )

    def _lead(self, campaign: Campaign, epoch: int, final: bool, round_number: int) -> Progress:
        """Propose, take in what peers say is missing, propose again; post what a quorum signed."""
        refusals: list[str] = []
        for _ in range(TRIES):
            with self._lock:
                held = self._held(campaign, epoch, final=final, until=None)
                proposal = lead(
                    campaign,
                    self._previous,
                    held,
                    epoch=epoch,
                    attempt=self._attempt(campaign.facts),
                    round=round_number,
                    final=final,
                    sign=self._signer,
                )
            own = self.vote(proposal)
            if own.signature is None:
                why = f"our own proposal: {own.code} {own.message}"
                return Progress(Step.EXCHANGING, refusals=(why,))
            result = self._result_of(proposal, campaign)
            digest = result.receipt.digest(campaign.facts.board_domain)
            signatures: dict[bytes, bytes] = {}
            learned, refusals = False, []
            ask = partial(self._ask_vote, own, proposal)
            for peer, vote in self._asking(self._in_order(), ask):
                if isinstance(vote, DDLPError):
                    refusals.append(f"0x{peer.address.hex()}: {vote}")
                elif vote.signature is not None:
                    self._count(peer, vote.signature, digest, signatures, epoch)
                else:
                    refusals.append(f"0x{peer.address.hex()}: {vote.code} at {vote.place}")
                    learned = self._absorb(vote.missing, campaign, epoch, final=final) or learned
                if len(signatures) == self.threshold:
                    break
            if len(signatures) >= self.threshold:
                sent = self._poster.post(result.receipt, list(signatures.values()))
                self._publish(campaign, result.receipt)
                if sent.transaction is None:
                    return Progress(Step.WAITING, result.receipt)
                self.tally.posts += 1
                return Progress(Step.POSTED, result.receipt, result)
            if not learned:
                break
        logger.warning(
            "no quorum for epoch %d in round %d: %s",
            epoch,
            round_number,
            "; ".join(refusals),
            extra={"campaign": campaign.facts.campaign, "epoch": epoch},
        )
        return Progress(Step.EXCHANGING, refusals=tuple(refusals))

    def _ask_vote(self, own: Vote, proposal: Proposal, peer: Peer) -> Vote:
        return own if peer is self else peer.vote(proposal)

    def _in_order(self) -> list[Peer]:
        """Everybody, in the order in which they are asked to sign."""
        by_address: dict[bytes, Peer] = {peer.address: peer for peer in (*self.peers, self)}
        first = self._first_signer
        start = self.members.index(self.address) if first is None else first
        seats = (*self.members[start:], *self.members[:start])
        return [by_address[one] for one in seats if one in by_address]

    def _count(
        self,
        peer: Peer,
        signature: bytes,
        digest: bytes,
        signatures: dict[bytes, bytes],
        epoch: int,
    ) -> None:
        """Count a peer's signature if it is one of the receipt that we derived."""
        try:
            signer = recover(digest, signature)
        except DDLPError:
            signer = b""
        if signer == peer.address and signer in self.members:
            signatures[signer] = signature
        else:
            self._disagree(epoch, f"0x{peer.address.hex()} signed another receipt than ours")

    def _absorb(self, missing: Missing, campaign: Campaign, epoch: int, *, final: bool) -> bool:
        """Take what a peer hands over, as far as it stands; say whether anything was new."""
        with self._lock:
            known = (len(self.intake.filings), self._reveals.get((epoch, final)))
            new = False
            for certificate in missing.certificates:
                new = self._take_certificate(certificate, campaign) or new
            new = self._consider(missing.rows, campaign, epoch, final=final) or new
            for filing in missing.filings:
                self.intake.take(filing, campaign, self._previous, now=self._now)
            new = self._take_opened(missing.opened, campaign) or new
            if missing.seed or missing.gold:
                told = (missing.seed or ZERO32, missing.gold)
                self._take_reveal(told, campaign, epoch, final=final)
            return new or known != (len(self.intake.filings), self._reveals.get((epoch, final)))

    def _consider(
        self, rows: Sequence[LogRow], campaign: Campaign, epoch: int, *, final: bool
    ) -> bool:
        """Go over to a peer's branch where it has a certified lease, or the cut, or more rows, and
        ours hasn't; say whether we did."""
        settled = self.log.settled
        if not rows or rows[0].position != settled + 1:
            return False
        branch = self.log.connected(rows, campaign, after=settled)
        if not branch:
            return False
        whole = [*self.log.rows[:settled], *branch]

        def merit(log: Sequence[LogRow]) -> tuple[int, bool, int]:
            held = self.intake.certificates.values()
            cut = cut_of(campaign, self._previous, epoch, final=final, rows=log)
            return sum(stands(one, log) for one in held), cut is not None, len(log)

        if merit(whole) <= merit(self.log.rows):
            return False
        self.log.compare(branch, campaign)
        self._adopt(branch)
        return True

    def _adopt(self, rows: Sequence[LogRow]) -> None:
        """Go over to a branch; what only the one we leave had logged becomes filings."""
        left = self.log.adopt(rows, now=self._now)
        there = {row.entry_hash for row in rows}
        for row in left:
            if submission_of(row) is not None and row.entry_hash not in there:
                self.intake.keep(Filing(row.data, b""), None, now=self._now)

    def _result_of(self, proposal: Proposal, campaign: Campaign) -> EpochResult:
        vote = self._votes[_key(proposal)]
        assert vote.signature is not None
        return next(
            result
            for digest, result in self._derived.items()
            if recover(digest, vote.signature) == self.address
        )

    # -- Peer --------------------------------------------------------------------------------

    def holding(self) -> Holding:
        """Say what this operator holds for the next receipt."""
        with self._lock:
            settled = self.log.settled
            return Holding(
                self.log.rows[-1] if self.log.rows else None,
                tuple(sorted(self.intake.filings)),
                # Until a cut, pages and filings bring openings by themselves.
                tuple(sorted(self.log.opened)) if self._cutting else (),
                tuple(
                    one
                    for _, one in sorted(self.intake.certificates.items())
                    # Pages bring them to everybody: what our log has needs no word before a cut.
                    if one.row.position > settled
                    and (self._cutting or not stands(one, self.log.rows))
                )[:1000],
            )

    def rows(self, after: int, limit: int) -> tuple[LogRow, ...]:
        """Return rows of this operator's log behind position `after`."""
        _check_bound(limit, 512)
        with self._lock:
            return tuple(self.log.rows[max(after, 0) : max(after, 0) + limit])

    def filings(self, wanted: Sequence[bytes]) -> tuple[Filing, ...]:
        """Return filings by entry hash."""
        _check_bound(len(wanted), MORE)
        with self._lock:
            known = self.intake.filings
            return _fitting([known[one] for one in wanted if one in known], _filing_size)

    def openings(self, wanted: Sequence[bytes]) -> tuple[OpenedSubmission, ...]:
        """Return what opens submissions, by entry hash."""
        _check_bound(len(wanted), MORE)
        with self._lock:
            known = self.log.opened
            return _fitting([known[one] for one in wanted if one in known], _opened_size)

    def vote(self, proposal: Proposal) -> Vote:
        """Derive a proposal's receipt and sign it, or say what is wrong with it."""
        campaign = self._refresh()
        key = _key(proposal)
        with self._lock:
            known = self._votes.get(key)
            if known is not None and known.signature is not None:
                return known
            refusal = self._may_vote(proposal, campaign)
            if refusal is not None:
                return refusal
            try:
                vote = self._derive(proposal, campaign)
            except LeftOut as fault:
                missing = replace(
                    fault.missing,
                    filings=_fitting(fault.missing.filings, _filing_size),
                    opened=_fitting(fault.missing.opened, _opened_size),
                )
                return Vote(None, fault.code, fault.place, fault.message, missing)
            except ProtocolFault as fault:
                self._disagree(proposal.epoch, str(fault))
                return Vote(None, fault.code, fault.place, fault.message)
            except InputError as error:
                return Vote(None, "NOT-YET", f"epoch {proposal.epoch}", str(error))
            except (DDLPError, LookupError, ValueError, ArithmeticError) as error:
                # A proposal is a stranger's bytes: whatever it breaks, it is refused.
                self._disagree(proposal.epoch, f"a proposal can't be decided: {error!r}")
                return Vote(None, "PROPOSAL-BROKEN", f"epoch {proposal.epoch}", str(error))
            self._votes[key] = vote
            return vote

    def _may_vote(self, proposal: Proposal, campaign: Campaign) -> Vote | None:
        """Refuse what isn't the leader's, or not due."""
        facts, epoch = campaign.facts, proposal.epoch
        place = f"epoch {epoch}"
        later = Vote(None, "NOT-YET", place, "this operator isn't there yet: ask again")
        if proposal.campaign != facts.campaign or proposal.attempt != self._attempt(facts):
            return later
        # A database from a backup may lack what was acknowledged since; a quorum has it.
        if len(self._heard) < self.threshold:
            return later
        previous = self._previous
        if _pending(facts) is not None or (previous and epoch <= previous.receipt.epoch):
            return later
        start = self._start(campaign, epoch, final=proposal.final)
        exchange = named_block(campaign, previous, epoch, final=proposal.final)
        if exchange is None or self._now < exchange.timestamp + self.timing.exchange:
            return later
        leader = leader_of(proposal, campaign, previous)
        reached = (self._now - (start or self._now)) // self.timing.round + 1
        if leader != self.members[self._seat(campaign, epoch, proposal.round)]:
            return Vote(None, "PROPOSAL-LEADER", place, "it isn't this round's leader's")
        if proposal.round > max(reached, 1):
            return later
        tries = (leader, epoch, proposal.attempt, proposal.round)
        self._tries[tries] = self._tries.get(tries, 0) + 1
        if self._tries[tries] > 4 * TRIES:
            return Vote(None, "PROPOSAL-MANY", place, "this leader has proposed often enough")
        return None

    def _derive(self, proposal: Proposal, campaign: Campaign) -> Vote:
        epoch, final = proposal.epoch, proposal.final
        named = named_block(campaign, self._previous, epoch, final=final)
        assert named is not None
        until = named.timestamp + self.timing.patience
        held = self._held(campaign, epoch, final=final, until=until)
        result = derive(campaign, self._previous, held, proposal)
        digest = result.receipt.digest(campaign.facts.board_domain)
        index, shards = proposal.supplement.encode()
        for block in (*shards, index):
            self._store.note("supplement", block.digest, block.data, now=self._now)
        position = result.receipt.log_position.to_bytes(8, "big")
        self._store.note("signed", digest, position + index.digest, now=self._now)
        if proposal.rows:
            self._adopt(proposal.rows)
        self._derived[digest] = result
        signature = self._signer(digest)
        self.tally.signatures += 1
        return Vote(signature)

    # -- FilingDesk --------------------------------------------------------------------------

    def confirm(self, position: int, entry_hash: bytes) -> bytes:
        """Confirm a lease, once a peer or the gateway has shown it."""
        campaign = self._refresh()
        self._follow_log(campaign)
        with self._lock:
            return self.intake.confirm(position, entry_hash, campaign, self._previous)

    def certify(self, certificate: LeaseCertificate) -> None:
        """Keep that a quorum confirmed a lease."""
        campaign = self._refresh()
        with self._lock:
            self.intake.certify(certificate, campaign, self.members, self.threshold, now=self._now)

    def holds(self, wanted: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return those of the entry hashes that our filings have, or our log, where they count."""
        _check_bound(len(wanted), MORE)
        campaign = self._campaign or self._refresh()
        with self._lock:
            filed, logged = self.intake.filings, self.log.places
            ledger = self.intake.ledger(campaign, self._previous)
            skipped = {position for position, _ in ledger.rejected}
            return tuple(
                one
                for one in wanted
                if one in filed or (one in logged and logged[one] not in skipped)
            )

    def file(self, filing: Filing) -> bytes:
        """Take a submission that the gateway doesn't log; return the acknowledgement."""
        campaign = self._refresh()
        with self._lock:
            return self.intake.file(filing, campaign, self._previous, now=self._now)

    def open_epoch(
        self, epoch: int, *, final: bool, seed: bytes, gold: tuple[GoldOpening, ...]
    ) -> None:
        """Take what opens the epoch that is being cut, if it opens what was committed to."""
        campaign = self._refresh()
        with self._lock:
            if self._due(campaign) != (epoch, final):
                raise GatewayRefusal(
                    "OPEN-NOT-DUE", f"epoch {epoch} isn't being cut: bring what opens it then"
                )
            self._take_reveal((seed, gold), campaign, epoch, final=final)
            if self._reveals[epoch, final][0] != seed:
                raise GatewayRefusal(
                    "OPEN-WRONG", "the seed isn't the one committed to: use this campaign's files"
                )


def is_complete(facts: ChainFacts) -> bool:
    """Say whether the last finalized receipt is final, and left room below its cap: then nothing
    can be owed any more."""
    finalized = [one.receipt for one in facts.settlements if one.finalized_block is not None]
    last = max(finalized, key=lambda one: one.epoch, default=None)
    if last is None or not last.final:
        return False
    domain = facts.board_domain
    before = next((one for one in finalized[::-1] if one.digest(domain) == last.previous), None)
    settled = before.payout_total + before.fee_total if before is not None else 0
    charged = before.bond_charge if before is not None else 0
    cap = facts.funding[-1].epoch_cap + last.bond_charge - charged
    return not fills_cap(last.payout_total, fee_bps=facts.fee_bps, limit=settled + cap)


def _pending(facts: ChainFacts) -> Settlement | None:
    """The receipt that stands posted, neither finalized nor voided."""
    return next(
        (
            one
            for one in facts.settlements
            if one.finalized_block is None and one.voided_block is None
        ),
        None,
    )


def _key(proposal: Proposal) -> bytes:
    return keccak256(proposal.signature)


def _fitting(values: Sequence[Value], size: Callable[[Value], int]) -> tuple[Value, ...]:
    """Return the first of `values` that fit one answer together: one at least, if there is one."""
    sizes = accumulate(map(size, values))
    return tuple(
        one
        for number, (one, total) in enumerate(zip(values, sizes, strict=True))
        if not number or total <= ANSWER_BYTES
    )


def _filing_size(filing: Filing) -> int:
    return len(filing.entry) + len(filing.opening)


def _opened_size(opened: OpenedSubmission) -> int:
    return 68 + sum(len(answer) + 4 for answer in opened.answers)


def _check_bound(count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise InputError(f"{count} are asked for at once: ask for 1 to {most}")
