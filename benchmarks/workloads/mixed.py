"""The workload: commands and facts of many kinds over the three input topics, mixed by a seed.

Of all records 3 % update accounts, 2 % change payment profiles (and with them phases), 10 % report projects, known
ones and new ones, 5 % are commands that are refused, 2 % repeat an earlier command; the rest rebinds projects. What
comes of a record does not depend on the order between topics: the accounts that change pay for nothing.
"""

import random
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from itertools import count, cycle

from benchmarks.contenders import warm_up
from benchmarks.failures import BenchmarkFailed
from benchmarks.fleet import SPARE_ACCOUNT, SPARE_PROFILE, Fleet, Project, Rebinding, establish
from benchmarks.installations import Servers, connect, installed
from benchmarks.measuring import Round, measure
from benchmarks.outcomes import each, verify_bindings, verify_results, verify_state, wanted_of
from benchmarks.processes import whopays
from benchmarks.report import Report
from benchmarks.statements import StatementLog, logging_statements
from benchmarks.traffic import Message, ends, observing, records_since
from schemas.topics import INPUT_TOPICS, Topic
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

MEASURED = (
    "from SIGCONT to one process for the three consumers and one for the relay, which have joined and warmed up and "
    "are then held while all records are preloaded, until a read_committed consumer has got the last event or result"
)
_PARTS = {"update": 0.03, "profile": 0.02, "report": 0.10, "refused": 0.05, "repeated": 0.02}
_OUTPUT_TOPICS = (Topic.BINDINGS, Topic.ACCOUNTS, Topic.NOTICES, Topic.COMMAND_RESULTS)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured; a tenth of the records are at least as many as the organizations."""

    records: int = 20_000
    organizations: int = 200
    projects: int = 20_000
    rounds: int = 5
    seed: int = 5


@dataclass(slots=True)
class _Mix:
    """The records of a round by topic, and what must come of them."""

    messages: dict[Topic, list[Message]] = field(default_factory=lambda: {topic: [] for topic in INPUT_TOPICS})
    rebindings: list[Rebinding] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
    events: Counter[Topic] = field(default_factory=Counter)


async def run(servers: Servers, size: Size) -> Report:
    """Measure mix after mix. Raises BenchmarkFailed, also when a single outcome is wrong."""
    if size.records * _PARTS["report"] < size.organizations:
        raise BenchmarkFailed("a tenth of the records must be at least as many as the organizations")
    async with installed(servers) as settings:
        fleet = Fleet(size.organizations, size.projects)
        await establish(fleet, settings)
        mixer = _Mixer(fleet, size.seed)
        rounds = [
            await _measure(f"Round {number} of {size.rounds}", settings, mixer, size.records)
            for number in range(1, size.rounds + 1)
        ]
        statements = {}
        async with logging_statements(servers, settings) as log:
            if log:
                counted = await _measure("Statements", settings, mixer, size.records, log)
                assert counted.statements is not None
                statements["whopays"] = counted.statements / counted.commands
        await verify_state(settings, fleet)
        await mixer.verify_versions(settings)
    return Report("mixed", MEASURED, asdict(size), {"whopays": rounds}, statements=statements)


async def _measure(
    title: str, settings: Settings, mixer: "_Mixer", records: int, statements: StatementLog | None = None
) -> Round:
    outputs = [settings.topic(topic) for topic in _OUTPUT_TOPICS]
    with whopays(settings, (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS), (Role.RELAY,)) as programs:
        commands, results = settings.topic(Topic.ADMIN_COMMANDS), settings.topic(Topic.COMMAND_RESULTS)
        await warm_up(settings, programs, commands, results, mixer.fleet.unchanging())
        mix = mixer.mix(records)
        since = await ends(settings, *outputs)
        messages = {settings.topic(topic): sent for topic, sent in mix.messages.items()}
        async with observing(settings, "the output topics", since, keep=False) as observer:
            events = mix.events.total()
            measured = await measure(title, settings, programs, messages, observer, events, statements)
            await observer.expect_no_more(events)
    published = defaultdict(list)
    async for record in records_since(settings, since):
        published[record.topic].append(record)
    for topic, wanted in mix.events.items():
        if len(published[settings.topic(topic)]) != wanted:
            raise BenchmarkFailed(
                f"{len(published[settings.topic(topic)])} records came to {topic} instead of {wanted}"
            )
    await verify_bindings(wanted_of(mix.rebindings), each(published[settings.topic(Topic.BINDINGS)]))
    await verify_results(mix.outcomes, each(published[results]))
    return measured


class _Mixer:
    """Makes mixes, one after the other, for a fleet whose projects and versions it knows."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self.fleet = fleet
        self._random = random.Random(seed)
        self._project_versions: Counter[Project] = Counter(fleet.projects)
        self._profile_versions: Counter[str] = Counter(fleet.organizations)
        self._projects = cycle(fleet.projects)
        self._names = count(1)

    def mix(self, records: int) -> _Mix:
        """Return so many records."""
        organizations = self.fleet.organizations
        kinds = [kind for kind, part in _PARTS.items() for _ in range(round(records * part))]
        for _ in organizations:
            kinds.remove("report")
        kinds += ["rebinding"] * (records - len(organizations) - len(kinds) - 1)
        self._random.shuffle(kinds)
        mix = _Mix()
        # The first one is there to be repeated.
        for kind in ("rebinding", *kinds):
            self._add(kind, mix)
        for organization in organizations:
            # A new project without a payer is told of in a notice: when it is seen, all reports before it are done.
            self._report((organization, f"new-{next(self._names):07}"), mix)
            mix.events[Topic.NOTICES] += 1
        mix.events[Topic.BINDINGS] = len(mix.rebindings)
        mix.events[Topic.COMMAND_RESULTS] = len(mix.outcomes)
        return mix

    async def verify_versions(self, settings: Settings) -> None:
        """Make sure that the last version of everything reported is in the database. Raises BenchmarkFailed."""
        wanted = (
            len(self._project_versions),
            self._project_versions.total(),
            self._profile_versions.total(),
        )
        connection = await connect(settings.database_url)
        try:
            row = await connection.fetchrow(
                "SELECT count(*), sum(version)::bigint, "
                "(SELECT sum(version)::bigint FROM payment_profiles WHERE payment_profile = $1) FROM projects",
                SPARE_PROFILE,
            )
        finally:
            await connection.close()
        if row is None or tuple(row) != wanted:
            raise BenchmarkFailed(f"projects, their versions and those of profiles are {row}, not {wanted}")

    def _add(self, kind: str, mix: _Mix) -> None:
        match kind:
            case "update":
                name = f"Name {next(self._names)}"
                self._command("UpdateAccount", "Applied", mix, account=SPARE_ACCOUNT, displayName=name)
                mix.events[Topic.ACCOUNTS] += 1
            case "profile":
                self._change_profile(mix)
                # A phase, and the account.
                mix.events[Topic.ACCOUNTS] += 2
            case "report":
                self._report(self._random.choice(self.fleet.projects), mix)
            case "refused":
                self._command("BindProject", "Rejected", mix, project="project-0000000", account="unknown")
            case "repeated":
                commands = mix.messages[Topic.ADMIN_COMMANDS]
                commands.append(self._random.choice(commands))
            case _:
                rebinding = self.fleet.rebind(next(self._projects))
                mix.rebindings.append(rebinding)
                mix.outcomes[rebinding.identity] = "Applied"
                mix.messages[Topic.ADMIN_COMMANDS].append(rebinding.message)

    def _command(self, name: str, outcome: str, mix: _Mix, **data: str) -> None:
        organization = self._random.choice(self.fleet.organizations)
        identity, message = self.fleet.message(name, {"organization": organization, **data})
        mix.outcomes[identity] = outcome
        mix.messages[Topic.ADMIN_COMMANDS].append(message)

    def _change_profile(self, mix: _Mix) -> None:
        organization = self._random.choice(self.fleet.organizations)
        self._profile_versions[organization] += 1
        version = self._profile_versions[organization]
        data = {
            "organization": organization,
            "paymentProfile": SPARE_PROFILE,
            "kind": "CreditCard",
            "state": "Valid" if version % 2 else "Invalid",
            "version": version,
        }
        mix.messages[Topic.PAYMENT_PROFILES].append(self.fleet.message("PaymentProfileChanged", data)[1])

    def _report(self, project: Project, mix: _Mix) -> None:
        self._project_versions[project] += 1
        organization, name = project
        data = {
            "organization": organization,
            "project": name,
            "state": "Active",
            "version": self._project_versions[project],
            "displayName": f"Name {next(self._names)}",
        }
        mix.messages[Topic.PROJECTS].append(self.fleet.message("ProjectChanged", data)[1])
