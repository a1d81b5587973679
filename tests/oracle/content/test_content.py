"""One suite for every ContentStore, then what is each adapter's own."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle.content.kubo import KuboContent
from oracle.content.local import LocalContent
from oracle.content.replicated import ReplicatedContent
from oracle.errors import ContentCorrupt, ContentMissing, ContentUnavailable, FormatError
from oracle.evidence.codec import DAG_CBOR, MAX_BLOCK, RAW, Link, cbor_block
from oracle.evidence.hashing import sha256
from oracle.ports import ContentStore
from tests.support.servers.kubo import Kubo

STRICT = "ignore:The 'strict' parameter:FutureWarning"  # ipfshttpclient 0.7
INDEX = cbor_block("items", {"count": 0, "shards": []})


KUBO = (pytest.mark.services, pytest.mark.filterwarnings(STRICT))


@pytest.fixture(scope="module")
def daemon(kubo: Callable[..., Kubo]) -> Kubo:
    return kubo()


@pytest.fixture(
    params=[
        "local",
        "replicated folders",
        pytest.param("kubo", marks=KUBO),
        pytest.param("replicated kubo", marks=KUBO),
    ]
)
def content(request: pytest.FixtureRequest, tmp_path: Path) -> ContentStore:
    local = LocalContent(tmp_path / "content")
    match request.param:
        case "local":
            return local
        case "replicated folders":
            return ReplicatedContent([local, LocalContent(tmp_path / "other")], copies=2)
    daemon = KuboContent(request.getfixturevalue("daemon").address, timeout=10)
    return daemon if request.param == "kubo" else ReplicatedContent([local, daemon], copies=2)


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
