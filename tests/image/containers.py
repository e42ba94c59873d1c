"""Containers of the image as an engine would run them: as its user, with its variables, on a read-only root.

Each is one process in a mount namespace of its own, without capabilities and without a way to gain any. It has a `/tmp`
in memory, a folder of secrets, and the network of this machine.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from tests.image.building import Image
from tests.support.installations import Worker
from tests.support.processes import DIE_WITH_PARENT
from tests.support.waiting import patience

SECRETS = "/mnt"
"""Where a container finds its secrets."""

# Arguments: root, folder of secrets, working directory, user, group, then what is executed.
_ENTER = """
root=$1 secrets=$2 directory=$3 user=$4 group=$5; shift 5
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --rbind /dev "$root/dev"
mount -t proc -o ro proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$secrets" "$root/mnt"
mount -o remount,bind,ro "$root/mnt"
exec chroot "$root" /usr/bin/setpriv --reuid="$user" --regid="$group" --clear-groups --no-new-privs --pdeathsig=KILL \
    --bounding-set=-all --inh-caps=-all /usr/bin/env --chdir="$directory" "$@"
"""


@dataclass(frozen=True)
class Done:
    """How a command in a container ended."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Containers:
    """Runs containers of an image, with settings beside the image's own variables."""

    image: Image
    secrets: Path
    settings: dict[str, str]

    async def run(self, *words: str, entrypoint: bool = True, **settings: str) -> Done:
        """Run a command in a container to its end."""
        process = await self._start(words, settings, entrypoint=entrypoint)
        out, err = await asyncio.wait_for(process.communicate(), patience(120))
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    async def start(self, *words: str, **settings: str) -> Worker:
        """Start a container, and return it without waiting for anything; `read` collects what it logs."""
        return Worker(await self._start(words, settings, entrypoint=True, has_output=False))

    async def health(self, **settings: str) -> Done:
        """Run the health check of the image, as beside a container that has these settings."""
        kind, *words = self.image.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        return await self.run(*words, entrypoint=False, **settings)

    async def _start(
        self, words: tuple[str, ...], settings: dict[str, str], *, entrypoint: bool, has_output: bool = True
    ) -> asyncio.subprocess.Process:
        config = self.image.config
        user, group = config["User"].split(":")
        variables = self.image.environment | self.settings | settings
        return await asyncio.create_subprocess_exec(
            "unshare", "--mount", "--propagation", "private", "sh", "-ec", _ENTER, "sh",
            self.image.root, self.secrets, config["WorkingDir"], user, group,
            *(f"{name}={value}" for name, value in variables.items()),
            *(config["Entrypoint"] if entrypoint else ()), *words,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            preexec_fn=DIE_WITH_PARENT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if has_output else asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
