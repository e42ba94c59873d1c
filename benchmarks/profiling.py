"""Where a command's time goes: the batch transaction taken apart, in one process on a real PostgreSQL, without Kafka.

`python -m benchmarks.profiling` prints for each step the CPU time of this process, that of PostgreSQL (where it is
embedded, on Linux), and the time that passed; then those of the relay's reading. With `--functions` it prints the
functions that the interpreter spends its time in, and with `--tokens` what checking them adds.
"""

import asyncio
import cProfile
import pstats
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.fleet import ACCOUNTS, Fleet, reports
from benchmarks.installations import installed, servers
from benchmarks.tokens import PEOPLE_OF_EACH, tokens_of
from benchmarks.traffic import Message
from benchmarks.usage import server_processes
from db import log
from db.engine import create_engine
from db.shards import Head, all_heads
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.parsing import read_command, read_fact
from schemas.records import Record
from schemas.topics import Topic
from tests.support.tokens import TokenIssuer
from workers.batches import transaction as batch
from workers.batches.asking import Askers
from workers.batches.messages import Reader
from workers.batches.transaction import Batches
from workers.process import tune_garbage_collection
from workers.publishing.packing import reached_by
from workers.publishing.positions import Position
from workers.publishing.relay import TRANSACTION_BYTES
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.runtime.tokens.verifying import Tokens

STEPS = {
    "ask": (Askers, "of"),
    "read": (batch, "message_of"),
    "needs": (batch, "needs_of"),
    "lock": (batch, "lock_shards"),
    "load": (batch, "load"),
    "decide": (batch, "fold"),
    "store": (batch, "store"),
    "render": (log, "render"),
    "append": (batch, "append"),
    "move heads": (batch, "move_heads"),
    "place": (batch, "chain_rows"),
    "handled": (batch, "store_handled"),
    "claims": (batch, "store_claims"),
}


