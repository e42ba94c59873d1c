"""`whopays drill`: it breaks, shows, and sees mended what it has broken, and nothing that is anybody else's."""

import asyncio
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.drill.drills import DRILLS
from cli.operating.standing import Section
from cli.program import app
from cli.terminal.installation import HOME, RUNNING
from tests.services.cli.test_processes import SILENT
from tests.support.processes import in_foreground
from tests.unit.deploy.test_alerts import ALERTS


async def _drill(*words: str, folder: Path, **environment: str) -> tuple[int | None, str, str]:
    """Hold a drill in a folder; return its status, and what it said on both outputs."""
    root = str(Path(__file__).parents[3])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "drill", *words, cwd=folder, env={**SILENT, "PYTHONPATH": root, **environment},
        preexec_fn=in_foreground, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    "name", [name if name == "rubbish" else pytest.param(name, marks=pytest.mark.chaos) for name in DRILLS]
)
async def test_a_drill_ends_well_when_the_runbook_is_followed(name: str, tmp_path: Path) -> None:
    status, out, err = await _drill(name, "--auto", folder=tmp_path)
    assert status == 0, f"{out}\n{err}"
    drill = DRILLS[name]
    shown = out.partition(drill.page)[2]
    assert any(what in shown for what in drill.shows), "what whoever is on call sees"
    assert "All is well again, and every promise holds." in shown
    assert f"docs/operations.md#{drill.section}" in shown
    assert RUNNING.name not in {file.name for file in _content_of(tmp_path / HOME)}


@pytest.mark.parametrize("name", ("WHOPAYS_DATABASE_URL", "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS", "WHOPAYS_INSTALLATION"))
def test_what_is_anybody_elses_is_never_touched(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(app, ("drill", "relay", "--auto"), env={name: "somebody-elses"})
    assert ran.exit_code == 1
    assert f"only on servers of its own; but {name} is set" in ran.stderr
    assert _content_of(tmp_path) == [], "nothing was started"


def _content_of(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def test_drills_are_listed() -> None:
    listed = CliRunner().invoke(app, ("drill", "list"))
    assert (listed.exit_code, len(listed.stdout.splitlines())) == (0, len(DRILLS))
    unknown = CliRunner().invoke(app, ("drill", "none"))
    assert unknown.exit_code == 2
    assert "relay" in unknown.stderr


def test_each_drill_is_about_an_alert_and_a_section_of_the_book() -> None:
    assert len(DRILLS) == 7
    for drill in DRILLS.values():
        assert drill.section in Section
        said = ALERTS[drill.alert]["annotations"]["summary"].replace("{{ $labels.role }}", "projects")
        said = said.replace(": {{ $labels.reason }}", "").replace("{{ $labels.promise }}", "payers")
        assert drill.page == said
