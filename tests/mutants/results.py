"""What became of changes, kept line by line, so that a run that was ended goes on where it was."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.mutants.changing import Change
from tests.mutants.running import Outcome


def keep(file: Path | None, outcome: Outcome) -> None:
    """Append what became of a change."""
    if file is not None:
        with file.open("a", encoding="utf-8") as kept:
            kept.write(json.dumps(asdict(outcome), default=str) + "\n")


def taken_over(file: Path | None, chosen: Sequence[Change]) -> tuple[list[Outcome], list[Change]]:
    """Return what is kept of the chosen changes, and the changes of which nothing is."""
    if file is None or not file.exists():
        return [], [*chosen]
    found = map(_outcome, file.read_text(encoding="utf-8").splitlines())
    known = {outcome.change: outcome for outcome in found}
    return [known[one] for one in chosen if one in known], [one for one in chosen if one not in known]


def _outcome(line: str) -> Outcome:
    kept = json.loads(line)
    change = kept["change"]
    return Outcome(
        change=Change(**change | {"path": Path(change["path"])}),
        before=kept["before"],
        after=kept["after"],
        noticed_by=kept["noticed_by"],
    )
