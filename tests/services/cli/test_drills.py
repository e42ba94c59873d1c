"""`whopays drill`: it breaks, shows, and sees mended what it has broken, and nothing that is anybody else's."""

import asyncio
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from cli.drill.command import DATA
from cli.drill.drills import DRILLS
from cli.drill.site import Site
from cli.operating.standing import Section
from cli.program import app
from cli.terminal.installation import HOME, RUNNING
from embedded.data_folder import DataFolder
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.parsing import read_command, read_fact
from schemas.policy import OperatorPolicy
from tests.services.cli.test_processes import SILENT
from tests.support.batches import batches, records
from tests.support.messages import account, bind, profile, project
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
    earlier = DataFolder(tmp_path / DATA, print)
    earlier.acquire()
    earlier.release()
    (earlier.path / "left").touch()
    status, out, err = await _drill(name, "--auto", folder=tmp_path)
    assert status == 0, f"{out}\n{err}"
    assert not (earlier.path / "left").exists(), "it begins with nothing of an earlier one"
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
    assert f"only on separate servers; but {name} is set" in ran.stderr
    assert _content_of(tmp_path) == [], "nothing was started"


async def test_rows_are_damaged_and_put_back(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = tmp_path / "asked"
    asked.write_text(_VERIFY_FAILS_AT_FIRST)
    asked.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(asked))
    settings = Settings(database_url=engine.url.render_as_string(hide_password=False))
    nowhere: Any = None
    site = Site(settings, nowhere, tmp_path, lambda _: None)
    known = records(project("acme", "project-1"), project("acme", "project-2"), project("globex", "project-1"))
    await batches(engine).process(Role.PROJECTS, known, _READ_PROJECT)
    await batches(engine).process(Role.PAYMENT_PROFILES, records(profile("acme"), profile("globex")), _READ_PROFILE)
    made = [account("acme", "main"), account("acme", "lab"), account("globex", "lab")]
    made += [bind("acme", "project-1", "main", "b"), bind("acme", "project-2", "lab", "c")]
    await batches(engine).process(Role.ADMIN_COMMANDS, records(*made), _READ_COMMAND)
    await _by_hand(
        engine,
        "UPDATE accounts SET outstanding = 7, outstanding_currency_code = 'EUR', "
        "outstanding_as_of = '2026-01-01' WHERE account = 'main' OR organization = 'globex'",
    )

    async def rows() -> list[tuple[Any, ...]]:
        async with engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(_ROWS))]

    before = await rows()
    assert ("acme", "project-1", "main", None) in before
    assert ("acme", "lab", None, None) in before
    for mend in ("as the runbook says", "as the hint says"):
        await DRILLS["promise"].breaks(site)
        assert {*before} - {*await rows()} == {("acme", "project-1", "main", None)}
        if mend == "as the runbook says":
            await DRILLS["promise"].mends(site)
        else:
            await _by_hand(engine, _hinted("promise"))
        assert await rows() == before
        await DRILLS["redrive"].breaks(site)
        (damaged,) = {*await rows()} - {*before}
        assert damaged[:3] == ("acme", "lab", "0 EUR")
        assert damaged[3] is not None
        if mend == "as the runbook says":
            await DRILLS["redrive"].mends(site)
        else:
            await _by_hand(engine, _hinted("redrive"))
        assert await rows() == before
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


_VERIFY_FAILS_AT_FIRST = """#!/bin/sh
[ "$3 $4" = "verify " ] || exit 0
if [ -e "$0.mended" ]; then rm "$0.mended"; else touch "$0.mended"; exit 1; fi
"""
"""Stands for the command line: the first of two audits finds the damage, and the second finds it mended."""


def _hinted(name: str) -> str:
    """Return the statement that a drill's last hint has whoever mends it run by hand."""
    found = re.search(r"SET session_replication_role = replica;\s+(UPDATE .*?);", DRILLS[name].hints[-1], re.DOTALL)
    assert found is not None
    return found[1]


async def _by_hand(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text(statement))


_ROWS = """
SELECT organization, project, account, NULL FROM projects UNION ALL
SELECT organization, account, trim_scale(outstanding) || ' ' || outstanding_currency_code, outstanding_as_of::text
FROM accounts ORDER BY 1, 2, 3
"""
_READ_PROJECT = partial(read_fact, model=ProjectChanged, max_value_bytes=1_000_000)
_READ_PROFILE = partial(read_fact, model=PaymentProfileChanged, max_value_bytes=1_000_000)
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
