"""Behind every leaf stand labels: signed by a key that its account delegated to, leased at a
reward, and opened to what was committed. Checked without `decide`, for the verdict `money`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from oracle.auditor.codes import Severity
from oracle.auditor.published import CampaignContent, Published
from oracle.auditor.report import Findings, units
from oracle.errors import FormatError, SignatureError
from oracle.evidence import entries
from oracle.evidence.campaign import commit_label
from oracle.evidence.hashing import sha256
from oracle.evidence.signing import checksum
from oracle.evidence.supplement import Opening, filing_of, filing_position
from oracle.protocol.campaign import Campaign
from oracle.protocol.columns import Distinct, Pairs
from oracle.protocol.facts import ChainDelegation


@dataclass(frozen=True)
class SignedLabel:
    """An opened label as its contributor signed it; `reward` is its lease's, in base units, and
    `lease` that one's number."""

    contributor: bytes
    item: int
    answer: bytes
    reward: int
    position: int
    lease: int


class Submitted(NamedTuple):
    """A label as it was handed in: by whom, who signed it (None: nobody), the item, and the
    commitment."""

    contributor: bytes
    signer: bytes | None
    item: int
    commitment: bytes


class LabelBook:
    """The log's delegations, leases and submissions, as far as labels need them; in columns."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.keys: defaultdict[bytes, set[bytes]] = defaultdict(set)
        self._people: Distinct[bytes | None] = Distinct(None)
        self._amounts: Distinct[int] = Distinct()
        self._leases = Pairs()  # person and item
        self._rewards = array("I")
        self._promised = array("I")  # what the lease says: beyond the highest reward, the bond's
        self._positions, self._first_labels = array("Q"), array("Q")  # of submissions
        self._contributors, self._signers = array("I"), array("I")
        self._items, self._commitments = array("I"), bytearray()  # of labels
        self._highest_reward = max(campaign.manifest.reward, campaign.manifest.reward_max)
        self._read = 0

    def read(self, one: Published) -> None:
        """Take the log up to a receipt's cut."""
        for row in one.rows[self._read :]:
            try:
                entry = row.entry
            except FormatError:
                continue
            if isinstance(entry, entries.Delegation) and self._is_signed(entry):
                self.keys[entry.contributor].add(entry.session_key)
            elif isinstance(entry, entries.Lease):
                self._lease(entry)
            elif isinstance(entry, entries.Submission):
                self._submit(row.position, entry)
        self._read = max(self._read, len(one.rows))

    def _lease(self, entry: entries.Lease) -> None:
        person = self._people.number(entry.contributor)
        promised = self._amounts.number(entry.reward)
        reward = self._amounts.number(min(entry.reward, self._highest_reward))
        for item in entry.items:
            if self._leases.place(person, item) == len(self._rewards):  # the first one counts
                self._rewards.append(reward)
                self._promised.append(promised)

    def _submit(self, position: int, entry: entries.Submission) -> None:
        self._positions.append(position)
        self._first_labels.append(len(self._items))
        self._contributors.append(self._people.number(entry.contributor))
        self._signers.append(self._people.number(self._signer(entry)))
        self._items.extend(entry.items)
        self._commitments += b"".join(entry.labels)

    def _is_signed(self, entry: entries.Delegation) -> bool:
        facts = self.campaign.facts
        if entry.source == 1:
            said = ChainDelegation(
                0,
                entry.contributor,
                entry.session_key,
                entry.generation,
                entry.valid_until,
                entry.consent,
            )
            return any(vars(fact) | {"block": 0} == vars(said) for fact in facts.delegations)
        return self._signer(entry) == entry.contributor

    def _signer(self, entry: entries.Signed) -> bytes | None:
        facts = self.campaign.facts
        try:
            return entry.signer(facts.campaign, facts.escrow_domain)
        except SignatureError:
            return None

    def submitted(self, one: Published, position: int, index: int) -> Submitted | None:
        """Return the label that stands at a place: of a log position, or of a filing of the
        receipt's supplement."""
        if filing_of(position) is not None:
            entry = self._filed(one, position)
            if entry is None or index >= len(entry.labels):
                return None
            signer = self._signer(entry)
            return Submitted(entry.contributor, signer, entry.items[index], entry.labels[index])
        row = bisect_left(self._positions, position)
        if row == len(self._positions) or self._positions[row] != position:
            return None
        label = self._first_labels[row] + index
        rest = self._first_labels[row + 1 : row + 2]
        if label >= (rest[0] if rest else len(self._items)):
            return None
        contributor = self._people.values[self._contributors[row]]
        assert contributor is not None
        signer = self._people.values[self._signers[row]]
        commitment = bytes(self._commitments[32 * label : 32 * label + 32])
        return Submitted(contributor, signer, self._items[label], commitment)

    def _filed(self, one: Published, position: int) -> entries.Submission | None:
        epoch, number = filing_of(position) or (0, 0)
        filings = one.supplement.filings
        if epoch != one.supplement.epoch or number >= len(filings):
            return None
        try:
            entry = entries.decode_entry(filings[number])
        except FormatError:
            return None
        return entry if isinstance(entry, entries.Submission) else None

    @property
    def leases(self) -> int:
        """How many leases there are."""
        return len(self._leases)

    def lease(self, contributor: bytes, item: int) -> int:
        """Return the number of a lease, from 0 in the order they were given; -1 for none."""
        person = self._people.find(contributor)
        return -1 if person is None else self._leases.find(person, item)

    def reward(self, lease: int) -> int:
        """What a lease can earn by the rules, base units."""
        return self._amounts.values[self._rewards[lease]]

    def fault(self, label: Submitted | None, row: Opening) -> tuple[str, str] | None:
        """Say by code and sentence why an opening opens no signed label; None where it does."""
        if label is None or label.item != row.item:
            return "OPENING-LABEL", "no submission has a label there"
        if row.item >= len(self.campaign.item_ids):
            return "OPENING-LABEL", "it names an item that the campaign hasn't"
        item_id = self.campaign.item_ids[row.item]
        if commit_label(item_id, sha256(row.answer), row.salt) != label.commitment:
            return "OPENING-COMMITMENT", "the answer opened isn't the one that was signed"
        if label.signer not in self.keys[label.contributor]:
            return "SUBMISSION-SIGNATURE", "no key that its contributor delegated to signed it"
        if self.lease(label.contributor, row.item) < 0:
            return "SUBMISSION-LEASE", "the item was never leased to the contributor"
        return None

    def promised(self, one: Published, opened: bytearray) -> dict[bytes, int]:
        """What a gateway's fault pays beyond opened labels, by contributor: labels that nobody
        opened, and what a lease promised above the highest reward. `opened` flags leases."""
        submitted = bytearray(len(self._leases))
        ends = (*self._first_labels[1:], len(self._items))
        for person, first, end in zip(self._contributors, self._first_labels, ends, strict=True):
            for item in self._items[first:end]:
                self._flag(submitted, self._leases.find(person, item))
        for number in range(len(one.supplement.filings)):
            entry = self._filed(one, filing_position(one.supplement.epoch, number))
            for item in entry.items if entry is not None else ():
                assert entry is not None
                self._flag(submitted, self.lease(entry.contributor, item))
        sums: defaultdict[bytes, int] = defaultdict(int)
        for lease in (row for row, flag in enumerate(submitted) if flag):
            contributor = self._people.values[self._leases.first[lease]]
            assert contributor is not None
            counted = self.reward(lease) if opened[lease] else 0
            sums[contributor] += self._amounts.values[self._promised[lease]] - counted
        return sums

    @staticmethod
    def _flag(flags: bytearray, lease: int) -> None:
        if lease >= 0:
            flags[lease] = 1


