"""What a gateway must keep to itself until an epoch's supplement opens it: draw seeds and gold."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from oracle.errors import InputError
from oracle.evidence.campaign import draw_seeds
from oracle.evidence.supplement import GoldOpening


@dataclass(frozen=True, repr=False)
class GatewaySecrets:
    """Draw seeds and gold of one campaign.

    `last_seed` is seed number `epochs` of the hash chain (docs/FORMATS.md, section 3), so that
    draws are possible in epochs 1 to `epochs`; `gold` holds every gold item with its answer and
    salt.
    """

    last_seed: bytes
    epochs: int
    gold: tuple[GoldOpening, ...]

    def __repr__(self) -> str:
        # A secret must not reach a log through a traceback or a debug print.
        return f"GatewaySecrets(epochs={self.epochs}, gold={len(self.gold)} items, …)"

    def seed(self, epoch: int) -> bytes:
        """Return the draw seed of `epoch`; InputError beyond the chain."""
        if not 0 <= epoch <= self.epochs:
            raise InputError(
                f"epoch {epoch} is beyond the campaign's {self.epochs} draw seeds: close the "
                "campaign and create another for what is left"
            )
        return self._seeds[epoch]

    def batch(self, epoch: int) -> list[GoldOpening]:
        """Return the epoch's gold in the order of its commitments; empty after the last batch."""
        return self._batches.get(epoch, [])

    @cached_property
    def _seeds(self) -> list[bytes]:
        return draw_seeds(self.last_seed, self.epochs)

    @cached_property
    def _batches(self) -> dict[int, list[GoldOpening]]:
        batches: dict[int, list[GoldOpening]] = {}
        for row in sorted(self.gold):
            batches.setdefault(row.epoch, []).append(row)
        return batches

    def save(self, path: Path) -> None:
        """Write a private file (mode 0600); InputError where `path` exists: gold is kept."""
        document = {
            "version": 1,
            "lastSeed": self.last_seed.hex(),
            "epochs": self.epochs,
            "gold": [
                {
                    "epoch": row.epoch,
                    "index": row.index,
                    "item": row.item,
                    "answer": row.answer.decode(),
                    "salt": row.salt.hex(),
                }
                for row in self.gold
            ],
        }
        try:
            # Created private, never widened then narrowed: nobody reads it in between.
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise InputError(
                f"{path} exists and may hold another campaign's gold: name another file"
            ) from None
        except OSError as error:
            raise InputError(f"{path} can't be written ({error.strerror})") from error
        with os.fdopen(handle, "w") as file:
            json.dump(document, file, indent=1)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def load(cls, path: Path) -> GatewaySecrets:
        """Read a file of `save`; InputError where it is missing, readable by others, or damaged."""
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            document: Any = json.loads(path.read_text())
        except OSError as error:
            raise InputError(
                f"the gateway's secrets {path} can't be read ({error.strerror}): name the file "
                "that `ddlp campaign create` wrote"
            ) from error
        except ValueError as error:
            raise InputError(
                f"the gateway's secrets {path} are damaged: restore them from backup"
            ) from error
        if mode & 0o077:
            raise InputError(
                f"the gateway's secrets {path} can be read by others: run chmod 600 on it"
            )
        try:
            if document["version"] != 1:
                raise ValueError("version")
            return cls(
                bytes.fromhex(document["lastSeed"]),
                int(document["epochs"]),
                tuple(
                    GoldOpening(
                        int(row["epoch"]),
                        int(row["index"]),
                        int(row["item"]),
                        str(row["answer"]).encode(),
                        bytes.fromhex(row["salt"]),
                    )
                    for row in document["gold"]
                ),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"the gateway's secrets {path} are damaged: restore them from backup"
            ) from error
