"""Failpoints: every place where a worker awaits something, before and after, made by rewriting its modules on import.

Production runs the plain modules, in which there is no failpoint at all. Here each `await` of the modules that commit
and publish, and each end of an `async with`, becomes a named place where the process can be killed, stopped, or have an
error raised. So a new step has its failpoints the moment it is written, and the kill matrix, which enumerates them by
the same walk through the source, covers it.
"""

import ast
import asyncio
import importlib.util
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from inspect import iscoroutine
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, TypeVar

MODULES = (
    "workers.archiving",
    "workers.batches.asking",
    "workers.batches.closed",
    "workers.batches.progress",
    "workers.batches.transaction",
    "workers.consuming.lanes",
    "workers.consuming.start_positions",
    "workers.consuming.subscription",
    "workers.forgetting",
    "workers.maintenance",
    "workers.publishing.positions",
    "workers.publishing.packing",
    "workers.publishing.producer",
    "workers.publishing.takeover",
    "workers.publishing.idle",
    "workers.publishing.watermarks",
    "workers.publishing.closing",
    "workers.publishing.dividing",
    "workers.publishing.relay",
    "workers.publishing.slots",
    "workers.publishing.telling",
    "workers.replaying.lease",
    "workers.replaying.merging",
    "workers.replaying.reading",
    "workers.replaying.role",
    "workers.replaying.snapshot",
    "workers.replaying.target",
    "workers.replaying.working",
    "workers.timers",
)
OF_QUESTIONS = (
    "service.answers",
    "service.app",
    "service.event_streams",
    "service.events",
    "service.gathering",
    "service.projects",
    "service.snapshots",
    "service.tails",
    "service.waits",
    "service.waking",
)
"""Modules that answer questions: they change nothing, but what they say must not contradict itself."""
OF_RESHARDING = ("db.resharding",)
"""Modules that change the number of shards."""
OF_RIGHTS = ("db.migrate", "db.roles", "workers.topics.acls")
"""Modules that give the parties their rights, in the database and at the broker."""
OF_THE_ARCHIVE = ("db.archive.writing", "workers.archiving")
"""Modules that move the log to the archive (tests/services/archive/test_killed.py)."""
READING_THE_ARCHIVE = ("db.archive.reading",)
"""Modules that read the log wherever it is: they change nothing, but a partition may move while they read it."""
INSTRUMENTED = frozenset({*MODULES, *OF_QUESTIONS, *OF_RESHARDING, *OF_RIGHTS, *OF_THE_ARCHIVE, *READING_THE_ARCHIVE})
CHANGEABLE = frozenset({"audit", "cli", "db", "domain", "embedded", "schemas", "service", "workers"})

Change = Callable[[str, str], str]
Plan = Mapping[str, "str | Plan"]
"""What happens at failpoints; in place of what happens, what is planned once the process has come there."""

KILL, STOP, ERROR, ERRORS, FAULT = "kill", "stop", "error", "errors", "fault"
"""SIGKILL, SIGSTOP, an error as of a server that goes away (once, or each time), an error as of a bug."""
CANCEL, TELL, HANG = "cancel", "tell", "hang"
"""A cancellation, as by a library that mistakes the task for its own; only a log line; or, before what is awaited, that
nothing ever comes of it."""

T = TypeVar("T")


class Injected(ConnectionError):
    """A transient error."""


class Bug(Exception):
    """An error that no retry resolves."""


