"""A run of schemathesis against a server of an installation, and what came of it.

It sends what the OpenAPI document allows and what it forbids, each operation by itself and one after another with what
the last one answered, and holds every answer against the document. What is not held: that all is accepted that each
parameter by itself allows, since some do not go together, and an id or a cursor is of an organization.
"""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.installations import Installation
from tests.support.kafka import all_consumed, exactly_published, send
from tests.support.messages import account, bind, profile, project
from tests.support.processes import DIE_WITH_PARENT
from tests.support.tokens import TokenIssuer
from tests.support.waiting import patience

_SETTINGS = """
[checks]
# What is not known yet in time is an answer of the contract.
negative_data_rejection.expected-statuses = ["4xx", 503]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]
"""
_CALLS = re.compile(r"(\d+) generated")
_FOLLOWED = re.compile(r"(\d+) calls by (\d+) links")
_GRANTS = tuple(
    {"organization": organization, "role": role}
    for organization, role in (("*", "auditor"), ("acme", "account-admin"), ("acme", "operator"))
)
_TOKEN_SECONDS = 24 * 60 * 60
_HELD = ("--checks=all", "--exclude-checks=positive_data_acceptance", "--continue-on-failure")
PHASES = "examples,coverage,fuzzing,stateful"
_SHOWN = ("--no-color", "--warnings=off", "--generation-database=none")


@dataclass(frozen=True, slots=True)
class Called:
    """How many calls were made, whether all were answered as the document says, what was said, and what was logged.

    `followed` is how many of them were asked with what an answer before had said, by so many `links`.
    """

    calls: int
    followed: int
    links: int
    is_well: bool
    said: str
    log: str


async def tell_the_examples(installation: Installation) -> None:
    """Bring about what the document's examples name."""
    await send(installation, [profile("acme"), project("acme", "genome"), project("acme", "website")])
    await send(installation, [account("acme", name) for name in ("main", "spare")])
    await all_consumed(installation)
    payers = ("main", "spare", "main")
    await send(installation, [bind("acme", "genome", payer, f"c-{number}") for number, payer in enumerate(payers)])
    await exactly_published(installation)


async def call_all(installation: Installation, folder: Path, examples: int, seed: int, phases: str = PHASES) -> Called:
    """Ask a server of the installation, of each operation in each phase up to so many times; files go to the folder.

    The server needs a token, and the one that is sent sees all, unless it is left out to see what happens then.
    """
    (folder / "schemathesis.toml").write_text(_SETTINGS, encoding="utf-8")
    log = folder / "serve.log"
    issuer = TokenIssuer(folder)
    token = issuer.token("fuzzer", _GRANTS, exp=int(time.time()) + _TOKEN_SECONDS).decode()
    async with _serving(installation, log, issuer) as url:
        command = Path(sys.executable).with_name("schemathesis")
        process = await asyncio.create_subprocess_exec(
            command, "run", f"{url}/openapi.json", f"--max-examples={examples}", f"--seed={seed}", f"--phases={phases}",
            *_HELD, *_SHOWN, f"--header=Authorization: Bearer {token}", f"--request-timeout={patience(20)}",
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks"}, cwd=folder,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            preexec_fn=DIE_WITH_PARENT,
        )  # fmt: skip
        said = (await process.communicate())[0].decode(errors="replace")
    found, followed = _CALLS.search(said), _FOLLOWED.search(said)
    calls = int(found[1]) if found else 0
    by_links, links = map(int, followed.groups()) if followed else (0, 0)
    return Called(calls, by_links, links, process.returncode == 0, said, log.read_text(encoding="utf-8"))


@asynccontextmanager
async def _serving(installation: Installation, log: Path, issuer: TokenIssuer) -> AsyncIterator[str]:
    """Yield the address of a server that logs warnings to a file, and wants tokens of an issuer."""
    variables = {"WHOPAYS_AUTH": "jwt", "WHOPAYS_ISSUERS": json.dumps(issuer.configured)}
    with log.open("w") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.fuzz.hasty", "serve", "--port", "0", "--json",
            env=installation.environment(WHOPAYS_LOG_LEVEL="WARNING", **variables), preexec_fn=DIE_WITH_PARENT,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=stderr,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), patience(60))
        yield json.loads(line)["url"]
    finally:
        process.terminate()
        await process.wait()
