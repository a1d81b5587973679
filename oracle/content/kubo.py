"""Content in a Kubo daemon (IPFS), spoken to by its RPC."""

import io
import time
import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

import ipfshttpclient
from ipfshttpclient.exceptions import CommunicationError, Error, ErrorResponse
from ipfshttpclient.exceptions import TimeoutError as KuboTimeout

from oracle.errors import ContentCorrupt, ContentMissing, ContentUnavailable, FormatError
from oracle.evidence.codec import RAW, Block, Link
from oracle.evidence.hashing import sha256

# ipfshttpclient 0.7 passes urllib3 2 a parameter that it no longer needs; the version is pinned
# below 3 for it.
warnings.filterwarnings("ignore", message="The 'strict' parameter", category=FutureWarning)


Answer = TypeVar("Answer")
RETRY_PAUSES = (0.1, 0.4)  # seconds: a daemon that restarts drops connections for a moment
ANSWER_SECONDS = 5.0  # beyond its own timeout a daemon that lives has answered


class KuboContent:
    """A `ContentStore` behind a daemon's RPC at `address`, such as `/ip4/127.0.0.1/tcp/5001/http`.

    `timeout` is in seconds: an online daemon searches the network for a block that it lacks until
    then. The daemon is not trusted: every block is hashed again when it is read, and the CID of
    every write is compared with our own. Every request may be repeated, so one that breaks off is.

    Errors: ContentMissing where the daemon finds no such block within `timeout`, ContentCorrupt
    where it returns other bytes, ContentUnavailable where it doesn't answer or can't do its work.
    """

    def __init__(self, address: str, timeout: float = 30.0) -> None:
        self.address = address
        self.timeout = timeout
        try:
            # The constructor, since `connect()` refuses today's daemons by their version.
            self._client = ipfshttpclient.Client(address, timeout=timeout + ANSWER_SECONDS)
        except (Error, ValueError) as error:
            raise ContentUnavailable(
                f"{address!r} is no address of a Kubo RPC: write it as /ip4/127.0.0.1/tcp/5001/http"
            ) from error

    def __str__(self) -> str:
        return f"Kubo at {self.address}"

    def put(self, data: bytes, codec: int) -> bytes:
        """Store and pin a block and return its SHA-256; FormatError where it is over 1 MiB."""
        link = Block(codec, data).link
        options = {"cid-codec": "raw" if codec == RAW else "dag-cbor", "pin": "true"}
        try:
            answer = self._ask(lambda: self._client.block.put(io.BytesIO(data), opts=options))
        except Error as error:
            raise self._unavailable(error) from error
        if answer["Key"] != str(link):
            raise ContentCorrupt(
                f"{self} stored block {link} as {answer['Key']}: upgrade it to 0.41 or later"
            )
        return link.digest

    def get(self, digest: bytes, codec: int) -> bytes:
        """Return the verified bytes of one block."""
        link = Link(codec, digest)
        try:
            data = self._ask(lambda: self._client.block.get(str(link), opts=_limit(self.timeout)))
        except Error as error:
            raise self._missing_or_unavailable(link, error, self.timeout) from error
        if sha256(data) != digest:
            raise ContentCorrupt(
                f"{self} returned other bytes for block {link}: check its repository by "
                "`ipfs repo verify`"
            )
        return bytes(data)

    def pin(self, link: Link, seconds: float = 600.0) -> None:
        """Fetch all that an index links, at any depth, and keep it until somebody unpins it.

        Where that isn't done within `seconds` the index itself stays pinned, if it was held.
        """
        held = self.has(link.digest, link.codec)
        limits = {"timeout": seconds + ANSWER_SECONDS, "opts": _limit(seconds)}
        try:
            self._ask(lambda: self._client.pin.add(str(link), recursive=True, **limits))
        except Error as error:
            if held:  # a recursive pin that fails removes the one that was there
                self.put(self.get(link.digest, link.codec), link.codec)
            raise self._missing_or_unavailable(link, error, seconds) from error

    def has(self, digest: bytes, codec: int) -> bool:
        """Say whether the daemon itself holds the block, without a search of the network."""
        name, options = str(Link(codec, digest)), {"offline": "true"}
        try:
            self._ask(lambda: self._client.block.stat(name, opts=options))
        except Error as error:
            if _says_not_found(error):
                return False
            raise self._unavailable(error) from error
        return True

    def iterate(self) -> Iterator[Link]:
        """Yield the CID of every pinned block with SHA-256 and codec raw or dag-cbor, sorted.

        Pins, not blocks: the daemon's block store forgets codecs, and `put` pins each block.
        """
        try:
            keys = self._ask(lambda: self._client.pin.ls(type="recursive"))["Keys"]
        except Error as error:
            raise self._unavailable(error) from error
        for name in sorted(keys):
            try:
                yield Link.parse(name)
            except FormatError:
                continue  # pinned by somebody else, in another format

    def _ask(self, request: Callable[[], Answer]) -> Answer:
        for pause in RETRY_PAUSES:
            try:
                return request()
            except (ErrorResponse, KuboTimeout):
                raise  # it has answered, or had all the time there is
            except CommunicationError:
                time.sleep(pause)
        return request()

    def _missing_or_unavailable(
        self, link: Link, error: Error, seconds: float
    ) -> ContentMissing | ContentUnavailable:
        if not _says_not_found(error):
            return self._unavailable(error)
        return ContentMissing(
            f"block {link}, or one it links, wasn't found by {self} within {seconds:g} s: ask "
            "who published it to pin it again, or connect the daemon to a peer that has it"
        )

    def _unavailable(self, error: Error) -> ContentUnavailable:
        if isinstance(error, ErrorResponse):
            return ContentUnavailable(f"{self} can't do its work: {error}")
        return ContentUnavailable(
            f"{self} doesn't answer ({type(error).__name__}): start `ipfs daemon` or mend the "
            "address"
        )


def _limit(seconds: float) -> dict[str, str]:
    """Return the daemon's own limit: a search in vain must differ from a daemon that hangs."""
    return {"timeout": f"{seconds:g}s"}


def _says_not_found(error: Error) -> bool:
    """Say whether the daemon answered that it found no block, here or within its search."""
    words = ("was not found", "could not find", "deadline exceeded")
    return isinstance(error, ErrorResponse) and any(word in str(error) for word in words)
