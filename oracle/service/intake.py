"""What an operator offers contributors beside the gateway: it confirms leases, and takes what the
gateway doesn't log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from oracle.errors import FormatError, GatewayBusy, GatewayRefusal, ProtocolFault, SignatureError
from oracle.evidence.codec import MAX_BLOCK
from oracle.evidence.entries import Lease, LogRow, Submission, decode_entry
from oracle.evidence.hashing import keccak256, sha256
from oracle.evidence.signing import recover
from oracle.evidence.structs import Acknowledgement, Confirmation
from oracle.ports import Filing, LeaseCertificate, OpenedSubmission, OperatorStore
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.protocol.facts import Block
from oracle.protocol.ledger import Filings, Ledger, Secrets
from oracle.protocol.openings import named_block
from oracle.service.follower import Follower, is_signed

Signer = Callable[[bytes], bytes]  # a 32-byte digest to 65 bytes of signature
ASK_AGAIN_SECONDS = 10  # until a lease that the gateway signed may have come


class Intake:
    """Confirmations and filings of one campaign at one operator.

    `members` are the operator set's addresses; `quorum` of their confirmations make a certificate.
    """

    def __init__(self, store: OperatorStore, log: Follower, signer: Signer) -> None:
        self._store, self._log, self._signer = store, log, signer
        self._ledger: Ledger | None = None
        self._cuts: tuple[tuple[int, Block, Filings], ...] = ()
        self.filings: dict[bytes, Filing] = store.filings()
        self._filed: dict[tuple[bytes, int], bytes] = {}
        for entry_hash, filing in self.filings.items():
            self._index(entry_hash, filing)
        self.certificates: dict[bytes, LeaseCertificate] = {
            entry_hash: _decode_certificate(data)
            for entry_hash, data in store.notes("certificate").items()
        }

    # -- leases ------------------------------------------------------------------------------

    def confirm(
        self,
        position: int,
        entry_hash: bytes,
        campaign: Campaign,
        previous: EpochResult | None,
    ) -> bytes:
        """Sign that our log has the lease at `position` and that no fault touches it."""
        rows = self._log.rows
        row = rows[position - 1] if 1 <= position <= len(rows) else None
        if row is None or row.entry_hash != entry_hash:
            raise GatewayBusy(
                "LEASE-UNKNOWN",
                "our log doesn't have this lease there: ask again in a while",
                ASK_AGAIN_SECONDS,
            )
        if self._log.fork is not None:
            raise GatewayRefusal(
                "LEASE-FORK", "the gateway keeps two logs: label for another campaign"
            )
        self._check_backed(row, campaign, previous)
        confirmation = Confirmation(campaign.facts.campaign, position, row.entry_hash, row.head)
        return self._signer(confirmation.digest(campaign.facts.board_domain))

    def _check_backed(self, row: LogRow, campaign: Campaign, previous: EpochResult | None) -> None:
        ledger = self.ledger(campaign, previous)
        try:
            entry = row.entry
        except FormatError as error:
            raise GatewayRefusal("LEASE-UNKNOWN", f"{error}: ask the gateway again") from error
        if not isinstance(entry, Lease):
            raise GatewayRefusal("LEASE-UNKNOWN", "that entry is no lease: name the lease's place")
        for item in entry.items:
            leased = ledger.leases.get((entry.contributor, item))
            if leased is None or leased.position != row.position or leased.fault is not None:
                code = leased.fault if leased is not None and leased.fault else "LEASE-INVALID"
                raise GatewayRefusal(
                    code, f"item {item} isn't leased as the rules say: don't work on this lease"
                )

    def certify(
        self,
        certificate: LeaseCertificate,
        campaign: Campaign,
        members: Iterable[bytes],
        quorum: int,
        *,
        now: int,
    ) -> None:
        """Keep that a quorum confirmed a lease; GatewayRefusal where it doesn't."""
        row = certificate.row
        if row.entry_hash in self.certificates or row.position <= self._log.settled:
            return  # a log that lacks a settled lease is refused for its head
        facts = campaign.facts
        digest = Confirmation(facts.campaign, row.position, row.entry_hash, row.head).digest(
            facts.board_domain
        )
        signers = set()
        for signature in certificate.signatures[:64]:
            try:
                signers.add(recover(digest, signature))
            except SignatureError:
                continue
        whole = keccak256(row.data) == row.entry_hash and row.data[:1] == bytes([Lease.KIND])
        if not whole or not is_signed(row, campaign) or len(signers & set(members)) < quorum:
            raise GatewayRefusal(
                "CERTIFICATE", f"{quorum} operators must have confirmed the lease: ask them again"
            )
        rows = self._log.rows
        if row.position <= len(rows) and rows[row.position - 1].head != row.head:
            self._log.compare((row,), campaign)
        data = _encode_certificate(certificate)
        self._store.note("certificate", row.entry_hash, data, now=now)
        self.certificates[row.entry_hash] = certificate

    # -- filings -----------------------------------------------------------------------------

    def file(
        self, filing: Filing, campaign: Campaign, previous: EpochResult | None, *, now: int
    ) -> bytes:
        """Check and keep a submission; return our signed acknowledgement."""
        entry, epoch = self._check_filing(filing, campaign, previous)
        cuts = [named_block(campaign, previous, epoch, final=final) for final in (False, True)]
        grace = campaign.manifest.grace_seconds
        if any(named is not None and now > named.timestamp + grace for named in cuts):
            raise GatewayRefusal(
                "FILING-LATE",
                f"epoch {epoch} was cut more than {grace} seconds ago: it is too late",
            )
        entry_hash = keccak256(filing.entry)
        if any(
            self._filed.get((entry.contributor, item), entry_hash) != entry_hash
            for item in entry.items
        ):
            raise GatewayRefusal(
                "FILING-REPEATED",
                "another submission of yours was filed for these items: one counts",
            )
        opened = self._log.open(filing.entry, entry, filing.opening, campaign)
        if opened is None:
            raise GatewayRefusal(
                "FILING-OPENING", "the sealed opening doesn't open the labels: seal it again"
            )
        self.keep(filing, opened, now=now)
        word = Acknowledgement(campaign.facts.campaign, opened.entry_hash, epoch)
        return self._signer(word.digest(campaign.facts.board_domain))

    def take(
        self, filing: Filing, campaign: Campaign, previous: EpochResult | None, *, now: int
    ) -> bool:
        """Keep a filing that a peer acknowledged, openable by us or not; say whether it stands."""
        if keccak256(filing.entry) in self.filings:
            return True
        try:
            entry, _ = self._check_filing(filing, campaign, previous, sealed=bool(filing.opening))
        except GatewayRefusal:
            return False
        opened = None
        if filing.opening:
            opened = self._log.open(filing.entry, entry, filing.opening, campaign)
        self.keep(filing, opened, now=now)
        return True

    def _check_filing(
        self,
        filing: Filing,
        campaign: Campaign,
        previous: EpochResult | None,
        *,
        sealed: bool = True,
    ) -> tuple[Submission, int]:
        """Return a filing's entry and the epoch of its lease."""
        try:
            entry = decode_entry(filing.entry)
        except FormatError as error:
            raise GatewayRefusal("FILING-FORMAT", f"{error}: encode it anew") from error
        if not isinstance(entry, Submission):
            raise GatewayRefusal("FILING-KIND", "only submissions are filed: file nothing else")
        wrong = len(filing.opening) > MAX_BLOCK or sha256(filing.opening) != entry.opening
        if sealed and wrong:
            raise GatewayRefusal(
                "FILING-OPENING", "the sealed opening isn't the one signed: send it unchanged"
            )
        ledger = self.ledger(campaign, previous)
        settled = previous.receipt.epoch if previous is not None else 0
        at = self._log.places.get(keccak256(filing.entry), 0)
        if at > self._log.settled and at not in {position for position, _ in ledger.rejected}:
            return entry, ledger.epoch  # it counts in our log; filed, on every other branch too
        try:
            return entry, ledger.check_filing(entry, after_epoch=settled)
        except ProtocolFault as fault:
            raise GatewayRefusal(fault.code, f"{fault.message}: it can't be filed") from fault

    def keep(self, filing: Filing, opened: OpenedSubmission | None, *, now: int) -> None:
        """Keep a filing that was checked, and what opens it."""
        self._store.add_filing(filing, opened, now=now)
        self.filings[keccak256(filing.entry)] = filing
        self._index(keccak256(filing.entry), filing)
        self._log.add_opened((opened,) if opened is not None else (), now=now)

    def _index(self, entry_hash: bytes, filing: Filing) -> None:
        entry = decode_entry(filing.entry)
        assert isinstance(entry, Submission)
        for item in entry.items:
            self._filed.setdefault((entry.contributor, item), entry_hash)

    def forget(self, campaign: Campaign, previous: EpochResult) -> None:
        """Drop filings that a finalized receipt has counted or passed over, and certificates of
        leases up to its cut."""
        settled = self._log.settled
        past = [key for key, one in self.certificates.items() if one.row.position <= settled]
        self._store.forget(certificates=past)
        for entry_hash in past:
            del self.certificates[entry_hash]
        for entry_hash, filing in list(self.filings.items()):
            try:
                self._check_filing(filing, campaign, previous, sealed=False)
                continue
            except GatewayRefusal:
                pass
            entry = decode_entry(filing.entry)
            assert isinstance(entry, Submission)
            del self.filings[entry_hash]
            for item in entry.items:
                self._filed.pop((entry.contributor, item), None)
            self._store.forget(filings=(entry_hash,))

    # -- the log as of now -------------------------------------------------------------------

    def ledger(self, campaign: Campaign, previous: EpochResult | None) -> Ledger:
        """Return the state of our log at its end; what was read before isn't read again."""
        rows, ledger = self._log.rows, self._ledger
        cuts = previous.cuts if previous is not None else ()
        closed = previous.closed if previous is not None else {}
        if ledger is None or cuts != self._cuts or not _extends(rows, ledger):
            secrets = previous.secrets if previous is not None else Secrets({}, {}, whole=False)
            ledger = Ledger(
                campaign.manifest, campaign.facts, closed=closed, secrets=secrets, cuts=cuts
            )
            self._ledger, self._cuts = ledger, cuts
        ledger.follow(campaign.facts, closed)
        ledger.read(rows[ledger.position :])
        return ledger


def _extends(rows: Sequence[LogRow], ledger: Ledger) -> bool:
    read = ledger.position
    return not read or (len(rows) >= read and rows[read - 1].head == ledger.head)


def _encode_certificate(certificate: LeaseCertificate) -> bytes:
    row = certificate.row
    head = row.position.to_bytes(8, "big") + row.entry_hash + row.head + row.signature
    count = len(certificate.signatures).to_bytes(2, "big")
    return head + count + b"".join(certificate.signatures) + row.data


def _decode_certificate(data: bytes) -> LeaseCertificate:
    position = int.from_bytes(data[:8], "big")
    entry_hash, head, signature = data[8:40], data[40:72], data[72:137]
    first = 139
    end = first + 65 * int.from_bytes(data[137:139], "big")
    signatures = tuple(data[at : at + 65] for at in range(first, end, 65))
    row = LogRow(position, data[end:], entry_hash, head, signature)
    return LeaseCertificate(row, signatures)
