"""What `ddlp gateway run` runs: the logs of the campaigns that name its key, and their page."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from oracle.bootstrap import Platform
from oracle.chain.transactions import base_fee
from oracle.errors import DDLPError, UnknownCampaign
from oracle.evidence.signing import address_of, sign
from oracle.evidence.structs import Domain
from oracle.gateway.claims import ClaimRelay
from oracle.gateway.feed import GatewayFeed
from oracle.operations.health import OK, WARN, Check
from oracle.operations.loop import Measured
from oracle.processes.operator import Remembered, active_members, chain_time
from oracle.protocol.facts import ChainFacts
from oracle.service.member import Progress, Step, is_complete
from oracle.transport.authentication import Identity

log = logging.getLogger(__name__)


class GatewayProcess:
    """A `Platform` without operators: a `Stepped` for the loop, feeds for the listening side.

    With `claim_below` (wei per gas) it claims for everybody while the base fee is at most that.
    """

    def __init__(self, platform: Platform, claim_below: int | None = None) -> None:
        self.platform = platform
        self._relay = (
            ClaimRelay(
                platform.reader,
                platform.content,
                platform.relayer,
                base_fee=partial(base_fee, platform.w3),
                ceiling=claim_below,
            )
            if claim_below is not None
            else None
        )
        self._unclaimed: dict[int, str] = {}  # campaign -> why nobody could be claimed for
        self._active = Remembered(lambda: active_members(platform.reader.operators()))
        deployment, key = platform.deployment, platform.keys.gateway
        self.identity = Identity(
            address_of(key),
            partial(sign, key),
            Domain(deployment.chain_id, deployment.escrow),
            chain_time(platform.reader),
        )

    def discover(self) -> None:
        """Look for campaigns that came since."""
        self.platform.discover()

    def head(self) -> int:
        """Return the number of the newest block that counts."""
        return self.platform.head()

    def served(self) -> list[int]:
        """Return the campaigns whose logs follow the chain, ascending: one that is over has pages
        alone."""
        return [one for one in self.platform.served() if not self._rests(one)]

    def _rests(self, campaign: int) -> bool:
        resting = self.platform.resting
        if campaign in resting and not is_complete(self._facts(campaign)):
            resting.discard(campaign)  # blocks were undone
        return campaign in resting

    def _facts(self, campaign: int) -> ChainFacts:
        gateway = self.platform.gateway(campaign)
        return self.platform.reader.facts(campaign, gateway.manifest.anchor_blocks)

    def step_campaign(self, campaign: int) -> Progress:
        """Follow the chain into a campaign's log; claim for others what is cheap to claim."""
        gateway = self.platform.gateway(campaign)
        # Asked first: whatever says that it is over is then followed, and claimed for.
        facts = self._facts(campaign)
        gateway.seal_to(self.platform.reader.operators().encryption_keys.values())
        gateway.follow()
        self._claim(campaign, gateway.manifest.anchor_blocks)
        if is_complete(facts) and (self._relay is None or self._relay.is_done(facts)):
            self.platform.resting.add(campaign)
        self.platform.catch_up(self.platform.content)
        return Progress(Step.NOTHING)

    def measure(self, campaign: int) -> Measured:
        """Return how far a campaign is."""
        measured = self.platform.measure(campaign)
        return replace(measured, claims=self._relay.waiting if self._relay is not None else 0)

    def _claim(self, campaign: int, anchor_blocks: int) -> None:
        """Claim for others; a relayer without ether is no reason to take no labels, so what fails
        is told, and tried again with the next step."""
        if self._relay is None:
            return
        try:
            self._relay.step(campaign, anchor_blocks)
        except DDLPError as error:
            if campaign not in self._unclaimed:
                log.warning("nobody is claimed for: %s", error)
            self._unclaimed[campaign] = str(error)
        else:
            self._unclaimed.pop(campaign, None)

    def checks(self, *, max_head_age: int, max_lag: int) -> list[Check]:
        """Look at every part; an age in seconds, a lag in blocks."""
        found = self.platform.checks(max_head_age=max_head_age, max_lag=max_lag)
        return found if self._relay is None else [*found, self._check_claims()]

    def _check_claims(self) -> Check:
        if not self._unclaimed:
            return Check("claims", OK, "claimed as they come due")
        return Check(
            "claims",
            WARN,
            "; ".join(f"campaign {one}: {why}" for one, why in sorted(self._unclaimed.items())),
            "mend what it names: send the account of DDLP_RELAYER_KEYFILE ether, say",
        )

    def feed(self, campaign: int) -> GatewayFeed:
        """Return what operators follow; UnknownCampaign where it isn't served (yet)."""
        gateways = self.platform.gateways()
        if campaign not in gateways:
            raise UnknownCampaign(f"campaign {campaign} isn't served here: ask another gateway")
        return GatewayFeed(gateways[campaign])

    def operators(self) -> dict[bytes, bytes]:
        """Return the operators of the moment, with their encryption keys."""
        return self._active()
