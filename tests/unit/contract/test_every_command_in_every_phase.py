"""The table (`table.yaml`): every command in every situation by whoever asks, and each of them as a dry run first."""

import pickle
from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.commands import COMMANDS
from tests.support.model.said import Said
from tests.support.model.seen import Seen
from tests.unit.contract.pure import START, PureService
from tests.unit.contract.table import Cell, Situation, cells, situations

BEGUN = START + timedelta(minutes=4)
ASKED = START + timedelta(minutes=10)


@pytest.mark.parametrize("situation", situations(), ids=lambda situation: situation.name)
def test_every_command_is_answered_as_the_table_says(situation: Situation) -> None:
    service = brought_about(situation)
    assert phase_of(service) == situation.phase
    kept = pickle.dumps(service)
    wrong = [found for cell in cells(situation.name) for found in faults(cell, _copied(kept))]
    assert not wrong, "\n".join(wrong)


def test_the_table_knows_every_command_and_every_phase(capsys: pytest.CaptureFixture[str]) -> None:
    found = [cell for situation in situations() for cell in cells(situation.name)]
    assert {cell.command.type for cell in found} == set(COMMANDS)
    assert {situation.phase for situation in situations()} == {
        None, "Provisioning", "Incomplete", "Ready", "Suspended", "Archived",
    }  # fmt: skip
    names = {cell.name for cell in found}
    assert len(names) == len(found)
    commands = len(found) // len(situations())
    with capsys.disabled():
        print(f"\nthe table: {len(situations())} situations by {commands} commands and people = {len(found)} answers")


def brought_about(situation: Situation) -> PureService:
    """Return a service in which the situation was brought about, a second for each step."""
    service = PureService()
    for number, step in enumerate(situation.steps):
        result = [one for one in service.process([step], BEGUN + timedelta(seconds=number)) if "outcome" in one]
        assert all(one["outcome"] in ("Applied", "Scheduled") for one in result), (step, result)
    return service


def faults(cell: Cell, tried: PureService) -> list[str]:
    """Try a cell, first as a dry run, and return in words what is not as the table says."""
    found = []
    before = phase_of(tried)
    dry = replace(cell.command, id=f"{cell.command.id}-dry", data=cell.command.data | {"dryRun": True})
    for command, phase in ((dry, before), (cell.command, cell.phase)):
        came = tried.process([command], ASKED)
        result = result_of(command, came)
        answer = (result["outcome"], result["violations"], phase_of(tried))
        if answer != (cell.outcome, list(cell.violations), phase):
            found.append(f"{cell.name}: {answer}, not {cell.outcome, list(cell.violations), phase} ({command.id})")
        quiet = command is dry or cell.outcome != "Applied"
        if quiet and len(came) != 1:
            found.append(f"{cell.name}: {came[:-1]} was published ({command.id})")
    return found


def _copied(kept: bytes) -> PureService:
    copy: PureService = pickle.loads(kept)  # noqa: S301 (our own, and much faster than `deepcopy`)
    return copy


def result_of(command: Said, came: list[Seen]) -> Seen:
    """Return a command's first result."""
    return next(one for one in came if one["about"] == f"result acme {command.source} {command.id}")


def phase_of(service: PureService) -> str | None:
    """Return the phase of the account `a`."""
    account = service.book.changed.accounts.get(("acme", "a"))
    return None if account is None else account.phase.value
