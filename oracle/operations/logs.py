"""Structured logs: one JSON object a line, with the campaign and epoch that a line is about.

No secret gets out: texts that are known to be secret are masked in every line, whoever wrote it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

MASK = "[secret]"
SHORTEST_SECRET = 6  # shorter texts would mask innocent words
TEXT_FORMAT = "%(asctime)s %(levelname)s %(name)s%(about)s %(message)s"
_about: ContextVar[dict[str, int]] = ContextVar("about", default={})  # noqa: B039  never changed


@contextmanager
def about(**numbers: int) -> Iterator[None]:
    """Name the campaign, and the epoch, that lines logged inside the `with` block are about."""
    token = _about.set({**_about.get(), **numbers})
    try:
        yield
    finally:
        _about.reset(token)


def start_logging(form: str, secrets: Collection[str] = (), stream: TextIO | None = None) -> None:
    """Log from level INFO on to `stream` (stderr), as `form` says: "json" or "text".

    `secrets` are masked wherever they turn up, also within a longer text or a traceback.
    """
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.addFilter(_add_about)
    handler.setFormatter(_Masked(_formatter(form), secrets))
    root = logging.getLogger()
    for other in root.handlers[:]:
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    # Libraries tell of every request at INFO.
    for noisy in ("urllib3", "web3", "waitress", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _formatter(form: str) -> logging.Formatter:
    if form == "json":
        return JsonFormatter(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp=True,
            reserved_attrs=[*RESERVED_ATTRS, "about"],  # of the text form
        )
    return logging.Formatter(TEXT_FORMAT)


def _add_about(record: logging.LogRecord) -> bool:
    for name, number in _about.get().items():
        if not hasattr(record, name):
            setattr(record, name, number)
    known = [name for name in ("campaign", "epoch") if hasattr(record, name)]
    text = " ".join(f"{name} {getattr(record, name)}" for name in known)
    record.about = f" [{text}]" if text else ""
    return True


class _Masked(logging.Formatter):
    """Another formatter's lines with every secret masked."""

    def __init__(self, formatter: logging.Formatter, secrets: Collection[str]) -> None:
        super().__init__()
        self._formatter = formatter
        # A private key is masked with and without its 0x; longest first, so that none leaves a
        # remainder.
        texts = {one.removeprefix("0x") for one in secrets} | set(secrets)
        self._secrets = sorted(
            (one for one in texts if len(one) >= SHORTEST_SECRET), key=len, reverse=True
        )

    def format(self, record: logging.LogRecord) -> str:
        line = self._formatter.format(record)
        for secret in self._secrets:
            line = line.replace(secret, MASK)
        return line
