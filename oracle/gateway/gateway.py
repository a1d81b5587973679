"""One campaign's gateway: takes signed work in, keeps the log, and signs a head for every entry.

Whether an entry is valid is the ledger's word (oracle/protocol/ledger.py), asked before anything is
written, so that the log never holds an invalid entry by our own hand. What this file adds is what
only a gateway can check, since it gets answers in plain: that they open their commitments and fit
the campaign's schema.
"""

from __future__ import annotations

import threading
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import accumulate, chain, islice

from oracle.consensus.streaming import StreamingPosterior
from oracle.content.sealing import sealed_size
from oracle.errors import (
    ChainError,
    ContentCorrupt,
    ContentMissing,
    ContentUnavailable,
    FormatError,
    GatewayBusy,
    GatewayRefusal,
    InputError,
    LogHeld,
    ProtocolFault,
    SignatureError,
    StoreConflict,
    UnknownCampaign,
)
from oracle.evidence import entries as log
from oracle.evidence.campaign import (
    SealedOpening,
    commit_label,
    decode_gold,
    decode_items,
    label_salt,
)
from oracle.evidence.codec import DAG_CBOR, MAX_BLOCK, RAW, Link, decode_json
from oracle.evidence.entries import LogRow, encode_entry, next_head
from oracle.evidence.hashing import ZERO32, keccak256, sha256
from oracle.evidence.manifest import Manifest
from oracle.evidence.results import Evidence, ItemResults, supplement_of
from oracle.evidence.signing import address_of, sign
from oracle.evidence.structs import Receipt
from oracle.evidence.supplement import GoldOpening, Opening, Supplement
from oracle.gateway.campaign_files import Item, answer_validator, decode_item
from oracle.gateway.choice import MostInformative, least_labeled
from oracle.gateway.group_commit import GroupCommit
from oracle.gateway.secrets import GatewaySecrets
from oracle.ports import (
    MAX_UNSETTLED,
    ROW_BYTES,
    ChainReader,
    Clock,
    ContentStore,
    LabelStore,
    LeasedItem,
    LeaseReply,
    LoggedEntry,
    Media,
    NewEntry,
    StoredSubmission,
)
from oracle.protocol.campaign import Campaign
from oracle.protocol.columns import LeasedItem as Leased
from oracle.protocol.draws import CANDIDATES, candidates
from oracle.protocol.facts import Block, ChainFacts
from oracle.protocol.ledger import Filings, Ledger, Secrets
from oracle.protocol.openings import cut_time
from oracle.protocol.terms import Bounded

# How far apart anchors are taken to be until two are known.
ANCHOR_SECONDS = 60
# Skills are fitted anew at most so often by the anchors' time: a fit takes 13 µs for each label
# that there is, and anchors a few seconds apart, each with hundreds of new labels, would ask for it
# every time.
RECONCILE_SECONDS = 10
KEPT_ITEMS = 4096  # records, at hand for who is shown one next

# No lease is given once the log behind the last final receipt takes so much of what operators
# follow before the next one: what is leased by then, and gets answered, still fits.
FULL_LOG = MAX_UNSETTLED * 3 // 4

# What a person can do about a rule that their entry breaks, by the ledger's code.
REMEDIES = {
    "CLOCK": "wait for the log's first anchor, about a minute",
    "CONSENT": "read the campaign's terms and delegate again",
    "DELEGATION-EXPIRED": "delegate to a session key again",
    "DELEGATION-SIGNATURE": "sign with the wallet that the delegation names, on this chain",
    "DELEGATION-SOURCE": "sign the delegation, or call delegate() on the escrow and wait",
    "DELEGATION-REVOKED": "sign one of the newest generation, or of a higher one",
    "LEASE-UNDELEGATED": "sign a delegation for this campaign first",
    "LEASE-REPEATED": "ask for other items",
    "LEASE-INELIGIBLE": "ask for other items",
    "SUBMISSION-ITEMS": "send 1 to 100 labels, one for each item",
    "SUBMISSION-SIGNATURE": "sign with a session key of the newest delegation",
    "SUBMISSION-REPLAYED": "count the sequence up with every submission",
    "SUBMISSION-LEASE": "label leased items before their lease ends, each once",
    "SKIP-LEASE": "skip leased items before their lease ends, each once",
    "ADJUDICATION-SIGNATURE": "sign with the wallet that the adjudication names",
    "APPEAL-SIGNATURE": "sign with the wallet that the appeal names",
}


@dataclass(frozen=True)
class Followed:
    """What `follow` did: anchors appended; receipts finalized since the last time."""

    anchors: int
    finalized: tuple[Receipt, ...]


@dataclass(frozen=True)
class _Opened:
    """A submission's opening, found to be what was signed."""

    answers: tuple[bytes, ...]
    seed: bytes
    block: bytes


@dataclass(frozen=True)
class Standing:
    """A contributor's place in the log.

    `generation` is -1 without a delegation; `session_keys` may act now; `pending` labels are of
    items that no finalized receipt has closed; `running` are item numbers leased and unanswered.
    `reward` is in base units per label for a lease given now.
    """

    generation: int
    session_keys: tuple[bytes, ...]
    submitted: int
    pending: int
    running: tuple[int, ...]
    reward: int


