"""The verdict `money`, from events, leaves and opened labels alone; `decide` is not called.

The escrow's and the board's events are replayed in order against the rules that the contracts
enforce; every transfer from or to the escrow must have its event; every claim its leaf; and every
leaf labels that its account signed and that were opened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from oracle.auditor.disputes import Contest, Disputes
from oracle.auditor.flows import Flows
from oracle.auditor.folder import Chain, Transfer
from oracle.auditor.labels import check_labels
from oracle.auditor.published import CampaignContent, Published, place_of
from oracle.auditor.report import Findings
from oracle.auditor.stakes import Stakes
from oracle.auditor.treasury import Standing, TreasuryBooks
from oracle.chain.facts import OPERATOR_ROLE, operator_set
from oracle.errors import ChainError, SignatureError
from oracle.evidence.hashing import ZERO32, MerkleTree, verify_proof
from oracle.evidence.signing import checksum, from_compact, recover
from oracle.evidence.structs import Domain, Head, Receipt
from oracle.ports import ChainEvent
from oracle.quality.payment import BPS

NOBODY = b"\0" * 20
OPERATOR_EVENTS = ("OperatorsSet", "OperatorSynced", "Joined")
STAKE_EVENTS = (
    "Staked",
    "UnbondingStarted",
    "Withdrawn",
    "Slashed",
    "LockSet",
    "LockReleased",
)
TREASURY_EVENTS = ("Credited", "PotFixed", "Compensated", "Swept", "Spent")
# What may still be said of a campaign that was refunded.
AFTER_REFUND = ("Paid", "SlashExecuted", "CaseClosed")
MAX_ATTEMPTS = 3  # voids of one epoch
FORK_DIVISOR = 4  # of the bond a proven fork leaves behind


@dataclass
class CampaignBooks:
    """A campaign's money as the events tell it; amounts in base units, cumulative."""

    number: int
    requester: bytes
    bond_payer: bytes
    token: bytes
    fee_bps: int
    created_at: int
    budget: int
    bond: int
    epoch_cap: int
    pending: tuple[Receipt, bytes, int, int] | None = None  # receipt, digest, posted at, quorum
    reserved: tuple[bytes, int, int] | None = None  # transaction, epoch, amount
    credited: tuple[bytes, int] | None = None  # transaction and epoch of the last Settled
    last: Receipt | None = None
    last_digest: bytes = ZERO32
    last_activity: int = 0  # posted, voided, or the window began anew
    attempt: int = 0  # voids since the last finalized receipt
    voids: dict[int, int] = field(default_factory=lambda: defaultdict(int))  # by epoch
    released: tuple[bytes, int] | None = None  # transaction and amount
    forked_in: bytes | None = None  # transaction
    gateway: bytes = NOBODY
    settled: dict[int, Receipt] = field(default_factory=dict)
    complete: bool = False
    closed_at: int | None = None
    closed_block: int = 0
    notice_at: int | None = None
    refunded: int | None = None
    claimed: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    paid: int = 0  # all claims together
    slashed: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def totals(self) -> tuple[int, int, int]:
        """Payouts, fee and bond charge of the last finalized receipt."""
        if self.last is None:
            return 0, 0, 0
        return self.last.payout_total, self.last.fee_total, self.last.bond_charge

    @property
    def place(self) -> str:
        """How findings name the campaign."""
        return f"campaign {self.number}"


