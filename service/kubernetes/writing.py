"""Writes lists and watches piece by piece, in the negotiated form."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from service.kubernetes.changes import Told
from service.kubernetes.negotiation import Form
from service.kubernetes.objects import Object
from service.kubernetes.resources import Resource
from service.kubernetes.tables import Included, definitions, mark_row, partial, row, table

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""The annotation of the bookmark that ends the initial events."""

_TABLE = "Table"


def now() -> datetime:
    """Return the current time, relative to which ages are shown."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ListWriter:
    """Writes a list of a resource in a form."""

    resource: Resource
    form: Form
    included: Included

    def head(self, metadata: Object) -> bytes:
        """Return the text before the objects."""
        if not self.form.kind:
            named: Object = {"kind": self.resource.list_kind, "apiVersion": self.resource.api_version}
        else:
            named = {"kind": self.form.kind, "apiVersion": self.form.group_version}
        named["metadata"] = metadata
        if self.form.kind == _TABLE:
            named["columnDefinitions"] = definitions(self.resource)
        items = b',"rows":[' if self.form.kind == _TABLE else b',"items":['
        return orjson.dumps(named)[:-1] + items

    def items(self, objects: Iterable[Object]) -> bytes:
        """Return objects, separated by commas."""
        return orjson.dumps([self._item(shown) for shown in objects])[1:-1]

    def tail(self) -> bytes:
        """Return the text after the objects."""
        return b"]}\n"

    def _item(self, shown: Object) -> Object:
        if not self.form.kind:
            return shown
        if self.form.kind == _TABLE:
            return row(self.resource, shown, now(), self.included, self.form.group_version)
        return partial(shown, self.form.group_version)


def one_object(resource: Resource, form: Form, included: Included, shown: Object) -> Object:
    """Return an object in a form."""
    if not form.kind:
        return shown
    if form.kind == _TABLE:
        rows = [row(resource, shown, now(), included, form.group_version)]
        version = {"resourceVersion": shown["metadata"]["resourceVersion"]}
        return table(version, definitions(resource), rows, form.group_version)
    return partial(shown, form.group_version)


@dataclass(slots=True)
class WatchWriter:
    """Writes the events of a watch, one per line; only the first table has column definitions."""

    resource: Resource
    form: Form
    included: Included
    _columns: list[Object] = field(init=False)

    def __post_init__(self) -> None:
        self._columns = definitions(self.resource)

    def event(self, told: Told) -> bytes:
        """Return an event as a line."""
        shown = told.object
        if self.form.kind == _TABLE:
            shown = self._table(row(self.resource, shown, now(), self.included, self.form.group_version), shown)
        elif self.form.kind:
            shown = partial(shown, self.form.group_version)
        return _line(told.type, shown)

    def mark(self, position: int, *, ends_initial_events: bool = False) -> bytes:
        """Return a bookmark, which states the position of the watch."""
        metadata: Object = {"resourceVersion": str(position)}
        if ends_initial_events:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        mark: Object = {"kind": self.resource.kind, "apiVersion": self.resource.api_version, "metadata": metadata}
        if self.form.kind == _TABLE:
            mark = self._table(mark_row(self.resource, mark, self.form.group_version), mark)
        elif self.form.kind:
            mark = partial(mark, self.form.group_version)
        return _line("BOOKMARK", mark)

    def error(self, status: Object) -> bytes:
        """Return the error that ends the watch, as a line."""
        return _line("ERROR", status)

    def _table(self, row_: Object, shown: Object) -> Object:
        columns, self._columns = self._columns, []
        version = {"resourceVersion": shown["metadata"]["resourceVersion"]}
        return table(version, columns, [row_], self.form.group_version)


def _line(type_: str, shown: Object) -> bytes:
    return orjson.dumps({"type": type_, "object": shown}) + b"\n"
