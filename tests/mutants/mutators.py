"""Every mutant of a contract: one small change that a good test should notice.

The classes are the usual ones (DeMillo, Lipton and Sayward, "Hints on test data selection",
doi:10.1109/C-M.1978.218136; Offutt et al., "An experimental determination of sufficient mutant
operators", doi:10.1145/227607.227610) and those that matter where money and roles do: dropped
checks, dropped writes to storage, swapped halves of a packed word, altered events and results.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.altered import (
    Edit,
    Source,
    apply,
    dependants,
    is_log,
    one_line,
    sources,
    statements,
)
from tests.support.system import CONTRACTS

COMPARISONS = {
    # just off the bound, and the other way round
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
}
OPERATORS = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "//"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
    ast.BitXor: ("^", "|"),
}
SCALARS = ("uint", "int", "bytes", "address", "bool")
LONGEST = 110


@dataclass(frozen=True)
class Mutant:
    """One change. `name` says where, of which class and what: it doesn't change when lines move."""

    name: str
    operator: str
    path: Path
    function: str
    line: int
    edits: tuple[Edit, ...]
    deployed: tuple[str, ...]  # the contracts that the change is compiled into

    @property
    def contract(self) -> str:
        return self.path.stem

    @property
    def code(self) -> str:
        """The file's name in a folder of results."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]

    def text(self) -> str:
        """The mutated source."""
        return apply(self.path.read_text(encoding="utf-8"), self.edits)


# what a mutator yields: class, the node that changes, the node that names the place, edits
Change = tuple[str, Any, Any, list[Edit]]


def all_mutants() -> list[Mutant]:
    """Of all contracts and modules."""
    everything = sources()
    return [mutant for source in everything for mutant in mutants(source, everything)]


def mutants(source: Source, everything: Sequence[Source]) -> list[Mutant]:
    """All mutants of one file, in the order of their places."""
    deployed = tuple(dependants(everything, [source.name]))
    found: list[Mutant] = []
    names: Counter[str] = Counter()
    for function, operator, node, shown, edits in _changes(source):
        start, end = source.span(shown)
        moved = [Edit(edit.start - start, edit.end - start, edit.text) for edit in edits]
        before, after = source.text[start:end], apply(source.text[start:end], moved)
        what = _short(before)
        if after not in ("", "pass"):
            what += f" -> {_short(after)}"
        name = f"{source.name}.{function} | {operator} | {what}"
        names[name] += 1
        if names[name] > 1:
            name += f" | {names[name]}"
        place = (source.path, function, node.lineno)
        found.append(Mutant(name, operator, *place, tuple(edits), deployed))
    return found


def _short(code: str) -> str:
    code = one_line(code)
    return code if len(code) <= LONGEST else code[: LONGEST - 2] + " …"


def _changes(source: Source) -> Iterator[tuple[str, *Change]]:
    for change in _pragma(source):
        yield "", *change
    for statement in source.tree.body:
        if isinstance(statement, ast.AnnAssign) and statement.value:
            for change in _constant(source, statement):
                yield "", *change
    for function in source.functions:
        for change in _decorators(source, function):
            yield function.name, *change
        for statement in sorted(statements(function), key=lambda node: node.lineno):
            for mutate in STATEMENTS:
                for change in mutate(source, function, statement):
                    yield function.name, *change
            for node in _expressions(statement):
                for mutate_expression in EXPRESSIONS:
                    for change in mutate_expression(source, node):
                        yield function.name, *change


def _expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, ast.stmt) and child is not getattr(statement, "annotation", None):
            yield from ast.walk(child)


def _replace(source: Source, node: Any, text: str) -> list[Edit]:
    start, end = source.span(node)
    return [Edit(start, end, text)]


# -------------------------------------------------------------- statements


def _constant(source: Source, statement: ast.AnnAssign) -> Iterator[Change]:
    """A bound, mask or place one off."""
    if "constant" not in source.code(statement.annotation) or _is_text(statement.value):
        return
    value = source.code(statement.value)
    for sign in ("+", "-"):
        edits = _replace(source, statement.value, f"({value}) {sign} 1")
        yield "constant one off", statement, statement, edits


def _is_text(node: Any) -> bool:
    inside = [child for child in ast.walk(node) if isinstance(child, ast.Constant)]
    return any(isinstance(child.value, (str, bytes)) for child in inside)


def _decorators(source: Source, function: ast.FunctionDef) -> Iterator[Change]:
    for decorator in function.decorator_list:
        if source.code(decorator) in ("reentrant", "nonreentrant"):
            node = _on_line(decorator.lineno, "@" + source.code(decorator))
            yield "decorator dropped", node, node, _replace(source, node, "")


def _pragma(source: Source) -> Iterator[Change]:
    """Functions may be called while others of the contract run."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if line == "# pragma nonreentrancy on":
            node = _on_line(number, line)
            exempt = [c for function in source.functions for c in _decorators(source, function)]
            edits = [edit for *_, dropped in exempt for edit in dropped]
            yield "pragma dropped", node, node, [*_replace(source, node, ""), *edits]


