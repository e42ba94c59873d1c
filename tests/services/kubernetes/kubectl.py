"""The real `kubectl`, against the server of the tests."""

import asyncio
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import DIE_WITH_PARENT
from tests.support.waiting import patience


@dataclass(frozen=True)
class Kubectl:
    """Runs `kubectl` with a home of its own, in which it keeps what it discovers."""

    url: str
    home: Path

    async def __call__(self, *arguments: str, status: int = 0) -> str:
        """Run a command to its end and return what it printed, on both ways; assert its status."""
        process = await self.start(*arguments)
        async with asyncio.timeout(patience(60)):
            out, err = await process.communicate()
        said = (out + err).decode()
        assert process.returncode == status, said
        return said

    async def document(self, *arguments: str) -> Any:
        """Run a command that prints JSON, and return it."""
        return json.loads(await self(*arguments, "-o", "json"))

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start a command."""
        program = shutil.which("kubectl")
        assert program is not None
        return await asyncio.create_subprocess_exec(
            *(program, f"--server={self.url}", f"--cache-dir={self.home / 'cache'}", *arguments),
            env={"PATH": os.environ["PATH"], "HOME": str(self.home)},
            preexec_fn=DIE_WITH_PARENT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
