"""Circuit breaker: what fails again and again is left alone for a while, then tried once.

Source: Nygard, "Release It!", 2nd edition, 2018, chapter 5 (Circuit Breaker).
"""

from __future__ import annotations

import time
from collections.abc import Callable


class CircuitBreaker:
    """Opens after `failures` in a row; each pause is twice the last, up to `longest_pause`.

    Pauses are in seconds of `clock`, which never goes back. While it is open, `allows` is False;
    once the pause is over it lets one attempt through after another, and the first failure opens
    it again. Not locked: one thread asks and reports.
    """

    def __init__(
        self,
        *,
        failures: int,
        first_pause: float,
        longest_pause: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit, self._clock = failures, clock
        self._first_pause, self._longest_pause = first_pause, longest_pause
        self._pause = 0.0
        self._opened_at: float | None = None
        self.failures = 0

    @property
    def is_open(self) -> bool:
        """Say whether it has opened and nothing has succeeded since."""
        return self._opened_at is not None

    @property
    def remaining(self) -> float:
        """Seconds until the next attempt; 0 where one may be made now."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self._pause - self._clock())

    def allows(self) -> bool:
        """Say whether an attempt may be made now."""
        return self.remaining == 0.0

    def succeeded(self) -> None:
        """Close it: the attempt went well."""
        self.failures, self._pause, self._opened_at = 0, 0.0, None

    def failed(self) -> bool:
        """Count a failure; return whether this one opened it, for the first time or again."""
        self.failures += 1
        if self.failures < self._limit:
            return False
        self._pause = min(2 * self._pause or self._first_pause, self._longest_pause)
        self._opened_at = self._clock()
        return True
