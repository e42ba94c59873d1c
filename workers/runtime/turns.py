"""Whether the roles of a process come round: what hangs shows nowhere else, and only a new process ends it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from workers.runtime.roles import Role


class Turns:
    """When each role last came round, whether it got anything done or met an error, and what it is still doing."""

    def __init__(self, roles: Sequence[Role]) -> None:
        now = time.monotonic()
        self._turned = dict.fromkeys(roles, now)
        self._begun: set[Role] = set()
        self._doing: dict[object, tuple[Role, float]] = {}

    def turned(self, role: Role) -> None:
        """Note that a role came round."""
        self._turned[role] = time.monotonic()

    def begun(self, role: Role) -> None:
        """Note that a role has begun to work: that it has its partitions, or looked for the first time."""
        self._begun.add(role)

    @contextmanager
    def doing(self, role: Role) -> Iterator[None]:
        """Watch something that a role does beside others, and that has to come to an end, or to an error."""
        one = object()
        self.turned(role)
        self._doing[one] = (role, time.monotonic())
        try:
            yield
        finally:
            del self._doing[one]
            self.turned(role)

    def hanging(self, seconds: float) -> list[Role]:
        """Return the roles that have not come round, or are doing one thing, for more than so many seconds."""
        late = time.monotonic() - seconds
        found = {role for role, at in list(self._turned.items()) if at < late}
        return sorted(found | {role for role, since in list(self._doing.values()) if since < late})

    def waiting_to_begin(self) -> list[Role]:
        """Return the roles that have not begun yet."""
        return [role for role in self._turned if role not in self._begun]
