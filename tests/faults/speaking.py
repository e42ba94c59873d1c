"""Who sends the load: organizations, which remember what they sent, and a source of randomness."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from tests.support.messages import Said, account, command, profile, project

ACCOUNTS = ("a", "b", "c", "d")
PROJECTS = tuple(f"p{number}" for number in range(8))
HOLDS = ("PaymentFailure", "ComplianceViolation", "Administrative")
_REMEMBERED = 50


class Chance:
    """Draws from a seed, and hands out unique ids."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._numbers = count(1)

    def one(self, choices: Any) -> Any:
        """Draw one of these."""
        return self._random.choice(choices)

    def two(self, choices: Any) -> list[Any]:
        """Draw two different ones of these."""
        return self._random.sample(choices, 2)

    def weighted(self, choices: Any, weights: list[int]) -> Any:
        """Draw one of these, some more often than others."""
        return self._random.choices(choices, weights)[0]

    def number(self, least: int, most: int) -> int:
        """Draw a number between these, or one of them."""
        return self._random.randint(least, most)

    def occurs(self, percent: int) -> bool:
        """Draw whether something happens."""
        return self._random.randrange(100) < percent

    def new_id(self, kind: str) -> str:
        """Return a unique id or name."""
        return f"{kind.lower()}-{next(self._numbers)}"


@dataclass
class Organization:
    """What the load remembers of an organization: versions and ids in use, and a few commands to repeat."""

    name: str
    chance: Chance
    versions: dict[str, int] = field(default_factory=dict)
    uids: dict[str, str] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)

    def command(self, name: str, **members: Any) -> Said:
        """Say a command."""
        binary = self.chance.occurs(10)
        said = command(name, self.chance.new_id(name), self.name, binary=binary, **members)
        if not said.headers and not members.get("dryRun"):
            self.said.append(said)
            del self.said[:-_REMEMBERED]
        return said

    def bind(self, name: str, payer: str, **members: Any) -> Said:
        """Say that an account shall pay for a project."""
        return self.command("BindProject", project=name, account=payer, **members)

    def create(self, name: str) -> Said:
        """Create an account; this is not remembered."""
        said = account(self.name, name)
        event = json.loads(said.value or b"") | {"id": self.chance.new_id("create")}
        return replace(said, value=json.dumps(event).encode())

    def report_project(self, name: str, state: str, **members: Any) -> Said:
        """Report a project in its next version."""
        if name in self.uids:
            members["uid"] = self.uids[name]
        return project(
            self.name,
            name,
            self._next_version(name),
            state=state,
            binary=self.chance.occurs(10),
            ce_id=self.chance.new_id("fact"),
            **members,
        )

    def report_profile(self, name: str, state: str, **members: Any) -> Said:
        """Report a payment profile in its next version."""
        version = self._next_version(name)
        return profile(self.name, name, version, state=state, ce_id=self.chance.new_id("fact"), **members)

    def _next_version(self, name: str) -> int:
        self.versions[name] = self.versions.get(name, 0) + 1
        return self.versions[name]


def soon(seconds: int) -> str:
    """Return the instant so many seconds from now, as it is sent; one below zero has passed."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
