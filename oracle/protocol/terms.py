"""A campaign's parameters as they count: the manifest's, held within the protocol's bounds, and the
terms that receipts step to."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.evidence.manifest import Manifest
from oracle.protocol.facts import ChainFacts
from oracle.quality import bounds
from oracle.quality.incentives import Limits, Terms
from oracle.quality.payment import BPS


def fee_of(rewards: int, fee_bps: int) -> int:
    """The fee that is held beside a lease's rewards: rounded up, so that holding always
    suffices."""
    return -(-rewards * fee_bps // BPS)


@dataclass(frozen=True)
class Bounded:
    """The values that `decide` uses; where chain and manifest differ, the chain counts."""

    manifest: Manifest
    facts: ChainFacts
    base_ppm: int
    redundancy_min: int
    redundancy_max: int
    slash_floor_ppm: int
    epoch_seconds: int
    fee_bps: int
    limits: Limits

    @classmethod
    def of(cls, manifest: Manifest, facts: ChainFacts) -> Bounded:
        """Clamp a manifest's values to the protocol bounds."""
        payment = manifest.payment
        chances, measured = manifest.chances, manifest.task.measured
        low, high = bounds.redundancy(
            manifest.redundancy_min, manifest.redundancy_max, payment["policy"]
        )
        limits = Limits(
            reward_min=manifest.reward_min,
            reward_max=manifest.reward_max,
            reward_step_ppm=payment["rewardStep"],
            threshold_min_ppm=bounds.threshold_ppm(payment["thresholdMin"], chances),
            threshold_max_ppm=bounds.threshold_ppm(
                max(payment["thresholdMin"], payment["thresholdMax"]), chances
            ),
            threshold_step_ppm=payment["thresholdStep"],
            target_error_ppm=payment["target"],
        )
        return cls(
            manifest,
            facts,
            bounds.base_ppm(payment["base"]),
            low,
            high,
            # What a blind guess comes close to isn't known: distance from gold proves no cheat.
            0 if measured else bounds.slashing_floor_ppm(manifest.slash_floor, chances),
            bounds.epoch_seconds(manifest.epoch_seconds, facts.window_seconds),
            facts.fee_bps,
            limits,
        )

    def terms_in(self, epoch_start: int) -> Terms:
        """The terms of the epoch that began at block `epoch_start`: those of the newest receipt
        finalized by then."""
        receipt = self.facts.last_finalized(epoch_start)
        if receipt is not None:
            reason = f"set by the receipt of epoch {receipt.epoch}"
            return Terms(receipt.next_reward, receipt.next_threshold, reason)
        threshold = bounds.threshold_ppm(self.manifest.threshold, self.manifest.chances)
        return Terms(self.manifest.reward, threshold, "the manifest's")

    def boundary(self, epoch: int) -> int:
        """The time from which on an anchor cuts `epoch`."""
        return self.facts.created.timestamp + epoch * self.epoch_seconds

    def epoch_at(self, timestamp: int) -> int:
        """The epoch that a log entry after an anchor of this time belongs to."""
        passed = max(0, timestamp - self.facts.created.timestamp)
        return passed // self.epoch_seconds + 1
