"""The contributor's desk: what the page may ask of the platform, over gateways, chain and
content."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache

from oracle.errors import AccessRefusal, GatewayBusy, GatewayRefusal, InputError
from oracle.evidence import entries as log
from oracle.evidence.codec import RAW, decode_json
from oracle.evidence.results import Evidence
from oracle.gateway.appeals import Appeals
from oracle.gateway.campaign_files import ItemMedia
from oracle.gateway.earnings import Ledgers
from oracle.gateway.gateway import Gateway, served
from oracle.gateway.growth import Growth
from oracle.gateway.market import Market
from oracle.gateway.outcomes import Disputes
from oracle.gateway.parsing import own_entry
from oracle.gateway.receipts import Receipts
from oracle.ports import (
    CampaignView,
    ChainReader,
    ClaimResult,
    ContentStore,
    ContributorStatus,
    ItemPart,
    ItemView,
    LabelStore,
    LeaseReply,
    LoggedEntry,
    Media,
    Network,
    OperatorsView,
    PayoutClaim,
    ReceiptPoster,
)
from oracle.quality.payment import expected_reward

KEPT_TEXTS = 256  # guidelines and terms of campaigns
PAUSED = "this campaign can't be paid out just now, so it gives no new items: ask again later"
PAUSED_SECONDS = 60


def _nobody(campaign: int, contributor: bytes) -> None:
    raise GatewayRefusal("no_expert", "nobody answers appeals here: ask the requester")


class Desk:
    """A `LabelingDesk` over the gateways of this process.

    `gateways` returns them by campaign, as they come and go; `relayer` pays the gas of claims.
    `paused` returns the campaigns whose operators can't go on now: they take labels of running
    leases, but draw no lease, since nobody would pay for it soon. `check_qualified(campaign,
    contributor)` raises GatewayRefusal where somebody must pass the campaign's exam first,
    `check_expert` for whoever may not answer its appeals.
    """

    def __init__(
        self,
        network: Network,
        gateways: Callable[[], Mapping[int, Gateway]],
        reader: ChainReader,
        content: ContentStore,
        relayer: ReceiptPoster,
        store: LabelStore,
        paused: Callable[[], Collection[object]] = tuple,
        check_qualified: Callable[[int, bytes], None] = lambda campaign, contributor: None,
        check_expert: Callable[[int, bytes], None] = _nobody,
    ) -> None:
        self._network, self._gateways = network, gateways
        self._reader, self._relayer = reader, relayer
        self._paused = paused
        self._check_qualified = check_qualified
        # Named by digest, so never another: pages ask for them every few seconds.
        self._text = lru_cache(KEPT_TEXTS)(
            lambda digest: str(decode_json(content.get(digest, RAW)))
        )
        self._receipts, disputes = Receipts(reader, content), Disputes(store)
        self.market = Market(
            gateways, self.campaign, reader, store, self._receipts, paused, check_qualified
        )
        self.earnings = Ledgers(
            gateways,
            self._claim,
            network.token,
            reader,
            relayer,
            store,
            self._receipts,
            disputes,
        )
        self.appeals = Appeals(gateways, store, self._receipts, disputes, check_expert)
        self.growth = Growth(gateways, self.market.requester, store, self._receipts)

    def network(self) -> Network:
        """Return the chain and token served; ChainError where the chain can't be reached."""
        self._reader.head()
        return self._network

    def campaigns(self) -> Sequence[CampaignView]:
        """Return the campaigns served, newest first."""
        return [self.campaign(number) for number in sorted(self._gateways(), reverse=True)]

    def campaign(self, campaign: int) -> CampaignView:
        """Return one campaign."""
        gateway = self._gateway(campaign)
        manifest = gateway.manifest
        facts = self._reader.facts(campaign, manifest.anchor_blocks)
        receipt = facts.last_finalized(self._reader.head().number)
        reward = receipt.next_reward if receipt is not None else manifest.reward
        bounded = gateway.bounded
        return CampaignView(
            number=campaign,
            title=manifest.document["title"],
            description=manifest.document["description"],
            task={
                name: value for name, value in manifest.document["task"].items() if name != "schema"
            },
            guideline=manifest.guidelines,
            guideline_text=self._text(manifest.guidelines),
            consent=manifest.consent,
            consent_text=self._text(manifest.consent),
            gateway=facts.gateway,
            operator_keys=tuple(sorted(gateway.operator_keys)),
            reward=reward,
            expected_reward=expected_reward(reward, bounded.base_ppm, len(manifest.classes)),
            base_share=bounded.base_ppm,
            seconds_per_item=manifest.document["secondsPerItem"],
            item_count=manifest.item_count,
            items_closed=receipt.item_count if receipt is not None else 0,
            accepting=facts.closed is None,
            measured=manifest.task.measured,
        )

    def operators(self, campaign: int) -> OperatorsView:
        """Return who vouches for a campaign's log besides its gateway."""
        gateway, seats = self._gateway(campaign), self._reader.operators()
        facts = self._reader.facts(campaign, gateway.manifest.anchor_blocks)
        return OperatorsView(
            board=facts.board,
            members=seats.members,
            threshold=seats.threshold,
            begun=facts.created.timestamp,
            epoch_seconds=gateway.bounded.epoch_seconds,
        )

    def delegate(self, campaign: int, contributor: bytes, entry: bytes) -> LoggedEntry:
        """Take a delegation entry into the log; the same entry again returns where it stands."""
        parsed = own_entry(log.Delegation, entry, contributor)
        if parsed.source != 0:
            raise InputError("a delegation by event comes from the chain: sign one here instead")
        return self._gateway(campaign).delegate(parsed)

    def lease(self, campaign: int, contributor: bytes, count: int) -> LeaseReply:
        """Return the running lease with what is unanswered, else draw a new one."""
        gateway = self._gateway(campaign)
        running = gateway.running(contributor)
        if running is not None:
            return running
        if campaign in self._paused():
            return LeaseReply(None, (), PAUSED, PAUSED_SECONDS)
        self._check_qualified(campaign, contributor)
        try:
            return gateway.lease(contributor, count)
        except GatewayBusy as busy:
            return LeaseReply(None, (), busy.message, busy.wait_seconds)

    def submit(
        self,
        campaign: int,
        contributor: bytes,
        entry: bytes,
        answers: Sequence[bytes],
        seed: bytes,
        opening: bytes,
    ) -> LoggedEntry:
        """Take a submission entry with its plain answers, seed and sealed opening block."""
        parsed = own_entry(log.Submission, entry, contributor)
        gateway = self._gateway(campaign)
        return gateway.submit(parsed, answers=answers, seed=seed, opening=opening)

    def skip(self, campaign: int, contributor: bytes, item: int, reason: int) -> LoggedEntry:
        """Give a leased item back."""
        return self._gateway(campaign).skip(contributor, item, reason)

    def status(self, campaign: int, contributor: bytes) -> ContributorStatus:
        """Return the contributor's standing at the newest block."""
        gateway = self._gateway(campaign)
        standing, receipt = gateway.status(contributor), self._receipts.finalized(gateway)
        claim = self._claim(campaign, contributor)
        return ContributorStatus(
            generation=max(0, standing.generation),
            session_keys=standing.session_keys,
            submitted=standing.submitted,
            pending=standing.pending,
            accepted=claim.leaf.accepted if claim is not None else 0,
            earned=claim.leaf.cumulative if claim is not None else 0,
            claimed=self.earnings.wallets.claimed(campaign, contributor),
            balance=self.earnings.wallets.balance(contributor),
            reward=standing.reward,
            expected_reward=expected_reward(
                standing.reward, gateway.bounded.base_ppm, len(gateway.manifest.classes)
            ),
            covered=receipt.log_position if receipt is not None else 0,
        )

    def claim(self, campaign: int, contributor: bytes) -> ClaimResult:
        """Claim everything finalized for the contributor, the relayer paying gas."""
        claim = self._claim(campaign, contributor)
        before = self._reader.claimed(campaign, contributor).cumulative
        if claim is None or claim.leaf.cumulative <= before:
            raise InputError("there is nothing to claim yet: pay arrives with an epoch's receipt")
        try:
            sent = self._relayer.claim(claim)
        finally:
            self.earnings.wallets.forget(contributor)
        if sent.transaction is None:
            raise InputError("somebody has claimed this already: the balance shows it")
        return ClaimResult(
            sent.transaction,
            claim.leaf.cumulative - before,
            self._reader.balance(self._network.token, contributor),
        )

    def item(self, campaign: int, item: int, viewer: bytes | None) -> ItemView:
        """Return what an item shows, by item number; of a restricted campaign, to those whom it
        was leased to and experts whom an appeal about it waits for alone."""
        gateway = self._gateway(campaign)
        self._check_shown(gateway, item, viewer)
        found = gateway.item(item)
        second = found.second
        return ItemView(
            _part(found.text, found.media),
            None if second is None else _part(second.text, second.media),
        )

    def media(
        self, campaign: int, item: int, viewer: bytes | None, *, second: bool = False
    ) -> Media:
        """Return an item's media by item number, or those of its second side, to whom `item` shows
        it."""
        gateway = self._gateway(campaign)
        self._check_shown(gateway, item, viewer)
        return gateway.media(item, second=second)

    # -- small parts -----------------------------------------------------------------------------

    def _check_shown(self, gateway: Gateway, item: int, viewer: bytes | None) -> None:
        if not gateway.manifest.restricted:
            return
        if viewer is None or not (
            gateway.has_leased(viewer, item) or self._is_asked(gateway.campaign, item, viewer)
        ):
            raise AccessRefusal(
                "ITEM-RESTRICTED",
                "this campaign shows an item only to those who are given it to label: sign in with "
                "the wallet that leased it",
            )

    def _is_asked(self, campaign: int, item: int, expert: bytes) -> bool:
        try:
            return any(case.item == item for case in self.appeals.waiting(campaign, expert))
        except GatewayRefusal:  # no expert
            return False

    def _gateway(self, campaign: int) -> Gateway:
        return served(self._gateways(), campaign)

    def _claim(self, campaign: int, account: bytes) -> PayoutClaim | None:
        """The account's leaf in the newest finalized receipt, with its proof."""
        receipt = self._receipts.finalized(self._gateway(campaign))
        if receipt is None:
            return None
        return payout_claim(self._receipts.evidence(receipt), account)


def _part(text: str | None, media: ItemMedia | None) -> ItemPart:
    return ItemPart(text, None if media is None else media.type)


def payout_claim(evidence: Evidence, account: bytes) -> PayoutClaim | None:
    """Return an account's leaf of a receipt's evidence, ready to be claimed; None without one."""
    for number, leaf in enumerate(evidence.leaves):
        if leaf.account == account:
            proof = tuple(evidence.payout_tree.proof(number))
            return PayoutClaim(evidence.campaign, evidence.epoch, leaf, proof)
    return None


def payout_claims(evidence: Evidence) -> list[PayoutClaim]:
    """Return every leaf of a receipt's evidence, ready to be claimed, by account."""
    tree = evidence.payout_tree
    return [
        PayoutClaim(evidence.campaign, evidence.epoch, leaf, tuple(tree.proof(number)))
        for number, leaf in enumerate(evidence.leaves)
    ]
