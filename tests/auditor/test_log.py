"""A hostile index is refused before it is read; a silent gateway costs nobody their pay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oracle.auditor import audit
from oracle.evidence.codec import DAG_CBOR, Block, decode_cbor, encode_cbor
from oracle.evidence.supplement import Supplement
from oracle.protocol.decide import EpochResult
from tests.auditor.paper import NAMES, PaperRun, cheated_run


def test_audit__index_names_one_shard_many_times__refused_before_it_is_read(
    tmp_path: Path,
) -> None:
    def bomb(run: PaperRun, result: EpochResult) -> EpochResult:
        index = next(one for one in result.blocks if one.link.digest == result.receipt.evidence)
        fields = decode_cbor(index.data)
        fields["leaves"] = fields["leaves"] * 20_000
        block = Block(DAG_CBOR, encode_cbor(fields))
        receipt = replace(result.receipt, evidence=block.digest)
        return replace(result, receipt=receipt, blocks=(*result.blocks, block))

    report = audit(cheated_run(bomb).write(tmp_path))
    assert report.findings[0].code == "EVIDENCE-FORMAT"
    assert "twice" in report.findings[0].sentence


@pytest.mark.parametrize("missing", ["seed", "gold"])
def test_audit__gateway_opens_no_seed_or_gold__bond_pays_and_money_holds(
    missing: str, tmp_path: Path
) -> None:
    class Silent(PaperRun):
        def supplement(self, *, final: bool = False) -> Supplement:
            one = super().supplement(final=final)
            gold = {row.item for row in one.gold}
            if missing == "seed":
                return replace(one, seed=b"\0" * 32, openings=())
            openings = tuple(row for row in one.openings if row.item not in gold)
            return replace(one, gold=(), openings=() if gold else openings)

    run = Silent()
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    run.label(NAMES)
    result = run.cut()
    assert result.receipt.bond_charge > 0
    run.claim(result)

    report = audit(run.write(tmp_path))

    # No draw is blamed: as long as nobody shows what was gold, none can be checked.
    assert {one.code for one in report.findings} == {f"{missing.upper()}-UNOPENED"}
    assert report.findings[0].severity.text == "fault"
    assert report.money == "verified"
    assert report.campaigns[0].paid == result.receipt.bond_charge
