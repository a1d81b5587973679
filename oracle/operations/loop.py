"""The loop of a gateway's or operator's process: step every campaign, survive what fails.

Each campaign has a circuit breaker of its own, so that one that can't go on holds up no other; so
has what all share, the chain above all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from oracle.breaker import CircuitBreaker
from oracle.errors import DDLPError, ProtocolFault
from oracle.operations.logs import about
from oracle.operations.metrics import Metrics
from oracle.service.epochs import Progress, Step

log = logging.getLogger(__name__)

STEP_SECONDS = 1.0
PATIENCE_SECONDS = 30.0  # of failures in a row: then something is wrong that waiting may not mend
FEWEST_FAILURES = 3  # of them, however long a step takes
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60.0, 900.0
SHARED = "all"  # stands for a campaign's number where something fails that all share


@dataclass(frozen=True)
class Measured:
    """How far a campaign is: the newest block that counts, blocks not followed yet, entries in the
    log, seconds since the last receipt was posted (or since the campaign was created); receipt
    signatures given, and receipts found to differ from another operator's, since the process began;
    leaves that wait to be claimed for others, of all campaigns.
    """

    head: int
    lag: int
    position: int
    epoch_age: int
    signatures: int = 0
    disagreements: int = 0
    claims: int = 0


class Stepped(Protocol):
    """What a loop drives: `bootstrap.Platform`, or an operator's process."""

    def discover(self) -> None:
        """Look for campaigns that came since; raises where what all campaigns share fails."""
        ...

    def head(self) -> int:
        """Return the number of the newest block that counts."""
        ...

    def served(self) -> Collection[int]:
        """Return the campaigns to step: those that are over rest; raises as `discover`."""
        ...

    def step_campaign(self, campaign: int) -> Progress:
        """Do what is due for one campaign."""
        ...

    def measure(self, campaign: int) -> Measured:
        """Return how far a campaign is."""
        ...


def new_breaker(step_seconds: float) -> CircuitBreaker:
    """Return a closed breaker with the limits of a loop whose steps are so far apart."""
    return CircuitBreaker(
        failures=max(FEWEST_FAILURES, round(PATIENCE_SECONDS / step_seconds)),
        first_pause=FIRST_PAUSE_SECONDS,
        longest_pause=LONGEST_PAUSE_SECONDS,
    )


