"""Settings decide where content is; many blocks are put at once; places catch up."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from oracle.config import load_settings
from oracle.content.batch import put_all
from oracle.content.kubo import KuboContent
from oracle.content.local import LocalContent
from oracle.content.replicated import ReplicatedContent
from oracle.content.stores import CatchUp, open_content
from oracle.errors import ConfigError, ContentUnavailable, InputError
from oracle.evidence.codec import RAW, Block

HERE, THERE = "/ip4/127.0.0.1/tcp/5001/http", "/ip4/127.0.0.2/tcp/5001/http"


def test_open_content__by_default__is_a_folder_of_the_state(tmp_path: Path) -> None:
    content = open_content(load_settings({"DDLP_STATE_DIR": str(tmp_path)}))
    assert isinstance(content, LocalContent)
    assert content.root == tmp_path / "content"


def test_open_content__folder_named__is_used(tmp_path: Path) -> None:
    content = open_content(load_settings({"DDLP_CONTENT_DIR": str(tmp_path / "blocks")}))
    assert isinstance(content, LocalContent)
    assert content.root == tmp_path / "blocks"


def test_open_content__daemons_named__come_after_the_folder(tmp_path: Path) -> None:
    environ = {"DDLP_STATE_DIR": str(tmp_path), "DDLP_IPFS_URL": f"{HERE}, {THERE}"}
    content = open_content(load_settings({**environ, "DDLP_CONTENT_COPIES": "2"}))
    assert isinstance(content, ReplicatedContent)
    local, *daemons = content.stores
    assert isinstance(local, LocalContent)
    assert all(isinstance(daemon, KuboContent) for daemon in daemons)
    assert [str(daemon) for daemon in daemons] == [f"Kubo at {HERE}", f"Kubo at {THERE}"]
    assert content.copies == 2


@pytest.mark.parametrize(
    ("environ", "error"),
    [
        ({"DDLP_CONTENT_COPIES": "0"}, ConfigError),
        ({"DDLP_CONTENT_COPIES": "two"}, ConfigError),
        ({"DDLP_CONTENT_COPIES": "2"}, InputError),
        ({"DDLP_CONTENT_COPIES": "3", "DDLP_IPFS_URL": HERE}, InputError),
        ({"DDLP_IPFS_URL": "127.0.0.1:5001"}, ContentUnavailable),
        ({"DDLP_IPFS_URL": f"{HERE},"}, ContentUnavailable),
    ],
)
def test_open_content__what_can_not_be__is_refused(
    tmp_path: Path, environ: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        open_content(load_settings({"DDLP_STATE_DIR": str(tmp_path), **environ}))


BLOCKS = [Block(RAW, bytes([number])) for number in range(50)]


class Recording(LocalContent):
    """A folder that notes the order in which blocks are stored, and refuses one."""

    def __init__(self, root: Path, refused: bytes = b"") -> None:
        super().__init__(root)
        self.stored: list[bytes] = []
        self._refused = refused

    def put(self, data: bytes, codec: int) -> bytes:
        if data == self._refused:
            raise ContentUnavailable("full: free space")
        time.sleep(0.001)
        digest = super().put(data, codec)
        self.stored.append(data)
        return digest


def test_put_all__many__stores_each_and_the_last_one_last(tmp_path: Path) -> None:
    content = Recording(tmp_path)
    put_all(content, BLOCKS)
    assert sorted(content.stored) == [block.data for block in BLOCKS]
    assert content.stored[-1] == BLOCKS[-1].data
    put_all(content, [])
    assert len(content.stored) == len(BLOCKS)


def test_put_all__one_is_refused__says_so_and_leaves_the_last_out(tmp_path: Path) -> None:
    content = Recording(tmp_path, refused=BLOCKS[7].data)
    with pytest.raises(ContentUnavailable, match="full"):
        put_all(content, BLOCKS)
    assert BLOCKS[-1].data not in content.stored


class Slow(LocalContent):
    """A folder whose list comes when it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.goes = threading.Event()

    def iterate(self):  # type: ignore[no-untyped-def]
        assert self.goes.wait(60)
        return super().iterate()


def test_catch_up__place_that_lacks_blocks__is_given_them_while_others_go_on(
    tmp_path: Path,
) -> None:
    full, empty = LocalContent(tmp_path / "full"), Slow(tmp_path / "empty")
    put_all(full, BLOCKS)
    content, catch_up = ReplicatedContent([full, empty]), CatchUp()
    catch_up(content)
    catch_up(content)  # under way: nothing begins twice
    assert not list(tmp_path.joinpath("empty").iterdir())
    empty.goes.set()
    catch_up.wait()
    assert list(empty.iterate()) == list(full.iterate())
    assert not content.is_behind
    catch_up(full)  # a single place has nobody to catch up with
