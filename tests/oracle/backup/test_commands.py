"""`ddlp backup` and `ddlp restore` on state folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from oracle.backup.commands import backup, restore
from oracle.errors import InputError
from oracle.store.database import open_database
from oracle.store.labels import SqlLabelStore

MANIFEST = b"\x0a" * 32


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A state folder with something in it, which commands act on, and one that isn't there."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "secrets").mkdir()
    (old / "secrets" / f"{MANIFEST.hex()}.json").write_text("gold")
    (old / "encryption.key").write_bytes(b"\x05" * 32)
    (old / "node.json").write_text("{}")
    store = SqlLabelStore(open_database(f"sqlite:///{old / 'ddlp.sqlite'}"))
    store.register(7, chain_id=1, escrow=b"\x01" * 20, manifest=MANIFEST, now=1)
    monkeypatch.setenv("DDLP_STATE_DIR", str(old))
    return old, new


def run(command: object, *arguments: object) -> str:
    options = list(map(str, arguments))
    shown = CliRunner().invoke(command, options, catch_exceptions=False)  # type: ignore[arg-type]
    assert shown.exit_code == 0
    return shown.output


def test_backup__then_restore_elsewhere__brings_all_and_holds_the_log(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = folders
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a passphrase that is long enough\n")
    shown = run(backup, tmp_path, "--passphrase-file", passphrase)
    (file,) = tmp_path.glob("ddlp-*.backup")
    assert f"{file}: 1 campaigns; 2 private files; 0 blocks" in shown
    monkeypatch.setenv("DDLP_STATE_DIR", str(new))
    shown = run(restore, file, "--passphrase-file", passphrase)
    assert "the gateway signs nothing yet" in shown
    for name in (f"secrets/{MANIFEST.hex()}.json", "encryption.key"):
        assert (new / name).read_bytes() == (old / name).read_bytes()
    assert not (new / "node.json").exists()  # of the process that ran there
    store = SqlLabelStore(open_database(f"sqlite:///{new / 'ddlp.sqlite'}"))
    assert store.campaigns() == [7]
    assert store.is_held(7)


def test_restore__nothing_newer__lets_the_gateway_go_on(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, new = folders
    assert "in plain" in run(backup, tmp_path / "one")
    monkeypatch.setenv("DDLP_STATE_DIR", str(new))
    assert "signs nothing" not in run(restore, tmp_path / "one", "--nothing-newer")
    store = SqlLabelStore(open_database(f"sqlite:///{new / 'ddlp.sqlite'}"))
    assert not store.is_held(7)


def test_backup__passphrase_missing_or_short__writes_nothing(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    short = tmp_path / "short"
    short.write_text("secret\n")
    for path, match in ((short, "shorter than 12"), (tmp_path / "none", "can't be read")):
        with pytest.raises(InputError, match=match):
            run(backup, tmp_path / "one", "--passphrase-file", path)
    assert not (tmp_path / "one").exists()
