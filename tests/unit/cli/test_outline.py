"""What every command takes, and what it takes where nothing is said: all of it in one file, to be looked at."""

from pathlib import Path
from typing import Any

from cli.program import COMMANDS, Group
from tests.unit.cli.test_program import LISTED, command_of

_KEPT = Path(__file__).with_name("commands.txt")


def _parameter(one: Any) -> str:
    """Return a parameter: what it is called, of which kind and bounds it is, and what holds without it."""
    kind = one.type
    bounds = {name: getattr(kind, name, None) for name in ("min", "max", "choices")}
    said = [
        "/".join([*one.opts, *one.secondary_opts]),
        kind.name,
        *(f"{name} {bound}" for name, bound in bounds.items() if bound is not None),
        *(word for word, holds in (("required", one.required), ("again and again", one.multiple)) if holds),
    ]
    return f"  {', '.join(said)}" + ("" if one.required else f" = {one.default}")


def outline() -> str:
    """Return all commands with their parameters."""
    groups = {one.name for listed in COMMANDS.values() for one in listed if isinstance(one, Group)}
    lines = []
    for words in ("", *sorted({*LISTED, *groups})):
        command = command_of(words)
        alone = " (with or without another word)" * getattr(command, "invoke_without_command", False)
        lines += [f"whopays {words}{alone}", *map(_parameter, command.params)]
    return "\n".join(lines) + "\n"


def test_commands_take_what_they_took() -> None:
    assert outline() == _KEPT.read_text(encoding="utf-8"), "look at it; python -m tests.unit.cli.test_outline keeps it"


if __name__ == "__main__":
    _KEPT.write_text(outline(), encoding="utf-8")
