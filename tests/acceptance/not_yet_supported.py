"""What the service does not do yet. A case that sends one of these is reported by its name, never passed.

The set shrinks to nothing; then this module goes, and with it the two places that name it.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest

from tests.acceptance.format import Case, Record
from tests.acceptance.json_types import Json
from tests.acceptance.vocabulary import COMMAND_TOPIC, TOPIC_OF_FACT, full_type, short_type

NOT_YET_SUPPORTED: Final[frozenset[str]] = frozenset()
"""Commands, members of commands and facts, and members whose instant lies ahead when the record is sent."""

COUNTS: Final = pytest.StashKey[Counter[str]]()


def not_yet_supported(case: Case) -> list[str]:
    """The names of what the case, its fixture included, sends and the service does not do yet."""
    sent = {name for record in case.records() for name in _names(record)}
    return sorted(sent & NOT_YET_SUPPORTED)


def summary(terminal_reporter: pytest.TerminalReporter, config: pytest.Config, item_prefix: str) -> str | None:
    """The line for the end of a run: how many items passed, are not yet supported, and failed; `None` without any."""

    def count(*outcomes: str) -> int:
        reports = [report for outcome in outcomes for report in terminal_reporter.stats.get(outcome, [])]
        return len({report.nodeid for report in reports if item_prefix in report.nodeid})

    passed, skipped, failed = count("passed"), count("skipped"), count("failed", "error")
    if not passed + skipped + failed:
        return None
    by_name = ", ".join(f"{name} {times}" for name, times in config.stash.get(COUNTS, Counter()).most_common())
    not_yet = f"{skipped} not yet supported" + (f" ({by_name})" if by_name else "")
    return f"acceptance: {passed} passed, {not_yet}, {failed} failed"


def _names(record: Record) -> Iterator[str]:
    if record.kind == "raw":
        if record.members["topic"] == COMMAND_TOPIC:
            text = str(record.members.get("value_text"))
            yield from (name for name in NOT_YET_SUPPORTED if f'"{full_type(name)}"' in text)
        return
    name = short_type(full_type(record.members["type"]))
    topic = record.members.get("topic", TOPIC_OF_FACT.get(name, COMMAND_TOPIC))
    if topic != TOPIC_OF_FACT.get(name, COMMAND_TOPIC) or full_type(name) != full_type(record.members["type"]):
        return
    yield name
    data: Json = record.members["data"]
    for member, value in data.items() if isinstance(data, dict) else ():
        yield f"{name}.{member}"
        if isinstance(value, str) and value.startswith("<now+"):
            yield f"{name}.{member} in the future"