class Steps:
    """CPU and elapsed seconds by step; steps within others are counted in both."""

    def __init__(self) -> None:
        server = server_processes().get("PostgreSQL") if sys.platform == "linux" else None
        self._server = None if server is None else int(server.pid)
        self.cpu: defaultdict[str, float] = defaultdict(float)
        self.server_cpu: defaultdict[str, float] = defaultdict(float)
        self.elapsed: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def timed(self, name: str, *, asks_server: bool = True) -> Iterator[None]:
        """Add what passes in the context."""
        server_process = self._server if asks_server else None  # to look at it takes longer than rendering an event
        server, cpu, elapsed = _cpu_of_family(server_process), time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self.elapsed[name] += time.perf_counter() - elapsed
            self.cpu[name] += time.process_time() - cpu
            self.server_cpu[name] += _cpu_of_family(server_process) - server

    def wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that is timed under a name."""
        if asyncio.iscoroutinefunction(function):

            @wraps(function)
            async def awaited(*arguments: Any, **named: Any) -> Any:
                with self.timed(name):
                    return await function(*arguments, **named)

            return awaited

        @wraps(function)
        def called(*arguments: Any, **named: Any) -> Any:
            with self.timed(name, asks_server=False):
                return function(*arguments, **named)

        return called


async def _run(batches: int, size: int, *, functions: bool, tokens: bool) -> None:
    with servers() as addresses, tempfile.TemporaryDirectory(prefix="whopays-bench-") as folder:
        issuer = TokenIssuer(Path(folder)) if tokens else None
        checking = Settings(auth="jwt", issuers=issuer.configured) if issuer else Settings(auth="trusted")
        async with installed(addresses) as settings, Tokens(checking) as verifying:
            await _profile(settings, batches, size, issuer, verifying, functions=functions)


async def _profile(
    settings: Settings, batches: int, size: int, issuer: TokenIssuer | None, verifying: Tokens, *, functions: bool
) -> None:
    engine = create_engine(settings.database_url)
    deciding = Batches(engine, settings, settings.keys(), Metrics(), asyncio.Event())
    fleet = Fleet(200, 20_000, PEOPLE_OF_EACH)
    commands = partial(read_command, max_value_bytes=settings.max_value_bytes, policy=settings.policy())
    process = partial(_process, deciding, settings, size)
    facts = reports(fleet)
    await process(
        Topic.PAYMENT_PROFILES,
        facts[Topic.PAYMENT_PROFILES],
        partial(read_fact, model=PaymentProfileChanged, max_value_bytes=2**18),
    )
    await process(
        Topic.PROJECTS, facts[Topic.PROJECTS], partial(read_fact, model=ProjectChanged, max_value_bytes=2**18)
    )
    await process(Topic.ADMIN_COMMANDS, facts[Topic.ADMIN_COMMANDS], commands)
    if issuer:
        fleet.tokens = tokens_of(fleet, issuer)
        checking = Batches(engine, settings, settings.keys(), Metrics(), asyncio.Event(), verify=verifying.verify)
        process = partial(_process, checking, settings, size)
    await process(Topic.ADMIN_COMMANDS, [fleet.bind(project, ACCOUNTS[0])[1] for project in fleet.projects], commands)
    tune_garbage_collection()
    rebound = [
        fleet.bind(fleet.projects[number % len(fleet.projects)], ACCOUNTS[(number // len(fleet.projects) + 1) % 2])[1]
        for number in range(batches * size)
    ]
    steps = Steps()
    with ExitStack() as stack:
        if not functions:
            for name, (module, function) in STEPS.items():
                stack.enter_context(patch.object(module, function, steps.wrapped(name, getattr(module, function))))
        profile = cProfile.Profile()
        if functions:
            profile.enable()
        async with engine.connect() as connection:
            before = await all_heads(connection)
        with steps.timed("all"):
            await process(Topic.ADMIN_COMMANDS, rebound, commands)
        await _read_as_the_relay(engine, settings, steps, before)
        profile.disable()
    await engine.dispose()
    if functions:
        pstats.Stats(profile).sort_stats("tottime").print_stats(60)
    _show(steps, len(rebound))


async def _process(
    deciding: Batches, settings: Settings, size: int, topic: Topic, messages: Sequence[Message], reader: Reader
) -> None:
    for begin in range(0, len(messages), size):
        records = [
            Record(
                settings.topic(topic), 0, begin + number, datetime.now(UTC), message.key, message.headers, message.value
            )
            for number, message in enumerate(messages[begin : begin + size])
        ]
        await deciding.process(Role.ADMIN_COMMANDS, records, reader)


async def _read_as_the_relay(engine: AsyncEngine, settings: Settings, steps: Steps, before: Mapping[int, Head]) -> None:
    """Read what was appended to the log after these heads, as a relay does that has fallen behind."""
    positions = {shard: Position(head.position, head.hash) for shard, head in before.items()}
    async with engine.connect() as connection:
        ends = await all_heads(connection)
        while behind := {shard: at.position for shard, at in positions.items() if at.position < ends[shard].position}:
            share = max(1, settings.relay_batch_rows // len(behind))
            with steps.timed("relay: read"):
                rows = await log.read(connection, behind, share, TRANSACTION_BYTES // len(behind))
            with steps.timed("relay: check hashes", asks_server=False):
                positions |= reached_by(rows, positions)


def _cpu_of_family(process: int | None) -> float:
    """Return the CPU seconds of a process and its children, to the nanosecond, where the system tells them."""
    if process is None:
        return 0.0
    seconds = 0.0
    for member in (process, *map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())):
        with suppress(FileNotFoundError, ProcessLookupError):  # a session may have ended meanwhile
            seconds += int(Path(f"/proc/{member}/schedstat").read_text().split()[0]) / 1e9
    return seconds


def _show(steps: Steps, commands: int) -> None:
    table = Table(title="Microseconds per command", title_justify="left")
    for column in ("step", "CPU of the worker", "CPU of PostgreSQL", "elapsed"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for name in steps.cpu:
        parts = (steps.cpu, steps.server_cpu, steps.elapsed)
        table.add_row(name, *(f"{part[name] / commands * 1e6:,.1f}" for part in parts))
    Console().print(table)


def main(
    batches: Annotated[int, typer.Option(min=1, help="Batches of commands.")] = 20,
    size: Annotated[int, typer.Option(min=1, help="Commands of a batch.")] = 2000,
    functions: Annotated[bool, typer.Option("--functions", help="Name the functions that take the time.")] = False,
    tokens: Annotated[bool, typer.Option("--tokens", help="Have every command sent with a token.")] = False,
) -> None:
    """Take the batch transaction apart."""
    asyncio.run(_run(batches, size, functions=functions, tokens=tokens))


if __name__ == "__main__":
    typer.run(main)
