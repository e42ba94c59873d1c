"""Organizations with accounts and bound projects, brought about through the service itself."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, cycle, islice
from typing import Any, Self

import asyncpg
import orjson

from benchmarks.failures import BenchmarkFailed
from benchmarks.installations import connect
from benchmarks.processes import Program, whopays
from benchmarks.progress import step
from benchmarks.traffic import Message, send
from schemas.envelope import SPECVERSION
from schemas.instants import format_instant
from schemas.message_types import type_of
from schemas.topics import Topic
from workers.publishing.positions import read_kept
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

ACCOUNTS = ("account-0", "account-1")
SPARE_ACCOUNT = "account-2"
"""Pays for nothing, so that what happens to it changes no outcome of others; its profile is its own."""
SPARE_PROFILE = "spare-card"
SOURCE = "/benchmarks"
SENDER = "user:benchmark"
_PROFILES = {ACCOUNTS[0]: "card", ACCOUNTS[1]: "card", SPARE_ACCOUNT: SPARE_PROFILE}
_SECONDS_WITHOUT_PROGRESS = 60.0
_SECONDS_BETWEEN_LOOKS = 0.2

Project = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Rebinding:
    """A command that makes another account pay for a project; `message` is its record."""

    identity: str
    project: Project
    account: str
    message: Message


class Fleet:
    """`projects` over `organizations` with Ready accounts each; knows who pays for what, and commands changes.

    Each organization's commands are sent by so many people in turn; without people, all are sent by one sender.
    """

    def __init__(self, organizations: int, projects: int, people_of_each: int = 0) -> None:
        self.organizations = [f"organization-{number:05}" for number in range(organizations)]
        self.projects: list[Project] = [
            (self.organizations[number % organizations], f"project-{number:07}") for number in range(projects)
        ]
        self.payers: dict[Project, str] = dict.fromkeys(self.projects, ACCOUNTS[0])
        self.rebound = 0
        self.tokens: Mapping[str, bytes] | None = None
        """The tokens that people send their commands with, if they do."""
        self._people_of_each = people_of_each
        self._ids = count(1)

    def copy(self) -> Self:
        """Return a fleet of the same that is changed on its own, by commands whose ids are taken by no other."""
        copied = type(self)(0, 0)
        copied.organizations, copied.projects = list(self.organizations), list(self.projects)
        copied.payers, copied.rebound, copied._ids = dict(self.payers), self.rebound, self._ids
        return copied

    @property
    def people(self) -> list[tuple[str, str]]:
        """Return all who send commands: each an organization, and a person of it."""
        numbers = range(self._people_of_each)
        return [(name, _person(name, number)) for name in self.organizations for number in numbers]

    def add(self, organization: str, projects: int) -> list[Project]:
        """Add an organization with projects, before the fleet is established."""
        added = [(organization, f"project-{len(self.projects) + number:07}") for number in range(projects)]
        self.organizations.append(organization)
        self.projects += added
        self.payers |= dict.fromkeys(added, ACCOUNTS[0])
        return added

    def bind(self, project: Project, account: str) -> tuple[str, Message]:
        """Return the id and the record of a command that makes the account pay, which is taken for done."""
        organization, name = project
        self.payers[project] = account
        return self.message("BindProject", {"organization": organization, "project": name, "account": account})

    def rebind(self, project: Project) -> Rebinding:
        """Return a command that makes the other account pay, which is taken for done."""
        account = ACCOUNTS[1 - ACCOUNTS.index(self.payers[project])]
        identity, message = self.bind(project, account)
        self.rebound += 1
        return Rebinding(identity, project, account, message)

    def rebindings(self, commands: int, projects: Iterable[Project] | None = None) -> list[Rebinding]:
        """Return commands that each make the other account pay, for all projects (or those given) in turn."""
        return [self.rebind(project) for project in islice(cycle(projects or self.projects), commands)]

    def unchanging(self) -> list[Message]:
        """Return one command for each organization that names the present payer again."""
        firsts = dict(reversed(self.projects))
        return [self.bind(project, self.payers[project])[1] for project in firsts.items()]

    def message(self, name: str, data: Mapping[str, Any]) -> tuple[str, Message]:
        """Return the id and the record of a command or fact, in structured mode."""
        number = next(self._ids)
        identity, sender = f"{name}-{number:08}", SENDER
        if self._people_of_each:
            # Rebindings come from all organizations in turn.
            turn = number // len(self.organizations)
            sender = _person(data["organization"], turn % self._people_of_each)
        headers = (("authorization", b"Bearer " + self.tokens[sender]),) if self.tokens else ()
        event = {
            "specversion": SPECVERSION,
            "id": identity,
            "source": SOURCE,
            "type": type_of(name),
            "time": format_instant(datetime.now(UTC)),
            "authid": sender,
            "data": data,
        }
        return identity, Message(data["organization"].encode(), orjson.dumps(event), headers)


def _person(organization: str, number: int) -> str:
    return f"user:{organization}-{number}"


def reports(fleet: Fleet) -> dict[Topic, list[Message]]:
    """Return, by topic, the facts and commands that bring about all profiles, projects and accounts."""
    profiles = [
        fleet.message(
            "PaymentProfileChanged",
            {
                "organization": organization,
                "paymentProfile": profile,
                "kind": "CreditCard",
                "state": "Valid",
                "version": 1,
            },
        )[1]
        for organization in fleet.organizations
        for profile in dict.fromkeys(_PROFILES.values())
    ]
    reported = [
        fleet.message(
            "ProjectChanged", {"organization": organization, "project": project, "state": "Active", "version": 1}
        )[1]
        for organization, project in fleet.projects
    ]
    created = [
        fleet.message(
            "CreateAccount",
            {
                "organization": organization,
                "account": account,
                "currencyCode": "EUR",
                "paymentTerms": {"netDays": 30},
                "paymentProfile": profile,
            },
        )[1]
        for organization in fleet.organizations
        for account, profile in _PROFILES.items()
    ]
    return {Topic.PAYMENT_PROFILES: profiles, Topic.PROJECTS: reported, Topic.ADMIN_COMMANDS: created}


async def establish(fleet: Fleet, settings: Settings) -> None:
    """Report profiles and projects, create accounts, bind every project to the first, and have all of it published.

    Raises BenchmarkFailed.
    """
    consumers = (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS)
    with whopays(settings, consumers, (Role.RELAY,)) as programs:
        connection = await connect(settings.database_url)
        try:
            await _establish(fleet, settings, programs, connection)
            logged = int(await connection.fetchval("SELECT sum(position) FROM shards"))
            with step("Events published", logged) as show:
                await _until(lambda: _published(settings), logged, show, programs)
        finally:
            await connection.close()


async def _establish(
    fleet: Fleet, settings: Settings, programs: Sequence[Program], connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async def until(title: str, query: str, wanted: int) -> None:
        async def found() -> int:
            return int(await connection.fetchval(query))

        with step(title, wanted) as show:
            await _until(found, wanted, show, programs)

    reported = reports(fleet)
    for topic, messages in reported.items():
        await send(settings, settings.topic(topic), messages)
    accounts = len(reported[Topic.ADMIN_COMMANDS])
    await until("Projects reported", "SELECT count(*) FROM projects", len(fleet.projects))
    await until("Accounts Ready", "SELECT count(*) FROM accounts WHERE phase = 'Ready'", accounts)
    bound = [fleet.bind(project, account)[1] for project, account in fleet.payers.items()]
    await send(settings, settings.topic(Topic.ADMIN_COMMANDS), bound)
    await until("Projects bound", "SELECT count(account) FROM projects", len(bound))


async def _published(settings: Settings) -> int:
    """Return how many events of the log are published."""
    positions = (await read_kept(settings)).positions
    return sum(at.position for at in positions.values())


async def _until(
    look: Callable[[], Awaitable[int]], wanted: int, show: Callable[[int], None], programs: Sequence[Program]
) -> None:
    found, changed = -1, time.monotonic()
    while found != wanted:
        for program in programs:
            program.check()
        now = await look()
        if now != found:
            found, changed = now, time.monotonic()
            show(found)
        elif time.monotonic() - changed > _SECONDS_WITHOUT_PROGRESS:
            words = "\n".join(program.last_words() for program in programs)
            raise BenchmarkFailed(f"the preparation is stuck at {found} of {wanted}\n{words}")
        await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
