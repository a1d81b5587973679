"""Settings, read from the environment once; nothing else in the project reads it.

A setting's variable is its name in capitals after ``DDLP_``: ``rpc_url`` is ``DDLP_RPC_URL``.
`docs/OPERATIONS.md` documents each.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from oracle.errors import ConfigError

PREFIX = "DDLP_"
FINALITIES = ("latest", "finalized")
LOG_FORMATS = ("text", "json")
RPC_SCHEMES = frozenset({"http", "https", "ws", "wss"})
SECRETS = ("requester_key", "web_secret")


@dataclass(frozen=True)
class Settings:
    """Frozen settings of one process.

    A secret has no default, is left out of ``repr``, and is fetched by `secret`, which raises
    where it is unset. ``None`` means "use the embedded default": a devnet for ``rpc_url``, a local
    folder for ``ipfs_url``, none for ``monitor_port``. ``max_head_age`` is in seconds.
    """

    rpc_url: str | None = None
    rpc_agreement: int | None = None
    finality: str | int = "finalized"
    max_fee_gwei: int = 500
    max_priority_fee_gwei: int = 50
    ipfs_url: tuple[str, ...] = ()
    content_copies: int = 1
    content_gateway: str | None = None
    content_dir: Path = Path("build/serve/content")
    database_url: str = "sqlite:///build/serve/ddlp.sqlite"
    state_dir: Path = Path("build/serve")
    host: str = "127.0.0.1"
    port: int = 8000
    feed_port: int = 8001
    page_url: tuple[str, ...] = ()
    trusted_proxy: str | None = None
    claim_below: int | None = None
    monitor_port: int | None = None
    log_format: str = "text"
    step_seconds: float = 1.0
    max_lag_blocks: int = 30
    max_head_age: int = 900
    passphrase_file: Path | None = None
    gateway_keyfile: Path | None = None
    relayer_keyfile: Path | None = None
    requester_keyfile: Path | None = None
    data: Path = Path("../shared/data")
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    requester_key: str | None = field(default=None, repr=False)
    web_secret: str | None = field(default=None, repr=False)

    def secret(self, name: str) -> str:
        """Return the secret called ``name`` (see ``SECRETS``).

        Raises:
            ConfigError: it is unset; the message names its variable.
        """
        value = getattr(self, name) if name in SECRETS else None
        if not isinstance(value, str):
            raise ConfigError(f"a secret is missing: set {PREFIX}{name.upper()}")
        return value

    @property
    def secret_texts(self) -> tuple[str, ...]:
        """Every text that must not reach a log: secrets, and passwords and paths within URLs."""
        texts = [text for name in SECRETS if (text := getattr(self, name)) is not None]
        for url in (*(self.rpc_url or "").split(","), self.database_url):
            parts = urlsplit(url.strip())
            texts += [parts.password or ""]
            if parts.scheme in RPC_SCHEMES:  # providers put their API keys there
                texts += [parts.path.strip("/"), parts.query]
        return tuple(text for text in texts if text)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read settings from ``environ`` (by default the process's own).

    An empty variable counts as unset. ``DDLP_CONTENT_DIR`` and ``DDLP_DATABASE_URL`` follow
    ``DDLP_STATE_DIR`` where they are unset themselves.

    Raises:
        ConfigError: a variable is malformed, or starts with ``DDLP_`` and names no setting.
            Values of secrets never appear in the message.
    """
    source = os.environ if environ is None else environ
    given = {
        key.removeprefix(PREFIX).lower(): value
        for key, value in source.items()
        if key.startswith(PREFIX) and value
    }
    known = [setting.name for setting in fields(Settings)]
    for name in sorted(given.keys() - set(known)):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {PREFIX}{near[0].upper()}?" if near else "unset it"
        raise ConfigError(f"{PREFIX}{name.upper()} is no setting: {hint}")

    values: dict[str, Any] = {name: _parse(name, text) for name, text in given.items()}
    state_dir: Path = values.get("state_dir", Settings.state_dir)
    values.setdefault("content_dir", state_dir / "content")
    values.setdefault("database_url", f"sqlite:///{state_dir / 'ddlp.sqlite'}")
    return Settings(**values)


