"""A campaign's receipts as people ask for them: the newest that is final, the one whose window
runs, what is behind them, and when the next one may be final."""

from __future__ import annotations

import threading
from collections import OrderedDict

from oracle.evidence.codec import DAG_CBOR, Link
from oracle.evidence.results import Evidence
from oracle.evidence.structs import Receipt
from oracle.gateway.gateway import Gateway
from oracle.ports import ChainReader, ContentStore
from oracle.protocol.facts import ChainFacts, Settlement

_KEPT = 32  # decoded evidences; a campaign needs its newest two at a time


class Receipts:
    """Reads receipts from `reader` and their evidence from `content`; threads may share it."""

    def __init__(self, reader: ChainReader, content: ContentStore) -> None:
        self._reader, self._content = reader, content
        self._evidence: OrderedDict[bytes, Evidence] = OrderedDict()
        self._lock = threading.Lock()

    def facts(self, gateway: Gateway) -> ChainFacts:
        """Return the chain facts of a gateway's campaign."""
        return self._reader.facts(gateway.campaign, gateway.manifest.anchor_blocks)

    def finalized(self, gateway: Gateway) -> Receipt | None:
        """Return the newest finalized receipt."""
        return self.facts(gateway).last_finalized(self._reader.head().number)

    def running(self, gateway: Gateway) -> Settlement | None:
        """Return the receipt that is posted and neither finalized nor voided yet."""
        return next(
            (
                one
                for one in reversed(self.facts(gateway).settlements)
                if one.finalized_block is None and one.voided_block is None
            ),
            None,
        )

    def final_at(self, running: Settlement, facts: ChainFacts) -> int:
        """Return when the window of a posted receipt ends, Unix seconds of the chain; a challenge
        makes it later."""
        return self._reader.block(running.posted_block).timestamp + facts.window_seconds

    def now(self) -> int:
        """Return the chain's clock, Unix seconds."""
        return self._reader.head().timestamp

    def time_of(self, block: int) -> int:
        """Return the time of a block, Unix seconds of the chain."""
        return self._reader.block(block).timestamp

    def wait(self, gateway: Gateway) -> int | None:
        """Return in how many seconds the next receipt may be final; None where none is to come."""
        facts, now = self.facts(gateway), self._reader.head().timestamp
        running = self.running(gateway)
        if running is not None:
            return max(0, self.final_at(running, facts) - now)
        newest = self.finalized(gateway)
        if newest is not None and newest.final:
            return None
        bounded = gateway.bounded
        cut = bounded.boundary(bounded.epoch_at(now))
        return max(0, cut + facts.window_seconds - now)

    def evidence(self, receipt: Receipt) -> Evidence:
        """Return the evidence behind a receipt, verified; content errors where it can't be read."""
        with self._lock:
            if receipt.evidence in self._evidence:
                self._evidence.move_to_end(receipt.evidence)
                return self._evidence[receipt.evidence]
        found = Evidence.decode(self._content.get(receipt.evidence, DAG_CBOR), self._fetch)
        with self._lock:
            self._evidence[receipt.evidence] = found
            while len(self._evidence) > _KEPT:
                self._evidence.popitem(last=False)
        return found

    def _fetch(self, link: Link) -> bytes:
        return self._content.get(link.digest, link.codec)
