"""Pages: their parameters, and how they are written."""

from collections.abc import Sequence
from typing import Any

from service.answers import Answer, answer
from service.cursors import CURSOR, Key
from service.parameters import FROM, LIMIT, UNTIL, Parameter, conflicting
from service.problems import Violation
from service.questions import Asked
from service.snapshots import Snapshot

PAGE = (LIMIT, CURSOR)
"""The parameters of every page."""


def page(asked: Asked, items: Sequence[Any], key: Key | None, snapshot: Snapshot | None = None, **more: Any) -> Answer:
    """Return a page: its items, the cursor of the next one where there is one, and whatever else it says."""
    return answer({"items": items, "next": asked.cursor(key), **more}, snapshot)


def wrong_period(asked: Asked, begins: Parameter = FROM) -> list[Violation]:
    """Return what is wrong with the bounds of a period: the end does not come after the beginning."""
    begin, end = asked.values.get(begins.name), asked.values.get(UNTIL.name)
    if begin is None or end is None or begin < end:
        return []
    return [conflicting(UNTIL.name, f"It must be after `{begins.name}`.")]
