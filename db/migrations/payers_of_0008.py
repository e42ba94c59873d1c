"""How migration 0008 turns the former bindings into changes of payer and the head of each project."""

from collections.abc import Iterable
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from schemas.instants import format_instant

_EXAMPLES = 5


class Payers:
    """Converts the old bindings, each with its project, ordered by organization, project and number.

    `changes` and `heads` are the new rows, for the caller to write and clear. `broken` counts the projects that break
    a promise, and `examples` describes the first few.
    """

    def __init__(self) -> None:
        self.changes: list[tuple[Any, ...]] = []
        self.heads: list[tuple[Any, ...]] = []
        self.broken = 0
        self.examples: list[str] = []
        self._before: Any = None
        self._number = 0
        self._trouble: str | None = None

    def hear(self, bindings: Iterable[Any]) -> None:
        """Convert the next bindings: each is one change of payer, and its release, if any, is another."""
        for binding in bindings:
            if not self._continues(binding):
                self.end()
            self._trouble = self._trouble or self._trouble_with(binding)
            name = f"whopays:{binding.organization}/{binding.project}/{binding.number}"
            self._change(binding, binding.account, binding.established_at, str(uuid5(NAMESPACE_URL, name)))
            if binding.released:
                self._change(binding, None, binding.ended_at, None)
            self._before = binding

    def end(self) -> None:
        """Finish the last project: its head is its last change."""
        last = self._before
        if last is None:
            return
        _, _, number, account, instant, legacy_id = self._last
        reported = (last.organization, last.project, last.state, last.version, last.uid, last.display_name)
        if last.state is not None:
            self.heads.append((*reported, number, account, instant, legacy_id))
        trouble = self._trouble or _trouble_at_the_end(last, number)
        if trouble is not None:
            self.broken += 1
            if len(self.examples) < _EXAMPLES:
                self.examples.append(f"{last.organization}/{last.project}: {trouble}")
        self._before, self._number, self._trouble = None, 0, None

    def _continues(self, binding: Any) -> bool:
        before = self._before
        return before is not None and (before.organization, before.project) == (binding.organization, binding.project)

    def _change(self, binding: Any, account: str | None, instant: Any, legacy_id: str | None) -> None:
        self._number += 1
        self._last = (binding.organization, binding.project, self._number, account, instant, legacy_id)
        self.changes.append(self._last)

    def _trouble_with(self, binding: Any) -> str | None:
        before, number, begins = self._before, binding.number, binding.established_at
        expected = 1 if before is None else before.number + 1
        if number != expected:
            return f"binding {expected} is missing"
        if binding.ended_at is not None and binding.ended_at <= begins:
            return f"binding {number} ends at {format_instant(binding.ended_at)}, not after its beginning"
        if before is None:
            return None
        if before.ended_at is None or before.ended_at > begins:
            return f"bindings {number - 1} and {number} overlap from {format_instant(begins)}"
        if before.released:
            at_once = before.ended_at == begins
            return f"binding {number} begins at the instant at which the one before was released" if at_once else None
        if before.ended_at < begins:
            return f"nobody pays between binding {number - 1} and {number}, though none was released"
        return f"binding {number} has the payer of the one before" if before.account == binding.account else None


def _trouble_at_the_end(last: Any, changes: int) -> str | None:
    if last.state is None:
        return "it has bindings, but the project is missing"
    if (last.bindings, last.sequence) != (last.number, changes):
        return (
            f"it has {last.number} bindings, which make {changes} changes of payer; the project counts {last.bindings} "
            f"and {last.sequence}"
        )
    if last.ended_at is not None and not last.released:
        return f"binding {last.number} was superseded, but has no successor"
    return None
