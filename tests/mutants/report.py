"""The page that says how many changes were noticed, and lists those that were not."""

from collections import Counter
from collections.abc import Sequence

from tests.mutants.choosing import room_of
from tests.mutants.equivalent import EQUIVALENT
from tests.mutants.running import Outcome

_PAGE = """# How well the tests notice

`make mutants ARGS='--seed {seed} --count {asked} --report docs/mutants.md'` at commit {commit}, {minutes:.0f} minutes.

A seeded sample of small changes over all packages of the product: comparisons, conditions, constants, statements and
guards left out, answers lost, operators of SQL. Docstrings, types, log lines, what people only read, and how long
something is waited for are left alone. On each change the tests run that a maintainer would run, by folder, the fastest
first ([the list](../tests/mutants/choosing.py)). A change counts as noticed when a test passes without it and fails
with it, twice where it needs servers.

**{noticed} of {total} were noticed ({percent:.1f} %)**{equivalent}.{untried}

| part | noticed | of |
| --- | ---: | ---: |
{parts}

## What was not noticed

{survivors}
"""


def page(outcomes: Sequence[Outcome], *, seed: int, asked: int, chosen: int, commit: str, minutes: float) -> str:
    """Return the page, in Markdown, on those of the chosen changes that were tried."""
    total = Counter(room_of(one.change.path) for one in outcomes)
    noticed = Counter(room_of(one.change.path) for one in outcomes if one.noticed_by)
    survivors = sorted(
        (one for one in outcomes if not one.noticed_by), key=lambda one: (one.change.path, one.change.line)
    )
    same = sum(_reason(one) is not None for one in survivors)
    return _PAGE.format(
        seed=seed,
        asked=asked,
        commit=commit,
        minutes=minutes,
        noticed=noticed.total(),
        total=total.total(),
        percent=100 * noticed.total() / max(1, total.total()),
        equivalent=f"; of the other {len(survivors)}, {same} change nothing that anybody could notice" if same else "",
        untried=""
        if total.total() == chosen
        else f"\nOf the {chosen} changes of the sample the others were not tried, or nothing followed from them.",
        parts="\n".join(f"| `{room}` | {noticed[room]} | {total[room]} |" for room in sorted(total)),
        survivors="\n".join(map(_line, survivors)) or "Nothing.",
    )


def _line(survivor: Outcome) -> str:
    change = survivor.change
    reason = _reason(survivor) or "A test is missing."
    return f"- `{change.path}:{change.line}`: `{survivor.before}` became `{survivor.after}`. {reason}"


def _reason(survivor: Outcome) -> str | None:
    path, after = str(survivor.change.path), survivor.after
    return EQUIVALENT.get((path, after)) or EQUIVALENT.get((path, f"{survivor.before}  ->  {after}"))
