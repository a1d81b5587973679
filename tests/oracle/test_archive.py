"""`ddlp content` on folders: export, import, check. Campaigns are in tests/e2e/test_content.py."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click.testing
import pytest

from oracle import archive as commands
from oracle.archive import content
from oracle.cli import cli
from oracle.content.car import CarReader
from oracle.content.dag import archive
from oracle.content.local import LocalContent
from oracle.errors import (
    ContentMissing,
    ContentUnavailable,
    DDLPError,
    FormatError,
    InputError,
)
from oracle.evidence.campaign import Fetch
from oracle.evidence.codec import DAG_CBOR, RAW, Block, Link, cbor_block
from oracle.evidence.hashing import sha256
from oracle.gateway.campaign_files import Gold, Item, ItemMedia, build_campaign
from oracle.ports import ChainEvent
from tests.support.world import manifest_document

LEAVES = [Block(RAW, b"leaf %d" % number) for number in range(5)]
INDEX = cbor_block("index", {"leaves": [leaf.link for leaf in LEAVES]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    held = LocalContent(tmp_path / "blocks")
    for block in (*LEAVES, INDEX):
        held.put(block.data, block.codec)
    return held.root


def run(*arguments: object) -> click.testing.Result:
    result = click.testing.CliRunner().invoke(content, [str(one) for one in arguments])
    if isinstance(result.exception, DDLPError):
        raise result.exception
    return result


def published(held: LocalContent) -> bytes:
    """Publish a campaign with media and return its manifest's digest."""
    items = [
        Item(f"item {number}", text="text", media=ItemMedia("text/plain", b"m%d" % (number % 3)))
        for number in range(7)
    ]
    gold = [Gold(f"item {number}", str(number)) for number in range(3)]
    files = build_campaign(
        manifest_document(), items, gold, guidelines="Label.", consent="I agree."
    )
    return files.publish(held)


def held_blocks(held: LocalContent) -> Fetch:
    return lambda link: held.get(link.digest, link.codec)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("root", [str(INDEX.link), INDEX.digest.hex(), f"0x{INDEX.digest.hex()}"])
def test_export_and_import__an_index__moves_all_that_it_links(
    folder: Path, tmp_path: Path, root: str
) -> None:
    car, other = tmp_path / "some.car", tmp_path / "other"
    assert "6 blocks" in run("export", root, "--content", folder, "--out", car).output
    assert "6 blocks" in run("import", car, "--content", other).output
    assert names(other) == names(folder)
    assert run("check", root, "--content", other).exit_code == 0


def test_export__digests_of_raw_blocks__are_told_from_indexes(folder: Path, tmp_path: Path) -> None:
    digests = [leaf.digest.hex() for leaf in LEAVES[:2]]
    car = tmp_path / "leaves.car"
    assert "2 blocks" in run("export", *digests, "--content", folder, "--out", car).output


def test_export__block_that_is_missing__leaves_the_old_file(folder: Path, tmp_path: Path) -> None:
    car = tmp_path / "some.car"
    car.write_bytes(b"as it was")
    (folder / str(LEAVES[3].link)).unlink()
    with pytest.raises(ContentMissing, match=str(LEAVES[3].link)):
        run("export", INDEX.link, "--content", folder, "--out", car)
    assert car.read_bytes() == b"as it was"
    assert names(tmp_path) == {"blocks", "some.car"}


@pytest.mark.parametrize("root", ["bafynonsense", "0x12", "ab" * 33, "", "-1", "１"])
def test_export__what_names_nothing__is_refused(folder: Path, tmp_path: Path, root: str) -> None:
    with pytest.raises(FormatError, match="not a"):
        run("export", "--content", folder, "--out", tmp_path / "some.car", "--", root)
    assert names(tmp_path) == {"blocks"}


def test_export__digest_that_nobody_has__is_missing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ContentMissing, match="00" * 32):
        run("export", "00" * 32, "--content", folder, "--out", tmp_path / "some.car")


