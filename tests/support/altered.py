"""Contracts with altered sources, compiled and deployed in place of the originals.

Branch coverage and mutants both change the text of contracts at places that a syntax tree gives.
Python's parser gives exact places, the compiler's own tree doesn't (its ends are off beside
`staticcall`); so Vyper's few words that Python lacks are replaced by ones of the same length.
"""

from __future__ import annotations

import ast
import hashlib
import io
import itertools
import re
import shutil
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.support import system
from tests.support.system import CONTRACTS, boa

WORDS = {"log": "not", "extcall": "await", "staticcall": "await"}
DEFINITIONS = {"event": "class", "flag": "with", "interface": "class", "struct": "class"}


@dataclass(frozen=True)
class Edit:
    """Replace `text[start:end]`; of edits at one place those that insert come in their order."""

    start: int
    end: int
    text: str


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text after all edits, which must not overlap."""
    parts = []
    place = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        assert edit.start >= place, f"overlapping edits at {edit}"
        parts += [text[place : edit.start], edit.text]
        place = edit.end
    return "".join([*parts, text[place:]])


class Source:
    """A Vyper file: its text, its functions, and where every node of its tree stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.stem
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(as_python(self.text))
        lengths = [len(line) for line in self.text.splitlines(keepends=True)]
        self._starts = [0, *itertools.accumulate(lengths)]
        for parent in ast.walk(self.tree):
            for child in ast.iter_child_nodes(parent):
                child.parent = parent  # type: ignore[attr-defined]

    def span(self, node: Any) -> tuple[int, int]:
        """Where a node begins and ends in the text."""
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset

    def code(self, node: Any) -> str:
        """A node as it is written."""
        start, end = self.span(node)
        return self.text[start:end]

    def line(self, node: Any) -> str:
        """The line on which a node begins."""
        return self.text.splitlines()[node.lineno - 1].strip()

    @cached_property
    def functions(self) -> list[ast.FunctionDef]:
        return [node for node in self.tree.body if isinstance(node, ast.FunctionDef)]

    @cached_property
    def imports(self) -> set[str]:
        """Names of what the file imports."""
        found = [node for node in self.tree.body if isinstance(node, ast.ImportFrom)]
        return {alias.name for node in found for alias in node.names}


def as_python(text: str) -> str:
    """Vyper as Python that has every character at its place."""
    rows = [list(line) for line in text.splitlines(keepends=True)]
    blank: tuple[int, int] | None = None
    previous: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        row, column = token.start
        words = WORDS if column else DEFINITIONS
        if token.type == tokenize.NAME and token.string in words:
            word = words[token.string].ljust(len(token.string))
            rows[row - 1][column : column + len(word)] = word
        if token.string == ":" and previous[-2:-1] == ["for"]:
            blank = token.start
        if token.string == "in" and blank:  # `for x: T in xs` becomes `for x in xs`
            assert row == blank[0], f"line {row}: keep the loop's type on one line"
            rows[row - 1][blank[1] : column] = " " * (column - blank[1])
            blank = None
        previous.append(token.string)
    # the parser counts columns in bytes
    return re.sub(r"[^\x00-\x7f]", "?", "".join("".join(row) for row in rows))


def statements(function: ast.AST) -> Iterator[ast.stmt]:
    """All statements of a function, those inside blocks included, without its docstring."""
    for node in ast.walk(function):
        if isinstance(node, ast.stmt) and node is not function and not is_docstring(node):
            yield node


def is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def is_log(node: ast.AST) -> bool:
    """`log` reads as `not`: nothing else in a contract stands as such a statement."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.UnaryOp)


def sources() -> list[Source]:
    """All contracts that are deployed, then their modules, in the order of their names."""
    return [
        Source(path)
        for folder in (CONTRACTS, CONTRACTS / "modules")
        for path in sorted(folder.glob("*.vy"))
    ]


def dependants(everything: Iterable[Source], changed: Iterable[str]) -> list[str]:
    """Deployed contracts that are among the changed files, or import one through any number."""
    files = {source.name: source for source in everything}
    reached = set(changed)
    while more := {n for n, s in files.items() if s.imports & reached} - reached:
        reached |= more
    return sorted(n for n in reached if files[n].path.parent == CONTRACTS)


def deploy_instead(texts: Mapping[Path, str], names: Iterable[str], folder: Path) -> None:
    """From now on `system.load` deploys the named contracts with these texts for their files.

    They are compiled below `folder`, which must be this process's own.
    """
    tree = folder / "contracts"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(CONTRACTS, tree)
    for path, text in texts.items():
        (tree / path.relative_to(CONTRACTS)).write_text(text, encoding="utf-8")
    boa.interpret.set_cache_dir(folder / "cache")
    altered = {name: boa.load_partial(str(tree / f"{name}.vy")) for name in names}
    original = system._compiled
    system._compiled = lambda name: altered.get(name) or original(name)


def digest_of(paths: Iterable[Path]) -> str:
    """SHA-256 over files, their names included."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def one_line(code: str) -> str:
    """Code without line breaks and without the spaces that they leave."""
    return re.sub(r"([(\[]) | (?=[)\]])", r"\1", " ".join(code.split()))
