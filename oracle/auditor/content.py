"""The folder of blocks, and the verdict `availability`: is every block there, and is it itself?"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from oracle.auditor.report import Findings
from oracle.auditor.workers import Workers
from oracle.errors import ContentCorrupt, ContentMissing, FormatError, InputError
from oracle.evidence.archive import media_link
from oracle.evidence.campaign import Fetch
from oracle.evidence.codec import MAX_BLOCK, RAW, Link
from oracle.evidence.hashing import sha256
from oracle.evidence.manifest import Manifest
from oracle.evidence.rows import Column

PART = 500  # blocks that one task hashes
NAME_BYTES = 33
RecordsTask = tuple[Path, list[tuple[int, Link]]]  # the folder; items with their records


class Content:
    """The blocks in `root`, each a file named by its CID.

    Reading never follows a symbolic link and never waits on a pipe; a file that is neither a
    regular one nor small enough for a block is refused. Bytes are hashed whenever they are read.
    """

    def __init__(self, root: Path, found: Findings, workers: Workers | None = None) -> None:
        self.root, self.found, self.workers = root, found, workers or Workers(1)
        self.held, self.corrupt = BlockNames(), BlockNames()

    def scan(self) -> None:
        """Hash every block in the folder; files with other names than CIDs are passed over."""
        try:
            names = sorted(entry.name for entry in os.scandir(self.root))
        except OSError as error:
            raise InputError(
                f"{self.root} can't be read ({error.strerror}): an audited folder holds "
                "deployment.json, chain.jsonl and content/"
            ) from error
        parts = [(self.root, names[at : at + PART]) for at in range(0, len(names), PART)]
        for whole, corrupt in self.workers.map(hash_blocks, parts):
            self.found.checks += len(whole) // NAME_BYTES
            self.held.add(whole)
            self.corrupt.add(corrupt)
        for link in self.corrupt:
            self.found.check(
                False,
                "availability",
                "BLOCK-CORRUPT",
                f"block {link}",
                "its bytes don't hash to its name: fetch it again from anyone who holds it",
            )

    def fetch(self, link: Link) -> bytes:
        """Return a block's bytes; ContentMissing or ContentCorrupt, with a finding, where it can't
        be had."""
        self.demand(link)
        return read_block(self.root, link)

    def demand(self, link: Link) -> None:
        """Raise as `fetch` where a block can't be had."""
        self.require(link, "the receipts' evidence")
        if link in self.corrupt:
            raise ContentCorrupt(f"block {link} is corrupt")
        if link not in self.held:
            raise ContentMissing(f"block {link} is missing")

    def reader(self) -> Fetch:
        """Return a `fetch` for the shards of one object, none of which it may name twice.

        A canonical index never does; a hostile one of 1 MiB could name one shard 25,000 times.
        """
        seen: set[Link] = set()

        def fetch(link: Link) -> bytes:
            if link in seen:
                raise FormatError(f"an index names block {link} twice")
            seen.add(link)
            return self.fetch(link)

        return fetch

    def require(self, link: Link, why: str) -> bool:
        """Say whether a block is held; note a finding, naming what needs it, where it isn't."""
        if link in self.corrupt:
            return False
        return self.found.check(
            link in self.held,
            "availability",
            "BLOCK-MISSING",
            f"block {link}",
            f"{why} needs it: get it from anyone who holds it; that it is missing is no fraud",
        )

    def require_items(self, manifest: Manifest, item_ids: Sequence[bytes]) -> None:
        """Check guidelines, consent and, where the campaign is public, item records and media."""
        self.require(Link(RAW, manifest.guidelines), "the manifest (guidelines)")
        self.require(Link(RAW, manifest.consent), "the manifest (consent)")
        if manifest.document["privacy"] != "public":
            return
        for media in self.workers.map(media_of, self._held_records(item_ids)):
            for number, link in media:
                self.require(link, f"the media of item {number}")

    def _held_records(self, item_ids: Sequence[bytes]) -> Iterator[RecordsTask]:
        for at in range(0, len(item_ids), PART):
            records = (
                (at + number, Link(RAW, item))
                for number, item in enumerate(item_ids[at : at + PART])
            )
            held = [one for one in records if self.require(one[1], f"item {one[0]}")]
            yield self.root, held


class BlockNames:
    """Links of blocks, each in 33 bytes; an object each takes 300."""

    def __init__(self) -> None:
        self._names = bytearray()
        self._sorted: Column = np.zeros(0, dtype=f"S{NAME_BYTES}")

    def add(self, names: bytes) -> None:
        """Take names, one after another."""
        self._names += names

    def __contains__(self, link: Link) -> bool:
        if len(self._sorted) * NAME_BYTES != len(self._names):
            self._sorted = np.sort(np.frombuffer(bytes(self._names), dtype=f"S{NAME_BYTES}"))
        name = np.array(link_name(link), dtype=self._sorted.dtype)
        at = int(np.searchsorted(self._sorted, name))
        return at < len(self._sorted) and bool(self._sorted[at] == name)

    def __iter__(self) -> Iterator[Link]:
        for at in range(0, len(self._names), NAME_BYTES):
            name = bytes(self._names[at : at + NAME_BYTES])
            yield Link(name[0], name[1:])


def link_name(link: Link) -> bytes:
    """The codec's byte and the digest."""
    return bytes([link.codec]) + link.digest


def hash_blocks(task: tuple[Path, list[str]]) -> tuple[bytes, bytes]:
    """Hash the files in a folder that have CIDs for names; return the names of those that are what
    their name says, and of the others."""
    folder, names = task
    whole, corrupt = bytearray(), bytearray()
    for name in names:
        try:
            link = Link.parse(name)
        except FormatError:
            continue
        data = read_regular(os.path.join(folder, name), MAX_BLOCK)
        holds = data is not None and sha256(data) == link.digest
        (whole if holds else corrupt).extend(link_name(link))
    return bytes(whole), bytes(corrupt)


def read_block(folder: Path, link: Link) -> bytes:
    """Return a block's bytes; ContentCorrupt where they aren't what they were when scanned."""
    # Not a Path, which remembers every name for good.
    data = read_regular(os.path.join(folder, str(link)), MAX_BLOCK)
    if data is None or sha256(data) != link.digest:
        raise ContentCorrupt(f"block {link} changed while it was read")
    return data


def media_of(task: RecordsTask) -> list[tuple[int, Link]]:
    """Return, by item number, the media that item records name, where they are one block; larger
    media (UnixFS) and URLs aren't ours."""
    folder, records = task
    found = []
    for number, record in records:
        media = media_link(read_block(folder, record))
        if media is not None:
            found.append((number, media))
    return found


def read_regular(path: Path | str, limit: int) -> bytes | None:
    """Return a file's bytes, None where they are more than `limit`.

    Raises InputError, naming the remedy, for what isn't a regular file or can't be read.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def open_regular(path: Path | str) -> BinaryIO:
    """Open a regular file for reading; InputError for a symbolic link, pipe, device or folder."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise InputError(
            f"{path} is missing: an audited folder holds deployment.json, chain.jsonl and content/"
        ) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InputError(
                f"{path} is a symbolic link: put the file itself there, nothing outside is read"
            ) from error
        raise InputError(f"{path} can't be read ({error.strerror}): mend it") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError(f"{path} is no regular file: put the file itself there")
    return os.fdopen(handle, "rb")
