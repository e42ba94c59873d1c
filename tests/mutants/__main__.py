"""`make mutants`: a seeded sample of small changes, the tests on each, and a page that lists what none noticed."""

import argparse
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.mutants.changing import Change, changes_of
from tests.mutants.choosing import room_of
from tests.mutants.report import page
from tests.mutants.running import NotTrustworthy, Outcome, copied
from tests.support.packages import PACKAGES, ROOT


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(prog="make mutants ARGS=...", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="chooses the sample")
    parser.add_argument("--count", type=int, default=60, help="how many changes")
    parser.add_argument("--only", default="", metavar="PATH", help="only files whose path begins so")
    parser.add_argument("--report", type=Path, metavar="FILE", help="where to write the page, such as docs/mutants.md")
    asked = parser.parse_args()
    began, outcomes = time.monotonic(), []
    with copied() as copy:
        chosen = _sample(copy.folder, asked.only, asked.count, Random(asked.seed))
        for number, change in enumerate(chosen, 1):
            try:
                outcome = copy.tried(change)
            except NotTrustworthy as reason:
                print(f"{number:4}/{len(chosen)} {change.path}:{change.line} is left out: {reason}", flush=True)
                continue
            outcomes.append(outcome)
            _tell(number, len(chosen), outcome)
    described = subprocess.run(["git", "describe", "--always"], cwd=ROOT, capture_output=True, text=True, check=True)
    minutes = (time.monotonic() - began) / 60
    written = page(outcomes, seed=asked.seed, asked=asked.count, commit=described.stdout.strip(), minutes=minutes)
    print(written)
    if asked.report:
        asked.report.write_text(written, encoding="utf-8")


def _sample(root: Path, only: str, count: int, random: Random) -> list[Change]:
    """Choose changes over all parts of the product: from each about as many as it has, and two at least."""
    by_room: defaultdict[str, list[Change]] = defaultdict(list)
    for change in _all_changes(root, only):
        by_room[room_of(change.path)].append(change)
    total = sum(map(len, by_room.values()))
    chosen = []
    for room in sorted(by_room):
        share = max(2, round(count * len(by_room[room]) / total))
        chosen += random.sample(by_room[room], min(share, len(by_room[room])))
    return chosen


def _all_changes(root: Path, only: str) -> Iterator[Change]:
    for package in sorted(PACKAGES):
        for path in sorted((root / package).rglob("*.py")):
            if str(path.relative_to(root)).startswith(only):
                yield from changes_of(root, path.relative_to(root))


def _tell(number: int, total: int, outcome: Outcome) -> None:
    what = f"{outcome.change.path}:{outcome.change.line}: {outcome.before}  ->  {outcome.after}"
    print(f"{number:4}/{total} {'noticed' if outcome.noticed_by else 'SURVIVED'}  {what}", flush=True)
    if outcome.noticed_by:
        print(f"          by {outcome.noticed_by}", flush=True)


if __name__ == "__main__":
    main()