def test_export__place_that_can_not_be_written__says_so(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be written"):
        run("export", INDEX.link, "--content", folder, "--out", tmp_path / "no" / "some.car")


def test_import__file_that_is_cut__keeps_only_whole_blocks(folder: Path, tmp_path: Path) -> None:
    car, other = tmp_path / "some.car", tmp_path / "other"
    run("export", INDEX.link, "--content", folder, "--out", car)
    car.write_bytes(car.read_bytes()[:-3])
    with pytest.raises(FormatError, match="ends within block 6"):
        run("import", car, "--content", other)
    kept = LocalContent(other)
    assert len(names(other)) == 5
    assert all(kept.get(link.digest, link.codec) for link in kept.iterate())
    with pytest.raises(InputError, match="name a CAR"):
        run("import", tmp_path / "none.car", "--content", other)


def test_import__file_without_what_its_root_links__names_it_and_fails(
    folder: Path, tmp_path: Path
) -> None:
    car, other = tmp_path / "some.car", tmp_path / "other"
    run("export", INDEX.link, "--content", folder, "--out", car)
    end = car.read_bytes().rindex(LEAVES[4].link.binary) - 1  # cut before the last block
    car.write_bytes(car.read_bytes()[:end])
    result = run("import", car, "--content", other)
    assert result.exit_code == 1
    assert str(LEAVES[4].link) in result.output


def test_check__damaged_and_missing_blocks__are_each_named(folder: Path) -> None:
    assert run("check", "--content", folder).output == f"6 blocks in {folder}\n"
    (folder / str(LEAVES[0].link)).write_bytes(b"leaf x")
    (folder / str(LEAVES[1].link)).unlink()
    (folder / str(LEAVES[2].link)).unlink()
    result = run("check", INDEX.link, "--content", folder)
    assert result.exit_code == 1
    assert all(str(leaf.link) in result.output for leaf in LEAVES[:3])
    assert not any(str(leaf.link) in result.output for leaf in LEAVES[3:])
    assert run("check", INDEX.link, "--content", folder, "--repair").exit_code == 1


def test_check__settings_that_name_a_daemon_that_is_down__is_unavailable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDLP_CONTENT_DIR", str(folder))
    assert run("check").exit_code == 0
    monkeypatch.setenv("DDLP_IPFS_URL", "nonsense")
    with pytest.raises(ContentUnavailable, match="/ip4/"):
        run("check")


def test_archive__of_a_campaign__links_all_that_it_published(tmp_path: Path) -> None:
    held = LocalContent(tmp_path / "blocks")
    manifest = published(held)
    of_requester = names(held.root)
    evidence = held.put(INDEX.data, INDEX.codec)
    for leaf in LEAVES:
        held.put(leaf.data, leaf.codec)
    index, *shards = archive(held_blocks(held), manifest, [evidence])
    for block in (index, *shards):
        held.put(block.data, block.codec)
    root = index.link
    car, other = tmp_path / "campaign.car", tmp_path / "other"
    run("export", root, "--content", held.root, "--out", car)
    run("import", car, "--content", other)
    assert names(other) == names(held.root)
    assert of_requester < names(other)


def test_content__help__lists_its_commands() -> None:
    shown = click.testing.CliRunner().invoke(cli, ["content", "--help"]).output
    assert all(name in shown for name in ("export", "import", "check"))


@dataclass(frozen=True)
class Posted:
    """As much of a settlement as an archive asks for."""

    receipt: Any
    voided_block: int | None


@dataclass(frozen=True)
class Receipt:
    evidence: bytes


@pytest.mark.parametrize("hidden", ["index", "leaf", "garbled"])
def test_campaign__voided_receipt_whose_evidence_nobody_saw__is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    held = LocalContent(tmp_path / "blocks")
    manifest = published(held)
    good = held.put(INDEX.data, INDEX.codec)
    for leaf in LEAVES:
        held.put(leaf.data, leaf.codec)
    bad = cbor_block("evidence", {"items": [Link(RAW, sha256(b"never shown"))]}).digest
    if hidden == "leaf":
        held.put(cbor_block("evidence", {"items": [Link(RAW, sha256(b"never shown"))]}).data, 0x71)
    if hidden == "garbled":
        bad = held.put(b"\xff", DAG_CBOR)
    created = ChainEvent(
        "CampaignEscrow", "CampaignCreated", {"campaign": 1, "manifest": manifest}, 1, 0, b""
    )
    monkeypatch.setattr(commands, "_recorded_events", lambda run: [created])
    void = [Posted(Receipt(good), None), Posted(Receipt(bad), 9)]
    monkeypatch.setattr(commands, "settlements", lambda events: void)
    car = tmp_path / "campaign.car"
    run("export", 1, "--dir", tmp_path, "--content", held.root, "--out", car)
    index = archive(held_blocks(held), manifest, [good])[0]
    assert CarReader(io.BytesIO(car.read_bytes())).roots == (index.link,)
    before = names(held.root)
    assert run("check", 1, "--dir", tmp_path, "--content", held.root).exit_code == 0
    assert names(held.root) == before
    monkeypatch.setattr(
        commands, "settlements", lambda events: [replace(void[1], voided_block=None)]
    )
    with pytest.raises((ContentMissing, FormatError)):
        run("export", 1, "--dir", tmp_path, "--content", held.root, "--out", car)
