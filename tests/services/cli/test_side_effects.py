"""Every operator's command changes its subject and nothing else: all tables and topics, before and after."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import typer
from typer.core import TyperGroup

from cli.program import app
from db.published import note_published, published_at_least
from db.reading_positions import read_at_least
from db.sealing import fresh_key
from embedded import Addresses
from schemas.topics import INPUT_TOPICS, Topic
from tests.faults.moving import recreate
from tests.support.command_line import Ran, Whopays, whopays_of
from tests.support.installations import KEYS, Installation, installed
from tests.support.kafka import exactly_published, send
from tests.support.messages import Said, account, bind, command, profile, project
from tests.support.snapshots import ADDED, REMOVED, Change, Snapshot, snapshot_of
from tests.support.waiting import until
from workers.topics.cluster import administration

CHANGING = {
    ("dead-letters", "discard"),
    ("dead-letters", "redrive"),
    ("erase-contact",),
    ("replay", "forget"),
    ("replay", "start"),
    ("reshard",),
    ("rewrap-keys",),
    ("topics", "adopt"),
    ("topics", "create"),
    ("topics", "reread"),
    ("topics", "restore-positions"),
    ("verify",),
}
LOOKING: dict[tuple[str, ...], int] = {
    ("migrate",): 0,
    ("migrate", "--plan"): 0,
    ("reconcile",): 0,
    ("status",): 1,
    ("top", "--once"): 0,
    ("export-log", "log.jsonl"): 0,
    ("health",): 1,
    ("new-key",): 0,
    ("roles",): 0,
    ("token", "check", "no-such-file"): 2,
    ("rewrap-keys",): 0,
    ("topics", "create"): 0,
    ("topics", "check"): 0,
    ("topics", "acls"): 0,
    ("topics", "restore-positions"): 0,
    ("topics", "reread", "no-such-topic", "--yes"): 2,
    ("dead-letters", "list"): 0,
    ("dead-letters", "show", "1", "--open"): 0,
    ("dead-letters", "redrive", "999"): 1,
    ("dead-letters", "redrive", "--reason", "CardNumber"): 0,
    ("dead-letters", "discard", "999", "--reason", "old"): 1,
    ("dead-letters", "discard", "--where-reason", "CardNumber", "--reason", "old"): 0,
    ("erase-contact", "acme", "without", "--yes"): 0,
    ("replay", "list"): 0,
    ("replay", "show", "no-such"): 1,
    ("replay", "start", "rehearsed", "--dry-run"): 0,
    ("replay", "start", "nobody", "--organization", "no-such"): 1,
    ("replay", "stop", "no-such"): 1,
    ("replay", "resume", "no-such"): 1,
    ("replay", "forget", "no-such"): 1,
    ("who", "acme", "web"): 0,
    ("timeline", "acme", "web"): 0,
    ("account", "acme", "main", "--contact"): 0,
    ("result", "acme", "bind-web"): 0,
    ("export", "intervals", "--from", "2026-01-01T00:00:00Z", "--until", "2026-02-01T00:00:00Z", "--format", "csv"): 0,
    ("tail", "--from-beginning", "--max", "3"): 0,
}
"""Commands that only look, or find nothing to do, with their exit status."""

CONTACT = {"contact": {"name": "Xanthippe", "emails": ["x@zebrafinch.example"]}}


def _story(organization: str) -> list[Said]:
    return [
        profile(organization),
        *(project(organization, name) for name in ("web", "api", "later")),
        account(organization, "main", **CONTACT),
        account(organization, "other", **CONTACT),
        account(organization, "without"),
        bind(organization, "web", "main", "bind-web"),
        bind(organization, "api", "other", "bind-api"),
        bind(organization, "later", "main", "bind-later", effectiveAt="2099-01-01T00:00:00Z"),
        bind(organization, "unknown", "main", "bind-unknown", waitSeconds=86_400),
        # Dead letters: two open ones, and two that are sealed.
        project(organization, "broken-1", state="Broken"),
        project(organization, "broken-2", state="Broken"),
        command("BindProject", "broken-3", organization, ce_type="no.such.Type"),
        command("BindProject", "broken-4", organization, ce_specversion="0.3"),
    ]


@pytest_asyncio.fixture(scope="module")
async def resting(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """An installation that holds something of everything, whose processes have stopped."""
    async with installed(services, template) as made:
        await send(made, _story("acme") + _story("globex"))
        found = await exactly_published(made)
        shards = {one.event["id"].partition("-")[0] for one in found}

        async def noted() -> bool:
            async with made.engine.connect() as connection:
                return {str(shard) for shard in await published_at_least(connection)} >= shards

        await until(noted, "the relay's bounds")
        for worker in made.workers:
            await worker.stop()
        yield made


@pytest_asyncio.fixture
async def before(resting: Installation) -> AsyncIterator[Snapshot]:
    """The state before the command. Positions that it deletes are restored for the next test."""
    taken = await snapshot_of(resting)
    yield taken
    async with resting.engine.begin() as connection:
        for (table, _), row in taken.rows.items():
            if table == "reading_positions":
                await read_at_least(connection, row["topic"], {row["partition"]: row["next_offset"]})
            elif table == "published":
                await note_published(connection, {row["shard"]: row["position"]})


@pytest.fixture
def operator(resting: Installation) -> Whopays:
    """Runs command lines with two keys, of which the old one is active."""
    keys = json.dumps({**json.loads(KEYS), "new": fresh_key()})
    whopays = whopays_of(resting)

    async def run(*arguments: str, active: str = "test") -> Ran:
        return await whopays(*arguments, WHOPAYS_ENCRYPTION_KEYS=keys, WHOPAYS_ENCRYPTION_KEY_ID=active)

    return run


def test_no_operators_command_is_left_out() -> None:
    tried = {words[:length] for words in LOOKING for length in (1, 2)} | CHANGING
    assert _operators_commands() - tried == {("run",), ("serve",)}


@pytest.mark.parametrize(("words", "status"), LOOKING.items(), ids=map(" ".join, LOOKING))
async def test_what_only_looks_changes_nothing(
    words: tuple[str, ...],
    status: int,
    resting: Installation,
    operator: Whopays,
    before: Snapshot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = await operator(*words)
    assert ran.status == status, (ran.out, ran.err)
    after = await snapshot_of(resting)
    assert before.changes_until(after) == {}
    assert before.growth_until(after) == set()


@pytest.mark.parametrize("place", (0, -1))
async def test_redriving(place: int, resting: Installation, operator: Whopays, before: Snapshot) -> None:
    waiting = (await operator("dead-letters", "list", "--waiting", "--json")).expect(0).document
    chosen = waiting[place]
    (await operator("dead-letters", "redrive", str(chosen["number"]))).expect(0)
    after = await snapshot_of(resting)
    assert before.changes_until(after) == {("dead_letter_actions", (chosen["number"], 1)): ADDED}
    assert before.growth_until(after) == {chosen["topic"].removeprefix(resting.prefix)}
    assert sum(after.ends.values()) == sum(before.ends.values()) + 1


async def test_verifying(resting: Installation, operator: Whopays, before: Snapshot) -> None:
    (await operator("verify")).expect(0)
    verified = await snapshot_of(resting)
    assert before.changes_until(verified) == {("last_audit", (True,)): ADDED}
    (await operator("verify")).expect(0)
    again = await snapshot_of(resting)
    assert verified.changes_until(again) == {("last_audit", (True,)): {"begun_at", "ended_at"}}
    assert before.growth_until(again) == set()


async def test_discarding(resting: Installation, operator: Whopays, before: Snapshot) -> None:
    waiting = (await operator("dead-letters", "list", "--waiting", "--json")).expect(0).document
    number = waiting[1]["number"]
    (await operator("dead-letters", "discard", str(number), "--reason", "old")).expect(0)
    after = await snapshot_of(resting)
    assert before.changes_until(after) == {("dead_letter_actions", (number, 1)): ADDED}
    assert before.growth_until(after) == set()


async def test_erasing_a_contact(resting: Installation, operator: Whopays, before: Snapshot) -> None:
    (await operator("erase-contact", "acme", "other", "--yes")).expect(0)
    after = await snapshot_of(resting)
    assert before.changes_until(after) == {("account_contacts", ("acme", "other")): {"wrapped_key"}}
    assert before.growth_until(after) == set()


async def test_replacing_the_key(resting: Installation, operator: Whopays, before: Snapshot) -> None:
    (await operator("rewrap-keys", active="new")).expect(0)
    after = await snapshot_of(resting)
    wrapped = [change for change, row in before.rows.items() if row.get("wrapped_key") is not None]
    assert {name for name, _ in wrapped} == {"account_contacts", "dead_letters"}
    assert before.changes_until(after) == {change: {"key_id", "wrapped_key"} for change in wrapped}
    assert before.growth_until(after) == set()
    (await operator("rewrap-keys", active="test")).expect(0)


async def test_replaying(resting: Installation, operator: Whopays, before: Snapshot) -> None:
    assert (await operator("replay", "list")).expect(0).out == "There are no replays.\n"
    (await operator("replay", "start", "everything")).expect(0)
    replayed = await snapshot_of(resting)
    assert before.changes_until(replayed) == {("replays", ("everything",)): ADDED}
    assert before.growth_until(replayed) == {Topic.REPLAY_POSITIONS}
    (await operator("replay", "start", "everything")).expect(0)
    assert replayed.growth_until(await snapshot_of(resting)) == set()
    (await operator("replay", "forget", "everything")).expect(0)
    forgotten = await snapshot_of(resting)
    assert replayed.changes_until(forgotten).keys() == {("replays", ("everything",))}
    assert replayed.growth_until(forgotten) == set()


@pytest.mark.parametrize("topic", INPUT_TOPICS)
async def test_reading_a_topic_again(topic: Topic, resting: Installation, operator: Whopays, before: Snapshot) -> None:
    (await operator("topics", "reread", resting.settings.topic(topic), "--yes")).expect(0)
    after = await snapshot_of(resting)
    assert before.changes_until(after) == dict.fromkeys(_read(before, topic, resting), REMOVED) != {}
    assert before.growth_until(after) == set()


@pytest.mark.parametrize("topic", (*INPUT_TOPICS, Topic.BINDINGS))
async def test_adopting_a_recreated_topic(
    topic: Topic, resting: Installation, operator: Whopays, before: Snapshot
) -> None:
    await recreate(resting, topic)
    recreated = await snapshot_of(resting)
    (await operator("topics", "adopt")).expect(0)
    after = await snapshot_of(resting)
    changes = recreated.changes_until(after)
    noted = {change: changes.pop(change) for change in list(changes) if change[0] == "known_topics"}
    assert noted.pop(("known_topics", (str(topic),))) == {"topic_id", "noted_at"}
    assert set(noted.values()) <= {frozenset({"noted_at"})}
    assert changes == dict.fromkeys(_read(before, topic, resting), REMOVED)
    assert bool(changes) == (topic in INPUT_TOPICS)
    assert recreated.growth_until(after) == set()


async def test_adopting_what_is_known_already(resting: Installation, operator: Whopays, before: Snapshot) -> None:
    (await operator("topics", "adopt")).expect(0)
    after = await snapshot_of(resting)
    changes = before.changes_until(after)
    assert {(name, *columns) for (name, _), columns in changes.items()} <= {("known_topics", "noted_at")}
    assert before.growth_until(after) == set()


async def test_publishing_again(resting: Installation, operator: Whopays, before: Snapshot) -> None:
    (await operator("topics", "adopt", "--publish-again")).expect(0)
    after = await snapshot_of(resting)
    changes = {
        change: columns for change, columns in before.changes_until(after).items() if change[0] != "known_topics"
    }
    assert changes == {change: REMOVED for change in before.rows if change[0] == "published"} != {}
    assert before.growth_until(after) == set()


async def test_restoring_positions(resting: Installation, operator: Whopays) -> None:
    await recreate(resting, Topic.RELAY_POSITIONS)
    (await operator("topics", "adopt")).expect(0)
    before = await snapshot_of(resting)
    assert '"shard"' in (await operator("topics", "restore-positions", "--json")).expect(0).out
    after = await snapshot_of(resting)
    assert before.changes_until(after) == {}
    assert before.growth_until(after) == {Topic.RELAY_POSITIONS}


async def test_creating_a_missing_topic(resting: Installation, operator: Whopays, before: Snapshot) -> None:
    async with administration(resting.settings) as admin:
        await admin.delete_topics([resting.settings.topic(Topic.COMMAND_RESULTS)])

    async def is_created() -> bool:
        return "Created" in (await operator("topics", "create")).out

    await until(is_created, "the end of the deletion")
    after = await snapshot_of(resting)
    assert before.changes_until(after) == {}
    assert before.growth_until(after) == {Topic.COMMAND_RESULTS}
    assert all(end == 0 for (topic, _), end in after.ends.items() if topic == Topic.COMMAND_RESULTS)


def _operators_commands() -> set[tuple[str, ...]]:
    program = typer.main.get_command(app)
    assert isinstance(program, TyperGroup)
    operating = {
        name: one for name, one in program.commands.items() if getattr(one, "rich_help_panel", "") == "Operate"
    }
    return {
        (name, *within)
        for name, one in operating.items()
        for within in ([(leaf,) for leaf in one.commands] if isinstance(one, TyperGroup) else [()])
    }


def _read(snapshot: Snapshot, topic: Topic, installation: Installation) -> list[Change]:
    name = installation.settings.topic(topic)
    return [change for change in snapshot.rows if change[0] == "reading_positions" and change[1][0] == name]
