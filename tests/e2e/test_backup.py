"""A gateway's machine is lost: from a backup, or from chain and content, the campaign goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oracle.auditor import audit
from oracle.backup.backup import State, restore_backup, write_backup
from oracle.backup.commands import rebuild
from oracle.backup.rebuild import rebuild_log
from oracle.bootstrap import Platform
from oracle.chain.devnet import Devnet
from oracle.content.local import LocalContent
from oracle.errors import ChainError, InputError, LogHeld, ProtocolFault
from oracle.evidence.entries import LogRow, next_head
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import sign
from oracle.replay.demo import GENESIS, Demo, Scale
from oracle.store import dump
from oracle.store.database import open_database
from oracle.store.labels import SqlLabelStore
from oracle.store.operators import SqlOperatorStore

pytestmark = pytest.mark.chain

SCALE = Scale(items=60, gold=24, rounds=(3, 3), roster={"expert": 4, "ordinary": 2})
NOW = 1_800_000_000
# What a stranger can't know: our own times, and what opens the labels.
PRIVATE = {"written_at", "created_at", "answers", "seed", "opening_block", "erased_at"}
REBUILT = ("campaigns", "log_entries", "delegations", "submissions")


class Shown:
    """An operator's copy of a log."""

    def __init__(self, rows: Sequence[LogRow]) -> None:
        self.held = list(rows)

    def rows(self, after: int, limit: int) -> Sequence[LogRow]:
        return self.held[after : after + limit]


class Silent:
    """An operator that doesn't answer."""

    def rows(self, after: int, limit: int) -> Sequence[LogRow]:
        raise ChainError("nobody is there")


class Halves(Demo):
    """A campaign of two epochs that can move to another machine between any two steps."""

    def begin(self) -> None:
        """Until one epoch is paid and the second one is being labeled."""
        self.create([])
        self.people = self.delegate()
        self.label(self.people, 1)
        self.cut(1)
        self.results.append(self.settle())
        self.claim()
        self.label_turns(1)

    def label_turns(self, turns: int) -> None:
        for _ in range(turns):
            now = self.devnet.timestamp()
            for _, person in self.people:
                person.work(self.scale.lease, now)
            self.pass_anchor()

    def move(self, platform: Platform) -> None:
        """Go on with another machine's platform."""
        self.platform, self.relayer = platform, platform.relayer
        self.gateway = platform.gateway(self.campaign)
        self.service = platform.service(self.campaign)
        self.gateway.follow()
        for _, person in self.people:
            person.gateway = self.gateway

    def end(self) -> None:
        """From the second epoch's cut to the refund and the record."""
        self.cut(2)
        self.results.append(self.settle())
        self.close()
        self.results.append(self.settle())
        self.finish()
        self.record(self.folder)


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Halves]:
    state = tmp_path / "state"
    with Devnet(tmp_path / "chain", genesis_timestamp=GENESIS, step_seconds=1) as devnet:
        yield Halves(devnet, tmp_path / "run", state, 3, SCALE, lambda what, share: None)


def machine(play: Halves, folder: Path, content: LocalContent) -> Platform:
    return Platform(
        play.devnet.w3,
        play.deployment,
        keys=play.keys,
        state_dir=folder,
        finality="latest",
        content=content,
    )


def lost_and_restored(play: Halves, tmp_path: Path, file: Path) -> Platform:
    """A new machine with nothing on it but the backup."""
    folder = tmp_path / "restored"
    folder.mkdir()
    content = LocalContent(folder / "content")
    engine = open_database(f"sqlite:///{folder / 'ddlp.sqlite'}")
    restore_backup(State(engine, folder, content), file, passphrase=None, now=NOW)
    engine.dispose()
    return machine(play, folder, content)


def back_up(play: Halves, tmp_path: Path) -> Path:
    file = tmp_path / "one.backup"
    platform = play.platform
    content = platform.content
    assert isinstance(content, LocalContent)
    state = State(platform.engine, platform.state_dir, content)
    write_backup(state, file, passphrase=None, now=NOW)
    return file


