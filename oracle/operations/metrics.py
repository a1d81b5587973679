"""Prometheus metrics of a gateway's or operator's process.

`docs/OPERATIONS.md` documents each; a counter counts since the process started.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """One process' metrics, in a registry of their own: two in one process don't mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.head_block = self._gauge("head_block", "Newest block that counts.")
        self.lag_blocks = self._gauge(
            "lag_blocks", "Blocks between the chain's head and the last one followed.", "campaign"
        )
        self.log_position = self._gauge("log_position", "Entries in the log.", "campaign")
        self.queue_length = self._gauge("queue_length", "Jobs that wait to be done.", "queue")
        self.epoch_age = self._gauge(
            "epoch_age_seconds",
            "Seconds of the chain since the last receipt was posted, or the campaign created.",
            "campaign",
        )
        self.paused = self._gauge(
            "circuit_open", "1 while the circuit breaker leaves this alone.", "campaign"
        )
        self.posted = self._counter("receipts_posted", "Receipts posted from here.", "campaign")
        self.finalized = self._counter(
            "receipts_finalized", "Receipts finalized from here.", "campaign"
        )
        self.signatures = self._counter(
            "signatures", "Receipt signatures given by operators here.", "campaign"
        )
        self.disagreements = self._counter(
            "disagreements", "Proposals that an operator here refused.", "campaign", "code"
        )
        self.errors = self._counter("errors", "Failed steps, by class.", "campaign", "kind")

    def text(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self.registry)

    def forget(self, campaign: int) -> None:
        """Tell no more how far a campaign is: it is over, and an age that grows would alarm."""
        for gauge in (self.lag_blocks, self.log_position, self.epoch_age, self.paused):
            gauge.remove(campaign)

    def _gauge(self, name: str, help_: str, *labels: str) -> Gauge:
        return Gauge(f"ddlp_{name}", help_, labels, registry=self.registry)

    def _counter(self, name: str, help_: str, *labels: str) -> Counter:
        return Counter(f"ddlp_{name}", help_, labels, registry=self.registry)
