"""`make mutants`: a seeded sample of small changes, the tests on each, and a page that lists what none noticed."""

import argparse
import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from random import Random

from tests.mutants.changing import Change, changes_of
from tests.mutants.choosing import room_of
from tests.mutants.report import page
from tests.mutants.results import keep, taken_over
from tests.mutants.running import Copy, NotTrustworthy, Outcome, copied
from tests.support.packages import PACKAGES, ROOT

_SURVIVOR = re.compile(r"SURVIVED  (\S+):\d+: (.*)  ->  (.*)$", re.MULTILINE)


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(prog="make mutants ARGS=...", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="chooses the sample")
    parser.add_argument("--count", type=int, default=60, help="how many changes")
    parser.add_argument("--jobs", type=int, default=2, help="how many changes are tried at the same time")
    parser.add_argument("--minutes", type=float, default=600, help="begin no more changes after this time")
    parser.add_argument("--only", default="", metavar="PATH", help="only files whose path begins so")
    parser.add_argument(
        "--again", type=Path, metavar="FILE", help="instead of a sample, what survived in a run whose output this is"
    )
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="keep what became of each change; what it holds is not tried again"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="where to write the page, such as docs/mutants.md")
    asked = parser.parse_args()
    began = time.monotonic()
    with copied(asked.jobs) as copies, ThreadPoolExecutor(asked.jobs) as pool:
        free: SimpleQueue[Copy] = SimpleQueue()
        for copy in copies:
            free.put(copy)
        if asked.again:
            chosen = survivors_of(copies[0].folder, asked.again.read_text(encoding="utf-8"))
        else:
            chosen = _sample(copies[0].folder, asked.only, asked.count, Random(asked.seed))
        outcomes, untried = taken_over(asked.results, chosen)
        trying = [pool.submit(_tried, free, change, began + 60 * asked.minutes) for change in untried]
        for number, tried in enumerate(as_completed(trying), 1):
            outcome = tried.result()
            print(f"{number:4}/{len(untried)} {_told(outcome)}", flush=True)
            if isinstance(outcome, Outcome):
                outcomes.append(outcome)
                keep(asked.results, outcome)
    described = subprocess.run(["git", "describe", "--always"], cwd=ROOT, capture_output=True, text=True, check=True)
    minutes = (time.monotonic() - began) / 60
    written = page(
        outcomes,
        seed=asked.seed,
        asked=asked.count,
        chosen=len(chosen),
        commit=described.stdout.strip(),
        minutes=minutes,
    )
    print(written)
    if asked.report:
        asked.report.write_text(written, encoding="utf-8")


def survivors_of(root: Path, output: str) -> list[Change]:
    """Return the changes that an earlier run printed as survivors, wherever their lines are now."""
    survivors = {(path, before, after) for path, before, after in _SURVIVOR.findall(output)}
    found = {}
    for path in sorted({path for path, _, _ in survivors}):
        for change in changes_of(root, Path(path)):
            named = (path, *change.shown((root / path).read_bytes()))
            if named in survivors:
                found[named] = change
    for path, before, after in sorted(survivors - found.keys()):
        print(f"no longer in the code: {path}: {before}  ->  {after}")
    return list(found.values())


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
    random.shuffle(chosen)
    return chosen


def _all_changes(root: Path, only: str) -> Iterator[Change]:
    for package in sorted(PACKAGES):
        for path in sorted((root / package).rglob("*.py")):
            if str(path.relative_to(root)).startswith(only):
                yield from changes_of(root, path.relative_to(root))


def _tried(free: SimpleQueue[Copy], change: Change, deadline: float) -> Outcome | str:
    """Return what became of a change, or why nothing follows from it."""
    if time.monotonic() > deadline:
        return f"left out: {change.path}:{change.line}: the time is over"
    copy = free.get()
    try:
        return copy.tried(change)
    except NotTrustworthy as reason:
        return f"left out: {change.path}:{change.line}: {reason}"
    finally:
        free.put(copy)


def _told(outcome: Outcome | str) -> str:
    if isinstance(outcome, str):
        return outcome
    what = f"{outcome.change.path}:{outcome.change.line}: {outcome.before}  ->  {outcome.after}"
    return f"noticed   {what}\n          by {outcome.noticed_by}" if outcome.noticed_by else f"SURVIVED  {what}"


if __name__ == "__main__":
    main()
