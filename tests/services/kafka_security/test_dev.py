"""`whopays dev --secure`: a broker as in production, to try things with."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from cli.development import servers
from embedded import Addresses
from tests.services.kafka_security.conftest import Secured
from tests.services.kafka_security.given import entries_of, given
from tests.support.installations import database
from tests.support.processes import in_foreground
from tests.support.waiting import patience
from workers.runtime.settings import Settings
from workers.topics.acls import Party

ROOT = Path(__file__).parents[3]
SILENT = {name: value for name, value in os.environ.items() if not name.startswith("WHOPAYS_")} | {
    "PYTHONPATH": str(ROOT)
}


async def _run(*arguments: str, folder: Path, **variables: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", *arguments, cwd=folder, env=SILENT | variables, preexec_fn=in_foreground,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_parties_get_their_rights_and_the_developer_those_of_all(broker: Secured) -> None:
    settings = Settings(
        kafka_bootstrap_servers=broker.kafka.bootstrap_servers,
        installation="development",
        topic_prefix="development.",
        **broker.scram(servers.ADMIN),
    )
    wanted = [(party, entry) for party in Party for entry in entries_of(party, settings)]
    before = await given(settings, {party: f"User:{party}" for party in Party})
    await servers._give_rights(settings)
    assert await given(settings, {party: f"User:{party}" for party in Party}) == before | set(wanted)
    of_all = await given(settings, dict.fromkeys(Party, f"User:{servers.DEVELOPER}"))
    assert {entry for _, entry in of_all} == {entry for _, entry in wanted}


@pytest.mark.chaos
async def test_the_commands_of_the_folder_connect_and_nobody_else(
    services: Addresses, template: str, tmp_path: Path
) -> None:
    async with database(services, template) as (name, url):
        which = {"WHOPAYS_DATABASE_URL": url, "WHOPAYS_INSTALLATION": name, "WHOPAYS_TOPIC_PREFIX": f"{name}."}
        dev = await _run("dev", "--secure", "--json", folder=tmp_path, **which)
        assert dev.stdout is not None
        try:
            variables = json.loads(await asyncio.wait_for(dev.stdout.readuntil(b"}\n"), patience(120)))
            variables |= {name: value for name, value in which.items() if name not in variables}
            here = await _run("topics", "check", folder=tmp_path)
            elsewhere = tmp_path / "elsewhere"
            elsewhere.mkdir()
            pasted = await _run("topics", "check", folder=elsewhere, **variables)
            for check in (here, pasted):
                out, err = await check.communicate()
                assert (check.returncode, out.decode()) == (0, "All topics are as they should be.\n"), err.decode()
            del variables["WHOPAYS_KAFKA_SASL_PASSWORD_FILE"]
            nobody = await _run("topics", "check", folder=elsewhere, **variables, WHOPAYS_KAFKA_SASL_PASSWORD="guessed")
            _, err = await nobody.communicate()
            assert nobody.returncode not in (0, None)
            assert b"guessed" not in err
        finally:
            dev.send_signal(signal.SIGINT)
            _, logs = await dev.communicate()
        assert dev.returncode == 0, logs.decode()
