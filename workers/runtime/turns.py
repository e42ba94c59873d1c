"""Detects roles that hang: nothing else would show it, and only a restart of the process helps."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from workers.runtime.roles import Role


class Turns:
    """When each role last completed a turn, successful or not, and what it is still doing."""

    def __init__(self, roles: Sequence[Role]) -> None:
        now = time.monotonic()
        self._turned = dict.fromkeys(roles, now)
        self._begun: set[Role] = set()
        self._doing: dict[object, tuple[Role, float]] = {}

    def turned(self, role: Role) -> None:
        """Record that a role completed a turn."""
        self._turned[role] = time.monotonic()

    def begun(self, role: Role) -> None:
        """Record that a role has started to work: it has its partitions, or has completed its first look."""
        self._begun.add(role)

    @contextmanager
    def doing(self, role: Role) -> Iterator[None]:
        """Watch one of a role's concurrent operations, which must finish or fail in time."""
        one = object()
        self.turned(role)
        self._doing[one] = (role, time.monotonic())
        try:
            yield
        finally:
            del self._doing[one]
            self.turned(role)

    def hanging(self, seconds: float) -> list[Role]:
        """Return the roles without a turn, or with one operation in progress, for more than `seconds`."""
        late = time.monotonic() - seconds
        found = {role for role, at in list(self._turned.items()) if at < late}
        return sorted(found | {role for role, since in list(self._doing.values()) if since < late})

    def waiting_to_begin(self) -> list[Role]:
        """Return the roles that have not started to work yet."""
        return [role for role in self._turned if role not in self._begun]
