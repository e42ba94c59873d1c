"""`whopays drill`: it breaks, shows, and sees mended what it has broken, and nothing that is anybody else's."""

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from cli.drill.drills import DRILLS
from cli.drill.site import Site
from cli.operating.standing import Section
from cli.program import app
from cli.terminal.installation import HOME, RUNNING
from schemas.facts import ProjectChanged
from schemas.parsing import read_command, read_fact
from schemas.policy import OperatorPolicy
from tests.services.cli.test_processes import SILENT
from tests.support.batches import batches, records
from tests.support.messages import account, bind, project
from tests.support.processes import in_foreground
from tests.unit.deploy.test_alerts import ALERTS
from workers.runtime.roles import Role
from workers.runtime.settings import Settings


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


async def test_rows_are_damaged_and_put_back(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    settings = Settings(database_url=engine.url.render_as_string(hide_password=False))
    nowhere: Any = None
    site = Site(settings, nowhere, tmp_path, lambda _: None)
    await batches(engine).process(Role.PROJECTS, records(project("acme", "project-1")), _READ_PROJECT)
    made = [account("acme", "main"), account("acme", "lab"), bind("acme", "project-1", "main", "b")]
    await batches(engine).process(Role.ADMIN_COMMANDS, records(*made), _READ_COMMAND)

    async def rows() -> tuple[Any, ...]:
        async with engine.connect() as connection:
            return tuple((await connection.execute(text(_ROWS))).one())

    before = await rows()
    assert before[1:] == (None, None, None)
    await DRILLS["promise"].breaks(site)
    assert await rows() == ("lab", None, None, None)
    await DRILLS["promise"].mends(site)
    assert await rows() == ("main", None, None, None)
    await DRILLS["redrive"].breaks(site)
    damaged = await rows()
    assert damaged[1:3] == (0, "EUR")
    assert damaged[3] is not None
    await DRILLS["redrive"].mends(site)
    assert await rows() == ("main", None, None, None)
    assert [line for line in capfd.readouterr().out.splitlines() if line.startswith("$")] == [
        "$ whopays verify",
        "$ whopays timeline acme project-1",
        "$ whopays verify",
        "$ whopays dead-letters list --waiting",
        "$ whopays verify",
        "$ whopays dead-letters redrive --all",
        "$ whopays verify",
    ]
    await site.close()


_ROWS = """
SELECT (SELECT account FROM projects WHERE (organization, project) = ('acme', 'project-1')),
       outstanding, outstanding_currency_code, outstanding_as_of::text
FROM accounts WHERE (organization, account) = ('acme', 'lab')
"""
_READ_PROJECT = partial(read_fact, model=ProjectChanged, max_value_bytes=1_000_000)
_READ_COMMAND = partial(read_command, max_value_bytes=1_000_000, policy=OperatorPolicy())


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
