"""The requester's recovery file: what a campaign's draws and gold came from.

It is written before the campaign is published. With it `ddlp campaign create` makes the same
campaign instead of a second one, and `ddlp campaign recover` gives a gateway whose secrets are lost
its draw seeds and gold back.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle.errors import InputError

SUFFIX = ".recovery.json"


@dataclass(frozen=True)
class Recovery:
    """A campaign's `secret` (32 bytes), and the digest of the `manifest` (32 bytes) it led to."""

    secret: bytes = field(repr=False)
    manifest: bytes

    @staticmethod
    def path_of(campaign_file: Path) -> Path:
        """Where a campaign file's recovery file is by default: beside it."""
        return campaign_file.with_name(campaign_file.name + SUFFIX)

    @staticmethod
    def draw() -> bytes:
        """Return a fresh secret."""
        return secrets.token_bytes(32)

    def save(self, path: Path) -> None:
        """Write the file (mode 0600), whole or not at all; InputError where it can't be, or where
        another stands there."""
        document = {"version": 1, "manifest": self.manifest.hex(), "secret": self.secret.hex()}
        partial = path.with_name(path.name + ".partial")
        try:
            partial.unlink(missing_ok=True)
            # Created private, never widened then narrowed: nobody reads it in between.
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                json.dump(document, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.link(partial, path)  # unlike a rename, it never replaces what is there
        except FileExistsError:
            raise InputError(
                f"{path} was just written by another process: run the command again"
            ) from None
        except OSError as error:
            raise InputError(
                f"{path} can't be written ({error.strerror}): name another place by --recovery"
            ) from error
        finally:
            partial.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> Recovery:
        """Read a file of `save`; InputError where it is missing, readable by others, or damaged."""
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise InputError(
                f"the recovery file {path} can't be read ({reason}): name the one that "
                "`ddlp campaign create` wrote"
            ) from error
        if mode & 0o077:
            raise InputError(f"the recovery file {path} can be read by others: run chmod 600 on it")
        try:
            document: Any = json.loads(text)
            values = [document[name] for name in ("secret", "manifest")]
            whole = document["version"] == 1 and all(
                isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) for value in values
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            whole = False
        if not whole:
            raise InputError(f"the recovery file {path} is damaged: restore it from a copy")
        return cls(bytes.fromhex(values[0]), bytes.fromhex(values[1]))
