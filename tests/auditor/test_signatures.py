"""Signers recovered by other processes are those that the rules would find."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import pytest

from oracle.auditor import signatures
from oracle.auditor.signatures import recover_ahead
from oracle.errors import FormatError, SignatureError
from oracle.evidence.entries import LogRow, Signed
from tests.auditor.paper import PaperRun, honest_run


@pytest.fixture(scope="module")
def run() -> PaperRun:
    return honest_run()


@pytest.fixture
def rows(run: PaperRun, monkeypatch: pytest.MonkeyPatch) -> list[LogRow]:
    """The run's log, of which nothing was recovered yet; some rows are no gateway's."""
    monkeypatch.setattr(signatures, "WORTH", 1)
    monkeypatch.setattr(signatures, "CHUNK", 7)
    fresh = [replace(row) for row in run.rows]
    fresh[3] = replace(fresh[3], signature=b"\0" * 65)
    fresh[5] = replace(fresh[5], signature=b"\1" * 64)
    fresh[8] = replace(fresh[8], data=b"\x63 is no kind")
    return fresh


def remembered(signed: Signed) -> list[bytes]:
    return list(signed._known_signers.values())


def test_recover_ahead__several_processes__remembers_what_rows_say_themselves(
    run: PaperRun, rows: list[LogRow]
) -> None:
    number, domain = run.facts.campaign, run.facts.escrow_domain

    assert recover_ahead(rows, number, domain, cores=2) == len(rows)

    signed = 0
    for row in rows:
        again = replace(row)
        try:
            assert remembered(row) == [again.signer(number, domain)]
        except SignatureError:
            assert remembered(row) == []
        try:
            entry, plain = row.entry, again.entry
        except FormatError:
            continue
        if isinstance(entry, Signed) and isinstance(plain, Signed):
            assert remembered(entry) == [plain.signer(number, domain)]
            signed += 1
    assert signed > 20
    assert remembered(rows[3]) == remembered(rows[5]) == []


def test_recover_ahead__few_rows_or_one_core__left_to_the_rules(
    run: PaperRun, rows: list[LogRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    number, domain = run.facts.campaign, run.facts.escrow_domain
    assert recover_ahead(rows, number, domain, cores=1) == 0
    monkeypatch.setattr(signatures, "WORTH", len(rows) + 1)
    assert recover_ahead(rows, number, domain, cores=2) == 0
    assert not any(remembered(row) for row in rows)


def test_recover_ahead__processes_die__left_to_the_rules(
    run: PaperRun, rows: list[LogRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*arguments: object, **options: object) -> None:
        raise BrokenProcessPool("killed for want of memory")

    monkeypatch.setattr(signatures.ProcessPoolExecutor, "map", die)
    number, domain = run.facts.campaign, run.facts.escrow_domain
    assert recover_ahead(rows, number, domain, cores=2) == 0
    assert rows[0].signer(number, domain) == run.facts.gateway
