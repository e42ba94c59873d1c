"""Pages of lists: their parameters and their form."""

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
    """Return a page: its items, the cursor of the next page if there is one, and the members in `more`."""
    return answer({"items": items, "next": asked.cursor(key), **more}, snapshot)


def wrong_period(asked: Asked, begins: Parameter = FROM) -> list[Violation]:
    """Return a violation if a period does not end after it begins."""
    begin, end = asked.values.get(begins.name), asked.values.get(UNTIL.name)
    if begin is None or end is None or begin < end:
        return []
    return [conflicting(UNTIL.name, f"It must be after `{begins.name}`.")]
