"""Settings decide where content is."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.config import load_settings
from oracle.content.kubo import KuboContent
from oracle.content.local import LocalContent
from oracle.content.replicated import ReplicatedContent
from oracle.content.stores import open_content
from oracle.errors import ConfigError, ContentUnavailable, InputError

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
