"""What is not worth changing: docstrings, types, log lines, decorators, and what a person only reads."""

import ast
from collections.abc import Iterator, Sequence

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
_TUNING = ("_AT_ONCE", "_MILLISECONDS", "_MS", "_SECONDS", "_seconds", "byte_limit")
"""How much is taken at once, or how long something is waited for: one more is no fault."""
_TUNED = frozenset(
    {
        "AT_ONCE",
        "AT_ONCE_IN_ALL",
        "BLOCK_BYTES",
        "FAN_OUT_PAGE",
        "TRANSACTION_BYTES",
        "_AHEAD_BYTES",
        "_AHEAD_RECORDS",
        "_BATCH_BYTES",
        "_BLOCK",
        "_BYTES_OF_A_COMPRESSED_RECORD",
        "_BYTES_OF_A_HEADER",
        "_BYTES_OF_A_QUEUE",
        "_BYTES_OF_A_RECORD",
        "_FEWEST_OF_SHARD",
        "_GZIP_LEVEL",
        "_HELD_INDEXES",
        "_HELD_SUBJECTS",
        "_IN_MEMORY",
        "_KEPT_BYTES",
        "_LEVEL",
        "_LOOKED_AT",
        "_LOOK_FURTHER",
        "_MOST_FETCHED",
        "_MOST_OF_SHARD",
        "_MUCH_BYTES",
        "_PAGE",
        "_PAGE_BYTES",
        "_PAGE_EVENTS",
        "_PAGE_OF_EACH_SHARD",
        "_PAGE_ROWS",
        "_PARTITION_FETCH_BYTES",
        "_PIECE_BYTES",
        "_POOL_SIZE",
        "_PREFETCH",
        "_READERS_OF_PAGES",
        "_REMEMBERED",
        "_REMEMBERED_BYTES",
        "_REPORT_EVERY",
        "_ROW_GROUP_BYTES",
        "_SNAPSHOT_ROWS",
        "_TAKEN_BYTES",
        "_TRANSACTION_BYTES",
        "_WORTH_A_THREAD",
        "_WORTH_COMPRESSING",
    }
)
"""The same by other names, where they are numbers: what is read, sent, kept or remembered at once."""
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
            return name in ("__all__", "logger") or name.endswith(_TUNING) or _is_tuned([name], node.value)
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
            return _is_tuned([one.id if isinstance(one, ast.Name) else "" for one in names], *values)
        case ast.Call(func=ast.Name(id=name)):
            return name in _LAYOUT
        case ast.Subscript(value=ast.Name(id="Annotated" | "Callable" | "Mapping" | "Literal")):
            return True  # a type
        case _:
            return False


def _is_tuned(names: Sequence[str], *values: ast.expr | None) -> bool:
    """Return whether all of these names, which have these values, say how much is taken at once."""
    return {*names} <= _TUNED and all(isinstance(one, ast.Constant | ast.BinOp) for one in values)


def _is_left_alone(keyword: ast.keyword) -> bool:
    """Return whether it means nothing: people alone read it, there may be a connection more, or a `zip` is strict.

    Of the latter both are of one length.
    """
    value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
    is_sure, is_pool = keyword.arg == "strict" and value is True, keyword.arg == "pool_size" and value is not None
    return is_sure or is_pool or keyword.arg in _READ_BY_PEOPLE


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
