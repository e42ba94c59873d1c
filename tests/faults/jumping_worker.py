"""`whopays run` with a clock that jumps by the seconds in a file whenever that is written."""

import datetime as dt
import os
import time
from pathlib import Path
from typing import Any

_SHIFT = Path(os.environ["CLOCK_SHIFT_FILE"])
_clock, _clock_ns = time.time, time.time_ns


def _shift() -> float:
    return float(_SHIFT.read_text() or 0)


class _JumpingDatetime(dt.datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return dt.datetime.fromtimestamp(_clock() + _shift(), tz)


if __name__ == "__main__":
    # Before anything else is imported, so that everything uses these.
    vars(time).update(time=lambda: _clock() + _shift(), time_ns=lambda: _clock_ns() + int(_shift() * 1e9))
    vars(dt)["datetime"] = _JumpingDatetime
    from cli import main

    main()