def _parse(name: str, text: str) -> object:
    """Turn the text of one variable into the value of the setting called ``name``."""
    variable = PREFIX + name.upper()
    match name:
        case "rpc_url":
            if {urlsplit(one.strip()).scheme for one in text.split(",")} - RPC_SCHEMES:
                raise ConfigError(
                    f"{variable} is no http or ws URL: give one such as http://127.0.0.1:8545, or "
                    "several, separated by commas"
                )
        case "finality":
            if text.isascii() and text.isdecimal() and 0 < int(text) < 2**31:
                return int(text)
            if text not in FINALITIES:
                raise ConfigError(
                    f"{variable} is {text!r}: set it to {' or '.join(FINALITIES)}, or a number of "
                    "confirmations"
                )
        case "database_url":
            if "://" not in text:
                raise ConfigError(
                    f"{variable} is no database URL: give one such as sqlite:///ddlp.sqlite"
                )
        case "log_format":
            if text not in LOG_FORMATS:
                raise ConfigError(f"{variable} is {text!r}: set it to {' or '.join(LOG_FORMATS)}")
        case (
            "max_lag_blocks"
            | "max_head_age"
            | "claim_below"
            | "rpc_agreement"
            | "max_fee_gwei"
            | "max_priority_fee_gwei"
        ):
            if not (text.isascii() and text.isdecimal() and 0 < int(text) < 2**63):
                raise ConfigError(f"{variable} is {text!r}: set it to a whole number above 0")
            return int(text)
        case "step_seconds":
            if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text, re.ASCII) or float(text) < 0.1:
                raise ConfigError(
                    f"{variable} is {text!r}: set it to seconds from 0.1, such as 12 or 0.5"
                )
            return float(text)
        case "port" | "feed_port" | "monitor_port":
            if not (text.isascii() and text.isdecimal() and 0 <= int(text) <= 65_535):
                raise ConfigError(f"{variable} is {text!r}: set it to a port from 0 to 65535")
            return int(text)
        case "trusted_proxy":
            try:
                return str(ipaddress.ip_address(text))
            except ValueError:
                raise ConfigError(
                    f"{variable} is {text!r}: set it to the proxy's IP address, such as 127.0.0.1"
                ) from None
        case "rates":
            return _rates(variable, text)
        case "page_url":
            origins = tuple(one.strip().rstrip("/") for one in text.split(","))
            if not all(re.fullmatch(r"https?://[\w.:\[\]-]+", one, re.ASCII) for one in origins):
                raise ConfigError(
                    f"{variable} is no address of a page: write scheme, host and port only, such "
                    "as https://label.example.org, or several, separated by commas"
                )
            return origins
        case "ipfs_url":
            return tuple(address.strip() for address in text.split(","))
        case "content_gateway":
            if not re.fullmatch(r"https?://[\w.:\[\]-]+", text, re.ASCII):
                raise ConfigError(
                    f"{variable} is no address of an IPFS gateway: write scheme, host and port "
                    "only, such as https://ipfs.io"
                )
        case "content_copies":
            if not (text.isascii() and text.isdecimal() and 0 < int(text) < 100):
                raise ConfigError(f"{variable} is {text!r}: set it to a number from 1 to 99")
            return int(text)
        case (
            "content_dir"
            | "state_dir"
            | "data"
            | "passphrase_file"
            | "gateway_keyfile"
            | "relayer_keyfile"
            | "requester_keyfile"
        ):
            return Path(text).expanduser()
        case "requester_key":
            return _private_key(variable, text)
    return text


def _rates(variable: str, text: str) -> Mapping[str, Decimal]:
    """Read `EUR=0.35,USD=0.40`: what one token is worth, for people to compare."""
    rates = {}
    for part in text.split(","):
        found = re.fullmatch(r"\s*([A-Z]{3})\s*=\s*(\d{1,12}(?:\.\d{1,12})?)\s*", part, re.ASCII)
        if found is None or not (rate := Decimal(found[2])):
            raise ConfigError(
                f"{variable} is {text!r}: write what a token is worth by currency, such as "
                "EUR=0.35,USD=0.40"
            )
        rates[found[1]] = rate
    return rates


def _private_key(variable: str, text: str) -> str:
    """Check the form of a private key without ever repeating it."""
    digits = text.removeprefix("0x")
    if len(digits) != 64 or not set(digits.lower()) <= set("0123456789abcdef"):
        raise ConfigError(f"{variable} holds a malformed key: a private key has 64 hex digits")
    return "0x" + digits.lower()
