"""What each migration leaves of the code before it: one declaration in its file, and what follows from it."""

from pathlib import Path

import pytest

from db import migration_plan
from db.migration_plan import Kind, MigrationPlan, migrations


def _made(monkeypatch: pytest.MonkeyPatch, folder: Path, *declared: str | None) -> list[Kind]:
    """Return the kinds of made-up migrations, from 0001 on, that declare these."""
    known = {}
    for number, oldest in enumerate(declared, start=1):
        file = folder / f"{number:04}_made_up.py"
        file.write_text(
            '"""Something changes (docs/decisions/0033).\n\nMore."""\n'
            + (f'oldest_code = "{oldest}"\n' if oldest else "")
        )
        known[file.name[:4]] = file
    monkeypatch.setattr(migration_plan, "migration_files", lambda: known)
    return [one.kind for one in migrations()]


def _plan(present: str | None) -> MigrationPlan:
    return MigrationPlan(present, "9999", tuple(one for one in migrations() if one.revision > (present or "")), ())


def test_every_migration_says_which_code_works_on() -> None:
    found = migrations()
    assert found
    assert all(one.title for one in found)


def test_a_migration_that_does_not_say_it_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="migration 0002 does not declare oldest_code"):
        _made(monkeypatch, tmp_path, "0001", None)


@pytest.mark.parametrize("wrong", ("0001", "0004"))
def test_what_code_could_not_do_before_it_cannot_do_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wrong: str
) -> None:
    with pytest.raises(ValueError, match=f"0003: oldest_code must be from 0002 to 0003, not {wrong}"):
        _made(monkeypatch, tmp_path, "0001", "0002", wrong)


def test_what_follows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """0003 adds, 0004 adds, 0005 takes away what only code before 0003 needed, 0006 is another world."""
    declared = ("0001", "0002", "0002", "0002", "0003", "0006", "0006")
    kinds = _made(monkeypatch, tmp_path, *declared)
    assert kinds == [Kind.STOP, Kind.STOP, Kind.EXPAND, Kind.EXPAND, Kind.CONTRACT, Kind.STOP, Kind.EXPAND]
    assert migration_plan.oldest_code() == "0006"
    plans = {present: _plan(present) for present in (None, "0004", "0006")}
    assert {present: plan.needs_stop for present, plan in plans.items()} == {None: True, "0004": True, "0006": False}
    assert plans["0006"].needs_code is None
    assert plans[None].needs_code == "0006"
    assert {one.title for one in migrations()} == {"Something changes"}


def test_what_is_taken_away_needs_code_that_does_not_use_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _made(monkeypatch, tmp_path, "0001", "0002", "0002", "0002", "0003")
    assert (_plan("0004").needs_stop, _plan("0004").needs_code) == (False, "0003")
    # Nothing that runs at 0002 knows 0003.
    assert _plan("0002").needs_stop
