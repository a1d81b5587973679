"""Contributors as the page drives them: nothing that a gateway says is trusted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from oracle.content.sealing import seal_opening
from oracle.errors import DDLPError
from oracle.evidence import entries as log
from oracle.evidence.campaign import commit_label, label_salt
from oracle.evidence.codec import encode_json
from oracle.evidence.hashing import keccak256, sha256
from oracle.evidence.signing import address_of, recover, sign
from oracle.evidence.structs import Confirmation
from oracle.ports import Filing, LeaseCertificate
from oracle.replay.contributors import box_by_seed
from tests.support.world import key_of

if TYPE_CHECKING:
    from tests.network.schedule import Schedule

PATIENCE = 60  # seconds until what the gateway took must stand in operators' logs


@dataclass
class Work:
    """A lease, from its confirmation to its submission's end."""

    row: log.LogRow
    items: tuple[int, ...]
    signatures: dict[bytes, bytes] = field(default_factory=dict)
    certified: set[bytes] = field(default_factory=set)
    entry: log.Submission | None = None
    filing: Filing | None = None
    submitted: int = 0
    acknowledged: set[bytes] = field(default_factory=set)
    seen: set[bytes] = field(default_factory=set)

    @property
    def entry_hash(self) -> bytes:
        assert self.filing is not None
        return keccak256(self.filing.entry)


HONEST, GUESSER, COPIER = "honest", "guesser", "copier"
SKILL = 0.9  # of an honest contributor


class Contributor:
    """One of a kind: `HONEST` is right with probability .9; `GUESSER` guesses 1 to 20 labels in
    all; `COPIER` repeats what an operator that tells it has seen, else guesses."""

    def __init__(self, schedule: Schedule, name: str, kind: str = HONEST) -> None:
        self.schedule, self.name, self.kind = schedule, name, kind
        self.number = int(name.split()[1])
        self.dice = random.Random(f"{schedule.seed} {name}")
        self.wallet, self.session = key_of(name), key_of(f"{name} session")
        self.address = address_of(self.wallet)
        self.left = self.dice.randint(1, 20) if kind == GUESSER else 10**6
        self.delegated = False
        self.sequence = 0
        self.works: list[Work] = []

    @property
    def safe(self) -> list[Work]:
        """The work that must be paid: submitted on a certified lease, and seen in a quorum's logs
        or acknowledged by enough operators that one of them is honest and at work."""
        quorum, enough = 3, 2
        return [
            one
            for one in self.works
            if one.filing is not None
            and len(one.certified) >= quorum
            and (len(one.acknowledged | one.seen) >= quorum or len(one.acknowledged) >= enough)
        ]

    def act(self) -> None:
        """Do what is next: delegate, lease, confirm, label, look after what was sent."""
        if not self.delegated:
            self.schedule.attempt(self._delegate)
            return
        for work in self.works:
            if work.entry is None:
                self._confirm(work)
            else:
                self._look_after(work)
        waiting = any(work.entry is None and self._runs(work) for work in self.works)
        if not waiting and self.left > 0 and self.dice.random() < 0.5:
            self.schedule.attempt(self._lease)

    def _delegate(self) -> None:
        entry = self.schedule.delegation(self.wallet, self.session)
        self.schedule.gateways.behaviour.delegate(self.number, entry)
        self.delegated = True

    def _lease(self) -> None:
        count = min(self.left, self.dice.randint(2, 6))
        reply = self.schedule.gateways.behaviour.lease(self.number, self.address, count)
        if reply.lease is not None:
            items = tuple(one.number for one in reply.items)
            self.works.append(Work(reply.lease.row, items))

    def _runs(self, work: Work) -> bool:
        lease = work.row.entry
        assert isinstance(lease, log.Lease)
        return lease.expiry > self.schedule.chain.newest.timestamp

    # -- confirm, then label -----------------------------------------------------------------

    def _confirm(self, work: Work) -> None:
        if not self._runs(work):
            return
        row = work.row
        known = self.schedule.chain.known
        digest = Confirmation(7, row.position, row.entry_hash, row.head).digest(known.board_domain)
        for operator in self.schedule.asked():
            if operator.address in work.signatures:
                continue
            signature = self.schedule.attempt(operator.confirm, row.position, row.entry_hash)
            if signature is not None and _signed(digest, signature, operator.address):
                work.signatures[operator.address] = signature
        if len(work.signatures) < 3:
            return
        certificate = LeaseCertificate(row, tuple(work.signatures.values()))
        for operator in self.schedule.asked():
            if operator.address not in work.certified:
                try:
                    operator.certify(certificate)
                except DDLPError:
                    continue
                work.certified.add(operator.address)
        if len(work.certified) >= 3:
            self._label(work)

    def _answer(self, item: int) -> str:
        if self.kind == HONEST and self.dice.random() < SKILL:
            return str(self.schedule.truth[item])
        if self.kind == COPIER:
            told = self.schedule.told(item)
            if told is not None:
                return told
        return str(self.dice.randrange(10))

    def _label(self, work: Work) -> None:
        arguments = self.submission(work.items, [self._answer(item) for item in work.items])
        work.entry = arguments["entry"]
        work.filing = Filing(log.encode_entry(arguments["entry"]), arguments["opening"])
        work.submitted = self.schedule.chain.newest.timestamp
        self.left -= len(work.items)
        behaviour = self.schedule.gateways.behaviour
        self.schedule.attempt(behaviour.submit, self.number, self.address, arguments)

    def submission(self, items: Sequence[int], answers: Sequence[str]) -> dict[str, Any]:
        """Make the arguments of a gateway's `submit`."""
        self.sequence += 1
        plain = [encode_json(answer) for answer in answers]
        seed = self.dice.randbytes(32)
        box = partial(box_by_seed, seed)  # sealed at random, a seed wouldn't repeat its schedule
        opening = seal_opening(plain, seed, self.schedule.sealing, box).block.data
        labels = tuple(
            commit_label(self.schedule.item_ids[item], sha256(answer), label_salt(seed, index))
            for index, (item, answer) in enumerate(zip(items, plain, strict=True))
        )
        entry = log.Submission(
            self.address,
            self.sequence,
            self.schedule.files.manifest.guidelines,
            sha256(opening),
            self.schedule.chain.newest.timestamp,
            labels,
            tuple(items),
            log.NO_SIGNATURE,
        )
        digest = entry.struct(7).digest(self.schedule.chain.known.escrow_domain)
        entry = replace(entry, signature=sign(self.session, digest))
        return {"entry": entry, "answers": plain, "seed": seed, "opening": opening}

    # -- what was sent -----------------------------------------------------------------------

    def _look_after(self, work: Work) -> None:
        """File what doesn't show in a quorum's logs within a minute."""
        if len(work.acknowledged | work.seen) >= 3 or len(work.acknowledged) >= 3:
            return
        assert work.filing is not None
        waited = self.schedule.chain.newest.timestamp - work.submitted
        for operator in self.schedule.asked():
            if operator.address not in work.seen and self.schedule.attempt(
                operator.holds, [work.entry_hash]
            ):
                work.seen.add(operator.address)
        if len(work.seen) >= 3 or waited < PATIENCE:
            return
        for operator in self.schedule.asked():
            if operator.address not in work.acknowledged and self.schedule.attempt(
                operator.file, work.filing
            ):
                work.acknowledged.add(operator.address)


def _signed(digest: bytes, signature: bytes, address: bytes) -> bool:
    try:
        return recover(digest, signature) == address
    except DDLPError:
        return False
