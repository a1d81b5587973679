"""Rows that are held as columns: a row is made when it is asked for.

A million openings as objects take 300 MB, as columns 50.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar, overload

from numpy.typing import NDArray

R = TypeVar("R")
Column = NDArray[Any]


class Rows(Sequence[R]):
    """A sequence over columns; equal to any sequence of the same rows."""

    @abstractmethod
    def row(self, number: int) -> R:
        """Return one row."""

    @abstractmethod
    def part(self, chosen: slice) -> Rows[R]:
        """Return some rows, as columns."""

    @overload
    def __getitem__(self, chosen: int) -> R: ...
    @overload
    def __getitem__(self, chosen: slice) -> Rows[R]: ...
    def __getitem__(self, chosen: int | slice) -> R | Rows[R]:
        if isinstance(chosen, slice):
            return self.part(chosen)
        return self.row(range(len(self))[chosen])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(
            one == two for one, two in zip(self, other, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]
