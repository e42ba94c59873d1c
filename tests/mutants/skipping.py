"""What is not worth changing: docstrings, types, log lines, decorators, and what a person only reads."""

import ast
from collections.abc import Iterator

_READ_BY_PEOPLE = frozenset(
    {
        "bold",
        "comment",
        "fg",
        "help",
        "indent",
        "metavar",
        "padding",
        "rich_help_panel",
        "show_default",
        "style",
        "title",
        "transient",
        "width",
    }
)
_LAYOUT = frozenset({"Padding", "Panel", "Table", "Text"})
_TUNING = ("_AT_ONCE", "_MS", "_SECONDS", "_seconds", "byte_limit")
"""How much is taken at once, or how long something is waited for: one more is no fault."""
_TUNED = frozenset(
    {"AT_ONCE", "AT_ONCE_IN_ALL", "BLOCK_BYTES", "FAN_OUT_PAGE", "_PAGE", "_PAGE_OF_EACH_SHARD", "_REPORT_EVERY"}
)
"""The same by other names, where they are numbers."""
_CLOCKS = frozenset({"monotonic", "perf_counter", "time"})
_LOGS = frozenset({"logger", "logging", "warnings"})
_NOT_CODE = frozenset({"TYPE_CHECKING", "__name__"})


def changeable_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Return the nodes of a syntax tree whose change would change what the program does."""
    for child in _changeable_children(tree):
        yield child
        yield from changeable_nodes(child)


def _changeable_children(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            children: list[ast.AST] = [*_defaults(node.args), *node.body]
        case ast.ClassDef(body=body):
            children = [*body]
        case ast.AnnAssign(value=value):
            children = [value] if value is not None else []
        case ast.Lambda(body=lambda_body):
            children = [lambda_body]
        case ast.Call(func=func, args=args, keywords=keywords):
            children = [func, *args, *(one.value for one in keywords if not _is_left_alone(one))]
        case _:
            children = list(ast.iter_child_nodes(node))
    return (child for child in children if not _is_skipped(child))


def _defaults(arguments: ast.arguments) -> Iterator[ast.expr]:
    """Yield the defaults of parameters, but of those that only say how much or how long."""
    positional = [*arguments.posonlyargs, *arguments.args]
    first = len(positional) - len(arguments.defaults)
    named = [
        *zip(positional[first:], arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    return (default for argument, default in named if default is not None and not argument.arg.endswith(_TUNING))


def _is_skipped(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()):
            return True  # a docstring
        case ast.Expr(value=value):
            call = value.value if isinstance(value, ast.Await) else value
            if not isinstance(call, ast.Call):
                return False
            # How long is waited for, and that what cannot be is refused.
            return _first_name(call) in _LOGS or _first_name(call) == "assert_never" or _last_name(call.func) == "sleep"
        case ast.If(test=test):
            return any(isinstance(one, ast.Name) and one.id in _NOT_CODE for one in ast.walk(test))
        case ast.Import() | ast.ImportFrom() | ast.Raise(exc=ast.Name(id="NotImplementedError")):
            return True  # of the latter, what is written instead of it is called
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            is_tuned = name in _TUNED and isinstance(node.value, ast.Constant | ast.BinOp)
            return name in ("__all__", "logger") or name.endswith(_TUNING) or is_tuned
        case ast.Call(func=ast.Name(id=name)):
            return name in _LAYOUT
        case ast.Subscript(value=ast.Name(id="Annotated" | "Callable" | "Mapping" | "Literal")):
            return True  # a type
        case _:
            return False


def _is_left_alone(keyword: ast.keyword) -> bool:
    """Return whether people alone read it, or it says of a `zip` that both are of one length, which they are."""
    is_sure = keyword.arg == "strict" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
    return is_sure or keyword.arg in _READ_BY_PEOPLE


def reads_a_clock(node: ast.AST) -> bool:
    """Return whether an expression asks a clock, whose instants are never quite equal to any other."""
    calls = (one for one in ast.walk(node) if isinstance(one, ast.Call))
    return any(_last_name(call.func) in _CLOCKS and not call.args for call in calls)


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _first_name(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return node.id if isinstance(node, ast.Name) else ""
