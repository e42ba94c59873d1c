"""`whopays replay`: publishes past events again, to one consumer."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar, assert_never

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.operating.replaying import card_of, listing_of, shown_replaying
from cli.terminal.ending import CommandFailed, Misused
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import print_json
from cli.terminal.screen import show as show_parts
from db.engine import create_engine
from db.replays import KeptReplay, find_replay, forget_target, go_on_with_replay, list_replays, stop_replay
from db.revisions import check as check_database
from schemas.replays import NAME_RULE, BadSelection, Selection, is_replay_name, selection_of
from schemas.replays import ReplayState as State
from workers.replaying.beginning import ReplayRequest, begin, plan
from workers.replaying.refusal import ReplayTaken
from workers.replaying.rehearsing import dry_run
from workers.replaying.tally import Progress, document_of
from workers.replaying.target import remove_target
from workers.replaying.working import Work
from workers.runtime.logs import set_up_logs
from workers.runtime.settings import Settings
from workers.topics.admission import insist_on_prefix

STOPPED = 3
"""Exit status of a command whose replay was stopped."""

_LOOK_AGAIN_SECONDS = 0.2
_POOL_SIZE = 4
_TOPIC_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_LONGEST_TOPIC = 249

T = TypeVar("T")
Told = Callable[[Progress], None]


def start(
    *,
    name: str,
    organization: str | None,
    project: str | None,
    account: str | None,
    types: list[str] | None,
    from_: str | None,
    until: str | None,
    after: list[str] | None,
    latest: bool,
    available: bool,
    topic: str | None,
    partitions: int | None,
    rate: int | None,
    detach: bool,
    is_dry: bool,
    as_json: bool,
) -> None:
    """Publish past events again, to one consumer; resume if the name is known."""
    selection = _selected(
        lambda: selection_of(
            organization=organization, project=project, account=account, types=types or (), from_=from_, until=until,
            after=after or (), latest=latest,
        )
    )  # fmt: skip
    _insist_on_words(name, topic)
    if is_dry and detach:
        raise Misused("--dry-run writes nothing: there is nothing to --detach.")
    asked = ReplayRequest(name, selection, topic, partitions, rate, available, detach)
    settings = load_settings()

    async def work(engine: AsyncEngine) -> KeptReplay | None:
        with shown_replaying() as told:
            if is_dry:
                planned = await plan(engine, settings, asked, _waits)
                print_json((await dry_run(engine, settings, planned, told)).document())
                return None
            replay = await begin(engine, settings, asked, _waits)
            if detach or replay.state is State.DONE:
                return await _found(engine, name)
            return await _finish(engine, settings, name, told)

    replay = _run(settings, work)
    if replay is not None:
        _conclude(replay, as_json=as_json, is_detached=detach)


def list_(*, as_json: bool) -> None:
    """List the replays, newest first."""
    found = _run(load_settings(), _all)
    if as_json:
        print_json([document_of(replay) for replay in found])
    elif found:
        show_parts(listing_of(found))
    else:
        typer.echo("There are no replays.")


def show(*, name: str, as_json: bool) -> None:
    """Show a replay: its progress, or its outcome."""
    replay = _run(load_settings(), lambda engine: _found(engine, name))
    if as_json:
        print_json(document_of(replay))
    else:
        show_parts(card_of(replay))


def stop(*, name: str, as_json: bool) -> None:
    """Stop a replay; it can be resumed."""
    settings = load_settings()

    async def work(engine: AsyncEngine) -> KeptReplay:
        replay = await _found(engine, name)
        if replay.state is State.DONE:
            raise CommandFailed(f"The replay {name} is done: there is nothing to stop.")
        async with engine.begin() as connection:
            await stop_replay(connection, name)
        # The process that works on it commits its transaction first, which may even complete the replay.
        return await _released(engine, name)

    replay = _run(settings, work)
    if as_json:
        print_json(document_of(replay))
    else:
        show_parts(card_of(replay))


def resume(*, name: str, rate: int | None, as_json: bool) -> None:
    """Resume a replay that was stopped or failed."""
    settings = load_settings()

    async def work(engine: AsyncEngine) -> KeptReplay:
        replay = await _found(engine, name)
        if replay.state is State.DONE:
            return replay
        async with engine.begin() as connection:
            await go_on_with_replay(connection, name, rate, is_detached=None)
        if replay.is_detached:
            return await _found(engine, name)
        with shown_replaying() as told:
            return await _finish(engine, settings, name, told)

    replay = _run(settings, work)
    _conclude(replay, as_json=as_json, is_detached=replay.is_detached)


def forget(*, name: str, as_json: bool) -> None:
    """Delete the topic of a completed replay; its manifest stays."""
    settings = load_settings()

    async def work(engine: AsyncEngine) -> tuple[str, bool]:
        replay = await _found(engine, name)
        if replay.state is not State.DONE:
            raise CommandFailed(f"The replay {name} is not done: it is {replay.state}. Only what is done is forgotten.")
        is_gone = True
        if replay.forgotten_at is None:
            is_gone = await remove_target(settings, replay.target, replay.target_id)
            async with engine.begin() as connection:
                await forget_target(connection, name)
        return replay.target, is_gone

    target, is_gone = _run(settings, work)
    if as_json:
        print_json({"name": name, "topic": target})
    else:
        removed = f"Removed {target}" if is_gone else f"{target} is another topic by now, which was not removed"
        typer.echo(f"{removed}. The manifest stays: whopays replay show {name}")


async def _finish(engine: AsyncEngine, settings: Settings, name: str, told: Told) -> KeptReplay:
    """Work on a replay, or watch the process that does, until it is completed, stopped or failed."""
    stopping = asyncio.Event()
    with _stopped_by_signals(stopping):
        while not stopping.is_set():
            work = Work(engine, settings, name, stopping, told)
            try:
                await work.run()
                break
            except ReplayTaken:
                if work.has_begun:
                    raise
            # Another process works on it: watch that one, and take over if it dies.
            replay = await _found(engine, name)
            told(Progress(replay.records, replay.looked_at, replay.to_look_at))
            if replay.state is not State.RUNNING:
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                    await stopping.wait()
    if stopping.is_set():
        async with engine.begin() as connection:
            await stop_replay(connection, name)
    return await _found(engine, name)


@contextlib.contextmanager
def _stopped_by_signals(stopping: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    try:
        for one in signals:
            loop.add_signal_handler(one, stopping.set)
    except (ValueError, RuntimeError):
        # Signal handlers can only be set in the main thread.
        yield
        return
    try:
        yield
    finally:
        for one in signals:
            loop.remove_signal_handler(one)


def _run(settings: Settings, work: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    async def on_database() -> T:
        engine = create_engine(settings.database_url, pool_size=_POOL_SIZE)
        try:
            await check_database(engine, settings.installation, settings.shards, settings.first_shard, only_reads=True)
            await insist_on_prefix(engine, settings)
            return await work(engine)
        finally:
            await engine.dispose()

    # Only log retried errors; everything else is visible in the progress.
    set_up_logs(settings.model_copy(update={"log_level": "WARNING"}))
    # A new topic has no leader yet: the client logs an error, and waits for it.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with reaching(settings):
        return asyncio.run(on_database())


async def _found(engine: AsyncEngine, name: str) -> KeptReplay:
    async with engine.connect() as connection:
        replay = await find_replay(connection, name)
    if replay is None:
        raise CommandFailed(f"There is no replay {name}. All there are: whopays replay list")
    return replay


async def _released(engine: AsyncEngine, name: str) -> KeptReplay:
    """Wait until no process works on a stopped replay, at most until its lease expires, and return it."""
    while True:
        replay = await _found(engine, name)
        if replay.state is not State.STOPPED or not replay.is_leased:
            return replay
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _all(engine: AsyncEngine) -> list[KeptReplay]:
    async with engine.connect() as connection:
        return await list_replays(connection)


def _selected(select: Callable[[], Selection]) -> Selection:
    try:
        return select()
    except BadSelection as error:
        raise Misused(str(error)) from None


def _insist_on_words(name: str, topic: str | None) -> None:
    if not is_replay_name(name):
        raise Misused(f"{name!r} cannot be a replay's name: that is {NAME_RULE}.")
    if topic is not None and (
        not 0 < len(topic) <= _LONGEST_TOPIC or not _TOPIC_SIGNS.issuperset(topic) or topic in {".", ".."}
    ):
        raise Misused(f"--topic: {topic!r} cannot be the name of a topic.")


def _waits(until: object) -> None:
    typer.echo(f"Waiting until everything before {until} is published.", err=True)


def _conclude(replay: KeptReplay, *, as_json: bool, is_detached: bool) -> None:
    """Print the state of a replay, and exit with the matching status."""
    if as_json:
        print_json(document_of(replay))
    else:
        show_parts(card_of(replay))
    match replay.state:
        case State.DONE:
            return
        case State.STOPPED:
            raise typer.Exit(STOPPED)
        case State.FAILED | State.RUNNING:
            if not is_detached:
                raise CommandFailed(f"The replay {replay.name} is not done: {replay.trouble or replay.state}.")
        case never:
            assert_never(never)
