"""Reads `table.yaml`: each of its cells, ready to be tried."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from schemas.results import Reason
from tests.support.model.said import Said

PEOPLE = ("ann", "bob", None)
OUTCOMES = ("Applied", "Unchanged", "Scheduled", "Waiting")


@dataclass(frozen=True)
class Cell:
    """One command in one situation, asked by one person: what it is answered, and the account's phase afterwards."""

    situation: str
    command: Said
    outcome: str
    violations: tuple[str, ...]
    phase: str | None

    @property
    def name(self) -> str:
        """A line that tells it from all others."""
        data = {name: value for name, value in self.command.data.items() if name != "organization"}
        return f"{self.situation}: {self.command.type} {data} by {self.command.authid or 'nobody'}"


@dataclass(frozen=True)
class Situation:
    """How the account comes to be in a phase."""

    name: str
    phase: str | None
    steps: tuple[Said, ...]


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "table.yaml").read_text(encoding="utf-8"))
    return table


def situations() -> list[Situation]:
    """Return the situations, each with all steps that lead to it."""
    return [
        Situation(name, told["phase"], tuple(_said(step, number) for number, step in enumerate(_steps(name))))
        for name, told in _table()["situations"].items()
    ]


def cells(situation: str) -> Iterator[Cell]:
    """Yield the cells of a situation. Raises ValueError for a command that has no answer for it, or no clear one."""
    stands = _table()["situations"][situation]["phase"]
    for number, row in enumerate(_table()["commands"]):
        type_, data = next(iter(row.items()))
        answer = _answer(row["answers"], situation)
        for person in PEOPLE:
            command = _said((type_, data), number, person, "asked")
            said = "Unauthenticated" if person is None else answer[person] if isinstance(answer, dict) else answer
            outcome, _, phase = said.partition(" > ")
            if outcome in OUTCOMES:
                yield Cell(situation, command, outcome, (), phase or stands)
            else:
                yield Cell(situation, command, "Rejected", tuple(map(Reason, outcome.split())), stands)


def _answer(answers: Mapping[str, Any], situation: str) -> Any:
    groups = _table()["groups"]
    named: dict[str, list[Any]] = {"itself": [], "group": [], "others": []}
    for names, answer in answers.items():
        listed = names.split(", ")
        if situation in listed:
            named["itself"].append(answer)
        elif any(situation in groups[name].split(", ") for name in listed if name in groups):
            named["group"].append(answer)
        elif listed == ["others"]:
            named["others"].append(answer)
        elif unknown := set(listed) - groups.keys() - _table()["situations"].keys():
            raise ValueError(f"no such situation: {unknown}")
    chosen = next((found for found in named.values() if found), [])
    if len(chosen) != 1:
        raise ValueError(f"{len(chosen)} answers for {situation}: {answers}")
    return chosen[0]


def _steps(situation: str) -> list[Any]:
    told = _table()["situations"][situation]
    before = _steps(told["after"]) if "after" in told else _table()["surroundings"]
    return [*before, *told.get("steps", [])]


def _said(step: Any, number: int, person: str | None = "ann", prefix: str = "step") -> Said:
    type_, data, *by = step
    return Said(type_, f"{prefix}-{number}", {"organization": "acme", **data}, *(by or (person,)))
