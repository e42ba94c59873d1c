"""A month of changes of payer and of usage, at random, and what must come out: computed without the pipelines."""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson

from tests.services.client.acting import Written, at, changed, said

MINUTES = 31 * 24 * 60
Said = dict[str, Any]


@dataclass
class Month:
    """Who paid for each project from which minute on (None: nobody), and every usage record, in no order."""

    paid: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    usage: list[Said] = field(default_factory=list)

    @classmethod
    def at_random(cls, seed: int, projects: int = 6, changes: int = 40, records: int = 1500) -> "Month":
        """Make a month in which payers change, projects are released, and usage is late, repeated and corrected."""
        chance = random.Random(seed)
        month = cls()
        for number in range(projects):
            account: str | None = None
            timeline: list[tuple[int, str | None]] = []
            for begin in sorted(chance.sample(range(1, MINUTES), changes)):
                others = [one for one in ("a1", "a2", "a3", "a4", None) if one != account]
                account = chance.choice(others)
                timeline.append((begin, account))
            month.paid[f"p{number}"] = timeline
        instants = [minute for timeline in month.paid.values() for minute, _ in timeline]
        for number in range(records):
            for revision in range(1, chance.choice((1, 1, 1, 2, 3)) + 1):
                # At the very instants of changes too, which belong to the new payer.
                minute: float = chance.choice((chance.uniform(-600, MINUTES), chance.choice(instants)))
                project = "unheard-of" if chance.random() < 0.02 else chance.choice([*month.paid])
                record = {
                    "organization": "acme", "id": f"u{number}", "revision": revision,
                    "project": project, "meter": chance.choice(("cpu", "disk")),
                    "quantity": format(Decimal(chance.randrange(10**12)).scaleb(-chance.randrange(7)), "f"),
                    "at": said(at(minute)),
                }  # fmt: skip
                month.usage += [record] * chance.choice((1, 1, 1, 2))
        chance.shuffle(month.usage)
        return month

    def bindings(self) -> dict[str, list[tuple[int, Written]]]:
        """Return each project's `BindingChanged`, with their minutes."""
        events: dict[str, list[tuple[int, Written]]] = {}
        for project, timeline in self.paid.items():
            before: tuple[str, float] | None = None
            events[project] = []
            for number, (minute, account) in enumerate(timeline, start=1):
                events[project].append((minute, changed(project, number, account, minute, before=before)))
                before = (account, minute) if account else None
        return events

    def records(self) -> Iterator[Written]:
        """Return the usage as records."""
        for one in self.usage:
            yield one["organization"].encode(), orjson.dumps(one)

    def latest(self) -> dict[str, Said]:
        """Return the last revision of each usage record."""
        return {one["id"]: one for one in sorted(self.usage, key=lambda one: int(one["revision"]))}

    def payer(self, one: Said) -> str | None:
        """Return who paid for what was used: whoever was the last to begin, at that instant or before."""
        begun = [account for minute, account in self.paid.get(one["project"], ()) if said(at(minute)) <= one["at"]]
        return begun[-1] if begun else None

    def rollups(self) -> dict[tuple[str, str, str], Fraction]:
        """Return how much is to be billed for each account, day and meter."""
        sums: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
        for one in self.latest().values():
            if account := self.payer(one):
                sums[account, one["at"][:10], one["meter"]] += Fraction(one["quantity"])
        return dict(sums)

    def unpaid(self) -> set[str]:
        """Return the ids of what nobody paid for."""
        return {name for name, one in self.latest().items() if self.payer(one) is None}

    def shares(self, account: str, first_day: int, last_day: int) -> dict[tuple[str, str, str], Fraction]:
        """Return what an account paid for from the beginning of one day to that of another: part, and its share."""
        begin, end = first_day * 1440, last_day * 1440
        cut = {}
        for project, timeline in self.paid.items():
            ends = [minute for minute, _ in timeline[1:]] + [MINUTES * 10]
            for (minute, payer), until in zip(timeline, ends, strict=True):
                since, until = max(minute, begin), min(until, end)  # noqa: PLW2901 - cut to the period
                if payer == account and since < until:
                    cut[project, said(at(since)), said(at(until))] = Fraction(until - since, end - begin)
        return cut
