"""An operator's folder: keys, the deployment, and where others answer.

| file | what it is |
| --- | --- |
| `operator.keyfile` | the signing key, encrypted by a passphrase (oracle/chain/keys.py) |
| `signer.json` | instead of it: `address`, and the `hook` that signs for it |
| `encryption.key` | the X25519 private key that openings are sealed to, hex, mode 600 |
| `deployment.json` | which contracts |
| `peers.json` | `operators` and `gateways`: URL by address |
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.chain.deployment import Deployment
from oracle.chain.development import DEPLOYMENT_FILE
from oracle.chain.keys import HookSigner, open_keyfile, read_passphrase
from oracle.chain.transactions import Signer
from oracle.content.sealing import encryption_key
from oracle.errors import ConfigError, InputError

KEYFILE, SIGNER = "operator.keyfile", "signer.json"
ENCRYPTION, PEERS = "encryption.key", "peers.json"
EMPTY_PEERS: dict[str, dict[str, str]] = {"operators": {}, "gateways": {}}


@dataclass(frozen=True)
class Peers:
    """Where others answer: URLs of operators and gateways, by 20-byte address."""

    operators: Mapping[bytes, str]
    gateways: Mapping[bytes, str]


@dataclass(frozen=True, repr=False)
class Signed:
    """How a new operator signs: by the text of a `keyfile`, or by `hook` for `address`."""

    keyfile: str = ""
    address: str = ""
    hook: str = ""


class OperatorFolder:
    """The files of one operator in `path`; ConfigError, with the remedy, for what is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, deployment: Deployment, signer: Signed) -> OperatorFolder:
        """Write a new operator's files; InputError where any is there: a key is never replaced.

        `signer` is the text of a keyfile, or the address and hook of `signer.json`.
        """
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = [name for name in (KEYFILE, SIGNER, ENCRYPTION) if (path / name).exists()]
        if there:
            raise InputError(
                f"{path} holds {' and '.join(there)} already: name another folder (DDLP_STATE_DIR)"
            )
        _write_private(path / ENCRYPTION, secrets.token_bytes(32).hex())
        if signer.hook:
            document = {"address": signer.address, "hook": signer.hook}
            _write_private(path / SIGNER, json.dumps(document, indent=2) + "\n")
        else:
            _write_private(path / KEYFILE, signer.keyfile)
        deployment.save(path / DEPLOYMENT_FILE)
        if not (path / PEERS).exists():
            (path / PEERS).write_text(json.dumps(EMPTY_PEERS, indent=2) + "\n")
        return cls(path)

    @property
    def exists(self) -> bool:
        """Say whether the folder is an operator's."""
        return any((self.path / name).exists() for name in (KEYFILE, SIGNER))

    @property
    def address(self) -> bytes:
        """The operator's address, as keyfile or `signer.json` name it."""
        name = SIGNER if (self.path / SIGNER).exists() else KEYFILE
        try:
            return _address(str(self._read(name)["address"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{self.path / name} names no address: restore it") from error

    def signer(self, passphrase_file: Path | None) -> Signer:
        """Unlock the signing key, or prepare the hook."""
        if (self.path / SIGNER).exists():
            document = self._read(SIGNER)
            try:
                return HookSigner(str(document["address"]), str(document["hook"]))
            except (KeyError, TypeError) as error:
                raise ConfigError(
                    f"{self.path / SIGNER} needs address and hook: restore it"
                ) from error
        keyfile = self.path / KEYFILE
        return open_keyfile(keyfile, read_passphrase(passphrase_file, keyfile.name))

    @property
    def sealing_key(self) -> bytes:
        """The X25519 private key."""
        path = self.path / ENCRYPTION
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise ConfigError(f"{path} can be read by others: run chmod 600 on it")
            key = bytes.fromhex(path.read_text().strip())
        except OSError as error:
            raise ConfigError(
                f"{path} can't be read ({error.strerror}): run `ddlp operator init`, or restore it"
            ) from error
        except ValueError as error:
            raise ConfigError(f"{path} is damaged: restore it from a backup") from error
        if len(key) != 32:
            raise ConfigError(f"{path} is damaged: restore it from a backup")
        return key

    @property
    def encryption_key(self) -> bytes:
        """The X25519 public key that others seal to."""
        return encryption_key(self.sealing_key)

    @property
    def peers(self) -> Peers:
        """Where the others answer."""
        return read_peers(self.path / PEERS)

    def _read(self, name: str) -> Any:
        path = self.path / name
        try:
            return json.loads(path.read_text())
        except OSError as error:
            raise ConfigError(
                f"{path} can't be read ({error.strerror}): run `ddlp operator init`"
            ) from error
        except ValueError as error:
            raise ConfigError(f"{path} is damaged: restore it from a backup") from error


def read_peers(path: Path) -> Peers:
    """Read `peers.json`; ConfigError where it isn't one."""
    try:
        document = json.loads(path.read_text())
        return Peers(
            *(
                {_address(name): _url(url) for name, url in document[kind].items()}
                for kind in ("operators", "gateways")
            )
        )
    except OSError as error:
        raise ConfigError(
            f"{path} can't be read ({error.strerror}): write it as docs/OPERATIONS.md shows"
        ) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f'{path} isn\'t {{"operators": {{address: URL}}, "gateways": {{address: URL}}}}: '
            f"mend it ({error})"
        ) from error


def _address(text: str) -> bytes:
    value = bytes.fromhex(text.removeprefix("0x"))
    if len(value) != 20:
        raise ValueError(f"{text} is no address")
    return value


def _url(text: Any) -> str:
    if not isinstance(text, str) or not text.startswith(("http://", "https://")):
        raise ValueError(f"{text!r} is no http URL")
    return text


def _write_private(path: Path, text: str) -> None:
    # Created private, never widened then narrowed: nobody reads it in between.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
