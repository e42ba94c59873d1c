"""`python -m benchmarks.client`: commands sent by the client library, their results awaited, 1, 100, 1,000 at a time.

Beside each, in the same run: the same records sent by a bare producer that only waits for the broker's acknowledgement
(`send_and_wait`). The difference is what deciding, publishing, and reading the result take.
"""

import asyncio
import itertools
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, Any

import orjson
import typer
from aiokafka import AIOKafkaProducer

from benchmarks.failures import BenchmarkFailed
from benchmarks.installations import extra_topics, installed, servers
from benchmarks.processes import Program, check_of, whopays
from benchmarks.progress import step
from benchmarks.report import environment_facts
from benchmarks.traffic import producing
from whopays_client import (
    BindProject,
    Connection,
    CreateAccount,
    PaymentProfileChanged,
    PaymentTerms,
    ProjectChanged,
    Publisher,
)
from workers.runtime.roles import ALL_ROLES
from workers.runtime.settings import Settings

AT_A_TIME = (1, 100, 1_000)
_ORGANIZATIONS = 20
_PROJECTS = 50
_ACCOUNTS = ("main", "spare")
_BARE = "bare-commands"
_WARM_UP = 200
_SECONDS_TO_BIND = 120.0


@dataclass(frozen=True, slots=True)
class Measured:
    """Messages per second, and the seconds from handing one over until its result, or its acknowledgement, is there."""

    at_a_time: int
    messages: int
    per_second: float
    median_seconds: float
    p99_seconds: float
    cpu_seconds: float


program = typer.Typer(pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]})


@program.command()
def main(
    commands: Annotated[int, typer.Option(min=100, help="Commands of one measurement; one at a time a tenth.")] = 5_000,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> None:
    """Measure commands per second and latency of the client."""
    try:
        environment, found = asyncio.run(_run(commands))
    except BenchmarkFailed as failure:
        typer.echo(f"The benchmark failed: {failure}", err=True)
        raise typer.Exit(1) from None
    for name, rows in found.items():
        for row in rows:
            typer.echo(
                f"{name:14} {row.at_a_time:5,} at a time: {row.per_second:8,.0f}/s, median "
                f"{row.median_seconds * 1000:8.2f} ms, 99 % {row.p99_seconds * 1000:8.2f} ms, "
                f"this process {row.cpu_seconds / row.messages * 1e6:6.0f} µs CPU each"
            )
    if json is not None:
        measured = {name: [asdict(row) for row in rows] for name, rows in found.items()}
        document = {"environment": environment, "measured": measured}
        json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


async def _run(commands: int) -> tuple[dict[str, Any], dict[str, list[Measured]]]:
    with servers() as addresses:
        async with installed(addresses) as settings, extra_topics(settings, settings.topic(_BARE)):
            with whopays(settings, ALL_ROLES) as programs:
                found = await _measure(settings, programs, commands)
            return await environment_facts(settings), found


async def _measure(settings: Settings, programs: list[Program], commands: int) -> dict[str, list[Measured]]:
    connection = Connection(settings.kafka_bootstrap_servers, settings.topic_prefix)
    rebindings = _rebindings()
    found: dict[str, list[Measured]] = {"client": [], "send_and_wait": []}
    async with (
        Publisher(connection, "/benchmark", person="alice", wait_seconds=_SECONDS_TO_BIND) as publisher,
        producing(settings) as producer,
    ):
        await _set_up(publisher)

        async def ask() -> None:
            answer = await publisher.send(next(rebindings))
            if answer.outcome != "Applied":
                raise BenchmarkFailed(f"a rebinding was {answer.outcome}: {answer.completed.violations}")

        with step("Measurements", 2 * len(AT_A_TIME)) as show:
            await _timed(ask, _WARM_UP, 100)
            for number, at_a_time in enumerate(AT_A_TIME):
                messages = commands // 10 if at_a_time == 1 else commands
                found["client"].append(await _timed(ask, messages, at_a_time))
                check_of(programs)()
                show(2 * number + 1)
                found["send_and_wait"].append(await _timed(_bare(producer, settings), messages, at_a_time))
                show(2 * number + 2)
    return found


def _bare(producer: AIOKafkaProducer, settings: Settings) -> Callable[[], Awaitable[None]]:
    # As many bytes as a command of the client, to a topic that nobody reads.
    command = BindProject(organization="organization-00", project="project-00", account="spare")
    value = orjson.dumps(
        {
            "specversion": "1.0", "id": "c" * 36, "source": "/benchmark", "authid": "alice", "correlationid": "c" * 36,
            "type": "io.milo.billing.BindProject.v1", "data": command.data(),
        }
    )  # fmt: skip
    topic = settings.topic(_BARE)

    async def send() -> None:
        await producer.send_and_wait(topic, value, key=b"organization-00")

    return send


async def _timed(send: Callable[[], Awaitable[None]], messages: int, at_a_time: int) -> Measured:
    """Send messages, so many at a time."""
    left = itertools.count()
    seconds: list[float] = []

    async def one_after_the_other() -> None:
        while next(left) < messages:
            begun = time.perf_counter()
            await send()
            seconds.append(time.perf_counter() - begun)

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one_after_the_other() for _ in range(at_a_time)))
    elapsed = time.perf_counter() - begun
    return Measured(
        at_a_time,
        messages,
        messages / elapsed,
        median(seconds),
        quantiles(seconds, n=100)[98],
        time.process_time() - cpu,
    )


def _rebindings() -> Iterator[BindProject]:
    """Yield commands that each change a payer, going round all projects."""
    for account in itertools.cycle(reversed(_ACCOUNTS)):
        for project in range(_PROJECTS):
            for organization in range(_ORGANIZATIONS):
                yield BindProject(
                    organization=f"organization-{organization:02}", project=f"project-{project:02}", account=account
                )


async def _set_up(publisher: Publisher) -> None:
    organizations = [f"organization-{number:02}" for number in range(_ORGANIZATIONS)]
    for name in organizations:
        await publisher.report(
            PaymentProfileChanged(
                organization=name, payment_profile="card", kind="CreditCard", state="Valid", version=1
            )
        )
    for name in organizations:
        for account in _ACCOUNTS:
            created = CreateAccount(
                organization=name,
                account=account,
                currency_code="EUR",
                payment_terms=PaymentTerms(),
                payment_profile="card",
            )
            (await publisher.send(created)).expect()

    async def bind(organization: str, project: str) -> None:
        await publisher.report(ProjectChanged(organization=organization, project=project, state="Active", version=1))
        answer = await publisher.send(
            BindProject(organization=organization, project=project, account=_ACCOUNTS[0], wait_seconds=60)
        )
        (await answer.final(_SECONDS_TO_BIND)).expect()

    await asyncio.gather(*(bind(name, f"project-{number:02}") for number in range(_PROJECTS) for name in organizations))


if __name__ == "__main__":
    # Told to end, it ends its processes first, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    program()
