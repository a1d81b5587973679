"""The log's rules, applied entry by entry: who may label, which leases hold, which labels count.

One ledger serves the gateway (may this entry be appended?), the operators and the auditor (what did
the log achieve up to the cut?). An entry that breaks a rule raises `ProtocolFault`, changes nothing
and counts as absent; a lease that the gateway should not have given is kept and marked, because its
labels are paid from the gateway's bond (SPEC, section 4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from oracle.errors import FormatError, ProtocolFault, SignatureError
from oracle.evidence import entries
from oracle.evidence.entries import LogRow
from oracle.evidence.hashing import keccak256
from oracle.evidence.manifest import Manifest
from oracle.evidence.supplement import filing_position
from oracle.protocol.columns import Counts, Distinct, Label, Labels, LeasedItem, Leases, Pairs
from oracle.protocol.draws import CANDIDATES, candidates, draw, gold_item, is_gold
from oracle.protocol.facts import Block, ChainFacts
from oracle.protocol.terms import Bounded, fee_of
from oracle.quality.incentives import Terms
from oracle.quality.reputation import TIERS

FREE_FLOOR = 100
UNPAID_ITEMS = 1_000_000_000  # where nothing limits: no reward to back, no draw to steer


@dataclass(frozen=True)
class Secrets:
    """What a cut opens, as far as it is known: draw seeds by epoch, gold items in batch order by
    epoch.

    The gateway knows all of it; operators and auditors what supplements have opened. `whole` says
    that every gold item is known, so that nothing can still turn out to be reserved.
    """

    seeds: Mapping[int, bytes]
    batches: Mapping[int, tuple[int, ...]]
    whole: bool
    gold_epochs: int = 0  # how many batches there are; later epochs have no gold to open

    def batch(self, epoch: int) -> tuple[int, ...] | None:
        """The gold items of an epoch, in order; None while its batch isn't opened."""
        return self.batches.get(epoch, () if epoch > self.gold_epochs else None)

    @property
    def gold(self) -> frozenset[int]:
        """All known gold items."""
        return frozenset(item for batch in self.batches.values() for item in batch)


@dataclass(frozen=True)
class Filings:
    """The filings of one supplement: entry bytes, for leases of epochs `after` to `epoch`."""

    epoch: int
    after: int
    entries: tuple[bytes, ...]


@dataclass
class _Wallet:
    generation: int = -1
    keys: dict[bytes, int] = field(default_factory=dict)  # session key -> valid until
    anchors_before: int = 0
    ordinal: int = 0
    running: dict[int, LeasedItem] = field(default_factory=dict)  # unsubmitted, by row


