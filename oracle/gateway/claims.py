"""Claims for everybody, in batches, when gas is cheap: nobody needs gas to be paid.

What is due is worked out anew from the newest finalized receipt, and what the escrow has paid
already is passed over: a restart repeats nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from oracle.errors import Reverted
from oracle.evidence.codec import DAG_CBOR, Link
from oracle.evidence.results import Evidence
from oracle.gateway.desk import payout_claims
from oracle.ports import ChainReader, ContentStore, PayoutClaim, ReceiptPoster
from oracle.protocol.facts import ChainFacts

log = logging.getLogger(__name__)

BATCH = 64  # leaves in one transaction


class ClaimRelay:
    """Claims every leaf of each finalized receipt, 64 at a step, while `base_fee` (wei per gas)
    is at most `ceiling`; the poster's account pays.

    Where a contract refuses a batch, smaller ones find the leaf that it refuses (a token that won't
    pay an account, say): that one is passed over until the next receipt, the others are paid.
    """

    def __init__(
        self,
        reader: ChainReader,
        content: ContentStore,
        poster: ReceiptPoster,
        *,
        base_fee: Callable[[], int],
        ceiling: int,
    ) -> None:
        self._reader, self._content, self._poster = reader, content, poster
        self._base_fee, self._ceiling = base_fee, ceiling
        self._taken: dict[int, int] = {}  # campaign -> epoch of the receipt that `_due` is of
        self._due: dict[int, list[PayoutClaim]] = {}
        self._size: dict[int, int] = {}  # leaves at a step, where a batch was refused

    @property
    def waiting(self) -> int:
        """How many leaves wait to be claimed, or to be found paid already."""
        return sum(map(len, self._due.values()))

    def is_done(self, facts: ChainFacts) -> bool:
        """Say whether every leaf of a campaign's newest finalized receipt is claimed or left."""
        receipt = facts.last_finalized(self._reader.head().number)
        if receipt is None:
            return True
        taken = self._taken.get(facts.campaign) == receipt.epoch
        return taken and not self._due[facts.campaign]

    def step(self, campaign: int, anchor_blocks: int) -> int:
        """Take in a newly finalized receipt; claim one batch if gas is cheap. Return how many
        transactions were sent.
        """
        facts = self._reader.facts(campaign, anchor_blocks)
        receipt = facts.last_finalized(self._reader.head().number)
        if receipt is None:
            return 0
        if self._taken.get(campaign) != receipt.epoch:
            block = self._content.get(receipt.evidence, DAG_CBOR)
            # The newest leaves hold all that older ones did.
            self._due[campaign] = payout_claims(Evidence.decode(block, self._fetch))
            self._taken[campaign] = receipt.epoch
        due = self._due[campaign]
        if not due or self._base_fee() > self._ceiling:
            return 0
        batch = due[: self._size.get(campaign, BATCH)]
        try:
            sent = self._poster.claim_batch(batch)
        except Reverted as error:
            self._size[campaign] = max(1, len(batch) // 2)
            if len(batch) > 1:
                return 0
            log.warning("a leaf of 0x%s isn't paid: %s", batch[0].leaf.account.hex(), error)
            sent = []
        else:
            self._size[campaign] = min(2 * len(batch), BATCH)
        self._due[campaign] = due[len(batch) :]
        transactions = [one for one in sent if one.transaction is not None]
        if transactions:
            log.info("claimed for others in %d transactions", len(transactions))
        return len(transactions)

    def _fetch(self, link: Link) -> bytes:
        return self._content.get(link.digest, link.codec)
