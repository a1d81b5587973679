"""Kubo's own: broken connections, daemons that hang or lie, and recursive pins over two of them."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from oracle.content import kubo as adapter
from oracle.content.kubo import KuboContent
from oracle.errors import ContentCorrupt, ContentMissing, ContentUnavailable
from oracle.evidence.codec import DAG_CBOR, RAW, Block, Link, cbor_block
from oracle.evidence.hashing import sha256
from tests.support.servers.kubo import Kubo
from tests.support.servers.proxy import proxying

pytestmark = pytest.mark.filterwarnings("ignore:The 'strict' parameter:FutureWarning")
StartKubo = Callable[..., Kubo]
SHARDS = [Block(RAW, b"shard %d" % number) for number in range(20)]
INNER = cbor_block("items", {"shards": [block.link for block in SHARDS]})
OUTER = cbor_block("evidence", {"items": [INNER.link], "manifest": SHARDS[0].link})


@pytest.fixture(scope="module")
def daemon(kubo: StartKubo) -> Kubo:
    return kubo()


@pytest.fixture(scope="module")
def pair(kubo: StartKubo) -> tuple[Kubo, Kubo]:
    """Two online daemons, connected."""
    here, there = kubo(online=True), kubo(online=True)
    here.connect(there)
    return here, there


def address_of(port: int) -> str:
    return f"/ip4/127.0.0.1/tcp/{port}/http"


def pins(daemon: Kubo) -> dict[str, str]:
    return dict(line.split()[:2] for line in daemon.run("pin", "ls").decode().splitlines())


@pytest.mark.enable_socket
def test_kubo__nobody_listens__is_unavailable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    content = KuboContent(address_of(port), timeout=2)
    for call in (
        lambda: content.put(b"x", RAW),
        lambda: content.get(sha256(b"x"), RAW),
        lambda: content.has(sha256(b"x"), RAW),
        lambda: content.pin(Link(RAW, sha256(b"x"))),
        lambda: list(content.iterate()),
    ):
        with pytest.raises(ContentUnavailable, match="ipfs daemon"):
            call()


def test_kubo__address_that_is_none__is_refused() -> None:
    with pytest.raises(ContentUnavailable, match="/ip4/"):
        KuboContent("nonsense")


@pytest.mark.services
def test_request__connection_that_breaks_twice__is_repeated(daemon: Kubo) -> None:
    with proxying(daemon.port) as proxy:
        content = KuboContent(address_of(proxy.port))
        for call in (
            lambda: content.put(b"through thick and thin", RAW),
            lambda: content.get(sha256(b"through thick and thin"), RAW),
            lambda: content.has(sha256(b"through thick and thin"), RAW),
            lambda: content.pin(Link(RAW, sha256(b"through thick and thin"))),
            lambda: list(content.iterate()),
        ):
            proxy.drop = len(adapter.RETRY_PAUSES)
            assert call() is not False
            assert proxy.drop == 0
        proxy.connections, proxy.drop = 0, 100
        with pytest.raises(ContentUnavailable):
            content.get(sha256(b"through thick and thin"), RAW)
        assert proxy.connections == len(adapter.RETRY_PAUSES) + 1


@pytest.mark.services
def test_get__daemon_that_hangs__is_unavailable_not_missing(
    daemon: Kubo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "ANSWER_SECONDS", 0.5)
    with proxying(daemon.port) as proxy:
        content = KuboContent(address_of(proxy.port), timeout=0.5)
        digest = content.put(b"held back", RAW)
        proxy.hold.clear()
        with pytest.raises(ContentUnavailable, match="doesn't answer"):
            content.get(digest, RAW)
        proxy.hold.set()
        assert content.get(digest, RAW) == b"held back"


@pytest.mark.services
def test_get__other_bytes_on_the_way__is_corrupt(daemon: Kubo) -> None:
    with proxying(daemon.port) as proxy:
        content = KuboContent(address_of(proxy.port))
        digest = content.put(b"the truth", RAW)
        proxy.swap = (b"truth", b"lying")
        with pytest.raises(ContentCorrupt, match=str(proxy.port)):
            content.get(digest, RAW)


@pytest.mark.services
def test_put__repository_that_can_not_be_written__is_unavailable_and_says_why(
    kubo: StartKubo,
) -> None:
    daemon = kubo()
    content = KuboContent(daemon.address)
    blocks = daemon.folder / "blocks"
    blocks.rename(daemon.folder / "elsewhere")
    blocks.write_bytes(b"not a folder")
    with pytest.raises(ContentUnavailable, match=r"can't do its work: .*not a directory"):
        content.put(b"x", RAW)
    blocks.unlink()
    (daemon.folder / "elsewhere").rename(blocks)
    assert not content.has(sha256(b"x"), RAW)


@pytest.mark.services
def test_get__block_of_a_connected_daemon__is_fetched(pair: tuple[Kubo, Kubo]) -> None:
    here, there = (KuboContent(one.address) for one in pair)
    digest = there.put(b"far away", RAW)
    assert not here.has(digest, RAW)
    assert here.get(digest, RAW) == b"far away"
    with pytest.raises(ContentMissing, match="within 1 s"):
        KuboContent(here.address, timeout=1).get(sha256(b"nowhere"), RAW)


@pytest.mark.services
def test_pin__index_of_a_connected_daemon__holds_all_that_it_links(pair: tuple[Kubo, Kubo]) -> None:
    here, there = (KuboContent(one.address) for one in pair)
    for block in (*SHARDS, INNER, OUTER):
        there.put(block.data, block.codec)
    here.pin(OUTER.link)
    assert all(here.has(block.digest, block.codec) for block in (*SHARDS, INNER, OUTER))
    listed = pins(pair[0])
    assert listed[str(OUTER.link)] == "recursive"
    assert {listed[str(block.link)] for block in (*SHARDS, INNER)} == {"indirect"}
    assert OUTER.link in list(here.iterate())
    pair[0].run("repo", "gc")
    assert all(here.has(block.digest, block.codec) for block in (*SHARDS, INNER, OUTER))


@pytest.mark.services
def test_pin__with_a_block_that_nobody_has__keeps_the_index_pinned(daemon: Kubo) -> None:
    content = KuboContent(daemon.address)
    lost = Link(RAW, sha256(b"lost"))
    index = cbor_block("items", {"shards": [lost]})
    with pytest.raises(ContentMissing, match="or one it links"):
        content.pin(index.link)
    content.put(index.data, DAG_CBOR)
    held = list(content.iterate())
    with pytest.raises(ContentMissing, match="or one it links"):
        content.pin(index.link)
    assert list(content.iterate()) == held
    content.put(b"lost", RAW)
    content.pin(index.link)
