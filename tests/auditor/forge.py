"""What a corrupt quorum does to a result before it signs: the rule is broken, every digest fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from oracle.evidence.entries import LogRow, encode_log
from oracle.evidence.results import Evidence, PayoutLeaf
from oracle.evidence.signing import address_of
from oracle.evidence.supplement import Supplement
from oracle.protocol.decide import EpochResult
from tests.auditor.paper import PaperRun
from tests.support.world import key_of

ACCOUNT = address_of(key_of("expert"))


def resigned(
    run: PaperRun, result: EpochResult, evidence: Evidence, **changes: object
) -> EpochResult:
    """A result whose receipt and blocks fit other evidence, as a corrupt quorum would sign it."""
    index, shards = evidence.encode()
    total = sum(leaf.cumulative for leaf in evidence.leaves)
    receipt = replace(
        result.receipt,
        evidence=index.digest,
        payout_root=evidence.payout_tree.root,
        payout_total=total,
        fee_total=total * run.fee_bps // 10_000,
        slash_root=evidence.slash_tree.root,
        **changes,  # type: ignore[arg-type]
    )
    blocks = (*result.blocks, index, *shards)
    return replace(result, receipt=receipt, evidence=evidence, blocks=blocks)


def in_epoch(
    epoch: int, fraud: Callable[[PaperRun, EpochResult], EpochResult]
) -> Callable[[PaperRun, EpochResult], EpochResult]:
    def tamper(run: PaperRun, result: EpochResult) -> EpochResult:
        return fraud(run, result) if result.receipt.epoch == epoch else result

    return tamper


def with_leaf(result: EpochResult, change: Callable[[PayoutLeaf], PayoutLeaf | None]) -> Evidence:
    """Evidence in which the expert's leaf is another."""
    leaves = (change(leaf) if leaf.account == ACCOUNT else leaf for leaf in result.evidence.leaves)
    return replace(result.evidence, leaves=tuple(leaf for leaf in leaves if leaf is not None))


def padded(run: PaperRun, result: EpochResult) -> EpochResult:
    evidence = with_leaf(result, lambda leaf: replace(leaf, cumulative=leaf.cumulative + 1))
    return resigned(run, result, evidence)


def with_supplement(
    run: PaperRun, result: EpochResult, change: Callable[[Supplement], Supplement]
) -> EpochResult:
    """Evidence that names another supplement."""
    links = {block.link: block.data for block in result.blocks}
    supplement = change(Supplement.decode(links[result.evidence.supplement], links.__getitem__))
    index, shards = supplement.encode()
    evidence = replace(result.evidence, supplement=index.link)
    result = replace(result, blocks=(*result.blocks, index, *shards))
    return resigned(run, result, evidence)


def with_log(run: PaperRun, result: EpochResult, rows: Sequence[LogRow]) -> EpochResult:
    """Evidence that publishes these rows, and a receipt that ends where they do."""
    before = run.results[0].receipt
    blocks = encode_log(1, rows[before.log_position :], before=before.log_head)
    evidence = replace(result.evidence, log=tuple(block.link for block in blocks))
    result = replace(result, blocks=(*result.blocks, *blocks))
    last = rows[-1]
    return resigned(run, result, evidence, log_position=last.position, log_head=last.head)
