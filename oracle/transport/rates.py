"""How often each caller may ask: token buckets.

Source: Tanenbaum and Wetherall, "Computer Networks", 5th edition, 2011, section 5.3.4.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

CALLERS = 10_000  # remembered at most: a flood from many addresses costs a bounded memory


class RateLimit:
    """Lets each caller ask `rate` times a second on average, `burst` times at once."""

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def allows(self, caller: Hashable) -> bool:
        """Count a request; say whether it is within the limit."""
        now = self._clock()
        with self._lock:
            tokens, since = self._buckets.pop(caller, (self._burst, now))
            tokens = min(self._burst, tokens + (now - since) * self._rate)
            allowed = tokens >= 1
            self._buckets[caller] = (tokens - 1 if allowed else tokens, now)
            if len(self._buckets) > CALLERS:
                self._buckets.popitem(last=False)
        return allowed