class Gateway:
    """The log of one campaign, in `store`, under the gateway's 32-byte `key`.

    `manifest` is the one whose digest is on chain, `reader` reads finalized blocks; `private` holds
    a restricted campaign's records and media (`content` by default); `operator_keys` are the
    X25519 keys that every opening must be sealed to; `finish_first` leases begun items before new
    ones (oracle/gateway/choice.py weighs that). Refusals are `GatewayRefusal` (or its
    `GatewayBusy`, which says when to ask again) and change nothing.

    Threads may share a gateway: one lock orders its writes, those that wait share a transaction,
    and the database refuses a second writer. What a method returns is on disk. Where the database
    fails (StoreError) nothing happened, or all of it did: asking the same again tells, and the
    gateway takes its state from the database before it does anything else.
    """

    def __init__(
        self,
        campaign: int,
        *,
        manifest: Manifest,
        reader: ChainReader,
        content: ContentStore,
        store: LabelStore,
        secrets: GatewaySecrets,
        key: bytes,
        clock: Clock,
        operator_keys: Sequence[bytes] = (),
        private: ContentStore | None = None,
        finish_first: bool = False,
    ) -> None:
        self.campaign, self.address = campaign, address_of(key)
        self.manifest = manifest
        self._reader, self._content, self._store = reader, content, store
        self._secrets, self._key, self._clock = secrets, key, clock
        self.operator_keys = self._keys_before = frozenset(operator_keys)
        self._records = private if private is not None else content
        self._finish_first = finish_first
        # Several people are shown the same item, soon one after another.
        self._read_item = lru_cache(KEPT_ITEMS)(
            lambda number: decode_item(self._records.get(self.item_ids[number], RAW))
        )
        self._lock = threading.RLock()
        self._group = GroupCommit(self._transaction)
        self._pending: dict[bytes, tuple[LoggedEntry, NewEntry]] = {}  # by entry hash, not on disk
        self._behind = False  # whether the ledger holds what the database may not
        self._reconciled_at = 0  # the time of an anchor

        known = self._read_facts()
        if known.gateway != self.address:
            raise InputError(
                f"campaign {campaign} names another gateway than 0x{self.address.hex()}: start "
                "with the key whose address is on chain"
            )
        self.item_ids = decode_items(content.get(self.manifest.items, DAG_CBOR), self._fetch)
        commitments = decode_gold(content.get(self.manifest.gold_commitments, DAG_CBOR))
        self._check_secrets(commitments)
        self._gold_commitments = commitments
        Campaign(manifest, self.item_ids, commitments, known)  # refuses another one's manifest
        self._check_answer = answer_validator(self.manifest)
        self._domain = known.escrow_domain
        self._allowed: dict[bytes, bytes] = {}  # classes met: answer and digest
        store.register(
            campaign,
            chain_id=known.chain_id,
            escrow=known.escrow,
            manifest=known.manifest,
            now=clock.now(),
        )
        if store.is_held(campaign):
            last = store.last_row(campaign)
            raise LogHeld(
                f"the log of campaign {campaign} was restored, and heads after position "
                f"{last.position if last is not None else 0} may have been signed before: run "
                "`ddlp rebuild`, and once nothing newer can be found, with --nothing-newer"
            )
        self._opened: tuple[bytes, dict[int, int]] = (b"", {})  # by evidence: item, its epoch
        self._unread = self._uncut = ""
        self._cuts: tuple[tuple[int, Block, Filings], ...] = ()
        self._cuts_read = 0  # finalized receipts that they are read from
        self._cuts = self._finalized_cuts(known)
        self._load(known)
        self._erase(())  # where the process ended before it had

    @property
    def bounded(self) -> Bounded:
        """The campaign's parameters within the protocol's bounds."""
        return self._ledger.bounded

    def seal_to(self, keys: Iterable[bytes]) -> None:
        """Take the operators' X25519 keys of the moment; what people have sealed to those before is
        still taken."""
        wanted = frozenset(keys)
        if wanted != self.operator_keys:
            self._keys_before, self.operator_keys = self.operator_keys, wanted

    @property
    def followed(self) -> int:
        """The last block that leaves nothing to follow: the one before the next anchor."""
        return self._ledger.next_anchor() - 1

    # --- the log ---------------------------------------------------------------------------------

    def head(self) -> LogRow | None:
        """Return the newest row with its signed head; None for an empty log."""
        return self._store.last_row(self.campaign)

    def rows(self, first: int = 1, last: int | None = None) -> list[LogRow]:
        """Return the rows at positions `first` to `last`, both included."""
        return self._store.rows(self.campaign, first, last)

    def opening_block(self, digest: bytes) -> bytes | None:
        """Return a submission's sealed opening; None where it is unknown or erased."""
        return self._store.opening_block(self.campaign, digest)

    def opening_blocks(self, first: int, last: int) -> list[bytes]:
        """Return the sealed openings of submissions at positions `first` to `last`, both included,
        but for those erased."""
        return self._store.opening_blocks(self.campaign, first, last)

    def follow(self) -> Followed:
        """Read new finalized blocks: append every anchor, note receipts and delegations."""
        facts = self._read_facts()
        with self._fresh():
            self._read_cuts(facts)
        followed = self._group.run(lambda: self._follow(facts))
        if followed.anchors:
            self._reconcile()
        return followed

    def _follow(self, facts: ChainFacts) -> Followed:
        self._check_same_chain(facts)
        before = max(
            (one.epoch for one in _finalized(self._ledger.facts)), default=0
        )  # each receipt's epoch is higher than those before
        self._ledger.follow(facts, self._closed(facts))
        count = 0
        while (block := facts.anchors.get(self._ledger.next_anchor())) is not None:
            self._append(log.Anchor(block.number, block.hash))
            self._take_chain_delegations()
            count += 1
        finalized = tuple(one for one in _finalized(facts) if one.epoch > before)
        if finalized:
            self._erase(())
        return Followed(count, finalized)

    def delegate(self, entry: log.Delegation) -> LoggedEntry:
        """Take a wallet's signed delegation; the same one again returns where it stands."""
        return self._group.run(lambda: self._known(entry) or self._append_if_room(entry))

    def skip(self, contributor: bytes, item: int, reason: int) -> LoggedEntry:
        """Give a leased item back; `reason` 0 skipped, 1 unclear, 2 broken media, 3 offensive."""
        if not 0 <= reason <= 3:
            raise GatewayRefusal("SKIP-REASON", f"{reason} is no reason: give 0, 1, 2 or 3")
        entry = log.Skip(contributor, item, reason)
        return self._group.run(lambda: self._known(entry) or self._append(entry))

    def appeal(self, entry: log.Appeal) -> LoggedEntry:
        """Record a contributor's signed appeal against how one of their labels was judged."""
        return self._group.run(lambda: self._appeal(entry))

    def _appeal(self, entry: log.Appeal) -> LoggedEntry:
        for known in self._store.submissions(self.campaign, contributor=entry.contributor):
            if known.digest == entry.submission:
                if (known.position, entry.index) not in self._ledger.labels:
                    break
                return self._known(entry) or self._append_if_room(entry)
        raise GatewayRefusal(
            "APPEAL-LABEL", "the log holds no such label of yours: name a submission and its index"
        )

    def adjudicate(self, entry: log.Adjudication) -> LoggedEntry:
        """Record an expert's signed answer to an item that they have not labeled."""
        return self._group.run(lambda: self._adjudicate(entry))

    def _adjudicate(self, entry: log.Adjudication) -> LoggedEntry:
        if entry.item not in self._numbers:
            raise GatewayRefusal(
                "ADJUDICATION-ITEM", "the campaign has no such item: name the item's id"
            )
        if entry.answer_digest not in self.manifest.answer_digests:
            raise GatewayRefusal(
                "ADJUDICATION-ANSWER", "no class has this digest: answer with one of them"
            )
        if self._ledger.generation(entry.expert) < 0:
            raise GatewayRefusal(
                "ADJUDICATION-EXPERT", "only contributors adjudicate: delegate first"
            )
        if self.has_leased(entry.expert, self._numbers[entry.item]):
            raise GatewayRefusal(
                "ADJUDICATION-EXPERT", "you were given this item to label: leave it to others"
            )
        return self._known(entry) or self._append_if_room(entry)

    # --- leases ----------------------------------------------------------------------------------

    def lease(
        self, contributor: bytes, count: int, items: Sequence[int] | None = None
    ) -> LeaseReply:
        """Draw up to `count` items for a contributor whom the caller has authenticated.

        `items` names them instead where the manifest says `assignment: given` (replays).
        """
        if not 1 <= count <= log.MAX_LABELS:
            raise GatewayRefusal("LEASE-COUNT", f"{count} items: ask for 1 to 100")
        return self._group.run(lambda: self._lease(contributor, count, items))

    def _lease(self, contributor: bytes, count: int, items: Sequence[int] | None) -> LeaseReply:
        expiry = self._check_may_lease(contributor)
        allowed = self._allowance(contributor)
        if (items is not None) != (self.manifest.assignment == "given"):
            raise GatewayRefusal(
                "LEASE-ASSIGNMENT",
                f"this campaign's items are {self.manifest.assignment}: "
                + ("name the items" if items is None else "name none"),
            )
        if items is None:
            chosen = self._draw(contributor, min(count, allowed, self._in_time(expiry)))
        else:
            chosen = [int(item) for item in items][: min(count, allowed)]
        if not chosen:
            raise GatewayBusy(
                "LEASE-NONE",
                "nothing is left that you may label now: ask again after the next receipt",
                self._wait(1),
            )
        entry = log.Lease(contributor, self._ledger.reward(), expiry, tuple(chosen))
        return self._lease_reply(self._append(entry), chosen)

    def running(self, contributor: bytes) -> LeaseReply | None:
        """Return the oldest running lease with those of its items that wait for an answer."""
        with self._fresh():
            held = self._ledger.unsubmitted(contributor)
            if not held:
                return None
            position = held[0].position
            row = self.rows(position, position)[0]
            waiting = [one.item for one in held if one.position == position]
            return self._lease_reply(self._logged(row), waiting)

    def lease_refusal(self, contributor: bytes) -> GatewayRefusal | None:
        """Return why no lease would be given now, None where one may. A missing delegation is no
        reason: it is asked for where work begins."""
        with self._fresh():
            try:
                self._check_may_lease(contributor)
            except GatewayRefusal as refusal:
                if refusal.code != "LEASE-UNDELEGATED":
                    return refusal
            try:
                self._allowance(contributor)
            except GatewayRefusal as refusal:
                return refusal
            return None

    def _check_may_lease(self, contributor: bytes) -> int:
        """Return the new lease's expiry; refuse where no lease can be given now."""
        ledger = self._ledger
        anchor = ledger.anchor
        if anchor is None:
            raise GatewayBusy("CLOCK", "the log has no anchor yet: wait for it", self._wait(1))
        if unread := self._unread or self._uncut:
            raise GatewayBusy("EVIDENCE-UNREAD", unread, self._wait(1))
        self._check_room()
        if ledger.facts.closed is not None:
            raise GatewayRefusal(
                "LEASE-CLOSED", "the campaign is closed: it takes labels of running leases only"
            )
        if ledger.generation(contributor) < 0:
            raise GatewayRefusal(
                "LEASE-UNDELEGATED", "no delegation is in the log: " + REMEDIES["LEASE-UNDELEGATED"]
            )
        delay = ledger.draw_delay(contributor)
        if delay:
            raise GatewayBusy(
                "LEASE-EARLY",
                f"items are drawn from the second anchor after your delegation on: wait for {delay}"
                " more",
                self._wait(delay),
            )
        lapsed = [
            one.expiry
            for one in self._leases_of(contributor)
            if one.state == "lapsed" and one.expiry + self.manifest.lease_seconds > anchor.timestamp
        ]
        if lapsed:
            wait = max(lapsed) + self.manifest.lease_seconds - anchor.timestamp
            raise GatewayBusy(
                "LEASE-COOLDOWN", "your last lease ended unanswered: wait before another", wait
            )
        expiry = ledger.latest_expiry()
        if expiry < anchor.timestamp + self.manifest.document["secondsPerItem"]:
            ends = ledger.bounded.boundary(ledger.epoch)
            raise GatewayBusy(
                "LEASE-EPOCH-ENDS",
                "the epoch is about to be cut: ask again when the next one has begun",
                max(1, ends - anchor.timestamp) + self._wait(1),
            )
        return expiry

    def _in_time(self, expiry: int) -> int:
        """How many items can be labeled until a lease's expiry: more would lapse unanswered."""
        assert self._ledger.anchor is not None
        left = expiry - self._ledger.anchor.timestamp
        return int(left // self.manifest.document["secondsPerItem"])

    def _allowance(self, contributor: bytes) -> int:
        if self._ledger.backed_items() < 1:
            raise GatewayBusy(
                "LEASE-UNBACKED",
                "budget, epoch cap or bond back no more labels now: wait for the next receipt, or "
                "ask the requester to add funds",
                self._wait(1),
            )
        allowed = self._ledger.open_allowance(contributor)
        if allowed < 1 and self._ledger.unsubmitted(contributor):
            raise GatewayRefusal(
                "LEASE-TOO-MANY", "you hold as many items as you may: label or skip them first"
            )
        if allowed < 1:
            raise GatewayBusy(
                "LEASE-SHARED",
                "newcomers together hold as many items as they may: ask again soon",
                self._wait(1),
            )
        return allowed

    def _draw(self, contributor: bytes, count: int) -> list[int]:
        if self._ledger.epoch > self._secrets.epochs:
            raise GatewayRefusal(
                "LEASE-SEEDS", "the campaign has outlived its draw seeds: it must be closed"
            )
        drawn = [self._ledger.draw(contributor, ahead) for ahead in range(count)]
        gold = self._gold
        weighed = [
            self._decoys(contributor) if named and named[0] in gold else named for named in drawn
        ]
        best = self._choice(contributor, chain.from_iterable(weighed))
        chosen: list[int] = []
        for ahead, alone in enumerate(drawn):
            # A draw passes over what the ones before it gave.
            repeats = not set(chosen).isdisjoint(alone)
            named = self._ledger.draw(contributor, ahead, chosen) if repeats else alone
            # Gold tests the contributor, whatever is known of the item.
            item = named[0] if named and named[0] in gold else best(named)
            if item is None:
                break
            chosen.append(item)
        return chosen

    def _choice(
        self, contributor: bytes, items: Iterable[int]
    ) -> Callable[[Sequence[int]], int | None]:
        """Return what chooses among the candidates of each of a lease's draws: all `items`."""
        slots, minimum = self._ledger.slots.__getitem__, self.bounded.redundancy_min
        if self._stream is None:
            return partial(least_labeled, slots=slots, minimum=minimum)
        choice = MostInformative(
            contributor,
            self._stream,
            slots,
            threshold_ppm=self._ledger.terms(self._ledger.epoch).threshold_ppm,
            minimum=minimum,
            finish_first=self._finish_first,
        )
        choice.weigh(items)
        return choice.best

    def _decoys(self, contributor: bytes) -> list[int]:
        """Return candidates that nobody leases: without a choice an answer would come sooner, and
        its time would tell gold."""
        named = candidates(
            self._ledger.head,
            self.manifest.item_count,
            lambda item: item not in self._gold and self._ledger.eligible(contributor, item),
        )
        return list(islice(named, CANDIDATES))

    def _lease_reply(self, logged: LoggedEntry, items: Sequence[int]) -> LeaseReply:
        return LeaseReply(
            logged, tuple(LeasedItem(number, self.item_ids[number]) for number in items)
        )

    # --- submissions -----------------------------------------------------------------------------

    def submit(
        self,
        entry: log.Submission,
        *,
        answers: Sequence[bytes],
        seed: bytes,
        opening: bytes,
    ) -> LoggedEntry:
        """Take a signed submission with its plain answers (canonical JSON), seed, sealed opening.

        The same entry again returns where it stands.
        """
        try:
            # Most of the work, and it needs no ledger: it is done before the lock is taken.
            opened = self._check_opened(entry, answers, seed, opening)
            return self._group.run(lambda: self._submit(entry, opened))
        except GatewayRefusal:
            with self._fresh():
                known = self._known(entry)
            if known is None:
                raise
            return known

    def _submit(self, entry: log.Submission, opened: _Opened) -> LoggedEntry:
        logged = self._append(entry, opened)
        for item, answer in zip(entry.items, opened.answers, strict=True):
            self._note_answer(item, entry.contributor, answer)
        return logged

    def _check_opened(
        self, entry: log.Submission, answers: Sequence[bytes], seed: bytes, opening: bytes
    ) -> _Opened:
        """Check what only a gateway can: answers, seed and sealed block against what was signed."""
        self._check_answers(entry, answers, seed)
        self._check_opening(entry, answers, seed, opening)
        if entry.guideline != self.manifest.guidelines:
            raise GatewayRefusal(
                "SUBMISSION-GUIDELINE",
                "names a guideline that this campaign hasn't: read the current one, sign again",
            )
        with suppress(FormatError, SignatureError):  # the ledger refuses it, in its rules' order
            entry.signer(self.campaign, self._domain)  # kept with the entry
        return _Opened(tuple(answers), seed, opening)

    def _check_answers(self, entry: log.Submission, answers: Sequence[bytes], seed: bytes) -> None:
        """Check answers against schema and commitments."""
        if not len(answers) == len(entry.items) == len(entry.labels):
            raise GatewayRefusal(
                "SUBMISSION-ANSWERS", "labels, items and answers differ in number: send one each"
            )
        if len(seed) != 32:
            raise GatewayRefusal(
                "SUBMISSION-SEED", "the seed must be 32 random bytes: draw it anew"
            )
        rows = zip(entry.items, entry.labels, answers, strict=True)
        for index, (item, label, answer) in enumerate(rows):
            answer_digest = self._allowed.get(answer) or self._check_first(answer, index)
            if item >= len(self.item_ids):
                raise GatewayRefusal(
                    "SUBMISSION-ITEMS", f"there is no item {item}: label leased items"
                )
            salt = label_salt(seed, index)
            if commit_label(self.item_ids[item], answer_digest, salt) != label:
                raise GatewayRefusal(
                    "SUBMISSION-COMMITMENT",
                    f"label {index} doesn't commit to its answer under this seed: sign again",
                )

    def _check_first(self, answer: bytes, index: int) -> bytes:
        """Return the digest of an answer not met before; at most one a class is kept."""
        try:
            problem = self._check_answer(decode_json(answer))
        except FormatError as error:
            problem = str(error)
        if problem is not None:
            raise GatewayRefusal(
                "SUBMISSION-ANSWER", f"answer {index}: {problem}: give an answer of the schema"
            )
        digest = self.manifest.answer_digest(answer)
        if answer in self.manifest.class_numbers:
            self._allowed[answer] = digest
        return digest

    def _check_opening(
        self, entry: log.Submission, answers: Sequence[bytes], seed: bytes, opening: bytes
    ) -> None:
        if len(opening) > MAX_BLOCK or sha256(opening) != entry.opening:
            raise GatewayRefusal(
                "SUBMISSION-OPENING", "the sealed opening isn't the one signed: send it unchanged"
            )
        try:
            boxes = SealedOpening.decode(opening).boxes
        except FormatError as error:
            raise GatewayRefusal("SUBMISSION-OPENING", f"{error}: seal it again") from error
        size = sealed_size(answers, seed)
        if any(len(box) != size for _, box in boxes):
            raise GatewayRefusal(
                "SUBMISSION-OPENING", "a box holds something else than answers and seed: seal again"
            )
        keys = frozenset(key for key, _ in boxes)
        if self.operator_keys and keys not in (self.operator_keys, self._keys_before):
            raise GatewayRefusal(
                "SUBMISSION-OPENING",
                "the opening isn't sealed to exactly the current operators: load their keys again",
            )

    # --- what others ask -------------------------------------------------------------------------

    def status(self, contributor: bytes) -> Standing:
        """Return a contributor's standing in the log."""
        with self._fresh():
            ledger = self._ledger
            mine = self._leases_of(contributor)
            submitted = [one.item for one in mine if one.state == "submitted"]
            return Standing(
                ledger.generation(contributor),
                ledger.live_keys(contributor),
                len(submitted),
                self._not_finalized(submitted),
                tuple(one.item for one in mine if one.state == "running"),
                ledger.reward(),
            )

    def has_leased(self, contributor: bytes, item: int) -> bool:
        """Say whether an item was ever leased to a contributor."""
        return (contributor, item) in self._ledger.leases

    def promised(self, contributor: bytes) -> dict[int, int]:
        """Return the reward (base units) of each of a contributor's labels, by item."""
        with self._fresh():
            mine = self._leases_of(contributor)
            return {one.item: one.reward for one in mine if one.state == "submitted"}

    def item(self, number: int) -> Item:
        """Return an item by its number; InputError for one that the campaign hasn't."""
        if not 0 <= number < len(self.item_ids):
            raise InputError(f"the campaign has no item {number}: it has {len(self.item_ids)}")
        return self._read_item(number)

    def media(self, number: int, *, second: bool = False) -> Media:
        """Return an item's media, or those of its second side; InputError where it has none, or
        serves it by URL."""
        item = self.item(number)
        part = item.second if second else item
        media = part.media if part is not None else None
        if media is None or media.cid is None:
            raise InputError(f"item {number} holds no media block: show its text, or its URL")
        link = Link.parse(media.cid)
        data = self._records.get(link.digest, link.codec)
        return Media(media.type, data, public=not self.manifest.restricted)

    def openings_for(self, items: Sequence[int]) -> list[Opening]:
        """Return the plain openings of every label on `items`, in canonical order.

        For operators only: they hold the same openings sealed. Erased ones are absent.
        """
        with self._fresh():
            labels = [label for item in items for label in self._ledger.by_item.get(item, ())]
            stored = {
                one.position: one
                for one in self._store.submissions(
                    self.campaign, positions=sorted({label.position for label in labels})
                )
            }
        found = []
        for label in labels:
            opening = stored.get(label.position)
            if opening is not None and opening.answers is not None and opening.seed is not None:
                found.append(
                    Opening(
                        label.item,
                        label.position,
                        label.index,
                        opening.answers[label.index],
                        label_salt(opening.seed, label.index),
                    )
                )
        return sorted(found)

    def reveal(self, epoch: int, *, final: bool) -> tuple[bytes, tuple[GoldOpening, ...]]:
        """Return the epoch's draw seed and the gold of all batches up to it (all, when final).

        GatewayBusy before the log holds the cut: a seed known early lets draws be steered.
        """
        with self._fresh():
            facts = self._ledger.facts
            campaign = Campaign(self.manifest, self.item_ids, self._gold_commitments, facts)
            named, anchor = cut_time(campaign, None, epoch, final=final), self._ledger.anchor
            if named is None or anchor is None or anchor.timestamp < named:
                raise GatewayBusy(
                    "CUT", f"epoch {epoch} isn't cut yet: wait for its anchor", self._wait(1)
                )
        gold = tuple(row for row in sorted(self._secrets.gold) if final or row.epoch <= epoch)
        return self._secrets.seed(epoch), gold

    def erase(self, contributor: bytes) -> int:
        """Delete a contributor's answers and seeds; count the submissions.

        Sealed openings go with them once a finalized receipt covers the log up to there: operators
        take no page without, so that labels of open items still count, and are paid.
        """
        with self._fresh():
            mine = self._store.submissions(self.campaign, contributor=contributor)
            erased = self._erase([one.position for one in mine])
            self._read_labels()
            return erased

    def _erase(self, positions: Sequence[int]) -> int:
        now = self._clock.now()
        return self._store.erase(self.campaign, positions, settled=self._settled(), now=now)

    def _settled(self) -> int:
        """The position up to which finalized receipts cover the log."""
        finalized = _finalized(self._ledger.facts)
        return max((one.log_position for one in finalized), default=0)

    # --- appending -------------------------------------------------------------------------------

    def _append_if_room(self, entry: log.Entry) -> LoggedEntry:
        self._check_room()
        return self._append(entry)

    def _check_room(self) -> None:
        """Refuse what can wait where one receipt can't take much more of the log: labels of running
        leases, and anchors, must still be followed before it."""
        settled = min(self._settled(), len(self._ends))
        before = self._ends[settled - 1] if settled else 0
        if self._ends and self._ends[-1] - before > FULL_LOG:
            raise GatewayBusy(
                "LOG-FULL",
                "the log has grown as far as one receipt takes: ask again after the next",
                self._wait(1),
            )

    def _append(self, entry: log.Entry, opened: _Opened | None = None) -> LoggedEntry:
        """Apply an entry and sign its head, to be written with the transaction it runs in.

        GatewayRefusal, and no change, where a rule forbids it.
        """
        ledger = self._ledger
        try:
            data = encode_entry(entry)
        except (FormatError, OverflowError) as error:
            raise GatewayRefusal("ENTRY-FORMAT", f"{error}: encode the entry anew") from error
        entry_hash = keccak256(data)
        row = LogRow(ledger.position + 1, data, entry_hash, next_head(ledger.head, entry_hash), b"")
        digest = row.signed_head(self.campaign).digest(self._domain)
        row = replace(row, signature=sign(self._key, digest))
        try:
            ledger.apply(entry, row.position, faultless=True)
        except ProtocolFault as fault:
            remedy = REMEDIES.get(fault.code, "ask the campaign's requester for help")
            raise GatewayRefusal(fault.code, f"{fault.message}: {remedy}") from fault
        logged = LoggedEntry(ledger.head, row)
        self._pending[entry_hash] = logged, self._new_entry(row, entry, opened)
        ledger.position, ledger.head = row.position, row.head
        self._ends.append(len(data) + ROW_BYTES + (self._ends[-1] if self._ends else 0))
        if isinstance(entry, log.Lease):
            self._by_contributor[entry.contributor].extend(
                ledger.leases[entry.contributor, item] for item in entry.items
            )
        return logged

    def _new_entry(self, row: LogRow, entry: log.Entry, opened: _Opened | None) -> NewEntry:
        if opened is None:
            return NewEntry(row)
        assert isinstance(entry, log.Submission)
        stored = StoredSubmission(
            row.position,
            entry.contributor,
            entry.signer(self.campaign, self._domain),
            entry.sequence,
            entry.struct(self.campaign).digest(self._domain),
            entry.opening,
            opened.answers,
            opened.seed,
        )
        return NewEntry(row, stored, opened.block)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Write what is appended inside, all or none, and only then let others see the ledger."""
        with self._fresh():
            try:
                yield
                written = [new for _, new in self._pending.values()]
                if written:
                    self._store.append(self.campaign, written, now=self._clock.now())
            except StoreConflict as error:
                self._behind = True
                raise GatewayBusy(
                    "WRITER", "another process writes this log: stop one of them, then retry", 1
                ) from error
            except BaseException:
                # The ledger is ahead of the disk: what isn't written never happened.
                self._behind = True
                raise
            finally:
                self._pending = {}

    @contextmanager
    def _fresh(self) -> Iterator[None]:
        """Hold the lock, over a ledger that is what the database says."""
        with self._lock:
            if self._behind:
                self._load(self._ledger.facts)
                self._behind = False
            yield

    def _known(self, entry: log.Entry) -> LoggedEntry | None:
        """Return where exactly this entry stands, if the log or this transaction holds it."""
        try:
            entry_hash = keccak256(encode_entry(entry))
        except (FormatError, OverflowError) as error:
            raise GatewayRefusal("ENTRY-FORMAT", f"{error}: encode the entry anew") from error
        if entry_hash in self._pending:
            return self._pending[entry_hash][0]
        row = self._store.find_row(self.campaign, entry_hash)
        return None if row is None else self._logged(row)

    def _logged(self, row: LogRow) -> LoggedEntry:
        if row.position == 1:
            return LoggedEntry(ZERO32, row)
        return LoggedEntry(self.rows(row.position - 1, row.position - 1)[0].head, row)

    def _take_chain_delegations(self) -> None:
        """Bring delegations that contract wallets made on chain into the log, each once."""
        ledger = self._ledger
        assert ledger.anchor is not None
        for fact in ledger.facts.delegations:
            entry = log.Delegation(
                1,
                fact.contributor,
                fact.session_key,
                fact.generation,
                fact.valid_until,
                fact.consent,
                log.NO_SIGNATURE,
            )
            if fact.block > ledger.anchor.number or entry in self._chain_delegations:
                continue
            self._chain_delegations.add(entry)
            try:
                if self._known(entry) is None:
                    self._append(entry)
            except GatewayRefusal:
                continue  # expired, revoked or of other terms: anybody may emit such an event

    # --- state -----------------------------------------------------------------------------------

    def _load(self, facts: ChainFacts) -> None:
        """Build the ledger and the indexes beside it from the database."""
        seeds = {epoch: self._secrets.seed(epoch) for epoch in range(1, self._secrets.epochs + 1)}
        batches = {
            epoch: tuple(row.item for row in self._secrets.batch(epoch))
            for epoch in range(1, len(self._gold_commitments) + 1)
        }
        ledger = Ledger(
            self.manifest,
            facts,
            closed=self._closed(facts),
            secrets=Secrets(seeds, batches, whole=True, gold_epochs=len(batches)),
            cuts=self._cuts,
        )
        rows = self._store.rows(self.campaign)
        ledger.read(rows)
        # Bytes up to each row.
        self._ends = array("Q", accumulate(len(row.data) + ROW_BYTES for row in rows))
        # What was logged behind a cut that we hadn't heard of may have come too late for it.
        known = min((position for position, _, _ in self._cuts), default=None)
        rejected = [one for one in ledger.rejected if known is None or one[0] <= known]
        if rejected:
            position, fault = rejected[0]
            raise ChainError(
                f"entry {position} of our own log isn't valid on this chain ({fault}): the chain "
                "has lost blocks, or the database is of another; restore the chain's state"
            )
        self._numbers = {item: number for number, item in enumerate(self.item_ids)}
        self._gold = ledger.secrets.gold
        self._chain_delegations: set[log.Delegation] = set()
        self._by_contributor: defaultdict[bytes, list[Leased]] = defaultdict(list)
        for leased in ledger.leases.values():
            self._by_contributor[leased.contributor].append(leased)
        self._ledger = ledger
        self._read_labels()

    def _check_same_chain(self, facts: ChainFacts) -> None:
        anchor = self._ledger.anchor
        if anchor is not None and facts.anchors.get(anchor.number) != anchor:
            raise ChainError(
                f"the chain no longer has block {anchor.number}, which the log is anchored in: a "
                "finalized block can't vanish; check the node, restore its state"
            )

    def _closed(self, facts: ChainFacts) -> dict[int, int]:
        """Return the items that the newest posted receipt has opened: item -> epoch it closed in.

        Where its evidence can't be read, no lease is given: it might be of an item opened already.
        """
        posted = max(
            (one.receipt for one in facts.settlements), key=lambda one: one.epoch, default=None
        )
        self._unread = ""
        if posted is None:
            return {}
        if self._opened[0] != posted.evidence:
            try:
                block = self._content.get(posted.evidence, DAG_CBOR)
                items = ItemResults.of(Evidence.decode(block, self._fetch).items)
                opened = zip(items.items.tolist(), items.epochs.tolist(), strict=True)
                self._opened = posted.evidence, dict(opened)
            except (ContentMissing, ContentCorrupt, ContentUnavailable, FormatError) as error:
                self._unread = f"the evidence of epoch {posted.epoch} can't be read: {error}"
        return self._opened[1]

    def _finalized_cuts(self, facts: ChainFacts) -> tuple[tuple[int, Block, Filings], ...]:
        """Return where finalized receipts have cut the log, and what was filed for each: of those
        that took filings, or that cut it though it lacks the cut's anchor there.

        Operators cut a log that stalls; from there on they read it as if the anchor stood there,
        and so must we, or we would lease in an epoch that is over. What was filed keeps its budget.
        Where evidence can't be read, no lease is given.
        """
        finalized = sorted(_finalized(facts), key=lambda one: one.epoch)
        self._uncut, found = "", list(self._cuts)
        for number in range(self._cuts_read, len(finalized)):
            receipt, block = finalized[number], facts.anchors.get(finalized[number].as_of)
            after = finalized[number - 1].epoch if number else 0
            if block is not None and self.rows(receipt.log_position, receipt.log_position):
                try:
                    filings = Filings(receipt.epoch, after, self._filed(receipt))
                except (ContentMissing, ContentCorrupt, ContentUnavailable, FormatError) as error:
                    self._uncut = f"the evidence of epoch {receipt.epoch} can't be read: {error}"
                    break
                if filings.entries or self._stalled(receipt.log_position, block):
                    found.append((receipt.log_position, block, filings))
            self._cuts_read = number + 1
        return tuple(found)

    def _stalled(self, position: int, block: Block) -> bool:
        """Say whether the log lacks the anchor of a cut at `position`."""
        (row,) = self.rows(position, position)
        return row.data != encode_entry(log.Anchor(block.number, block.hash))

    def _read_cuts(self, facts: ChainFacts) -> None:
        """Take what receipts finalized since have taken by filing; read the log anew where one has
        cut it though it had stalled."""
        before, read, ledger = self._cuts, self._cuts_read, self._ledger
        self._cuts = self._finalized_cuts(facts)
        added = self._cuts[len(before) :]
        if not any(self._stalled(position, block) for position, block, _ in added):
            for _, _, filings in added:
                ledger.note_filed(filings)
            return
        try:
            self._load(replace(ledger.facts, anchors=facts.anchors))
        except BaseException:
            self._behind = True
            if self._ledger is ledger:
                self._cuts, self._cuts_read = before, read
            raise

    def _filed(self, receipt: Receipt) -> tuple[bytes, ...]:
        supplement = supplement_of(self._content.get(receipt.evidence, DAG_CBOR))
        return Supplement.decode_filings(self._fetch(supplement), self._fetch)

    def _not_finalized(self, items: Sequence[int]) -> int:
        """How many of `items` no finalized receipt has closed."""
        ledger = self._ledger
        receipt = ledger.facts.last_finalized(ledger.anchor.number) if ledger.anchor else None
        epoch = receipt.epoch if receipt is not None else 0
        return sum(ledger.closed.get(item, epoch + 1) > epoch for item in items)

    def _read_labels(self) -> None:
        """Take all plain labels into a fresh posterior, which `MostInformative` ranks by; none
        where answers are measured."""
        self._stream: StreamingPosterior | None = None
        if self.manifest.task.measured:
            return
        self._stream = StreamingPosterior(len(self.manifest.classes))
        by_position: defaultdict[int, dict[int, int]] = defaultdict(dict)
        for (position, index), label in self._ledger.labels.items():
            by_position[position][index] = label.item
        for stored in self._store.submissions(self.campaign):
            if stored.position > self._ledger.position:
                break  # another process', written since the rows were read
            if stored.position not in by_position:
                continue  # it came too late for a cut that we hadn't heard of
            for index, answer in enumerate(stored.answers or ()):
                item = by_position[stored.position][index]
                self._note_answer(item, stored.contributor, answer)
        self._stream.reconcile()

    def _reconcile(self) -> None:
        """Fit the posterior anew where that is due. People are served meanwhile: what they answer
        is added to the new one before it takes the old one's place."""
        with self._fresh():
            stream, anchor = self._stream, self._ledger.anchor
            if stream is None or anchor is None or not stream.is_due:
                return
            if anchor.timestamp < self._reconciled_at + RECONCILE_SECONDS:
                return
            self._reconciled_at, fitted = anchor.timestamp, stream.copy()
        fitted.reconcile()
        with self._fresh():
            if self._stream is stream:  # else the log was read anew
                fitted.take_rest(stream)
                self._stream = fitted

    def _note_answer(self, item: int, contributor: bytes, answer: bytes) -> None:
        if self._stream is not None:
            self._stream.add(item, contributor, self.manifest.class_numbers[answer])

    def _leases_of(self, contributor: bytes) -> list[Leased]:
        return self._by_contributor.get(contributor, [])

    def _wait(self, count: int) -> int:
        """Estimate the seconds until `count` more anchors, by the last two."""
        facts, step = self._ledger.facts, self.manifest.anchor_blocks
        newest = facts.newest_anchor
        before = facts.anchors.get(newest.number - step) if newest is not None else None
        if newest is None or before is None:
            return count * ANCHOR_SECONDS
        return count * max(1, newest.timestamp - before.timestamp)

    def _read_facts(self) -> ChainFacts:
        return self._reader.facts(self.campaign, self.manifest.anchor_blocks)

    def _fetch(self, link: Link) -> bytes:
        return self._content.get(link.digest, link.codec)

    def _check_secrets(self, commitments: Sequence[Sequence[bytes]]) -> None:
        """Refuse another campaign's secrets: draws and gold would be the gateway's faults."""
        problem = "these are another campaign's secrets: name the file of this one"
        if self._secrets.seed(0) != self.manifest.draw_seed:
            raise InputError(problem)
        found: list[list[bytes]] = []
        for epoch in range(1, len(commitments) + 1):
            batch = self._secrets.batch(epoch)
            if any(row.item >= len(self.item_ids) for row in batch):
                raise InputError(problem)
            found.append([self._gold_commitment(row) for row in batch])
        if found != [list(batch) for batch in commitments]:
            raise InputError(problem)

    def _gold_commitment(self, row: GoldOpening) -> bytes:
        return commit_label(self.item_ids[row.item], sha256(row.answer), row.salt)


def _finalized(facts: ChainFacts) -> list[Receipt]:
    return [one.receipt for one in facts.settlements if one.finalized_block is not None]


def served(gateways: Mapping[int, Gateway], campaign: int) -> Gateway:
    """Return a campaign's gateway; UnknownCampaign where it isn't among them."""
    if campaign not in gateways:
        raise UnknownCampaign(f"campaign {campaign} isn't served here: open another address")
    return gateways[campaign]
