"""What a contributor earned: sums by campaign, every label with what became of it, claims of all
at once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

from oracle.chain.poster import MANY, claim_many_call
from oracle.errors import (
    ContentCorrupt,
    ContentMissing,
    ContentUnavailable,
    FormatError,
    InputError,
)
from oracle.gateway.gateway import Gateway, served
from oracle.gateway.outcomes import Disputes, Judge
from oracle.gateway.receipts import Receipts
from oracle.ports import (
    CampaignEarnings,
    ChainReader,
    ClaimedAll,
    Earnings,
    LabelRecord,
    LabelStore,
    PayoutClaim,
    ReceiptPoster,
)
from oracle.quality.payment import expected_reward

SUBMISSIONS_A_PAGE = 10
# A page asks for its sums every few seconds, and a node takes a millisecond for each: what a wallet
# holds and has drawn is believed for so long, unless it is to change, since its owner claims.
KEPT_SECONDS = 15.0
CLAIM_SECONDS = 120.0  # that a wallet's own transaction is waited for
KEPT_WALLETS = 10_000
_UNREADABLE = (ContentMissing, ContentCorrupt, ContentUnavailable, FormatError)


class Wallets:
    """What accounts hold of a token and have drawn from campaigns, as the chain told it within the
    last `KEPT_SECONDS` and since their last claim here; threads may share it."""

    def __init__(
        self, reader: ChainReader, token: bytes, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader, self._token, self._clock = reader, token, clock
        self._kept: dict[bytes, tuple[float, dict[int | None, int]]] = {}
        self._claiming: dict[bytes, float] = {}  # until when

    def balance(self, account: bytes) -> int:
        """Return an account's tokens, base units."""
        return self._known(account, None, lambda: self._reader.balance(self._token, account))

    def claimed(self, campaign: int, account: bytes) -> int:
        """Return what an account has drawn from a campaign, base units."""
        return self._known(
            account, campaign, lambda: self._reader.claimed(campaign, account).cumulative
        )

    def forget(self, account: bytes) -> None:
        """Ask the chain anew next time."""
        self._kept.pop(account, None)

    def expect_claim(self, account: bytes) -> None:
        """Ask the chain every time until a transaction that the wallet itself sends may be in a
        block."""
        now = self._clock()
        self._claiming = {one: until for one, until in self._claiming.items() if until > now}
        self._claiming[account] = now + CLAIM_SECONDS

    def _known(self, account: bytes, name: int | None, ask: Callable[[], int]) -> int:
        now = self._clock()
        if self._claiming.get(account, now) > now:
            return ask()
        since, values = self._kept.get(account, (-math.inf, {}))
        if now - since >= KEPT_SECONDS:
            if len(self._kept) >= KEPT_WALLETS:
                self._kept = {}
            self._kept[account] = now, (values := {})
        if name not in values:
            # Into what was there before the node was asked: after a claim nobody looks there.
            values[name] = ask()
        return values[name]


