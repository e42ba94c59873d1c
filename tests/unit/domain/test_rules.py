"""One table of rules: a command without one passes neither the type check nor the import."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from domain.commands import RULES
from schemas.commands import COMMANDS
from tests.support.packages import ROOT

_TABLE = ROOT / "domain" / "commands.py"


def _changed(pattern: str, replacement: str) -> str:
    changed, count = re.subn(pattern, replacement, _TABLE.read_text(encoding="utf-8"))
    assert count == 1
    return changed


def _without(command: str) -> str:
    """Return the table's source with another command's row, once more, in place of a command's own."""
    other = "_rule(SetDefaultAccount, CHOOSES_DEFAULT, _default_account, set_default_account)"
    if command == "SetDefaultAccount":
        other = "_rule(WithdrawClosure, ADMINISTERS, _account, withdraw_closure)"
    return _changed(rf"_rule\({command}, \w+, \w+, \w+\)", other)


def _type_errors(source: str, folder: Path) -> str:
    changed = folder / "commands.py"
    changed.write_text(source, encoding="utf-8")
    options = ["--cache-dir", str(ROOT / ".mypy_cache"), "--shadow-file", str(_TABLE), str(changed), str(_TABLE)]
    return subprocess.run(
        [sys.executable, "-m", "mypy", *options], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout


def test_every_command_has_a_rule() -> None:
    assert set(RULES) == set(COMMANDS.values())


@pytest.mark.parametrize("command", COMMANDS)
def test_without_its_rule_nothing_is_imported(command: str) -> None:
    with pytest.raises(LookupError, match=rf"no rule decides {command}$"):
        exec(compile(_without(command), str(_TABLE), "exec"), {"__name__": "changed"})  # noqa: S102 (our own)


def test_without_its_rule_the_type_check_fails(tmp_path: Path) -> None:
    assert "Success" in _type_errors(_TABLE.read_text(encoding="utf-8"), tmp_path)
    assert 'Argument 1 to "_table" has incompatible type' in _type_errors(_without("WithdrawClosure"), tmp_path)


def test_a_rule_of_another_command_fails_the_type_check(tmp_path: Path) -> None:
    swapped = _changed(r"(_rule\(WithdrawClosure, \w+, \w+), withdraw_closure\)", r"\1, suspend_account)")
    assert 'to "_rule" has incompatible type' in _type_errors(swapped, tmp_path)
