"""What the load sends: scenes of every kind that matters for money, drawn at random from a seed.

It ignores the outcome: the order in which records are read is unknown here, and for the judge to find out.
"""

from collections.abc import Callable, Iterator
from itertools import count

from tests.faults.scenes import of_accounts, of_facts, of_odd_records, of_payers, of_the_huge
from tests.faults.speaking import ACCOUNTS, PROJECTS, Chance, Organization
from tests.support.messages import Said

Scene = Callable[[Organization, Chance], list[Said]]

_SCENES_PER_FAN_OUT = 200
_WEIGHTS: dict[Scene, int] = {
    of_payers.binding: 300,
    of_payers.unchanged: 40,
    of_odd_records.repeated: 40,
    of_odd_records.reused_id: 25,
    of_odd_records.dry_run: 30,
    of_payers.waiting: 60,
    of_payers.scheduled: 50,
    of_odd_records.expiring: 20,
    of_accounts.suspended: 60,
    of_facts.project_reported: 90,
    of_facts.stale: 40,
    of_facts.profile_reported: 60,
    of_accounts.updated: 50,
    of_payers.transferred: 30,
    of_accounts.closed: 40,
    of_payers.default_chosen: 25,
    of_odd_records.refused: 60,
    of_odd_records.poison: 60,
    of_accounts.attached: 20,
    of_odd_records.keyless: 10,
}
"""How often each scene is played; what a seed produces also depends on their order."""


class Mixture:
    """Draws the messages of many organizations. `kinds` counts the scenes played, by name."""

    def __init__(self, seed: int, organizations: int, huge_projects: int) -> None:
        self.kinds: dict[str, int] = {}
        self._chance = Chance(seed)
        self._huge_projects = huge_projects
        self._organizations = [Organization(f"org-{number}", self._chance) for number in range(organizations)]

    def beginning(self) -> Iterator[Said]:
        """Yield what all the rest builds on: accounts that are Ready, projects, and payers for most of them."""
        for organization in self._organizations:
            yield organization.report_profile("card", "Valid")
            for name in PROJECTS:
                yield organization.report_project(name, "Active")
            for name in ACCOUNTS:
                yield organization.create(name)
            for name in PROJECTS[:6]:
                yield organization.bind(name, self._chance.one(ACCOUNTS), waitSeconds=5)
        if self._huge_projects:
            yield from of_the_huge.beginning(self._huge_projects, self._chance)

    def scenes(self) -> Iterator[list[Said]]:
        """Yield scenes without end; the records of a scene belong together, in order."""
        scenes, weights = list(_WEIGHTS), list(_WEIGHTS.values())
        for number in count(1):
            is_huge = self._huge_projects > 0 and number % _SCENES_PER_FAN_OUT == 0
            scene: Scene = of_the_huge.fanned_out if is_huge else self._chance.weighted(scenes, weights)
            organization = self._chance.one(self._organizations)
            self.kinds[scene.__name__] = self.kinds.get(scene.__name__, 0) + 1
            yield scene(organization, self._chance)
