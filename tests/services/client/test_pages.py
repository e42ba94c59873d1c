"""What the pages of the client show works, block by block; and the client works where nothing else is installed."""

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from embedded import Addresses
from tests.services.client.acting import act_replay, make_topic, story, watermark, write
from tests.services.client.telling import new_organization, set_up
from tests.support.installations import Installation
from tests.support.packages import ROOT
from tests.support.waiting import until
from whopays_client import Connection, Publisher, Rejected

CLIENT = ROOT / "clients" / "python"
PAGES = sorted([CLIENT / "README.md", *(CLIENT / "docs").glob("*.md")])


def shown_on(page: str) -> dict[str, Any]:
    """Run the Python blocks of a page, and return what they define."""
    defined: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", (CLIENT / page).read_text(), flags=re.DOTALL):
        exec(block, defined)  # noqa: S102 (our own documentation)
    return defined


async def test_the_page_on_publishing(connection: Connection) -> None:
    shown = shown_on("docs/publishing.md")
    async with Publisher(connection, "/tests", person="bob", wait_seconds=60) as publisher:
        await set_up(publisher, "acme", "main", "spare", projects=("web",))
    assert await shown["bind"](connection) == "acme/web/1"
    waiting = asyncio.create_task(shown["bind_a_project_that_is_new"](connection))
    assert await shown["tell_of_a_project"](connection) >= 0
    assert await waiting == "Applied"
    first = await shown["bind_for_certain"](connection, "order-1")
    again = await shown["bind_for_certain"](connection, "order-1")
    assert (first.outcome, first.repeated, again.outcome, again.repeated) == ("Applied", False, "Applied", True)
    assert await shown["with_care"](connection) == ["Rejected", "Rejected", "Unchanged"]
    async with Publisher(connection, "/tests", person="bob", wait_seconds=60) as publisher:
        with pytest.raises(Rejected):
            (await publisher.send(shown["BindProject"](organization="acme", project="x", account="y"))).expect()


async def test_the_page_on_subscribing(
    connection: Connection, publisher: Publisher, services: Addresses, engine: AsyncEngine, tmp_path: Path
) -> None:
    organization, shown = new_organization(), shown_on("docs/subscribing.md")
    await set_up(publisher, organization, "main", projects=("web",))
    counting = asyncio.create_task(shown["count_projects"](connection, str(tmp_path / "counting.db")))
    try:

        async def counted() -> bool:
            if not (tmp_path / "counting.db").exists():
                return False
            reader = sqlite3.connect(tmp_path / "counting.db")
            try:
                return (f"{organization}/web", "main") in reader.execute("SELECT * FROM payers").fetchall()
            except sqlite3.OperationalError:
                return False  # no table yet
            finally:
                reader.close()

        await until(counted, "the payer in the table of the page")
    finally:
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)

    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    for _ in range(2):
        await shown["keep_phases"](connection, url)
    async with shown["asyncpg"].create_pool(url, min_size=1) as pool:
        rows = await pool.fetch("SELECT * FROM phases WHERE account = $1 ORDER BY sequence", f"{organization}/main")
    phases = [row["phase"] for row in rows]
    assert (phases[0], phases[-1]) == ("Provisioning", "Ready")
    assert len({row["sequence"] for row in rows}) == len(rows)

    stage = Connection(services.kafka_bootstrap_servers, f"s{uuid4().hex[:12]}.")
    await make_topic(stage, "bindings", 1)
    await write(stage, "bindings", [*story("web", 1), *story("web", 1, first=4)])
    followed = await shown["follow_in_spite_of_gaps"](stage, str(tmp_path / "careful.db"))
    assert followed == [("acme/web", 0), ("acme/web", 2)]


async def test_the_pages_on_payers_and_replays(services: Addresses, tmp_path: Path) -> None:
    stage = Connection(services.kafka_bootstrap_servers, f"s{uuid4().hex[:12]}.")
    await make_topic(stage, "bindings", 1)
    await make_topic(stage, "watermarks", 1)
    end = await write(stage, "bindings", story("web", 2))
    await write(stage, "watermarks", [watermark(10, [end])])
    payer_of = shown_on("docs/payers.md")["payer_of"]
    assert (
        await payer_of(stage, str(tmp_path / "a.db"), datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC))
        == "a1 since 2026-01-01"
    )
    assert await payer_of(stage, str(tmp_path / "a.db"), datetime(2025, 1, 1, tzinfo=UTC)) == "nobody"

    shown = shown_on("docs/replays.md")
    await act_replay(stage, "snapshot", [story("web", 1, first=2)], 9)
    assert await shown["read_again"](stage, "snapshot") == ["acme/web 2"]
    assert await shown["begin_with_a_snapshot"](stage, str(tmp_path / "b.db"), "snapshot") == ["acme/web 2"]
    # A whopays of straw: the replay is there already.
    await act_replay(stage, "payers-of-the-year", [story("web", 2)], 9)
    (tmp_path / "whopays").write_text("#!/bin/sh\n")
    (tmp_path / "whopays").chmod(0o755)
    paths = os.environ["PATH"]
    os.environ["PATH"] = f"{tmp_path}{os.pathsep}{paths}"
    try:
        await shown["payers_of_the_year"](stage, str(tmp_path / "c.db"), datetime(2026, 1, 1, tzinfo=UTC))
    finally:
        os.environ["PATH"] = paths


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_the_pages_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_what_the_readme_installs_is_in_the_checkout() -> None:
    installed = re.findall(r"pip install '?([^\s'\[]+)(?:\[(\w+)\])?", (CLIENT / "README.md").read_text())
    assert len(installed) == 2
    for place, extra in installed:
        project = tomllib.loads((ROOT / place / "pyproject.toml").read_text())["project"]
        assert project["name"] == "whopays-client"
        assert not extra or extra in project["optional-dependencies"]


def test_the_readme_runs() -> None:
    assert shown_on("README.md")["connection"].topic("bindings") == "billing.bindings"


async def test_the_client_works_where_nothing_else_is_installed(shared: Installation, tmp_path: Path) -> None:
    await asyncio.to_thread(_install, tmp_path)
    script = (
        "import asyncio, importlib.util, sys\n"
        "from whopays_client import *\n"
        "async def main(servers, prefix):\n"
        "    connection = Connection(servers, prefix)\n"
        "    async with Publisher(connection, '/alone', person='alice', wait_seconds=60) as publisher:\n"
        "        answer = await publisher.send(CreateAccount(organization='alone', account=sys.argv[3]))\n"
        "        print(answer.outcome)\n"
        "assert not [n for n in ('asyncpg', 'orjson', 'schemas', 'sqlalchemy') if importlib.util.find_spec(n)]\n"
        "asyncio.run(main(*sys.argv[1:3]))\n"
    )
    process = await asyncio.create_subprocess_exec(
        str(tmp_path / "alone" / "bin" / "python"), "-I", "-W", "error", "-c", script,
        shared.kafka_bootstrap_servers, shared.prefix, f"a{uuid4().hex[:8]}",
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert (process.returncode, out) == (0, b"Applied\n")


def _install(folder: Path) -> None:
    """Build the client, and install it into a new virtual environment, in the versions that are locked."""
    python = str(folder / "alone" / "bin" / "python")
    run = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(run, cwd=CLIENT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    uv = str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder / "alone")], check=True)
    locked = ("--constraints", str(ROOT / "requirements.lock"))
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *locked, str(wheel)], check=True)
