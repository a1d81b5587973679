"""Logs: one JSON object a line, what it is about, and never a secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from oracle.config import load_settings
from oracle.operations.logs import MASK, about, start_logging

KEY = "0x" + "ab" * 32


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_start_logging__json__is_an_object_a_line_with_campaign_and_epoch(
    stream: io.StringIO,
) -> None:
    start_logging("json", stream=stream)
    log = logging.getLogger("oracle.tested")
    with about(campaign=7):
        with about(epoch=3):
            log.info("posted %d", 5)
        log.warning("slow", extra={"epoch": 9})
    log.error("first line\nsecond line")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(one["level"], one["message"]) for one in lines] == [
        ("INFO", "posted 5"),
        ("WARNING", "slow"),
        ("ERROR", "first line\nsecond line"),
    ]
    assert [(one.get("campaign"), one.get("epoch")) for one in lines] == [
        (7, 3),
        (7, 9),
        (None, None),
    ]
    assert set(lines[0]) == {"level", "logger", "message", "timestamp", "campaign", "epoch"}
    assert all(one["logger"] == "oracle.tested" and one["timestamp"] for one in lines)


def test_start_logging__text__names_them_before_the_message(stream: io.StringIO) -> None:
    start_logging("text", stream=stream)
    with about(campaign=7, epoch=3):
        logging.getLogger("oracle.tested").info("posted")
    assert stream.getvalue().endswith("INFO oracle.tested [campaign 7 epoch 3] posted\n")


@pytest.mark.parametrize("form", ["json", "text"])
def test_start_logging__secret_in_a_line_or_traceback__is_masked(
    stream: io.StringIO, form: str
) -> None:
    settings = load_settings(
        {
            "DDLP_REQUESTER_KEY": KEY,
            "DDLP_WEB_SECRET": "cd" * 32,
            "DDLP_DATABASE_URL": "postgresql+psycopg://ddlp:a-password@db/ddlp",
            "DDLP_RPC_URL": "https://mainnet.example/v3/0123456789abcdef",
        }
    )
    start_logging(form, settings.secret_texts, stream)
    log = logging.getLogger("oracle.tested")
    log.info("key %s, %s and %s", KEY, KEY[2:], "cd" * 32)
    try:
        raise ValueError(f"can't reach {settings.rpc_url} or {settings.database_url}")
    except ValueError:
        log.exception("failed")
    written = stream.getvalue()
    for secret in ("ab" * 32, "cd" * 32, "a-password", "0123456789abcdef"):
        assert secret not in written
    assert f"key {MASK}, {MASK} and {MASK}" in written
    assert "mainnet.example" in written  # the host isn't secret, and helps
