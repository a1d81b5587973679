"""Where private keys are kept: encrypted keyfiles, or somewhere that signs and never shows them.

A keyfile is Web3 Secret Storage version 3 (JSON with scrypt or PBKDF2), as `ape accounts`, geth and
eth-account write it. A hook is a command or a Python function that signs a 32-byte digest, before a
key management service or a hardware module. A key in the clear is taken on development chains only.
"""

from __future__ import annotations

import getpass
import importlib
import json
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction

from oracle.chain.transactions import Signer
from oracle.chain.wallets import require_devnet
from oracle.errors import ConfigError, SignatureError
from oracle.evidence.signing import checksum, lower_half, recover, sign

HOOK_SECONDS = 30.0

SignDigest = Callable[[bytes], bytes]


def open_keyfile(path: Path, passphrase: str) -> LocalAccount:
    """Return the account of an encrypted keyfile; ConfigError where it can't be opened."""
    try:
        keyfile = json.loads(path.read_text(encoding="utf-8"))
        account: LocalAccount = Account.from_key(Account.decrypt(keyfile, passphrase))
    except OSError as error:
        raise ConfigError(f"{path} can't be read ({error.strerror}): name the keyfile") from None
    except (ValueError, KeyError, TypeError, AttributeError, NotImplementedError):
        # The library's own words could hold parts of either.
        raise ConfigError(
            f"{path} doesn't open: name a JSON keyfile of version 3, and its own passphrase"
        ) from None
    return account


def read_passphrase(path: Path | None, what: str) -> str:
    """Return a passphrase: the first line of the file at `path`, else what is typed at a prompt
    that names `what`.

    ConfigError where others may read the file, or there is neither file nor terminal.
    """
    if path is None:
        if not sys.stdin.isatty():
            raise ConfigError(
                f"no terminal to ask for the passphrase of {what}: name a file that holds it"
            )
        return getpass.getpass(f"Passphrase of {what}: ")
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(f"others may read {path}: chmod 600 it")
        return path.read_text(encoding="utf-8").split("\n")[0]
    except OSError as error:
        raise ConfigError(
            f"{path} can't be read ({error.strerror}): name the passphrase's file"
        ) from None


def development_account(private_key: str, chain_id: int) -> LocalAccount:
    """Return the account of a key given in the clear, as 0x hex; ChainError on real networks,
    where environments end up in logs, dumps and other processes."""
    require_devnet(chain_id)
    account: LocalAccount = Account.from_key(private_key)
    return account


def digest_signer(account: Signer) -> SignDigest:
    """Return what signs 32-byte digests (receipts, heads) for an account, 65 bytes r‖s‖v each."""
    if isinstance(account, LocalAccount):
        private_key = bytes(account.key)
        return lambda digest: sign(private_key, digest)
    if isinstance(account, HookSigner):
        return account.sign_digest
    raise ConfigError(f"{account.address} signs transactions only: name a keyfile or a hook for it")


class HookSigner:
    """Signs by a hook, for `address` (0x hex).

    `hook` is `module:function`, called with the 32-byte digest, which returns the signature; or a
    command line, which gets the digest as 0x hex on its standard input and writes the signature as
    hex. A signature is r‖s, or r‖s‖v; v is found, and s brought to the lower half (EIP-2), as key
    management services know of neither. What it returns is verified.

    Raises ConfigError where the hook can't be found, SignatureError where it fails or signs as
    somebody else.
    """

    def __init__(self, address: str, hook: str) -> None:
        try:
            self._address = bytes.fromhex(address.removeprefix("0x"))
        except ValueError:
            self._address = b""
        if len(self._address) != 20:
            raise ConfigError(f"{address!r} is no address: name the one that the hook signs for")
        self._hook = hook
        self._sign = _function(hook) if _is_function(hook) else _command(hook)

    @property
    def address(self) -> str:
        """The account's address, with checksum."""
        return checksum(self._address)

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest; return 65 bytes r‖s‖v."""
        try:
            given = bytes(self._sign(digest))
        except Exception as error:  # whatever a stranger's function raises
            if isinstance(error, SignatureError):
                raise
            raise SignatureError(
                f"{self._hook} failed ({type(error).__name__}): see its own log"
            ) from error
        if len(given) not in (64, 65):
            raise SignatureError(f"{self._hook} gave {len(given)} bytes: it must give r‖s or r‖s‖v")
        for v in (27, 28):
            signature = lower_half(given[:64] + bytes([v]))
            try:
                if recover(digest, signature) == self._address:
                    return signature
            except SignatureError:
                continue
        raise SignatureError(f"{self._hook} doesn't sign for {self.address}: name its own address")

    def sign_transaction(self, transaction_dict: dict[str, Any], /) -> SignedTransaction:
        """Sign an EIP-1559 transaction in JSON-RPC's words."""
        unsigned = TypedTransaction.from_dict({"type": 2, **transaction_dict})
        signature = self.sign_digest(bytes(unsigned.hash()))
        r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:64]))
        signed = TypedTransaction.from_dict(
            {**unsigned.as_dict(), "v": signature[64] - 27, "r": r, "s": s}
        )
        return SignedTransaction(bytes(signed.encode()))


class SignedTransaction(NamedTuple):
    """A signed transaction, as it is sent."""

    raw_transaction: bytes


def _is_function(hook: str) -> bool:
    module, _, function = hook.partition(":")
    return function.isidentifier() and all(part.isidentifier() for part in module.split("."))


def _function(hook: str) -> SignDigest:
    module, _, function = hook.partition(":")
    try:
        found: SignDigest = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{hook} can't be imported ({error}): install its package") from error
    return found


def _command(hook: str) -> SignDigest:
    command = shlex.split(hook)
    if not command:
        raise ConfigError("the signing hook is empty: give module:function or a command")

    def run(digest: bytes) -> bytes:
        try:
            done = subprocess.run(
                command,
                input=f"0x{digest.hex()}\n",
                capture_output=True,
                text=True,
                timeout=HOOK_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise SignatureError(
                f"{command[0]} failed ({type(error).__name__}): run it by hand with a digest"
            ) from None
        return bytes.fromhex(done.stdout.strip().removeprefix("0x"))

    return run
