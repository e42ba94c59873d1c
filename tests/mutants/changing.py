"""All small changes that can be made to a source file: each is one that a hurried programmer could make."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.skipping import changeable_nodes, reads_a_clock

_COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
_CALCULATIONS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
}
_FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CHECK)\b")
_SQL_CHANGES = (
    (r"(?<=\s)<(?=\s)", "<="),
    (r"(?<=\s)<=(?=\s)", "<"),
    (r"(?<=\s)>(?=\s)", ">="),
    (r"(?<=\s)>=(?=\s)", ">"),
    (r"\bAND\b", "OR"),
    (r"\bOR\b", "AND"),
    (r"\bIS NULL\b", "IS NOT NULL"),
    (r"\bIS NOT NULL\b", "IS NULL"),
    (r"\bgreatest\(", "least("),
    (r"(?<=\s)\+(?=\s)", "-"),
    (r"\bDESC\b", "ASC"),
    (r"\bLEFT JOIN\b", "JOIN"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """A piece of a file, from one byte to before another, that is replaced by other text."""

    path: Path
    line: int
    since: int
    until: int
    text: str

    def applied(self, source: bytes) -> bytes:
        """Return the changed file."""
        return source[: self.since] + self.text.encode() + source[self.until :]

    def shown(self, source: bytes) -> tuple[str, str]:
        """Return the changed line before and after, without indentation."""
        changed = self.applied(source)
        was, is_ = (one.decode().splitlines() for one in (source, changed))
        first = source[: self.since].count(b"\n")
        return was[first].strip(), is_[first].strip() if first < len(is_) else ""


def changes_of(root: Path, path: Path) -> list[Change]:
    """Return all changes of a file, named relative to the root, each of which is still a program."""
    source = (root / path).read_bytes()
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    found = []
    for node in changeable_nodes(ast.parse(source)):
        for since, until, text in _edits(node, source, lines):
            change = Change(path, source[:since].count(b"\n") + 1, since, until, text)
            if _is_program(change.applied(source)):
                found.append(change)
    return found


def _is_program(source: bytes) -> bool:
    try:
        compile(source, "changed", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def _edits(node: ast.AST, source: bytes, lines: list[int]) -> Iterator[tuple[int, int, str]]:
    def span(one: ast.expr | ast.stmt) -> tuple[int, int]:
        assert one.end_lineno is not None
        assert one.end_col_offset is not None
        return lines[one.lineno - 1] + one.col_offset, lines[one.end_lineno - 1] + one.end_col_offset

    def between(left: ast.expr, right: ast.expr, was: str, text: str) -> Iterator[tuple[int, int, str]]:
        since, until = span(left)[1], span(right)[0]
        if found := re.search(re.escape(was), source[since:until].decode()):
            yield since + found.start(), since + found.end(), text

    match node:
        case ast.Compare(ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE()]) if reads_a_clock(node):
            pass  # one more or less of a nanosecond
        case ast.Compare(left=left, ops=ops, comparators=others):
            for before, op, after in zip((left, *others), ops, others, strict=False):
                yield from between(before, after, *_COMPARISONS[type(op)])
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _CALCULATIONS:
            yield from between(left, right, *_CALCULATIONS[type(op)])
        case ast.BoolOp(op=op, values=[left, right, *_]):
            yield from between(left, right, *(("and", "or") if isinstance(op, ast.And) else ("or", "and")))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield span(node)[0], span(operand)[0], ""
        case ast.Constant(value=bool() as value):
            yield *span(node), str(not value)
        case ast.Constant(value=int() as value):
            yield *span(node), str(value + 1)
        case ast.Constant(value=str() as value) if _SQL.search(value):
            yield from _sql_edits(*span(node), source)
        case ast.Call(func=ast.Name(id=name) as called) if name in _FUNCTIONS:
            yield *span(called), _FUNCTIONS[name]
        case ast.If(test=test) | ast.IfExp(test=test):
            yield *span(test), "False"
        case ast.comprehension(ifs=[test, *_]):
            yield *span(test), "True"
        case ast.Return(value=ast.expr() as value) if not _is_nothing(value):
            yield *span(value), "None"
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign() | ast.Raise() | ast.Delete():
            yield *span(node), "pass"
        case ast.Continue():
            yield *span(node), "break"
        case ast.Break():
            yield *span(node), "continue"
        case _:
            pass


def _is_nothing(value: ast.expr) -> bool:
    """Tell whether None would be the same: it is as untrue as False."""
    return isinstance(value, ast.Constant) and (value.value is None or value.value is False)


def _sql_edits(since: int, until: int, source: bytes) -> Iterator[tuple[int, int, str]]:
    statement = source[since:until].decode()
    for pattern, text in _SQL_CHANGES:
        for found in re.finditer(pattern, statement):
            start = since + len(statement[: found.start()].encode())
            yield start, start + len(found.group().encode()), text
