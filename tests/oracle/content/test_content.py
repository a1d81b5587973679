"""One suite for every ContentStore, then what is each adapter's own."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle.content.kubo import KuboContent
from oracle.content.local import LocalContent
from oracle.errors import ContentCorrupt, ContentMissing, ContentUnavailable, FormatError
from oracle.evidence.codec import DAG_CBOR, MAX_BLOCK, RAW, Link, cbor_block
from oracle.evidence.hashing import sha256
from oracle.ports import ContentStore

INDEX = cbor_block("items", {"count": 0, "shards": []})


@pytest.fixture(scope="module")
def kubo_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A fresh offline daemon on free loopback ports; it ends with the module."""
    ipfs = shutil.which("ipfs")
    if ipfs is None:
        pytest.skip("no `ipfs` on PATH: build Kubo to run its adapter's tests")
    environment = {
        **os.environ,
        "IPFS_PATH": str(tmp_path_factory.mktemp("ipfs")),
        "IPFS_TELEMETRY": "off",
    }

    def run(*command: str) -> None:
        subprocess.run([ipfs, *command], env=environment, check=True, capture_output=True)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"/ip4/127.0.0.1/tcp/{port}"
    run("init", "--profile=test")
    run("config", "Addresses.API", address)
    run("config", "--json", "Addresses.Gateway", "[]")
    run("config", "--json", "Addresses.Swarm", "[]")
    run("config", "Routing.Type", "none")
    daemon = subprocess.Popen(
        [ipfs, "daemon", "--offline"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert daemon.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield address + "/http"
    finally:
        daemon.terminate()
        daemon.wait(20)


@pytest.fixture(
    params=[
        "local",
        pytest.param(
            "kubo",
            marks=[
                pytest.mark.services,
                pytest.mark.enable_socket,
                pytest.mark.filterwarnings("ignore:The 'strict' parameter:FutureWarning"),
            ],
        ),
    ]
)
def content(request: pytest.FixtureRequest, tmp_path: Path) -> ContentStore:
    if request.param == "local":
        return LocalContent(tmp_path / "content")
    return KuboContent(request.getfixturevalue("kubo_address"), timeout=10)


@pytest.mark.parametrize(("codec", "data"), [(RAW, b"hello"), (RAW, b""), (DAG_CBOR, INDEX.data)])
def test_put__any_block__is_got_by_its_digest(
    content: ContentStore, codec: int, data: bytes
) -> None:
    digest = content.put(data, codec)
    assert digest == sha256(data)
    assert content.get(digest, codec) == data
    assert content.has(digest, codec)
    assert Link(codec, digest) in list(content.iterate())


def test_put__twice__changes_nothing(content: ContentStore) -> None:
    first = content.put(b"twice", RAW)
    held = list(content.iterate())
    assert content.put(b"twice", RAW) == first
    assert list(content.iterate()) == held


def test_put__a_full_block__is_stored_and_a_byte_more_is_refused(content: ContentStore) -> None:
    full = b"x" * MAX_BLOCK
    assert content.get(content.put(full, RAW), RAW) == full
    held = list(content.iterate())
    with pytest.raises(FormatError, match="over 1 MiB"):
        content.put(full + b"x", RAW)
    assert list(content.iterate()) == held


def test_get__unknown_digest__is_missing_and_names_the_cid(content: ContentStore) -> None:
    digest = sha256(b"nobody stored this")
    assert not content.has(digest, RAW)
    with pytest.raises(ContentMissing, match=str(Link(RAW, digest))):
        content.get(digest, RAW)


@pytest.mark.parametrize("digest", [b"", b"../../../../etc/passwd", b"\0" * 31])
def test_get__what_is_no_digest__is_refused(content: ContentStore, digest: bytes) -> None:
    with pytest.raises(FormatError):
        content.get(digest, RAW)
    with pytest.raises(FormatError):
        content.get(sha256(b""), 0x70)


# --- the local directory's own --------------------------------------------------------------------


@pytest.fixture
def local(tmp_path: Path) -> LocalContent:
    return LocalContent(tmp_path / "content")


def test_get__a_flipped_byte__is_corrupt_until_the_block_is_put_again(local: LocalContent) -> None:
    digest = local.put(b"precious", RAW)
    path = local.root / str(Link(RAW, digest))
    path.write_bytes(b"Precious")
    with pytest.raises(ContentCorrupt, match=path.name):
        local.get(digest, RAW)
    local.put(b"precious", RAW)
    assert local.get(digest, RAW) == b"precious"


def test_get__a_planted_huge_file__is_corrupt(local: LocalContent) -> None:
    digest = sha256(b"small")
    with (local.root / str(Link(RAW, digest))).open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(ContentCorrupt):
        local.get(digest, RAW)


def test_iterate__other_files_beside_blocks__are_passed_over(local: LocalContent) -> None:
    digests = [local.put(bytes([number]), RAW) for number in range(5)]
    (local.root / "README").write_text("not a block")
    (local.root / ".put-half").write_bytes(b"left by a crash")
    found = list(local.iterate())
    assert [str(link) for link in found] == sorted(str(Link(RAW, digest)) for digest in digests)


def test_put__killed_before_the_rename__leaves_no_block(
    local: LocalContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        local.put(b"half", RAW)
    assert not local.has(sha256(b"half"), RAW)
    assert os.listdir(local.root) == []


def test_put__many_threads_with_one_block__store_it_once(local: LocalContent) -> None:
    data = os.urandom(1 << 18)
    threads = [threading.Thread(target=local.put, args=(data, RAW)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.listdir(local.root) == [str(Link(RAW, sha256(data)))]
    assert local.get(sha256(data), RAW) == data


def test_open__where_a_file_stands__is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "content").write_text("a file")
    with pytest.raises(ContentUnavailable, match="writable folder"):
        LocalContent(tmp_path / "content")


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=4096), codec=st.sampled_from([RAW, DAG_CBOR]))
def test_put__any_bytes__round_trip(local: LocalContent, data: bytes, codec: int) -> None:
    assert local.get(local.put(data, codec), codec) == data


# --- Kubo's own -----------------------------------------------------------------------------------


@pytest.mark.enable_socket
@pytest.mark.filterwarnings("ignore:The 'strict' parameter:FutureWarning")
def test_kubo__nobody_listens__is_unavailable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kubo = KuboContent(f"/ip4/127.0.0.1/tcp/{port}/http", timeout=2)
    for call in (
        lambda: kubo.put(b"x", RAW),
        lambda: kubo.get(sha256(b"x"), RAW),
        lambda: kubo.has(sha256(b"x"), RAW),
        lambda: list(kubo.iterate()),
    ):
        with pytest.raises(ContentUnavailable, match="ipfs daemon"):
            call()


def test_kubo__address_that_is_none__is_refused() -> None:
    with pytest.raises(ContentUnavailable, match="/ip4/"):
        KuboContent("nonsense")
