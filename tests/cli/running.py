"""What a command line printed, and how it ended."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ran:
    """The end of a command line; `fault` is an exception that nothing turned into words."""

    status: int
    out: str
    err: str
    fault: BaseException | None

    @property
    def document(self) -> Any:
        """Give what was printed as JSON."""
        return json.loads(self.out)

    def expect(self, status: int) -> "Ran":
        """Insist on an exit status, without a traceback."""
        assert self.status == status, f"{self.status}\n{self.out}\n{self.err}\n{self.fault!r}"
        assert self.fault is None or isinstance(self.fault, SystemExit)
        return self
