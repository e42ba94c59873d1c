"""Maps record classes to tables; it imports no SQLAlchemy, since read-only commands must start fast."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import NoneType
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter

from schemas.policy import STORED

R = TypeVar("R")


class Mapped(Generic[R]):
    """A record class and its table: each column holds the field of the same name, as JSON if it is composite."""

    def __init__(self, kind: type[R], names: Iterable[str]) -> None:
        hints = get_type_hints(kind)
        self._kind = kind
        self._names = [name for name in names if name in hints]
        self._json = {name: TypeAdapter[Any](hints[name]) for name in self._names if _is_json(hints[name])}
        self._enums = {
            name: hints[name]
            for name in self._names
            if isinstance(hints[name], type) and issubclass(hints[name], StrEnum)
        }

    def row(self, record: R, **more: Any) -> dict[str, Any]:
        """Return a record as a row; `more` gives the columns that are not plain fields."""
        row = {name: getattr(record, name) for name in self._names} | more
        for name, adapter in self._json.items():
            if row[name] is not None and name not in more:
                row[name] = adapter.dump_json(row[name]).decode()
        return row

    def record(self, row: Mapping[str, Any], **more: Any) -> R:
        """Return a record from its row."""
        members = {name: row[name] for name in self._names}
        for name, adapter in self._json.items():
            if members[name] is not None:
                members[name] = adapter.validate_json(members[name], context=STORED)
        for name, enum in self._enums.items():
            members[name] = enum(members[name])
        return self._kind(**members, **more)


def _is_json(hint: Any) -> bool:
    """Return whether a value of this type is stored as JSON."""
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not NoneType]
    if get_origin(hint) is Literal:
        return False
    return not all(isinstance(kind, type) and issubclass(kind, _PLAIN) for kind in kinds)


_PLAIN = (str, int, bytes, datetime, Decimal)