class Books:
    """Replays all events. `leaves` finds the published evidence behind a finalized receipt."""

    def __init__(
        self, chain: Chain, contents: Mapping[int, CampaignContent], found: Findings
    ) -> None:
        self.chain, self.found = chain, found
        self.campaigns: dict[int, CampaignBooks] = {}
        self.published: dict[tuple[int, int], Published] = {
            (number, one.receipt.epoch): one
            for number, content in contents.items()
            for one in content.receipts
            if one.finalized
        }
        self.leaves = {
            key: {leaf.account: number for number, leaf in enumerate(one.leaves)}
            for key, one in self.published.items()
        }
        self.trees = {
            key: MerkleTree([leaf.encode() for leaf in one.leaves])
            for key, one in self.published.items()
        }
        self.domain = Domain(chain.record.chain_id, chain.deployment.board)
        self.operator_events: list[ChainEvent] = []
        self.members: dict[int, tuple[bytes, ...]] = {}
        self.fee_pools: defaultdict[tuple[bytes, int], int] = defaultdict(int)
        self.fees_taken: defaultdict[tuple[bytes, int, bytes], int] = defaultdict(int)
        self.pledges: defaultdict[tuple[bytes, bytes, bytes], int] = defaultdict(int)
        self.flows = Flows(chain.escrow)
        self.stakes = Flows(chain.deployment.vault)
        self.positions = Stakes(chain, found)
        self.allowed: set[bytes] = set()  # tokens
        self.min_fee_bps = 0
        self.min_stake = chain.deployment.parameters.min_operator_stake
        self.outflow, self.inflow = self.flows.out, self.flows.into
        self.disputes = Disputes(chain, found)
        earned = {
            key: {leaf.account: leaf.cumulative for leaf in one.leaves}
            for key, one in self.published.items()
        }
        self.treasury = TreasuryBooks(chain, found, self._standing, earned)
        self.fees_credited: defaultdict[bytes, int] = defaultdict(int)  # by transaction
        self.paused_until = 0

    def replay(self) -> None:
        """Take every event in chain order."""
        for event in self.chain.events:
            if event.name in OPERATOR_EVENTS:
                self._operators(event)
            elif event.name == "CampaignCreated":
                self._created(event)
            elif event.name in ("Pledged", "PledgeWithdrawn"):
                self._pledge(event)
            elif event.name == "FeesWithdrawn":
                self._fees_withdrawn(event)
            elif event.name in STAKE_EVENTS:
                self._stake_moved(event)
            elif event.name in TREASURY_EVENTS:
                self.treasury.take(event)
            elif event.name == "Ruling":
                self.disputes.ruling(event)
            elif event.name == "FeesCredited":
                self._fees_credited(event)
            elif event.name == "ChallengeBondSet":
                self.disputes.challenge_bond = event.arguments["current"]
            elif event.name in ("Paused", "Unpaused"):
                self._paused(event)
            elif event.name == "TokenSet":
                change = self.allowed.add if event.arguments["allowed"] else self.allowed.discard
                change(event.arguments["token"])
            elif event.name == "MinFeeSet":
                self.min_fee_bps = event.arguments["current"]
            elif event.name == "MinOperatorStakeSet":
                self.min_stake = event.arguments["current"]
            elif "campaign" in event.arguments:
                books = self.campaigns.get(event.arguments["campaign"])
                if books is None:
                    self._check(False, "CONTRACT-EVENT", _at(event), "names no created campaign")
                    continue
                self._of_campaign(event, books)
        self.positions.finish()
        self.disputes.finish()
        for transaction in sorted({*self.fees_credited, *self.disputes.owed_to_signers}):
            got = self.fees_credited[transaction]
            due = self.disputes.owed_to_signers[transaction]
            place = f"transaction 0x{transaction.hex()}"
            self._check(got == due, "CASE-BOND", place, f"signers got {got} of {due} forfeited")
        self._check_credits()
        for books in self.campaigns.values():
            self._check_idle(
                books.reserved, "RESERVED-MISMATCH", books, "nothing was posted for it"
            )
            self._check_idle(books.credited, "SETTLED-MISMATCH", books, "nothing was finalized")

    def _of_campaign(self, event: ChainEvent, books: CampaignBooks) -> None:
        handlers = {
            "Funded": self._funded,
            "BondRaised": self._bond_raised,
            "EpochCapRaised": self._cap_raised,
            "ReceiptPosted": self._posted,
            "ReceiptCosigned": self._cosigned,
            "Challenged": self._challenged,
            "CaseClosed": self._case_closed,
            "WindowRestarted": self._restarted,
            "Released": self._released,
            "ReceiptVoided": self._voided,
            "ForkProven": self._forked,
            "Reserved": self._reserved,
            "ReceiptFinalized": self._finalized,
            "Settled": self._settled,
            "Paid": self._paid,
            "SlashExecuted": self._slashed,
            "CampaignClosed": self._closed,
            "AbandonAnnounced": self._abandoned,
            "Refunded": self._refunded,
            "RefundHeld": self._refund_held,
        }
        handler = handlers.get(event.name)
        if handler is None:  # Delegated, StakeCommitted: no money moves
            return
        if event.name not in AFTER_REFUND:
            running = books.refunded is None
            self._check(running, "AFTER-REFUND", _at(event), f"{event.name} after the refund")
        handler(event, books)

    def _check(self, holds: bool, code: str, place: str, sentence: str) -> bool:
        return self.found.check(holds, "money", code, place, sentence)

    def _check_idle(
        self,
        left: tuple[bytes, int] | tuple[bytes, int, int] | None,
        code: str,
        books: CampaignBooks,
        why: str,
    ) -> None:
        """What the escrow notes for a receipt must be taken up by that receipt, once."""
        place = f"transaction 0x{left[0].hex()}" if left is not None else books.place
        self._check(left is None, code, place, why)

    def _time(self, event: ChainEvent) -> int:
        return self.chain.block(event.block).timestamp

    # -- operators -----------------------------------------------------------------------------

    def _operators(self, event: ChainEvent) -> None:
        self.operator_events.append(event)
        if event.name != "OperatorsSet":
            return
        values = event.arguments
        number = values["operator_set"]
        ordered = number == len(self.members) + 1
        self._check(ordered, "CONTRACT-EVENT", _at(event), f"operator set {number} is out of order")
        self.members[number] = values["operators"]
        self._check(
            2 * values["threshold"] > len(values["operators"]),
            "OPERATORS-MINORITY",
            f"operator set {values['operator_set']}",
            f"{values['threshold']} of {len(values['operators'])} could sign alone",
        )
        for member in values["operators"]:
            self._check(
                self.positions.staked[OPERATOR_ROLE, member] >= self.min_stake,
                "OPERATORS-UNSTAKED",
                f"operator set {values['operator_set']}, {checksum(member)}",
                f"signing needs a stake of {self.min_stake}",
            )

    def _stake_moved(self, event: ChainEvent) -> None:
        values, token = event.arguments, self.chain.deployment.token
        self.positions.take(event)
        if event.name == "Staked":
            self.stakes.into[event.transaction, token, values["account"]] += values["amount"]
        elif event.name == "Withdrawn":
            self.stakes.out[event.transaction, token, values["account"]] += values["amount"]
        elif event.name == "Slashed":
            self.stakes.out[event.transaction, token, values["recipient"]] += values["taken"]
            if values["recipient"] == self.chain.deployment.board:
                self.disputes.take_slash(event)

    # -- money in ------------------------------------------------------------------------------

    def _created(self, event: ChainEvent) -> None:
        values = event.arguments
        books = CampaignBooks(
            number=values["campaign"],
            requester=values["requester"],
            bond_payer=values["bond_payer"],
            token=values["token"],
            fee_bps=values["fee_bps"],
            created_at=self._time(event),
            budget=values["budget"],
            bond=values["bond"],
            epoch_cap=values["epoch_cap"],
            gateway=values["gateway"],
        )
        running = self._time(event) >= self.paused_until
        self._check(running, "PAUSED", books.place, "it was created during a pause")
        self._check(
            books.number not in self.campaigns and books.number == len(self.campaigns) + 1,
            "CONTRACT-EVENT",
            _at(event),
            f"campaign {books.number} was created out of order",
        )
        self._check(
            books.bond >= books.epoch_cap and books.fee_bps <= BPS,
            "CAMPAIGN-TERMS",
            books.place,
            "its bond is below its cap, or its fee above 100 %",
        )
        self._check(
            books.token in self.allowed and books.fee_bps >= self.min_fee_bps,
            "CAMPAIGN-TERMS",
            books.place,
            f"its token isn't allowed, or its fee below {self.min_fee_bps} bps",
        )
        self.campaigns[books.number] = books
        arrived = books.budget
        if books.bond_payer == books.requester:
            arrived += books.bond
        else:
            key = (books.bond_payer, books.requester, books.token)
            self.pledges[key] -= books.bond
            enough = self.pledges[key] >= 0
            self._check(enough, "PLEDGE-EXCESS", _at(event), "the bond exceeds what was pledged")
        self.inflow[event.transaction, books.token, books.requester] += arrived

    def _pledge(self, event: ChainEvent) -> None:
        values = event.arguments
        key = (values["payer"], values["requester"], values["token"])
        if event.name == "Pledged":
            self.pledges[key] += values["amount"]
            payer = values["payer"]
            self.inflow[event.transaction, values["token"], payer] += values["amount"]
            return
        self.pledges[key] -= values["amount"]
        enough = self.pledges[key] >= 0
        self._check(enough, "PLEDGE-EXCESS", _at(event), "more was taken back than was pledged")
        self.outflow[event.transaction, values["token"], values["payer"]] += values["amount"]

    def _funded(self, event: ChainEvent, books: CampaignBooks) -> None:
        books.budget += event.arguments["amount"]
        payer = event.arguments["payer"]
        self.inflow[event.transaction, books.token, payer] += event.arguments["amount"]
        fits = books.budget == event.arguments["budget"]
        self._check(fits, "CONSERVATION", _at(event), "the budget doesn't add up")

    def _bond_raised(self, event: ChainEvent, books: CampaignBooks) -> None:
        books.bond += event.arguments["amount"]
        payer = event.arguments["payer"]
        self.inflow[event.transaction, books.token, payer] += event.arguments["amount"]
        fits = books.bond == event.arguments["bond"]
        self._check(fits, "CONSERVATION", _at(event), "the bond doesn't add up")

    def _cap_raised(self, event: ChainEvent, books: CampaignBooks) -> None:
        cap = event.arguments["current"]
        holds = books.epoch_cap < cap <= books.bond and books.closed_at is None
        self._check(holds, "CAMPAIGN-TERMS", _at(event), "the cap fell, or passed the bond")
        books.epoch_cap = cap

    # -- receipts ------------------------------------------------------------------------------

    def _posted(self, event: ChainEvent, books: CampaignBooks) -> None:
        values = event.arguments
        receipt = Receipt.from_tuple(values["receipt"])
        place = place_of(receipt)
        digest = receipt.digest(self.domain)
        holds = digest == values["digest"] and receipt.campaign == values["campaign"]
        self._check(holds, "RECEIPT-DIGEST", place, "the digest logged is another receipt's")
        signers = self._check_signatures(event, digest, place)
        self._check_order(event, receipt, books, place)
        running = self._time(event) >= self.paused_until
        self._check(running, "PAUSED", place, "it was posted during a pause")
        self._check_amounts(receipt, books, place)
        holds = books.reserved == (event.transaction, receipt.epoch, _added(receipt, books))
        self._check(holds, "RESERVED-MISMATCH", place, "the sum reserved isn't what it adds")
        books.reserved = None
        quorum = values["operator_set"] << 32 | values["signers"]
        books.pending = (receipt, digest, self._time(event), quorum)
        books.last_activity = self._time(event)
        self.disputes.post(
            Contest(books.number, digest, books.requester, frozenset(signers), books.last_activity)
        )

    def _check_signatures(self, event: ChainEvent, digest: bytes, place: str) -> list[bytes]:
        values = event.arguments
        operators = operator_set(self.operator_events, event.block)
        signers: list[bytes] = []
        for r, vs in values["signatures"]:
            try:
                signers.append(recover(digest, from_compact(r, vs)))
            except SignatureError as error:
                self._check(False, "SIGNATURE-INVALID", place, str(error))
        for signer in signers:
            name = checksum(signer)
            if self._check(
                signer in operators.members,
                "OUTSIDER-SIGNATURE",
                f"{place}, signer {name}",
                f"{name} is not in operator set {operators.version}",
            ):
                active = signer in operators.active
                where = f"{place}, signer {name}"
                self._check(active, "INACTIVE-SIGNATURE", where, "its stake is too low, or banned")
        ascending = signers == sorted(set(signers))
        self._check(ascending, "SIGNATURE-REPEATED", place, "signers repeat or don't ascend")
        counted = len(set(signers) & set(operators.members))
        self._check(
            counted >= operators.threshold > 0,
            "QUORUM",
            place,
            f"{counted} operators signed, {operators.threshold} must",
        )
        credited = operators.signers(values["signers"])
        self._check(
            values["operator_set"] == operators.version and set(credited) == set(signers),
            "SIGNERS-BITMAP",
            place,
            "the operators credited with the receipt are not its signers",
        )
        return signers

    def _check_order(
        self, event: ChainEvent, receipt: Receipt, books: CampaignBooks, place: str
    ) -> None:
        last = books.last
        pending = books.pending is not None
        self._check(not pending, "RECEIPT-ORDER", place, "another receipt was still pending")
        holds = receipt.previous == books.last_digest
        self._check(holds, "RECEIPT-ORDER", place, "its predecessor isn't the last finalized one")
        before = last.epoch if last is not None else 0
        holds = receipt.epoch > before
        self._check(holds, "RECEIPT-ORDER", place, f"it doesn't come after epoch {before}")
        voids = books.attempt
        why = f"{voids} receipts were voided before it"
        self._check(receipt.attempt == voids, "RECEIPT-ATTEMPT", place, why)
        spent = voids > 0 and books.voids[receipt.epoch] >= MAX_ATTEMPTS
        self._check(not spent, "RECEIPT-ATTEMPT", place, "the attempts of its epoch were spent")
        anchored = (last.as_of if last is not None else 0) <= receipt.as_of < event.block
        self._check(anchored, "RECEIPT-ANCHOR", place, f"it is as of block {receipt.as_of}")
        if last is not None:
            rises = (
                receipt.log_position >= last.log_position
                and receipt.label_count >= last.label_count
                and receipt.item_count >= last.item_count
            )
            self._check(rises, "RECEIPT-FELL", place, "log, labels or items are fewer than before")
        if receipt.final:
            late = books.closed_at is not None and receipt.as_of >= books.closed_block
            self._check(late, "FINAL-EARLY", place, "its cut is before the campaign was closed")

    def _check_amounts(self, receipt: Receipt, books: CampaignBooks, place: str) -> None:
        payout, fee, charge = books.totals
        rises = (
            receipt.payout_total >= payout
            and receipt.fee_total >= fee
            and receipt.bond_charge >= charge
        )
        self._check(rises, "TOTALS-FELL", place, "payouts, fee or bond charge are less than before")
        holds = receipt.fee_total * BPS <= receipt.payout_total * books.fee_bps
        self._check(holds, "FEE-EXCESS", place, f"the rate is {books.fee_bps} bps")
        holds = receipt.bond_charge <= min(books.bond, receipt.payout_total)
        self._check(holds, "BOND-EXCEEDED", place, f"the bond holds {books.bond}")
        holds = _added(receipt, books) <= books.epoch_cap + receipt.bond_charge - charge
        self._check(holds, "CAP-EXCEEDED", place, f"it adds {_added(receipt, books)}")
        spent = receipt.payout_total + receipt.fee_total - receipt.bond_charge
        holds = spent <= books.budget
        self._check(holds, "BUDGET-EXCEEDED", place, f"{spent} of a budget of {books.budget}")

    def _reserved(self, event: ChainEvent, books: CampaignBooks) -> None:
        values = event.arguments
        self._check_idle(books.reserved, "RESERVED-MISMATCH", books, "a sum is reserved for none")
        books.reserved = (event.transaction, values["epoch"], values["amount"])

    def _settled(self, event: ChainEvent, books: CampaignBooks) -> None:
        values = event.arguments
        place = f"{books.place}, epoch {values['epoch']}"
        if books.pending is None:
            self._check(False, "RECEIPT-MISSING", place, "the escrow settled without a receipt")
            return
        receipt, _, _, quorum = books.pending
        fee = receipt.fee_total - books.totals[1]
        says = (
            values["epoch"],
            values["payout_root"],
            values["payout_total"],
            values["fee_total"],
            values["bond_charge"],
            values["fee"],
            values["quorum"],
            values["complete"],
        )
        complete = _is_complete(receipt, books)
        must = (
            receipt.epoch,
            receipt.payout_root,
            receipt.payout_total,
            receipt.fee_total,
            receipt.bond_charge,
            fee,
            quorum,
            complete,
        )
        self._check(
            says == must, "SETTLED-MISMATCH", place, "the sums settled aren't the receipt's"
        )
        self._check_idle(books.credited, "SETTLED-MISMATCH", books, "a receipt is settled twice")
        self.fee_pools[books.token, quorum] += max(0, fee)
        books.complete = complete
        books.credited = (event.transaction, values["epoch"])

    def _finalized(self, event: ChainEvent, books: CampaignBooks) -> None:
        values = event.arguments
        place = f"{books.place}, epoch {values['epoch']}"
        known = books.pending is not None and (
            (books.pending[1], books.pending[0].epoch) == (values["digest"], values["epoch"])
        )
        if not self._check(known, "FINALIZED-UNKNOWN", place, "it wasn't the receipt pending"):
            return
        assert books.pending is not None
        receipt, digest, _, _ = books.pending
        contest = self.disputes.contests[digest]
        window = self.chain.deployment.parameters.window_seconds
        held = self._time(event) >= contest.window_from + window
        self._check(held, "WINDOW-SHORT", place, f"less than {window} s after its window began")
        self._check(not contest.open, "CHALLENGE-OPEN", place, "a case against it was open")
        books.attempt = 0
        holds = books.credited == (event.transaction, receipt.epoch)
        self._check(holds, "SETTLED-MISMATCH", place, "the escrow didn't settle it")
        books.last, books.last_digest, books.pending = receipt, digest, None
        books.credited = None
        books.settled[receipt.epoch] = receipt

    # -- challenges ------------------------------------------------------------------------------

    def _cosigned(self, event: ChainEvent, books: CampaignBooks) -> None:
        values, place = event.arguments, books.place
        known = books.pending is not None and books.pending[1] == values["digest"]
        if not self._check(known, "FINALIZED-UNKNOWN", place, "it wasn't the receipt pending"):
            return
        assert books.pending is not None
        receipt, digest, posted_at, quorum = books.pending
        contest = self.disputes.contests[digest]
        half = self.chain.deployment.parameters.window_seconds // 2
        holds = self._time(event) < contest.window_from + half and not contest.challenged
        self._check(holds, "COSIGNED-LATE", place, "half the window was over, or it was challenged")
        added: set[bytes] = set()
        for r, vs in values["signatures"]:
            try:
                added.add(recover(digest, from_compact(r, vs)))
            except SignatureError as error:
                self._check(False, "SIGNATURE-INVALID", place, str(error))
        operators = operator_set(self.operator_events, event.block)
        for signer in sorted(added):
            holds = signer in operators.members and signer in operators.active
            where = f"{place}, signer {checksum(signer)}"
            self._check(holds, "OUTSIDER-SIGNATURE", where, "not an active operator of the set")
        signers = contest.signers | added
        credited = set(operators.signers(values["signers"]))
        holds = quorum >> 32 == operators.version and credited == signers
        self._check(holds, "SIGNERS-BITMAP", place, "those credited are not its signers")
        contest.signers = frozenset(signers)
        books.pending = (receipt, digest, posted_at, quorum >> 32 << 32 | values["signers"])

    def _challenged(self, event: ChainEvent, books: CampaignBooks) -> None:
        self.disputes.challenged(event, books.pending[1] if books.pending is not None else None)

    def _case_closed(self, event: ChainEvent, books: CampaignBooks) -> None:
        self.disputes.closed(event)

    def _restarted(self, event: ChainEvent, books: CampaignBooks) -> None:
        self.disputes.restarted(event)
        books.last_activity = self._time(event)

    def _released(self, event: ChainEvent, books: CampaignBooks) -> None:
        books.released = (event.transaction, event.arguments["amount"])

    def _voided(self, event: ChainEvent, books: CampaignBooks) -> None:
        values, place = event.arguments, f"{books.place}, epoch {event.arguments['epoch']}"
        self.disputes.voided(event)
        known = books.pending is not None and books.pending[1] == values["digest"]
        if not self._check(known, "VOID-UNFOUNDED", place, "it wasn't the receipt pending"):
            return
        assert books.pending is not None
        receipt = books.pending[0]
        says, must = (values["epoch"], values["attempt"]), (receipt.epoch, books.attempt)
        self._check(says == must, "RECEIPT-ATTEMPT", place, f"it was attempt {books.attempt}")
        freed = books.released == (event.transaction, _added(receipt, books))
        self._check(freed, "RESERVED-MISMATCH", place, "what it had reserved wasn't set free")
        books.pending, books.released = None, None
        books.attempt += 1
        books.voids[receipt.epoch] += 1
        books.last_activity = self._time(event)

    def _forked(self, event: ChainEvent, books: CampaignBooks) -> None:
        values = event.arguments
        domain = Domain(self.chain.record.chain_id, self.chain.escrow)
        heads = (values["first"], values["second"])
        signed = [
            _recovered(Head(books.number, values["position"], one[0], one[1]).digest(domain), one)
            for one in heads
        ]
        holds = signed == [books.gateway] * 2 and heads[0][1] != heads[1][1]
        why = "its heads are the same, or not both the gateway's"
        self._check(holds and books.forked_in is None, "FORK-UNPROVEN", books.place, why)
        books.forked_in = event.transaction

    def _paused(self, event: ChainEvent) -> None:
        now, parameters = self._time(event), self.chain.deployment.parameters
        if event.name == "Unpaused":
            self.paused_until = min(self.paused_until, now)
            return
        until = event.arguments["until"]
        cooled = not self.paused_until or (
            now >= self.paused_until + parameters.pause_cooldown_seconds
        )
        holds = cooled and until <= now + parameters.max_pause_seconds
        self._check(holds, "PAUSED", _at(event), "the pause is too long, or too soon after another")
        self.paused_until = until

    def _fees_credited(self, event: ChainEvent) -> None:
        values = event.arguments
        self.fee_pools[values["token"], values["quorum"]] += values["amount"]
        self.fees_credited[event.transaction] += values["amount"]
        board = self.chain.deployment.board
        self.inflow[event.transaction, values["token"], board] += values["amount"]

    def _standing(self, campaign: int) -> Standing:
        books = self.campaigns.get(campaign)
        if books is None:
            return Standing(0, 0, False)
        epoch = books.last.epoch if books.last is not None else 0
        return Standing(epoch, books.totals[0], books.refunded is not None)

    def _check_credits(self) -> None:
        """What vault, board and escrow gave to the treasury is what it counts."""
        treasury = self.treasury
        given: defaultdict[tuple[bytes, bytes], int] = defaultdict(int)
        for flows in (self.flows, self.stakes, self.disputes.flows):
            for (transaction, token, receiver), amount in flows.out.items():
                if receiver == treasury.flows.holder:
                    treasury.flows.into[transaction, token, flows.holder] += amount
                    given[transaction, token] += amount
        for key in sorted({*given, *treasury.credited}):
            place = f"transaction 0x{key[0].hex()}"
            got, due = treasury.credited.get(key, 0), given.get(key, 0)
            self._check(got == due, "CREDIT-MISMATCH", place, f"it counts {got}, {due} came in")

    # -- claims, fees, slashes -----------------------------------------------------------------

    def _paid(self, event: ChainEvent, books: CampaignBooks) -> None:
        values = event.arguments
        account, amount, epoch = values["account"], values["amount"], values["epoch"]
        place = f"{_at(event)}, {checksum(account)}"
        self.outflow[event.transaction, books.token, account] += amount
        before = books.claimed[account]
        books.claimed[account] += amount
        books.paid += amount
        receipt = books.settled.get(epoch)
        why = f"epoch {epoch} had no finalized receipt then"
        if not self._check(receipt is not None, "CLAIM-UNFINALIZED", place, why):
            return
        holds = books.paid <= books.totals[0]
        self._check(holds, "CLAIM-EXCESS", place, "all claims together exceed the payouts")
        key = (books.number, epoch)
        if key not in self.published:
            return  # its evidence couldn't be read, which is said elsewhere
        number = self.leaves[key].get(account)
        why = "the receipt's evidence has no leaf for the account"
        if not self._check(number is not None, "CLAIM-UNKNOWN", place, why):
            return
        assert number is not None
        assert receipt is not None
        leaf = self.published[key].leaves[number]
        proof = self.trees[key].proof(number)
        holds = verify_proof(leaf.encode(), proof, receipt.payout_root)
        self._check(holds, "CLAIM-UNKNOWN", place, "the leaf isn't in the receipt's tree")
        holds = books.claimed[account] <= max(leaf.cumulative, before)
        self._check(holds, "CLAIM-EXCESS", place, f"the leaf is {leaf.cumulative}")
        counters = (values["accepted"], values["submitted"])
        holds = counters == (leaf.accepted, leaf.submitted)
        why = f"the leaf counts {leaf.accepted} of {leaf.submitted} labels"
        self._check(holds, "CLAIM-COUNTERS", place, why)
        holds = amount == max(0, leaf.cumulative - before)
        self._check(holds, "CLAIM-AMOUNT", place, f"{leaf.cumulative - before} was owed")

    def _fees_withdrawn(self, event: ChainEvent) -> None:
        values = event.arguments
        operator, token, quorum = values["operator"], values["token"], values["quorum"]
        self.outflow[event.transaction, token, operator] += values["amount"]
        self.fees_taken[token, quorum, operator] += values["amount"]
        members = self.members.get(quorum >> 32, ())
        seats = [one for seat, one in enumerate(members) if quorum >> seat & 1]
        pool = self.fee_pools.get((token, quorum), 0)
        of_treasury = pool * self.chain.deployment.parameters.treasury_bps // BPS
        due = (pool - of_treasury) // len(seats) if operator in seats else 0
        if operator == self.chain.deployment.treasury:
            due = of_treasury
        self._check(
            self.fees_taken[token, quorum, operator] <= due,
            "FEES-EXCESS",
            f"{_at(event)}, {checksum(operator)}",
            f"its share of this quorum's fees is {due}",
        )

    def _slashed(self, event: ChainEvent, books: CampaignBooks) -> None:
        values = event.arguments
        account, key = values["account"], (books.number, values["epoch"])
        place = f"{_at(event)}, {checksum(account)}"
        self.positions.take(event)
        before = books.slashed[account]
        books.slashed[account] += values["taken"]
        known = values["epoch"] in books.settled and values["taken"] <= values["demanded"]
        self._check(known, "SLASH-EXCESS", place, "no finalized receipt, or more than demanded")
        if key in self.published:
            slashes = self.published[key].slashes
            due = {leaf.account: leaf.cumulative for leaf in slashes}.get(account, 0)
            holds = before + values["demanded"] <= due
            self._check(holds, "SLASH-EXCESS", place, f"the receipt says {due}")

    # -- the end -------------------------------------------------------------------------------

    def _closed(self, event: ChainEvent, books: CampaignBooks) -> None:
        abandon = self.chain.deployment.parameters.abandon_seconds
        idle_since = max(books.created_at, books.last_activity, self.paused_until)
        self._check(
            books.closed_at is None
            and (
                event.arguments["caller"] == books.requester
                or books.forked_in == event.transaction
                or self._time(event) >= idle_since + abandon
            ),
            "CLOSE-EARLY",
            _at(event),
            "only the requester may close while receipts come",
        )
        books.closed_at, books.closed_block = self._time(event), event.block

    def _abandoned(self, event: ChainEvent, books: CampaignBooks) -> None:
        parameters = self.chain.deployment.parameters
        idle_since = max(books.closed_at or 0, books.last_activity, self.paused_until)
        self._check(
            books.closed_at is not None
            and not books.complete
            and books.pending is None
            and event.arguments["caller"] in (books.requester, books.bond_payer)
            and self._time(event) >= idle_since + parameters.abandon_seconds,
            "REFUND-EARLY",
            _at(event),
            "the campaign was given up before it may be",
        )
        books.notice_at = self._time(event)

    def _refunded(self, event: ChainEvent, books: CampaignBooks) -> None:
        values = event.arguments
        notice = self.chain.deployment.parameters.notice_seconds
        given_up = (
            books.notice_at is not None
            and max(books.last_activity, self.paused_until) < books.notice_at
            and self._time(event) >= books.notice_at + notice
        )
        self._check(
            books.closed_at is not None and books.pending is None and (books.complete or given_up),
            "REFUND-EARLY",
            _at(event),
            "the campaign had no complete final receipt, nor was it given up in time",
        )
        payout, fee, charge = books.totals
        rest = books.bond - charge
        forfeited = min(books.bond // FORK_DIVISOR, rest) if books.forked_in is not None else 0
        due = (books.budget - (payout + fee - charge), rest - forfeited, forfeited)
        holds = (values["budget"], values["bond"], values["forfeited"]) == due
        why = f"budget and bond owe {due[0]} and {due[1]}, a proven fork {due[2]}"
        self._check(holds, "REFUND-AMOUNT", _at(event), why)
        holds = (values["requester"], values["bond_payer"]) == (books.requester, books.bond_payer)
        self._check(holds, "REFUND-RECIPIENT", _at(event), "it went to others than its payers")
        self.outflow[event.transaction, books.token, values["requester"]] += values["budget"]
        self.outflow[event.transaction, books.token, values["bond_payer"]] += values["bond"]
        treasury = self.chain.deployment.treasury
        if values["forfeited"]:
            self.outflow[event.transaction, books.token, treasury] += values["forfeited"]
        books.refunded = values["budget"] + values["bond"] + values["forfeited"]

    def _refund_held(self, event: ChainEvent, books: CampaignBooks) -> None:
        """The token refused the payee: what it is owed stays, as a pledge to itself."""
        values = event.arguments
        payee, token, amount = values["payee"], values["token"], values["amount"]
        payees = (books.requester, books.bond_payer, self.chain.deployment.treasury)
        known = payee in payees and token == books.token
        why = "it is held for others than its payers"
        if not self._check(known, "REFUND-RECIPIENT", _at(event), why):
            return
        self.pledges[payee, payee, token] += amount
        self.outflow[event.transaction, token, payee] -= amount


def check_money(chain: Chain, contents: Mapping[int, CampaignContent], found: Findings) -> Books:
    """Judge all money of the escrow, and the leaves and labels of the campaigns in `contents`."""
    books = Books(chain, contents, found)
    books.replay()
    for content in contents.values():
        _check_leaves(content, found)
        check_labels(content, found)
    _check_transfers(chain, books, found)
    return books


def _check_leaves(content: CampaignContent, found: Findings) -> None:
    """Trees and totals are those of the leaves; no leaf falls."""
    before: dict[bytes, int] = {}
    for one in content.receipts:
        if one.voided:
            continue
        evidence, receipt = one.evidence, one.receipt
        same = evidence.payout_tree.root == receipt.payout_root
        found.check(same, "money", "LEAVES-ROOT", one.place, "payoutRoot isn't that of the leaves")
        same = evidence.slash_tree.root == receipt.slash_root
        found.check(same, "money", "LEAVES-ROOT", one.place, "slashRoot isn't that of the slashes")
        total = sum(leaf.cumulative for leaf in evidence.leaves)
        same = total == receipt.payout_total
        found.check(same, "money", "PAYOUT-TOTAL", one.place, f"the leaves add up to {total}")
        leaves = {leaf.account: leaf.cumulative for leaf in evidence.leaves}
        for account, amount in before.items():
            found.check(
                leaves.get(account, 0) >= amount,
                "money",
                "LEAF-FELL",
                f"{one.place}, {checksum(account)}",
                f"it was {amount} and is {leaves.get(account, 0)}",
            )
        if one.finalized:
            before = leaves


def _check_transfers(chain: Chain, books: Books, found: Findings) -> None:
    """Every transfer from or to escrow and vault has its event, and the sums are the proven
    balances."""
    token = chain.deployment.token
    holders = {
        "escrow": books.flows,
        "vault": books.stakes,
        "board": books.disputes.flows,
        "treasury": books.treasury.flows,
    }
    for name, said in holders.items():
        moved = Flows(said.holder)
        for transfer in chain.transfers:
            if transfer.sender == said.holder:
                moved.out[transfer.transaction, transfer.token, transfer.receiver] += (
                    transfer.amount
                )
            if transfer.receiver == said.holder:
                moved.into[transfer.transaction, transfer.token, transfer.sender] += transfer.amount
        _compare(moved, said, found)
        held = moved.balance(token)
        _check_balance(chain, name, said.holder, held, found)
    for own_token in sorted({one.token for one in books.campaigns.values()} - {token}):
        why = "a campaign pays in it, but only LabelToken's code and balances are proven"
        found.add("money", "TOKEN-UNPROVEN", f"token {checksum(own_token)}", why)
    own = [one for one in chain.transfers if one.token == token]
    _check_spent(own, found)
    minted = sum(one.amount for one in own if one.sender == NOBODY)
    burned = sum(one.amount for one in own if one.receiver == NOBODY)
    try:
        supply = chain.record.token_supply(token)
    except ChainError as error:
        found.cannot_tell("money", str(error))
        return
    why = f"mints and burns leave {minted - burned}, the proven supply is {supply}"
    found.check(supply == minted - burned, "money", "TOKEN-SUPPLY", "LabelToken", why)


def _check_spent(transfers: Sequence[Transfer], found: Findings) -> None:
    """Nobody spends tokens that no mint or transfer brought them."""
    balances: defaultdict[bytes, int] = defaultdict(int)
    for one in transfers:
        balances[one.sender] -= one.amount
        balances[one.receiver] += one.amount
        found.checks += 1
        if one.sender != NOBODY and balances[one.sender] < 0:
            place = f"transaction 0x{one.transaction.hex()}, {checksum(one.sender)}"
            found.add("money", "TOKEN-SUPPLY", place, "it spends tokens that it never had")


def _compare(moved: Flows, said: Flows, found: Findings) -> None:
    for key in sorted({*moved.out, *said.out}):
        transaction, _, receiver = key
        went, must = moved.out.get(key, 0), said.out.get(key, 0)
        place = f"transaction 0x{transaction.hex()}, {checksum(receiver)}"
        why = f"{went} went out, its events say {must}"
        found.check(went <= must, "money", "OUTFLOW-UNTRACED", place, why)
        found.check(went >= must, "money", "OUTFLOW-MISSING", place, why)
    for source in sorted({*moved.into, *said.into}):
        came, must = moved.into.get(source, 0), said.into.get(source, 0)
        place = f"transaction 0x{source[0].hex()}, {checksum(source[2])}"
        why = f"{came} came in, its events say {must}"
        found.check(came >= must, "money", "INFLOW-MISSING", place, why)
        found.check(came <= must, "money", "INFLOW-UNANNOUNCED", place, why)


def _check_balance(chain: Chain, name: str, holder: bytes, held: int, found: Findings) -> None:
    try:
        balance = chain.record.token_balance(chain.deployment.token, holder)
    except ChainError as error:
        found.cannot_tell("money", f"{name}: {error}")
        return
    why = f"transfers leave {held} in it, its proven balance is {balance}"
    found.check(balance == held, "money", "CONSERVATION", name, why)


def _recovered(digest: bytes, signed: tuple[bytes, bytes, bytes, bytes]) -> bytes | None:
    try:
        return recover(digest, from_compact(signed[2], signed[3]))
    except SignatureError:
        return None


def _added(receipt: Receipt, books: CampaignBooks) -> int:
    payout, fee, _ = books.totals
    return receipt.payout_total + receipt.fee_total - payout - fee


def _is_complete(receipt: Receipt, books: CampaignBooks) -> bool:
    """Whether a final receipt left nothing owed: one more base unit would have fit the cap."""
    if not receipt.final:
        return False
    payout, fee, charge = books.totals
    one_more = receipt.payout_total + 1
    one_more += one_more * books.fee_bps // BPS
    return one_more <= books.epoch_cap + receipt.bond_charge - charge + payout + fee


def _at(event: ChainEvent) -> str:
    return f"transaction 0x{event.transaction.hex()}"