def public_rows(platform: Platform) -> dict[str, list[dict[str, Any]]]:
    """The columns that chain and log determine."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in REBUILT}
    with dump.snapshot(platform.engine) as connection:
        for name, part in dump.dump(connection):
            if name in found:
                columns = dump.columns()[name]
                found[name].extend(
                    {
                        key: value
                        for key, value in zip(columns, row, strict=True)
                        if key not in PRIVATE
                    }
                    for row in part
                )
    return found


def test_restore__mid_way_on_an_empty_machine__the_campaign_ends_as_if_nothing_had_been(
    play: Halves, tmp_path: Path
) -> None:
    play.begin()
    file = back_up(play, tmp_path)
    before = play.gateway.rows()
    restored = lost_and_restored(play, tmp_path, file)
    with pytest.raises(LogHeld):
        restored.gateway(play.campaign)
    restored.store.release(play.campaign)
    play.move(restored)
    play.folder = tmp_path / "restored"
    play.label_turns(2)
    play.end()
    report = audit(play.folder)
    assert report.verdict == "verified"
    assert play.gateway.rows()[: len(before)] == before
    assert report.campaigns[0].receipts == 3


def test_restore__of_a_backup_older_than_the_log__catches_up_before_it_signs(
    play: Halves, tmp_path: Path
) -> None:
    play.create([])
    play.people = play.delegate()
    play.label_turns(1)
    file = back_up(play, tmp_path)
    play.label_turns(1)
    play.cut(1)
    play.results.append(play.settle())
    play.claim()
    play.label_turns(1)
    play.service.step()  # operators follow
    lost = play.gateway.rows()
    restored = lost_and_restored(play, tmp_path, file)
    content = play.platform.content
    assert isinstance(content, LocalContent)
    for link in content.iterate():  # what was published meanwhile, from wherever it is pinned
        restored.content.put(content.get(link.digest, link.codec), link.codec)

    def catch_up(*copies: Any) -> Any:
        campaign = restored.read_campaign(play.campaign)
        return rebuild_log(campaign, restored.store, restored.fetch, copies, now=NOW)

    first = catch_up()
    cut = play.results[0].receipt.log_position
    assert (first.position, first.from_copies) == (cut, 0)
    assert restored.store.rows(play.campaign) == lost[:cut]
    second = catch_up(Silent(), Shown(lost[:-2]), Shown(lost))
    assert (second.position, second.from_receipts) == (len(lost), 0)
    assert second.silent == ("nobody is there",)
    assert restored.store.rows(play.campaign) == lost
    with pytest.raises(LogHeld):
        restored.gateway(play.campaign)
    restored.store.release(play.campaign)
    # Operators run on machines of their own, and hold the openings that the gateway has lost.
    operators = play.service._members
    play.move(restored)
    for member in play.service._members:
        member.peers = [*member.peers, *operators]
    play.service.step()
    play.folder = tmp_path / "restored"
    play.label_turns(2)
    play.end()
    assert audit(play.folder).verdict == "verified"
    assert play.gateway.rows()[: len(lost)] == lost


def test_rebuild__from_chain_and_content_alone__gives_the_same_public_state(
    play: Halves, tmp_path: Path
) -> None:
    play.begin()
    play.end()
    play.pass_anchor()  # rows behind the last cut, which no receipt names
    content = LocalContent(play.folder / "content")
    empty = machine(play, tmp_path / "empty", content)
    campaign = empty.read_campaign(play.campaign)
    rebuilt = rebuild_log(campaign, empty.store, empty.fetch, now=NOW)
    assert rebuilt.position == rebuilt.from_receipts == play.results[-1].receipt.log_position
    original = play.gateway.rows()
    assert empty.store.rows(play.campaign) == original[: rebuilt.position]
    whole = rebuild_log(campaign, empty.store, empty.fetch, [Shown(original)], now=NOW)
    assert whole.position == len(original)
    expected = public_rows(play.platform)
    assert public_rows(empty) == expected
    assert expected["submissions"]
    assert expected["delegations"]
    assert empty.store.is_held(play.campaign)
    # Done again it finds nothing new; on the original it does nothing at all.
    again = rebuild_log(campaign, empty.store, empty.fetch, [Shown(original)], now=NOW)
    assert (again.from_receipts, again.from_copies) == (0, 0)
    with pytest.raises(InputError, match="nothing to rebuild"):
        rebuild_log(campaign, play.platform.store, empty.fetch, now=NOW)
    assert not play.platform.store.is_held(play.campaign)

    # A copy with another branch of the gateway's own hand proves the fork, and changes nothing.
    last = original[-1]
    entry = original[0].data
    entry_hash = keccak256(entry)
    forked = LogRow(last.position, entry, entry_hash, next_head(original[-2].head, entry_hash), b"")
    digest = forked.signed_head(play.campaign).digest(campaign.facts.escrow_domain)
    signed = LogRow(
        forked.position, entry, entry_hash, forked.head, sign(play.keys.gateway, digest)
    )
    before = public_rows(empty)
    with pytest.raises(ProtocolFault, match="LOG-FORK"):
        rebuild_log(campaign, empty.store, empty.fetch, [Shown([*original[:-1], signed])], now=NOW)
    assert public_rows(empty) == before
    # What the gateway hasn't signed is nobody's branch: it is passed over.
    unsigned = LogRow(
        last.position + 1, entry, entry_hash, next_head(last.head, entry_hash), last.signature
    )
    passed = rebuild_log(
        campaign, empty.store, empty.fetch, [Shown([*original, unsigned])], now=NOW
    )
    assert passed.from_copies == 0
    assert "isn't signed by the gateway" in passed.silent[0]
    assert public_rows(empty) == before


def test_rebuild__as_a_command__holds_the_log_until_told_that_nothing_is_newer(
    play: Halves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play.create([])
    play.people = play.delegate()
    play.label(play.people, 1)
    play.cut(1)
    cut = play.settle().receipt.log_position
    folder = tmp_path / "command"
    folder.mkdir()
    play.deployment.save(folder / "deployment.json")
    monkeypatch.setenv("DDLP_RPC_URL", play.devnet.url)
    monkeypatch.setenv("DDLP_STATE_DIR", str(folder))
    monkeypatch.setenv("DDLP_CONTENT_DIR", str(play.folder / "content"))
    store = SqlLabelStore(open_database(f"sqlite:///{folder / 'ddlp.sqlite'}"))
    play.pass_anchor()
    log = play.gateway.rows()
    copy = f"sqlite:///{tmp_path / 'operator.sqlite'}"
    SqlOperatorStore(open_database(copy), b"\x0e" * 20, play.campaign).append(log, [], now=NOW)
    for options, held, reaches in (
        ([], True, cut),
        (["--copy", copy], True, len(log)),
        (["--nothing-newer"], False, len(log)),
    ):
        shown = CliRunner().invoke(rebuild, options, catch_exceptions=False)
        assert f"the log reaches position {reaches}" in shown.output
        assert ("the gateway signs nothing yet" in shown.output) == held
        assert store.is_held(play.campaign) == held
        assert store.rows(play.campaign) == log[:reaches]
    assert cut < len(log)