class _Instrument(ast.NodeTransformer):
    """Puts failpoints around what is awaited, and before and after the end of what is entered."""

    def __init__(self, module: str) -> None:
        self._scope = [module.rpartition(".")[2]]
        self._counts: dict[str, int] = {}
        self.points: list[str] = []

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        return self._scoped(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        return self._scoped(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        return self._scoped(node)

    def visit_Await(self, node: ast.Await) -> ast.AST:
        name = self._name(node.value)
        self.generic_visit(node)
        self.points += [f"{name} before", f"{name} after"]
        around = ast.Call(ast.Name("__around__", ast.Load()), [ast.Constant(name), node.value], [])
        return ast.copy_location(ast.Await(around), node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> Any:
        name = self._name(node.items[-1].context_expr)  # which is left first
        self.generic_visit(node)
        leaving = f"{name} leaving"
        self.points.append(leaving)
        match node.body[-1]:
            case ast.Return(value=ast.expr() as value) as last:
                # The arguments are evaluated first; what comes afterwards is the caller's next point.
                given = ast.copy_location(ast.Assign([ast.Name("__given__", ast.Store())], value), last)
                back = ast.copy_location(ast.Return(ast.Name("__given__", ast.Load())), last)
                node.body[-1:] = [given, _hit(leaving, last), back]
                return node
            case last:
                self.points.append(f"{name} left")
                node.body.append(_hit(leaving, last))
                return [node, _hit(f"{name} left", node)]

    def _scoped(self, node: Any) -> Any:
        self._scope.append(node.name)
        self.generic_visit(node)
        self._scope.pop()
        return node

    def _name(self, node: ast.expr) -> str:
        called = ast.unparse(node.func if isinstance(node, ast.Call) else node).removeprefix("self.")
        name = f"{'.'.join(self._scope)}: {called}"
        self._counts[name] = self._counts.get(name, 0) + 1
        return name if self._counts[name] == 1 else f"{name} ({self._counts[name]})"


def points(modules: Sequence[str] = MODULES) -> list[str]:
    """Return the names of all failpoints of modules."""
    return [point for module in modules for point in _rewritten(module, source_of(module))[1]]


def install(change: Change = lambda _, source: source) -> None:
    """Import modules with failpoints from now on; the environment says which one does what.

    `change` may alter the source of any module first, given its name and text.
    """
    assert not sys.modules.keys() & INSTRUMENTED, "too late: these modules are imported already"
    sys.meta_path.insert(0, _Finder(change))


def environment(plan: Plan) -> dict[str, str]:
    """Return the variables that make a process do once, at each of some failpoints, what is planned there."""
    return {"FAILPOINTS": json.dumps(plan)}


def plan(planned: Plan) -> None:
    """Have this process do what is planned, and nothing else."""
    _planned.clear()
    _planned.update(planned)


def reached(point: str) -> str:
    """Return the line that a process writes when something happens at a failpoint."""
    return f"failpoint: {point}"


class _Finder(MetaPathFinder):
    """Finds the project's own modules before other finders do."""

    def __init__(self, change: Change) -> None:
        self._change = change

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in CHANGEABLE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None:
            return spec
        source = Path(spec.origin).read_text(encoding="utf-8")
        changed = self._change(fullname, source)
        if fullname in INSTRUMENTED:
            spec.loader = _Loader(fullname, spec.origin, _rewritten(fullname, changed)[0])
        elif changed != source:
            spec.loader = _Loader(fullname, spec.origin, ast.parse(changed))
        return spec


class _Loader(SourceFileLoader):
    """Loads a module from its rewritten source."""

    def __init__(self, fullname: str, path: str, tree: ast.Module) -> None:
        super().__init__(fullname, path)
        self._tree = tree

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = compile(self._tree, self.path, "exec")
        return code

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(__around__=_around, __hit__=_hit_now)
        super().exec_module(module)


def source_of(name: str) -> str:
    """Return the source text of a module."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    return Path(str(spec.origin)).read_text(encoding="utf-8")


def _rewritten(name: str, source: str) -> tuple[ast.Module, list[str]]:
    instrument = _Instrument(name)
    tree = ast.fix_missing_locations(instrument.visit(ast.parse(source)))
    return tree, instrument.points


def _hit(point: str, near: ast.AST) -> ast.stmt:
    call = ast.Call(ast.Name("__hit__", ast.Load()), [ast.Constant(point)], [])
    return ast.copy_location(ast.Expr(call), near)


async def _around(name: str, awaited: Awaitable[T]) -> T:
    is_hanging = _planned.get(f"{name} before") == HANG
    try:
        _hit_now(f"{name} before")
        if is_hanging:
            await asyncio.Event().wait()
    except (Injected, Bug, asyncio.CancelledError):
        if iscoroutine(awaited):
            awaited.close()
        raise
    result = await awaited
    _hit_now(f"{name} after")
    return result


_planned: dict[str, Any] = json.loads(os.environ.get("FAILPOINTS", "{}"))


def _hit_now(point: str) -> None:
    action = _planned.get(point)
    if action is None:
        return
    if action != ERRORS:
        del _planned[point]
    print(reached(point), file=sys.stderr, flush=True)
    match action:
        case dict():
            _planned.update(action)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "error" | "errors":
            raise Injected(point)
        case "fault":
            raise Bug(point)
        case "cancel":
            raise asyncio.CancelledError
        case _:
            pass