def _on_line(number: int, code: str) -> ast.Name:
    """A node for what isn't one: a comment, or a decorator with its sign."""
    place = {"lineno": number, "end_lineno": number, "col_offset": 0, "end_col_offset": len(code)}
    return ast.Name(code, **place)


def _dropped(source: Source, function: ast.FunctionDef, statement: ast.stmt) -> Iterator[Change]:
    """A check, a write, a call, an event or an early way out is left out."""
    match statement:
        case ast.Assert():
            operator = "check dropped"
        case ast.Assign() | ast.AugAssign():
            stored = source.code(statement).startswith("self.")
            operator = "write dropped" if stored else "assignment dropped"
        case ast.Expr() if is_log(statement):
            operator = "event dropped"
        case ast.Expr():
            operator = "check dropped" if "_check" in source.code(statement) else "call dropped"
        case ast.Return(value=None) | ast.Continue() | ast.Break():
            operator = "way out dropped"
        case _:
            return
    yield operator, statement, statement, _replace(source, statement, "pass")


def _condition(source: Source, function: ast.FunctionDef, statement: ast.stmt) -> Iterator[Change]:
    """An `if` whose condition isn't a comparison turns round."""
    if isinstance(statement, ast.If) and not isinstance(statement.test, ast.Compare):
        edits = _replace(source, statement.test, f"not ({source.code(statement.test)})")
        yield "condition negated", statement.test, statement.test, edits


def _returned(source: Source, function: ast.FunctionDef, statement: ast.stmt) -> Iterator[Change]:
    """A function returns nothing, or the opposite."""
    if not isinstance(statement, ast.Return) or statement.value is None:
        return
    assert function.returns
    kind = source.code(function.returns)
    if source.code(statement.value) in ("0", "0, 0", "False"):
        return
    if isinstance(function.returns, ast.Tuple):
        parts = ", ".join(f"empty({source.code(part)})" for part in function.returns.elts)
        yield "result altered", statement, statement, _replace(source, statement.value, parts)
        return
    value = f"not ({source.code(statement.value)})" if kind == "bool" else f"empty({kind})"
    if value != source.code(statement.value):
        yield "result altered", statement, statement, _replace(source, statement.value, value)


def _halves(source: Source, function: ast.FunctionDef, statement: ast.stmt) -> Iterator[Change]:
    """The two halves of a packed word change places."""
    match statement:
        case ast.Assign(targets=[ast.Tuple(elts=[first, second]) as pair]):
            swapped = f"{source.code(second)}, {source.code(first)}"
            yield "halves swapped", statement, statement, _replace(source, pair, swapped)


def _event(source: Source, function: ast.FunctionDef, statement: ast.stmt) -> Iterator[Change]:
    """A field of an event is empty."""
    if not is_log(statement):
        return
    call = statement.value.operand  # type: ignore[attr-defined]
    kinds = _fields(source.code(call.func), source)
    for keyword in call.keywords:
        kind = kinds.get(keyword.arg, "")
        value = source.code(keyword.value)
        if kind.startswith(SCALARS) and value not in ("0", "False"):
            altered = f"not ({value})" if kind == "bool" else f"empty({kind})"
            yield "event altered", keyword, keyword, _replace(source, keyword.value, altered)


def _fields(event: str, source: Source) -> dict[str, str]:
    """Types of an event's fields, by name."""
    interface, _, name = event.rpartition(".")
    path = CONTRACTS / "interfaces" / f"{interface}.vyi" if interface else source.path
    text = path.read_text(encoding="utf-8")
    body = text.split(f"event {name}:", 1)[1].split("\n\n", 1)[0]
    lines = [line.split("#")[0].strip() for line in body.splitlines()]
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    return {name: kind.removeprefix("indexed(").removesuffix(")") for name, kind in fields.items()}


