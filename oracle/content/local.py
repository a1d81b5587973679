"""Content in one local directory: each block is a file named by its CIDv1, as IPFS names it."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from oracle.errors import ContentCorrupt, ContentMissing, ContentUnavailable, FormatError
from oracle.evidence.codec import MAX_BLOCK, Block, Link
from oracle.evidence.hashing import sha256


class LocalContent:
    """A `ContentStore` in the folder `root`, which is made when missing.

    A file's name is computed from 32 digest bytes, never taken from outside, so no name leads out
    of the folder. Every block is hashed again whenever it is read: what is returned has the digest
    that was asked for.

    Errors: ContentMissing where no file is, ContentCorrupt where the bytes differ from the name,
    ContentUnavailable where the folder can't be used at all.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ContentUnavailable(
                f"the content folder {self.root} can't be made ({error.strerror}): name a writable "
                "folder"
            ) from error

    def __str__(self) -> str:
        return str(self.root)

    def put(self, data: bytes, codec: int) -> bytes:
        """Store a block durably and return its SHA-256; FormatError where it is over 1 MiB."""
        link = Block(codec, data).link
        path = self._path(link)
        try:
            if path.read_bytes() == data:
                return link.digest
        except OSError:
            pass  # absent or unreadable: written anew below, which also heals a damaged file
        try:
            self._write(path, data)
        except OSError as error:
            raise ContentUnavailable(
                f"block {link} can't be written to {self.root} ({error.strerror}): free space or "
                "mend permissions"
            ) from error
        return link.digest

    def get(self, digest: bytes, codec: int) -> bytes:
        """Return the verified bytes of one block."""
        link = Link(codec, digest)
        try:
            # One byte more than a block may have: a planted huge file is never read whole.
            with self._path(link).open("rb") as file:
                data = file.read(MAX_BLOCK + 1)
        except FileNotFoundError:
            raise ContentMissing(
                f"block {link} isn't in {self.root}: copy it there from anyone who holds it, its "
                "name verifies it"
            ) from None
        except OSError as error:
            raise ContentUnavailable(
                f"block {link} can't be read ({error.strerror}): mend {self.root}"
            ) from error
        if sha256(data) != digest:
            raise ContentCorrupt(
                f"block {link} in {self.root} doesn't match its name: delete the file and fetch "
                "the block again"
            )
        return data

    def has(self, digest: bytes, codec: int) -> bool:
        """Say whether a file for the block is there, without reading it."""
        return self._path(Link(codec, digest)).is_file()

    def iterate(self) -> Iterator[Link]:
        """Yield the CID of every block held, sorted; files with other names are passed over."""
        for name in sorted(os.listdir(self.root)):
            try:
                yield Link.parse(name)
            except FormatError:
                continue

    def _path(self, link: Link) -> Path:
        return self.root / str(link)

    def _write(self, path: Path, data: bytes) -> None:
        # A reader never sees half a block, and a crash right after `put` loses none: write beside,
        # flush, rename, flush the folder. Two writers of one block write the same bytes, so either
        # rename is right.
        handle, temporary = tempfile.mkstemp(prefix=".put-", dir=self.root)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(
                temporary, 0o644
            )  # mkstemp makes it private; blocks are public, as in any IPFS node
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        folder = os.open(self.root, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