class Ledger:
    """The state of a campaign's log up to an entry.

    `closed` maps items that posted receipts have opened to the epoch they closed in. `secrets` lets
    draws be checked; without a seed for an epoch they are left unchecked. `cuts` are the positions
    and blocks at which finalized receipts have cut the log, with what was filed for each: where the
    log lacks the block's anchor, it is read as if that stood there.
    """

    def __init__(
        self,
        manifest: Manifest,
        facts: ChainFacts,
        *,
        closed: Mapping[int, int],
        secrets: Secrets,
        cuts: Iterable[tuple[int, Block, Filings]] = (),
    ) -> None:
        self.manifest, self.facts, self.secrets = manifest, facts, secrets
        self.cuts: defaultdict[int, list[tuple[Block, Filings]]] = defaultdict(list)
        for position, block, filings in cuts:
            self.cuts[position].append((block, filings))
        self.bounded = Bounded.of(manifest, facts)
        self.closed = dict(closed)
        self.position, self.head = 0, b"\0" * 32
        self.anchor: Block | None = None
        self.anchor_count = 0
        self.epoch = 1
        self.cut_positions: dict[int, int] = {}  # epoch -> position of its cut's anchor
        self.cut_anchors: dict[int, Block] = {}
        self.leases = Leases()
        self.labels = Labels(self.leases, manifest.item_count)
        self.rejected: list[tuple[int, ProtocolFault]] = []
        self.gateway_faults: list[tuple[int, ProtocolFault]] = []
        self.slots = Counts(manifest.item_count)  # labels that an item has or may get
        self._wallets: defaultdict[bytes, _Wallet] = defaultdict(_Wallet)
        self._keys: Distinct[bytes] = Distinct()
        self._sequences = Pairs()  # of key and sequence number
        self._running: dict[int, LeasedItem] = {}  # by row
        self._filed: list[tuple[int, entries.Submission, LeasedItem, bool]] = []
        self._open_tier_0 = 0
        self._leased_rewards = 0
        self._held_by_epoch: defaultdict[int, int] = defaultdict(int)
        self._lapsed_rewards: defaultdict[int, int] = defaultdict(int)  # by epoch; may be filed
        self._gap = False
        self._posted_epoch = 0
        self._gold = secrets.gold
        self._reward = self.terms(self.epoch).reward

    @property
    def by_item(self) -> Mapping[int, list[Label]]:
        """The labels of each item, in log order; filings last."""
        return self.labels.by_item

    def follow(self, facts: ChainFacts, closed: Mapping[int, int]) -> None:
        """Take newer chain facts, and the items that receipts posted meanwhile have opened."""
        if facts is not self.facts:
            self.facts, self.bounded = facts, Bounded.of(self.manifest, facts)
        self.closed = dict(closed)
        self._read_posted()
        self._reward = self.terms(self.epoch).reward

    # -- reading the log ---------------------------------------------------------------------

    def read(self, rows: Iterable[LogRow]) -> None:
        """Take rows in order: checks chain and gateway signature, applies entries, notes those that
        break a rule.

        Raises ProtocolFault `LOG-CHAIN` or `LOG-SIGNATURE` where the log itself is not the
        gateway's.
        """
        for row in rows:
            if row.position != self.position + 1:
                raise ProtocolFault(
                    "LOG-CHAIN", f"log {row.position}", f"follows position {self.position}"
                )
            entry_hash = keccak256(row.data)
            if row.entry_hash != entry_hash or row.head != entries.next_head(self.head, entry_hash):
                raise ProtocolFault(
                    "LOG-CHAIN",
                    f"log {row.position}",
                    "the head is not the hash of what precedes it",
                )
            self._check_head_signature(row)
            try:
                self.apply(row.entry, row.position)
            except FormatError as error:
                fault = ProtocolFault("ENTRY-FORMAT", f"log {row.position}", str(error))
                self.rejected.append((row.position, fault))
            except ProtocolFault as fault:
                self.rejected.append((row.position, fault))
            self.position, self.head = row.position, row.head
            for block, filings in self.cuts.get(row.position, ()):
                self.cut(block, filings)

    def cut(self, block: Block, filings: Filings) -> None:
        """Go on as if `block`'s anchor stood here, unless the log has come there by itself, and
        take what was filed for the cut: as at that block, whatever comes later.

        Anchors that should have stood before it were skipped, as the gateway's fault. ProtocolFault
        `FILING` where a filing is no submission.
        """
        if self.anchor is None or self.anchor.number < block.number:
            self._anchor(entries.Anchor(block.number, block.hash), self.position)
        for number, data in enumerate(filings.entries):
            place = f"filing {filings.epoch}/{number}"
            try:
                entry = entries.decode_entry(data)
            except FormatError as error:
                raise ProtocolFault("FILING", place, str(error)) from error
            if not isinstance(entry, entries.Submission):
                raise ProtocolFault("FILING", place, "only submissions are filed")
            position = filing_position(filings.epoch, number)
            try:
                self.file(entry, position, after_epoch=filings.after)
            except ProtocolFault as fault:
                self.rejected.append((position, fault))

    def _check_head_signature(self, row: LogRow) -> None:
        try:
            signer = row.signer(self.facts.campaign, self.facts.escrow_domain)
        except SignatureError as error:
            raise ProtocolFault("LOG-SIGNATURE", f"log {row.position}", str(error)) from error
        if signer != self.facts.gateway:
            raise ProtocolFault(
                "LOG-SIGNATURE",
                f"log {row.position}",
                "the head is not signed by the gateway's key",
            )

    def apply(self, entry: entries.Entry, position: int, *, faultless: bool = False) -> None:
        """Take one entry at `position`; ProtocolFault, and no change, where it breaks a rule; with
        `faultless` also where it is a lease that the gateway should not give."""
        place = f"log {position}"
        if isinstance(entry, entries.Anchor):
            self._anchor(entry, position)
        elif isinstance(entry, entries.Delegation):
            self._delegate(entry, place)
        elif isinstance(entry, entries.Lease):
            self._lease(entry, position, faultless)
        elif isinstance(entry, entries.Submission):
            self._submit(entry, position)
        elif isinstance(entry, entries.Skip):
            self._skip(entry, place)
        elif isinstance(entry, entries.Adjudication):
            self._check_signer(entry, entry.expert, place)
        else:
            self._check_signer(entry, entry.contributor, place)

    def file(self, entry: entries.Submission, position: int, *, after_epoch: int) -> None:
        """Take a filing as at the cut: its leases are of epochs after `after_epoch`, lapsed or
        not. Its labels count once `count_filed` is called: no lease before that could know them."""
        place = f"filing {entry.sequence}"
        key, held = self._check_submission(entry, place, filed=True, after_epoch=after_epoch)
        self._sequences.place(self._keys.number(key), entry.sequence)
        for one in held:
            lapsed = one.state == "lapsed"
            self._keep_filed(one)
            self._filed.append((position, entry, one, lapsed))

    def note_filed(self, filings: Filings) -> None:
        """Keep the budget of lapsed leases whose work a finalized receipt has taken by filing.

        For a log that went on before the receipt was known; who reads the log anew gives `cuts`.
        """
        for entry in map(entries.decode_entry, filings.entries):
            if isinstance(entry, entries.Submission):
                for item in entry.items:
                    one = self.leases.get((entry.contributor, item))
                    if one is None or one.state != "lapsed":
                        continue
                    if filings.after < one.epoch <= filings.epoch:
                        self._keep_filed(one)
        self._free_lapsed()

    def _keep_filed(self, leased: LeasedItem) -> None:
        if leased.state == "lapsed":
            self._lapsed_rewards[leased.epoch] -= leased.reward
        self._end(leased, "submitted")

    def count_filed(self) -> None:
        """Count the labels of all filings, behind those of the log."""
        for position, entry, one, lapsed in self._filed:
            if lapsed:
                self.slots[one.item] += 1
                self._held_by_epoch[one.epoch] += one.reward
            index = entry.items.index(one.item)
            self.labels.add(position, index, entry.labels[index], one)
        self._filed = []

    def check_filing(self, entry: entries.Submission, *, after_epoch: int) -> int:
        """Return the newest epoch of the leases that `file` would take an entry for, and change
        nothing; ProtocolFault where it would refuse."""
        _, held = self._check_submission(entry, "filing", filed=True, after_epoch=after_epoch)
        return max(one.epoch for one in held)

    # -- anchors -----------------------------------------------------------------------------

    def next_anchor(self) -> int:
        """The block number that the next anchor must have."""
        step = self.manifest.anchor_blocks
        if self.anchor is not None:
            return self.anchor.number + step
        return -(-self.facts.created.number // step) * step

    def _anchor(self, entry: entries.Anchor, position: int) -> None:
        place = f"log {position}"
        block = self.facts.anchors.get(entry.block_number)
        expected = self.next_anchor()
        if block is None or block.hash != entry.block_hash:
            raise ProtocolFault(
                "ANCHOR-UNKNOWN", place, f"block {entry.block_number} is not the chain's"
            )
        if entry.block_number < expected or entry.block_number % self.manifest.anchor_blocks:
            raise ProtocolFault(
                "ANCHOR-ORDER", place, f"anchor {entry.block_number} where {expected} is next"
            )
        if entry.block_number > expected:
            fault = ProtocolFault(
                "ANCHOR-SKIPPED", place, f"anchor {expected} was skipped before {block.number}"
            )
            self.gateway_faults.append((position, fault))
            self._gap = True
        self.anchor = block
        self.anchor_count += 1
        self._read_posted()
        self._touch_gap()
        now = self.bounded.epoch_at(block.timestamp)
        for epoch in range(self.epoch, now):
            self.cut_positions[epoch] = position
            self.cut_anchors[epoch] = block
            self._gap = False
        self.epoch = now
        self._reward = self.terms(now).reward
        for leased in [one for one in self._running.values() if one.expiry < block.timestamp]:
            self._end(leased, "lapsed")
            self.slots[leased.item] -= 1
            self._held_by_epoch[leased.epoch] -= leased.reward
            self._lapsed_rewards[leased.epoch] += leased.reward
        self._free_lapsed()

    def _free_lapsed(self) -> None:
        """Give the budget of lapsed leases back where their epoch is settled: until then their work
        may be filed."""
        settled, _ = self._settled()
        for epoch in [one for one in self._lapsed_rewards if one <= settled]:
            self._leased_rewards -= self._lapsed_rewards.pop(epoch)

    def _settled(self) -> tuple[int, int]:
        """Epoch and bond charge of the newest receipt that was final by the last anchor; zero
        without any."""
        receipt = self.facts.last_finalized(self.anchor.number) if self.anchor is not None else None
        return (receipt.epoch, receipt.bond_charge) if receipt is not None else (0, 0)

    def _touch_gap(self) -> None:
        if self._gap:
            for leased in self._running.values():
                leased.fault = leased.fault or "ANCHOR-SKIPPED"

    # -- delegations -------------------------------------------------------------------------

    def live_keys(self, contributor: bytes) -> tuple[bytes, ...]:
        """Return the session keys that may act for the contributor now, in log order."""
        if self.anchor is None or contributor not in self._wallets:
            return ()
        keys, now = self._wallets[contributor].keys, self.anchor.timestamp
        return tuple(key for key, until in keys.items() if until >= now)

    def generation(self, contributor: bytes) -> int:
        """The contributor's highest generation, -1 without any."""
        return self._wallets[contributor].generation if contributor in self._wallets else -1

    def _delegate(self, entry: entries.Delegation, place: str) -> None:
        anchor = self._clock(place)
        if entry.consent != self.manifest.consent:
            raise ProtocolFault("CONSENT", place, "agrees to other terms than the campaign's")
        if entry.valid_until < anchor.timestamp:
            raise ProtocolFault("DELEGATION-EXPIRED", place, "was no longer valid when it came")
        if entry.source == 0:
            self._check_signer(entry, entry.contributor, place)
        elif entry.source != 1 or entry.signature != entries.NO_SIGNATURE:
            raise ProtocolFault("DELEGATION-SOURCE", place, "is neither signed nor from an event")
        elif not any(
            fact.block <= anchor.number
            and (fact.contributor, fact.session_key, fact.generation)
            == (entry.contributor, entry.session_key, entry.generation)
            and (fact.valid_until, fact.consent) == (entry.valid_until, entry.consent)
            for fact in self.facts.delegations
        ):
            raise ProtocolFault("DELEGATION-SOURCE", place, "no such event by the last anchor")
        known = self.generation(entry.contributor)
        if entry.generation < known:
            raise ProtocolFault(
                "DELEGATION-REVOKED", place, f"generation {known} has replaced {entry.generation}"
            )
        wallet = self._wallets[entry.contributor]
        if wallet.generation < 0:
            wallet.anchors_before = self.anchor_count
        if entry.generation > wallet.generation:
            wallet.generation, wallet.keys = entry.generation, {}
        wallet.keys[entry.session_key] = entry.valid_until

    # -- leases ------------------------------------------------------------------------------

    def terms(self, epoch: int) -> Terms:
        """Reward and threshold in `epoch`: set by receipts finalized when it began."""
        start = self.cut_anchors.get(epoch - 1, self.facts.created)
        return self.bounded.terms_in(start.number)

    def reward(self) -> int:
        """Base units per label for a lease given now."""
        return self._reward

    def latest_expiry(self) -> int:
        """The latest expiry that a lease given now may have."""
        if self.anchor is None:
            return 0
        grace_start = self.bounded.boundary(self.epoch) - self.manifest.grace_seconds
        return min(grace_start, self.anchor.timestamp + self.manifest.lease_seconds)

    def draw_delay(self, contributor: bytes) -> int:
        """How many anchors must still come before the contributor may draw."""
        if self.manifest.assignment == "given":
            return 0
        wallet = self._wallets.get(contributor)
        before = wallet.anchors_before if wallet is not None else self.anchor_count
        return max(0, before + 2 - self.anchor_count)

    def backed_items(self) -> int:
        """How many more items a lease given now could hold, by cap, bond and budget."""
        if self.anchor is None:
            return 0
        reward = self.reward()
        funding = self.facts.funding_at(self.anchor.number)
        settled, charged = self._settled()
        held = sum(amount for epoch, amount in self._held_by_epoch.items() if epoch > settled)
        fee_bps = self.bounded.fee_bps
        room = min(
            _without_fee(funding.epoch_cap, fee_bps) - held,
            funding.bond - charged - held,
            _without_fee(funding.budget, fee_bps) - self._leased_rewards,
        )
        return max(0, room // reward) if reward else UNPAID_ITEMS

    def open_allowance(self, contributor: bytes) -> int:
        """How many items a lease given now may hold: what is backed, within the tier's limits."""
        backed = self.backed_items()
        return min(backed, self._tier_room(contributor, backed))

    def _tier_room(self, contributor: bytes, backed: int) -> int:
        """How many more unsubmitted items the tier allows.

        All are of tier 0 until reputation is on chain, for every operator to read;
        together they may have at most a quarter of what is free.
        """
        if self.manifest.assignment == "given":
            return UNPAID_ITEMS
        shared = max(FREE_FLOOR, (backed + self._open_tier_0) // 4) - self._open_tier_0
        wallet = self._wallets.get(contributor)
        own = TIERS[0].open_items - (len(wallet.running) if wallet is not None else 0)
        return max(0, min(own, shared))

    def eligible(self, contributor: bytes, item: int) -> bool:
        """Say whether the item may be leased to the contributor now, gold or not."""
        return self._eligible(contributor)(item)

    def _eligible(self, contributor: bytes) -> Callable[[int], bool]:
        """Return what says it: a lease asks some hundred times, so all that it needs is at hand."""
        # Between a cut and its posted receipt, what has the minimum of labels may be closing.
        awaiting = self.epoch - 1 > self._posted_epoch
        most = self.bounded.redundancy_min if awaiting else self.bounded.redundancy_max
        slots, opened = self.slots.counts, self._opened
        number, row_of = self.leases.contributors.find(contributor), self.leases.pairs.find

        def eligible(item: int) -> bool:
            if slots[item] >= most or opened(item):
                return False
            return number is None or row_of(number, item) < 0

        return eligible

    def draw(self, contributor: bytes, ahead: int = 0, taken: Iterable[int] = ()) -> list[int]:
        """Return the items that the next draw allows: the gold item it names, or up to 8
        candidates.

        `ahead` items are already being leased with this lease (`taken`); needs the epoch's seed
        and, for gold, its batch.
        """
        return list(self._drawn(contributor, ahead, taken))

    def _drawn(self, contributor: bytes, ahead: int, taken: Iterable[int]) -> Iterator[int]:
        """Yield what `draw` returns: who looks for one item needn't have all named."""
        if self.anchor is None or contributor not in self._wallets:
            return
        chosen = set(taken)
        ordinal = self._wallets[contributor].ordinal + ahead
        drawn = draw(self.secrets.seeds[self.epoch], self.anchor.hash, contributor, ordinal)

        eligible, all_gold = self._eligible(contributor), self._gold

        def free(item: int) -> bool:
            return item not in chosen and eligible(item)

        def ordinary(item: int) -> bool:
            return item not in all_gold and item not in chosen and eligible(item)

        if is_gold(drawn, self.manifest.gold_share(ordinal)):
            gold = gold_item(drawn, self.secrets.batch(self.epoch) or (), free)
            if gold is not None:
                yield gold
                return
        yield from islice(candidates(drawn, self.manifest.item_count, ordinary), CANDIDATES)

    def _draw_allows(self, contributor: bytes, item: int, ahead: int, taken: list[int]) -> bool:
        """Check one leased item against its draw; what may still turn out to be reserved is
        allowed."""
        if self.epoch not in self.secrets.seeds:
            return True
        if item in self._drawn(contributor, ahead, taken):
            return True
        assert self.anchor is not None
        ordinal = self._wallets[contributor].ordinal + ahead
        drawn = draw(self.secrets.seeds[self.epoch], self.anchor.hash, contributor, ordinal)
        if is_gold(drawn, self.manifest.gold_share(ordinal)):
            if self.secrets.batch(self.epoch) is None:
                return True  # nobody can say which gold it was; GOLD-UNOPENED answers for it
            if next(self._drawn(contributor, ahead, taken), None) in self._gold:
                return False
        if self.secrets.whole or item in self._gold:
            return False
        # Gold of later batches is unknown yet: the gateway passes over it. Each item passed over
        # must turn up as gold, which the final receipt's check decides; here the item must be named
        # by the draw at all.
        unopened = self.manifest.gold_count - len(self._gold)
        named = candidates(
            drawn,
            self.manifest.item_count,
            lambda other: (
                other not in self._gold and other not in taken and self.eligible(contributor, other)
            ),
        )
        return item in islice(named, CANDIDATES + unopened)

    def _lease(self, entry: entries.Lease, position: int, faultless: bool) -> None:
        place = f"log {position}"
        anchor = self._clock(place)
        wallet = self._wallets.get(entry.contributor)
        if wallet is None or all(until < anchor.timestamp for until in wallet.keys.values()):
            raise ProtocolFault(
                "LEASE-UNDELEGATED", place, "the contributor has no live delegation"
            )
        items = list(entry.items)
        if not 1 <= len(items) <= entries.MAX_LABELS or len(set(items)) != len(items):
            raise ProtocolFault("LEASE-ITEMS", place, "a lease names 1 to 100 different items")
        if max(items) >= self.manifest.item_count:
            raise ProtocolFault("LEASE-ITEMS", place, "names an item that the campaign hasn't")
        if any((entry.contributor, item) in self.leases for item in items):
            raise ProtocolFault("LEASE-REPEATED", place, "the contributor has seen the item before")
        faults = self.lease_faults(entry)
        found = [
            ProtocolFault(fault, place, f"item {item} should not have been leased")
            for fault, item in zip(faults, items, strict=True)
            if fault is not None
        ]
        if found and faultless:
            raise found[0]
        self.gateway_faults += [(position, problem) for problem in found]
        for fault, item in zip(faults, items, strict=True):
            leased = self.leases.add(
                entry.contributor,
                item,
                reward=entry.reward,
                expiry=entry.expiry,
                epoch=self.epoch,
                position=position,
                fault=fault or ("ANCHOR-SKIPPED" if self._gap else None),
            )
            self._running[leased.row] = wallet.running[leased.row] = leased
            self.slots[item] += 1
        wallet.ordinal += len(items)
        self._open_tier_0 += len(items)
        self._leased_rewards += entry.reward * len(items)
        self._held_by_epoch[self.epoch] += entry.reward * len(items)

    def lease_faults(self, entry: entries.Lease) -> list[str | None]:
        """Name, for each item, why the gateway should not lease it now (None where it may)."""
        items = list(entry.items)
        backed = self.backed_items()
        whole = self._whole_lease_fault(entry, len(items), backed)
        if whole is not None:
            return [whole] * len(items)
        faults: list[str | None] = []
        for ahead, item in enumerate(items):
            if ahead >= backed:
                faults.append("LEASE-UNBACKED")
            elif not self.eligible(entry.contributor, item):
                faults.append("LEASE-INELIGIBLE")
            elif self.manifest.assignment == "drawn" and not self._draw_allows(
                entry.contributor, item, ahead, items[:ahead]
            ):
                faults.append("DRAW")
            else:
                faults.append(None)
        return faults

    def _whole_lease_fault(self, entry: entries.Lease, count: int, backed: int) -> str | None:
        assert self.anchor is not None
        if self.facts.closed is not None and self.facts.closed.number <= self.anchor.number:
            return "LEASE-AFTER-CLOSE"
        if entry.reward != self.reward():
            return "LEASE-REWARD"
        if not self.anchor.timestamp < entry.expiry <= self.latest_expiry():
            return "LEASE-EXPIRY"
        if self.draw_delay(entry.contributor):
            return "LEASE-EARLY"
        if count > self._tier_room(entry.contributor, backed):
            return "LEASE-TOO-MANY"
        return None

    def _opened(self, item: int) -> bool:
        """Say whether a receipt that was posted by the last anchor has opened the item."""
        return item in self.closed and self.closed[item] <= self._posted_epoch

    def _read_posted(self) -> None:
        """Note the newest receipt posted by the last anchor: asked for by every probe of a draw."""
        posted = self.facts.last_posted(self.anchor.number) if self.anchor is not None else None
        self._posted_epoch = posted.epoch if posted is not None else 0

    def _end(self, leased: LeasedItem, state: str) -> None:
        if self._running.pop(leased.row, None) is not None:
            del self._wallets[leased.contributor].running[leased.row]
            self._open_tier_0 -= 1
        leased.state = state

    # -- submissions -------------------------------------------------------------------------

    def _submit(self, entry: entries.Submission, position: int) -> None:
        place = f"log {position}"
        key, held = self._check_submission(entry, place, filed=False, after_epoch=0)
        self._sequences.place(self._keys.number(key), entry.sequence)
        for index, (one, commitment) in enumerate(zip(held, entry.labels, strict=True)):
            self._end(one, "submitted")
            self.labels.add(position, index, commitment, one)

    def _check_submission(
        self, entry: entries.Submission, place: str, *, filed: bool, after_epoch: int
    ) -> tuple[bytes, list[LeasedItem]]:
        """Return the session key that signed and the leases that are fulfilled, one a label."""
        anchor = self._clock(place)
        count = len(entry.labels)
        if not 1 <= count <= entries.MAX_LABELS or len(set(entry.items)) != count:
            raise ProtocolFault(
                "SUBMISSION-ITEMS", place, "holds 1 to 100 labels of different items"
            )
        try:
            key = entry.signer(self.facts.campaign, self.facts.escrow_domain)
        except SignatureError as error:
            raise ProtocolFault("SUBMISSION-SIGNATURE", place, str(error)) from error
        known = self._keys.find(key)
        if known is not None and self._sequences.find(known, entry.sequence) >= 0:
            raise ProtocolFault(
                "SUBMISSION-REPLAYED",
                place,
                f"sequence {entry.sequence} of this key was used before",
            )
        wallet = self._wallets.get(entry.contributor)
        valid_until = wallet.keys.get(key) if wallet is not None else None
        if valid_until is None:
            raise ProtocolFault(
                "SUBMISSION-SIGNATURE",
                place,
                "is not signed by a live session key of the contributor",
            )
        if valid_until < anchor.timestamp:
            raise ProtocolFault(
                "DELEGATION-EXPIRED", place, "the session key's delegation has expired"
            )
        leased = [self.leases.get((entry.contributor, item)) for item in entry.items]
        wanted = ("running", "lapsed") if filed else ("running",)
        held = [one for one in leased if one is not None and one.state in wanted]
        if len(held) != count or any(one.epoch <= after_epoch for one in held):
            raise ProtocolFault("SUBMISSION-LEASE", place, "labels an item without a running lease")
        return key, held

    def _skip(self, entry: entries.Skip, place: str) -> None:
        leased = self._running.get(self.leases.find(entry.contributor, entry.item))
        if leased is None:
            raise ProtocolFault("SKIP-LEASE", place, "gives back an item without a running lease")
        self._end(leased, "skipped")
        self.slots[leased.item] -= 1
        self._leased_rewards -= leased.reward
        self._held_by_epoch[leased.epoch] -= leased.reward

    # -- small parts -------------------------------------------------------------------------

    def unsubmitted(self, contributor: bytes) -> list[LeasedItem]:
        """The contributor's running leases, in the order they were given."""
        wallet = self._wallets.get(contributor)
        return list(wallet.running.values()) if wallet is not None else []

    def _clock(self, place: str) -> Block:
        if self.anchor is None:
            raise ProtocolFault("CLOCK", place, "stands before the first anchor, so it has no time")
        return self.anchor

    def _check_signer(self, entry: entries.Signed, signer: bytes, place: str) -> None:
        code = f"{type(entry).__name__.upper()}-SIGNATURE"
        try:
            found = entry.signer(self.facts.campaign, self.facts.escrow_domain)
        except SignatureError as error:
            raise ProtocolFault(code, place, str(error)) from error
        if found != signer:
            raise ProtocolFault(code, place, "is not signed by the account it names")


def _without_fee(amount: int, fee_bps: int) -> int:
    """The largest sum of rewards that fits `amount` together with its fee."""
    rewards = amount * 10_000 // (10_000 + fee_bps)
    while rewards + 1 + fee_of(rewards + 1, fee_bps) <= amount:
        rewards += 1
    return rewards
