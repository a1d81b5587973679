"""Behind every leaf stand labels: signed by a key that its account delegated to, leased at a
reward, and opened to what was committed. Checked without `decide`, for the verdict `money`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

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
from oracle.protocol.facts import ChainDelegation


@dataclass(frozen=True)
class SignedLabel:
    """An opened label as its contributor signed it; `reward` is its lease's, in base units."""

    contributor: bytes
    item: int
    answer: bytes
    reward: int
    position: int
    index: int


class LabelBook:
    """The log's delegations, leases and submissions, as far as labels need them."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.keys: defaultdict[bytes, set[bytes]] = defaultdict(set)
        self.rewards: dict[tuple[bytes, int], int] = {}
        self.promised: dict[tuple[bytes, int], int] = {}  # beyond the highest reward: the bond's
        self.submissions: dict[int, entries.Submission] = {}
        self._signers: dict[entries.Submission, bytes | None] = {}
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
                for item in entry.items:
                    reward = min(entry.reward, self._highest_reward)
                    self.rewards.setdefault((entry.contributor, item), reward)
                    self.promised.setdefault((entry.contributor, item), entry.reward)
            elif isinstance(entry, entries.Submission):
                self.submissions[row.position] = entry
        self._read = max(self._read, len(one.rows))

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
        try:
            return entry.signer(facts.campaign, facts.escrow_domain) == entry.contributor
        except SignatureError:
            return False

    def _is_signed_by_delegate(self, entry: entries.Submission) -> bool:
        # A submission holds up to a hundred labels: its signer is looked for once.
        if entry not in self._signers:
            facts = self.campaign.facts
            try:
                self._signers[entry] = entry.signer(facts.campaign, facts.escrow_domain)
            except SignatureError:
                self._signers[entry] = None
        return self._signers[entry] in self.keys[entry.contributor]

    def submission(self, one: Published, position: int) -> entries.Submission | None:
        """Return what stands at a place: a log position, or a filing of the receipt's
        supplement."""
        filing = filing_of(position)
        if filing is None:
            return self.submissions.get(position)
        epoch, number = filing
        if epoch != one.supplement.epoch or number >= len(one.supplement.filings):
            return None
        try:
            entry = entries.decode_entry(one.supplement.filings[number])
        except FormatError:
            return None
        return entry if isinstance(entry, entries.Submission) else None

    def fault(self, entry: entries.Submission | None, row: Opening) -> tuple[str, str] | None:
        """Say by code and sentence why an opening opens no signed label; None where it does."""
        if entry is None or row.index >= len(entry.labels) or entry.items[row.index] != row.item:
            return "OPENING-LABEL", "no submission has a label there"
        if row.item >= len(self.campaign.item_ids):
            return "OPENING-LABEL", "it names an item that the campaign hasn't"
        item_id = self.campaign.item_ids[row.item]
        if commit_label(item_id, sha256(row.answer), row.salt) != entry.labels[row.index]:
            return "OPENING-COMMITMENT", "the answer opened isn't the one that was signed"
        if not self._is_signed_by_delegate(entry):
            return "SUBMISSION-SIGNATURE", "no key that its contributor delegated to signed it"
        if (entry.contributor, row.item) not in self.rewards:
            return "SUBMISSION-LEASE", "the item was never leased to the contributor"
        return None


def opened_labels(
    content: CampaignContent, found: Findings | None = None
) -> Iterator[tuple[Published, LabelBook, list[SignedLabel]]]:
    """Yield each receipt with the labels that its supplement opened; faults become findings."""
    book = LabelBook(content.campaign)
    for one in content.receipts:
        book.read(one)
        labels = []
        for row in one.supplement.openings:
            entry = book.submission(one, row.position)
            fault = book.fault(entry, row)
            if found is not None:
                found.checks += 1
            if fault is None:
                assert entry is not None
                reward = book.rewards[entry.contributor, row.item]
                labels.append(
                    SignedLabel(
                        entry.contributor, row.item, row.answer, reward, row.position, row.index
                    )
                )
            elif found is not None:
                place = f"{one.place}, opening {row.position}/{row.index}"
                found.add("money", fault[0], place, fault[1], Severity.FRAUD)
        yield one, book, labels


def check_labels(content: CampaignContent, found: Findings) -> None:
    """No leaf is more than its account's labels can have earned: the full reward of each."""
    earned: defaultdict[bytes, int] = defaultdict(int)
    seen: set[tuple[bytes, int]] = set()
    for one, book, labels in opened_labels(content, found):
        for label in labels:
            if (label.contributor, label.item) not in seen:
                seen.add((label.contributor, label.item))
                earned[label.contributor] += label.reward
        faulted = {row.account: row.faulted for row in one.evidence.contributors if row.faulted}
        found.check(
            sum(faulted.values()) <= one.receipt.bond_charge,
            "money",
            "BOND-CHARGE",
            one.place,
            "more is paid for the gateway's faults than its bond is charged",
        )
        promised = _promised(book, one, seen) if faulted else {}
        for leaf in one.evidence.leaves:
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


def _promised(book: LabelBook, one: Published, seen: set[tuple[bytes, int]]) -> dict[bytes, int]:
    """What a gateway's fault pays beyond opened labels: those that nobody opened, and what a lease
    promised above the highest reward."""
    filed = (
        book.submission(one, filing_position(one.supplement.epoch, number))
        for number in range(len(one.supplement.filings))
    )
    submitted = {
        (entry.contributor, item)
        for entry in (*book.submissions.values(), *filed)
        if entry is not None
        for item in entry.items
    }
    sums: defaultdict[bytes, int] = defaultdict(int)
    for contributor, item in submitted:
        counted = book.rewards.get((contributor, item), 0) if (contributor, item) in seen else 0
        sums[contributor] += book.promised.get((contributor, item), 0) - counted
    return sums
