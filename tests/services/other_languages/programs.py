"""How the examples are built and run: in a folder of the tests, so that nothing is built among the sources."""

import asyncio
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded.java_libraries import class_path
from tests.support.installations import Installation
from tests.support.packages import ROOT
from tests.support.toolchains import npm_packages, prepared

FOLDER = ROOT / "examples" / "other-languages"
_ENDING_SECONDS = 120
_AS_IT_IS = ("-gcflags=all=-N -l",)
"""Not optimized: to compile the libraries for the first time takes a third less of a processor."""


@dataclass(frozen=True)
class Language:
    """A language's folder, the tools that it needs, and how to build a program and name it on the command line."""

    name: str
    tools: tuple[str, ...]
    built: Callable[[Path], Path]
    command: Callable[[Path, str], list[str]]

    def program(self, name: str) -> list[str]:
        """Return the command that runs `bind` or `follow`. Skips the test where it cannot be built."""
        return self.command(self.built(FOLDER / self.name), name)


def _java_classes(folder: Path) -> Path:
    return prepared(folder, "javac", "-d", "classes", "-cp", class_path(print), "Bind.java", "Follow.java")


def _java(folder: Path, name: str) -> list[str]:
    return ["java", "-cp", os.pathsep.join([str(folder / "classes"), class_path(print)]), name.capitalize()]


LANGUAGES = (
    Language("java", ("java", "javac"), _java_classes, _java),
    Language(
        "go",
        ("go",),
        lambda folder: prepared(folder, "go", "build", *_AS_IT_IS, "-o", "bin/", "./bind", "./follow"),
        lambda folder, name: [str(folder / "bin" / name)],
    ),
    Language("node", ("node", "npm"), npm_packages, lambda folder, name: ["node", str(folder / f"{name}.mjs")]),
)


async def run(command: list[str], installation: Installation) -> tuple[int, str, str]:
    """Run a program to its end, and return its status, what it printed, and what it complained of."""
    async with running(command, installation) as process:
        async with asyncio.timeout(_ENDING_SECONDS):
            said, complaints = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode(), complaints.decode()


@asynccontextmanager
async def running(command: list[str], installation: Installation) -> AsyncIterator[Process]:
    """Run a program for the length of the block, then kill it."""
    settings = {"KAFKA": installation.kafka_bootstrap_servers, "PREFIX": installation.prefix}
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | settings, stdout=PIPE, stderr=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
