"""`whopays run`, `dev` and `demo` as processes that run until they are told to stop."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from cli.terminal.installation import RUNNING
from tests.support.installations import Installation
from tests.support.processes import in_foreground
from tests.support.waiting import patience

SILENT = {name: value for name, value in os.environ.items() if not name.startswith("WHOPAYS_")}


async def start(*arguments: str, folder: Path, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli",
        *arguments,
        cwd=folder,
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[3])},
        preexec_fn=in_foreground,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def done(*arguments: str, folder: Path) -> tuple[int | None, str, str]:
    """Run a command to its end; return its status, and what it said on both outputs."""
    process = await start(*arguments, folder=folder, environment=SILENT)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    (
        (
            "WHOPAYS_DATABASE_URL",
            "postgresql://me:hidden@127.0.0.1:1/x",
            "PostgreSQL at postgresql://me:***@127.0.0.1:1/x",
        ),
        ("WHOPAYS_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1", "Kafka at 127.0.0.1:1 cannot be used: no broker answers"),
        ("WHOPAYS_INSTALLATION", "other", "belongs to the installation"),
        ("WHOPAYS_ENCRYPTION_KEYS", "{}", "There is no key to encrypt personal data with"),
        ("WHOPAYS_AUTH", "jwt", "WHOPAYS_ISSUERS must name at least one issuer"),
    ),
)
async def test_run_says_why_it_cannot(
    quiet_installation: Installation, tmp_path: Path, variable: str, value: str, words: str
) -> None:
    run = await start("run", folder=tmp_path, environment=quiet_installation.environment(**{variable: value}))
    _, err = await run.communicate()
    assert run.returncode == 1
    assert words in err.decode()
    assert "Traceback" not in err.decode()


async def test_dev_runs_everything_and_is_found_by_the_other_commands(
    quiet_installation: Installation, tmp_path: Path
) -> None:
    dev = await start("dev", folder=tmp_path, environment=quiet_installation.environment())
    assert dev.stdout is not None
    exports = [(await dev.stdout.readline()).decode() for _ in range(2)]
    assert exports[0] == f"export WHOPAYS_DATABASE_URL='{quiet_installation.settings.database_url}'\n"
    assert exports[1].startswith("export WHOPAYS_KAFKA_BOOTSTRAP_SERVERS='")

    send = await start(
        "send", "CreateAccount", "account=main", "--organization", "acme", folder=tmp_path, environment=SILENT
    )
    out, err = await send.communicate()
    assert send.returncode == 0, err.decode()
    assert "✔ Applied" in out.decode()

    dev.send_signal(signal.SIGTERM)
    _, logs = await asyncio.wait_for(dev.communicate(), patience(20))
    assert dev.returncode == 0, logs.decode()
    assert not (tmp_path / RUNNING).exists()


async def test_dev_does_not_empty_what_it_does_not_own(quiet_installation: Installation, tmp_path: Path) -> None:
    dev = await start("dev", "--reset", folder=tmp_path, environment=quiet_installation.environment())
    _, err = await dev.communicate()
    assert dev.returncode == 1
    assert "Nothing was done" in err.decode()


async def test_the_demonstration_tells_its_story_and_ends_with_the_console(tmp_path: Path) -> None:
    demo = await start("demo", "--console", folder=tmp_path, environment=SILENT | {"WHOPAYS_SERVE_PORT": "0"})
    assert demo.stdout is not None
    told = ""
    while "/#/acme/projects/rocket" not in told:
        line = await demo.stdout.readline()
        assert line, told
        told += line.decode()
    address = told.split()[-1].partition("#")[0]
    ada = ("ada", "--role", "account-admin", "--role", "project-owner", "--organization", "acme")
    bind = ("send", "BindProject", "project=rocket", "account=research", "--organization", "acme")
    assert await done("dev", "token", *ada, "--out", "token", folder=tmp_path) == (0, "", "")
    code, out, advice = await done(*bind, "--authid", "ada", folder=tmp_path)
    assert (code, "Unauthenticated" in out) == (1, True)
    assert "whopays dev token ada --role project-owner --role account-user --organization acme --out " in advice
    code, out, _ = await done(*bind, "--token-file", "token", folder=tmp_path)
    assert (code, "Unchanged" in out) == (0, True)
    bearing = {"Authorization": f"Bearer {(tmp_path / 'token').read_text().strip()}"}
    async with httpx.AsyncClient(base_url=address, timeout=patience(30)) as client:
        assert "<title>whopays</title>" in (await client.get("/")).text
        payer = "v1/organizations/acme/projects/rocket/payer"
        assert (await client.get(payer)).status_code == 401
        assert (await client.get(payer, headers=bearing)).json()["payer"]["account"] == "research"
    demo.send_signal(signal.SIGINT)
    rest, err = await demo.communicate()
    told += rest.decode()
    assert demo.returncode == 0, told + err.decode()
    assert err == b""
    for words in (
        "Starting PostgreSQL and Kafka in ",
        "Made the tables (revision ",
        "acme/main: Incomplete → Ready (RequirementsMet)",
        "acme/rocket: Superseded: main → research",
        "acme/website: AccountSuspended (PaymentFailure)",
        "ProjectNotActive",
        "AccountNotReady",
        "PreconditionFailed",
        "SelfApproval",
        "the token does not grant project-owner for what project names",
        "acme/main: Suspended → Ready (RequirementsMet)",
        "globex/portal: Released: hq → nobody",
        "45 events that were read from Kafka",
        "#7 AccountChanged       acme/main  version 3, Suspended",
        "whopays dev --data-dir .whopays/demo",
    ):
        assert words in told
    again = told.partition("── All of it, replayed")[2].partition("── What next")[0]
    assert (again.count(" equal"), again.count("differs")) == (3, 0), again
    commands = [line for line in told.splitlines() if line.startswith("  whopays ") or "/whopays " in line]
    assert len(commands) == 11, "each on one line, without a frame, to be copied"
