"""Settings of the page. They are passed in: only oracle/config.py reads the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlsplit

from oracle.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    """Frozen settings of one web server.

    `origins` are the addresses under which browsers reach it (`https://label.example.org`), first
    the canonical one: any other Host or Origin is refused. `secret_key` signs session cookies (at
    least 32 bytes). Times are seconds, `max_body` is bytes. One network
    address may begin so many sign-ins a minute, one person change so many things a second; both at
    once a minute's worth. `rates` tell what a token is worth by currency, for people to compare:
    the page fetches none, and nothing is paid by them. `operators` tells where operators answer, by
    address: pages ask them about leases and submissions. `content_gateway` is an IPFS gateway to
    which CIDs are linked.
    """

    origins: tuple[str, ...]
    secret_key: bytes = field(repr=False)
    sign_in_seconds: int = 300
    sign_ins_a_minute: int = 30
    writes_a_second: int = 5
    max_body: int = 256 * 1024
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    operators: Mapping[bytes, str] = field(default_factory=dict)
    content_gateway: str | None = None

    def __post_init__(self) -> None:
        if len(self.secret_key) < 32:
            raise ConfigError("the key of session cookies is too short: give 32 random bytes")
        if not self.origins:
            raise ConfigError("the page has no address: name at least one origin")
        for origin in (*self.origins, *self.operators.values()):
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or origin != f"{parts.scheme}://{parts.netloc}"
                or not re.fullmatch(r"[\w.:\[\]-]+", parts.netloc, re.ASCII)
            ):
                raise ConfigError(
                    f"{origin!r} is no origin: write scheme, host and port only, such as http://127.0.0.1:8000"
                )

    @property
    def hosts(self) -> frozenset[str]:
        """The Host headers that are answered."""
        return frozenset(urlsplit(origin).netloc for origin in self.origins)
