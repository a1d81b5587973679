"""Go on from a receipt that was judged before, without deciding all that led to it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from oracle.evidence.entries import LogRow
from oracle.evidence.results import Evidence
from oracle.evidence.structs import Receipt
from oracle.evidence.supplement import Supplement
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.protocol.columns import OpenLabels
from oracle.protocol.judging import Table
from oracle.protocol.ledger import Ledger, Secrets
from oracle.protocol.openings import (
    all_filings,
    check_openings,
    open_gold,
    read_log,
    rows_to_cut,
)
from oracle.quality.incentives import Terms

Settled = tuple[Receipt, Evidence, Supplement]


def resume(
    campaign: Campaign, settled: Sequence[Settled], log: Sequence[LogRow]
) -> EpochResult | None:
    """Return the result behind the last of `settled`, the finalized receipts so far in order, as
    `decide` builds the next one on it; None where there are none.

    Receipts and evidence are taken as they stand: whoever calls has judged them, or says that they
    are trusted. Gold, seeds and filings are read from the supplements, labels and skills from one
    reading of the log, where `decide` takes one for each receipt. `blocks`, `rejected` and
    `gateway_faults` stay empty, `terms` and `waiting` zero, and so does `ledger`: nothing builds on
    them. Raises as `decide`.
    """
    before: EpochResult | None = None
    result: EpochResult | None = None
    for receipt, evidence, supplement in settled:
        before = result
        gold, secrets = open_gold(campaign, before, supplement)
        result = EpochResult(
            receipt=receipt,
            evidence=evidence,
            blocks=(),
            labels=OpenLabels.of([]),
            filings=all_filings(before, supplement),
            cuts=(
                *(before.cuts if before is not None else ()),
                (
                    receipt.log_position,
                    campaign.facts.anchors[receipt.as_of],
                    all_filings(before, supplement)[-1],
                ),
            ),
            gold=gold,
            secrets=secrets,
            consensus=None,
            accounts=(),
            terms=Terms(0, 0, ""),
            waiting=0,
            rejected=(),
            gateway_faults=(),
            ledger=_empty(campaign, secrets),
        )
    if result is None:
        return None
    supplement = settled[-1][2]
    rows, _ = rows_to_cut(campaign, before, log, supplement, f"epoch {supplement.epoch}")
    ledger = read_log(campaign, before, rows, supplement, result.secrets)
    openings = (row for _, _, opened in settled for row in opened.openings)
    labels = check_openings(campaign, ledger, openings)
    table = Table(campaign.manifest, labels, result.gold, ledger)
    return replace(
        result,
        labels=labels,
        consensus=table.consensus(gold=table.gold),
        accounts=tuple(table.accounts),
    )


def _empty(campaign: Campaign, secrets: Secrets) -> Ledger:
    return Ledger(campaign.manifest, campaign.facts, closed={}, secrets=secrets)
