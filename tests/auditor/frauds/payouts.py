"""Leaves: who is paid, and how much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from oracle.evidence.codec import DAG_CBOR, Block, cbor_block, decode_cbor, encode_cbor
from oracle.evidence.hashing import MerkleTree, word
from oracle.evidence.results import PayoutLeaf
from oracle.evidence.signing import address_of
from oracle.protocol.campaign import EpochResult
from oracle.protocol.decide import decide
from tests.auditor.forge import ACCOUNT, resigned, with_leaf
from tests.auditor.frauds.catalogue import quorum, run_of, stage
from tests.auditor.paper import NAMES, PaperRun
from tests.support.world import TOKEN, key_of

FRIEND = address_of(key_of("friend"))


def _with_leaves(run: PaperRun, result: EpochResult, *leaves: PayoutLeaf) -> EpochResult:
    ordered = tuple(sorted(leaves, key=lambda leaf: leaf.account))
    return resigned(run, result, replace(result.evidence, leaves=ordered))


def _of(change: Callable[[PayoutLeaf], PayoutLeaf | None]) -> Callable[..., EpochResult]:
    return lambda run, result: resigned(run, result, with_leaf(result, change))


@quorum("PAYOUT-PADDED")
def padded_by_one_unit(run: PaperRun, result: EpochResult) -> EpochResult:
    """One leaf is one base unit more than the rules give."""
    return _of(lambda leaf: replace(leaf, cumulative=leaf.cumulative + 1))(run, result)


@quorum("PAYOUT-PADDED")
def padded_beyond_all_labels(run: PaperRun, result: EpochResult) -> EpochResult:
    """One leaf is more than all labels of its account could earn."""
    return _of(lambda leaf: replace(leaf, cumulative=50 * TOKEN))(run, result)


@quorum("PAYOUT-PADDED")
def moved_between_accounts(run: PaperRun, result: EpochResult) -> EpochResult:
    """What one contributor earned is given to another; all totals stay."""
    leaves = list(result.evidence.leaves)
    before = {leaf.account: leaf.cumulative for leaf in run.results[0].evidence.leaves}
    giver = next(
        number for number, leaf in enumerate(leaves) if leaf.cumulative > before[leaf.account] + 9
    )
    taker = (giver + 1) % len(leaves)
    leaves[giver] = replace(leaves[giver], cumulative=leaves[giver].cumulative - 9)
    leaves[taker] = replace(leaves[taker], cumulative=leaves[taker].cumulative + 9)
    return _with_leaves(run, result, *leaves)


@quorum("PAYOUT-LOWERED")
def lowered(run: PaperRun, result: EpochResult) -> EpochResult:
    """One leaf is one base unit less than the rules give."""
    return _of(lambda leaf: replace(leaf, cumulative=leaf.cumulative - 1))(run, result)


@quorum("LEAF-FELL")
def fell(run: PaperRun, result: EpochResult) -> EpochResult:
    """A leaf is lower than in the receipt before."""
    return _of(lambda leaf: replace(leaf, cumulative=1))(run, result)


@quorum("LEAF-FELL")
def left_out(run: PaperRun, result: EpochResult) -> EpochResult:
    """Somebody who had a leaf has none any more."""
    return _of(lambda leaf: None)(run, result)


@run_of("PAYOUT-MISSING", "quorum")
def newcomer_left_out() -> PaperRun:
    """Somebody who earned for the first time gets no leaf."""
    run = stage("delegated")
    run.label(NAMES)
    newcomer = address_of(key_of("expert"))

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        leaves = [leaf for leaf in result.evidence.leaves if leaf.account != newcomer]
        return _with_leaves(run, result, *leaves)

    run.tamper = fraud
    run.cut()
    return run


@quorum("PAYOUT-UNEARNED")
def paid_without_labels(run: PaperRun, result: EpochResult) -> EpochResult:
    """A friend who never labeled has a leaf."""
    return _with_leaves(run, result, *result.evidence.leaves, PayoutLeaf(FRIEND, TOKEN, 1, 1))


@quorum("PAYOUT-UNEARNED")
def account_replaced(run: PaperRun, result: EpochResult) -> EpochResult:
    """A contributor's leaf is made out to another account."""
    leaves = [
        replace(leaf, account=FRIEND) if leaf.account == ACCOUNT else leaf
        for leaf in result.evidence.leaves
    ]
    return _with_leaves(run, result, *leaves)


@quorum("LEAF-COUNTERS")
def reputation_without_labels(run: PaperRun, result: EpochResult) -> EpochResult:
    """A friend's leaf pays nothing, but counts labels for their reputation."""
    return _with_leaves(run, result, *result.evidence.leaves, PayoutLeaf(FRIEND, 0, 99, 99))


