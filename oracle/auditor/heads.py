"""Heads that contributors kept, held against the log that was published.

The gateway signs a head for every entry that it takes. A published log that says otherwise at that
place left out, or told otherwise, what its gateway had signed: no folder can show that by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oracle.auditor.codes import Severity
from oracle.auditor.content import read_regular
from oracle.auditor.published import CampaignContent
from oracle.auditor.report import Findings
from oracle.errors import InputError, SignatureError
from oracle.evidence.entries import LogRow, next_head
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import recover

HEADS_BYTES = 1 << 25
MEMBERS = ("entry", "before", "head", "signature")


@dataclass(frozen=True)
class KeptHead:
    """One line of the file: what the gateway answered when it took an entry."""

    line: int
    campaign: int
    row: LogRow


def read_heads(path: Path) -> list[KeptHead]:
    """Read a file of kept heads, one JSON object a line: `campaign`, `position` (numbers), `entry`
    (bytes), `before`, `head`, `signature` (hex).

    Raises InputError, naming the line and the remedy, for anything else.
    """
    data = read_regular(path, HEADS_BYTES)
    if data is None:
        raise InputError(f"{path} is over 32 MiB: give fewer heads at a time")
    return [
        _read(path, number, line)
        for number, line in enumerate(data.splitlines(), 1)
        if line.strip()
    ]


def _read(path: Path, number: int, line: bytes) -> KeptHead:
    try:
        said = json.loads(line)
        entry, before, head, signature = (_bytes(said[name]) for name in MEMBERS)
        campaign, position = int(said["campaign"]), int(said["position"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}, line {number} is no head ({error!r}): a line is the JSON that the gateway "
            "answered, with campaign, position, entry, before, head and signature"[:500]
        ) from error
    if next_head(before, keccak256(entry)) != head:
        raise InputError(f"{path}, line {number}: the head isn't its entry's: leave it out")
    return KeptHead(number, campaign, LogRow(position, entry, keccak256(entry), head, signature))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def check_heads(
    path: Path, heads: list[KeptHead], contents: Mapping[int, CampaignContent], found: Findings
) -> None:
    """Find entries that the gateway signed for and that the published log hasn't.

    What lies after the last receipt's cut is passed over: no log has been published there yet.
    Raises InputError for a head that the campaign's gateway didn't sign.
    """
    for kept in heads:
        content = contents.get(kept.campaign)
        if content is None or not content.receipts:
            continue
        _check_signature(path, kept, content)
        rows = content.receipts[-1].rows
        if not 1 <= kept.row.position <= len(rows):
            continue
        found.checks += 1
        if rows[kept.row.position - 1].head != kept.row.head:
            counted = any(kept.row.data in one.supplement.filings for one in content.receipts)
            found.add(
                "consensus",
                "ENTRY-OMITTED",
                f"campaign {kept.campaign}, log {kept.row.position}",
                "the gateway signed another head there than the published log's"
                + ("; the entry came in as a filing" if counted else ""),
                Severity.FAULT if counted else None,
            )


def _check_signature(path: Path, kept: KeptHead, content: CampaignContent) -> None:
    facts = content.campaign.facts
    digest = kept.row.signed_head(kept.campaign).digest(facts.escrow_domain)
    try:
        signed = recover(digest, kept.row.signature) == facts.gateway
    except SignatureError:
        signed = False
    if not signed:
        raise InputError(
            f"{path}, line {kept.line}: campaign {kept.campaign}'s gateway didn't sign it, so it "
            "proves nothing: leave it out"
        )
