"""The folder of blocks, and the verdict `availability`: is every block there, and is it itself?"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from oracle.auditor.report import Findings
from oracle.errors import ContentCorrupt, ContentMissing, FormatError, InputError
from oracle.evidence.campaign import Fetch
from oracle.evidence.codec import MAX_BLOCK, RAW, Link, decode_json
from oracle.evidence.hashing import sha256
from oracle.evidence.manifest import Manifest


class Content:
    """The blocks in `root`, each a file named by its CID.

    Reading never follows a symbolic link and never waits on a pipe; a file that is neither a
    regular one nor small enough for a block is refused. Bytes are hashed whenever they are read.
    """

    def __init__(self, root: Path, found: Findings) -> None:
        self.root, self.found = root, found
        self.held: set[Link] = set()
        self.corrupt: set[Link] = set()

    def scan(self) -> None:
        """Hash every block in the folder; files with other names than CIDs are passed over."""
        try:
            names = sorted(entry.name for entry in os.scandir(self.root))
        except OSError as error:
            raise InputError(
                f"{self.root} can't be read ({error.strerror}): an audited folder holds "
                "deployment.json, chain.jsonl and content/"
            ) from error
        for name in names:
            try:
                link = Link.parse(name)
            except FormatError:
                continue
            data = read_regular(self.root / name, MAX_BLOCK)
            whole = data is not None and sha256(data) == link.digest
            (self.held if whole else self.corrupt).add(link)
            self.found.check(
                whole,
                "availability",
                "BLOCK-CORRUPT",
                f"block {link}",
                "its bytes don't hash to its name: fetch it again from anyone who holds it",
            )

    def fetch(self, link: Link) -> bytes:
        """Return a block's bytes; ContentMissing or ContentCorrupt, with a finding, where it can't
        be had."""
        self.require(link, "the receipts' evidence")
        if link in self.corrupt:
            raise ContentCorrupt(f"block {link} is corrupt")
        if link not in self.held:
            raise ContentMissing(f"block {link} is missing")
        data = read_regular(self.root / str(link), MAX_BLOCK)
        if data is None or sha256(data) != link.digest:
            raise ContentCorrupt(f"block {link} changed while it was read")
        return data

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

    def require_items(self, manifest: Manifest, item_ids: Iterable[bytes]) -> None:
        """Check guidelines, consent and, where the campaign is public, item records and media."""
        self.require(Link(RAW, manifest.guidelines), "the manifest (guidelines)")
        self.require(Link(RAW, manifest.consent), "the manifest (consent)")
        if manifest.document["privacy"] != "public":
            return
        for number, item in enumerate(item_ids):
            record = Link(RAW, item)
            if self.require(record, f"item {number}"):
                media = _media(self.fetch(record))
                if media is not None:
                    self.require(media, f"the media of item {number}")


def _media(record: bytes) -> Link | None:
    """The media's block, where it is one block; larger media (UnixFS) and URLs aren't ours."""
    try:
        return Link.parse(decode_json(record)["media"]["cid"])
    except (FormatError, KeyError, TypeError, AttributeError):
        return None


def read_regular(path: Path, limit: int) -> bytes | None:
    """Return a file's bytes, None where they are more than `limit`.

    Raises InputError, naming the remedy, for what isn't a regular file or can't be read.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def open_regular(path: Path) -> BinaryIO:
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
