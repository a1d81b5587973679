"""The branch points of a contract, and its text with a probe at each.

A point is a place where the code can go two ways: `if`, `assert`, a ternary, each operand of `and`
and `or`, the larger or smaller of two, a loop that is entered or not. A probe is a call of a
precompile that only the tests' chain has: it notes the outcome and hands it on, so the probed
contract does what the original does, but for its size and gas.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.altered import Edit, Source, apply, one_line, statements

OUTCOMES = {
    "function": ("entered",),
    "if": ("true", "false"),
    "assert": ("true", "false"),
    "ternary": ("true", "false"),
    "operand": ("true", "false"),
    "min/max": ("first", "second"),
    "loop": ("entered", "empty"),
}
KINDS = tuple(OUTCOMES)


@dataclass(frozen=True)
class Point:
    """Where the code can go several ways."""

    kind: str
    contract: str
    function: str
    line: int
    code: str

    @property
    def outcomes(self) -> tuple[str, ...]:
        return OUTCOMES[self.kind]


def probe(source: Source, first: int = 0) -> tuple[list[Point], str]:
    """The points of a file, numbered from `first` in their order, and its text with probes."""
    points: list[Point] = []
    edits: list[Edit] = []
    for function in source.functions:
        for kind, node in _places(function):
            number = first + len(points)
            code = function.name if kind == "function" else one_line(_head(source, node))
            points.append(Point(kind, source.name, function.name, node.lineno, code))
            edits += _probes(source, kind, node, number)
    return points, apply(source.text, edits)


def _places(function: ast.FunctionDef) -> Iterator[tuple[str, Any]]:
    """Each point's kind and the node to probe; the outer before the inner."""
    inside = [node for statement in statements(function) for node in _expressions(statement)]
    yield "function", min(statements(function), key=_place)
    for node in sorted(inside, key=_place):
        match node:
            case ast.If():
                yield "if", node.test
            case ast.Assert():
                yield "assert", node.test
            case ast.IfExp():
                yield "ternary", node.test
            case ast.BoolOp():
                for operand in node.values:
                    yield "operand", operand
            case ast.Call(func=ast.Name(id="min" | "max")):
                yield "min/max", node
            case ast.For() if not _is_constant_range(node.iter):
                yield "loop", node


def _head(source: Source, node: Any) -> str:
    return source.line(node) if isinstance(node, ast.For) else source.code(node)


def _expressions(node: ast.AST) -> Iterator[ast.AST]:
    """A statement and the expressions in it, but no statements inside its blocks."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt):
            yield from _expressions(child)


def _place(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _is_constant_range(node: ast.expr) -> bool:
    # the compiler wants a bound for every range that isn't known beforehand
    return isinstance(node, ast.Call) and not node.keywords


def _probes(source: Source, kind: str, node: Any, number: int) -> Iterator[Edit]:
    start, end = source.span(node)
    if kind == "min/max":
        first = source.span(node.args[0])[0]
        yield Edit(start, first, f"probe_{node.func.id}({number}, ")
    elif kind in ("function", "loop"):
        reached = "True" if kind == "function" else _is_entered(source, node.iter)
        indent = "\n" + " " * node.col_offset
        yield Edit(start, start, f"reached_{number}: bool = probe({number}, {reached}){indent}")
    else:
        yield Edit(start, start, f"probe({number}, ")
        yield Edit(end, end, ")")


def _is_entered(source: Source, iterated: ast.expr) -> str:
    if isinstance(iterated, ast.Call):
        bounds = ["0", *(source.code(argument) for argument in iterated.args)][-2:]
        return f"{bounds[0]} < {bounds[1]}"
    return f"len({source.code(iterated)}) != 0"
