"""Wiring: settings decide which parts a platform gets."""

from __future__ import annotations

from pathlib import Path

from oracle.bootstrap import Keys, open_content, sealing_key
from oracle.config import load_settings
from oracle.content.kubo import KuboContent
from oracle.content.local import LocalContent


def test_open_content__by_default__is_a_folder_of_the_state(tmp_path: Path) -> None:
    content = open_content(load_settings({"DDLP_STATE_DIR": str(tmp_path)}))
    assert isinstance(content, LocalContent)
    assert content.root == tmp_path / "content"


def test_open_content__folder_named__is_used(tmp_path: Path) -> None:
    content = open_content(load_settings({"DDLP_CONTENT_DIR": str(tmp_path / "blocks")}))
    assert isinstance(content, LocalContent)
    assert content.root == tmp_path / "blocks"


def test_open_content__daemon_named__is_asked() -> None:
    address = "/ip4/127.0.0.1/tcp/5001/http"
    content = open_content(load_settings({"DDLP_IPFS_URL": address}))
    assert isinstance(content, KuboContent)
    assert content.address == address


def test_keys__repr__shows_no_key() -> None:
    keys = Keys.of_devnet()
    assert keys.gateway.hex() not in repr(keys)
    assert len({sealing_key(account) for account in keys.operators}) == len(keys.operators)
