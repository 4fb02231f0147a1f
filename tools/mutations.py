"""Small changes to a Python source, one at a time, each of which a good test should notice. `tools.mutants` tries them.

What is changed: comparisons, `and`/`or`, `not`, arithmetic, numbers, True/False, the names of fields (strings that are
keys), the tests of `if`, and returned values. What is not: docstrings, types, decorators, log messages, `__all__`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
    ast.Is: ast.IsNot(),
    ast.IsNot: ast.Is(),
    ast.In: ast.NotIn(),
    ast.NotIn: ast.In(),
}
_ARITHMETIC: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(),
    ast.Sub: ast.Add(),
    ast.Mult: ast.Div(),
    ast.Div: ast.Mult(),
    ast.FloorDiv: ast.Mult(),
    ast.Mod: ast.FloorDiv(),
}
_LOOK_UPS = frozenset({"get", "pop", "setdefault"})
_LOGS = frozenset({"log", "logger"})


@dataclass(frozen=True, order=True)
class Mutation:
    """One change: what stands from `start` to `end` (bytes into the source) becomes `new`; `old` is on one line."""

    line: int
    start: int
    end: int
    old: str
    new: str

    def apply(self, source: bytes) -> bytes:
        """The source with this change in it."""
        return source[: self.start] + self.new.encode() + source[self.end :]


def mutations(source: bytes) -> list[Mutation]:
    """Every change to `source`, in its order."""
    return sorted(set(_Finder(source).found(ast.parse(source))))


class _Finder:
    """Walks a tree and writes down what could be changed where."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        starts = [0]
        for line in source.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self._starts = starts

    def found(self, node: ast.AST) -> Iterator[Mutation]:
        for expression, changed in _changes_of(node):
            yield self._mutation(expression, changed)
        for child in _children(node):
            yield from self.found(child)

    def _mutation(self, node: ast.expr, changed: ast.expr) -> Mutation:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[node.end_lineno - 1] + node.end_col_offset
        new = ast.unparse(changed)
        # Parentheses keep its place in whatever it is part of: `not a < b` has none to lose.
        new = new if isinstance(changed, ast.Constant | ast.Name) else f"({new})"
        return Mutation(node.lineno, start, end, " ".join(self._source[start:end].decode().split()), new)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """What in `node` may be changed in turn."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params") or isinstance(node, ast.JoinedStr):
            continue
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, ast.AST) and not _is_left_alone(item):
                yield item


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()):  # docstrings, also those of fields
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=value))) if _root(value) in _LOGS:
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Subscript(value=ast.Name(id="Literal")):
            return True
    return False


def _root(node: ast.AST) -> str:
    """The name at the left end of `a.b().c`; what the project calls its log may also be an attribute, `self._log`."""
    while isinstance(node, ast.Attribute | ast.Call):
        if isinstance(node, ast.Attribute) and node.attr.lstrip("_") in _LOGS:
            return node.attr.lstrip("_")
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return node.id if isinstance(node, ast.Name) else ""


def _changes_of(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Pairs of an expression in `node` and what it may become; `node` answers for itself and for its own keys."""
    match node:
        case ast.Compare(left=left, ops=operators, comparators=right):
            for index, operator in enumerate(operators):
                changed = [*operators[:index], _COMPARISONS[type(operator)], *operators[index + 1 :]]
                yield node, ast.Compare(left, changed, right)
            if isinstance(left, ast.Constant) and isinstance(operators[0], ast.In | ast.NotIn):
                yield from _key(left)
        case ast.BoolOp(op=ast.And(), values=values):
            yield node, ast.BoolOp(ast.Or(), values)
        case ast.BoolOp(values=values):
            yield node, ast.BoolOp(ast.And(), values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield node, operand
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _ARITHMETIC:
            yield node, ast.BinOp(left, _ARITHMETIC[type(operation)], right)
        case ast.Constant(value=bool(value)):
            yield node, ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield node, ast.Constant(value + 1)
        case ast.If(test=test) | ast.IfExp(test=test):
            yield test, ast.Constant(True)
            yield test, ast.Constant(False)
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield value, ast.Constant(None)
        case ast.Subscript(slice=ast.Constant() as key):
            yield from _key(key)
        case ast.Dict(keys=keys):
            for name in keys:
                yield from _key(name)
        case ast.Call(func=ast.Attribute(attr=method), args=[key, *_]) if method in _LOOK_UPS:
            yield from _key(key)
        case ast.MatchMapping(keys=keys):
            for name in keys:
                yield from _key(name)
        case ast.MatchValue(value=value):
            yield from _key(value)


def _key(node: ast.expr | None) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node, ast.Constant(node.value + "x")