class Loop:
    """Steps the campaigns in a thread of its own, from `start` to `stop`, with `step_seconds`
    between one round and the next.

    A failing step is logged and tried again; after half a minute of nothing else that campaign is
    left alone for a while, ever longer, until a step succeeds (`paused` says which, and why). Where
    what all share fails as long, the same holds for all; with `on_failure` the loop ends instead,
    `failure` says why and `on_failure` is called. What isn't a DDLPError is a bug: it is logged
    with its traceback and counts as a failure like others. `before` runs ahead of every round and
    says whether to go on with it.
    """

    def __init__(
        self,
        stepped: Stepped,
        metrics: Metrics,
        *,
        before: Callable[[], bool] = lambda: True,
        on_failure: Callable[[], None] | None = None,
        step_seconds: float | None = None,
    ) -> None:
        self.failure: Exception | None = None
        self._stepped, self._metrics = stepped, metrics
        self._before, self._on_failure = before, on_failure
        self._step_seconds = STEP_SECONDS if step_seconds is None else step_seconds
        self._shared = new_breaker(self._step_seconds)
        self._breakers: dict[int, CircuitBreaker] = {}
        self._served: list[int] = []  # campaigns of this round
        self._measured: dict[int, Measured] = {}
        self._reasons: dict[int | str, str] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._last_round: float | None = None
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step under way."""
        self._stop.set()
        self._thread.join(timeout=30)

    @property
    def paused(self) -> dict[int | str, str]:
        """What the breakers leave alone now, and the error that opened each: by campaign, or "all"
        for what they share.
        """
        with self._lock:
            return dict(self._reasons)

    @property
    def idle_seconds(self) -> float | None:
        """Seconds since the last round ended; None before the first."""
        return None if self._last_round is None else time.monotonic() - self._last_round

    def _run(self) -> None:
        while not self._stop.wait(self._step_seconds):
            self._round()
            if self.failure is not None:
                if self._on_failure is not None and not self._stop.is_set():
                    self._on_failure()
                return

    def _round(self) -> None:
        if self._attempt(SHARED, self._shared, self._prepare):
            for over in self._measured.keys() - set(self._served):
                del self._measured[over]
                self._breakers.pop(over, None)
                self._metrics.forget(over)
            for campaign in self._served:
                if self._stop.is_set():
                    return
                fresh = new_breaker(self._step_seconds)
                breaker = self._breakers.setdefault(campaign, fresh)
                with about(campaign=campaign):
                    self._attempt(campaign, breaker, partial(self._step, campaign))
        self._last_round = time.monotonic()

    def _prepare(self) -> bool:
        if not self._before():
            return False
        self._stepped.discover()
        self._served = sorted(self._stepped.served())
        if not self._served:  # no campaign's step tells it
            self._metrics.head_block.set(self._stepped.head())
        return True

    def _step(self, campaign: int) -> bool:
        progress = self._stepped.step_campaign(campaign)
        if progress.step is Step.FINALIZED:
            self._metrics.finalized.labels(campaign).inc()
        if progress.step is Step.POSTED and progress.receipt is not None:
            self._metrics.posted.labels(campaign).inc()
            receipt = progress.receipt
            with about(epoch=receipt.epoch):
                log.info(
                    "posted a receipt: %d labels, %d items closed",
                    receipt.label_count,
                    receipt.item_count,
                )
        measured = self._stepped.measure(campaign)
        self._metrics.head_block.set(measured.head)
        self._metrics.lag_blocks.labels(campaign).set(measured.lag)
        self._metrics.log_position.labels(campaign).set(measured.position)
        self._metrics.epoch_age.labels(campaign).set(measured.epoch_age)
        self._metrics.queue_length.labels("claims").set(measured.claims)
        before = self._measured.get(campaign)
        given = measured.signatures - (before.signatures if before is not None else 0)
        self._metrics.signatures.labels(campaign).inc(max(0, given))
        differ = measured.disagreements - (before.disagreements if before is not None else 0)
        self._metrics.disagreements.labels(campaign, "RECEIPT-DIFFERS").inc(max(0, differ))
        self._measured[campaign] = measured
        return True

    def _attempt(
        self, what: int | str, breaker: CircuitBreaker, action: Callable[[], bool]
    ) -> bool:
        """Do `action` unless its breaker is open; return what it says, False where it failed."""
        if not breaker.allows():
            return False
        try:
            done = action()
        except Exception as error:
            self._failed(what, breaker, error)
            return False
        if breaker.is_open:
            log.warning("goes on again")
        breaker.succeeded()
        with self._lock:
            self._reasons.pop(what, None)
        self._metrics.paused.labels(what).set(0)
        return done

    def _failed(self, what: int | str, breaker: CircuitBreaker, error: Exception) -> None:
        kind = type(error).__name__
        self._metrics.errors.labels(what, kind).inc()
        if isinstance(error, ProtocolFault):
            self._metrics.disagreements.labels(what, error.code).inc()
        if isinstance(error, DDLPError):
            log.warning("%s", error, extra={"kind": kind})
        else:
            log.exception("a step failed by a bug: %s", kind, extra={"kind": kind})
        if not breaker.failed():
            return
        self._metrics.paused.labels(what).set(1)
        with self._lock:
            self._reasons[what] = f"{kind}: {error}"
        if what == SHARED and self._on_failure is not None:
            self.failure = error
            return
        log.error(
            "%d steps in a row failed: left alone for %d s, then tried again (%s)",
            breaker.failures,
            round(breaker.remaining),
            error,
            extra={"kind": kind},
        )
