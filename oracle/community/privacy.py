"""The privacy notice by version, agreements to it, and a person's data: said, exported, deleted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from oracle.errors import InputError
from oracle.evidence.hashing import sha256
from oracle.store.people import PeopleStore

# A changed text is a new file, NUMBER.md; old ones stay: people agreed to them.
_NOTICES = Path(__file__).parent / "notices"
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")
_REGION = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True)
class Notice:
    """A version of the privacy notice: Markdown, and its SHA-256."""

    version: int
    text: str
    digest: bytes


@cache
def notices() -> list[Notice]:
    """Return all versions, the one in force first."""
    texts = {int(path.stem): path.read_text(encoding="utf-8") for path in _NOTICES.glob("*.md")}
    return [
        Notice(number, texts[number], sha256(texts[number].encode()))
        for number in sorted(texts, reverse=True)
    ]


class Privacy:
    """What people agreed to and told of themselves; `now` gives Unix seconds."""

    def __init__(self, store: PeopleStore, now: Callable[[], float]) -> None:
        self._store, self._now = store, now

    def agree(self, contributor: bytes) -> None:
        """Note that somebody agreed to the notice in force, as signing in says."""
        notice = notices()[0]
        name = f"privacy notice, version {notice.version}"
        self._store.agree(contributor, notice.digest, name, now=int(self._now()))

    def agree_to_terms(self, contributor: bytes, campaign: int, digest: bytes) -> None:
        """Note that somebody agreed to a campaign's terms, as the delegation in the log says."""
        name = f"terms of campaign {campaign}"
        self._store.agree(contributor, digest, name, now=int(self._now()))

    def agreements(self, contributor: bytes) -> list[tuple[str, bytes, int]]:
        """Return document, digest and time of each agreement, the newest first."""
        return self._store.agreements(contributor)

    def profile(self, contributor: bytes) -> tuple[str, str]:
        """Return language and region as declared, empty where they aren't."""
        return self._store.profile(contributor)

    def declare(self, contributor: bytes, language: str, region: str) -> None:
        """Replace language (BCP 47: `pt-BR`) and region (ISO 3166-1: `BR`); empty takes one back.

        InputError where either has another form.
        """
        if language and not _LANGUAGE.fullmatch(language):
            raise InputError("the language isn't known: write a code such as en, pt-BR or zh-Hans")
        if region and not _REGION.fullmatch(region):
            raise InputError("the region isn't known: write two capital letters such as DE or BR")
        self._store.set_profile(contributor, language, region, now=int(self._now()))

    def export(self, contributor: bytes) -> dict[str, Any]:
        """Return everything kept of a person off chain, as JSON values."""
        tables = self._store.export(contributor)
        return {
            "contributor": "0x" + contributor.hex(),
            "exportedAt": int(self._now()),
            "notice": f"privacy notice, version {notices()[0].version}",
            **{name: [_plain(row) for row in rows] for name, rows in tables.items()},
        }

    def delete(self, contributor: bytes) -> int:
        """Delete everything kept of a person off chain; return how many records went."""
        return self._store.delete(contributor)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: "0x" + value.hex() if isinstance(value, bytes) else value
        for name, value in row.items()
        if name != "contributor"
    }
