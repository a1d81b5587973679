"""What a campaign came to: its finalized receipts recomputed, and the files of its answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oracle.bootstrap import Platform
from oracle.errors import ContentMissing, InputError
from oracle.evidence.codec import RAW, decode_json
from oracle.evidence.results import AGREED, AMBIGUOUS, COLLECTED, FINAL, GOLD
from oracle.evidence.signing import checksum
from oracle.evidence.structs import Receipt
from oracle.gateway.campaign_files import decode_item
from oracle.protocol.campaign import Campaign, EpochResult
from oracle.service.evidence import recompute

STATUSES = {
    AGREED: "agreed",
    GOLD: "gold",
    AMBIGUOUS: "ambiguous",
    FINAL: "final",
    COLLECTED: "collected",
}


def finalized_receipts(platform: Platform, campaign: int) -> list[Receipt]:
    """Return a campaign's finalized receipts, oldest first."""
    facts = platform.read_campaign(campaign).facts
    settled = [one.receipt for one in facts.settlements if one.finalized_block is not None]
    return sorted(settled, key=lambda receipt: receipt.epoch)


def epoch_results(platform: Platform, campaign: int) -> list[EpochResult]:
    """Return the recomputed results behind a campaign's finalized receipts, oldest first."""
    read = platform.read_campaign(campaign)
    results: list[EpochResult] = []
    for receipt in finalized_receipts(platform, campaign):
        previous = results[-1] if results else None
        results.append(recompute(read, previous, receipt, platform.fetch))
    return results


def write_export(platform: Platform, number: int, out: Path) -> tuple[int, int]:
    """Write closed items with their answers, and every opened label; return how many of each.

    Each line of items.jsonl has `item` (its name where the record is public), `id`, `answer`,
    `confidence` (ppm), `status`, `labels`, `epoch`; the answer is null of an item that only labels
    touched by a gateway fault closed, and where answers are measured: its labels are the result.
    Each line of labels.jsonl has `item`, `id`, `contributor`, `answer`, `position`.
    """
    results = epoch_results(platform, number)
    if not results:
        raise InputError(f"campaign {number} has no finalized receipt yet: export it after one")
    read = platform.read_campaign(number)
    last = results[-1]
    classes = read.manifest.classes
    texts = last.labels.texts
    names = _item_names(platform, read)
    items = [
        {
            "item": names[row.item],
            "id": read.item_ids[row.item].hex(),
            # Without a posterior there is nothing that an answer was inferred from.
            "answer": classes[row.answer] if any(row.posterior) else None,
            "confidence": row.posterior[row.answer] if row.posterior else 0,
            "status": STATUSES[row.status],
            "labels": row.labels,
            "epoch": row.epoch,
        }
        for row in last.evidence.items
    ]
    labels = [
        {
            "item": names[label.item],
            "id": read.item_ids[label.item].hex(),
            "contributor": checksum(label.contributor),
            "answer": classes[label.klass] if classes else decode_json(texts[label.klass]),
            "position": label.position,
        }
        for label in last.labels
    ]
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write_lines(out / "items.jsonl", items)
        _write_lines(out / "labels.jsonl", labels)
    except OSError as error:
        raise InputError(
            f"{out} can't be written ({error.strerror}): name another folder"
        ) from error
    return len(items), len(labels)


def _item_names(platform: Platform, read: Campaign) -> dict[int, str | None]:
    """Return the names of all items by number; None where a record isn't public or isn't here."""
    names: dict[int, str | None] = {}
    for number, item in enumerate(read.item_ids):
        try:
            names[number] = decode_item(platform.content.get(item, RAW)).name
        except ContentMissing:
            names[number] = None
    return names


def _write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write JSON lines, whole or not at all."""
    partial = path.with_suffix(".partial")
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    partial.write_text("".join(lines), encoding="utf-8")
    partial.replace(path)
