"""The demonstration, told to end in the middle of its story."""

import asyncio
import signal
import sys

from tests.support.installations import Installation
from tests.support.processes import DIE_WITH_PARENT
from tests.support.waiting import patience

_PLAY = """
import asyncio
from rich.console import Console
from cli.demo import performance
from workers.runtime.settings import Settings

screen = Console()
asyncio.run(performance._play(Settings(metrics_port=0), {}, screen, screen.status("Working ..."), serves_console=False))
"""


async def test_it_says_that_it_was_interrupted(quiet_installation: Installation) -> None:
    playing = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PLAY, env=quiet_installation.environment(), preexec_fn=DIE_WITH_PARENT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert playing.stdout is not None
    told = await asyncio.wait_for(playing.stdout.readuntil(b"BindProject"), patience(60))
    assert b"Starting the consumers and the relay ..." in told
    playing.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(playing.communicate(), patience(60))
    assert err.decode().splitlines()[-1] == "cli.terminal.ending.CommandFailed: The demonstration was interrupted."
