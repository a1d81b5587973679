"""The contributors' desk over a real gateway, whose receipts and payments the test makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from oracle.errors import GatewayRefusal
from oracle.evidence.codec import RAW, Link
from oracle.evidence.hashing import ZERO32
from oracle.evidence.results import Evidence, ItemResult, PayoutLeaf
from oracle.evidence.structs import Receipt
from oracle.gateway.desk import Desk
from oracle.ports import Network, PayoutClaim, Sent
from tests.support.gateway import GatewayScene, MemoryChain
from tests.support.world import TOKEN


class Relayer:
    """Pays claims out at once, on a chain in memory."""

    def __init__(self, chain: MemoryChain) -> None:
        self._chain = chain

    def claim(self, claim: PayoutClaim) -> Sent:
        return self.claim_many([claim])[0]

    def claim_many(self, claims: Sequence[PayoutClaim]) -> list[Sent]:
        for claim in claims:
            self._chain.paid[claim.leaf.account] = claim.leaf.cumulative
        return [Sent(b"\x0a" * 32, 1, 1)]


class DeskScene:
    """A `Desk` over one scene; `experts` answer appeals, `refusal` is what stands before leases."""

    def __init__(self, scene: GatewayScene) -> None:
        self.scene, self.closed_in = scene, dict[int, int]()
        self.experts: set[bytes] = set()
        self.refusal: GatewayRefusal | None = None
        known = scene.chain.known
        network = Network(
            chain_id=known.chain_id,
            name="Chain in memory",
            development=True,
            genesis=ZERO32,
            escrow=known.escrow,
            token=known.token,
            symbol="DDLP",
            decimals=18,
        )
        self.desk = Desk(
            network,
            lambda: {7: scene.gateway},
            scene.chain,
            scene.content,
            Relayer(scene.chain),  # type: ignore[arg-type]
            scene.store,
            check_qualified=self._check_qualified,
            check_expert=self._check_expert,
        )

    def _check_qualified(self, campaign: int, contributor: bytes) -> None:
        if self.refusal is not None:
            raise self.refusal

    def _check_expert(self, campaign: int, contributor: bytes) -> None:
        if contributor not in self.experts:
            raise GatewayRefusal("no_expert", "only experts answer here")

    def settle(
        self,
        epoch: int,
        items: Mapping[int, tuple[int, int]],
        owed: Mapping[bytes, int],
        *,
        final: bool = True,
    ) -> Receipt:
        """Post a receipt that closed `items` (answer and status) and owes accounts so much in all;
        without `final` its window still runs."""
        link = Link(RAW, bytes(32))
        found = tuple(
            ItemResult(item, self.closed_in.setdefault(item, epoch), status, answer, 3, (0,) * 10)
            for item, (answer, status) in sorted(items.items())
        )
        leaves = tuple(PayoutLeaf(account, sum_, 1, 3) for account, sum_ in sorted(owed.items()))
        evidence = Evidence(7, epoch, 0, False, link, None, (), link, found, leaves, (), ())
        index, shards = evidence.encode()
        for block in (index, *shards):
            self.scene.content.put(block.data, block.codec)
        chain = self.scene.chain
        receipt = Receipt(
            7, epoch, 0, False, index.digest, ZERO32, sum(owed.values()), 0, 0, ZERO32, 1, ZERO32,
            chain.newest.number, 0, len(found), 0, TOKEN // 10, 0, ZERO32,
        )  # fmt: skip
        chain.settle(receipt)
        if not final:
            *before, last = chain.known.settlements
            running = replace(last, finalized_block=None)
            chain.known = replace(chain.known, settlements=(*before, running))
        self.scene.pass_anchors(1)
        return receipt
