"""Print what the rules come to for a run's folder, one receipt a line; the lean install is enough.

    python tests/e2e/roots.py build/demo

Every receipt is decided anew from log and supplement; nothing is read from the receipts but what
they are compared with. Exit 1 where a receipt on chain differs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import oracle
from oracle.auditor.consensus import check_consensus
from oracle.auditor.content import Content
from oracle.auditor.folder import prove, read_folder
from oracle.auditor.published import read_campaign
from oracle.auditor.report import Findings


def roots(folder: Path) -> tuple[list[str], Findings]:
    """Return a line for every receipt, and what is wrong."""
    found = Findings()
    deployment, record = read_folder(folder, found)
    chain = prove(deployment, record, found) if record is not None else None
    if chain is None:
        return [], found
    content = Content(folder / "content", found)
    content.scan()
    lines = []
    for number in chain.campaigns:
        campaign = read_campaign(chain, number, content, found)
        for result in check_consensus(campaign, found) if campaign is not None else ():
            receipt = result.receipt
            lines.append(
                f"campaign {number} epoch {receipt.epoch} payouts {receipt.payout_root.hex()} "
                f"slashes {receipt.slash_root.hex()} evidence {receipt.evidence.hex()}"
            )
    return lines, found


if __name__ == "__main__":
    print(f"numpy {np.__version__}, oracle from {Path(oracle.__file__).parent}", file=sys.stderr)
    printed, problems = roots(Path(sys.argv[1]))
    print("\n".join(printed))
    for one in problems:
        print(f"{one.code} {one.place}: {one.sentence}", file=sys.stderr)  # type: ignore[attr-defined]
    sys.exit(1 if list(problems) or not printed else 0)