class Ledgers:
    """An `EarningsDesk` over the gateways of this process; `claim` returns what is final for an
    account in a campaign, ready to be claimed."""

    def __init__(
        self,
        gateways: Callable[[], Mapping[int, Gateway]],
        claim: Callable[[int, bytes], PayoutClaim | None],
        token: bytes,
        reader: ChainReader,
        relayer: ReceiptPoster,
        store: LabelStore,
        receipts: Receipts,
        disputes: Disputes,
    ) -> None:
        self._gateways, self._claim, self._token = gateways, claim, token
        self._reader, self._relayer, self._store = reader, relayer, store
        self.wallets = Wallets(reader, token)
        self._receipts, self._disputes = receipts, disputes

    # -- sums ------------------------------------------------------------------------------------

    def overview(self, contributor: bytes) -> Earnings:
        """Return the wallet's balance, and a line for every campaign labeled in, newest first."""
        lines = [
            self._line(gateway, contributor)
            for _, gateway in sorted(self._gateways().items(), reverse=True)
        ]
        return Earnings(
            self.wallets.balance(contributor),
            tuple(line for line in lines if line is not None),
        )

    def _line(self, gateway: Gateway, contributor: bytes) -> CampaignEarnings | None:
        standing, number = gateway.status(contributor), gateway.campaign
        if not standing.submitted:
            return None
        manifest = gateway.manifest
        reward = expected_reward(
            standing.reward, gateway.bounded.base_ppm, len(gateway.manifest.classes)
        )
        readable, earned, accepted, locked, locked_until = True, 0, 0, 0, None
        try:
            claim = self._claim(number, contributor)
            if claim is not None:
                earned, accepted = claim.leaf.cumulative, claim.leaf.accepted
            running = self._receipts.running(gateway)
            if running is not None:
                leaves = self._receipts.evidence(running.receipt).leaves
                owed = next((one.cumulative for one in leaves if one.account == contributor), 0)
                locked = max(0, owed - earned)
                facts = self._receipts.facts(gateway)
                locked_until = self._receipts.final_at(running, facts) if locked else None
        except _UNREADABLE:
            readable = False  # one campaign's trouble must not hide the others
        return CampaignEarnings(
            campaign=number,
            title=manifest.document["title"],
            submitted=standing.submitted,
            pending=standing.pending,
            expected=standing.pending * reward,
            accepted=accepted,
            earned=earned,
            claimed=self.wallets.claimed(number, contributor) if earned else 0,
            locked=locked,
            locked_until=locked_until,
            wait_seconds=self._receipts.wait(gateway),
            readable=readable,
        )

    # -- claims ----------------------------------------------------------------------------------

    def claim_all(self, contributor: bytes) -> ClaimedAll:
        """Claim everything final in every campaign, the relayer paying gas; InputError where there
        is nothing."""
        claims = self._due(contributor)
        before = self._reader.balance(self._token, contributor)
        try:
            sent = self._relayer.claim_many(claims)
        finally:
            self.wallets.forget(contributor)
        balance = self._reader.balance(self._token, contributor)
        transactions = tuple(one.transaction for one in sent if one.transaction is not None)
        if not transactions:
            raise InputError("somebody has claimed this already: the balance shows it")
        return ClaimedAll(transactions, len(claims), balance - before, balance)

    def claim_call(self, contributor: bytes) -> bytes:
        """Return the call data with which the wallet itself claims from the escrow, up to 16
        campaigns at once; InputError where there is nothing."""
        call = claim_many_call(self._due(contributor)[:MANY])
        self.wallets.expect_claim(contributor)
        return call

    def _due(self, contributor: bytes) -> list[PayoutClaim]:
        due = []
        for number in sorted(self._gateways()):
            try:
                claim = self._claim(number, contributor)
            except _UNREADABLE:
                continue
            if claim is None:
                continue
            if claim.leaf.cumulative > self._reader.claimed(number, contributor).cumulative:
                due.append(claim)
        if not due:
            raise InputError("there is nothing to claim yet: pay arrives with an epoch's receipt")
        return due

    # -- every label -----------------------------------------------------------------------------

    def history(
        self, campaign: int, contributor: bytes, before: int | None = None
    ) -> tuple[Sequence[LabelRecord], int | None]:
        """Return the labels of a contributor's newest submissions before log position `before`,
        newest first, and the position to go on from (None: these are the oldest)."""
        gateway = served(self._gateways(), campaign)
        mine = [
            one
            for one in self._store.submissions(campaign, contributor=contributor)
            if before is None or one.position < before
        ]
        shown = mine[-SUBMISSIONS_A_PAGE:]
        judge = Judge(gateway, self._receipts, self._disputes.of(gateway), contributor)
        records = [one for stored in reversed(shown) for one in judge.records(stored, self._store)]
        return records, shown[0].position if len(mine) > len(shown) else None