@quorum("LEAF-COUNTERS")
def reputation_raised(run: PaperRun, result: EpochResult) -> EpochResult:
    """A leaf counts one accepted label too many."""
    return _of(lambda leaf: replace(leaf, accepted=leaf.accepted + 1))(run, result)


@quorum("LEAVES-ROOT")
def root_of_other_leaves(run: PaperRun, result: EpochResult) -> EpochResult:
    """The receipt's root is of a tree that nobody published."""
    return replace(result, receipt=replace(result.receipt, payout_root=b"\7" * 32))


@quorum("LEAVES-ROOT")
def secret_leaf(run: PaperRun, result: EpochResult) -> EpochResult:
    """The signed tree has one leaf more than the published ones; the total covers it."""
    leaves = [*result.evidence.leaves, PayoutLeaf(FRIEND, 5, 0, 0)]
    tree = MerkleTree([leaf.encode() for leaf in leaves])
    total = result.receipt.payout_total + 5
    return replace(
        result, receipt=replace(result.receipt, payout_root=tree.root, payout_total=total)
    )


@quorum("PAYOUT-TOTAL")
def total_of_other_leaves(run: PaperRun, result: EpochResult) -> EpochResult:
    """The receipt reserves one base unit more than its leaves add up to."""
    total = result.receipt.payout_total + 1
    return replace(result, receipt=replace(result.receipt, payout_total=total))


def _reindexed(result: EpochResult, **shards: Block) -> EpochResult:
    """Evidence whose index names shards that its own encoder would refuse to write."""
    index = next(one for one in result.blocks if one.link.digest == result.receipt.evidence)
    fields: dict[str, Any] = decode_cbor(index.data)
    fields.update((name, [block.link]) for name, block in shards.items())
    block = Block(DAG_CBOR, encode_cbor(fields))
    return replace(
        result,
        receipt=replace(result.receipt, evidence=block.digest),
        blocks=(*result.blocks, block, *shards.values()),
    )


@quorum("EVIDENCE-FORMAT")
def two_leaves_for_one_account(run: PaperRun, result: EpochResult) -> EpochResult:
    """One account has two leaves, each right by itself, in the tree and in the total."""
    first, *others = result.evidence.leaves
    leaves = [first, first, *others]
    block = cbor_block(
        "leaves",
        {
            "accounts": b"".join(leaf.account for leaf in leaves),
            "cumulatives": b"".join(word(leaf.cumulative) for leaf in leaves),
            "accepted": b"".join(leaf.accepted.to_bytes(8, "big") for leaf in leaves),
            "submitted": b"".join(leaf.submitted.to_bytes(8, "big") for leaf in leaves),
        },
    )
    result = _reindexed(result, leaves=block)
    tree = MerkleTree([leaf.encode() for leaf in leaves])
    total = sum(leaf.cumulative for leaf in leaves)
    changes = {"payout_root": tree.root, "payout_total": total}
    return replace(result, receipt=replace(result.receipt, **changes))


# -- the rules of another campaign -------------------------------------------------------------


def by_other_rules(run: PaperRun, **changes: Any) -> EpochResult:
    """What `decide` gives under another manifest, signed as this campaign's."""
    document = {**run.manifest.document}
    for part, fields in changes.items():
        document[part] = {**document[part], **fields}
    manifest = type(run.manifest).from_document(document)
    facts = replace(run.facts, manifest=manifest.block.digest)
    campaign = replace(run.campaign, manifest=manifest, facts=facts)
    result = decide(campaign, run.previous, run.rows, run.supplement())
    evidence = replace(result.evidence, manifest=run.manifest.link)
    return resigned(run, result, evidence)


@quorum("PAYOUT-PADDED")
def paid_by_another_policy(run: PaperRun, result: EpochResult) -> EpochResult:
    """Everybody is paid by a greater base share than the manifest's."""
    return by_other_rules(run, payment={"base": 900_000})


@quorum("EVIDENCE-INDEX")
def manifest_replaced(run: PaperRun, result: EpochResult) -> EpochResult:
    """Evidence and pay follow a manifest that isn't the one on chain."""
    other = by_other_rules(run, payment={"base": 900_000})
    document = {**run.manifest.document}
    document["payment"] = {**document["payment"], "base": 900_000}
    block = type(run.manifest).from_document(document).block
    evidence = replace(other.evidence, manifest=block.link)
    return resigned(run, replace(other, blocks=(*other.blocks, block)), evidence)
