"""What schemathesis must be told: of lines of JSON, of what there is to ask about, and where sequences of calls begin.

A problem may be the last line of an answer of 200.
"""

import json
import re
from typing import Any
from zlib import crc32

import schemathesis
import schemathesis.cli
import typer
from schemathesis.cli import EventHandler, ExecutionContext
from schemathesis.engine.context import EngineContext
from schemathesis.engine.events import EngineEvent, ScenarioFinished
from schemathesis.engine.run.stateful import _executor
from schemathesis.engine.run.stateful.context import StatefulContext
from schemathesis.generation.meta import TestPhase
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi import stateful

from db.placing import shard_of
from schemas.identifiers import is_identifier
from service.cursors import CURSOR
from service.parameters import Refused
from workers.runtime.settings import Settings

_LINES, _PROBLEM = "application/x-ndjson", "application/problem+json"
_MOST_LINES = 4
_THERE = {"organization": ("acme",), "project": ("genome", "website"), "account": ("main", "spare")}
"""What there is (`tests.fuzz.calling.tell_the_examples`)."""
_IDS = re.compile(rf"{shard_of('acme', Settings.model_fields['shards'].default)}-[0-9]{{1,3}}")
"""Ids of events, where so little happened."""


@schemathesis.hook
def before_load_schema(_: schemathesis.HookContext, schema: dict[str, Any]) -> None:
    """Let a body that is lines of JSON be a list of them."""
    for operations in schema["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict) and (
                body := operation.get("requestBody", {}).get("content", {}).get(_LINES)
            ):
                body["schema"] = {"type": "array", "items": body["schema"], "maxItems": _MOST_LINES}
                body["example"] = [body["example"]] * 2


@schemathesis.serializer(_LINES)
def lines(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """Return a list as lines, and whatever else as one."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in (value if isinstance(value, list) else [value]))


@schemathesis.deserializer(_LINES)
def last_line(_: schemathesis.DeserializationContext, response: schemathesis.Response) -> Any:
    """Return the last line, which says whether the answer is complete."""
    return json.loads(response.content.splitlines()[-1])


@schemathesis.hook
def after_call(_: schemathesis.HookContext, __: "schemathesis.Case[Any]", response: schemathesis.Response) -> None:
    """Take an answer whose last line is a problem for that problem's own answer."""
    if response.headers.get("content-type", [""])[0].startswith(_LINES):
        problem = json.loads(response.content.splitlines()[-1]).get("problem")
        if problem is not None:
            response.status_code = problem["status"]
            response.headers["content-type"] = [_PROBLEM]
            response.content = json.dumps(problem).encode()


@schemathesis.hook
def map_path_parameters(_: schemathesis.HookContext, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Ask half of the time about what there is, of names that are well formed: else most answers are empty."""
    return path_parameters and _known(path_parameters)


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: "schemathesis.Case[Any]", __: dict[str, Any]) -> None:
    """Leave out of a sequence what can only have been guessed: it is refused, and no answer is there to go on from."""
    about = case.meta
    if about is None or about.phase.name is not TestPhase.STATEFUL:
        return
    if about.generation.mode is GenerationMode.POSITIVE and isinstance(case.query, dict):
        case.query = {name: value for name, value in case.query.items() if not _is_guessed(name, value)}


def _is_guessed(name: str, value: Any) -> bool:
    if name == "cursor":
        try:
            CURSOR.read(str(value))
        except Refused:
            return True
    return name == "closedAtLeast" or (name in ("after", "atLeast") and _IDS.fullmatch(str(value)) is None)


def _known(names: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _THERE[name][chosen % len(_THERE[name])]
        if name in _THERE and is_identifier(value) and (chosen := crc32(value.encode())) % 4 > 1
        else value
        for name, value in names.items()
    }


@schemathesis.hook
def map_body(_: schemathesis.HookContext, body: Any) -> Any:
    """Let half of the questions of a lookup be about what there is, too: its answers lead on to all else."""
    questions = body.get("questions") if isinstance(body, dict) else body
    if not isinstance(questions, list):
        return body
    known = [_known(one) if isinstance(one, dict) else one for one in questions]
    return body | {"questions": known} if isinstance(body, dict) else known


@schemathesis.cli.handler()
class Following(EventHandler[ExecutionContext]):
    """Counts the calls that were made with what an answer before them said, and the links that led to them."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._calls = 0
        self._links: set[str] = set()

    def handle_event(self, _: ExecutionContext, event: EngineEvent) -> None:
        """Count the calls of a sequence."""
        if isinstance(event, ScenarioFinished):
            for call in event.recorder.cases.values():
                if call.is_transition_applied and call.transition is not None:
                    self._calls += 1
                    self._links.add(call.transition.id)

    def shutdown(self, _: ExecutionContext) -> None:
        """Tell the counts."""
        typer.echo(f"{self._calls} calls by {len(self._links)} links")


def _may_begin(*_: object) -> bool:
    """Return whether a sequence of calls may begin with an operation: with each, since names are of what there is."""
    return True


_classified = _executor._classify_flaky


def _go_on(*, ctx: StatefulContext, engine: EngineContext, state: Any) -> Any:
    """Go on where a sequence that is repeated is answered otherwise, as the hour is another: it would end there."""
    status, again, events = _classified(ctx=ctx, engine=engine, state=state)
    wanted = engine.config.get_hypothesis_settings(phase="stateful", apply_ci_profile=False).max_examples
    return status, again or (not events and ctx.completed_scenarios < wanted), events


_executor._classify_flaky = _go_on

# By itself it begins with what takes no names, and hardly comes to what takes some.
setattr(stateful, stateful.is_likely_root_transition.__name__, _may_begin)
