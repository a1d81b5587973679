"""A log that stays on disk is the log that was kept in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.auditor.log import PublishedLog, ReadShard, ShardTask, read_shard
from oracle.errors import ContentCorrupt, FormatError, SignatureError
from oracle.evidence import entries
from oracle.evidence.entries import LogRow, Signed, encode_log
from oracle.evidence.hashing import ZERO32
from tests.auditor.paper import PaperRun, honest_run

SHARD_ENTRIES = 16


@pytest.fixture(scope="module")
def run() -> PaperRun:
    return honest_run()


@pytest.fixture
def shards(run: PaperRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ReadShard]:
    """The run's log in a folder, some rows of which are nobody's, or no entries."""
    monkeypatch.setattr(entries, "SHARD_ENTRIES", SHARD_ENTRIES)
    signatures = {3: b"\0" * 65, 5: b"\1" * 65}
    data = {8: b"\x63 is no kind"}
    rows = entries.chain_rows(
        (data.get(row.position, row.data), signatures.get(row.position, row.signature))
        for row in run.rows
    )
    blocks = encode_log(run.facts.campaign, list(rows), before=ZERO32)
    for block in blocks:
        (tmp_path / str(block.link)).write_bytes(block.data)
    facts = run.facts
    tasks = [
        ShardTask(tmp_path, block.link, facts.campaign, facts.escrow_domain) for block in blocks
    ]
    return [read_shard(task) for task in tasks]


@pytest.fixture
def log(run: PaperRun, shards: list[ReadShard], tmp_path: Path) -> PublishedLog:
    empty = PublishedLog(tmp_path, run.facts.campaign, run.facts.escrow_domain)
    return empty.and_more(shards)


def test_read_shard__each__follows_the_one_before(shards: list[ReadShard]) -> None:
    position, head = 0, ZERO32
    assert len(shards) > 5
    for shard in shards:
        assert shard.follows(position, head)
        assert not shard.follows(position + 1, head)
        assert not shard.follows(position, b"\1" * 32)
        position, head = position + shard.count, shard.last_head


def test_published_log__rows_and_slices__as_a_list_has_them(log: PublishedLog) -> None:
    rows = list(log)
    assert [row.position for row in rows] == list(range(1, len(log) + 1))
    assert log.head == rows[-1].head
    assert log[0] == rows[0]
    assert log[-1] == rows[-1]
    assert log[SHARD_ENTRIES] == rows[SHARD_ENTRIES]
    for chosen in (slice(0, 0), slice(None, 5), slice(14, 18), slice(20, None), slice(9, 3)):
        part = log[chosen]
        assert list(part) == rows[chosen]
        assert len(part) == len(rows[chosen])
    assert list(log[10:40][5:20]) == rows[10:40][5:20]
    assert log[:0].head == ZERO32
    with pytest.raises(IndexError):
        log[len(log)]


def test_published_log__goes_on_from_a_prefix__shares_its_shards(
    log: PublishedLog, shards: list[ReadShard]
) -> None:
    again = log[: 2 * SHARD_ENTRIES].and_more(shards[2:])
    assert list(again) == list(log)
    assert len(log[: 2 * SHARD_ENTRIES]) == 2 * SHARD_ENTRIES


def test_published_log__signers__are_those_that_rows_give_themselves(
    run: PaperRun, log: PublishedLog
) -> None:
    number, domain = run.facts.campaign, run.facts.escrow_domain
    signed = 0
    for row in log:
        plain = LogRow(row.position, row.data, row.entry_hash, row.head, row.signature)
        assert signer_of(row, run) == signer_of(plain, run)
        assert bool(row._known_signers) == (signer_of(plain, run) is not None)
        try:
            entry = plain.entry
        except FormatError:
            continue
        if isinstance(entry, Signed):
            known = row.entry._known_signers  # type: ignore[union-attr]
            assert known[number, domain] == signer_of(entry, run)
            signed += 1
    assert signed > 20


def signer_of(signed: Signed, run: PaperRun) -> bytes | None:
    try:
        return signed.signer(run.facts.campaign, run.facts.escrow_domain)
    except SignatureError:
        return None


def test_published_log__block_altered_after_it_was_read__refused(
    log: PublishedLog, shards: list[ReadShard], tmp_path: Path
) -> None:
    path = tmp_path / str(shards[2].link)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(ContentCorrupt, match="changed while it was read"):
        list(log)