# ------------------------------------------------------------- expressions


def _compared(source: Source, node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = source.span(node.left)[1], source.span(node.comparators[0])[0]
        between = source.text[left:right]
        for altered in COMPARISONS.get(type(node.ops[0]), ()):
            symbol = next(s for s in ("<=", ">=", "==", "!=", "<", ">") if s in between)
            edits = [Edit(left, right, between.replace(symbol, altered, 1))]
            yield "comparison flipped", node, node, edits


def _computed(source: Source, node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS and not _is_literal(node):
        symbol, altered = OPERATORS[type(node.op)]
        left, right = source.span(node.left)[1], source.span(node.right)[0]
        between = source.text[left:right].replace(symbol, altered, 1)
        yield "operator flipped", node, node, [Edit(left, right, between)]


def _is_literal(node: ast.AST) -> bool:
    return all(
        isinstance(child, (ast.BinOp, ast.operator, ast.Constant)) for child in ast.walk(node)
    )


def _updated(source: Source, function: ast.FunctionDef, statement: ast.stmt) -> Iterator[Change]:
    if isinstance(statement, ast.AugAssign):
        symbol, altered = OPERATORS[type(statement.op)]
        left, right = source.span(statement.target)[1], source.span(statement.value)[0]
        between = source.text[left:right].replace(symbol, altered, 1)
        yield "operator flipped", statement, statement, [Edit(left, right, between)]


def _joined(source: Source, node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.BoolOp):
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        edits = []
        for left, right in zip(node.values, node.values[1:], strict=False):
            start, end = source.span(left)[1], source.span(right)[0]
            edits.append(Edit(start, end, source.text[start:end].replace(old, new, 1)))
        yield "and/or flipped", node, node, edits
        for i, operand in enumerate(node.values):
            value = "True" if isinstance(node.op, ast.And) else "False"
            if not isinstance(operand, ast.BoolOp):
                yield "operand dropped", node.values[i], node, _replace(source, operand, value)


def _extreme(source: Source, node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        other = {"min": "max", "max": "min"}.get(node.func.id)
        if other:
            yield "min/max flipped", node, node, _replace(source, node.func, other)


def _negation(source: Source, node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        start = source.span(node)[0]
        if source.text.startswith("not ", start):
            yield "negation dropped", node, node, [Edit(start, start + 4, "")]
    if isinstance(node, ast.IfExp):
        edits = _replace(source, node.test, f"not ({source.code(node.test)})")
        yield "condition negated", node, node, edits


def _literal(source: Source, node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.Constant) or isinstance(node.value, (str, bytes)):
        return
    if _is_overwritten(source, node):
        return
    shown = node.parent  # type: ignore[attr-defined]
    if isinstance(node.value, bool):
        edits = _replace(source, node, str(not node.value))
        yield "literal altered", node, shown, edits
    elif isinstance(node.value, int) and not source.code(node).startswith("0x"):
        yield "literal altered", node, shown, _replace(source, node, str(node.value + 1))


def _is_overwritten(source: Source, node: Any) -> bool:
    """Vyper wants a value for each name that a pair of results is then written to."""
    declared = node.parent
    if not isinstance(declared, ast.AnnAssign):
        return False
    pairs = [n.elts for n in ast.walk(declared.parent) if isinstance(n, ast.Tuple)]  # type: ignore[attr-defined]
    written = {source.code(name) for pair in pairs for name in pair}
    return source.code(declared.target) in written


def _role(source: Source, node: ast.AST) -> Iterator[Change]:
    """Stake of one role passes for another's."""
    code = source.code(node) if isinstance(node, ast.Attribute) else ""
    if ".Role." in code:
        role = code.rpartition(".")[2]
        other = "OPERATOR" if role != "OPERATOR" else "CONTRIBUTOR"
        edits = _replace(source, node, code.replace(role, other))
        yield "role altered", node, node.parent, edits  # type: ignore[attr-defined]


STATEMENTS: tuple[Callable[[Source, ast.FunctionDef, ast.stmt], Iterator[Change]], ...] = (
    _dropped,
    _condition,
    _returned,
    _halves,
    _event,
    _updated,
)
EXPRESSIONS: tuple[Callable[[Source, ast.AST], Iterator[Change]], ...] = (
    _compared,
    _computed,
    _joined,
    _extreme,
    _negation,
    _literal,
    _role,
)
