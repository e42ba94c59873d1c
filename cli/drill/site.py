"""The installation of a drill: embedded servers, roles in separate processes, and a script to stop and start them."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from cli.sending.composing import compose
from cli.terminal.ending import CommandFailed
from workers.exchange import Message, open_exchange
from workers.runtime.kafka import kafka_options
from workers.runtime.settings import Settings

if TYPE_CHECKING:
    from embedded import EmbeddedServices

PARTS: Mapping[str, Sequence[str]] = {
    "projects": ("run", "--only", "projects"),
    "commands": ("run", "--only", "admin-commands", "--only", "payment-profiles", "--only", "timers"),
    "relay": ("run", "--only", "relay"),
    "auditor": ("verify", "--watch", "--every", "5"),
}
"""The processes of the installation: names and command lines."""
AT_WORK = tuple(part for part in PARTS if part != "auditor")
"""The processes that run from the start; the auditor does not, because an audit is slow and only one drill needs it."""
KAFKA = "kafka"
_STOP_SECONDS = 10.0
_ANSWER_SECONDS = 180.0
_BETWEEN_SECONDS = 1.0
_PROJECTS = 20
_VERBS = ("start", "stop", "restart")
_SCRIPT = """#!/bin/sh
# Stops and starts a part of the drill's installation, as systemctl would: service restart relay
[ $# = 2 ] || {{ echo "usage: $0 {verbs} PART    with one of {parts}" >&2; exit 2; }}
echo "$1 $2" > '{requests}'
"""


class Site:
    """The installation of a drill. Commands in this folder find it, as do its own processes."""

    def __init__(
        self, settings: Settings, services: "EmbeddedServices", folder: Path, say: Callable[[str], None]
    ) -> None:
        self.settings = settings
        self.folder = folder
        self._services = services
        self._say = say
        self._running: dict[str, asyncio.subprocess.Process] = {}

    @property
    def script(self) -> Path:
        """The script that stops and starts parts."""
        return self.folder / "service"

    async def start(self, part: str) -> None:
        """Start a part, unless it runs."""
        if part == KAFKA:
            await asyncio.to_thread(self._services.resume_kafka)
            return
        from embedded.supervisor import prepare  # noqa: PLC0415 - its packages are not installed in production

        with (self.folder / f"{part}.log").open("ab") as log:
            self._running[part] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "cli", *PARTS[part], env=silent(), stdin=asyncio.subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
                preexec_fn=prepare(signal.SIGKILL, None),  # it dies with the drill, however that ends
            )  # fmt: skip

    async def stop(self, part: str) -> None:
        """Stop a part, if it runs; kill it if it does not stop by itself."""
        if part == KAFKA:
            await asyncio.to_thread(self._services.halt_kafka)
            return
        if (process := self._running.pop(part, None)) is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            await self._end(process)

    async def kill(self, part: str) -> None:
        """Kill a part, as the out-of-memory killer would."""
        await self._end(self._running.pop(part))

    def hang(self, part: str) -> None:
        """Make a part hang: its process stays alive but does nothing."""
        self._running[part].send_signal(signal.SIGSTOP)

    async def close(self) -> None:
        """End all processes."""
        for process in self._running.values():
            await self._end(process)
        self._running.clear()

    @asynccontextmanager
    async def serving_requests(self) -> AsyncIterator[None]:
        """Serve the script's requests until the block ends."""
        requests = self.folder / "requests"
        os.mkfifo(requests, 0o600)
        names = " ".join((*PARTS, KAFKA))
        self.script.write_text(_SCRIPT.format(verbs="|".join(_VERBS), parts=names, requests=requests.absolute()))
        self.script.chmod(0o700)
        asked: asyncio.Queue[str] = asyncio.Queue()
        # Opened for reading and writing, so that there is no end of file when a writer closes it.
        pipe = os.open(requests, os.O_RDWR | os.O_NONBLOCK)
        loop = asyncio.get_running_loop()

        def read() -> None:
            for line in os.read(pipe, 4096).decode(errors="replace").splitlines():
                asked.put_nowait(line)

        loop.add_reader(pipe, read)
        doing = asyncio.create_task(self._do_all(asked))
        try:
            yield
        finally:
            doing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await doing
            loop.remove_reader(pipe)
            os.close(pipe)

    async def do(self, verb: str, part: str) -> None:
        """Start, stop or restart a part."""
        if verb in {"stop", "restart"}:
            await self.stop(part)
        if verb in {"start", "restart"} and part not in self._alive():
            await self.start(part)

    def _alive(self) -> set[str]:
        return {part for part, process in self._running.items() if process.returncode is None}

    async def _do_all(self, asked: asyncio.Queue[str]) -> None:
        while True:
            verb, _, part = (await asked.get()).partition(" ")
            if verb not in _VERBS or part not in (*PARTS, KAFKA):
                self._say(f"service: there is no {verb} {part}. Parts are {', '.join((*PARTS, KAFKA))}.")
                continue
            await self.do(verb, part)
            self._say(f"service: {verb} {part}: done.")

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def begin(settings: Settings) -> None:
    """Create two accounts, and projects for which the first one pays. Raises CommandFailed."""
    terms = {"currencyCode": "EUR", "paymentTerms": {}, "paymentProfile": "card"}
    card: dict[str, object] = {"paymentProfile": "card", "kind": "CreditCard", "state": "Valid", "version": 1}
    said = [
        _message("PaymentProfileChanged", "acme", "card", **card),
        *(_message("CreateAccount", "acme", f"create-{name}", account=name, **terms) for name in ("main", "lab")),
        *(_fact(f"project-{number}", 1) for number in range(_PROJECTS)),
        _message("BindProject", "acme", "first", project="project-1", account="main"),
    ]
    async with open_exchange(settings) as exchange:
        for one in said:
            answer = await exchange.send(one, _ANSWER_SECONDS)
            if not answer.is_handled or answer.dead_letter:
                raise CommandFailed(f"The drill's installation does not work: {one.name} was not answered.")


async def work(settings: Settings) -> None:
    """Send one fact and one command a second until cancelled, whatever is broken."""
    numbers = count(2)
    while True:
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with _producing(settings) as producer:
                for number in numbers:
                    bound = {"project": f"project-{5 + number % 5}", "account": "lab" if number // 5 % 2 else "main"}
                    await _send(settings, producer, _fact(f"project-{number % _PROJECTS}", number))
                    await _send(settings, producer, _message("BindProject", "acme", f"bind-{number}", **bound))
                    await asyncio.sleep(_BETWEEN_SECONDS)
        await asyncio.sleep(_BETWEEN_SECONDS)


async def say(settings: Settings, *messages: Message) -> None:
    """Send messages without waiting for their results."""
    async with _producing(settings) as producer:
        for one in messages:
            await _send(settings, producer, one)


@asynccontextmanager
async def _producing(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**kafka_options(settings), request_timeout_ms=5000)
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


async def _send(settings: Settings, producer: AIOKafkaProducer, message: Message) -> None:
    name = settings.topic(message.topic)
    await producer.send_and_wait(name, message.value, key=message.key, headers=message.headers)


def _fact(project: str, version: int) -> Message:
    return _message("ProjectChanged", "acme", f"{project}-{version}", project=project, state="Active", version=version)


def _message(name: str, organization: str, event_id: str, **data: object) -> Message:
    attributes = {"id": event_id, "source": "/drill", "authid": "drill"}
    return compose(name, {"organization": organization, **data}, (), attributes)


def silent() -> dict[str, str]:
    """Return the environment without settings: processes then find the installation as commands in this folder do."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WHOPAYS_")}
