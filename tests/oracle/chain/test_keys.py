"""Keyfiles, passphrases, and hooks that sign without showing a key."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from oracle.chain.keys import (
    HookSigner,
    development_account,
    digest_signer,
    open_keyfile,
    read_passphrase,
)
from oracle.chain.poster import Poster
from oracle.chain.transactions import Sender
from oracle.errors import ChainError, ConfigError, SignatureError
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import recover, sign
from tests.oracle.chain.conftest import UNIT, Platform

KEY = b"\x07" * 32
ACCOUNT = Account.from_key(KEY)
DIGEST = keccak256(b"a receipt")
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

# Web3 Secret Storage's published test vectors: PBKDF2 and scrypt, passphrase "testpassword".
PBKDF2 = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
VECTOR_KEY = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"


# --- keyfiles -------------------------------------------------------------------------------------


def test_open_keyfile__published_vector__gives_its_key(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(PBKDF2))
    assert bytes(open_keyfile(path, "testpassword").key).hex() == VECTOR_KEY


def test_open_keyfile__wrong_or_damaged__says_so_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    with pytest.raises(ConfigError, match="name the keyfile"):
        open_keyfile(path, "testpassword")
    crypto = PBKDF2["crypto"]
    assert isinstance(crypto, dict)
    for content in ("", "[]", "{}", json.dumps({**PBKDF2, "version": 1}), json.dumps(PBKDF2)):
        path.write_text(content)
        with pytest.raises(ConfigError, match="doesn't open") as caught:
            open_keyfile(path, "not the passphrase")
        assert "not the passphrase" not in str(caught.value)
        assert crypto["ciphertext"] not in str(caught.value)
        assert caught.value.__suppress_context__


def test_read_passphrase__from_a_file__only_where_nobody_else_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "passphrase"
    path.write_text(" with spaces \nand more")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_passphrase(path, "operator")
    path.chmod(0o600)
    assert read_passphrase(path, "operator") == " with spaces "
    with pytest.raises(ConfigError, match="can't be read"):
        read_passphrase(tmp_path / "none", "operator")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(ConfigError, match="no terminal to ask for the passphrase of operator"):
        read_passphrase(None, "operator")


def test_development_account__real_network__is_refused() -> None:
    assert development_account("0x" + KEY.hex(), 31337).address == ACCOUNT.address
    with pytest.raises(ChainError, match="isn't a devnet's") as caught:
        development_account("0x" + KEY.hex(), 1)
    assert KEY.hex() not in str(caught.value)


# --- hooks ----------------------------------------------------------------------------------------


def honest(digest: bytes) -> bytes:
    return sign(KEY, digest)


def like_a_kms(digest: bytes) -> bytes:
    """No v, and s in the upper half."""
    signature = sign(KEY, digest)
    return signature[:32] + (ORDER - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big")


def other_key(digest: bytes) -> bytes:
    return sign(b"\x08" * 32, digest)


def short(_digest: bytes) -> bytes:
    return b"\x01" * 63


def zeros(_digest: bytes) -> bytes:
    return bytes(65)


def failing(_digest: bytes) -> bytes:
    raise RuntimeError("secret")


def hook(function: Any) -> HookSigner:
    sys.modules.setdefault("ddlp_test_hooks", sys.modules[__name__])
    return HookSigner(ACCOUNT.address, f"ddlp_test_hooks:{function.__name__}")


def command(tmp_path: Path, body: str) -> HookSigner:
    script = tmp_path / "hook.py"
    script.write_text(body)
    return HookSigner(ACCOUNT.address, f"{sys.executable} {script}")


SIGNS = f"""
from oracle.evidence.signing import sign
print("0x" + sign(bytes.fromhex("{KEY.hex()}"), bytes.fromhex(input()[2:])).hex())
"""


@pytest.mark.parametrize("function", [honest, like_a_kms])
def test_hook__any_form_of_a_signature__becomes_the_one_contracts_take(function: Any) -> None:
    assert hook(function).sign_digest(DIGEST) == sign(KEY, DIGEST)
    assert (
        recover(DIGEST, digest_signer(hook(function))(DIGEST)).hex() == ACCOUNT.address[2:].lower()
    )
    assert digest_signer(ACCOUNT)(DIGEST) == sign(KEY, DIGEST)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (other_key, "doesn't sign for 0x"),
        (zeros, "doesn't sign for 0x"),
        (short, "gave 63 bytes"),
        (failing, r"failed \(RuntimeError\)"),
    ],
)
def test_hook__of_another_key_or_broken__is_refused(function: Any, message: str) -> None:
    with pytest.raises(SignatureError, match=message) as caught:
        hook(function).sign_digest(DIGEST)
    assert "secret" not in str(caught.value)


def test_hook__that_is_not_there__is_refused() -> None:
    for text in ("no_such_module:sign", "json:sign", ""):
        with pytest.raises(ConfigError):
            HookSigner(ACCOUNT.address, text)
    with pytest.raises(ConfigError, match="no address"):
        HookSigner("0x12", "json:dumps")
    with pytest.raises(SignatureError, match="run it by hand"):
        HookSigner(ACCOUNT.address, "/no/such/command --sign").sign_digest(DIGEST)


def test_command__fails_or_hangs_or_says_nothing__is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oracle.chain.keys.HOOK_SECONDS", 0.5)
    for body in ("raise SystemExit(3)", "import time; time.sleep(60)", "", "print('0xzz')"):
        with pytest.raises(SignatureError):
            command(tmp_path, body).sign_digest(DIGEST)


@pytest.mark.chain
@pytest.mark.parametrize("of", ["function", "command"])
def test_poster__over_a_hook__sends_transactions(
    platform: Platform, tmp_path: Path, of: str
) -> None:
    signer = hook(like_a_kms) if of == "function" else command(tmp_path, SIGNS)
    platform.devnet.fund(signer.address, UNIT)
    poster = Poster(platform.devnet.w3, signer, platform.deployment)
    poster.approve(platform.deployment.token, platform.account(1), 5)
    assert poster.approve(platform.deployment.token, platform.account(1), 5).transaction is None
    created = Sender(platform.devnet.w3, signer).send("create", None, bytes.fromhex("5f5ff3"))
    assert created.transaction is not None
