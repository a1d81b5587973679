"""Content in a Kubo daemon (IPFS), spoken to by its RPC."""

import io
import warnings
from collections.abc import Iterator

import ipfshttpclient
from ipfshttpclient.exceptions import Error, ErrorResponse
from ipfshttpclient.exceptions import TimeoutError as KuboTimeout

from oracle.errors import ContentCorrupt, ContentMissing, ContentUnavailable, FormatError
from oracle.evidence.codec import RAW, Block, Link
from oracle.evidence.hashing import sha256

# ipfshttpclient 0.7 passes urllib3 2 a parameter that it no longer needs; the version is pinned
# below 3 for it.
warnings.filterwarnings("ignore", message="The 'strict' parameter", category=FutureWarning)


class KuboContent:
    """A `ContentStore` behind a daemon's RPC at `address`, such as `/ip4/127.0.0.1/tcp/5001/http`.

    `timeout` is in seconds: an online daemon searches the network for a block that it lacks until
    then. The daemon is not trusted: every block is hashed again when it is read, and the CID of
    every write is compared with our own.

    Errors: ContentMissing where the daemon finds no such block within `timeout`, ContentCorrupt
    where it returns other bytes, ContentUnavailable where it doesn't answer.
    """

    def __init__(self, address: str, timeout: float = 30.0) -> None:
        self.address = address
        self.timeout = timeout
        try:
            # The constructor, since `connect()` refuses today's daemons by their version.
            self._client = ipfshttpclient.Client(address, timeout=timeout)
        except (Error, ValueError) as error:
            raise ContentUnavailable(
                f"{address!r} is no address of a Kubo RPC: write it as /ip4/127.0.0.1/tcp/5001/http"
            ) from error

    def put(self, data: bytes, codec: int) -> bytes:
        """Store and pin a block and return its SHA-256; FormatError where it is over 1 MiB."""
        link = Block(codec, data).link
        options = {"cid-codec": "raw" if codec == RAW else "dag-cbor", "pin": "true"}
        try:
            answer = self._client.block.put(io.BytesIO(data), opts=options)
        except Error as error:
            raise self._unavailable(error) from error
        if answer["Key"] != str(link):
            raise ContentCorrupt(
                f"Kubo at {self.address} stored block {link} as {answer['Key']}: upgrade it to "
                "0.41 or later"
            )
        return link.digest

    def get(self, digest: bytes, codec: int) -> bytes:
        """Return the verified bytes of one block."""
        link = Link(codec, digest)
        try:
            data = bytes(self._client.block.get(str(link)))
        except (ErrorResponse, KuboTimeout) as error:
            raise ContentMissing(
                f"block {link} wasn't found by Kubo at {self.address} within {self.timeout:g} s: "
                "ask who published it to pin it again, or connect the daemon to a peer that has it"
            ) from error
        except Error as error:
            raise self._unavailable(error) from error
        if sha256(data) != digest:
            raise ContentCorrupt(
                f"Kubo at {self.address} returned other bytes for block {link}: check its "
                "repository by `ipfs repo verify`"
            )
        return data

    def has(self, digest: bytes, codec: int) -> bool:
        """Say whether the daemon itself holds the block, without a search of the network."""
        try:
            self._client.block.stat(str(Link(codec, digest)), opts={"offline": "true"})
        except ErrorResponse:
            return False
        except Error as error:
            raise self._unavailable(error) from error
        return True

    def iterate(self) -> Iterator[Link]:
        """Yield the CID of every pinned block with SHA-256 and codec raw or dag-cbor, sorted.

        Pins, not blocks: the daemon's block store forgets codecs, and `put` pins each block.
        """
        try:
            keys = self._client.pin.ls(type="recursive")["Keys"]
        except Error as error:
            raise self._unavailable(error) from error
        for name in sorted(keys):
            try:
                yield Link.parse(name)
            except FormatError:
                continue  # pinned by somebody else, in another format

    def _unavailable(self, error: Error) -> ContentUnavailable:
        return ContentUnavailable(
            f"Kubo at {self.address} doesn't answer ({type(error).__name__}): start `ipfs daemon` "
            "or mend the address"
        )
