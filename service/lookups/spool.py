"""A spool for parsed questions until they are answered, with bounded memory however many there are."""

from collections.abc import AsyncIterator, Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self

import orjson

from db.questions.lookups import Wanted
from service.lookups.reading import LookupReader
from service.problems import Reason, Violation

LONGEST_LINE = 256 * 1024

_IN_MEMORY = 1024 * 1024
_QUESTIONS_AT_ONCE = 2_000


class Spool:
    """Questions in order, in records of some thousand; in a file once they exceed `_IN_MEMORY` bytes."""

    def __init__(self) -> None:
        self.shards: set[int] = set()
        self._file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (closed in `__exit__`)
        self._lines: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    async def fill(self, parts: AsyncIterator[bytes], asks: LookupReader) -> None:
        """Read all lines of questions. Raises Problem, including those that `parts` raises."""
        rest = b""
        async for part in parts:
            *lines, rest = (rest + part).split(b"\n")
            self._lines += lines
            if len(rest) > LONGEST_LINE:
                # First judge the lines before it, so that their faults are reported as well.
                self._write(asks)
                message = f"A line has at most {LONGEST_LINE} bytes."
                asks.keep((Violation(Reason.OUT_OF_RANGE, message, f"/{asks.count}"),))
                return
            if len(self._lines) >= _QUESTIONS_AT_ONCE:
                self._write(asks)
        if rest:
            self._lines.append(rest)
        self._write(asks)

    def read(self) -> Iterator[Wanted]:
        """Yield the questions, one record at a time."""
        self._file.seek(0)
        for record in self._file:
            yield Wanted(*orjson.loads(record))

    def _write(self, asks: LookupReader) -> None:
        wanted = asks.lines(self._lines)
        self._lines = []
        self.shards.update(wanted.shards)
        if wanted.shards and not asks.fault_count and not asks.forbidden_count:
            self._file.write(orjson.dumps(tuple(wanted)) + b"\n")