def opened_labels(
    one: Published, book: LabelBook, found: Findings | None = None
) -> Iterator[SignedLabel]:
    """Yield the labels that a receipt's supplement opened; faults become findings. `book` has been
    read up to the receipt."""
    for row in one.supplement.openings:
        label = book.submitted(one, row.position, row.index)
        fault = book.fault(label, row)
        if found is not None:
            found.checks += 1
        if fault is None:
            assert label is not None
            lease = book.lease(label.contributor, row.item)
            yield SignedLabel(
                label.contributor, row.item, row.answer, book.reward(lease), row.position, lease
            )
        elif found is not None:
            place = f"{one.place}, opening {row.position}/{row.index}"
            found.add("money", fault[0], place, fault[1], Severity.FRAUD)


def check_labels(content: CampaignContent, found: Findings) -> None:
    """No leaf is more than its account's labels can have earned: the full reward of each."""
    book = LabelBook(content.campaign)
    earned: defaultdict[bytes, int] = defaultdict(int)
    seen = bytearray()  # leases whose labels were opened
    for one in content.receipts:
        if one.voided:  # it pays nobody, and opens nothing
            continue
        book.read(one)
        seen.extend(bytes(book.leases - len(seen)))
        for label in opened_labels(one, book, found):
            if not seen[label.lease]:
                seen[label.lease] = 1
                earned[label.contributor] += label.reward
        faulted = {row.account: row.faulted for row in one.evidence.contributors if row.faulted}
        found.check(
            sum(faulted.values()) <= one.receipt.bond_charge,
            "money",
            "BOND-CHARGE",
            one.place,
            "more is paid for the gateway's faults than its bond is charged",
        )
        promised = book.promised(one, seen) if faulted else {}
        for leaf in one.leaves:
            account = leaf.account
            bound = earned[account] + min(faulted.get(account, 0), promised.get(account, 0))
            place = f"{one.place}, {checksum(account)}"
            if bound == 0 and leaf.cumulative:
                found.add("money", "PAYOUT-UNEARNED", place, "the account has no opened label")
            found.check(
                leaf.cumulative <= bound or bound == 0,
                "money",
                "PAYOUT-PADDED",
                place,
                f"the leaf is {units(leaf.cumulative)}, all its labels in full {units(bound)}",
            )
