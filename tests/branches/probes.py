"""Probed contracts in place of the originals, and what the probes report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from boa.precompile import PrecompileBuiltin
from boa.vm.py_evm import register_raw_precompile
from eth_utils import keccak, to_checksum_address
from vyper.builtins.functions import DISPATCH_TABLE
from vyper.semantics.analysis.base import VarInfo
from vyper.semantics.namespace import get_namespace
from vyper.semantics.types import BoolT, VyperType
from vyper.semantics.types.shortcuts import UINT256_T

from tests.branches.points import Point, probe
from tests.support.altered import dependants, deploy_instead, sources
from tests.support.system import boa


def all_points() -> tuple[list[Point], dict[Path, str]]:
    """The points of all contracts and modules, and the probed texts by file."""
    points: list[Point] = []
    texts = {}
    for source in sources():
        found, texts[source.path] = probe(source, len(points))
        points += found
    return points, texts


def install(texts: Mapping[Path, str], folder: Path) -> None:
    """Deploy contracts with these texts from now on; larger ones than a chain takes."""
    boa.env.evm.patch.code_size_limit = 2**20
    everything = sources()
    names = dependants(everything, [source.name for source in everything])
    deploy_instead(texts, names, folder)


def add_builtins(points: Sequence[Point], note: Callable[[int, str], None]) -> None:
    """Teach the compiler the probes; each outcome is noted with its point's number."""

    def passed_on(number: int, outcome: int) -> int:
        note(number, points[number].outcomes[0 if outcome else 1])
        return outcome

    def extreme(choose: Callable[[int, int], int]) -> Callable[[int, int, int], int]:
        def chosen(number: int, first: int, second: int) -> int:
            if first != second:
                which = 0 if choose(first, second) == first else 1
                note(number, points[number].outcomes[which])
            return choose(first, second)

        return chosen

    word = UINT256_T
    _add_builtin("probe", [word, BoolT()], BoolT(), passed_on)
    _add_builtin("probe_min", [word, word, word], word, extreme(min))
    _add_builtin("probe_max", [word, word, word], word, extreme(max))


def _add_builtin(
    name: str, types: list[VyperType], returned: VyperType, function: Callable[..., int]
) -> None:
    """A function of the language, which a precompile of the tests' chain computes.

    titanoboa 0.2.8 has a decorator for it that doesn't work with Vyper 0.4.3.
    """

    def precompile(computation: Any) -> Any:
        data = computation.msg.data_as_bytes
        words = [int.from_bytes(data[i : i + 32], "big") for i in range(0, len(data), 32)]
        computation.output = int(function(*words)).to_bytes(32, "big")
        return computation

    address = keccak(text=name)[:20]
    register_raw_precompile(to_checksum_address(address), precompile, force=True)
    arguments = [(f"argument_{i}", kind) for i, kind in enumerate(types)]
    builtin = PrecompileBuiltin(name, arguments, returned, address)
    DISPATCH_TABLE[name] = builtin
    get_namespace()[name] = VarInfo(builtin)
