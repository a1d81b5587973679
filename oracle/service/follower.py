"""An operator's own copy of a campaign's log: checked row by row, kept, never taken on trust.

The gateway gives pages, peers give rows; both pass the same checks. A page counts up to the first
submission whose sealed opening doesn't come with it: who keeps openings back has stopped the log.
So has who writes more behind a final receipt than the next one can take (`MAX_UNSETTLED`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence, Set
from contextlib import AbstractContextManager

from oracle.errors import DDLPError, FormatError, SignatureError
from oracle.evidence.campaign import commit_label, label_salt
from oracle.evidence.entries import SHARD_BYTES, LogRow, Submission, decode_entry, next_head
from oracle.evidence.hashing import ZERO32, keccak256, sha256
from oracle.ports import MAX_UNSETTLED, ROW_BYTES, LogFeed, OpenedSubmission, OperatorStore, Peer
from oracle.protocol.campaign import Campaign

logger = logging.getLogger(__name__)

PAGE = 512
MORE = 256  # submissions asked of a peer at once

Unseal = Callable[[bytes], tuple[Sequence[bytes], bytes]]


class Follower:
    """One campaign's log and openings at one operator, over its `store`.

    `unseal` opens an opening block that was sealed to this operator (FormatError where it can't).
    `lock` is held while rows change, never while somebody is asked for them.
    """

    def __init__(
        self, store: OperatorStore, unseal: Unseal, lock: AbstractContextManager[object]
    ) -> None:
        self._store, self._unseal, self._lock = store, unseal, lock
        self.rows: list[LogRow] = store.rows()
        self.places = _places(self.rows)
        self.opened: dict[bytes, OpenedSubmission] = store.opened()
        self.fork: tuple[LogRow, LogRow] | None = None  # two signed rows of one position
        self.settled = 0  # the position up to which receipts are finalized
        self._full_at = -1  # `settled` when the log was found to be full

    def follow(self, feed: LogFeed, campaign: Campaign, *, now: int) -> int:
        """Take what the gateway has behind our log; return how many rows.

        It stops without error at what can't be taken; DDLPError where the gateway can't be asked.
        """
        taken = 0
        while True:
            page = feed.page(len(self.rows), PAGE)
            if not page.rows:
                return taken
            blocks = {sha256(block): block for block in page.openings}
            opened: list[OpenedSubmission] = []
            rows: list[LogRow] = []
            found = self.connected(page.rows[:PAGE], campaign, after=len(self.rows))
            for row in self._fitting(found, campaign):
                entry = submission_of(row)
                if entry is not None and row.position > self.settled:
                    block = blocks.get(entry.opening)
                    if block is None:
                        break
                    one = self.open(row.data, entry, block, campaign)
                    opened.extend(() if one is None else (one,))
                rows.append(row)
            if not rows:
                before = feed.page(len(self.rows) - 1, 1).rows if self.rows else ()
                self.compare(before, campaign)
                return taken
            if not self._append(rows, opened, now):
                return taken
            taken += len(rows)

    def learn(self, peer: Peer, newest: LogRow | None, campaign: Campaign, *, now: int) -> None:
        """Take what a peer's log has behind ours, up to the first submission that it can't open."""
        if newest is None:
            return
        self.compare((newest,), campaign)
        while newest.position > len(self.rows):
            behind = len(self.rows)
            found = self.connected(peer.rows(behind, PAGE)[:PAGE], campaign, after=behind)
            rows = self._fitting(found, campaign)
            if not rows:
                if self.rows:
                    self.compare(peer.rows(len(self.rows) - 1, 1), campaign)
                return
            entries = {
                row.entry_hash: entry
                for row in rows
                if (entry := submission_of(row)) is not None and row.position > self.settled
            }
            wanted = [entry_hash for entry_hash in entries if entry_hash not in self.opened]
            opened = {
                one.entry_hash: one
                for first in range(0, len(wanted), MORE)
                for one in peer.openings(wanted[first : first + MORE])
                if one.entry_hash in entries and opens(one, entries[one.entry_hash], campaign)
            }
            taken = []
            for row in rows:
                known = row.entry_hash in self.opened or row.entry_hash in opened
                if row.entry_hash in entries and not known:
                    break
                taken.append(row)
            if not taken or not self._append(taken, list(opened.values()), now):
                return

    def compare(self, rows: Iterable[LogRow], campaign: Campaign) -> None:
        """Note a fork where the gateway signed one of `rows` and another one in its place."""
        for row in rows:
            if self.fork is not None or not 1 <= row.position <= len(self.rows):
                continue
            ours = self.rows[row.position - 1]
            if row.head != ours.head and is_signed(row, campaign):
                self.fork = (ours, row)

    def adopt(self, rows: Sequence[LogRow], *, now: int) -> list[LogRow]:
        """Go over to a branch that a quorum signs, and return the rows left behind: `rows` are
        checked, and follow what we have."""
        with self._lock:
            first = rows[0].position
            same = [
                ours.head == row.head
                for ours, row in zip(self.rows[first - 1 :], rows, strict=False)
            ]
            kept = same.index(False) if False in same else len(same)
            if kept == len(rows):
                return []
            left = self.rows[first - 1 + kept :]
            self._store.adopt(rows[kept:], now=now)
            self.rows[first - 1 + kept :] = rows[kept:]
            self.places = _places(self.rows)
            return left

    def add_opened(self, opened: Iterable[OpenedSubmission], *, now: int) -> None:
        """Keep what opens submissions; whoever calls has checked it."""
        with self._lock:
            fresh = [one for one in opened if one.entry_hash not in self.opened]
            if fresh:
                self._store.add_opened(fresh, now=now)
                self.opened.update((one.entry_hash, one) for one in fresh)

    def forget(self, done: Set[int], filed: Iterable[bytes]) -> None:
        """Drop what opens submissions, of the settled log or `filed`, whose items have all closed
        (`done`)."""
        settled = [(row.entry_hash, row.data) for row in self.rows[: self.settled]]
        settled.extend((keccak256(data), data) for data in filed)
        gone = [
            entry_hash
            for entry_hash, data in settled
            if entry_hash in self.opened and done >= set(_items(data))
        ]
        self._store.forget(opened=gone)
        for entry_hash in gone:
            self.opened.pop(entry_hash, None)

    def open(
        self, data: bytes, entry: Submission, block: bytes, campaign: Campaign
    ) -> OpenedSubmission | None:
        """Open a sealed block; None where it isn't sealed to us, or holds something else than was
        signed: its labels count only if a peer can open them."""
        try:
            answers, seed = self._unseal(block)
        except FormatError:
            return None
        one = OpenedSubmission(keccak256(data), tuple(answers), seed)
        return one if opens(one, entry, campaign) else None

    def _append(self, rows: Sequence[LogRow], opened: Sequence[OpenedSubmission], now: int) -> bool:
        """Keep rows that were checked; say whether they still are next."""
        with self._lock:
            position, before = len(self.rows), self.rows[-1].head if self.rows else ZERO32
            first = rows[0]
            if (first.position, first.head) != (
                position + 1,
                next_head(before, first.entry_hash),
            ):
                return False  # a proposal was adopted meanwhile
            self._store.append(rows, opened, now=now)
            self.rows.extend(rows)
            for row in rows:
                self.places.setdefault(row.entry_hash, row.position)
            self.opened.update((one.entry_hash, one) for one in opened)
            return True

    def _fitting(self, rows: list[LogRow], campaign: Campaign) -> list[LogRow]:
        """Return those of the rows next to ours that the next receipt can take."""
        taken = sum(len(row.data) + ROW_BYTES for row in self.rows[self.settled :])
        for number, row in enumerate(rows):
            taken += len(row.data) + ROW_BYTES
            if taken > MAX_UNSETTLED:
                if self._full_at != self.settled:
                    self._full_at = self.settled
                    logger.warning(
                        "the log behind position %d is over %d bytes: it is followed no further "
                        "before the next receipt is final",
                        self.settled,
                        MAX_UNSETTLED,
                        extra={"campaign": campaign.facts.campaign},
                    )
                return rows[:number]
        return rows

    def connected(self, rows: Sequence[LogRow], campaign: Campaign, *, after: int) -> list[LogRow]:
        """Return the rows that follow our position `after`, as far as each hashes to its head, the
        gateway signed it, and evidence can hold it."""
        before = self.rows[after - 1].head if after else ZERO32
        position = after
        found = []
        for row in rows:
            position += 1
            entry_hash = keccak256(row.data)
            head = next_head(before, entry_hash)
            if (row.position, row.entry_hash, row.head) != (position, entry_hash, head):
                break
            if len(row.data) > SHARD_BYTES or not is_signed(row, campaign):
                break
            before = head
            found.append(row)
        return found


def _places(rows: Sequence[LogRow]) -> dict[bytes, int]:
    """Where each entry stands first."""
    return {row.entry_hash: row.position for row in reversed(rows)}


def _items(data: bytes) -> tuple[int, ...]:
    entry = decode_entry(data)
    return entry.items if isinstance(entry, Submission) else ()


def submission_of(row: LogRow) -> Submission | None:
    """Return a row's entry if it is a submission; None for others and for bytes that are none."""
    if row.data[:1] != bytes([Submission.KIND]):
        return None
    try:
        entry = row.entry
    except FormatError:
        return None
    assert isinstance(entry, Submission)
    return entry


def is_signed(row: LogRow, campaign: Campaign) -> bool:
    """Say whether the campaign's gateway signed the row's Head."""
    facts = campaign.facts
    try:
        return row.signer(facts.campaign, facts.escrow_domain) == facts.gateway
    except (SignatureError, DDLPError):
        return False


def opens(one: OpenedSubmission, entry: Submission, campaign: Campaign) -> bool:
    """Say whether answers and seed open every commitment of a submission."""
    manifest, ids = campaign.manifest, campaign.item_ids
    if not len(one.answers) == len(entry.items) == len(entry.labels) or len(one.seed) != 32:
        return False
    return all(
        manifest.allows(answer)
        and item < len(ids)
        and commit_label(ids[item], manifest.answer_digest(answer), label_salt(one.seed, index))
        == label
        for index, (item, label, answer) in enumerate(
            zip(entry.items, entry.labels, one.answers, strict=True)
        )
    )
