"""An operator's folder: what it needs, and what each damage is called."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from eth_account import Account

from oracle.chain.deployment import CONTRACTS, DEVNET, Deployed, Deployment
from oracle.chain.keys import HookSigner
from oracle.cli import cli
from oracle.content.sealing import encryption_key
from oracle.errors import ConfigError, InputError
from oracle.processes.folder import (
    ENCRYPTION,
    KEYFILE,
    PEERS,
    SIGNER,
    OperatorFolder,
    Signed,
    read_peers,
)

ACCOUNT = Account.from_key(b"\x05" * 32)
PASSPHRASE = "correct horse"
OPERATOR = bytes.fromhex(ACCOUNT.address[2:])


@pytest.fixture
def deployment() -> Deployment:
    contracts = {name: Deployed(bytes([9]) * 20, 1, bytes(32), ()) for name in CONTRACTS}
    return Deployment(31337, bytes(32), bytes(20), DEVNET, contracts)


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def keyfile() -> str:
    return json.dumps(ACCOUNT.encrypt(PASSPHRASE, "pbkdf2", 1))


@pytest.fixture
def folder(tmp_path: Path, deployment: Deployment, keyfile: str) -> OperatorFolder:
    return OperatorFolder.create(tmp_path / "operator", deployment, Signed(keyfile))


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passphrase: Path, deployment: Deployment
) -> Callable[..., Result]:
    monkeypatch.setenv("DDLP_STATE_DIR", str(tmp_path / "operator"))
    monkeypatch.setenv("DDLP_PASSPHRASE_FILE", str(passphrase))
    deployment.save(tmp_path / "deployment.json")

    def init(*options: str) -> Result:
        arguments = ["operator", "init", "--deployment", str(tmp_path / "deployment.json")]
        return CliRunner().invoke(cli, [*arguments, *options])

    return init


def test_create__new_folder__opens_again_and_is_private(
    folder: OperatorFolder, passphrase: Path, deployment: Deployment
) -> None:
    assert folder.address == OPERATOR
    assert folder.signer(passphrase).address == ACCOUNT.address
    assert folder.encryption_key == encryption_key(folder.sealing_key)
    for name in (KEYFILE, ENCRYPTION):
        assert (folder.path / name).stat().st_mode & 0o077 == 0
    assert Deployment.load(folder.path / "deployment.json") == deployment
    assert folder.peers.operators == {}


def test_create__hook__keeps_address_and_hook_and_no_key(
    tmp_path: Path, deployment: Deployment
) -> None:
    signed = Signed(address=ACCOUNT.address, hook="some-command")
    folder = OperatorFolder.create(tmp_path / "operator", deployment, signed)
    assert folder.address == OPERATOR
    assert isinstance(folder.signer(None), HookSigner)
    assert not (folder.path / KEYFILE).exists()


@pytest.mark.parametrize("name", [KEYFILE, SIGNER, ENCRYPTION])
def test_create__key_is_there__is_refused_and_kept(
    tmp_path: Path, deployment: Deployment, keyfile: str, name: str
) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(InputError, match=f"holds {name} already"):
        OperatorFolder.create(tmp_path, deployment, Signed(keyfile))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "precious"


def test_sealing_key__readable_by_others__is_refused(folder: OperatorFolder) -> None:
    (folder.path / ENCRYPTION).chmod(0o644)
    with pytest.raises(ConfigError, match="run chmod 600"):
        _ = folder.sealing_key


@pytest.mark.parametrize("text", ["", "zz", "ab" * 31])
def test_sealing_key__damaged__is_refused_without_repeating_it(
    folder: OperatorFolder, text: str
) -> None:
    (folder.path / ENCRYPTION).write_text(text)
    with pytest.raises(ConfigError, match="is damaged: restore it from a backup") as caught:
        _ = folder.sealing_key
    assert not text or text not in str(caught.value)


def test_signer__wrong_passphrase__is_refused(folder: OperatorFolder, passphrase: Path) -> None:
    passphrase.write_text("other")
    with pytest.raises(ConfigError, match="doesn't open"):
        folder.signer(passphrase)


def test_folder__not_made_yet__names_the_command(tmp_path: Path) -> None:
    folder = OperatorFolder(tmp_path)
    for look in (lambda: folder.address, lambda: folder.sealing_key):
        with pytest.raises(ConfigError, match="run `ddlp operator init`"):
            look()


def test_read_peers__urls_by_address__are_read(tmp_path: Path) -> None:
    document = {
        "operators": {ACCOUNT.address: "https://operator.example"},
        "gateways": {"0x" + "11" * 20: "http://127.0.0.1:8001"},
    }
    (tmp_path / PEERS).write_text(json.dumps(document))
    peers = read_peers(tmp_path / PEERS)
    assert peers.operators == {OPERATOR: "https://operator.example"}
    assert peers.gateways == {b"\x11" * 20: "http://127.0.0.1:8001"}


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        "[]",
        "{}",
        '{"operators": {"0x11": "http://a"}, "gateways": {}}',
        '{"operators": {}, "gateways": {"' + "11" * 20 + '": "ftp://a"}}',
    ],
)
def test_read_peers__anything_else__is_refused_with_its_form(tmp_path: Path, text: str) -> None:
    (tmp_path / PEERS).write_text(text)
    with pytest.raises(ConfigError, match="mend it"):
        read_peers(tmp_path / PEERS)


def test_init__new_key__is_made_and_says_what_is_next(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    done = run()
    assert done.exit_code == 0, done.output
    folder = OperatorFolder(tmp_path / "operator")
    assert f"0x{folder.encryption_key.hex()}" in done.output
    assert "ddlp operator join" in done.output
    assert PASSPHRASE not in done.output


def test_init__keyfile__is_taken_as_it_is(
    run: Callable[..., Result], tmp_path: Path, keyfile: str
) -> None:
    (tmp_path / "mine.json").write_text(keyfile)
    done = run("--keyfile", str(tmp_path / "mine.json"))
    assert done.exit_code == 0, done.output
    assert ACCOUNT.address in done.output
    assert (tmp_path / "operator" / KEYFILE).read_text() == keyfile


def test_init__keyfile_of_another_passphrase__writes_nothing(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    other = json.dumps(ACCOUNT.encrypt("another", "pbkdf2", 1))
    (tmp_path / "mine.json").write_text(other)
    done = run("--keyfile", str(tmp_path / "mine.json"))
    assert isinstance(done.exception, ConfigError)
    assert not (tmp_path / "operator").exists()


def test_init__hook_without_address__writes_nothing(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    done = run("--hook", "some-command")
    assert isinstance(done.exception, InputError)
    assert not (tmp_path / "operator").exists()
